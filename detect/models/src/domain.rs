//! Does a registered domain look drawn by a machine? A name → features → a score.
//!
//! Looks at nothing but the letters of the registered label: not at who asked, when, how often or for which suffix.
//! Families that join words of a dictionary look like ordinary names here, and pass.

use crate::characters::{Characters, END, class};
use crate::format::{self, Identity, LoadError};
use crate::label::{HYPHEN, Label, SYMBOLS_MAX};
use crate::record::{Record, RecordError};
use crate::trees::{FEATURES_MAX, Push, Row, Score, Trees};

/// What the model looks at, in the order of the row. Explained in `docs/models.md`.
pub(crate) const FEATURES: [&str; 20] = [
    "length",
    "entropy",
    "distinct",
    "digits",
    "digit_changes",
    "vowels",
    "consonant_run",
    "vowel_run",
    "digit_run",
    "hyphens",
    "hex",
    "cost_mean",
    "cost_most",
    "cost_worst_stretch",
    "cost_best_stretch",
    "rare_threes",
    "alternation",
    "doubled",
    "rare_letters",
    "trailing_digits",
];

/// What the model is called in its file, its card and its records.
pub(crate) const NAME: &str = "domain-names";

/// Letters in a row whose costs are added up for the best and the worst stretch: about a syllable and a half.
const STRETCH: usize = 5;

/// From this cost on (six nats, once in 400) three letters in a row are rare.
const RARE_COST: u8 = 24;

/// Judges names. Made by [`DomainModel::load`]; immutable.
#[derive(Clone, Debug)]
pub struct DomainModel {
    identity: Identity,
    extractor: Extractor,
    trees: Trees,
}

/// What the model says about one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainVerdict {
    /// How much it looks drawn by a machine.
    pub score: Score,
    /// What was looked at; for [`DomainModel::explain`] and [`DomainModel::record`].
    pub features: Row,
}

impl DomainModel {
    /// Reads a model.
    ///
    /// # Errors
    /// If it is damaged, of a newer format, or another model.
    pub fn load(bytes: &[u8]) -> Result<Self, LoadError> {
        let read = format::read(bytes, NAME, &FEATURES)?;
        let characters = read.characters.ok_or(LoadError::Incomplete {
            what: "the costs of letters",
        })?;
        Ok(Self {
            identity: read.identity,
            extractor: Extractor::new(characters),
            trees: read.trees,
        })
    }

    /// Which model it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Scores a name, with or without labels below the registered one, in any case. `None` if there is nothing to
    /// judge: fewer than five letters, a suffix alone or one that a company runs, no known suffix, letters outside
    /// Latin, no domain name at all. Allocates nothing.
    #[must_use]
    pub fn score(&self, name: &str) -> Option<Score> {
        self.verdict(name).map(|verdict| verdict.score)
    }

    /// Scores a name, and says what was looked at.
    #[must_use]
    pub fn verdict(&self, name: &str) -> Option<DomainVerdict> {
        let features = self.extractor.row(Label::of_name(name)?.symbols());
        Some(DomainVerdict {
            score: self.trees.score(&features),
            features,
        })
    }

    /// Which features pushed the score, the furthest first.
    #[must_use]
    pub fn explain(&self, verdict: &DomainVerdict) -> Vec<Push> {
        self.trees.explain(&verdict.features, &FEATURES)
    }

    /// What an alert keeps so that the verdict can be computed again. The name is not in it.
    #[must_use]
    pub fn record(&self, verdict: &DomainVerdict) -> Record {
        Record::new(&self.identity, &FEATURES, &verdict.features, verdict.score)
    }

    /// Computes a recorded verdict again.
    ///
    /// # Errors
    /// If it is another model's, or the score differs.
    pub fn verify(&self, record: &Record) -> Result<(), RecordError> {
        record.verify(&self.identity, FEATURES.len(), &self.trees)
    }
}

/// Names → rows.
#[derive(Clone, Debug)]
pub(crate) struct Extractor {
    characters: Characters,
    /// What the n-th occurrence of a symbol adds to Σ c·log₂ c, in 1/1,024 bits.
    steps: [i32; SYMBOLS_MAX + 1],
    /// log₂ n in 1/1,024 bits.
    logarithms: [i32; SYMBOLS_MAX + 1],
}

