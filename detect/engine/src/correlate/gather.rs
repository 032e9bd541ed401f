//! Many observations of one group as one: what rules about amounts send instead of events.
//!
//! Sums and sets can be put together in parts, so where a rule's groups are kept elsewhere the parts travel: per group one
//! signal a minute, or one for [`HASHES_MAX`] values, however many events there were (D7).

use std::{collections::BTreeMap, hash::BuildHasher as _, mem, sync::Arc};

use detect_rules::AnomalyKind;
use foldhash::fast::RandomState;
use hashbrown::{HashTable, hash_table::Entry};
use rustc_hash::FxHashMap;

use super::{
    anomaly::hash,
    observation::{Head, Merged, Observation, Written},
    track::{Asked, Track, Tracks},
};

/// What is put together lies in the same minute.
pub(super) const PART_NS: i64 = 60_000_000_000;

/// Different values in one part.
const HASHES_MAX: usize = 128;

/// Groups that are gathered at the same time; beyond, all go as they are.
const GROUPS_MAX: usize = 65_536;

/// What is gathered of every rule.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    /// Parts by minute; there are seldom more than two.
    minutes: BTreeMap<i64, HashTable<Observation>>,
    /// Seeded, since events choose the keys. No outcome depends on the seed: parts leave in the order of their keys.
    hasher: RandomState,
    held: usize,
}

/// Whether a rule takes parts as well as events.
pub(super) fn takes_parts(track: &Track) -> bool {
    match &track.asked {
        Asked::Correlation(_) => false,
        Asked::Anomaly(rule) => matches!(
            rule.kind,
            AnomalyKind::Distinct { .. }
                | AnomalyKind::Volume { .. }
                | AnomalyKind::ThresholdBaseline { .. }
                | AnomalyKind::Silence { .. }
        ),
    }
}

impl Gatherer {
    /// Adds an observation; a part that is complete goes to `out`.
    pub(super) fn add(&mut self, observation: &Observation, out: &mut Vec<Observation>) {
        if GROUPS_MAX <= self.held {
            self.flush(i64::MAX, out);
        }
        let hasher = &self.hasher;
        let parts = self.minutes.entry(minute(observation)).or_default();
        let is_same =
            |part: &Observation| part.track == observation.track && part.text.key() == observation.text.key();
        match parts.entry(hash_of(hasher, observation), is_same, |part| {
            hash_of(hasher, part)
        }) {
            Entry::Occupied(mut part) => {
                if join(part.get_mut(), observation) {
                    out.push(part.remove().0);
                    self.held -= 1;
                    if parts.is_empty() {
                        self.minutes.remove(&minute(observation));
                    }
                }
            }
            Entry::Vacant(place) => {
                place.insert(begin(observation.clone()));
                self.held += 1;
            }
        }
    }

    /// Lets go of every part that lies before the minute of `at`.
    pub(super) fn flush(&mut self, at: i64, out: &mut Vec<Observation>) {
        let now = at.div_euclid(PART_NS);
        while let Some(first) = self.minutes.first_entry()
            && *first.key() < now
        {
            let parts = first.remove();
            self.held -= parts.len();
            out.extend(in_order(parts));
        }
    }

    /// The time of the earliest part, in nanoseconds.
    pub(super) fn earliest(&self) -> Option<i64> {
        let (first, _) = self.minutes.first_key_value()?;
        Some(end_of(*first))
    }

    /// How many parts are gathered.
    pub(super) const fn len(&self) -> usize {
        self.held
    }

    /// Whether nothing is gathered.
    pub(super) const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// As it is written down.
    pub(super) fn keep(&self, tracks: &Tracks) -> Vec<Written> {
        let mut parts: Vec<&Observation> = self.minutes.values().flatten().collect();
        parts.sort_by(|a, b| (minute(a), a.track, a.text.key()).cmp(&(minute(b), b.track, b.text.key())));
        let written = |part: &Observation| Some(part.write(tracks.get(part.track)?.identity));
        parts.into_iter().filter_map(written).collect()
    }

    /// As it was.
    pub(super) fn restore(parts: impl Iterator<Item = Observation>) -> Self {
        let mut gatherer = Self::default();
        for part in parts {
            let hasher = &gatherer.hasher;
            let own = gatherer.minutes.entry(minute(&part)).or_default();
            own.insert_unique(hash_of(hasher, &part), part, |part| hash_of(hasher, part));
            gatherer.held += 1;
        }
        gatherer
    }

