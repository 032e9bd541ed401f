//! Rows and labels → symmetric trees.
//!
//! Each level of a tree asks the question that helps all its paths together most. Gradients are rounded to integers
//! before they are added up; what is left of reals is +, −, × and ÷ on the sums, which IEEE 754 defines exactly.

use crate::trees::{DEPTH, FEATURES_MAX, LEAVES, Row, Tree, Trees, UNITS_PER_NAT};

/// Most thresholds of a feature that are tried: quantiles of its values.
const BINS: usize = 64;

/// Units of a gradient.
const UNIT: f64 = 65_536.0;

/// A leaf's sum of second derivatives is taken to be this much larger: leaves of few rows stay small.
const LAMBDA: f64 = 8.0 * UNIT;

/// How far one tree goes: smaller steps need more trees.
const RATE: f64 = 0.25;

/// A row of the training, and whether it is what the model shall find.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) row: Row,
    pub(crate) is_target: bool,
    /// How often it counts.
    pub(crate) weight: u8,
}

/// Trains `count` trees over the first `features` of the rows.
pub(crate) fn boost(samples: &[Sample], features: usize, count: usize) -> Trees {
    let bins = Bins::of(samples, features);
    let mut margins = vec![0_i32; samples.len()];
    let mut trees = Vec::with_capacity(count);
    for _ in 0..count {
        let gradients: Vec<Gradient> = samples
            .iter()
            .zip(&margins)
            .map(|(sample, margin)| Gradient::of(sample, *margin))
            .collect();
        let (tree, places) = bins.grow(&gradients);
        for (margin, place) in margins.iter_mut().zip(&places) {
            *margin += i32::from(tree.leaves.get(usize::from(*place)).copied().unwrap_or(0));
        }
        trees.push(tree);
    }
    Trees::new(0, trees)
}

/// First and second derivative of a row's loss, in 1/[`UNIT`].
#[derive(Clone, Copy, Default)]
struct Gradient {
    first: i64,
    second: i64,
}

impl Gradient {
    fn of(sample: &Sample, margin: i32) -> Self {
        let nats = f64::from(margin) / f64::from(UNITS_PER_NAT);
        let chance = 1.0 / (1.0 + libm::exp(-nats));
        let target = if sample.is_target { 1.0 } else { 0.0 };
        let scale = UNIT * f64::from(sample.weight);
        Self {
            first: whole((chance - target) * scale),
            second: whole(chance * (1.0 - chance) * scale),
        }
    }

    fn add(&mut self, other: Self) {
        self.first += other.first;
        self.second += other.second;
    }

    fn minus(self, other: Self) -> Self {
        Self {
            first: self.first - other.first,
            second: self.second - other.second,
        }
    }

    /// How much a leaf with these rows lowers the loss.
    fn gain(self) -> f64 {
        let first = real(self.first);
        first * first / (real(self.second) + LAMBDA)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "gradients are below 2²⁴")]
fn whole(number: f64) -> i64 {
    libm::round(number) as i64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sums are below 2⁵³, so that each is exact"
)]
fn real(number: i64) -> f64 {
    number as f64
}

/// Each feature's values as the number of thresholds below them.
struct Bins {
    thresholds: Vec<Vec<i16>>,
    /// By feature, then by row.
    columns: Vec<Vec<u8>>,
}

impl Bins {
    fn of(samples: &[Sample], features: usize) -> Self {
        let value = |sample: &Sample, feature: usize| sample.row.get(feature).copied().unwrap_or(0);
        let thresholds: Vec<Vec<i16>> = (0..features.min(FEATURES_MAX))
            .map(|feature| quantiles(samples.iter().map(|sample| value(sample, feature)).collect()))
            .collect();
        let columns = thresholds.iter().enumerate().map(|(feature, thresholds)| {
            let bin = |sample| thresholds.partition_point(|threshold| *threshold < value(sample, feature));
            samples
                .iter()
                .map(|sample| u8::try_from(bin(sample)).unwrap_or(u8::MAX))
                .collect()
        });
        Self {
            columns: columns.collect(),
            thresholds,
        }
    }

