//! One rule's groups behind one face, whatever their state is.

use std::fmt;

use detect_rules::Correlation;
use ingest_event::OrganizationNumber;
use serde::{Serialize, de::DeserializeOwned};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    anomaly,
    door::Door,
    observation::Observation,
    table::{Coming, DRAWN, Gone, Kept, Table},
    track::{Asked, Track},
    verdict::Outcome,
    window,
};

/// At most this many groups of one correlation: with the samples that each keeps, about 200 MB.
pub(super) const GROUPS_MAX: usize = 50_000;

/// How many groups of one rule are held, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// At most so many groups of one partition.
    pub groups_max: usize,
    /// Where there are more, the quietest of so many drawn of the organisation with the most goes.
    pub drawn: u64,
    /// A group is forgotten so many nanoseconds after its latest observation; none is forgotten for its age alone
    /// where there is nothing.
    pub retention_ns: Option<i64>,
    /// A group is made at the observation of this number; those before are not counted.
    pub knocks: u32,
    /// If each of these comes so many nanoseconds after the last, at most.
    pub patience_ns: Option<i64>,
}

/// The groups of one rule.
pub(super) trait Keeper: fmt::Debug + Send {
    /// Takes an observation.
    fn take(&mut self, track: &Track, observation: &Observation, gone: &mut Gone) -> Outcome;

    /// Takes, where signals come together, what [`Outcome::Travels`] told of; its value is what travelled.
    fn decide(&mut self, _track: &Track, _observation: &Observation, _gone: &mut Gone) -> Outcome {
        Outcome::Counted { is_full: false }
    }

    /// What nothing coming makes true, now that event time has come this far, of one organisation or of all; in order of
    /// time. The rule's number is not set in the observations.
    fn due(
        &mut self,
        _track: &Track,
        _of: Option<OrganizationNumber>,
        _now: i64,
    ) -> Vec<(Observation, Outcome)> {
        Vec::new()
    }

    /// How many groups it holds, and how long.
    fn limits(&self, track: &Track) -> Limits;

    /// How many groups there are.
    fn len(&self) -> usize;

    /// Whether nothing is remembered.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As bytes; the same groups give the same bytes.
    fn keep(&self) -> Vec<u8>;

    /// As [`Keeper::keep`] kept them.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), postcard::Error>;
}

/// The state of one group.
pub(super) trait State: Clone + fmt::Debug + Send + Serialize + DeserializeOwned + 'static {
    /// What decides.
    type Rule;

    /// At most so many groups of one rule.
    const GROUPS_MAX: usize;

    /// A group is made at the observation of this number; those before only knock. 1 where nothing may be missed.
    const KNOCKS: u32 = 1;

    /// What decides, of a rule that has such groups.
    fn rule(asked: &Asked) -> Option<&Self::Rule>;

    /// Of a group whose first observation this is.
    fn new(rule: &Self::Rule, observation: &Observation) -> Self;

    /// Adds an observation.
    fn add(&mut self, rule: &Self::Rule, observation: &Observation) -> Outcome;

    /// Whether others go before it when one must go.
    fn is_dear(&self) -> bool {
        false
    }

    /// How long after its latest observation a group is forgotten, in nanoseconds.
    fn retention_ns(rule: &Self::Rule) -> i64;

    /// How long a knock counts, in nanoseconds.
    fn patience_ns(rule: &Self::Rule) -> i64 {
        Self::retention_ns(rule)
    }
}

#[derive(Debug)]
struct Groups<S> {
    table: Table<S>,
    door: Door,
}

/// Empty groups for a rule.
pub(super) fn of(track: &Track) -> Box<dyn Keeper> {
    match &track.asked {
        Asked::Correlation(_) => groups::<window::Group>(),
        Asked::Anomaly(anomaly) => anomaly::keeper(anomaly),
    }
}

pub(super) fn groups<S: State>() -> Box<dyn Keeper> {
    Box::new(Groups::<S> {
        table: Table::new(S::GROUPS_MAX, S::is_dear),
        door: Door::new(S::KNOCKS),
    })
}

