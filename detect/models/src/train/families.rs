//! Labels as malware draws them: the kinds of generators that are described in public, written anew here.
//!
//! Each kind draws many families with settings of their own (lengths, alphabets, words), and each family draws names
//! from a seed, as a bot would from a date. No name of a real family is here, and none is ever registered or asked for.

use super::random::Random;

/// How a family makes its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any letter, by an arithmetic generator.
    Letters,
    /// Letters of a small alphabet.
    FewLetters,
    /// Letters and digits.
    LettersAndDigits,
    /// A hash in hex.
    Hex,
    /// A hash's half bytes as letters from `a` to `p`.
    Nibbles,
    /// A consonant, a vowel, and so on.
    ConsonantVowel,
    /// Made-up syllables, sometimes with hyphens.
    Syllables,
    /// Letters as often as in a language, in no order.
    Frequencies,
    /// A fixed beginning, then a counter in letters or digits.
    Counter,
    /// A short part twice, with an end that counts.
    Doubled,
    /// A word and random letters.
    WordAndLetters,
    /// Two or three words of a dictionary. Used to measure, never to train: such names are like anybody's.
    Words,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Letters,
        Self::FewLetters,
        Self::LettersAndDigits,
        Self::Hex,
        Self::Nibbles,
        Self::ConsonantVowel,
        Self::Syllables,
        Self::Frequencies,
        Self::Counter,
        Self::Doubled,
        Self::WordAndLetters,
        Self::Words,
    ];

    /// The kinds that are trained with.
    pub const TRAINED: [Self; 11] = [
        Self::Letters,
        Self::FewLetters,
        Self::LettersAndDigits,
        Self::Hex,
        Self::Nibbles,
        Self::ConsonantVowel,
        Self::Syllables,
        Self::Frequencies,
        Self::Counter,
        Self::Doubled,
        Self::WordAndLetters,
    ];

    /// As tables say it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Letters => "letters",
            Self::FewLetters => "few letters",
            Self::LettersAndDigits => "letters and digits",
            Self::Hex => "hex",
            Self::Nibbles => "nibbles as letters",
            Self::ConsonantVowel => "consonant and vowel",
            Self::Syllables => "syllables",
            Self::Frequencies => "letters as in a language",
            Self::Counter => "fixed part and counter",
            Self::Doubled => "doubled part",
            Self::WordAndLetters => "word and letters",
            Self::Words => "words of a dictionary",
        }
    }

    /// Draws `count` labels of as many families as there are [`FAMILIES`].
    pub(crate) fn labels(self, seed: u64, count: usize) -> Vec<String> {
        let mut labels = Vec::with_capacity(count);
        for number in 0..FAMILIES {
            let mut random = Random::part(seed, number * 64 + self as u64);
            let family = Family::draw(self, &mut random);
            let here = count * (number as usize + 1) / FAMILIES as usize - labels.len();
            labels.extend((0..here).map(|_| family.label(&mut random)));
        }
        labels
    }
}

/// Families of each kind: enough that no one setting is learned by heart.
const FAMILIES: u64 = 40;

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";
const VOWELS: &str = "aeiou";
const VOWELS_WITH_Y: &str = "aeiouy";
const CONSONANTS: &str = "bcdfghjklmnpqrstvwxz";

/// Letters of English text, each about as often as in a hundred letters of it.
const FREQUENT: &str =
    "eeeeeeeeeeeettttttttaaaaaaaaoooooooiiiiiiinnnnnnnsssssshhhhhhrrrrrrddddllllcccuuummmwwffggyyppbbvkjxqz";

/// Plain words, for families that use some.
const WORDS: [&str; 60] = [
    "above", "bridge", "butter", "castle", "circle", "cloud", "corner", "dance", "dinner", "drive", "early",
    "engine", "evening", "family", "finger", "forest", "garden", "gentle", "glass", "green", "hammer",
    "harbor", "heavy", "hollow", "island", "journey", "kettle", "ladder", "leader", "letter", "little",
    "market", "master", "meadow", "middle", "mirror", "morning", "mountain", "narrow", "number", "office",
    "orange", "paper", "pencil", "picture", "pocket", "quiet", "river", "school", "second", "shadow",
    "silver", "simple", "spring", "station", "summer", "table", "thunder", "window", "winter",
];

/// One family's settings.
struct Family {
    kind: Kind,
    length_min: u64,
    length_max: u64,
    alphabet: String,
    start: String,
    parts: u64,
    joined_by: &'static str,
}