    /// Gives rules the numbers that they have now.
    pub(super) fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) {
        let parts = mem::take(&mut self.minutes).into_values().flatten();
        *self = Self::restore(parts.filter_map(|mut part| {
            part.track = number(part.track)?;
            Some(part)
        }));
    }
}

/// Of the rule and the group.
fn hash_of(hasher: &RandomState, part: &Observation) -> u64 {
    hasher.hash_one((part.track, part.text.key()))
}

/// By rule and group.
fn in_order(parts: HashTable<Observation>) -> Vec<Observation> {
    let mut parts: Vec<Observation> = parts.into_iter().collect();
    parts.sort_by(|a, b| (a.track, a.text.key()).cmp(&(b.track, b.text.key())));
    parts
}

/// The last nanosecond of a minute.
const fn end_of(minute: i64) -> i64 {
    minute.saturating_add(1).saturating_mul(PART_NS).saturating_sub(1)
}

fn minute(observation: &Observation) -> i64 {
    observation.head.at.div_euclid(PART_NS)
}

fn begin(mut observation: Observation) -> Observation {
    let value = observation.text.value();
    let hashes = if value.is_empty() {
        Vec::new()
    } else {
        vec![hash(value)]
    };
    observation.merged = Some(Arc::new(Merged { count: 1, hashes }));
    // Its place is the end of its minute, wherever in it the first event was: so parts of several partitions meet.
    let end = end_of(minute(&observation));
    Arc::make_mut(&mut observation.head).at = end;
    observation
}

/// Makes one of the parts of a group that come from several partitions; its event is the one with the smallest id.
pub(super) fn merge(observations: &mut Vec<Observation>) {
    if !observations
        .iter()
        .any(|observation| observation.merged.is_some())
    {
        return;
    }
    let mut firsts: FxHashMap<(u32, Box<[u8]>), usize> = FxHashMap::default();
    let mut kept: Vec<Observation> = Vec::with_capacity(observations.len());
    for observation in observations.drain(..) {
        let first = match &observation.merged {
            None => None,
            Some(_) => {
                let key = (observation.track, Box::from(observation.text.key()));
                let first = firsts.entry(key).or_insert(kept.len());
                kept.get_mut(*first)
            }
        };
        match first {
            Some(first) => union(first, &observation),
            None => kept.push(observation),
        }
    }
    *observations = kept;
}

fn union(first: &mut Observation, other: &Observation) {
    add(&mut first.numbers, other.numbers);
    if first.head.marking < other.head.marking || first.head.tlp < other.head.tlp {
        Arc::make_mut(&mut first.head).restrict((other.head.marking, other.head.tlp));
    }
    let (Some(merged), Some(more)) = (&mut first.merged, &other.merged) else {
        return;
    };
    let merged = Arc::make_mut(merged);
    merged.count += more.count;
    merged.hashes.extend(&more.hashes);
    merged.hashes.sort_unstable();
    merged.hashes.dedup();
}

fn add(sums: &mut [f64; 2], numbers: [f64; 2]) {
    for (sum, number) in sums.iter_mut().zip(numbers) {
        if sum.is_nan() {
            *sum = number;
        } else if !number.is_nan() {
            *sum += number;
        }
    }
}

/// Adds to a part; whether it is complete now.
fn join(part: &mut Observation, observation: &Observation) -> bool {
    add(&mut part.numbers, observation.numbers);
    let strictest = (
        part.head.marking.max(observation.head.marking),
        part.head.tlp.max(observation.head.tlp),
    );
    // Of all its events the part shows the one with the smallest id, which is the same however they are divided.
    if observation.head.id < part.head.id {
        let at = part.head.at;
        part.head = Arc::new(Head {
            at,
            ..Head::clone(&observation.head)
        });
        part.text = observation.text.clone();
    }
    if (part.head.marking, part.head.tlp) != strictest {
        Arc::make_mut(&mut part.head).restrict(strictest);
    }
    let Some(merged) = part.merged.as_mut().map(Arc::make_mut) else {
        return true;
    };
    merged.count += 1;
    let value = observation.text.value();
    if !value.is_empty() {
        let hash = hash(value);
        if !merged.hashes.contains(&hash) {
            merged.hashes.push(hash);
        }
    }
    HASHES_MAX <= merged.hashes.len()
}
