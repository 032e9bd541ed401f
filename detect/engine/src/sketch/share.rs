//! How large a part of an entity's events each value has, so that a rare one can be told.
//!
//! Space-Saving (Metwally, Agrawal, El Abbadi 2005): at most [`VALUES_MAX`] values are counted. A further one takes the
//! place of the one with the fewest events, and its count. So a count is never too low, and is too high by at most
//! `total / VALUES_MAX`; up to [`VALUES_MAX`] values it is exact. A value is therefore never told as rare when it is not;
//! an entity with more values than are counted, all of them rare, has none told where the share asked for is below
//! `1 / VALUES_MAX`.
//!
//! Counts halve each time a multiple of the memory passes, so that what an entity did long ago fades. Inputs come in
//! order of time; one from before the latest halving counts as if it came now.

use serde::{Deserialize, Serialize};

use super::slice_of;

/// Values that are counted for one entity: 624 bytes.
pub const VALUES_MAX: usize = 48;

/// The values of one entity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// By hash, each once.
    values: Vec<Count>,
    /// How often counts were halved, since 1970.
    halvings: i64,
    total: u32,
    replaced: u32,
}

/// A value's part of all events, this one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Events with this value, never fewer than there were.
    pub at_most: u32,
    /// Never more than there were.
    pub at_least: u32,
    /// All events.
    pub total: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    /// The first 32 bits of the hash.
    short: u32,
    events: u32,
    /// So many of them may belong to values that were here before.
    inherited: u32,
}

impl Shares {
    /// Counts an event with a value, as a well-mixed hash of 64 bits that is the same on every machine. `memory_ns` is
    /// after how long events count half.
    pub fn count(&mut self, memory_ns: i64, hash: u64, at: i64) -> Share {
        self.halve(slice_of(at, memory_ns));
        let short = u32::try_from(hash >> 32).unwrap_or_default();
        self.total = self.total.saturating_add(1);
        let place = self.values.partition_point(|count| count.short < short);
        if let Some(count) = self.values.get_mut(place).filter(|count| count.short == short) {
            count.events = count.events.saturating_add(1);
            return count.share(self.total);
        }
        let inherited = if self.values.len() < VALUES_MAX {
            0
        } else {
            self.take_least()
        };
        let count = Count {
            short,
            events: inherited.saturating_add(1),
            inherited,
        };
        if self.values.len() == self.values.capacity() {
            self.values.reserve_exact(self.values.len().clamp(1, 8));
        }
        let place = self.values.partition_point(|count| count.short < short);
        self.values.insert(place, count);
        count.share(self.total)
    }

    /// All events, those that faded left out.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// So many values took the place of another. 0: every count is exact.
    #[must_use]
    pub const fn replaced(&self) -> u32 {
        self.replaced
    }

    /// Bytes it takes, those behind pointers included.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        size_of::<Self>() + self.values.capacity() * size_of::<Count>()
    }

    /// Takes out the value with the fewest events; of several the first by hash. Its events.
    fn take_least(&mut self) -> u32 {
        let least = (self.values.iter().enumerate()).min_by_key(|(_, count)| count.events);
        let Some((place, _)) = least else {
            return 0;
        };
        self.replaced = self.replaced.saturating_add(1);
        self.values.remove(place).events
    }

    fn halve(&mut self, halvings: i64) {
        if self.total == 0 {
            self.halvings = halvings;
        }
        let times = halvings.saturating_sub(self.halvings);
        if times <= 0 {
            return;
        }
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        let half = |count: u32| count.checked_shr(times).unwrap_or(0);
        self.values.retain_mut(|count| {
            count.events = half(count.events);
            count.inherited = half(count.inherited).min(count.events);
            count.events > 0
        });
        self.total = half(self.total);
        self.halvings = halvings;
    }
}

impl Count {
    const fn share(self, total: u32) -> Share {
        Share {
            at_most: self.events,
            at_least: self.events.saturating_sub(self.inherited),
            total,
        }
    }
}

impl Share {
    /// The largest share that the value can have, 0 to 1: what a rule compares.
    #[must_use]
    pub fn at_most(&self) -> f64 {
        (f64::from(self.at_most) / f64::from(self.total.max(1))).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{Shares, VALUES_MAX};

    const MEMORY: i64 = 1_000;

    const fn hash(value: u64) -> u64 {
        value.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn a_rare_value_has_a_small_share() {
        let mut state = Shares::default();
        for _ in 0..99 {
            state.count(MEMORY, hash(1), 0);
        }
        let share = state.count(MEMORY, hash(2), 0);
        assert_eq!((share.at_most, share.at_least, share.total), (1, 1, 100));
        assert!((share.at_most() - 0.01).abs() < 1e-12);
        assert!(state.count(MEMORY, hash(1), 0).at_most() > 0.99);
        assert_eq!(state.replaced(), 0);
    }

    #[test]
    fn counts_halve_with_the_memory_and_fade_out() {
        let mut state = Shares::default();
        for _ in 0..100 {
            state.count(MEMORY, hash(1), 999);
        }
        for (at, at_most, total) in [
            (1_000, 51, 51),
            (999, 52, 52),
            (3_999, 14, 14),
            (i64::MAX, 1, 1),
            (0, 2, 2),
        ] {
            let share = state.count(MEMORY, hash(1), at);
            assert_eq!((share.at_most, share.total), (at_most, total), "{at}");
        }
    }

    #[test]
    fn it_is_as_small_as_stated() {
        let mut state = Shares::default();
        for value in 0..10_000 {
            state.count(MEMORY, hash(value), 0);
        }
        assert!(state.bytes() <= 40 + (VALUES_MAX + 7) * 12, "{}", state.bytes());
        assert_eq!(state.replaced() as usize, 10_000 - VALUES_MAX);
        let bytes = postcard::to_allocvec(&state).unwrap();
        assert_eq!(postcard::from_bytes::<Shares>(&bytes).unwrap(), state);
    }

    proptest! {
        #[test]
        fn a_count_is_between_its_bounds(
            values in prop::collection::vec(prop_oneof![0..10_u64, 0..200_u64], 1..600),
        ) {
            let mut state = Shares::default();
            let mut exact = BTreeMap::<u64, u32>::new();
            for (index, value) in values.iter().enumerate() {
                let count = exact.entry(*value).or_default();
                *count += 1;
                let share = state.count(MEMORY, hash(*value), 5);
                prop_assert!(share.at_least <= *count && *count <= share.at_most);
                prop_assert!(share.at_most - *count <= share.total / VALUES_MAX as u32);
                prop_assert_eq!(share.total as usize, index + 1);
                prop_assert!(exact.len() > VALUES_MAX || share.at_most == share.at_least);
            }
        }
    }
}
