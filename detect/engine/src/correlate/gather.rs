//! Many observations of one group as one: what rules about amounts send instead of events.
//!
//! Sums and sets can be put together in parts, so where a rule's groups are kept elsewhere the parts travel: per group one
//! signal a minute, or one for [`HASHES_MAX`] values, however many events there were (D7).

use std::{collections::BTreeMap, sync::Arc};

use detect_rules::AnomalyKind;
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
    groups: BTreeMap<(u32, Box<[u8]>), Observation>,
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
    pub(super) fn add(&mut self, observation: Observation, out: &mut Vec<Observation>) {
        let key = (observation.track, Box::from(observation.text.key()));
        let minute = minute(&observation);
        if let Some(part) = self.groups.get_mut(&key) {
            if self::minute(part) == minute {
                if join(part, &observation) {
                    out.extend(self.groups.remove(&key));
                }
                return;
            }
            out.extend(self.groups.remove(&key));
        }
        if GROUPS_MAX <= self.groups.len() {
            self.flush(i64::MAX, out);
        }
        self.groups.insert(key, begin(observation));
    }

    /// Lets go of every part that lies before the minute of `at`.
    pub(super) fn flush(&mut self, at: i64, out: &mut Vec<Observation>) {
        let now = at.div_euclid(PART_NS);
        out.extend(
            self.groups
                .extract_if(.., |_, part| minute(part) < now)
                .map(|(_, part)| part),
        );
    }

    /// The time of the earliest part, in nanoseconds.
    pub(super) fn earliest(&self) -> Option<i64> {
        self.groups.values().map(|part| part.head.at).min()
    }

    /// How many parts are gathered.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether nothing is gathered.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// As it is written down.
    pub(super) fn keep(&self, tracks: &Tracks) -> Vec<Written> {
        let written = |part: &Observation| Some(part.write(tracks.get(part.track)?.identity));
        self.groups.values().filter_map(written).collect()
    }

    /// As it was.
    pub(super) fn restore(parts: impl Iterator<Item = Observation>) -> Self {
        let groups = parts.map(|part| ((part.track, Box::from(part.text.key())), part));
        Self {
            groups: groups.collect(),
        }
    }

    /// Gives rules the numbers that they have now.
    pub(super) fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) {
        let groups = std::mem::take(&mut self.groups);
        *self = Self::restore(groups.into_values().filter_map(|mut part| {
            part.track = number(part.track)?;
            Some(part)
        }));
    }
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
    let end = minute(&observation)
        .saturating_add(1)
        .saturating_mul(PART_NS)
        .saturating_sub(1);
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
    // Of all its events the part shows the one with the smallest id, which is the same however they are divided.
    if observation.head.id < part.head.id {
        let at = part.head.at;
        part.head = Arc::new(Head {
            at,
            ..Head::clone(&observation.head)
        });
        part.text = observation.text.clone();
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
