//! The groups of one rule, with the state of each.
//!
//! **Limit.** Beyond it a group goes, and is counted: one that the organisation with the most groups brought, so that no
//! organisation's flood costs another a group while that has its fair share or less. Of a few drawn of its groups the
//! least useful goes, then the one that has been quiet longest (as Redis does it: near to the quietest of all, and
//! nothing has to be kept in order for it). Groups whose state is over are forgotten as their organisation brings new
//! ones: another's time is another. All of this depends on the order of observations only.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, hash::BuildHasher};

use detect_alert::Tlp;
use ingest_event::{Marking, OrganizationNumber};

use super::observation::{Head, Observation};

#[cfg(test)]
mod tests;

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
    /// By number. One without groups gives its number to the next that comes, so there are never more than groups.
    owners: Vec<Owner<S>>,
    numbers: BTreeMap<OrganizationNumber, u32>,
    /// Seeded, since events choose the keys. No outcome depends on the seed.
    places: HashTable<Place>,
    hasher: RandomState,
    draws: u64,
    limit: usize,
    is_dear: fn(&S) -> bool,
}

/// An organisation, and the groups whose first observation was its own. Where groups are of all organisations, that of
/// the others is there too.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Owner<S> {
    organization: OrganizationNumber,
    slots: Vec<Slot<S>>,
    /// Here the next look for groups that are over begins.
    sweep: u64,
}

/// Where a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At {
    owner: u32,
    slot: u32,
}

/// Where a group is, and a hash of its key: most others are told from it without a look at them.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: At,
    hash: u32,
}

/// What was found when a key was looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought {
    hash: u32,
    at: Option<At>,
}

impl Sought {
    /// Whether there is a group.
    pub(crate) const fn is_found(self) -> bool {
        self.at.is_some()
    }
}

/// What comes to a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coming<'k> {
    pub(crate) key: &'k [u8],
    /// Whose it is.
    pub(crate) organization: OrganizationNumber,
    /// When, in nanoseconds.
    pub(crate) at: i64,
    /// A group that was quiet for longer, in nanoseconds, begins anew.
    pub(crate) retention_ns: i64,
}

impl<'k> Coming<'k> {
    /// An observation, to the group of a key.
    pub(crate) fn to(key: &'k [u8], observation: &Observation, retention_ns: i64) -> Self {
        Self {
            key,
            organization: observation.head.organization,
            at: observation.head.at,
            retention_ns,
        }
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
    /// When other rules last heard of it, in nanoseconds.
    pub(crate) heard: i64,
    pub(crate) state: S,
}

/// What a table is, as it is written down; the order of groups decides who goes first, so it is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "S: Serialize + serde::de::DeserializeOwned")]
pub(crate) struct Kept<S> {
    /// By number of the organisation.
    owners: Vec<Owner<S>>,
    draws: u64,
}

/// What went while room was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Put out though they were not over.
    pub(crate) evicted: u64,
    /// Knocked, and were forgotten before they could be let in.
    pub(crate) knocks_lost: u64,
}

impl<S> Slot<S> {
    /// What is known of it is as strict as this observation.
    pub(crate) fn restrict(&mut self, head: &Head) {
        self.strictest.0 = self.strictest.0.max(head.marking);
        self.strictest.1 = self.strictest.1.max(head.tlp);
    }
}

