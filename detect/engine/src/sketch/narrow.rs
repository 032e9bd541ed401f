//! Non-negative numbers in 16 bits: the exponent of an `f32` and the first 8 bits of its fraction.
//!
//! For states of which there are a million. A number keeps its size within 1/512; 0 and whole numbers up to 512 are
//! exact.

use serde::{Deserialize, Serialize};

/// Bits of an `f32`'s fraction that are dropped.
const DROPPED: u32 = 15;

/// A non-negative number. Greater bits are greater numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Narrow(u16);

impl Narrow {
    /// The nearest there is. What is negative or no number becomes 0, what is too large the largest.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding is the purpose, and without the sign 16 bits are left"
    )]
    pub(super) fn new(value: f64) -> Self {
        if value.is_nan() || value <= 0.0 {
            return Self(0);
        }
        let bits = (value.min(f64::from(f32::MAX)) as f32).to_bits();
        let rounded = bits.saturating_add(1 << (DROPPED - 1)) >> DROPPED;
        // One below infinity, where rounding up would have reached it.
        Self((rounded as u16).min(0xFEFF))
    }

    pub(super) fn get(self) -> f64 {
        f64::from(f32::from_bits(u32::from(self.0) << DROPPED))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Narrow;

    #[test]
    fn whole_numbers_up_to_512_are_exact_and_the_ends_hold() {
        for number in 0..=512_u32 {
            assert!((Narrow::new(f64::from(number)).get() - f64::from(number)).abs() < f64::EPSILON);
        }
        for bad in [-1.0, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(Narrow::new(bad), Narrow(0));
        }
        for large in [f64::INFINITY, f64::MAX, f64::from(f32::MAX)] {
            assert!(Narrow::new(large).get().is_finite() && Narrow::new(large).get() > 3e38);
        }
    }

    proptest! {
        #[test]
        fn a_number_keeps_its_size_and_its_order(one in 1e-30..1e30_f64, other in 1e-30..1e30_f64) {
            prop_assert!((Narrow::new(one).get() - one).abs() <= one / 511.0);
            prop_assert_eq!(one <= other, one <= other && Narrow::new(one) <= Narrow::new(other));
        }
    }
}
