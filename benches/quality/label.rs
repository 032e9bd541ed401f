//! What really happened: labelled attacks, and which alerts find them.
//!
//! An alert finds an attack if it is about one of its parties, in its time, and its rule is of the attack's kind: a
//! beacon's host that is told of as a scanner is not a beacon found. A rule's kind is told by its ATT&CK tags.

use std::time::Duration;

use detect_alert::{Alert, Severity};
use ingest_event::Timestamp;
use serde::Serialize;

/// An alert may come after the last event of its attack: flows are told when they end.
const AFTERWARDS: Duration = Duration::from_secs(3_600);

/// What an attack is, and what a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Names that carry data, and names that are asked for regularly.
    Tunnel,
    /// Names made by a machine.
    GeneratedNames,
    /// Guessed passwords.
    Password,
    /// Looking for open doors.
    Scan,
    /// Data that leaves.
    Exfiltration,
    /// Calls home.
    Beacon,
    /// Anything else.
    Other,
}

/// Which technique says which kind; the first that a rule has counts.
const TECHNIQUES: [(Kind, &[&str]); 6] = [
    (Kind::Tunnel, &["t1071.004", "t1572"]),
    (Kind::GeneratedNames, &["t1568"]),
    (Kind::Password, &["t1110"]),
    (Kind::Scan, &["t1046", "t1018", "t1595"]),
    (
        Kind::Exfiltration,
        &["t1041", "t1567", "t1048", "t1030", "t1020", "t1537"],
    ),
    (
        Kind::Beacon,
        &["t1071", "t1571", "t1573", "t1095", "t1008", "t1102"],
    ),
];

impl Kind {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tunnel => "channel in DNS",
            Self::GeneratedNames => "generated names",
            Self::Password => "password attack",
            Self::Scan => "scan",
            Self::Exfiltration => "exfiltration",
            Self::Beacon => "beacon",
            Self::Other => "other",
        }
    }

    /// Of a rule with these tags.
    #[must_use]
    pub fn of(tags: &[String]) -> Self {
        let has = |technique: &&str| {
            tags.iter().any(|tag| {
                let said = tag
                    .strip_prefix("attack.")
                    .and_then(|tag| tag.strip_prefix(*technique));
                said.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        let kind = TECHNIQUES
            .iter()
            .find(|(_, techniques)| techniques.iter().any(has));
        kind.map_or(Self::Other, |(kind, _)| *kind)
    }
}

/// Something that should be found.
#[derive(Clone, Debug)]
pub struct Attack {
    /// What it is, for a person.
    pub name: String,
    /// Which kind.
    pub kind: Kind,
    /// Addresses, hosts and users that an alert may be about.
    pub parties: Vec<String>,
    /// When it began.
    pub from: Timestamp,
    /// When it was over.
    pub until: Timestamp,
}

/// An alert, as far as it is judged; of ours or of a rival.
#[derive(Clone, Debug)]
pub struct Told {
    /// The rule's title.
    pub rule: String,
    /// What it is for.
    pub kind: Kind,
    /// Whom it is about.
    pub about: Vec<String>,
    /// When.
    pub at: Timestamp,
    /// Whether anybody is told: informational alerts are only shown.
    pub wakes: bool,
}

impl Told {
    /// Of an alert.
    #[must_use]
    pub fn of(alert: &Alert) -> Self {
        let mut about: Vec<String> = alert
            .entity
            .value
            .split([',', '+'])
            .map(|part| part.trim().to_owned())
            .collect();
        if let Some(window) = &alert.window {
            about.extend(window.group_by.iter().map(|(_, value)| value.clone()));
        }
        Self {
            rule: alert.producer.name.clone(),
            kind: Kind::of(&alert.producer.tags),
            about,
            at: alert.timestamp,
            wakes: alert.severity > Severity::Informational,
        }
    }
}

impl Attack {
    /// Whether an alert is about it, whatever the alert says it is.
    #[must_use]
    pub fn concerns(&self, told: &Told) -> bool {
        let in_time = self.from <= told.at && told.at <= self.until.saturating_add(AFTERWARDS);
        in_time && told.about.iter().any(|one| self.parties.contains(one))
    }

    /// Whether an alert finds it.
    #[must_use]
    pub fn is_found_by(&self, told: &Told) -> bool {
        (self.kind == Kind::Other || self.kind == told.kind) && self.concerns(told)
    }
}
