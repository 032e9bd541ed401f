//! A model as text: lines that a person can compare, and a digest of them at the end.
//!
//! ```text
//! varde-model 1
//! name domain-names
//! seed 20261122
//! data …                          what it was trained with, in words
//! features length entropy …       in the order of the row
//! costs …                         29 base-36 digits for each two classes of letters, if the model has any
//! bias -120
//! tree 11>1250 3>0 …              six questions: feature > threshold
//! leaves -31 12 …                 64 sums, in 1/512 nat
//! weights 0g3…                    64 base-36 digits: 1 + log₂ of the training's rows, 0 for none
//! digest …                        BLAKE3 of all lines above
//! ```

use std::fmt::Write as _;

use crate::characters::{CLASSES, COST_MAX, Characters};
use crate::trees::{DEPTH, FEATURES_MAX, LEAVES, TREES_MAX, Tree, Trees};

/// The format that is written, and the newest that is read.
pub const VERSION: u32 = 1;

/// Largest model that is read: sixteen times the largest that is shipped.
const BYTES_MAX: usize = 1 << 20;

/// How each file begins.
const MAGIC: &str = "varde-model ";

/// Which model it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The model's name: `domain-names` or `flows`.
    pub name: String,
    /// BLAKE3 of the model's file, up to the line with this digest, in hex.
    pub digest: String,
    /// What the training began with.
    pub seed: u64,
    /// What it was trained with, in words.
    pub data: String,
}

/// Why a model is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LoadError {
    /// No text of a model.
    #[error("this is no model: it does not begin with `varde-model`")]
    Foreign,
    /// Made by a newer Varde.
    #[error(
        "format {found} of models is newer than {VERSION}, the newest known: update Varde, or train the model again"
    )]
    Newer {
        /// The file's format.
        found: u32,
    },
    /// Changed since it was written.
    #[error(
        "the digest is not that of the lines above it: the file is damaged or was changed; take it from the release again"
    )]
    Damaged,
    /// More than any model needs.
    #[error("{bytes} bytes are more than a model has (at most {BYTES_MAX})")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Another model.
    #[error("this is the model `{found}`, not `{wanted}`")]
    Other {
        /// Its name.
        found: String,
        /// The name that was asked for.
        wanted: &'static str,
    },
    /// Trained for other features.
    #[error("the model looks at other features than this Varde computes: train it again")]
    Features,
    /// A part is not there.
    #[error("{what} are missing")]
    Incomplete {
        /// Which part.
        what: &'static str,
    },
    /// A line that is none of a model's.
    #[error("line {line}: expected {expected}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
}

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) identity: Identity,
    pub(crate) characters: Option<Characters>,
    pub(crate) trees: Trees,
}

