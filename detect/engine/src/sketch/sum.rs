//! What an entity's amounts add up to in a time span.
//!
//! The span is cut into `SLICES` slices; the current one and those before it that fit into the span count. The sum is
//! therefore exact for a window that ends now and is between `(SLICES - 1) / SLICES` of the span and the whole of it
//! long: nothing older than the span is ever counted, and of the oldest slice up to all is not.

use serde::{Deserialize, Serialize};

use super::{Taken, slice_of};

/// Bytes sent and bytes received. Twenty slices: what the oldest end may miss stays at 5 %.
pub type Volume = Sum<[u64; 2], 20>;

/// What can be added up, in any order with the same result.
pub trait Amount: Copy + Default {
    /// Both together; where that is too much for the type, the most there is.
    #[must_use]
    fn plus(self, other: Self) -> Self;
}

impl Amount for u64 {
    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

impl<const N: usize> Amount for [u64; N]
where
    Self: Default,
{
    fn plus(mut self, other: Self) -> Self {
        for (own, other) in self.iter_mut().zip(other) {
            *own = own.saturating_add(other);
        }
        self
    }
}

/// A sliding sum. Only slices with an amount take memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum<T, const SLICES: i64> {
    slice_ns: i64,
    /// The number of each slice and what is in it, by number; at most `SLICES`.
    parts: Vec<(i64, T)>,
}

impl<T: Amount, const SLICES: i64> Sum<T, SLICES> {
    /// Nothing in `span_ns` nanoseconds yet.
    #[must_use]
    pub const fn new(span_ns: i64) -> Self {
        let slice_ns = span_ns / if SLICES < 1 { 1 } else { SLICES };
        Self {
            slice_ns: if slice_ns < 1 { 1 } else { slice_ns },
            parts: Vec::new(),
        }
    }

    /// An amount, and when it came. One from before the slices that count is [`Taken::Late`]; any other order changes
    /// nothing.
    pub fn add(&mut self, amount: T, at: i64) -> Taken {
        self.put(slice_of(at, self.slice_ns), amount)
    }

    /// What the span that ends at `now` adds up to; at the latest amount if `now` is before it.
    #[must_use]
    pub fn total(&self, now: i64) -> T {
        let oldest = oldest::<SLICES>(slice_of(now, self.slice_ns).max(self.latest()));
        self.parts
            .iter()
            .filter(|(slice, _)| *slice >= oldest)
            .fold(T::default(), |sum, (_, amount)| sum.plus(*amount))
    }

    /// Adds what another part of the stream had; the same part twice counts twice. False, and nothing done, if the spans
    /// differ.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.slice_ns != other.slice_ns {
            return false;
        }
        for (slice, amount) in &other.parts {
            self.put(*slice, *amount);
        }
        true
    }

    /// Bytes it takes, those behind pointers included.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        size_of::<Self>() + self.parts.capacity() * size_of::<(i64, T)>()
    }

    fn put(&mut self, slice: i64, amount: T) -> Taken {
        let latest = self.latest();
        if slice < oldest::<SLICES>(latest) {
            return Taken::Late;
        }
        if slice > latest {
            let oldest = oldest::<SLICES>(slice);
            self.parts.retain(|(slice, _)| *slice >= oldest);
        }
        let place = self.parts.partition_point(|(own, _)| *own < slice);
        if let Some((_, own)) = self.parts.get_mut(place).filter(|(own, _)| *own == slice) {
            *own = own.plus(amount);
        } else {
            if self.parts.len() == self.parts.capacity() {
                let most = usize::try_from(SLICES).unwrap_or(1);
                self.parts.reserve_exact(
                    self.parts
                        .len()
                        .clamp(1, most.saturating_sub(self.parts.len()).max(1)),
                );
            }
            self.parts.insert(place, (slice, amount));
        }
        Taken::Changed
    }

    /// The latest slice with an amount; `i64::MIN` if there is none.
    fn latest(&self) -> i64 {
        self.parts.last().map_or(i64::MIN, |(slice, _)| *slice)
    }
}

const fn oldest<const SLICES: i64>(latest: i64) -> i64 {
    latest.saturating_sub(SLICES - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Sum, Volume};
    use crate::sketch::Taken;

    const SPAN: i64 = 1_000;
    type Ten = Sum<u64, 10>;

    fn of(inputs: &[(u64, i64)]) -> Ten {
        let mut state = Ten::new(SPAN);
        for (amount, at) in inputs {
            state.add(*amount, *at);
        }
        state
    }

    #[test]
    fn amounts_leave_with_their_slice() {
        let state = of(&[(1, 0), (10, 99), (100, 100), (1_000, 950)]);
        for (now, sum) in [
            (0, 1_111),
            (999, 1_111),
            (1_000, 1_100),
            (1_100, 1_000),
            (1_899, 1_000),
            (1_900, 0),
        ] {
            assert_eq!(state.total(now), sum, "{now}");
        }
    }

    #[test]
    fn a_late_amount_counts_while_its_slice_does() {
        let mut state = of(&[(1, 1_000)]);
        assert_eq!(state.add(5, 99), Taken::Late);
        assert_eq!(state.add(5, 100), Taken::Changed);
        assert_eq!(state.total(0), 6);
    }

    #[test]
    fn both_ways_are_added_apart_and_the_most_is_the_most() {
        let mut state = Volume::new(SPAN);
        state.add([u64::MAX, 1], 1);
        state.add([1, 1], 2);
        assert_eq!(state.total(2), [u64::MAX, 2]);
        for at in [i64::MIN, i64::MAX] {
            state.add([7, 7], at);
        }
        assert_eq!(state.total(i64::MAX), [7, 7]);
        assert!(!state.merge(&Volume::new(SPAN * 2)));
    }

    #[test]
    fn it_is_as_small_as_stated() {
        let mut state = Volume::new(2_000);
        for at in 0..10_000 {
            state.add([1, 1], at);
        }
        assert_eq!(state.total(9_999), [2_000, 2_000]);
        assert!(state.bytes() <= 32 + 20 * 24, "{}", state.bytes());
        let bytes = postcard::to_allocvec(&state).unwrap();
        assert_eq!(postcard::from_bytes::<Volume>(&bytes).unwrap(), state);
    }

    proptest! {
        #[test]
        fn a_sum_is_that_of_the_slices_that_count(
            inputs in prop::collection::vec((0..1_000_u64, 0..SPAN), 0..100),
            now in SPAN - 100..SPAN * 2,
            at in any::<prop::sample::Index>(),
        ) {
            let oldest = (now / 100 - 9) * 100;
            let exact: u64 = inputs.iter().filter(|(_, at)| *at >= oldest).map(|(amount, _)| amount).sum();
            prop_assert_eq!(of(&inputs).total(now), exact);
            let (one, other) = inputs.split_at(at.index(inputs.len() + 1));
            let (mut left, mut right) = (of(one), of(other));
            prop_assert!(left.merge(&of(other)) && right.merge(&of(one)));
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(left.total(now), exact);
        }
    }
}
