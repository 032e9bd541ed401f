//! Numbers from a seed, in the shapes that traffic has.

use crate::workload::Random;

/// A source of numbers; the same seed gives the same ones.
#[derive(Clone, Debug)]
pub struct Draw(Random);

impl Draw {
    /// From a seed and what the numbers are for, so that one more number in one place does not change another.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut mixed = Random::new(seed ^ purpose.wrapping_mul(0x2545_f491_4f6c_dd1d));
        Self(Random::new(mixed.draw()))
    }

    /// Below `end`; 0 for 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.below(end.max(1))
    }

    /// Below `end`, most often a small one: what is popular.
    pub fn popular(&mut self, end: u64) -> u64 {
        let share = self.unit();
        ((end as f64 * share * share * share) as u64).min(end.saturating_sub(1))
    }

    /// Above 0, up to 1.
    pub fn unit(&mut self) -> f64 {
        ((self.0.draw() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }

    /// From `low` to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Whether it happens, with this probability.
    pub fn happens(&mut self, share: f64) -> bool {
        self.unit() <= share
    }

    /// Pauses between what comes by chance.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }

    /// Around 0, with a deviation of 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Sizes: `middle` in the middle, with a long tail.
    pub fn size(&mut self, middle: f64, spread: f64) -> u64 {
        (middle * (spread * self.normal()).exp()) as u64
    }

    /// One of them.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(usize::try_from(self.below(of.len() as u64)).unwrap_or(0))
    }

    /// So many letters out of `alphabet`.
    pub fn text(&mut self, alphabet: &[u8], length: u64) -> String {
        (0..length)
            .filter_map(|_| self.one(alphabet).map(|letter| char::from(*letter)))
            .collect()
    }
}