/// Reads the model `wanted`, which looks at `features`.
pub(crate) fn read(bytes: &[u8], wanted: &'static str, features: &[&str]) -> Result<Read, LoadError> {
    if BYTES_MAX < bytes.len() {
        return Err(LoadError::TooLarge { bytes: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| LoadError::Foreign)?;
    let version = text.strip_prefix(MAGIC).and_then(|rest| rest.lines().next());
    let version: u32 = version
        .and_then(|version| version.parse().ok())
        .ok_or(LoadError::Foreign)?;
    if VERSION < version {
        return Err(LoadError::Newer { found: version });
    }
    let (body, digest) = text.rsplit_once("digest ").ok_or(LoadError::Damaged)?;
    if blake3::hash(body.as_bytes()).to_hex().as_str() != digest.trim_end_matches('\n') {
        return Err(LoadError::Damaged);
    }
    let mut lines = Lines {
        lines: body.lines().collect(),
        next: 1,
    };
    let name = lines.word("name", "the model's name")?;
    if name != wanted {
        return Err(LoadError::Other {
            found: name.to_owned(),
            wanted,
        });
    }
    let seed = lines.number("seed", "the training's seed")?;
    let data = lines.word("data", "what it was trained with")?.to_owned();
    if !lines
        .word("features", "the features")?
        .split(' ')
        .eq(features.iter().copied())
    {
        return Err(LoadError::Features);
    }
    let identity = Identity {
        name: name.to_owned(),
        digest: digest.trim_end().to_owned(),
        seed,
        data,
    };
    let characters = lines.characters()?;
    let bias = lines.number("bias", "the bias")?;
    let mut trees = Vec::new();
    while lines.next < lines.lines.len() {
        if TREES_MAX <= trees.len() {
            return Err(lines.expected("no more trees than 96"));
        }
        trees.push(lines.tree(features.len())?);
    }
    Ok(Read {
        identity,
        characters,
        trees: Trees::new(bias, trees),
    })
}

/// A file's lines, and the place of the next.
struct Lines<'a> {
    lines: Vec<&'a str>,
    next: usize,
}

impl<'a> Lines<'a> {
    fn expected(&self, expected: &'static str) -> LoadError {
        LoadError::Line {
            line: self.next + 1,
            expected,
        }
    }

    /// What stands after `keyword` on the next line.
    fn word(&mut self, keyword: &str, expected: &'static str) -> Result<&'a str, LoadError> {
        let rest = self
            .lines
            .get(self.next)
            .and_then(|line| line.strip_prefix(keyword)?.strip_prefix(' '));
        let rest = rest.ok_or_else(|| self.expected(expected))?;
        self.next += 1;
        Ok(rest)
    }

    fn number<N: std::str::FromStr>(
        &mut self,
        keyword: &str,
        expected: &'static str,
    ) -> Result<N, LoadError> {
        let error = self.expected(expected);
        self.word(keyword, expected)?.parse().map_err(|_| error)
    }

    fn characters(&mut self) -> Result<Option<Characters>, LoadError> {
        let mut costs = Vec::new();
        while self
            .lines
            .get(self.next)
            .is_some_and(|line| line.starts_with("costs "))
        {
            let error = self.expected("29 digits in base 36");
            let digits = self.word("costs", "costs")?;
            costs.push(base_36(digits).ok_or(error)?);
        }
        match costs.len() {
            0 => Ok(None),
            count if count == CLASSES * CLASSES => Ok(Some(Characters { costs })),
            _ => Err(self.expected("costs of 841 contexts")),
        }
    }

    fn tree(&mut self, features: usize) -> Result<Tree, LoadError> {
        let error = self.expected("six questions `feature>threshold`");
        let mut questions = [(0, 0); DEPTH];
        let words = self.word("tree", "a tree")?.split(' ');
        fill(words.map(|word| question(word, features)), &mut questions).ok_or(error)?;
        let error = self.expected("64 whole numbers");
        let mut leaves = [0; LEAVES];
        let words = self.word("leaves", "the tree's leaves")?.split(' ');
        fill(words.map(|word| word.parse().ok()), &mut leaves).ok_or(error)?;
        let error = self.expected("64 digits in base 36");
        let weights = base_36(self.word("weights", "the weights of the leaves")?).ok_or(error)?;
        Ok(Tree {
            features: questions.map(|(feature, _)| feature),
            thresholds: questions.map(|(_, threshold)| threshold),
            leaves,
            weights,
        })
    }
}

/// `11>1250`, of a feature that the model has.
fn question(word: &str, features: usize) -> Option<(u8, i16)> {
    let (feature, threshold) = word.split_once('>')?;
    let feature: u8 = feature.parse().ok()?;
    (usize::from(feature) < features.min(FEATURES_MAX)).then_some((feature, threshold.parse().ok()?))
}

/// Exactly as many values as there are places.
fn fill<T>(mut values: impl Iterator<Item = Option<T>>, places: &mut [T]) -> Option<()> {
    for place in places {
        *place = values.next()??;
    }
    values.next().is_none().then_some(())
}

fn base_36<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut values = [0; N];
    let digit = |letter: char| u8::try_from(letter.to_digit(36)?).ok();
    fill(digits.chars().map(digit), &mut values)?;
    Some(values)
}

/// What a file says before its costs and trees.
pub(crate) struct Head<'a> {
    pub(crate) name: &'a str,
    pub(crate) seed: u64,
    pub(crate) data: &'a str,
    pub(crate) features: &'a [&'a str],
}

