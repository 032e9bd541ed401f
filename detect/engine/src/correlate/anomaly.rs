//! The states of anomaly rules: what is remembered of one entity, and when that is an alert.
//!
//! Each is small: a million of them are to fit in a gigabyte with their keys. What they remember is in
//! [`crate::sketch`]; here it is compared with the rule's limits and put in words.

mod baseline;
mod beacon;
mod callers;
mod distinct;
mod names;
mod national;
mod rare;
mod silence;
mod verdicts;
mod volume;

pub(super) use callers::TOLD;
use detect_rules::{Anomaly, AnomalyKind};
use ingest_event::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    keeper::{Keeper, State, groups},
    observation::Observation,
    table::OPEN,
    track::Asked,
    verdict::{Outcome, Verdict},
};

/// At most so many entities of one rule in one partition: with their keys about 120 MB of the smaller states, 250 MB of
/// the larger ones.
const ENTITIES_MAX: usize = 250_000;

/// Nothing to say.
const COUNTED: Outcome = Outcome::Counted { is_full: false };

/// The condition still holds; its groups fill in how strict that is.
const GOES_ON: Outcome = Outcome::GoesOn {
    is_full: false,
    strictest: OPEN,
};

/// Empty groups for a rule.
pub(super) fn keeper(rule: &Anomaly) -> Box<dyn Keeper> {
    let asks_who_calls = rule.callers.is_some();
    match rule.kind {
        AnomalyKind::NewValue => groups::<rare::NewValue>(),
        AnomalyKind::Rare { .. } => groups::<rare::Rare>(),
        AnomalyKind::ThresholdBaseline { .. } => groups::<baseline::Usual>(),
        AnomalyKind::Beacon { .. } if asks_who_calls => callers::keeper::<beacon::Contacts>(),
        AnomalyKind::Volume { .. } if asks_who_calls => callers::keeper::<volume::Sums>(),
        AnomalyKind::Beacon { .. } => groups::<beacon::Contacts>(),
        AnomalyKind::Distinct { .. } => groups::<distinct::Values>(),
        AnomalyKind::Volume { .. } => groups::<volume::Sums>(),
        AnomalyKind::DnsTunnel { .. } => groups::<names::Tunnel>(),
        AnomalyKind::Dga { .. } | AnomalyKind::Flow { .. } => groups::<verdicts::Verdicts>(),
        AnomalyKind::Silence { .. } => Box::new(silence::Silences::default()),
        AnomalyKind::National { .. } => groups::<national::Spread>(),
    }
}

/// What is remembered of one entity.
trait Remembered: Clone + std::fmt::Debug + Send + Serialize + serde::de::DeserializeOwned + 'static {
    /// At most so many entities of one rule.
    const GROUPS_MAX: usize = ENTITIES_MAX;

    /// See [`State::KNOCKS`].
    const KNOCKS: u32 = 1;

    /// Of an entity whose first observation this is.
    fn new(rule: &Anomaly, observation: &Observation) -> Self;

    /// Adds an observation.
    fn add(&mut self, rule: &Anomaly, observation: &Observation) -> Outcome;

    /// See [`State::is_dear`].
    fn is_dear(&self) -> bool {
        false
    }

    /// How long after its latest observation an entity is forgotten, in nanoseconds.
    fn retention_ns(rule: &Anomaly) -> i64 {
        rule.timespan_ns
    }

    /// See [`State::patience_ns`].
    fn patience_ns(rule: &Anomaly) -> i64 {
        Self::retention_ns(rule)
    }
}

impl<R: Remembered> State for R {
    type Rule = Anomaly;

    const GROUPS_MAX: usize = R::GROUPS_MAX;

    const KNOCKS: u32 = R::KNOCKS;

    fn rule(asked: &Asked) -> Option<&Anomaly> {
        rule(asked)
    }

    fn new(rule: &Anomaly, observation: &Observation) -> Self {
        R::new(rule, observation)
    }

    fn add(&mut self, rule: &Anomaly, observation: &Observation) -> Outcome {
        R::add(self, rule, observation)
    }

    fn is_dear(&self) -> bool {
        R::is_dear(self)
    }

    fn retention_ns(rule: &Anomaly) -> i64 {
        R::retention_ns(rule)
    }

    fn patience_ns(rule: &Anomaly) -> i64 {
        R::patience_ns(rule)
    }
}

/// The rule, of one that is asked.
fn rule(asked: &Asked) -> Option<&Anomaly> {
    match asked {
        Asked::Anomaly(anomaly) => Some(anomaly),
        Asked::Correlation(_) => None,
    }
}

/// Whether the condition held before, so that one episode is one alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Episode(Option<i64>);

impl Episode {
    /// The condition holds at `at`; whether it is news: it did not hold within the time span before.
    fn holds(&mut self, rule: &Anomaly, at: i64) -> bool {
        let goes_on = self
            .0
            .is_some_and(|held| at.saturating_sub(held) <= rule.timespan_ns);
        self.0 = Some(self.0.map_or(at, |held| held.max(at)));
        !goes_on
    }

    /// Whether it held within the last `part` of the time span, so that it need not be asked again yet.
    fn is_fresh(&self, rule: &Anomaly, at: i64, part: i64) -> bool {
        self.0
            .is_some_and(|held| at.saturating_sub(held) < rule.timespan_ns / part.max(1))
    }
}

/// When the entity was first seen: what it does is only learned for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known(i64);

impl Known {
    fn since(observation: &Observation) -> Self {
        Self(observation.head.at)
    }

    fn is_learning(self, rule: &Anomaly, at: i64) -> bool {
        at.saturating_sub(self.0) < rule.learning_ns
    }
}

/// An alert that stands on one window and one observation.
fn begun(
    rule: &Anomaly,
    observation: &Observation,
    count: u64,
    threshold: String,
    explained: Vec<(String, String, String)>,
) -> Outcome {
    let end = observation.head.at;
    Outcome::Begun(Box::new(Verdict {
        severity: None,
        is_usual: false,
        first: observation.head.id.clone(),
        start: end.saturating_sub(rule.timespan_ns),
        end,
        count,
        threshold,
        explained,
        among: Vec::new(),
        strictest: OPEN,
        samples: Vec::new(),
    }))
}

/// One line of an explanation, under the measured field's name.
fn line(rule: &Anomaly, value: impl ToString, why: String) -> (String, String, String) {
    let field = rule
        .fields
        .first()
        .cloned()
        .unwrap_or_else(|| rule.kind.as_str().to_owned());
    (field, value.to_string(), why)
}

/// A number as a person reads it: whole, or with two digits.
fn shown(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        format!("{number:.0}")
    } else {
        format!("{number:.2}")
    }
}

/// A time span as a person reads it, rounded to a tenth of its unit.
fn span(nanos: i64) -> String {
    let seconds = nanos / 1_000_000_000;
    let in_units = |length: i64, unit: &str| {
        let tenths = (seconds * 10 + length / 2) / length;
        match tenths % 10 {
            0 => format!("{} {unit}", tenths / 10),
            tenth => format!("{}.{tenth} {unit}", tenths / 10),
        }
    };
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => in_units(60, "min"),
        7_200..172_800 => in_units(3_600, "h"),
        _ => in_units(86_400, "d"),
    }
}

/// A time as a person reads it.
fn time(nanos: i64) -> String {
    Timestamp::from_nanos(nanos).to_string()
}

/// A hash that is the same on every machine and for good: sketches and sets are kept in checkpoints.
pub(super) fn hash(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}
