//! An alert and its parts.

use std::{collections::BTreeMap, fmt};

use ingest_event::{EventId, Fields, Marking, OrganizationNumber, SensorId, Timestamp, Zone, derive_id};
use serde::{Deserialize, Serialize};

use crate::{Confidence, IndicatorRef, Pap, Severity, Tlp};

/// At most this many events travel with an alert as samples: a person reads a handful; the count is in
/// [`Window::count`].
pub const SAMPLES_MAX: usize = 10;

/// Names an alert by what it says: 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId(String);

/// A rule's id: Sigma's UUID, or `<kind>:<value>` for indicators, as in `domain:bad.example`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleId(pub String);

/// Names a compiled ruleset by its content: the first 16 hexadecimal digits of its hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RulesetVersion(pub String);

/// A short text by language code (`nb`, `nn`, `en`).
pub type Texts = BTreeMap<String, String>;

/// What kind of thing produced an alert (R17: always visible).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProducerKind {
    /// An anomaly rule.
    Anomaly,
    /// A Sigma correlation.
    Correlation,
    /// An indicator.
    Indicator,
    /// The pipeline itself, for example an event that claims another organisation.
    Integrity,
    /// A trained model.
    Model,
    /// A Sigma rule.
    Sigma,
}

/// What produced an alert, with what a reader needs to judge it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Producer {
    /// Which kind.
    pub kind: ProducerKind,
    /// The rule's id.
    pub id: RuleId,
    /// Its title.
    pub name: String,
    /// For a rule its `modified` or `date`, else `1`; for an indicator the ruleset's version.
    pub version: String,
    /// The ruleset that it was part of.
    pub ruleset: RulesetVersion,
    /// Who wrote it; travels with every alert (Detection Rule License).
    pub authors: Vec<String>,
    /// Under which licence, if the rule says so; travels with every alert too.
    pub license: Option<String>,
    /// What it looks for.
    pub description: String,
    /// Further reading.
    pub references: Vec<String>,
    /// Sigma's tags, for example `attack.t1046`.
    pub tags: Vec<String>,
    /// Known harmless causes.
    pub false_positives: Vec<String>,
    /// Rules with the same word are about the same thing: what they tell of one entity is one incident.
    pub incident: Option<String>,
    /// What was seen, in plain words for a responder.
    pub summary: Texts,
    /// What to do first.
    pub first_step: Texts,
}

/// What the alert is about: with rule and organisation it is the key that alerts are grouped by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity {
    /// The field it was taken from, for example `source.ip`; `group` for several.
    pub field: String,
    /// Its value; several are joined with `, `.
    pub value: String,
}

/// One reason: this field had this value, and that is what was looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The event that it was seen in.
    pub event: EventId,
    /// The field.
    pub field: String,
    /// Its value, as text, cut to 1,024 characters.
    pub value: String,
    /// What matched, for example `contains 'nmap'` or `in 203.0.113.0/24`.
    pub matched: String,
}

/// An event that took part.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSample {
    /// Its id.
    pub id: EventId,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Which kind of event.
    pub dataset: String,
    /// What was seen.
    pub fields: Fields,
}

/// For alerts about several events: which, over what time.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Time of the first event.
    pub start: Timestamp,
    /// Time of the last event.
    pub end: Timestamp,
    /// What was counted: events, or distinct values.
    pub count: u64,
    /// The condition, for example `>= 10`.
    pub threshold: String,
    /// The fields that were grouped by, with their values.
    pub group_by: Vec<(String, String)>,
}

/// A stored, explainable match.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Derived from what it says; see [`AlertId::derive`].
    pub id: AlertId,
    /// Time of the event that completed it.
    pub timestamp: Timestamp,
    /// Whose network.
    pub organization: OrganizationNumber,
    /// The sensor of that event.
    pub sensor: SensorId,
    /// The zone of that event.
    pub zone: Zone,
    /// The highest marking of its events.
    pub marking: Marking,
    /// Whether it belongs to an exercise.
    pub exercise: bool,
    /// How grave.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// Who may know.
    pub tlp: Tlp,
    /// What they may do.
    pub pap: Pap,
    /// What produced it.
    pub producer: Producer,
    /// The indicator, for indicator matches.
    pub indicator: Option<IndicatorRef>,
    /// What it is about.
    pub entity: Entity,
    /// Why.
    pub evidence: Vec<Evidence>,
    /// The window, for alerts about several events.
    pub window: Option<Window>,
    /// At most [`SAMPLES_MAX`] events; the last is the one that completed it, and there is at least one.
    pub events: Vec<EventSample>,
}

impl AlertId {
    /// From what the alert says: rule (or indicator), organisation, and the events or window that completed
    /// it. Two runs over the same events make the same ids.
    #[must_use]
    pub fn derive(rule: &RuleId, organization: OrganizationNumber, evidence: &[&str]) -> Self {
        let mut parts: Vec<&[u8]> = vec![rule.0.as_bytes(), organization.as_str().as_bytes()];
        parts.extend(evidence.iter().map(|part| part.as_bytes()));
        Self(derive_id(&parts))
    }

    /// Reads an id of 1 to 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ProducerKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Anomaly,
        Self::Correlation,
        Self::Indicator,
        Self::Integrity,
        Self::Model,
        Self::Sigma,
    ];

    /// The code on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anomaly => "anomaly",
            Self::Correlation => "correlation",
            Self::Indicator => "indicator",
            Self::Integrity => "integrity",
            Self::Model => "model",
            Self::Sigma => "sigma",
        }
    }
}
