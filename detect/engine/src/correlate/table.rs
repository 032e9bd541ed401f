//! The groups of one rule, with the state of each.
//!
//! Bounded: beyond its limit the group that has been quiet longest of a few drawn goes (as Redis does it: near to the
//! quietest of all, and nothing has to be kept in order for it), and is counted. Groups whose state is over are
//! forgotten as new ones come. All of this depends on the order of observations only.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use std::hash::BuildHasher;

use detect_alert::Tlp;
use ingest_event::Marking;

use super::observation::{Head, whose};

/// So many groups are drawn when one must go.
pub(super) const DRAWN: u64 = 8;

/// So many groups are looked at when a new one comes, whether they are over.
const SWEPT: usize = 2;

/// Groups are swept so long after they are over: an observation that comes late may still find them.
const MARGIN_NS: i64 = 3_600_000_000_000;

/// Nothing observed yet.
pub(crate) const OPEN: (Marking, Tlp) = (Marking::Unmarked, Tlp::Clear);

/// Groups of one rule.
#[derive(Clone, Debug)]
pub(crate) struct Table<S> {
    slots: Vec<Slot<S>>,
    /// Seeded, since events choose the keys. No outcome depends on the seed.
    places: HashTable<Place>,
    hasher: RandomState,
    sweep: usize,
    draws: u64,
    limit: usize,
}

/// Where a group is, and a hash of its key: most others are told from it without a look at them.
#[derive(Clone, Copy, Debug)]
struct Place {
    slot: u32,
    hash: u32,
}

/// What was found when a key was looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought {
    hash: u32,
    slot: Option<u32>,
}

impl Sought {
    /// Whether there is a group.
    pub(crate) const fn is_found(self) -> bool {
        self.slot.is_some()
    }
}

/// One group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Slot<S> {
    pub(crate) key: Box<[u8]>,
    /// When it began, in nanoseconds.
    pub(crate) began: i64,
    /// Its latest observation, in nanoseconds.
    pub(crate) latest: i64,
    /// The strictest of all its observations.
    pub(crate) strictest: (Marking, Tlp),
    pub(crate) state: S,
}

/// What a table is, as it is written down; the order of groups decides who goes first, so it is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "S: Serialize + serde::de::DeserializeOwned")]
pub(crate) struct Kept<S> {
    slots: Vec<Slot<S>>,
    sweep: u64,
    draws: u64,
}

/// What went while room was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Put out though they were not over.
    pub(crate) evicted: u64,
}

impl<S> Slot<S> {
    /// What is known of it is as strict as this observation.
    pub(crate) fn restrict(&mut self, head: &Head) {
        self.strictest.0 = self.strictest.0.max(head.marking);
        self.strictest.1 = self.strictest.1.max(head.tlp);
    }
}

