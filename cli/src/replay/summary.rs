//! What a replay amounts to: counts by input and by reason. Nothing here depends on the clock.

use std::collections::BTreeMap;
use std::time::Duration;

use ingest_event::QuarantineReason;
use serde_json::{Value as Json, json};

use crate::text::{counted, number};

/// Counts of one replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events scanned.
    pub events: u64,
    /// Alerts raised.
    pub alerts: u64,
    /// What was put aside, by reason.
    pub refused: BTreeMap<QuarantineReason, u64>,
    /// One for each input, in the order in which they were read.
    pub inputs: Vec<InputSummary>,
    /// Names the rules and indicators that were loaded.
    pub ruleset: String,
}

/// Counts of one input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputSummary {
    /// As it was named.
    pub path: String,
    /// What it was recognised as, for example `pcapng`; empty if it was not.
    pub format: String,
    /// Events read.
    pub events: u64,
    /// Lines or packets put aside.
    pub refused: u64,
    /// Why it could not be read, or not to its end.
    pub failed: Option<String>,
}

impl Summary {
    /// How much was put aside.
    #[must_use]
    pub fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }

    /// How many inputs could not be read.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.inputs.iter().filter(|input| input.failed.is_some()).count()
    }

    /// One line for a person.
    #[must_use]
    pub fn line(&self, took: Duration) -> String {
        let seconds = took.as_secs_f64();
        let mut parts = vec![
            counted(self.events, "event", "events"),
            counted(self.alerts, "alert", "alerts"),
            match self.refused_total() {
                0 => "nothing refused".to_owned(),
                total => format!("{} refused ({})", number(total), self.reasons()),
            },
        ];
        match self.failed() {
            0 => {}
            failed => parts.push(format!("{} not read", counted(failed as u64, "input", "inputs"))),
        }
        parts.push(format!("{seconds:.2} s"));
        if 0.0 < seconds {
            parts.push(format!(
                "{} events/s",
                number((self.events as f64 / seconds).round() as u64)
            ));
        }
        parts.join(" · ")
    }

    fn reasons(&self) -> String {
        let reasons: Vec<String> = self
            .refused
            .iter()
            .map(|(reason, count)| format!("{reason} {}", number(*count)))
            .collect();
        reasons.join(", ")
    }

    /// As JSON, the same for every run.
    #[must_use]
    pub fn json(&self) -> Json {
        let refused: BTreeMap<&str, u64> = self
            .refused
            .iter()
            .map(|(reason, count)| (reason.as_str(), *count))
            .collect();
        let inputs: Vec<Json> = self
            .inputs
            .iter()
            .map(|input| {
                json!({
                    "path": input.path, "format": input.format, "events": input.events,
                    "refused": input.refused, "failed": input.failed,
                })
            })
            .collect();
        json!({
            "events": self.events, "alerts": self.alerts, "refused": refused, "inputs": inputs,
            "ruleset": self.ruleset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_was_refused_and_why() {
        let summary = Summary {
            events: 12_000,
            alerts: 1,
            refused: BTreeMap::from([(QuarantineReason::NotJson, 2), (QuarantineReason::TooLarge, 1)]),
            ..Summary::default()
        };
        assert_eq!(
            summary.line(Duration::from_millis(1500)),
            "12,000 events · 1 alert · 3 refused (not_json 2, too_large 1) · 1.50 s · 8,000 events/s"
        );
    }
}