/// Writes a model.
pub(crate) fn write(head: &Head<'_>, characters: Option<&Characters>, trees: &Trees) -> String {
    let Head {
        name,
        seed,
        data,
        features,
    } = head;
    let data: String = data
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    let mut text = format!(
        "{MAGIC}{VERSION}\nname {name}\nseed {seed}\ndata {data}\nfeatures {}\n",
        features.join(" ")
    );
    for costs in characters.iter().flat_map(|characters| &characters.costs) {
        line(&mut text, format_args!("costs {}", digits(costs)));
    }
    line(&mut text, format_args!("bias {}", trees.bias()));
    for tree in trees.as_slice() {
        let questions = tree.features.iter().zip(&tree.thresholds);
        let questions: Vec<String> = questions
            .map(|(feature, threshold)| format!("{feature}>{threshold}"))
            .collect();
        let leaves: Vec<String> = tree.leaves.iter().map(i16::to_string).collect();
        line(&mut text, format_args!("tree {}", questions.join(" ")));
        line(&mut text, format_args!("leaves {}", leaves.join(" ")));
        line(&mut text, format_args!("weights {}", digits(&tree.weights)));
    }
    let digest = blake3::hash(text.as_bytes()).to_hex();
    line(&mut text, format_args!("digest {digest}"));
    text
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{content}");
}

fn digits(values: &[u8]) -> String {
    let digit = |value: &u8| char::from_digit(u32::from((*value).min(COST_MAX)), 36);
    values.iter().filter_map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEATURES: [&str; 2] = ["one", "two"];

    fn model() -> String {
        let tree = Tree {
            features: [0, 1, 0, 1, 0, 1],
            thresholds: [-5, 4, 3, 2, 1, i16::MAX],
            leaves: [-7; LEAVES],
            weights: [35; LEAVES],
        };
        let head = Head {
            name: "sample",
            seed: 7,
            data: "nothing\nat all",
            features: &FEATURES,
        };
        let characters = Characters {
            costs: vec![[35; CLASSES]; CLASSES * CLASSES],
        };
        write(&head, Some(&characters), &Trees::new(-3, vec![tree]))
    }

    /// `model` with a change, and with the digest of what it then says.
    fn changed(from: &str, to: &str) -> String {
        let text = model().replacen(from, to, 1);
        let (body, _) = text.rsplit_once("digest ").expect("a digest");
        format!("{body}digest {}\n", blake3::hash(body.as_bytes()).to_hex())
    }

    #[test]
    fn what_is_written_is_read() {
        let read = read(model().as_bytes(), "sample", &FEATURES).expect("a model");
        assert_eq!(
            (read.identity.seed, read.identity.data.as_str()),
            (7, "nothing at all")
        );
        let head = Head {
            name: "sample",
            seed: 7,
            data: &read.identity.data,
            features: &FEATURES,
        };
        assert_eq!(write(&head, read.characters.as_ref(), &read.trees), model());
    }

    #[test]
    fn what_is_no_sound_model_is_refused_with_the_reason() {
        let longest = "x".repeat(BYTES_MAX + 1);
        let line = |line, expected| LoadError::Line { line, expected };
        let foreign = LoadError::Other {
            found: "other".to_owned(),
            wanted: "sample",
        };
        for (text, error) in [
            (String::new(), LoadError::Foreign),
            ("varde-model x\n".to_owned(), LoadError::Foreign),
            (
                "varde-model 2\nname sample\n".to_owned(),
                LoadError::Newer { found: 2 },
            ),
            ("varde-model 1\nname sample\n".to_owned(), LoadError::Damaged),
            (model().replacen("bias -3", "bias -2", 1), LoadError::Damaged),
            (
                model().trim_end_matches(['\n', '0', '1']).to_owned() + "x",
                LoadError::Damaged,
            ),
            (longest, LoadError::TooLarge { bytes: BYTES_MAX + 1 }),
            (changed("sample", "other"), foreign),
            (changed("one two", "two one"), LoadError::Features),
            (changed("seed 7", "seed -7"), line(3, "the training's seed")),
            (changed("costs zz", "costs z"), line(6, "29 digits in base 36")),
            (
                changed("bias", "costs zz\nbias"),
                line(847, "29 digits in base 36"),
            ),
            (
                changed("tree 0>-5", "tree 2>-5"),
                line(848, "six questions `feature>threshold`"),
            ),
            (changed("leaves -7", "leaves"), line(849, "64 whole numbers")),
            (
                changed("weights z", "weights ?"),
                line(850, "64 digits in base 36"),
            ),
            (
                changed("weights z", "tree z"),
                line(850, "the weights of the leaves"),
            ),
        ] {
            let found = read(text.as_bytes(), "sample", &FEATURES).err();
            assert_eq!(found, Some(error), "{}", text.get(..60).unwrap_or(&text));
        }
    }
}