impl<S> Table<S> {
    /// Empty; of at most so many groups. Those whose state is dear go after the others.
    pub(crate) fn new(limit: usize, is_dear: fn(&S) -> bool) -> Self {
        Self {
            owners: Vec::new(),
            numbers: BTreeMap::new(),
            places: HashTable::new(),
            hasher: RandomState::default(),
            draws: 0,
            limit: limit.max(1),
            is_dear,
        }
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// As [`Table::at_place`], of a key that was not looked for yet.
    pub(crate) fn at(
        &mut self,
        coming: Coming<'_>,
        make: impl FnOnce() -> S,
        gone: &mut Gone,
    ) -> Option<&mut Slot<S>> {
        self.at_place(self.seek(coming.key), coming, make, gone)
    }

    /// The group of a key that was looked for, made if there is none or if it is over; its latest observation is at
    /// the time of this one, or was later.
    pub(crate) fn at_place(
        &mut self,
        sought: Sought,
        coming: Coming<'_>,
        make: impl FnOnce() -> S,
        gone: &mut Gone,
    ) -> Option<&mut Slot<S>> {
        // Whether it has been swept yet is no matter: what is over begins anew.
        let found = sought.at.filter(|at| !self.is_over(*at, &coming));
        let at = match (found, sought.at) {
            (Some(at), _) => at,
            (None, over) => {
                over.into_iter().for_each(|at| self.remove(at));
                self.sweep(&coming);
                self.make_room(coming.organization, gone);
                let slot = Slot {
                    key: coming.key.into(),
                    began: coming.at,
                    latest: coming.at,
                    strictest: OPEN,
                    heard: i64::MIN,
                    state: make(),
                };
                let owner = self.owner(coming.organization);
                self.insert(owner, slot, sought.hash)?
            }
        };
        let slot = self.slot_mut(at)?;
        slot.began = slot.began.min(coming.at);
        slot.latest = slot.latest.max(coming.at);
        Some(slot)
    }

    /// The group of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Slot<S>> {
        self.slot(self.seek(key).at?)
    }

    /// The group of a key.
    pub(crate) fn get_mut(&mut self, key: &[u8]) -> Option<&mut Slot<S>> {
        self.slot_mut(self.seek(key).at?)
    }

    /// Looks for the group of a key.
    pub(crate) fn seek(&self, key: &[u8]) -> Sought {
        let hash = self.hash(key);
        let is_same =
            |place: &Place| place.hash == hash && self.slot(place.at).is_some_and(|slot| *slot.key == *key);
        Sought {
            hash,
            at: self.places.find(spread(hash), is_same).map(|place| place.at),
        }
    }

    fn slot(&self, at: At) -> Option<&Slot<S>> {
        self.owners.get(at.owner as usize)?.slots.get(at.slot as usize)
    }

    fn slot_mut(&mut self, at: At) -> Option<&mut Slot<S>> {
        self.owners
            .get_mut(at.owner as usize)?
            .slots
            .get_mut(at.slot as usize)
    }