impl Extractor {
    pub(crate) fn new(characters: Characters) -> Self {
        let (mut steps, mut logarithms) = ([0; SYMBOLS_MAX + 1], [0; SYMBOLS_MAX + 1]);
        let mut before = 0;
        for (n, (step, logarithm)) in (0_u32..).zip(steps.iter_mut().zip(&mut logarithms)).skip(1) {
            let bits = fixed_bits(n);
            let sum = bits * n.cast_signed();
            (*logarithm, *step) = (bits, sum - before);
            before = sum;
        }
        Self {
            characters,
            steps,
            logarithms,
        }
    }

    /// The features of a label. Rates are in thousandths of the letters they are rates of.
    pub(crate) fn row(&self, symbols: &[u8]) -> Row {
        let shape = Shape::of(symbols, &self.steps);
        let costs = Costs::of(symbols, &self.characters);
        let length = i32::try_from(symbols.len()).unwrap_or(0).max(1);
        let logarithm = self.logarithms.get(symbols.len()).copied().unwrap_or(0);
        let rate = |part: i32, of: i32| 1_000 * part / of.max(1);
        let values = [
            length,
            logarithm - shape.occurrences / length,
            rate(shape.distinct, length),
            rate(shape.digits, length),
            shape.digit_changes,
            rate(shape.vowels, shape.vowels + shape.consonants),
            shape.consonant_run.most,
            shape.vowel_run.most,
            shape.digit_run.most,
            shape.hyphens,
            rate(shape.hex, length),
            100 * costs.sum / (length + 1),
            costs.most,
            costs.worst,
            costs.best,
            rate(costs.rare, length + 1),
            rate(shape.alternations, length - 1),
            shape.doubled,
            rate(shape.rare_letters, length),
            shape.digit_run.now,
        ];
        let mut row = [0; FEATURES_MAX];
        for (place, value) in row.iter_mut().zip(values) {
            *place = i16::try_from(value).unwrap_or(i16::MAX);
        }
        row
    }
}

/// log₂ n in 1/1,024 bits, by squaring (so that it is integers alone).
fn fixed_bits(n: u32) -> i32 {
    let whole = n.max(1).ilog2();
    let mut rest = (u64::from(n.max(1)) << 30) >> whole; // 1 to 2 in 1/2³⁰
    let mut bits = whole.cast_signed();
    for _ in 0..10 {
        rest = (rest * rest) >> 30;
        bits <<= 1;
        if 1 << 31 <= rest {
            rest >>= 1;
            bits |= 1;
        }
    }
    bits
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Vowel,
    Consonant,
    Digit,
    Hyphen,
}

/// How many of the same sort in a row.
#[derive(Default)]
struct Run {
    now: i32,
    most: i32,
}

impl Run {
    fn count(&mut self, goes_on: bool) {
        self.now = if goes_on { self.now + 1 } else { 0 };
        self.most = self.most.max(self.now);
    }
}

/// What is counted of a label without knowing any language.
#[derive(Default)]
struct Shape {
    occurrences: i32,
    distinct: i32,
    digits: i32,
    digit_changes: i32,
    vowels: i32,
    consonants: i32,
    consonant_run: Run,
    vowel_run: Run,
    digit_run: Run,
    hyphens: i32,
    hex: i32,
    alternations: i32,
    doubled: i32,
    rare_letters: i32,
}

impl Shape {
    fn of(symbols: &[u8], steps: &[i32]) -> Self {
        let mut shape = Self::default();
        let mut counts = [0_u8; 64];
        let mut before: Option<(u8, Sort)> = None;
        for symbol in symbols {
            let sort = sort(*symbol);
            if let Some(count) = counts.get_mut(usize::from(*symbol)) {
                *count += 1;
                shape.occurrences += steps.get(usize::from(*count)).copied().unwrap_or(0);
                shape.distinct += i32::from(*count == 1);
            }
            shape.digits += i32::from(sort == Sort::Digit);
            shape.vowels += i32::from(sort == Sort::Vowel);
            shape.consonants += i32::from(sort == Sort::Consonant);
            shape.hyphens += i32::from(sort == Sort::Hyphen);
            shape.consonant_run.count(sort == Sort::Consonant);
            shape.vowel_run.count(sort == Sort::Vowel);
            shape.digit_run.count(sort == Sort::Digit);
            shape.hex += i32::from(*symbol < 16);
            shape.rare_letters += i32::from(is_rare(*symbol));
            if let Some((last, last_sort)) = before {
                let pair = [last_sort, sort];
                let letters = pair
                    .iter()
                    .all(|sort| matches!(sort, Sort::Vowel | Sort::Consonant));
                shape.doubled += i32::from(last == *symbol);
                shape.alternations += i32::from(letters && last_sort != sort);
                let is_change = !letters && last_sort != sort && !pair.contains(&Sort::Hyphen);
                shape.digit_changes += i32::from(is_change);
            }
            before = Some((*symbol, sort));
        }
        shape
    }
}

