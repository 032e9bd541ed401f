//! Symmetric trees over integer features: the sum of their leaves, and which features pushed it.
//!
//! In a symmetric tree each level asks one question of every path, so that the answers are the bits of the leaf's
//! place. Nothing branches on a value, and all arithmetic is on integers.

use std::fmt;

/// Most features of a model. A power of two, so that no place is out of bounds.
pub const FEATURES_MAX: usize = 32;

/// Questions of a tree.
pub(crate) const DEPTH: usize = 6;

/// Leaves of a tree.
pub(crate) const LEAVES: usize = 1 << DEPTH;

/// Most trees of a model: a few more than are trained, and a multiple of what a vector register holds.
pub(crate) const TREES_MAX: usize = 96;

/// Units of a leaf for each nat of log-odds.
pub(crate) const UNITS_PER_NAT: i32 = 512;

/// A margin of this much gives a score of 0.75: two nats.
const HALF_WAY: i64 = 2 * UNITS_PER_NAT as i64;

/// A row of features; those that a model does not have are 0.
pub type Row = [i16; FEATURES_MAX];

/// How sure a model is, in ten-thousandths: 0 is ordinary, 5,000 undecided, 10,000 what the model looks for.
///
/// It is no probability: what a score means is how many ordinary inputs score as high, which is on the model's card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(u16);

/// A feature and how far it pushed the verdict, in thousandths of a nat of log-odds; positive is towards what the
/// model looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Push {
    /// The feature's name.
    pub feature: &'static str,
    /// Its value.
    pub value: i16,
    /// How far.
    pub milli_nats: i32,
}

impl Score {
    /// The highest there is.
    pub const MAX: Self = Self(10_000);

    /// A score of so many ten-thousandths; at most [`Score::MAX`].
    #[must_use]
    pub const fn new(ten_thousandths: u16) -> Self {
        if ten_thousandths < Self::MAX.0 {
            Self(ten_thousandths)
        } else {
            Self::MAX
        }
    }

    /// The ten-thousandths.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// A soft step of the margin: rises with it, and by integer arithmetic.
    pub(crate) fn of_margin(margin: i32) -> Self {
        let margin = i64::from(margin);
        let score = 5_000 + 5_000 * margin / (margin.abs() + HALF_WAY);
        Self(u16::try_from(score).unwrap_or(0))
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04}", self.0 / 10_000, self.0 % 10_000)
    }
}

/// One tree: bit `n` of a leaf's place says whether feature `features[n]` is above `thresholds[n]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Each below [`FEATURES_MAX`].
    pub(crate) features: [u8; DEPTH],
    pub(crate) thresholds: [i16; DEPTH],
    /// In 1/[`UNITS_PER_NAT`] nats.
    pub(crate) leaves: [i16; LEAVES],
    /// How many rows of the training came to each leaf: 0 for none, else 1 + the binary logarithm.
    pub(crate) weights: [u8; LEAVES],
}

/// The trees of a model, and the same ordered by feature for speed.
///
/// Asking 480 questions one by one takes a microsecond. But all answers about one feature follow from between which
/// two of its thresholds the value lies, so their bits are computed once and joined for all trees at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trees {
    bias: i16,
    trees: Vec<Tree>,
    answers: Vec<Answers>,
}

/// What the values of one feature add to the leaf's place in each tree.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answers {
    feature: u8,
    /// Sorted, each once.
    thresholds: Vec<i16>,
    /// By how many thresholds are below the value: one more than there are thresholds.
    bits: Vec<[u8; TREES_MAX]>,
}

impl Tree {
    /// Which leaf a row comes to.
    pub(crate) fn leaf(&self, row: &Row) -> usize {
        let mut place = 0;
        for (level, (feature, threshold)) in self.features.iter().zip(&self.thresholds).enumerate() {
            place |= usize::from(*threshold < value(row, *feature)) << level;
        }
        place
    }

