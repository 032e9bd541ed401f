//! The window of one group of a Sigma correlation.
//!
//! **Window.** A sliding window is the time span that ends with the group's latest event: `(latest - timespan, latest]`.
//! Tumbling windows lie side by side from the epoch on; a session lasts until nothing comes for its gap, or for the time
//! span. An observation from before the window is not counted, one that comes twice counts once.
//!
//! **Episodes.** When the condition first holds, there is one alert. As long as it holds again within each time span there
//! is no other; in tumbling windows and sessions there is at most one each.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use detect_alert::Tlp;
use detect_rules::{Correlation, CorrelationKind, Expression, WindowKind};
use ingest_event::{EventId, Marking};
use serde::{Deserialize, Serialize};

use super::{
    observation::{Observation, Sample},
    verdict::{Outcome, Verdict},
};

/// An alert shows this many of its events, the latest; the group keeps no more.
const SAMPLES_KEPT: usize = 5;

/// Groups keep at least this many events or values before the oldest go.
pub(super) const WINDOW_MIN: usize = 1024;

/// Values that are summed or ranked, and matches in order, are kept up to so many.
const MEASURED_MAX: usize = 8192;

/// A group's window and episode. What it says depends on the observations, in their order, and nothing else.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    latest: i64,
    /// When the condition last held, if it did.
    held: Option<i64>,
    /// What counts, by its name: when and in which event it came last.
    counted: BTreeMap<Name, (i64, EventId)>,
    /// The same by time.
    order: BTreeSet<(i64, EventId, Name)>,
    /// What is measured, by event.
    numbers: BTreeMap<Name, f64>,
    samples: VecDeque<Sample>,
}

/// What counts once: the base with an event's id, a value, or nothing besides.
type Name = (u16, Box<str>);

impl Group {
    pub(super) const fn new(latest: i64) -> Self {
        Self {
            latest,
            held: None,
            counted: BTreeMap::new(),
            order: BTreeSet::new(),
            numbers: BTreeMap::new(),
            samples: VecDeque::new(),
        }
    }