/// The sort of a symbol; `y` is a vowel, as in Norwegian.
fn sort(symbol: u8) -> Sort {
    match symbol {
        0..=9 => Sort::Digit,
        10 | 14 | 18 | 24 | 30 | 34 => Sort::Vowel,
        HYPHEN => Sort::Hyphen,
        _ => Sort::Consonant,
    }
}

/// j, q, w, x and z: few languages use many of them.
fn is_rare(symbol: u8) -> bool {
    matches!(symbol, 19 | 26 | 32 | 33 | 35)
}

/// What the letters of a label cost, three by three.
struct Costs {
    sum: i32,
    most: i32,
    worst: i32,
    best: i32,
    rare: i32,
}

impl Costs {
    fn of(symbols: &[u8], characters: &Characters) -> Self {
        let mut costs = Self {
            sum: 0,
            most: 0,
            worst: 0,
            best: i32::MAX,
            rare: 0,
        };
        let (mut first, mut second) = (END, END);
        let (mut window, mut stretch) = ([0_i32; STRETCH], 0);
        for (index, third) in symbols
            .iter()
            .map(|symbol| class(*symbol))
            .chain([END])
            .enumerate()
        {
            let cost = characters.cost(first, second, third);
            (first, second) = (second, third);
            costs.rare += i32::from(RARE_COST <= cost);
            let cost = i32::from(cost);
            costs.sum += cost;
            costs.most = costs.most.max(cost);
            if let Some(oldest) = window.get_mut(index % STRETCH) {
                stretch += cost - *oldest;
                *oldest = cost;
            }
            if STRETCH <= index + 1 {
                costs.worst = costs.worst.max(stretch);
                costs.best = costs.best.min(stretch);
            }
        }
        costs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str) -> Row {
        let characters = Characters::learn(std::iter::empty());
        Extractor::new(characters).row(Label::of_label(label).expect("a label").symbols())
    }

    fn feature(label: &str, name: &str) -> i16 {
        let place = FEATURES
            .iter()
            .position(|feature| *feature == name)
            .expect("a feature");
        row(label)[place]
    }

    #[test]
    fn features_are_what_the_document_says() {
        for (label, name, value) in [
            ("kommune", "length", 7),
            ("aaaaa", "entropy", 0),
            ("abababab", "entropy", 1_024),
            ("abcdefgh", "entropy", 3 * 1_024),
            ("aabbc", "distinct", 600),
            ("ab12c", "digits", 400),
            ("a1b2c", "digit_changes", 4),
            ("a-1-b", "digit_changes", 0),
            ("fjell", "vowels", 200),
            ("strengt", "consonant_run", 3),
            ("skyaker", "vowel_run", 2),
            ("ab123cd45", "digit_run", 3),
            ("ab123cd45", "trailing_digits", 2),
            ("ab-cd-ef", "hyphens", 2),
            ("deadbeefxx", "hex", 800),
            ("banana", "alternation", 1_000),
            ("kommune", "doubled", 1),
            ("jqwxz", "rare_letters", 1_000),
        ] {
            assert_eq!(feature(label, name), value, "{label} {name}");
        }
    }

    #[test]
    fn logarithms_are_right_to_a_thousandth() {
        for n in 1..=63_u32 {
            let right = f64::from(n).log2() * 1_024.0;
            let ours = f64::from(fixed_bits(n));
            assert!((right - ours).abs() < 1.5, "{n}: {right} {ours}");
        }
    }

    #[test]
    fn without_any_learning_every_letter_costs_the_same() {
        assert_eq!(feature("kommune", "cost_mean"), 1_300);
        assert_eq!(feature("kommune", "cost_worst_stretch"), 65);
        assert_eq!(feature("kommune", "cost_best_stretch"), 65);
    }
}
