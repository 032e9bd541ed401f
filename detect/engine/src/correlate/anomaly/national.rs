//! `national`: the same thing in so many organisations. One alert, the CERT's; who they are is for the CERT alone.

use std::collections::BTreeMap;

use detect_rules::{Anomaly, AnomalyKind};
use ingest_event::{EventId, OrganizationNumber};
use serde::{Deserialize, Serialize};

use super::{COUNTED, Episode, GOES_ON, Remembered, begun, line, span};
use crate::correlate::{observation::Observation, verdict::Outcome};

/// At most so many groups: what is seen in one organisation only is most of them, and small.
const GROUPS_MAX: usize = 250_000;

/// More organisations than there are municipalities and counties in Norway.
const ORGANIZATIONS_MAX: usize = 1_024;

/// At most so many organisations are named in an alert; it tells how many there are besides.
const AMONG_MAX: usize = 64;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Spread {
    /// When each was last seen.
    seen: BTreeMap<OrganizationNumber, i64>,
    episode: Episode,
}

impl Remembered for Spread {
    const GROUPS_MAX: usize = GROUPS_MAX;

    fn new(_rule: &Anomaly, _observation: &Observation) -> Self {
        Self {
            seen: BTreeMap::new(),
            episode: Episode::default(),
        }
    }

    /// What one organisation alone has seen may yet be seen by others; what several have is on its way to be an alert.
    fn is_dear(&self) -> bool {
        1 < self.seen.len()
    }

    fn add(&mut self, rule: &Anomaly, observation: &Observation) -> Outcome {
        let AnomalyKind::National { organizations } = rule.kind else {
            return COUNTED;
        };
        let head = &observation.head;
        let latest = self.seen.values().copied().max().unwrap_or(head.at).max(head.at);
        let start = latest.saturating_sub(rule.timespan_ns);
        if head.at <= start {
            return Outcome::Outside;
        }
        if self.seen.len() < ORGANIZATIONS_MAX || self.seen.contains_key(&head.organization) {
            let seen = self.seen.entry(head.organization).or_insert(head.at);
            *seen = head.at.max(*seen);
        }
        self.seen.retain(|_, at| start < *at);
        let count = self.seen.len() as u64;
        if count < organizations {
            return COUNTED;
        }
        if !self.episode.holds(rule, latest) {
            return GOES_ON;
        }
        let why = format!(
            "seen in {count} organisations within {}, at least {organizations}",
            span(rule.timespan_ns)
        );
        let threshold = format!(">= {organizations} organisations");
        let mut outcome = begun(rule, observation, count, threshold, vec![line(rule, count, why)]);
        if let Outcome::Begun(verdict) = &mut outcome {
            // Who crosses the threshold depends on who came first; which episode it is does not: a time span lies
            // between two of them.
            let episode = latest.div_euclid(rule.timespan_ns.max(1));
            verdict.first = EventId::derive(&[b"episode", &episode.to_le_bytes()]);
            verdict.among = self.seen.keys().copied().take(AMONG_MAX).collect();
        }
        outcome
    }
}
