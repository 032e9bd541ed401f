//! What is more urgent than what: every record goes in one of four streams.

use ingest_event::field;
use serde::{Deserialize, Serialize};

/// A class of records with a queue and running numbers of its own (`varde.stream`). In order of importance, the highest
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Alerts of others, and what the sensor says of itself: heartbeats, canaries, what was shed.
    Alert,
    /// Logs.
    Log,
    /// Flows and metadata of traffic: much, and each worth little.
    Flow,
    /// What could not be read.
    Quarantine,
}

/// How many there are.
pub const STREAMS: usize = 4;

/// Datasets in which other programs raise alerts.
const ALERTS: [&str; 2] = ["suricata.alert", "zeek.notice"];

impl Stream {
    /// All, the most important first.
    pub const ALL: [Self; STREAMS] = [Self::Alert, Self::Log, Self::Flow, Self::Quarantine];

    /// In events, metrics and names of files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => field::STREAM_ALERT,
            Self::Log => "log",
            Self::Flow => "flow",
            Self::Quarantine => "quarantine",
        }
    }

    /// That of an event.
    #[must_use]
    pub fn of_dataset(dataset: &str) -> Self {
        if dataset.starts_with("varde.") || ALERTS.contains(&dataset) {
            Self::Alert
        } else if ["network.", "suricata.", "zeek."]
            .iter()
            .any(|start| dataset.starts_with(start))
        {
            Self::Flow
        } else {
            Self::Log
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}
