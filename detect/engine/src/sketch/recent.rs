//! Which values an entity has had lately, so that a new one can be told.
//!
//! Values are kept as 32 bits of a hash with the minute in which they were last seen: one value in 2³² / n is held for
//! one of the n that are kept, and so not told as new. At most as many are kept as the rule says; then the one not seen
//! for the longest time goes, which is counted: it would be new again.
//!
//! Inputs come in order of time, or nearly: one from before the memory is refused, any other only ever extends how long
//! its value is remembered. As long as nothing was evicted, the order changes nothing else.

use serde::{Deserialize, Serialize};

use super::slice_of;

const MINUTE_NS: i64 = 60_000_000_000;

/// How long, and how many values, a rule has an entity remember. Not kept with each entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// A value is new again when it was not seen for so long, in nanoseconds; told in minutes.
    pub span_ns: i64,
    /// The most values of one entity.
    pub values_max: usize,
}

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Not seen within the memory.
    New,
    /// Seen before; when last, in nanoseconds, to the minute.
    Before(i64),
    /// From before the memory; nothing was done with it.
    Late,
}

/// The values of one entity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// 32 bits of the hash, then the minute since 1970; sorted, each hash once.
    values: Vec<u64>,
    /// The latest minute.
    latest: u32,
    evicted: u32,
}

impl Recent {
    /// A value, as a well-mixed hash of 64 bits that is the same on every machine, and when it was seen.
    pub fn see(&mut self, memory: &Memory, hash: u64, at: i64) -> Seen {
        let minute = u32::try_from(slice_of(at, MINUTE_NS).max(0)).unwrap_or(u32::MAX);
        self.latest = self.latest.max(minute);
        let oldest = memory.oldest(self.latest);
        if minute < oldest {
            return Seen::Late;
        }
        let short = hash >> 32;
        let place = self.values.partition_point(|value| value >> 32 < short);
        if let Some(value) = self.values.get_mut(place).filter(|value| **value >> 32 == short) {
            let last = last_of(*value);
            *value = short << 32 | u64::from(last.max(minute));
            if last < oldest {
                return Seen::New;
            }
            return Seen::Before(i64::from(last).saturating_mul(MINUTE_NS));
        }
        self.values
            .reserve_exact(usize::from(self.values.len() == self.values.capacity()));
        self.values.insert(place, short << 32 | u64::from(minute));
        self.fit(memory);
        Seen::New
    }

    /// Takes in what another part of the stream had.
    pub fn merge(&mut self, memory: &Memory, other: &Self) {
        self.latest = self.latest.max(other.latest);
        self.evicted = self.evicted.saturating_add(other.evicted);
        let mut values = Vec::with_capacity(self.values.len() + other.values.len());
        values.append(&mut self.values);
        values.extend_from_slice(&other.values);
        values.sort_unstable_by(|one, other| other.cmp(one));
        // The later minute of the same hash comes first and stays.
        values.dedup_by_key(|value| *value >> 32);
        values.reverse();
        self.values = values;
        self.fit(memory);
    }

    /// So many values are kept.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether nothing was seen yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// So many values had to go while they were still remembered.
    #[must_use]
    pub const fn evicted(&self) -> u32 {
        self.evicted
    }

    /// Bytes it takes, those behind pointers included.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        size_of::<Self>() + self.values.capacity() * size_of::<u64>()
    }

    /// Lets go of what is too old or, beyond that, too much.
    fn fit(&mut self, memory: &Memory) {
        let most = memory.values_max.max(1);
        if self.values.len() <= most {
            return;
        }
        let oldest = memory.oldest(self.latest);
        self.values.retain(|value| last_of(*value) >= oldest);
        while self.values.len() > most {
            let longest_unseen = (self.values.iter().enumerate())
                .min_by_key(|(_, value)| last_of(**value))
                .map_or(0, |(place, _)| place);
            self.values.remove(longest_unseen);
            self.evicted = self.evicted.saturating_add(1);
        }
    }
}

impl Memory {
    /// The first minute that is remembered.
    fn oldest(&self, latest: u32) -> u32 {
        latest.saturating_sub(u32::try_from((self.span_ns / MINUTE_NS).max(0)).unwrap_or(u32::MAX))
    }
}

