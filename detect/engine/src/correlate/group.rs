//! The window of one group.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use detect_alert::EventSample;
use detect_rules::{Correlation, CorrelationKind};
use ingest_event::{Event, EventId, Fields, Marking, Timestamp, codec::flatten};
use serde::{Deserialize, Serialize};

use super::WINDOW_MIN;

/// An alert shows this many of its events, the latest; the group keeps no more.
const SAMPLES_KEPT: usize = 5;

/// What an event came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The condition holds, and did not: an episode begins.
    Begun,
    /// Counted; nothing to say.
    Counted,
    /// From before the window.
    Outside,
    /// Already counted.
    Repeated,
}

/// A group's window and episode. What it says depends on the events added, in their order, and nothing else.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    latest: i64,
    /// When the condition last held, if it did.
    held: Option<i64>,
    /// What counts, by its name (an event's id, or a value): when and in which event it came last.
    counted: BTreeMap<String, (i64, String)>,
    /// The same by time.
    order: BTreeSet<(i64, String, String)>,
    samples: VecDeque<Sample>,
}

/// An event that an alert may show. The fields are kept as JSON: compact, and the same after a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sample {
    id: EventId,
    at: i64,
    dataset: String,
    marking: Marking,
    fields: String,
}

impl Group {
    pub(super) const fn new(latest: i64) -> Self {
        Self {
            latest,
            held: None,
            counted: BTreeMap::new(),
            order: BTreeSet::new(),
            samples: VecDeque::new(),
        }
    }

    /// The time of the latest event.
    pub(super) const fn latest(&self) -> i64 {
        self.latest
    }

    /// How many events or values are in the window.
    pub(super) fn count(&self) -> u64 {
        self.counted.len() as u64
    }

    /// Time and id of the first event in the window.
    pub(super) fn first(&self) -> Option<(i64, &str)> {
        self.order.first().map(|(at, id, _)| (*at, id.as_str()))
    }

    /// The strictest marking of the events that an alert shows.
    pub(super) fn marking(&self) -> Marking {
        self.samples
            .iter()
            .map(|sample| sample.marking)
            .max()
            .unwrap_or(Marking::Unmarked)
    }

    /// The events that an alert shows; the one that came last is last.
    pub(super) fn samples(&self) -> Vec<EventSample> {
        self.samples
            .iter()
            .map(|sample| EventSample {
                id: sample.id.clone(),
                timestamp: Timestamp::from_nanos(sample.at),
                dataset: sample.dataset.clone(),
                fields: flatten(sample.fields.as_bytes()).unwrap_or_else(|_| Fields::new()),
            })
            .collect()
    }

    /// Adds an event that brings these values.
    pub(super) fn add(&mut self, correlation: &Correlation, event: &Event, values: Vec<String>) -> Outcome {
        let now = event.timestamp.as_nanos();
        let latest = self.latest.max(now);
        if now <= latest.saturating_sub(correlation.timespan_ns) {
            return Outcome::Outside;
        }
        let mut is_new = false;
        for value in values {
            is_new |= self.put(value, now, event.id.as_str());
        }
        if !is_new {
            return Outcome::Repeated;
        }
        self.latest = latest;
        self.keep(event);
        self.forget(correlation);
        let holds = correlation
            .conditions
            .iter()
            .all(|(operator, limit)| operator.holds(self.count() as f64, *limit as f64));
        if !holds {
            return Outcome::Counted;
        }
        let goes_on = self
            .held
            .is_some_and(|held| latest.saturating_sub(held) <= correlation.timespan_ns);
        self.held = Some(latest);
        if goes_on { Outcome::Counted } else { Outcome::Begun }
    }

    /// Notes that a value came; false if that is known, or something later is.
    fn put(&mut self, value: String, at: i64, id: &str) -> bool {
        if let Some((known_at, known_id)) = self.counted.get(&value) {
            if (at, id) <= (*known_at, known_id.as_str()) {
                return false;
            }
            self.order.remove(&(*known_at, known_id.clone(), value.clone()));
        }
        self.order.insert((at, id.to_owned(), value.clone()));
        self.counted.insert(value, (at, id.to_owned()));
        true
    }

    fn keep(&mut self, event: &Event) {
        self.samples.push_back(Sample {
            id: event.id.clone(),
            at: event.timestamp.as_nanos(),
            dataset: event.dataset.clone(),
            marking: event.marking,
            fields: serde_json::to_string(&event.fields).unwrap_or_default(),
        });
        if SAMPLES_KEPT < self.samples.len() {
            self.samples.pop_front();
        }
    }

    /// Lets go of what has left the window, and of the oldest beyond what the condition can need.
    fn forget(&mut self, correlation: &Correlation) {
        let start = self.latest.saturating_sub(correlation.timespan_ns);
        let limit = correlation
            .conditions
            .iter()
            .map(|(_, limit)| usize::try_from(*limit).unwrap_or(usize::MAX).saturating_mul(4))
            .max()
            .unwrap_or(0)
            .max(WINDOW_MIN);
        while let Some((at, _, _)) = self.order.first()
            && (*at <= start || limit < self.order.len())
        {
            if let Some((_, _, value)) = self.order.pop_first() {
                self.counted.remove(&value);
            }
        }
        self.samples.retain(|sample| start < sample.at);
        debug_assert!(
            correlation.kind == CorrelationKind::ValueCount || self.order.len() == self.counted.len(),
            "each counted event is in its place"
        );
    }
}
