//! The window of one group of a Sigma correlation.
//!
//! **Window.** A sliding window is the time span that ends with the group's latest event: `(latest - timespan, latest]`.
//! Tumbling windows lie side by side from the epoch on; a session lasts until nothing comes for its gap, or for the time
//! span. An observation from before the window is not counted, one that comes twice counts once.
//!
//! **Episodes.** When the condition first holds, there is one alert. As long as it holds again within each time span there
//! is no other; in tumbling windows and sessions there is at most one each.

mod counted;

use std::sync::Arc;

use detect_alert::Tlp;
use detect_rules::{Correlation, CorrelationKind, Expression, Operator, WindowKind};
use ingest_event::Marking;
use serde::{Deserialize, Serialize};

use self::counted::{Counted, Entry, name};
use super::{
    observation::{Observation, Sample},
    table::OPEN,
    verdict::{Outcome, Verdict},
};

/// An alert shows this many of its events, the latest; the group keeps no more.
const SAMPLES_KEPT: usize = 5;

/// Values that are summed or ranked, and matches in order, are kept up to so many.
const MEASURED_MAX: usize = 8192;

/// A group's window and episode. What it says depends on the observations, in their order, and nothing else.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    latest: i64,
    /// When a session began: what counted first may have had to go since.
    began: i64,
    /// When the condition last held, if it did.
    held: Option<i64>,
    counted: Counted,
    samples: Vec<Sample>,
}

impl Group {
    pub(super) fn new(latest: i64) -> Self {
        Self {
            latest,
            began: latest,
            held: None,
            counted: Counted::default(),
            samples: Vec::new(),
        }
    }

    /// Adds an observation.
    pub(super) fn add(&mut self, rule: &Correlation, observation: &Observation) -> Outcome {
        let head = &observation.head;
        if !self.open(rule, head.at) {
            return Outcome::Outside;
        }
        let latest = self.latest.max(head.at);
        self.began = match self.counted.is_empty() {
            true => head.at,
            false => self.began.min(head.at),
        };
        let [number, _] = observation.numbers;
        let entry = Entry::new(head.at, &head.id, observation.base, number);
        if !self.counted.put(name_of(rule.kind, observation), entry) {
            return Outcome::Repeated;
        }
        self.latest = latest;
        let is_full = self.forget(rule);
        let is_kept = self.counted.first().is_some_and(|first| first.at <= head.at);
        self.keep(rule, observation.sample.as_ref().filter(|_| is_kept));
        let Some(count) = self.count(rule) else {
            return Outcome::Counted { is_full };
        };
        let goes_on = self.held.is_some_and(|held| {
            rule.window != WindowKind::Sliding || latest.saturating_sub(held) <= rule.timespan_ns
        });
        self.held = Some(latest);
        if goes_on {
            return Outcome::GoesOn {
                is_full,
                strictest: OPEN,
            };
        }
        Outcome::Begun(Box::new(self.verdict(rule, count, observation)))
    }

    /// Lets a new window begin where one is due; false if the observation is from before it.
    fn open(&mut self, rule: &Correlation, at: i64) -> bool {
        match rule.window {
            WindowKind::Sliding => self.latest.max(at).saturating_sub(rule.timespan_ns) < at,
            WindowKind::Tumbling => {
                let window = |at: i64| at.div_euclid(rule.timespan_ns.max(1));
                if window(self.latest) < window(at) {
                    self.begin();
                }
                window(self.latest) <= window(at)
            }
            WindowKind::Session { gap_ns } => {
                let is_quiet = self.latest.saturating_add(gap_ns) < at;
                let is_over = self.began.saturating_add(rule.timespan_ns) < at;
                if is_quiet || (is_over && !self.counted.is_empty()) {
                    self.begin();
                }
                self.counted.is_empty() || self.latest.saturating_sub(rule.timespan_ns) < at
            }
        }
    }

    fn begin(&mut self) {
        *self = Self::new(self.latest);
    }

    /// Keeps what an alert would show, once there can soon be one.
    ///
    /// Each observation adds one to the count at most, so of the last [`SAMPLES_KEPT`] before an alert none comes while the
    /// count is so much below what the condition asks for.
    fn keep(&mut self, rule: &Correlation, sample: Option<&Arc<Sample>>) {
        if self.counted.len() + SAMPLES_KEPT <= asked(rule) {
            self.samples = Vec::new();
            return;
        }
        let Some(sample) = sample else { return };
        if self.samples.iter().any(|kept| kept.id == sample.id) {
            return;
        }
        if SAMPLES_KEPT <= self.samples.len() {
            self.samples.remove(0);
        }
        self.samples.reserve_exact(1);
        self.samples.push(Sample::clone(sample));
    }

