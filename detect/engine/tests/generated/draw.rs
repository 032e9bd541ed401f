//! Choices made from a seed: the same seed, the same rule or event.

#![allow(dead_code, reason = "each user needs a part of it")]

use std::ops::Range;

/// A stream of choices (SplitMix64: small, and good enough to spread test cases).
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in the range.
    pub(crate) fn within(&mut self, range: Range<usize>) -> usize {
        let span = range.end - range.start;
        range.start + usize::try_from(self.next() % span as u64).expect("within the range")
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.within(0..times) == 0
    }

    pub(crate) fn pick<'p, T: ?Sized>(&mut self, pool: &[&'p T]) -> &'p T {
        pool[self.within(0..pool.len())]
    }

    pub(crate) fn choose<'p, T>(&mut self, pool: &'p [T]) -> &'p T {
        &pool[self.within(0..pool.len())]
    }
}
