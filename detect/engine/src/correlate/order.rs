//! Observations in order of time: held until none can come before them any more, then given out.
//!
//! Events come nearly in order. What is at most [`LATENESS_NS`] behind the latest event of its lane is put in its place,
//! so alerts do not depend on batches, partitions or small delays on the way (D6). What is later than that is given out
//! at once, and counted.
//!
//! A lane is a stream that is in order by itself: the partition that is scanned; or, where signals come together, one of
//! the partitions that they come from. Nothing is given out that another lane may still come before.

use std::collections::BTreeMap;

use super::{observation::Observation, packed::Packed};

/// How far events may be out of order: a flow is told of when it has been quiet for a minute.
pub(crate) const LATENESS_NS: i64 = 60_000_000_000;

/// Observations that lie in the same second are put in order together.
const SECOND_NS: i64 = 1_000_000_000;

/// So many observations are held, about 60 MB; beyond, the earliest are given out before their time.
pub(crate) const HELD_MAX: usize = 1 << 18;

/// Emptied seconds that are kept for later ones.
const SPARE_MAX: usize = 4;

/// What waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    seconds: BTreeMap<i64, Packed>,
    /// Emptied seconds, whose room is used again.
    spare: Vec<Packed>,
    held: usize,
    /// Everything before this second has been given out.
    given: i64,
}

impl Order {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            given: i64::MIN,
            ..Self::default()
        }
    }

    /// How many wait.
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    /// Whether [`Order::take`] would give out something.
    pub(crate) fn is_due(&self, watermark: i64) -> bool {
        let ended = watermark.div_euclid(SECOND_NS);
        let first = self.seconds.first_key_value();
        first.is_some_and(|(second, _)| *second < ended) || HELD_MAX < self.held
    }

    /// Takes what an event brings, all of one time; leaves it where it is if it is late.
    pub(crate) fn put(&mut self, observations: &mut Packed) {
        let Some(at) = observations.first_at() else {
            return;
        };
        let second = at.div_euclid(SECOND_NS);
        if second < self.given {
            return;
        }
        self.held += observations.len();
        let spare = &mut self.spare;
        self.seconds
            .entry(second)
            .or_insert_with(|| spare.pop().unwrap_or_default())
            .append(observations);
    }

    /// Takes an observation on its own; false if it is late.
    pub(crate) fn put_one(&mut self, observation: &Observation) -> bool {
        let second = observation.head.at.div_euclid(SECOND_NS);
        if second < self.given {
            return false;
        }
        self.held += 1;
        let spare = &mut self.spare;
        self.seconds
            .entry(second)
            .or_insert_with(|| spare.pop().unwrap_or_default())
            .push(observation);
        true
    }

    /// Takes back what [`Order::take`] gave.
    pub(crate) fn give_back(&mut self, mut observations: Packed) {
        if self.spare.len() < SPARE_MAX {
            observations.clear();
            self.spare.push(observations);
        }
    }

    /// Gives out, in order, every second that ends at or before `watermark`; each observation once, though it came twice.
    pub(crate) fn take(&mut self, watermark: i64) -> Option<Packed> {
        let ended = watermark.div_euclid(SECOND_NS);
        let is_full = HELD_MAX < self.held;
        let first = self.seconds.first_key_value().map(|(second, _)| *second);
        if first.is_none_or(|second| ended <= second && !is_full) {
            self.pass(watermark);
            return None;
        }
        let (second, mut observations) = self.seconds.pop_first()?;
        self.held -= observations.len();
        self.given = self.given.max(second.saturating_add(1));
        observations.sort();
        Some(observations)
    }

    /// Nothing waits that ends at or before `watermark`: what comes from before it is late.
    pub(crate) fn pass(&mut self, watermark: i64) {
        // Asked for everything, it has given what there was: more may come in the same time.
        if watermark < i64::MAX {
            self.given = self.given.max(watermark.div_euclid(SECOND_NS));
        }
    }

    /// Everything that waits, for a snapshot.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Observation> {
        self.seconds.values().flat_map(Packed::iter)
    }

    /// Everything before this second has been given out.
    pub(crate) const fn given(&self) -> i64 {
        self.given
    }

    /// The start of the second of the earliest that waits, in nanoseconds.
    pub(crate) fn first_ns(&self) -> Option<i64> {
        let first = self.seconds.first_key_value();
        first.map(|(second, _)| second.saturating_mul(SECOND_NS))
    }

    /// As it was when a snapshot was made.
    pub(crate) fn restore(given: i64, waiting: impl Iterator<Item = Observation>) -> Self {
        let mut order = Self::new();
        for observation in waiting {
            order.held += 1;
            let second = observation.head.at.div_euclid(SECOND_NS);
            order.seconds.entry(second).or_default().push(&observation);
        }
        order.given = given;
        order
    }

    /// Gives rules the numbers that they have now; those that are gone, are gone.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) {
        for observations in self.seconds.values_mut() {
            observations.renumber(&number);
        }
        self.seconds.retain(|_, observations| !observations.is_empty());
        self.held = self.seconds.values().map(Packed::len).sum();
    }
}