    /// Mean of the leaves that are left after the first `levels` answers, weighted by the training's rows, in 1/1,000
    /// of a leaf's unit.
    fn mean(&self, place: usize, levels: usize) -> i64 {
        let mask = (1_usize << levels) - 1;
        let (mut sum, mut weight) = (0_i64, 0_i64);
        for (index, (leaf, code)) in self.leaves.iter().zip(&self.weights).enumerate() {
            if index & mask == place & mask && 0 < *code {
                let rows = 1_i64 << (code - 1).min(40);
                sum += i64::from(*leaf) * rows;
                weight += rows;
            }
        }
        if weight == 0 { 0 } else { 1_000 * sum / weight }
    }
}

impl Trees {
    /// Keeps at most [`TREES_MAX`] trees.
    pub(crate) fn new(bias: i16, mut trees: Vec<Tree>) -> Self {
        trees.truncate(TREES_MAX);
        let mut answers = Vec::new();
        for feature in 0..FEATURES_MAX {
            answers.extend(Answers::of(u8::try_from(feature).unwrap_or(0), &trees));
        }
        Self { bias, trees, answers }
    }

    pub(crate) fn bias(&self) -> i16 {
        self.bias
    }

    pub(crate) fn as_slice(&self) -> &[Tree] {
        &self.trees
    }

    /// Log-odds in 1/[`UNITS_PER_NAT`] nats.
    pub(crate) fn margin(&self, row: &Row) -> i32 {
        let mut places = [0_u8; TREES_MAX];
        for answers in &self.answers {
            let value = value(row, answers.feature);
            let below: u16 = answers
                .thresholds
                .iter()
                .map(|threshold| u16::from(*threshold < value))
                .sum();
            if let Some(bits) = answers.bits.get(usize::from(below)) {
                places
                    .iter_mut()
                    .zip(bits)
                    .for_each(|(place, bits)| *place |= bits);
            }
        }
        let leaf = |(tree, place): (&Tree, u8)| {
            tree.leaves
                .get(usize::from(place))
                .map_or(0, |leaf| i32::from(*leaf))
        };
        i32::from(self.bias) + self.trees.iter().zip(places).map(leaf).sum::<i32>()
    }

    pub(crate) fn score(&self, row: &Row) -> Score {
        Score::of_margin(self.margin(row))
    }

