//! What belongs together leaves as one notice: how long a notice waits for others of its group.
//!
//! As Prometheus' Alertmanager groups (`group_wait`, `group_interval`), with what is grave never held for long: what was told once is
//! never held, whatever happens to it, and deadlines run from when a notice was decided.

use std::time::Duration;

use detect_alert::Severity;
use ingest_event::{OrganizationNumber, Timestamp, derive_id};

use crate::{ChangeKind, Incident};

/// The longest wait for what may belong to it: who is at work looks at mail no sooner.
pub const WAIT_MAX: Duration = Duration::from_mins(10);
/// The longest wait of what is high or critical: a minute of the quarter of an hour that a watch promises.
pub const GRAVE_WAIT_MAX: Duration = Duration::from_mins(1);
/// The longest time between two notices about one group: half a working day.
pub const INTERVAL_MAX: Duration = Duration::from_hours(4);

/// What incidents that are told in one notice have in common, beside the contact and whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// Nothing more.
    Organization,
    /// The rule, or what rules share.
    Rule,
}

/// How notices wait for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// What belongs together.
    pub by: Together,
    /// How long a notice waits for others, by severity from informational to critical; nothing where zero.
    pub wait: [Duration; 5],
    /// The least time between two notices about one group, of what is below high.
    pub interval: Duration,
}

impl Grouping {
    /// Until when, in [steady](crate::Steady) time, a notice waits of a change to an incident that is so grave; `None` if it leaves at
    /// once. `left` is when its group was told of last. Only what is new waits: what became graver, what wakes, and what people ask for do not.
    #[must_use]
    pub fn until(
        &self,
        kind: ChangeKind,
        severity: Severity,
        left: Option<Timestamp>,
        steady: Timestamp,
    ) -> Option<Timestamp> {
        let is_new = matches!(kind, ChangeKind::Opened | ChangeKind::Relapsed);
        let wait = self.wait(severity);
        if !is_new || wait.is_zero() {
            return None;
        }
        let waited = steady.saturating_add(wait);
        let spaced = left
            .filter(|_| severity < Severity::High)
            .map(|left| left.min(steady).saturating_add(self.interval));
        Some(spaced.map_or(waited, |spaced| spaced.max(waited)))
    }

    /// The longest that a notice of a severity is held.
    #[must_use]
    pub fn longest(&self, severity: Severity) -> Duration {
        let wait = self.wait(severity);
        if wait.is_zero() || Severity::High <= severity {
            wait
        } else {
            wait.max(self.interval)
        }
    }

    /// The group of an incident of an owner, as 32 hexadecimal digits. Never across owners, and an exercise is never mixed with the real
    /// thing.
    #[must_use]
    pub fn key(&self, incident: &Incident, owner: OrganizationNumber) -> String {
        let rule = match self.by {
            Together::Organization => "",
            Together::Rule => incident.key.producer.as_str(),
        };
        let exercise = [u8::from(incident.key.exercise)];
        derive_id(&[b"group", owner.as_str().as_bytes(), &exercise, rule.as_bytes()])
    }

    fn wait(&self, severity: Severity) -> Duration {
        let place = usize::from(severity.number()).saturating_sub(1);
        self.wait.get(place).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_waits_and_nothing_grave_is_held_by_what_left_before() {
        let second = Duration::from_secs;
        let grouping = Grouping {
            by: Together::Organization,
            wait: [second(0), second(0), second(30), second(20), second(0)],
            interval: second(300),
        };
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let until = |kind, severity, left: Option<i64>| {
            let until = grouping.until(kind, severity, left.map(at), at(1_000));
            until.map(|until| until.as_millis() / 1_000)
        };
        for (kind, severity, left, expected) in [
            (ChangeKind::Opened, Severity::Medium, None, Some(1_030)),
            (ChangeKind::Relapsed, Severity::Medium, Some(100), Some(1_030)),
            (ChangeKind::Opened, Severity::Medium, Some(900), Some(1_200)),
            // Of a clock that was replaced: no longer than from now on.
            (ChangeKind::Opened, Severity::Medium, Some(9_000), Some(1_300)),
            (ChangeKind::Opened, Severity::High, Some(900), Some(1_020)),
            (ChangeKind::Opened, Severity::Critical, Some(900), None),
            (ChangeKind::Opened, Severity::Low, Some(900), None),
            (
                ChangeKind::Raised { from: Severity::Low },
                Severity::Medium,
                None,
                None,
            ),
            (ChangeKind::Woken, Severity::Medium, None, None),
            (ChangeKind::HelpNeeded, Severity::Medium, None, None),
            (ChangeKind::Grown { from: 3 }, Severity::Medium, None, None),
        ] {
            assert_eq!(
                until(kind, severity, left),
                expected,
                "{kind:?} {severity} {left:?}"
            );
        }
        let longest = Severity::ALL.iter().map(|severity| grouping.longest(*severity));
        assert_eq!(
            longest.collect::<Vec<_>>(),
            [second(0), second(0), second(300), second(20), second(0)]
        );
    }
}
