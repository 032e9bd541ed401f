//! `dga`, `flow`: so many different things in the time span that a model holds for hostile.

use detect_rules::{Anomaly, AnomalyKind};
use serde::{Deserialize, Serialize};

use super::{COUNTED, Episode, GOES_ON, Remembered, begun, hash, line, shown, span};
use crate::{
    correlate::{observation::Observation, verdict::Outcome},
    sketch::{Distinct, Taken},
};

/// Once it holds, it is asked again so many times in a time span.
const ASKED: i64 = 6;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Verdicts {
    values: Distinct,
    episode: Episode,
}

impl Remembered for Verdicts {
    fn new(rule: &Anomaly, _observation: &Observation) -> Self {
        Self {
            values: Distinct::new(rule.timespan_ns),
            episode: Episode::default(),
        }
    }

    fn add(&mut self, rule: &Anomaly, observation: &Observation) -> Outcome {
        let (AnomalyKind::Dga {
            score: least,
            names: minimum,
        }
        | AnomalyKind::Flow {
            score: least,
            minimum,
        }) = rule.kind
        else {
            return COUNTED;
        };
        let at = observation.head.at;
        let mut parts = observation.text.value().split('\u{1f}');
        let [what, record, pushes] = [(); 3].map(|()| parts.next().unwrap_or_default());
        match self.values.add(hash(what), at) {
            Taken::Late => return Outcome::Outside,
            Taken::Unchanged => return COUNTED,
            Taken::Changed => {}
        }
        if self.episode.is_fresh(rule, at, ASKED) {
            return GOES_ON;
        }
        let count = self.values.estimate(at);
        if count < minimum {
            return COUNTED;
        }
        if !self.episode.holds(rule, at) {
            return GOES_ON;
        }
        let [score, _] = observation.numbers;
        let why = format!(
            "a model gives it {} of 1, at least {}; so far {count} in {}, at least {minimum}; because of {pushes}",
            shown(score),
            shown(least),
            span(rule.timespan_ns)
        );
        let last = line(rule, what, why);
        // From this the verdict can be computed again, bit for bit: `varde models verify`.
        let kept = (
            "varde.model.record".to_owned(),
            record.to_owned(),
            "recomputable verdict".to_owned(),
        );
        begun(
            rule,
            observation,
            count,
            format!(">= {minimum}"),
            vec![kept, last],
        )
    }
}
