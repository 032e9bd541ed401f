//! What a checked rule is: every name resolved, every modifier applied, nothing left of Sigma's syntax.
//!
//! Not a compiled program: `detect-engine` decides how to evaluate these. A [`Rule`] holds for every event of
//! its log source whether its [`Condition`] is true; a [`Correlation`] counts such events in windows and an [`Anomaly`]
//! compares them with what is usual. These types are
//! serialisable for a cache of this program's own only; the format is no interface.

use detect_alert::{Confidence, Pap, Producer, Severity, Tlp};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Anomaly, Correlation};

/// Rules, correlations and anomaly rules that passed every check, in a fixed order: by id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CheckedRules {
    /// Rules about single events.
    pub rules: Vec<Rule>,
    /// Rules about several events; a [`crate::Base`] is an index into `rules` or into these.
    pub correlations: Vec<Correlation>,
    /// Rules about what is usual; a [`crate::Base`] as above.
    pub anomalies: Vec<Anomaly>,
}

/// A Sigma rule about single events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// What an alert says of it. `ruleset` is still empty: the compiler knows it.
    pub producer: Producer,
    /// Sigma's `level`; medium where it has none.
    pub severity: Severity,
    /// `varde.confidence`, else from Sigma's `status`.
    pub confidence: Confidence,
    /// From a tag such as `tlp.amber`; TLP:AMBER without one.
    pub tlp: Tlp,
    /// From a tag such as `pap.amber`; PAP:GREEN without one, so that a responder may block.
    pub pap: Pap,
    /// Which events it is for.
    pub log_source: RuleLogSource,
    /// When it is true.
    pub condition: Condition,
    /// The field that names what the alert is about (`varde.entity`), if the author chose one.
    pub entity: Option<String>,
    /// False for a rule that is only the base of correlations (which have no `generate: true`).
    pub raises: bool,
    /// BLAKE3 of the document's text: what the ruleset's version is made of.
    pub digest: [u8; 32],
}

/// Sigma's `logsource`; lower case. A part that is not stated does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleLogSource {
    /// Such as `process_creation`, `dns`, `proxy`.
    pub category: Option<String>,
    /// Such as `windows`, `zeek`.
    pub product: Option<String>,
    /// Such as `sysmon`, `conn`.
    pub service: Option<String>,
}

/// A truth about one event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Condition {
    /// Each holds; true when empty.
    All(Vec<Condition>),
    /// At least so many hold; `AtLeast(1, [])` never does.
    AtLeast(usize, Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A test of one field.
    Item(Item),
    /// Any text anywhere in the event matches.
    Keywords(Quantifier, Vec<Pattern>),
}

/// A test of one field.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    /// Names to look under: the first that the event has counts. ECS first, then as the rule says.
    pub fields: Vec<String>,
    /// What is asked.
    pub test: Test,
}

/// What is asked of a field.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Test {
    /// Whether it is there and not null.
    Exists(bool),
    /// Whether its values match. A list matches a pattern if one of its members does.
    Values {
        /// One pattern is enough, or all are needed.
        quantifier: Quantifier,
        /// `neq`: the field is there, and they do not.
        negated: bool,
        /// The patterns.
        patterns: Vec<Pattern>,
    },
}

/// Any or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quantifier {
    /// One is enough.
    Any,
    /// All are needed.
    All,
}

/// Matches one value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Pattern {
    /// Text with wildcards; numbers and booleans are matched as they are written.
    Text {
        /// Where in the value.
        op: TextOp,
        /// Literals and wildcards, in order; never two literals in a row.
        parts: Vec<TextPart>,
        /// Whether case matters.
        cased: bool,
    },
    /// A regular expression, found anywhere in the text; flags are inside.
    Regex(String),
    /// An address inside this prefix.
    Cidr(IpNet),
    /// A number: equal, or ordered.
    Number(Comparison, f64),
    /// A boolean.
    Bool(bool),
    /// Null, or the field is not there.
    Null,
    /// The same event's other field, by the names it may have.
    Field {
        /// How the two relate.
        op: TextOp,
        /// Its names.
        fields: Vec<String>,
        /// Whether case matters.
        cased: bool,
    },
    /// A part of a time, in UTC.
    Time(TimePart, f64),
}

/// Where in a text a pattern must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextOp {
    /// Anywhere.
    Contains,
    /// At its end.
    EndsWith,
    /// All of it.
    Equals,
    /// At its start.
    StartsWith,
}

/// A piece of a text pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextPart {
    /// `*`: any characters, or none.
    Any,
    /// Itself.
    Literal(String),
    /// `?`: one character.
    One,
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// Equal.
    Equal,
    /// The value is greater.
    Greater,
    /// The value is greater or equal.
    GreaterOrEqual,
    /// The value is less.
    Less,
    /// The value is less or equal.
    LessOrEqual,
}

/// A part of a time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimePart {
    /// 1 to 31.
    Day,
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
    /// 1 to 12.
    Month,
    /// ISO 8601 week, 1 to 53.
    Week,
    /// For example 2026.
    Year,
}
