//! Who has been here a few times: most pairs of machines meet once, and are not worth a group.
//!
//! A doorkeeper in the sense of Einziger, Friedman and Manes (TinyLFU, 2017): a small table of fingerprints in front of a
//! large one. A key is let in when it knocks for the [`Door::new`]-th time, each knock soon enough after the last.
//!
//! Fingerprints lie in sets of a few places, by when they knocked last. Where a set is full, what knocked once goes before
//! what knocked more often, and of those the one that knocked last the longest ago; it is counted. A door that loses many
//! that way while a knock counts doubles, up to a bound: a slow rhythm is to be heard among all that meets once between two of its knocks.

use serde::{Deserialize, Serialize};

use super::table::Gone;

#[cfg(test)]
mod tests;

/// Places of a set: half a line of the processor's cache.
const WAYS: usize = 8;

/// A door begins with so many sets as a power of two: 16 kB. There is one for each rule with a door and partition of
/// events, and a detector may hold those of 350 organisations, of which most are small: 6 MB for each such rule.
const BITS_MIN: u32 = 9;

/// And grows to so many: 4 MB, a million of those who knocked once. They stay for about three hours where 100 new pairs
/// meet each second, which few sites reach; the groups behind such a door take 120 MB and more at their limit. 350
/// doors of sites with one new pair a second take 256 kB each, 90 MB together.
const BITS_MAX: u32 = 17;

/// A door doubles when it loses one in so many of its places while a knock counts.
const LOSS: usize = 64;

/// A place: fingerprint, time, count. No count is no place.
type Place = u32;

/// Bits of the number of a place in its set.
const PLACE_BITS: u32 = WAYS.trailing_zeros();

/// Bits of the count: up to three knocks are remembered, the fourth is let in at the latest.
const COUNT_BITS: u32 = 2;

const COUNT_MASK: u32 = (1 << COUNT_BITS) - 1;

/// Bits of the time, in sixteenths of how long a knock counts: it comes round after sixteen times that long.
const TIME_BITS: u32 = 8;

const TIME_MASK: u32 = (1 << TIME_BITS) - 1;

/// A knock counts for so many units of time.
const WITHIN: u32 = 16;

/// A place may be so many units ahead of an event that comes late.
const AHEAD: u32 = 64;

/// Fingerprints and how often each knocked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Door {
    /// None before the first knock, then a power of two.
    sets: Vec<[Place; WAYS]>,
    /// So many were lost since then, in seconds.
    lost: u64,
    since: u32,
    knocks: u32,
}

impl Door {
    /// Lets a key in when it knocks for the `knocks`-th time, 4 at most; 0 and 1 let everybody in.
    pub(super) const fn new(knocks: u32) -> Self {
        Self {
            sets: Vec::new(),
            lost: 0,
            since: 0,
            knocks,
        }
    }

    /// Whether nobody knocked yet.
    pub(super) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// A key knocks, by a hash that is the same on every machine; whether it is let in. `within` is how long a knock
    /// counts and `at` when it was, both in seconds.
    pub(super) fn knock(&mut self, hash: u64, at: u32, within: u32, gone: &mut Gone) -> bool {
        if self.knocks <= 1 {
            return true;
        }
        if self.sets.is_empty() {
            self.sets = vec![[0; WAYS]; 1 << BITS_MIN];
        }
        let now = units(at, within);
        let fingerprint = fingerprint(hash);
        let index = index(hash, self.sets.len());
        let Some(set) = self.sets.get_mut(index) else {
            return true;
        };
        // Over all places of the set at once, without a branch.
        let counts = set.map(|place| counted(place, now));
        let mut found = u32::MAX;
        let mut least = u32::MAX;
        for ((at, place), count) in (0_u32..).zip(set.iter()).zip(counts) {
            let is_same = count != 0 && place >> (COUNT_BITS + TIME_BITS) == fingerprint;
            found = found.min(if is_same {
                count << PLACE_BITS | at
            } else {
                u32::MAX
            });
            least = least.min(count << PLACE_BITS | (WAYS as u32 - 1 - at));
        }
        if found != u32::MAX {
            let count = (found >> PLACE_BITS) + 1;
            let is_in = self.knocks <= count || count == 1 << COUNT_BITS;
            let kept = if is_in { 0 } else { place(fingerprint, now, count) };
            put(set, found & (WAYS as u32 - 1), kept);
            return is_in;
        }
        put(
            set,
            WAYS as u32 - 1 - (least & (WAYS as u32 - 1)),
            place(fingerprint, now, 1),
        );
        let lost = least >> PLACE_BITS != 0;
        if lost {
            gone.knocks_lost += 1;
            if within < at.saturating_sub(self.since) {
                (self.lost, self.since) = (0, at);
            }
            self.lost += 1;
            self.grow();
        }
        false
    }

    /// Doubles, if too many were lost.
    fn grow(&mut self) {
        let count = self.sets.len();
        if 1 << BITS_MAX <= count || self.lost < (count * WAYS / LOSS) as u64 {
            return;
        }
        self.lost = 0;
        let mut grown = vec![[0; WAYS]; count * 2];
        let (low, high) = grown.split_at_mut(count);
        // The bit of the hash that tells the two halves apart is in the fingerprint.
        let bit = count.trailing_zeros().saturating_sub(BITS_MIN) + COUNT_BITS + TIME_BITS;
        for (set, halves) in self.sets.iter().zip(low.iter_mut().zip(high)) {
            let is_high = |place: &&Place| **place >> bit & 1 == 1;
            let (low, high) = halves;
            let places = set.iter().filter(|place| !is_high(place));
            low.iter_mut()
                .zip(places)
                .for_each(|(free, place)| *free = *place);
            let places = set.iter().filter(is_high);
            high.iter_mut()
                .zip(places)
                .for_each(|(free, place)| *free = *place);
        }
        self.sets = grown;
    }
}

/// Which of so many sets a key is in: by the lowest bits of its hash.
fn index(hash: u64, count: usize) -> usize {
    usize::try_from(hash & (count as u64).wrapping_sub(1)).unwrap_or(0)
}

/// The bits of a hash above those that every door has as the index.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the bits that are wanted are left"
)]
const fn fingerprint(hash: u64) -> u32 {
    (hash >> BITS_MIN) as u32 & (u32::MAX >> (COUNT_BITS + TIME_BITS))
}

/// A time, as a place tells it; it comes round.
fn units(at: u32, within: u32) -> u32 {
    (at / (within / WITHIN).max(1)) & TIME_MASK
}

const fn place(fingerprint: u32, now: u32, count: u32) -> Place {
    (fingerprint << TIME_BITS | now) << COUNT_BITS | count
}

/// How many knocks there were that still count.
fn counted(place: Place, now: u32) -> u32 {
    // From those that are ahead on, so that what counts is one range.
    let age = now.wrapping_sub(place >> COUNT_BITS).wrapping_add(AHEAD) & TIME_MASK;
    if age <= AHEAD + WITHIN {
        place & COUNT_MASK
    } else {
        0
    }
}

/// Puts a place first, for one that goes.
fn put(set: &mut [Place; WAYS], goes: u32, mut place: Place) {
    for other in set.iter_mut().take(goes as usize + 1) {
        std::mem::swap(other, &mut place);
    }
}