/// The minute of a value.
#[expect(clippy::cast_possible_truncation, reason = "the last 32 bits are the minute")]
const fn last_of(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MINUTE_NS, Memory, Recent, Seen};

    const MEMORY: Memory = Memory {
        span_ns: 100 * MINUTE_NS,
        values_max: 4,
    };

    const fn hash(value: u64) -> u64 {
        value.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn see(state: &mut Recent, value: u64, minute: i64) -> Seen {
        state.see(&MEMORY, hash(value), minute * MINUTE_NS + 7)
    }

    #[test]
    fn a_value_is_new_once_and_again_when_it_is_forgotten() {
        let mut state = Recent::default();
        for (value, minute, seen) in [
            (1, 1_000, Seen::New),
            (1, 1_000, Seen::Before(1_000 * MINUTE_NS)),
            (2, 1_010, Seen::New),
            (1, 1_090, Seen::Before(1_000 * MINUTE_NS)),
            (2, 1_111, Seen::New),
            (1, 1_120, Seen::Before(1_090 * MINUTE_NS)),
            (1, 1_100, Seen::Before(1_120 * MINUTE_NS)),
            (3, 1_019, Seen::Late),
            (3, 1_020, Seen::New),
        ] {
            assert_eq!(see(&mut state, value, minute), seen, "{value} at {minute}");
        }
        assert_eq!(state.evicted(), 0);
    }

    #[test]
    fn the_longest_unseen_goes_first_and_is_counted() {
        let mut state = Recent::default();
        for value in 1..=4 {
            see(&mut state, value, 1_000 + value as i64);
        }
        see(&mut state, 1, 1_010);
        assert_eq!(see(&mut state, 5, 1_011), Seen::New);
        assert_eq!((state.evicted(), state.len()), (1, 4));
        assert_eq!(see(&mut state, 1, 1_012), Seen::Before(1_010 * MINUTE_NS));
        assert_eq!(see(&mut state, 2, 1_013), Seen::New);
        // What is too old by itself makes room and is not counted.
        let evicted = state.evicted();
        assert_eq!(see(&mut state, 9, 1_112), Seen::New);
        assert_eq!(state.evicted(), evicted);
    }

    #[test]
    fn times_at_the_ends_do_no_harm() {
        let mut state = Recent::default();
        for at in [i64::MIN, 0, i64::MAX, -1] {
            state.see(&MEMORY, hash(1), at);
        }
        assert_eq!(state.len(), 1);
    }

    #[test]
    fn it_is_as_small_as_stated() {
        let memory = Memory {
            span_ns: i64::MAX,
            values_max: 64,
        };
        let mut state = Recent::default();
        for value in 0..1_000 {
            state.see(&memory, hash(value), 0);
        }
        assert!(state.bytes() <= 32 + 65 * 8, "{}", state.bytes());
        assert_eq!((state.len(), state.evicted()), (64, 936));
        let bytes = postcard::to_allocvec(&state).unwrap();
        assert_eq!(postcard::from_bytes::<Recent>(&bytes).unwrap(), state);
    }

    proptest! {
        #[test]
        fn parts_merge_to_the_whole(
            inputs in prop::collection::vec((0..30_u64, 0..1_000_i64), 0..60),
            at in any::<prop::sample::Index>(),
        ) {
            let memory = Memory { span_ns: 1_000 * MINUTE_NS, values_max: 64 };
            let of = |inputs: &[(u64, i64)]| {
                let mut state = Recent::default();
                for (value, minute) in inputs {
                    state.see(&memory, hash(*value), minute * MINUTE_NS);
                }
                state
            };
            let (one, other) = inputs.split_at(at.index(inputs.len() + 1));
            let (one, other) = (of(one), of(other));
            let (mut left, mut right) = (one.clone(), other.clone());
            left.merge(&memory, &other);
            right.merge(&memory, &one);
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(&left, &of(&inputs));
            left.merge(&memory, &other);
            prop_assert_eq!(left, right);
        }
    }
}
