//! `volume`: so much of one field in the time span, and so many times another. Data leaving.

use detect_rules::{Anomaly, AnomalyKind};
use serde::{Deserialize, Serialize};

use super::{COUNTED, Episode, GOES_ON, Remembered, begun, line, shown, span};
use crate::{
    correlate::{observation::Observation, verdict::Outcome},
    sketch::{Taken, Volume},
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sums {
    sums: Volume,
    episode: Episode,
}

impl Remembered for Sums {
    fn new(rule: &Anomaly, _observation: &Observation) -> Self {
        Self {
            sums: Volume::new(rule.timespan_ns),
            episode: Episode::default(),
        }
    }

    fn add(&mut self, rule: &Anomaly, observation: &Observation) -> Outcome {
        let AnomalyKind::Volume { at_least, ratio } = rule.kind else {
            return COUNTED;
        };
        let at = observation.head.at;
        let [out, back] = observation.numbers.map(whole);
        if let Taken::Late = self.sums.add([out, back], at) {
            return Outcome::Outside;
        }
        let [out, back] = self.sums.total(at);
        let is_lopsided = rule.fields.len() < 2 || ratio * number(back) <= number(out);
        if out < at_least || !is_lopsided {
            return COUNTED;
        }
        if !self.episode.holds(rule, at) {
            return GOES_ON;
        }
        let mut why = format!("{out} in {}, at least {at_least}", span(rule.timespan_ns));
        if let Some(other) = rule.fields.get(1) {
            why.push_str(&match back {
                0 => format!("; {other} 0"),
                _ => format!(
                    "; {other} {back}: {} times as much, at least {}",
                    shown(number(out) / number(back)),
                    shown(ratio)
                ),
            });
        }
        begun(
            rule,
            observation,
            out,
            format!(">= {at_least}"),
            vec![line(rule, out, why)],
        )
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate, NaN is 0"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes in a time span are far below 2^53"
)]
fn number(whole: u64) -> f64 {
    whole as f64
}
