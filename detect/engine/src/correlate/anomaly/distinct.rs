//! `distinct`: so many different values in the time span. Scans, sweeps and sprays.

use detect_rules::{Anomaly, AnomalyKind};
use serde::{Deserialize, Serialize};

use super::{COUNTED, Episode, GOES_ON, Remembered, begun, hash, line, span};
use crate::{
    correlate::{observation::Observation, verdict::Outcome},
    sketch::{Distinct, Taken},
};

/// Once it holds, it is asked again so many times in a time span.
const ASKED: i64 = 6;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Values {
    values: Distinct,
    /// The last estimate, and so many new values came since.
    estimate: u64,
    since: u32,
    episode: Episode,
}

impl Remembered for Values {
    fn new(rule: &Anomaly, _observation: &Observation) -> Self {
        Self {
            values: Distinct::new(rule.timespan_ns),
            estimate: 0,
            since: 0,
            episode: Episode::default(),
        }
    }

    fn add(&mut self, rule: &Anomaly, observation: &Observation) -> Outcome {
        let AnomalyKind::Distinct { at_least } = rule.kind else {
            return COUNTED;
        };
        let at = observation.head.at;
        let own = [hash(observation.text.value())];
        let hashes = observation
            .merged
            .as_ref()
            .map_or(&own[..], |merged| &merged.hashes);
        let before = self.since;
        for hash in hashes {
            match self.values.add(*hash, at) {
                Taken::Late => return Outcome::Outside,
                Taken::Unchanged => {}
                Taken::Changed => self.since += 1,
            }
        }
        if self.since == before {
            return COUNTED;
        }
        // Each of them adds one, or a little more where the estimate errs.
        let most = self.estimate.saturating_add(u64::from(self.since) * 2);
        if most < at_least {
            return COUNTED;
        }
        if self.episode.is_fresh(rule, at, ASKED) {
            return GOES_ON;
        }
        let estimate = self.values.estimate(at);
        (self.estimate, self.since) = (estimate, 0);
        if estimate < at_least {
            return COUNTED;
        }
        if !self.episode.holds(rule, at) {
            return GOES_ON;
        }
        let why = format!(
            "about {estimate} different values of {} in {}, at least {at_least}",
            rule.fields.first().map_or("", String::as_str),
            span(rule.timespan_ns)
        );
        let last = line(rule, observation.text.value(), why);
        begun(rule, observation, estimate, format!(">= {at_least}"), vec![last])
    }
}
