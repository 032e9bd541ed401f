//! `beacon`: contacts at regular intervals, with like sizes.

use detect_rules::{Anomaly, AnomalyKind};
use serde::{Deserialize, Serialize};

use super::{COUNTED, Episode, GOES_ON, Remembered, begun, line, shown, span};
use crate::{
    correlate::{observation::Observation, verdict::Outcome},
    sketch::{Beacon, Taken},
};

/// Of contacts that are many, the score is asked at every such one.
const EVERY: u32 = 4;

/// Once it holds, it is asked again so many times in a time span.
const ASKED: i64 = 24;

/// What knocks so many times in the time span is let in, however fast it is to be.
const STARTS: i64 = 16;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Contacts {
    contacts: Beacon,
    episode: Episode,
}

impl Remembered for Contacts {
    // Most pairs meet once: a table of them would push out those that meet again and again.
    const KNOCKS: u32 = 3;

    /// Twice the slowest rhythm that the rule asks for: what comes more seldom need not be remembered, and pushes out what
    /// does not. Not less than a part of the time span, for what comes in fits and starts.
    fn patience_ns(rule: &Anomaly) -> i64 {
        let AnomalyKind::Beacon { minimum, .. } = rule.kind else {
            return rule.timespan_ns;
        };
        let slowest = rule.timespan_ns / i64::try_from(minimum).unwrap_or(i64::MAX).max(1);
        slowest
            .saturating_mul(2)
            .clamp(rule.timespan_ns / STARTS, rule.timespan_ns)
    }

    fn new(_rule: &Anomaly, _observation: &Observation) -> Self {
        Self {
            contacts: Beacon::default(),
            episode: Episode::default(),
        }
    }

    fn add(&mut self, rule: &Anomaly, observation: &Observation) -> Outcome {
        let AnomalyKind::Beacon { score, minimum } = rule.kind else {
            return COUNTED;
        };
        let head = &observation.head;
        let [size, _] = observation.numbers;
        if let Taken::Late = self.contacts.contact(head.began, whole(size)) {
            return Outcome::Outside;
        }
        let count = self.contacts.count();
        let is_asked = minimum <= u64::from(count) && count.is_multiple_of(EVERY);
        if !is_asked {
            return COUNTED;
        }
        if self.episode.is_fresh(rule, head.at, ASKED) {
            return GOES_ON;
        }
        let Some(found) = self.contacts.score() else {
            return COUNTED;
        };
        if found.total < score {
            return COUNTED;
        }
        if !self.episode.holds(rule, head.at) {
            return GOES_ON;
        }
        let mut why = format!(
            "{count} contacts, about every {}; intervals {} regular",
            span(found.period_ns),
            shown(found.interval)
        );
        if let Some(size) = found.size {
            why.push_str(&format!(", sizes {}", shown(size)));
        }
        why.push_str(&format!(
            "; score {} of at least {}",
            shown(found.total),
            shown(score)
        ));
        let last = line(rule, if size.is_nan() { String::new() } else { shown(size) }, why);
        let threshold = format!("score >= {}, at least {minimum} contacts", shown(score));
        begun(rule, observation, u64::from(count), threshold, vec![last])
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked; casts of floats saturate"
)]
fn whole(size: f64) -> Option<u64> {
    (0.0 <= size).then_some(size as u64)
}
