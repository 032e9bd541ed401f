//! How rare a letter is after the two before it, in ordinary names: a table of costs, learned by counting.
//!
//! A cost is −ln P in quarters of a nat, rounded; three letters are looked up, no arithmetic on reals is done. All
//! digits are one class, and the ends of a name are a class of their own.

use crate::label::HYPHEN;

/// Letters a–z are 0–25, any digit 26, the hyphen 27, an end 28.
pub(crate) const CLASSES: usize = 29;

/// The end of a name, or before its beginning.
pub(crate) const END: u8 = 28;

/// Costs are at most this, so that each is one digit in base 36: nothing is rarer than once in 6,300.
pub(crate) const COST_MAX: u8 = 35;

/// Weight of the shorter context, in observations: what a letter after one letter says counts as much as five names
/// with the longer context.
const SMOOTHING: f64 = 5.0;

/// Costs of every three classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Characters {
    /// By context (first × [`CLASSES`] + second), then by third.
    pub(crate) costs: Vec<[u8; CLASSES]>,
}

impl Characters {
    /// Learns from labels (as symbols).
    pub(crate) fn learn<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut counts = Counts {
            threes: vec![[0; CLASSES]; CLASSES * CLASSES],
            twos: [[0; CLASSES]; CLASSES],
            ones: [0; CLASSES],
        };
        for symbols in labels {
            let (mut first, mut second) = (END, END);
            for third in symbols.iter().map(|symbol| class(*symbol)).chain([END]) {
                counts.add(first, second, third);
                (first, second) = (second, third);
            }
        }
        counts.costs()
    }

    /// The cost of `third` after `first` and `second`.
    pub(crate) fn cost(&self, first: u8, second: u8, third: u8) -> u8 {
        let context = usize::from(first) * CLASSES + usize::from(second);
        self.costs
            .get(context)
            .and_then(|costs| costs.get(usize::from(third)))
            .copied()
            .unwrap_or(COST_MAX)
    }
}

/// The class of a symbol.
pub(crate) fn class(symbol: u8) -> u8 {
    match symbol {
        0..=9 => 26,
        HYPHEN => 27,
        letter => letter - 10,
    }
}

struct Counts {
    threes: Vec<[u32; CLASSES]>,
    twos: [[u32; CLASSES]; CLASSES],
    ones: [u32; CLASSES],
}

impl Counts {
    #[expect(clippy::indexing_slicing, reason = "classes are below CLASSES")]
    fn add(&mut self, first: u8, second: u8, third: u8) {
        let (first, second, third) = (usize::from(first), usize::from(second), usize::from(third));
        self.threes[first * CLASSES + second][third] += 1;
        self.twos[second][third] += 1;
        self.ones[third] += 1;
    }

    /// Each context leans on the shorter one as far as it has seen little itself.
    fn costs(&self) -> Characters {
        let all: u32 = self.ones.iter().sum();
        let ones = self
            .ones
            .map(|count| (f64::from(count) + 1.0) / (f64::from(all) + CLASSES as f64));
        let lean = |counts: &[u32; CLASSES], shorter: &[f64; CLASSES]| {
            let seen: u32 = counts.iter().sum();
            let mut chances = *shorter;
            for (chance, count) in chances.iter_mut().zip(counts) {
                *chance = (f64::from(*count) + SMOOTHING * *chance) / (f64::from(seen) + SMOOTHING);
            }
            chances
        };
        let twos = self.twos.map(|counts| lean(&counts, &ones));
        let costs = self
            .threes
            .iter()
            .zip(twos.iter().cycle())
            .map(|(counts, shorter)| {
                lean(counts, shorter).map(|chance| {
                    let cost = libm::round(-4.0 * libm::log(chance)).clamp(0.0, f64::from(COST_MAX));
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "clamped to 0 to 35"
                    )]
                    let cost = cost as u8;
                    cost
                })
            });
        Characters {
            costs: costs.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Label;

    #[test]
    fn what_was_seen_often_costs_less_than_what_was_not() {
        let labels: Vec<Label> = ["trondheim", "trondelag", "trollstigen"]
            .iter()
            .filter_map(|name| Label::of_label(name))
            .collect();
        let characters = Characters::learn(labels.iter().map(Label::symbols));
        let cost = |text: &str| {
            let classes: Vec<u8> = text.bytes().map(|byte| byte - b'a').collect();
            characters.cost(classes[0], classes[1], classes[2])
        };
        assert!(cost("tro") < cost("trn"), "{} {}", cost("tro"), cost("trn"));
        assert!(cost("ron") < cost("rox"));
        assert!(characters.cost(END, END, b't' - b'a') < characters.cost(END, END, 0));
        assert_eq!(characters.cost(END, 29, 0), COST_MAX);
    }
}