    /// How far each feature pushed, the furthest first: along a row's path through each tree, what each answer changed
    /// of the mean of the leaves still in reach.
    pub(crate) fn explain(&self, row: &Row, names: &[&'static str]) -> Vec<Push> {
        let mut pushes = [0_i64; FEATURES_MAX];
        for tree in &self.trees {
            let place = tree.leaf(row);
            let mut before = tree.mean(place, 0);
            for (level, feature) in tree.features.iter().enumerate() {
                let after = tree.mean(place, level + 1);
                if let Some(push) = pushes.get_mut(usize::from(*feature)) {
                    *push += after - before;
                }
                before = after;
            }
        }
        let mut all: Vec<Push> = names
            .iter()
            .zip(row)
            .zip(pushes)
            .map(|((feature, value), push)| Push {
                feature,
                value: *value,
                milli_nats: i32::try_from(push / i64::from(UNITS_PER_NAT)).unwrap_or(i32::MAX),
            })
            .filter(|push| push.milli_nats != 0)
            .collect();
        all.sort_by_key(|push| (-push.milli_nats.abs(), push.feature));
        all
    }
}

impl Answers {
    /// `None` if no tree asks about the feature.
    fn of(feature: u8, trees: &[Tree]) -> Option<Self> {
        let questions = |tree: &Tree| {
            let questions = tree.features.into_iter().zip(tree.thresholds).enumerate();
            questions
                .filter(move |(_, (other, _))| *other == feature)
                .map(|(level, (_, threshold))| (level, threshold))
        };
        let mut thresholds: Vec<i16> = trees
            .iter()
            .flat_map(questions)
            .map(|(_, threshold)| threshold)
            .collect();
        thresholds.sort_unstable();
        thresholds.dedup();
        if thresholds.is_empty() {
            return None;
        }
        let mut bits = vec![[0; TREES_MAX]; thresholds.len() + 1];
        for (below, bits) in bits.iter_mut().enumerate() {
            for (bits, tree) in bits.iter_mut().zip(trees) {
                for (level, threshold) in questions(tree) {
                    let is_below = thresholds.partition_point(|other| *other < threshold) < below;
                    *bits |= u8::from(is_below) << level;
                }
            }
        }
        Some(Self {
            feature,
            thresholds,
            bits,
        })
    }
}

fn value(row: &Row, feature: u8) -> i16 {
    #[expect(
        clippy::indexing_slicing,
        reason = "the remainder is below the length of the row"
    )]
    row[usize::from(feature) % FEATURES_MAX]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(feature: u8, threshold: i16, low: i16, high: i16) -> Tree {
        let mut leaves = [low; LEAVES];
        leaves.iter_mut().skip(1).step_by(2).for_each(|leaf| *leaf = high);
        let mut features = [31; DEPTH];
        features[0] = feature;
        let mut thresholds = [i16::MAX; DEPTH];
        thresholds[0] = threshold;
        Tree {
            features,
            thresholds,
            leaves,
            weights: [1; LEAVES],
        }
    }

    #[test]
    fn a_score_rises_with_the_margin_and_stays_in_its_range() {
        let margins = [
            i32::MIN,
            -9_000_000,
            -4_096,
            -1_024,
            -1,
            0,
            1,
            1_024,
            4_096,
            9_000_000,
            i32::MAX,
        ];
        let scores: Vec<u16> = margins
            .iter()
            .map(|margin| Score::of_margin(*margin).get())
            .collect();
        assert_eq!(
            scores,
            [
                1, 1, 1_000, 2_500, 4_996, 5_000, 5_004, 7_500, 9_000, 9_999, 9_999
            ]
        );
        for margin in -20_000..20_000 {
            assert!(
                Score::of_margin(margin) <= Score::of_margin(margin + 1),
                "{margin}"
            );
        }
    }

    #[test]
    fn trees_add_up_and_explain_who_pushed() {
        let trees = Trees::new(10, vec![tree(0, 5, -100, 100), tree(1, 0, -3, 512)]);
        let mut row = [0; FEATURES_MAX];
        assert_eq!(trees.margin(&row), 10 - 100 - 3);
        row[0] = 6;
        row[1] = 1;
        assert_eq!(trees.margin(&row), 10 + 100 + 512);
        let pushes = trees.explain(&row, &["one", "two"]);
        assert_eq!(
            pushes,
            [
                Push {
                    feature: "two",
                    value: 1,
                    milli_nats: 502
                },
                Push {
                    feature: "one",
                    value: 6,
                    milli_nats: 195
                },
            ]
        );
    }

    #[test]
    fn answers_by_feature_are_those_of_each_tree() {
        let mut trees = Vec::new();
        for n in 0..40_i16 {
            let mut tree = tree(u8::try_from(n % 5).expect("small"), n - 20, n, -n);
            tree.features = [0, 1, 2, 0, 4, 1];
            tree.thresholds = [n, -n, n % 7, 30 - n, 2, n % 3];
            for (leaf, place) in tree.leaves.iter_mut().zip(0..) {
                *leaf = place * 7 % 31 + n;
            }
            trees.push(tree);
        }
        let all = Trees::new(5, trees.clone());
        for n in 0..2_000_i16 {
            let mut row = [0; FEATURES_MAX];
            row[..5].copy_from_slice(&[n % 41, -(n % 43), n % 9, n % 37 - 3, n % 4]);
            let sum: i32 = trees
                .iter()
                .map(|tree| i32::from(tree.leaves[tree.leaf(&row)]))
                .sum();
            assert_eq!(all.margin(&row), 5 + sum, "{n}");
        }
    }

    #[test]
    fn a_threshold_is_not_above_itself() {
        let trees = Trees::new(0, vec![tree(0, 5, -1, 1)]);
        for (value, margin) in [(4, -1), (5, -1), (6, 1)] {
            let mut row = [0; FEATURES_MAX];
            row[0] = value;
            assert_eq!(trees.margin(&row), margin, "{value}");
        }
    }
}