    /// Adds an observation.
    pub(super) fn add(&mut self, rule: &Correlation, observation: &Observation) -> Outcome {
        let head = &observation.head;
        if !self.open(rule, head.at) {
            return Outcome::Outside;
        }
        let latest = self.latest.max(head.at);
        if !self.put(name(rule.kind, observation), head.at, &head.id) {
            return Outcome::Repeated;
        }
        if let [number, _] = observation.numbers
            && !number.is_nan()
        {
            self.numbers.insert(name(rule.kind, observation), number);
        }
        self.latest = latest;
        if let Some(sample) = &observation.sample {
            self.keep(sample);
        }
        let is_full = self.forget(rule);
        let Some(count) = self.count(rule) else {
            return Outcome::Counted { is_full };
        };
        let goes_on = self.held.is_some_and(|held| {
            rule.window != WindowKind::Sliding || latest.saturating_sub(held) <= rule.timespan_ns
        });
        self.held = Some(latest);
        if goes_on {
            return Outcome::Counted { is_full };
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
                let first = self.order.first().map_or(at, |(first, _, _)| *first);
                if self.latest.saturating_add(gap_ns) < at || first.saturating_add(rule.timespan_ns) < at {
                    self.begin();
                }
                self.order.is_empty() || self.latest.saturating_sub(rule.timespan_ns) < at
            }
        }
    }

    fn begin(&mut self) {
        *self = Self::new(self.latest);
    }

    /// Notes that something came; false if that is known, or something later is.
    fn put(&mut self, name: Name, at: i64, id: &EventId) -> bool {
        if let Some((known_at, known_id)) = self.counted.get(&name) {
            if (at, id) <= (*known_at, known_id) {
                return false;
            }
            self.order.remove(&(*known_at, known_id.clone(), name.clone()));
        }
        self.order.insert((at, id.clone(), name.clone()));
        self.counted.insert(name, (at, id.clone()));
        true
    }

    fn keep(&mut self, sample: &Arc<Sample>) {
        if self.samples.iter().any(|kept| kept.id == sample.id) {
            return;
        }
        self.samples.push_back(Sample::clone(sample));
        if SAMPLES_KEPT < self.samples.len() {
            self.samples.pop_front();
        }
    }

    /// Lets go of what has left the window, and of the oldest beyond what the condition can need; whether there was such.
    fn forget(&mut self, rule: &Correlation) -> bool {
        let start = match rule.window {
            WindowKind::Sliding => self.latest.saturating_sub(rule.timespan_ns),
            WindowKind::Tumbling | WindowKind::Session { .. } => i64::MIN,
        };
        let limit = kept(rule);
        let mut is_full = false;
        while let Some((at, _, _)) = self.order.first()
            && (*at <= start || limit < self.order.len())
        {
            is_full |= start < *at;
            if let Some((_, _, name)) = self.order.pop_first() {
                self.counted.remove(&name);
                self.numbers.remove(&name);
            }
        }
        self.samples.retain(|sample| start < sample.at);
        is_full
    }

    /// The count for which the condition holds, if it does.
    fn count(&self, rule: &Correlation) -> Option<f64> {
        let count = match rule.kind {
            CorrelationKind::EventCount | CorrelationKind::ValueCount => number(self.counted.len()),
            CorrelationKind::ValueSum => self.numbers.values().sum(),
            CorrelationKind::ValueAvg => {
                self.numbers.values().sum::<f64>() / number(self.numbers.len().max(1))
            }
            CorrelationKind::ValuePercentile(rank) => self.ranked(f64::from(rank))?,
            CorrelationKind::ValueMedian => self.ranked(50.0)?,
            CorrelationKind::Temporal | CorrelationKind::TemporalOrdered => {
                return self.matched(rule).then(|| number(rule.bases.len()));
            }
        };
        let holds = |(operator, limit): &(detect_rules::Operator, u64)| operator.holds(count, number(*limit));
        rule.conditions.iter().all(holds).then_some(count)
    }

    /// The value at a rank of 0 to 100 between the two nearest, as the specification's percentile (linear, C = 1).
    fn ranked(&self, rank: f64) -> Option<f64> {
        let mut values: Vec<f64> = self.numbers.values().copied().collect();
        values.sort_by(f64::total_cmp);
        let place = rank.clamp(0.0, 100.0) / 100.0 * number(values.len().checked_sub(1)?);
        let (below, above) = (
            values.get(index(place.floor()))?,
            values.get(index(place.ceil()))?,
        );
        Some(below + (place - place.floor()) * (above - below))
    }

    /// Whether the bases matched as a temporal correlation asks.
    fn matched(&self, rule: &Correlation) -> bool {
        let has = |base: usize| {
            let base = u16::try_from(base).unwrap_or(u16::MAX);
            let first = (base, Box::from(""));
            self.counted
                .range(first..)
                .next()
                .is_some_and(|((found, _), _)| *found == base)
        };
        let all = || match rule.conditions.is_empty() {
            true => (0..rule.bases.len()).all(has),
            false => {
                let count = number((0..rule.bases.len()).filter(|base| has(*base)).count());
                let holds =
                    |(operator, limit): &(detect_rules::Operator, u64)| operator.holds(count, number(*limit));
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
            let mut matches = self
                .order
                .iter()
                .filter(|(at, _, (found, _))| usize::from(*found) == base && from <= *at);
            match matches.next() {
                Some((at, _, _)) => {
                    from = *at;
                    true
                }
                None => false,
            }
        })
    }

    fn verdict(&self, rule: &Correlation, count: f64, observation: &Observation) -> Verdict {
        let first = self.order.first();
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
            first: first.map_or_else(|| observation.head.id.clone(), |(_, id, _)| id.clone()),
            start: first.map_or(observation.head.at, |(at, _, _)| *at),
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
fn name(kind: CorrelationKind, observation: &Observation) -> Name {
    match kind {
        CorrelationKind::EventCount
        | CorrelationKind::ValueSum
        | CorrelationKind::ValueAvg
        | CorrelationKind::ValuePercentile(_)
        | CorrelationKind::ValueMedian => (0, observation.head.id.as_str().into()),
        CorrelationKind::ValueCount => (0, observation.text.value().into()),
        // Of each base its last match is enough, unless their order matters.
        CorrelationKind::Temporal => (observation.base, "".into()),
        CorrelationKind::TemporalOrdered => (observation.base, observation.head.id.as_str().into()),
    }
}

/// How many events or values a group keeps.
fn kept(rule: &Correlation) -> usize {
    match rule.kind {
        CorrelationKind::EventCount | CorrelationKind::ValueCount => {
            let limits = rule
                .conditions
                .iter()
                .map(|(_, limit)| usize::try_from(*limit).unwrap_or(usize::MAX));
            limits.max().unwrap_or(0).saturating_mul(4).max(WINDOW_MIN)
        }
        CorrelationKind::ValueSum
        | CorrelationKind::ValueAvg
        | CorrelationKind::ValuePercentile(_)
        | CorrelationKind::ValueMedian
        | CorrelationKind::TemporalOrdered => MEASURED_MAX,
        CorrelationKind::Temporal => WINDOW_MIN,
    }
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
