//! `new_value`: a value that this entity has not had within the time span. `rare`: one that few of its events have.

use detect_rules::{Anomaly, AnomalyKind};
use serde::{Deserialize, Serialize};

use super::{COUNTED, Known, Remembered, begun, hash, line, shown, span, time};
use crate::{
    correlate::{observation::Observation, verdict::Outcome},
    sketch::{Memory, Recent, Seen, Shares},
};

/// The most values that are remembered of one entity: what has more is no creature of habit.
const VALUES_MAX: usize = 64;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct NewValue {
    values: Recent,
    known: Known,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rare {
    shares: Shares,
    known: Known,
    /// Values that were told of.
    told: Recent,
}

impl Remembered for NewValue {
    fn new(_rule: &Anomaly, observation: &Observation) -> Self {
        Self {
            values: Recent::default(),
            known: Known::since(observation),
        }
    }

    fn add(&mut self, rule: &Anomaly, observation: &Observation) -> Outcome {
        let at = observation.head.at;
        let value = observation.text.value();
        let evicted = self.values.evicted();
        match self.values.see(&memory(rule), hash(value), at) {
            Seen::Late => return Outcome::Outside,
            Seen::Before(_) => return COUNTED,
            Seen::New => {}
        }
        let is_full = evicted < self.values.evicted();
        // An entity whose values do not fit is not told of: any of them may be one that was forgotten.
        if self.known.is_learning(rule, at) || 0 < self.values.evicted() {
            return Outcome::Counted { is_full };
        }
        let why = format!(
            "not seen of it within {}; watched since {}, {} other values",
            span(rule.timespan_ns),
            time(self.known.0),
            self.values.len().saturating_sub(1)
        );
        begun(
            rule,
            observation,
            1,
            "new".to_owned(),
            vec![line(rule, value, why)],
        )
    }
}

impl Remembered for Rare {
    fn new(_rule: &Anomaly, observation: &Observation) -> Self {
        Self {
            shares: Shares::default(),
            known: Known::since(observation),
            told: Recent::default(),
        }
    }

    fn add(&mut self, rule: &Anomaly, observation: &Observation) -> Outcome {
        let AnomalyKind::Rare { share, minimum } = rule.kind else {
            return COUNTED;
        };
        let at = observation.head.at;
        let value = observation.text.value();
        let found = self.shares.count(rule.timespan_ns, hash(value), at);
        let is_known = u64::from(found.total) < minimum || self.known.is_learning(rule, at);
        if is_known || share < found.at_most() {
            return COUNTED;
        }
        if self.told.see(&memory(rule), hash(value), at) != Seen::New {
            return COUNTED;
        }
        let why = format!(
            "{} of {} events have it, at most {} do by the rule",
            found.at_most,
            found.total,
            shown(share * f64::from(found.total))
        );
        begun(
            rule,
            observation,
            u64::from(found.at_most),
            format!("<= {share}"),
            vec![line(rule, value, why)],
        )
    }
}

fn memory(rule: &Anomaly) -> Memory {
    Memory {
        span_ns: rule.timespan_ns,
        values_max: VALUES_MAX,
    }
}