impl Family {
    fn draw(kind: Kind, random: &mut Random) -> Self {
        let (shortest, longest) = match kind {
            Kind::Letters | Kind::Frequencies | Kind::Nibbles => (random.between(6, 16), 26),
            Kind::FewLetters => (random.between(7, 14), 20),
            Kind::LettersAndDigits => (random.between(7, 18), 30),
            Kind::Hex => (
                random
                    .pick(&[8, 10, 12, 16, 20, 24, 32, 40])
                    .copied()
                    .unwrap_or(8),
                40,
            ),
            Kind::ConsonantVowel => (random.between(6, 10), 18),
            Kind::Counter => (random.between(2, 6), 8),
            Kind::Syllables | Kind::Doubled | Kind::WordAndLetters | Kind::Words => (random.between(2, 6), 8),
        };
        let length_max = if kind == Kind::Hex || random.one_in(3) {
            shortest
        } else {
            random.between(shortest, longest.min(shortest + 8))
        };
        let alphabet = match kind {
            Kind::Letters if random.one_in(3) => LETTERS.chars().take(25).collect(),
            Kind::FewLetters => {
                let size = random.between(7, 13);
                (0..size).map(|_| random.letter(LETTERS)).collect()
            }
            Kind::LettersAndDigits if random.one_in(2) => format!("{LETTERS}{LETTERS}{DIGITS}"),
            Kind::LettersAndDigits => format!("{LETTERS}{DIGITS}"),
            Kind::Hex => format!("{DIGITS}abcdef"),
            Kind::Nibbles => LETTERS.chars().take(16).collect(),
            Kind::Counter if random.one_in(2) => DIGITS.to_owned(),
            Kind::Counter => LETTERS.chars().take(10).collect(),
            Kind::ConsonantVowel if random.one_in(2) => VOWELS_WITH_Y.to_owned(),
            Kind::ConsonantVowel => VOWELS.to_owned(),
            Kind::Frequencies => FREQUENT.to_owned(),
            Kind::Letters | Kind::Syllables | Kind::Doubled | Kind::WordAndLetters | Kind::Words => {
                LETTERS.to_owned()
            }
        };
        let start_length = random.between(3, 8);
        let start = (0..start_length).map(|_| random.letter(LETTERS)).collect();
        let joined_by = if random.one_in(3) { "-" } else { "" };
        Self {
            kind,
            length_min: shortest,
            length_max,
            alphabet,
            start,
            parts: random.between(2, 3),
            joined_by,
        }
    }

    fn label(&self, random: &mut Random) -> String {
        let length = random.between(self.length_min, self.length_max);
        let letters = |random: &mut Random, count: u64| -> String {
            (0..count).map(|_| random.letter(&self.alphabet)).collect()
        };
        match self.kind {
            Kind::Letters
            | Kind::FewLetters
            | Kind::LettersAndDigits
            | Kind::Hex
            | Kind::Nibbles
            | Kind::Frequencies => letters(random, length),
            Kind::ConsonantVowel => (0..length)
                .map(|place| {
                    random.letter(if place % 2 == 0 {
                        CONSONANTS
                    } else {
                        &self.alphabet
                    })
                })
                .collect(),
            Kind::Syllables => {
                let part =
                    |random: &mut Random| (0..random.between(2, 4)).map(|_| syllable(random)).collect();
                let parts: Vec<String> = (0..self.parts).map(|_| part(random)).collect();
                parts.join(self.joined_by)
            }
            Kind::Counter => format!("{}{}", self.start, letters(random, length)),
            Kind::Doubled => {
                let part = letters(random, random.clone().between(3, 4));
                format!("{part}{part}{}", random.letter(LETTERS))
            }
            Kind::WordAndLetters => {
                let rest = letters(random, length + 4);
                if self.parts == 2 {
                    format!("{}{rest}", random.word(&WORDS))
                } else {
                    format!("{rest}{}", random.word(&WORDS))
                }
            }
            Kind::Words => {
                let words: Vec<&str> = (0..self.parts).map(|_| random.word(&WORDS)).collect();
                words.join(self.joined_by)
            }
        }
    }
}

fn syllable(random: &mut Random) -> String {
    let mut syllable = String::from(random.letter(CONSONANTS));
    syllable.push(random.letter(VOWELS));
    if random.one_in(3) {
        syllable.push(random.letter("lmnrstxfv"));
    }
    syllable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Label;

    #[test]
    fn every_kind_draws_labels_that_can_be_judged() {
        for kind in Kind::ALL {
            let labels = kind.labels(1, 200);
            assert_eq!(labels.len(), 200, "{kind:?}");
            for label in &labels {
                assert!(Label::of_label(label).is_some(), "{kind:?}: {label}");
            }
        }
    }

    #[test]
    fn a_seed_draws_the_same_labels_and_another_seed_others() {
        for kind in Kind::ALL {
            assert_eq!(kind.labels(1, 100), kind.labels(1, 100));
            assert_ne!(kind.labels(1, 100), kind.labels(2, 100), "{kind:?}");
        }
    }

    #[test]
    fn the_trained_kinds_are_all_but_words() {
        let trained: Vec<Kind> = Kind::ALL
            .into_iter()
            .filter(|kind| *kind != Kind::Words)
            .collect();
        assert_eq!(trained, Kind::TRAINED);
    }
}
