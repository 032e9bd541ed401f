//! Many observations of one group as one: what rules about amounts send instead of events.
//!
//! Sums and sets can be put together in parts, so where a rule's groups are kept elsewhere the parts travel: per group one
//! signal a minute, or one for [`HASHES_MAX`] values, however many events there were (D7).

use std::{collections::BTreeMap, sync::Arc};

use detect_rules::AnomalyKind;

use super::{
    anomaly::hash,
    observation::{Merged, Observation, Written},
    track::{Asked, Track, Tracks},
};

/// What is put together lies in the same minute.
const PART_NS: i64 = 60_000_000_000;

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
            AnomalyKind::Distinct { .. } | AnomalyKind::Volume { .. } | AnomalyKind::ThresholdBaseline { .. }
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
    observation
}

/// Adds to a part; whether it is complete now.
fn join(part: &mut Observation, observation: &Observation) -> bool {
    for (sum, number) in part.numbers.iter_mut().zip(observation.numbers) {
        if sum.is_nan() {
            *sum = number;
        } else if !number.is_nan() {
            *sum += number;
        }
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
