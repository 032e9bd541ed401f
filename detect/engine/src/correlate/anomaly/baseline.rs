//! `threshold_baseline`: a count or a sum per interval that is far from what is usual.

use detect_rules::{Anomaly, AnomalyKind, Baseline};
use serde::{Deserialize, Serialize};

use super::{COUNTED, Episode, GOES_ON, Known, Remembered, begun, line, shown, span};
use crate::{
    correlate::{observation::Observation, verdict::Outcome},
    sketch::{Ewma, HourOfWeek, Pace, Verdict},
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Usual {
    usual: Kind,
    known: Known,
    /// The interval that is not over, by its first nanosecond, and what it has so far.
    interval: i64,
    value: f64,
    episode: Episode,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Kind {
    Ewma(Ewma),
    Week(Box<HourOfWeek>),
}

impl Kind {
    fn observe(&mut self, pace: &Pace, value: f64, at: i64) {
        let _said = match self {
            Self::Ewma(usual) => usual.observe(pace, value, at),
            Self::Week(usual) => usual.observe(pace, value, at),
        };
    }

    fn judge(&self, pace: &Pace, value: f64, at: i64) -> Verdict {
        match self {
            Self::Ewma(usual) => usual.judge(value),
            Self::Week(usual) => usual.judge(pace, value, at),
        }
    }
}

impl Remembered for Usual {
    fn new(rule: &Anomaly, observation: &Observation) -> Self {
        let usual = match rule.kind {
            AnomalyKind::ThresholdBaseline {
                baseline: Baseline::HourOfWeek,
                ..
            } => Kind::Week(Box::default()),
            _ => Kind::Ewma(Ewma::default()),
        };
        Self {
            usual,
            known: Known::since(observation),
            interval: i64::MIN,
            value: 0.0,
            episode: Episode::default(),
        }
    }

    fn add(&mut self, rule: &Anomaly, observation: &Observation) -> Outcome {
        let AnomalyKind::ThresholdBaseline {
            interval_ns,
            deviations,
            minimum,
            ..
        } = rule.kind
        else {
            return COUNTED;
        };
        let at = observation.head.at;
        let pace = Pace::new(interval_ns, rule.timespan_ns);
        let interval = at.saturating_sub(at.rem_euclid(interval_ns.max(1)));
        if interval < self.interval {
            return Outcome::Outside;
        }
        if self.interval < interval {
            if self.interval != i64::MIN {
                self.usual.observe(&pace, self.value, self.interval);
            }
            self.interval = interval;
            self.value = 0.0;
        }
        let [number, _] = observation.numbers;
        self.value += match (rule.fields.is_empty(), number.is_nan()) {
            (true, _) => observation
                .merged
                .as_ref()
                .map_or(1.0, |merged| number_of(merged.count)),
            (false, true) => 0.0,
            (false, false) => number,
        };
        if self.value < minimum || self.known.is_learning(rule, at) {
            return COUNTED;
        }
        let found = self.usual.judge(&pace, self.value, at);
        if found.score < deviations {
            return COUNTED;
        }
        if !self.episode.holds(rule, at) {
            return GOES_ON;
        }
        let why = format!(
            "{} in {}; usual is {} give or take {}, over {} intervals: {} deviations, at least {}",
            shown(self.value),
            span(interval_ns),
            shown(found.mean),
            shown(found.deviation),
            found.observed,
            shown(found.score),
            shown(deviations)
        );
        let threshold = format!(">= {} deviations", shown(deviations));
        let last = line(rule, shown(self.value), why);
        begun(rule, observation, whole(self.value), threshold, vec![last])
    }

    fn retention_ns(rule: &Anomaly) -> i64 {
        rule.timespan_ns.max(rule.learning_ns)
    }
}

#[expect(clippy::cast_precision_loss, reason = "events in a minute are far below 2^53")]
const fn number_of(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}
