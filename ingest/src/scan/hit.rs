//! What an event matched, as it is written on it and as it is told of.

use detect_alert::{Indicator, Severity};
use ingest_event::Value;

/// So many matches of one event are written on it: more than any event has that somebody can still read. Those that raise
/// an alert come before the bases of correlations.
pub const MATCHES_MAX: usize = 64;

/// From this on an event passes others on its way.
const ALERT_MIN: Severity = Severity::Medium;

/// One match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// As it stands on the event: `rule:<id>`, `indicator:<kind>:<value>@<field>`, `restricted:<hash>@<field>`.
    pub word: String,
    /// The rule's title, or what kind of indicator it is: for people on site. Empty for what raises nothing.
    pub title: String,
    /// How grave.
    pub severity: Severity,
    /// Of what kind.
    pub kind: HitKind,
    /// Whether it raises an alert by itself; the bases of correlations do not.
    pub raises: bool,
}

/// What matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HitKind {
    /// A rule.
    Rule,
    /// An indicator.
    Indicator,
    /// An indicator that came as a hash.
    Restricted,
}

/// All that one event matched, by its words, each once; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    hits: Vec<Hit>,
    cut: u64,
}

impl HitKind {
    /// Each.
    pub const ALL: [Self; 3] = [Self::Rule, Self::Indicator, Self::Restricted];

    /// In words and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Indicator => "indicator",
            Self::Restricted => "restricted",
        }
    }
}

impl Hit {
    /// Of a rule with this id and title.
    pub(super) fn of_rule(id: &str, title: &str, severity: Severity, raises: bool) -> Self {
        Self {
            word: ["rule:", id].concat(),
            title: if raises { title.to_owned() } else { String::new() },
            severity,
            kind: HitKind::Rule,
            raises,
        }
    }

    /// Of an indicator that a field named.
    pub(super) fn of_indicator(indicator: &Indicator, severity: Severity, field: &str) -> Self {
        let (kind, value) = (indicator.kind.as_str(), indicator.value.as_str());
        Self {
            word: ["indicator:", kind, ":", value, "@", field].concat(),
            title: format!("Known bad {kind}"),
            severity,
            kind: HitKind::Indicator,
            raises: true,
        }
    }
}

impl Hit {
    /// Of an indicator that came as this hash. How grave it is, only the centre knows.
    pub(super) fn of_restricted(hash: &str, field: &str) -> Self {
        Self {
            word: ["restricted:", hash, "@", field].concat(),
            title: String::new(),
            severity: Severity::High,
            kind: HitKind::Restricted,
            raises: true,
        }
    }

    /// Whether people on site may be told of it: not of what is for named recipients.
    #[must_use]
    pub fn is_for_the_site(&self) -> bool {
        self.raises && self.kind != HitKind::Restricted
    }
}

impl Found {
    /// Of the hits of one event.
    pub(super) fn of(mut hits: Vec<Hit>) -> Self {
        super::distinct(&mut hits);
        let all = hits.len();
        if MATCHES_MAX < all {
            hits.sort_by(|one, other| (!one.raises, &one.word).cmp(&(!other.raises, &other.word)));
            hits.truncate(MATCHES_MAX);
            hits.sort_by(|one, other| one.word.cmp(&other.word));
        }
        Self {
            cut: (all - hits.len()) as u64,
            hits,
        }
    }

    /// The matches.
    #[must_use]
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// Matches beyond [`MATCHES_MAX`].
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Whether one of them raises an alert that should be known soon: an indicator, or a rule from level `medium` on.
    #[must_use]
    pub fn is_alert(&self) -> bool {
        let is_grave = |hit: &Hit| hit.kind != HitKind::Rule || ALERT_MIN <= hit.severity;
        self.hits.iter().any(|hit| hit.raises && is_grave(hit))
    }

    /// As it is written on the event.
    #[must_use]
    pub fn value(&self) -> Value {
        let words = self.hits.iter().map(|hit| Value::from(hit.word.as_str()));
        Value::List(words.collect())
    }
}