/// Seconds since 1970, for the door.
fn seconds(nanos: i64) -> u32 {
    u32::try_from(nanos / 1_000_000_000).unwrap_or(0)
}

impl<S: State> Keeper for Groups<S> {
    fn take(&mut self, track: &Track, observation: &Observation, gone: &mut Gone) -> Outcome {
        let Some(rule) = S::rule(&track.asked) else {
            return Outcome::Counted { is_full: false };
        };
        let retention = S::retention_ns(rule);
        let (key, at) = (observation.text.key(), observation.head.at);
        let sought = self.table.seek(key);
        if 1 < S::KNOCKS
            && !sought.is_found()
            && !self
                .door
                .knock(xxh3_64(key), seconds(at), seconds(S::patience_ns(rule)), gone)
        {
            return Outcome::Counted { is_full: false };
        }
        let coming = Coming::to(key, observation, retention);
        let slot = self
            .table
            .at_place(sought, coming, || S::new(rule, observation), gone);
        match slot {
            Some(slot) => {
                slot.began = slot.began.min(observation.head.began);
                slot.restrict(&observation.head);
                let mut outcome = slot.state.add(rule, observation);
                let said = match &mut outcome {
                    Outcome::Begun(verdict) => Some((&mut verdict.start, &mut verdict.strictest)),
                    Outcome::Travels(found) => Some((&mut found.start, &mut found.strictest)),
                    // Chains hear of it from time to time, not each time.
                    Outcome::GoesOn { is_full, .. } if !track.is_heard(slot.heard, at) => {
                        return Outcome::Counted { is_full: *is_full };
                    }
                    Outcome::GoesOn { strictest, .. } => {
                        *strictest = slot.strictest;
                        slot.heard = at;
                        None
                    }
                    Outcome::Counted { .. } | Outcome::Outside | Outcome::Repeated => None,
                };
                // What is said of a time before there was anything, is not said.
                if let Some((start, strictest)) = said {
                    slot.heard = at;
                    *start = slot.began.max(*start);
                    *strictest = slot.strictest;
                }
                outcome
            }
            None => Outcome::Counted { is_full: true },
        }
    }

    fn limits(&self, track: &Track) -> Limits {
        let rule = S::rule(&track.asked);
        Limits {
            groups_max: S::GROUPS_MAX,
            drawn: DRAWN,
            retention_ns: rule.map(S::retention_ns),
            knocks: S::KNOCKS,
            patience_ns: rule.filter(|_| 1 < S::KNOCKS).map(S::patience_ns),
        }
    }

    fn len(&self) -> usize {
        self.table.len()
    }

    fn is_empty(&self) -> bool {
        self.table.len() == 0 && self.door.is_empty()
    }

    fn keep(&self) -> Vec<u8> {
        // Maps, numbers and texts always serialise.
        postcard::to_allocvec(&(self.table.keep(), &self.door)).unwrap_or_default()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), postcard::Error> {
        let (kept, door): (Kept<S>, Door) = postcard::from_bytes(bytes)?;
        self.table = Table::restore(kept, S::GROUPS_MAX, S::is_dear);
        self.door = door;
        Ok(())
    }
}

impl State for window::Group {
    type Rule = Correlation;

    const GROUPS_MAX: usize = GROUPS_MAX;

    fn rule(asked: &Asked) -> Option<&Correlation> {
        match asked {
            Asked::Correlation(correlation) => Some(correlation),
            Asked::Anomaly(_) => None,
        }
    }

    fn new(_rule: &Correlation, observation: &Observation) -> Self {
        Self::new(observation.head.at)
    }

    fn add(&mut self, rule: &Correlation, observation: &Observation) -> Outcome {
        Self::add(self, rule, observation)
    }

    fn retention_ns(rule: &Correlation) -> i64 {
        rule.timespan_ns
    }
}