    /// One tree, and the leaf of each row.
    fn grow(&self, gradients: &[Gradient]) -> (Tree, Vec<u8>) {
        let mut tree = Tree {
            features: [0; DEPTH],
            thresholds: [i16::MAX; DEPTH],
            leaves: [0; LEAVES],
            weights: [0; LEAVES],
        };
        let mut places = vec![0_u8; gradients.len()];
        let questions = tree.features.iter_mut().zip(&mut tree.thresholds);
        for (level, (feature_of_level, threshold_of_level)) in questions.enumerate() {
            let Some((feature, bin)) = self.best_question(gradients, &places, 1 << level) else {
                break;
            };
            let threshold = self
                .thresholds
                .get(feature)
                .and_then(|thresholds| thresholds.get(bin));
            *feature_of_level = u8::try_from(feature).unwrap_or(0);
            *threshold_of_level = threshold.copied().unwrap_or(i16::MAX);
            let column = self.columns.get(feature).map(Vec::as_slice).unwrap_or_default();
            for (place, value) in places.iter_mut().zip(column) {
                *place |= u8::from(bin < usize::from(*value)) << level;
            }
        }
        let mut sums = [Gradient::default(); LEAVES];
        let mut rows = [0_u32; LEAVES];
        for (place, gradient) in places.iter().map(|place| usize::from(*place)).zip(gradients) {
            if let (Some(sum), Some(rows)) = (sums.get_mut(place), rows.get_mut(place)) {
                sum.add(*gradient);
                *rows += 1;
            }
        }
        for (leaf, sum) in tree.leaves.iter_mut().zip(sums) {
            let nats = -RATE * real(sum.first) / (real(sum.second) + LAMBDA);
            *leaf = i16::try_from(whole(nats * f64::from(UNITS_PER_NAT))).unwrap_or(0);
        }
        for (weight, rows) in tree.weights.iter_mut().zip(rows) {
            *weight = rows
                .checked_ilog2()
                .map_or(0, |bits| u8::try_from(bits + 1).unwrap_or(0));
        }
        (tree, places)
    }

    /// The question that helps most when it is asked in each of the first `leaves` leaves: feature and threshold.
    fn best_question(&self, gradients: &[Gradient], places: &[u8], leaves: usize) -> Option<(usize, usize)> {
        let mut best: Option<(f64, usize, usize)> = None;
        for (feature, (column, thresholds)) in self.columns.iter().zip(&self.thresholds).enumerate() {
            let mut sums = vec![[Gradient::default(); BINS]; leaves];
            for ((place, bin), gradient) in places.iter().zip(column).zip(gradients) {
                let sum = sums.get_mut(usize::from(*place));
                if let Some(sum) = sum.and_then(|sums| sums.get_mut(usize::from(*bin))) {
                    sum.add(*gradient);
                }
            }
            let mut gains = vec![0.0; thresholds.len()];
            for sums in &sums {
                let mut all = Gradient::default();
                sums.iter().for_each(|sum| all.add(*sum));
                let mut left = Gradient::default();
                for (gain, sum) in gains.iter_mut().zip(sums) {
                    left.add(*sum);
                    *gain += left.gain() + all.minus(left).gain();
                }
            }
            for (bin, gain) in gains.into_iter().enumerate() {
                if best.is_none_or(|(most, ..)| most < gain) {
                    best = Some((gain, feature, bin));
                }
            }
        }
        best.map(|(_, feature, bin)| (feature, bin))
    }
}

/// At most [`BINS`] − 1 thresholds, so that about as many rows are between any two; none above the largest value.
fn quantiles(mut values: Vec<i16>) -> Vec<i16> {
    values.sort_unstable();
    let most = values.last().copied();
    let parts = BINS.min(values.len());
    let mut thresholds: Vec<i16> = (1..parts)
        .filter_map(|part| values.get(part * values.len() / parts).copied())
        .collect();
    // Rare values, too: many features are 0 for almost all.
    let mut distinct = values;
    distinct.dedup();
    if distinct.len() < BINS {
        thresholds = distinct;
    }
    thresholds.dedup();
    thresholds.retain(|threshold| Some(*threshold) < most);
    thresholds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[i16], is_target: bool) -> Sample {
        let mut row = [0; FEATURES_MAX];
        row[..values.len()].copy_from_slice(values);
        Sample {
            row,
            is_target,
            weight: 1,
        }
    }

    #[test]
    fn a_question_of_two_features_is_learned() {
        let mut samples = Vec::new();
        for first in 0..20 {
            for second in 0..20 {
                samples.push(sample(&[first, second, 7], (10 <= first) != (10 <= second)));
            }
        }
        let trees = boost(&samples, 3, 30);
        for sample in &samples {
            assert_eq!(
                0 < trees.margin(&sample.row),
                sample.is_target,
                "{:?}",
                &sample.row[..2]
            );
        }
    }

    #[test]
    fn the_order_of_the_rows_changes_nothing() {
        let mut samples: Vec<Sample> = (0..500)
            .map(|n| sample(&[n % 37, n % 11, n], n % 3 == 0))
            .collect();
        let trees = boost(&samples, 3, 5);
        samples.reverse();
        assert_eq!(boost(&samples, 3, 5), trees);
    }

    #[test]
    fn thresholds_leave_something_on_both_sides() {
        assert_eq!(quantiles(vec![3, 3, 3]), []);
        assert_eq!(quantiles(vec![]), []);
        assert_eq!(quantiles(vec![5, 1, 5, 2]), [1, 2]);
        let many = quantiles((0..10_000).collect());
        assert_eq!(many.len(), BINS - 1);
        assert!(many.iter().all(|threshold| *threshold < 9_999));
    }
}