    /// Lets go of what has left the window, and of the oldest beyond what is kept; whether the condition might have needed
    /// one of those.
    fn forget(&mut self, rule: &Correlation) -> bool {
        let start = match rule.window {
            WindowKind::Sliding => self.latest.saturating_sub(rule.timespan_ns),
            WindowKind::Tumbling | WindowKind::Session { .. } => i64::MIN,
        };
        let limit = kept(rule);
        let mut is_full = false;
        while let Some(first) = self.counted.first()
            && (first.at <= start || limit < self.counted.len())
        {
            is_full |= start < first.at && !is_of_count(rule.kind);
            self.counted.forget_first();
        }
        self.samples.retain(|sample| start < sample.at);
        is_full
    }

    /// The count for which the condition holds, if it does.
    fn count(&self, rule: &Correlation) -> Option<f64> {
        let count = match rule.kind {
            CorrelationKind::EventCount | CorrelationKind::ValueCount => number(self.counted.len()),
            CorrelationKind::ValueSum => self.counted.numbers().sum(),
            CorrelationKind::ValueAvg => {
                self.counted.numbers().sum::<f64>() / number(self.counted.numbers().count().max(1))
            }
            CorrelationKind::ValuePercentile(rank) => self.ranked(f64::from(rank))?,
            CorrelationKind::ValueMedian => self.ranked(50.0)?,
            CorrelationKind::Temporal | CorrelationKind::TemporalOrdered => {
                return self.matched(rule).then(|| number(rule.bases.len()));
            }
        };
        let holds = |(operator, limit): &(Operator, u64)| operator.holds(count, number(*limit));
        rule.conditions.iter().all(holds).then_some(count)
    }

    /// The value at a rank of 0 to 100 between the two nearest, as the specification's percentile (linear, C = 1).
    fn ranked(&self, rank: f64) -> Option<f64> {
        let mut values: Vec<f64> = self.counted.numbers().collect();
        let last = values.len().checked_sub(1)?;
        let place = rank.clamp(0.0, 100.0) / 100.0 * number(last);
        let (_, below, above) = values.select_nth_unstable_by(index(place.floor()).min(last), f64::total_cmp);
        let next = above.iter().copied().min_by(f64::total_cmp).unwrap_or(*below);
        Some(*below + (place - place.floor()) * (next - *below))
    }

    /// Whether the bases matched as a temporal correlation asks.
    fn matched(&self, rule: &Correlation) -> bool {
        let has = |base: usize| self.counted.iter().any(|entry| usize::from(entry.base) == base);
        let all = || match rule.conditions.is_empty() {
            true => (0..rule.bases.len()).all(has),
            false => {
                let count = number((0..rule.bases.len()).filter(|base| has(*base)).count());
                let holds = |(operator, limit): &(Operator, u64)| operator.holds(count, number(*limit));
                rule.conditions.iter().all(holds)
            }
        };
        let asked = rule
            .expression
            .as_ref()
            .map_or_else(all, |expression| holds(expression, &has));
        asked && (rule.kind != CorrelationKind::TemporalOrdered || self.is_in_order(rule.bases.len()))
    }

    /// Whether each base matched at or after a match of the one before it.
    fn is_in_order(&self, bases: usize) -> bool {
        let mut from = i64::MIN;
        (0..bases).all(|base| {
            let is_next = |entry: &&Entry| usize::from(entry.base) == base && from <= entry.at;
            match self.counted.iter().find(is_next) {
                Some(entry) => {
                    from = entry.at;
                    true
                }
                None => false,
            }
        })
    }

    fn verdict(&self, rule: &Correlation, count: f64, observation: &Observation) -> Verdict {
        let first = self.counted.first();
        let threshold = rule
            .conditions
            .iter()
            .map(|(operator, limit)| format!("{} {limit}", operator.as_str()))
            .collect::<Vec<_>>()
            .join(" and ");
        let threshold = match rule.kind {
            CorrelationKind::Temporal if threshold.is_empty() => "each rule matched".to_owned(),
            CorrelationKind::TemporalOrdered if threshold.is_empty() => {
                "each rule matched, in order".to_owned()
            }
            _ => threshold,
        };
        Verdict {
            severity: None,
            is_usual: false,
            first: first
                .and_then(Entry::id)
                .unwrap_or_else(|| observation.head.id.clone()),
            start: first.map_or(observation.head.at, |first| first.at),
            end: self.latest,
            count: whole(count),
            explained: explained(rule, count, &threshold, observation),
            threshold,
            among: Vec::new(),
            strictest: (
                self.samples
                    .iter()
                    .map(|sample| sample.marking)
                    .max()
                    .unwrap_or(Marking::Unmarked),
                Tlp::Clear,
            ),
            samples: self.samples.iter().map(Sample::shown).collect(),
        }
    }
}