impl<S> Table<S> {
    /// Empty; of at most so many groups.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            places: HashTable::new(),
            hasher: RandomState::default(),
            sweep: 0,
            draws: 0,
            limit: limit.max(1),
        }
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// As [`Table::at_place`], of a key that was not looked for yet.
    pub(crate) fn at(
        &mut self,
        key: &[u8],
        at: i64,
        retention_ns: i64,
        make: impl FnOnce() -> S,
        gone: &mut Gone,
    ) -> Option<&mut Slot<S>> {
        self.at_place(self.seek(key), key, at, retention_ns, make, gone)
    }

    /// The group of a key that was looked for, made if there is none or if it was quiet for longer than `retention_ns`; its
    /// latest observation is at `at`, or was later.
    pub(crate) fn at_place(
        &mut self,
        sought: Sought,
        key: &[u8],
        at: i64,
        retention_ns: i64,
        make: impl FnOnce() -> S,
        gone: &mut Gone,
    ) -> Option<&mut Slot<S>> {
        let place = match sought.slot {
            Some(place) => {
                // Whether it has been swept yet is no matter: what is over begins anew.
                if let Some(slot) = self.slots.get_mut(place as usize)
                    && slot.latest.saturating_add(retention_ns) < at
                {
                    slot.state = make();
                    (slot.began, slot.latest, slot.strictest) = (at, at, OPEN);
                    return self.slots.get_mut(place as usize);
                }
                place
            }
            None => {
                let start = at.saturating_sub(retention_ns).saturating_sub(MARGIN_NS);
                self.sweep(whose(key), start);
                self.make_room(gone);
                let slot = Slot {
                    key: key.into(),
                    began: at,
                    latest: at,
                    strictest: OPEN,
                    state: make(),
                };
                self.insert(slot, sought.hash)
            }
        };
        let slot = self.slots.get_mut(place as usize)?;
        slot.began = slot.began.min(at);
        slot.latest = slot.latest.max(at);
        Some(slot)
    }

    /// The group of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Slot<S>> {
        self.slots.get(self.seek(key).slot? as usize)
    }

    /// The group of a key.
    pub(crate) fn get_mut(&mut self, key: &[u8]) -> Option<&mut Slot<S>> {
        let slot = self.seek(key).slot?;
        self.slots.get_mut(slot as usize)
    }

    /// Looks for the group of a key.
    pub(crate) fn seek(&self, key: &[u8]) -> Sought {
        let hash = self.hash(key);
        let is_same = |place: &Place| {
            place.hash == hash
                && self
                    .slots
                    .get(place.slot as usize)
                    .is_some_and(|slot| *slot.key == *key)
        };
        Sought {
            hash,
            slot: self.places.find(spread(hash), is_same).map(|place| place.slot),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of a hash is one")]
    fn hash(&self, key: &[u8]) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    fn insert(&mut self, slot: Slot<S>, hash: u32) -> u32 {
        let number = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(slot);
        let place = Place { slot: number, hash };
        self.places
            .insert_unique(spread(hash), place, |place| spread(place.hash));
        number
    }

    /// Takes a group out; the last one takes its place.
    fn remove(&mut self, number: usize) {
        let Some(slot) = self.slots.get(number) else {
            return;
        };
        let at = u32::try_from(number).unwrap_or(u32::MAX);
        let hash = spread(self.hash(&slot.key));
        if let Ok(found) = self.places.find_entry(hash, |found| found.slot == at) {
            found.remove();
        }
        self.slots.swap_remove(number);
        let last = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let Some(moved) = self.slots.get(number) else {
            return;
        };
        let hash = spread(self.hash(&moved.key));
        if let Some(found) = self.places.find_mut(hash, |found| found.slot == last) {
            found.slot = at;
        }
    }

    /// Looks at a few groups and forgets those whose latest observation is before `start`.
    fn sweep(&mut self, of: &[u8], start: i64) {
        for _ in 0..SWEPT {
            if self.slots.len() <= self.sweep {
                self.sweep = 0;
            }
            match self.slots.get(self.sweep) {
                // Another organisation's time is another.
                Some(slot) if slot.latest < start && whose(&slot.key) == of => self.remove(self.sweep),
                Some(_) => self.sweep += 1,
                None => return,
            }
        }
    }

    fn make_room(&mut self, gone: &mut Gone) {
        while self.limit <= self.slots.len() {
            let count = self.slots.len() as u64;
            let drawn = (0..DRAWN).map(|draw| {
                let number = mixed(self.draws.wrapping_add(draw)) % count.max(1);
                usize::try_from(number).unwrap_or(0)
            });
            let quietest = drawn.min_by_key(|place| {
                (
                    self.slots.get(*place).map_or(i64::MAX, |slot| slot.latest),
                    *place,
                )
            });
            self.draws = self.draws.wrapping_add(DRAWN);
            let Some(place) = quietest else { return };
            self.remove(place);
            gone.evicted += 1;
        }
    }
}

impl<S: Clone> Table<S> {
    /// As it is written down.
    pub(crate) fn keep(&self) -> Kept<S> {
        Kept {
            slots: self.slots.clone(),
            sweep: self.sweep as u64,
            draws: self.draws,
        }
    }

    /// As it was.
    pub(crate) fn restore(kept: Kept<S>, limit: usize) -> Self {
        let mut table = Self::new(limit);
        table.places.reserve(kept.slots.len(), |place| spread(place.hash));
        for slot in kept.slots {
            let hash = table.hash(&slot.key);
            table.insert(slot, hash);
        }
        table.sweep = usize::try_from(kept.sweep).unwrap_or(0);
        table.draws = kept.draws;
        table
    }
}

/// A hash of 64 bits, of which the first and the last count, from half of one.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A number that looks drawn (splitmix64, Steele and others 2014).
const fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
