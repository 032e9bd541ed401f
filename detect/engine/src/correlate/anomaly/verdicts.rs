//! `dga`, `flow`: so many different things in the time span that a model holds for hostile.

use detect_rules::Anomaly;
use serde::{Deserialize, Serialize};

use super::{COUNTED, ENTITIES_MAX, Episode, rule};
use crate::{
    correlate::{keeper::State, observation::Observation, track::Asked, verdict::Outcome},
    sketch::Distinct,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Verdicts {
    values: Distinct,
    episode: Episode,
}

impl State for Verdicts {
    type Rule = Anomaly;

    const GROUPS_MAX: usize = ENTITIES_MAX;

    fn rule(asked: &Asked) -> Option<&Anomaly> {
        rule(asked)
    }

    fn new(rule: &Anomaly, _observation: &Observation) -> Self {
        Self {
            values: Distinct::new(rule.timespan_ns),
            episode: Episode::default(),
        }
    }

    fn add(&mut self, _rule: &Anomaly, _observation: &Observation) -> Outcome {
        COUNTED
    }

    fn retention_ns(rule: &Anomaly) -> i64 {
        rule.timespan_ns
    }
}