/// What of an observation counts once.
fn name_of(kind: CorrelationKind, observation: &Observation) -> u64 {
    let id = observation.head.id.as_str();
    match kind {
        CorrelationKind::EventCount
        | CorrelationKind::ValueSum
        | CorrelationKind::ValueAvg
        | CorrelationKind::ValuePercentile(_)
        | CorrelationKind::ValueMedian => name(0, id),
        CorrelationKind::ValueCount => name(0, observation.text.value()),
        // Of each base its last match is enough, unless their order matters.
        CorrelationKind::Temporal => name(observation.base, ""),
        CorrelationKind::TemporalOrdered => name(observation.base, id),
    }
}

/// Whether it asks how many there are.
const fn is_of_count(kind: CorrelationKind) -> bool {
    matches!(kind, CorrelationKind::EventCount | CorrelationKind::ValueCount)
}

/// The count that the condition asks for at least.
fn asked(rule: &Correlation) -> usize {
    let least = |(operator, limit): &(Operator, u64)| match operator {
        Operator::Equal | Operator::Greater | Operator::GreaterOrEqual => *limit,
        Operator::Less | Operator::LessOrEqual | Operator::NotEqual => 0,
    };
    match is_of_count(rule.kind) {
        true => whole_number(rule.conditions.iter().map(least).max()),
        false => 0,
    }
}

/// How many events or values a group keeps. A count that is two more than each number of the condition says of it what
/// any higher one says.
fn kept(rule: &Correlation) -> usize {
    match rule.kind {
        CorrelationKind::EventCount | CorrelationKind::ValueCount => {
            whole_number(rule.conditions.iter().map(|(_, limit)| *limit).max()).saturating_add(2)
        }
        CorrelationKind::ValueSum
        | CorrelationKind::ValueAvg
        | CorrelationKind::ValuePercentile(_)
        | CorrelationKind::ValueMedian
        | CorrelationKind::TemporalOrdered => MEASURED_MAX,
        // One for each base.
        CorrelationKind::Temporal => usize::MAX,
    }
}

fn whole_number(number: Option<u64>) -> usize {
    usize::try_from(number.unwrap_or(0)).unwrap_or(usize::MAX)
}

fn holds(expression: &Expression, has: &impl Fn(usize) -> bool) -> bool {
    match expression {
        Expression::Base(base) => has(*base),
        Expression::All(parts) => parts.iter().all(|part| holds(part, has)),
        Expression::Any(parts) => parts.iter().any(|part| holds(part, has)),
        Expression::Not(part) => !holds(part, has),
    }
}

/// Why, besides the group: the counted field with its latest value.
fn explained(
    rule: &Correlation,
    count: f64,
    threshold: &str,
    observation: &Observation,
) -> Vec<(String, String, String)> {
    let fields = rule
        .bases
        .get(usize::from(observation.base))
        .map_or(&[][..], |base| &base.values);
    let what = match rule.kind {
        CorrelationKind::ValueCount => format!("{count} different values {threshold}"),
        CorrelationKind::ValueSum => format!("sum {count} {threshold}"),
        CorrelationKind::ValueAvg => format!("mean {count} {threshold}"),
        CorrelationKind::ValuePercentile(rank) => format!("{rank}th percentile {count} {threshold}"),
        CorrelationKind::ValueMedian => format!("median {count} {threshold}"),
        CorrelationKind::EventCount | CorrelationKind::Temporal | CorrelationKind::TemporalOrdered => {
            return Vec::new();
        }
    };
    let [measured, _] = observation.numbers;
    let value = match measured.is_nan() {
        true => observation.text.value().to_owned(),
        false => measured.to_string(),
    };
    let names = fields.iter().filter_map(|names| names.first().cloned());
    let values = value.split('\u{1f}').map(str::to_owned);
    names
        .zip(values)
        .map(|(name, value)| (name, value, what.clone()))
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate"
)]
fn index(place: f64) -> usize {
    place as usize
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate"
)]
fn whole(count: f64) -> u64 {
    count.round() as u64
}