    fn is_over(&self, at: At, coming: &Coming<'_>) -> bool {
        self.slot(at)
            .is_some_and(|slot| slot.latest.saturating_add(coming.retention_ns) < coming.at)
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of a hash is one")]
    fn hash(&self, key: &[u8]) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    /// The number of an organisation that brings a group.
    fn owner(&mut self, organization: OrganizationNumber) -> u32 {
        if let Some(number) = self.numbers.get(&organization) {
            return *number;
        }
        let owner = Owner {
            organization,
            slots: Vec::new(),
            sweep: 0,
        };
        let free = (0..)
            .zip(&mut self.owners)
            .find(|(_, owner)| owner.slots.is_empty());
        let number = match free {
            Some((number, free)) => {
                self.numbers.remove(&free.organization);
                *free = owner;
                number
            }
            None => {
                self.owners.push(owner);
                number(self.owners.len() - 1)
            }
        };
        self.numbers.insert(organization, number);
        number
    }

    fn insert(&mut self, owner: u32, slot: Slot<S>, hash: u32) -> Option<At> {
        let slots = &mut self.owners.get_mut(owner as usize)?.slots;
        let at = At {
            owner,
            slot: number(slots.len()),
        };
        slots.push(slot);
        self.places
            .insert_unique(spread(hash), Place { at, hash }, |place| spread(place.hash));
        Some(at)
    }

    /// Takes a group out; the last one of its organisation takes its place.
    fn remove(&mut self, at: At) {
        let Some(slot) = self.slot(at) else {
            return;
        };
        let hash = spread(self.hash(&slot.key));
        if let Ok(found) = self.places.find_entry(hash, |found| found.at == at) {
            found.remove();
        }
        let Some(owner) = self.owners.get_mut(at.owner as usize) else {
            return;
        };
        owner.slots.swap_remove(at.slot as usize);
        let last = At {
            slot: number(owner.slots.len()),
            ..at
        };
        let Some(moved) = self.slot(at) else {
            return;
        };
        let hash = spread(self.hash(&moved.key));
        if let Some(found) = self.places.find_mut(hash, |found| found.at == last) {
            found.at = at;
        }
    }

    /// Looks at a few groups of an organisation and forgets those that have been over for a while.
    fn sweep(&mut self, coming: &Coming<'_>) {
        let start = coming
            .at
            .saturating_sub(coming.retention_ns)
            .saturating_sub(MARGIN_NS);
        let Some(number) = self.numbers.get(&coming.organization).copied() else {
            return;
        };
        for _ in 0..SWEPT {
            let Some(owner) = self.owners.get_mut(number as usize) else {
                return;
            };
            if owner.slots.len() as u64 <= owner.sweep {
                owner.sweep = 0;
            }
            let place = usize::try_from(owner.sweep).unwrap_or(usize::MAX);
            match owner.slots.get(place) {
                Some(slot) if slot.latest < start => self.remove(At {
                    owner: number,
                    slot: self::number(place),
                }),
                Some(_) => owner.sweep += 1,
                None => return,
            }
        }
    }

    /// Makes room for a group that this organisation brings.
    fn make_room(&mut self, organization: OrganizationNumber, gone: &mut Gone) {
        while self.limit <= self.len() {
            let Some((number, owner)) = self.largest(organization) else {
                return;
            };
            let count = owner.slots.len() as u64;
            let drawn = (0..DRAWN).map(|draw| mixed(self.draws.wrapping_add(draw)) % count.max(1));
            let least = drawn.min_by_key(|place| {
                let slot = usize::try_from(*place).ok().and_then(|at| owner.slots.get(at));
                let rank = |slot: &Slot<S>| ((self.is_dear)(&slot.state), slot.latest);
                (slot.map_or((true, i64::MAX), rank), *place)
            });
            self.draws = self.draws.wrapping_add(DRAWN);
            let Some(slot) = least.and_then(|place| u32::try_from(place).ok()) else {
                return;
            };
            self.remove(At { owner: number, slot });
            gone.evicted += 1;
        }
    }

    /// Who has the most groups, that which is to come included. It has more than the limit divided by the organisations
    /// that have any, or all have as many. Of those who have as many it is whose group is to come: no other's goes.
    fn largest(&self, organization: OrganizationNumber) -> Option<(u32, &Owner<S>)> {
        let owners = (0..).zip(&self.owners);
        let present = owners.filter(|(_, owner)| !owner.slots.is_empty());
        present.max_by_key(|(_, owner)| {
            let is_coming = owner.organization == organization;
            let count = owner.slots.len() + usize::from(is_coming);
            (count, is_coming, owner.organization)
        })
    }
}

impl<S: Clone> Table<S> {
    /// As it is written down.
    pub(crate) fn keep(&self) -> Kept<S> {
        let owners = self
            .numbers
            .values()
            .filter_map(|number| self.owners.get(*number as usize));
        Kept {
            owners: owners.filter(|owner| !owner.slots.is_empty()).cloned().collect(),
            draws: self.draws,
        }
    }

    /// As it was.
    pub(crate) fn restore(kept: Kept<S>, limit: usize, is_dear: fn(&S) -> bool) -> Self {
        let mut table = Self::new(limit, is_dear);
        let count = kept.owners.iter().map(|owner| owner.slots.len()).sum();
        table.places.reserve(count, |place| spread(place.hash));
        for owner in kept.owners {
            let number = table.owner(owner.organization);
            for slot in owner.slots {
                let hash = table.hash(&slot.key);
                table.insert(number, slot, hash);
            }
            if let Some(restored) = table.owners.get_mut(number as usize) {
                restored.sweep = owner.sweep;
            }
        }
        table.draws = kept.draws;
        table
    }
}

/// The number of an organisation, or of one of its groups; there are less than [`u32::MAX`] of both.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
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
