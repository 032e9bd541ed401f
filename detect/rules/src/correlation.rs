//! What a checked correlation is: whose matches are held together, by what, over what time, and when that is an alert.
//!
//! Sigma's correlation rules, version 2.1 of the specification, and the windows that rsigma adds (`tumbling`, `session`).
//! Serialisable for a cache of this program's own only.

use detect_alert::{Confidence, Pap, Producer, RuleId, Severity, Tlp};
use serde::{Deserialize, Serialize};

/// A Sigma correlation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Correlation {
    /// What an alert says of it. `ruleset` is still empty.
    pub producer: Producer,
    /// Sigma's `level`.
    pub severity: Severity,
    /// As for a rule.
    pub confidence: Confidence,
    /// As for a rule.
    pub tlp: Tlp,
    /// As for a rule.
    pub pap: Pap,
    /// What is counted.
    pub kind: CorrelationKind,
    /// Whose matches, and under which names their fields go; in the author's order.
    pub bases: Vec<Base>,
    /// What a group is called, in order; the names an alert shows.
    pub group_by: Vec<String>,
    /// Which member of `group_by` the alert is about: the author's (`varde.entity`), or the only one there is.
    pub entity: Option<usize>,
    /// The window, in nanoseconds.
    pub timespan_ns: i64,
    /// How the window lies.
    pub window: WindowKind,
    /// All must hold for the count. The count of a temporal correlation is that of the bases that matched; for one with an
    /// expression, and for one that just asks for all of its bases, this is empty.
    pub conditions: Vec<(Operator, u64)>,
    /// What temporal correlations ask of their bases, if the author wrote more than a list. One that is ordered asks for all
    /// bases in their order as well.
    pub expression: Option<Expression>,
    /// False for one that is only the base of others (which have no `generate: true`).
    pub raises: bool,
    /// BLAKE3 of the document's text.
    pub digest: [u8; 32],
}

/// What a correlation counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CorrelationKind {
    /// Events.
    EventCount,
    /// Different values of a field, or of several together.
    ValueCount,
    /// The sum of a field.
    ValueSum,
    /// The mean of a field.
    ValueAvg,
    /// The value of a field at a rank of 0 to 100, interpolated linearly.
    ValuePercentile(u8),
    /// The middle value of a field.
    ValueMedian,
    /// Every base matched; or its expression holds.
    Temporal,
    /// The same, and in the order of the bases.
    TemporalOrdered,
}

/// How a window lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowKind {
    /// The time span that ends with the latest event.
    Sliding,
    /// Time spans side by side, from the epoch on.
    Tumbling,
    /// From the first event until there is none for so many nanoseconds, and no longer than the time span.
    Session {
        /// Nanoseconds.
        gap_ns: i64,
    },
}

/// What a temporal correlation asks: which bases matched in the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expression {
    /// The base with this number in [`Correlation::bases`] matched.
    Base(usize),
    /// All hold.
    All(Vec<Expression>),
    /// One holds.
    Any(Vec<Expression>),
    /// It does not hold.
    Not(Box<Expression>),
}

/// One rule whose matches a correlation or an anomaly rule takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Base {
    /// Which.
    pub of: BaseOf,
    /// Its id; `indicators` for [`BaseOf::Indicators`].
    pub id: RuleId,
    /// For each member of `group_by`, the names to look under. In a chain it is one name, of the base's own `group_by`; for
    /// indicators it is `indicator.kind` and `indicator.value`.
    pub group_by: Vec<Vec<String>>,
    /// For each counted or measured field, in the author's order, the names to look under; in a chain as above.
    pub values: Vec<Vec<String>>,
}

/// Whose matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BaseOf {
    /// Index in [`crate::CheckedRules::rules`].
    Rule(usize),
    /// Index in [`crate::CheckedRules::correlations`]: a chain. Always of a lower level: chains have no rings.
    Correlation(usize),
    /// Index in [`crate::CheckedRules::anomalies`].
    Anomaly(usize),
    /// Matches of any indicator; only for `national`, where the group is kind and value.
    Indicators,
}

/// How a count is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// Equal.
    Equal,
    /// More than.
    Greater,
    /// At least.
    GreaterOrEqual,
    /// Fewer than.
    Less,
    /// At most.
    LessOrEqual,
    /// Different.
    NotEqual,
}

impl Operator {
    /// Whether `count` stands in this relation to `limit`. NaN stands in none.
    #[must_use]
    pub fn holds(self, count: f64, limit: f64) -> bool {
        match self {
            Self::Equal => (count - limit).abs() < f64::EPSILON,
            Self::Greater => limit < count,
            Self::GreaterOrEqual => limit <= count,
            Self::Less => count < limit,
            Self::LessOrEqual => count <= limit,
            Self::NotEqual => f64::EPSILON <= (count - limit).abs(),
        }
    }

    /// As a person writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::NotEqual => "!=",
        }
    }
}
