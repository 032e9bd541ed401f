//! Names → the domain model, and what it is measured with.

use std::collections::BTreeSet;

use super::boost::{Sample, boost};
use super::families::Kind;
use super::norwegian;
use crate::characters::Characters;
use crate::domain::{Extractor, FEATURES, NAME};
use crate::format::{Head, write};
use crate::label::Label;

/// Trees of the model. More find little more, and take longer.
const TREES: usize = 80;

/// Labels drawn of each kind of family.
const LABELS_OF_KIND: usize = 2_500;

/// Norwegian labels that are drawn.
const NORWEGIAN: usize = 4_000;

/// Parts that ordinary names are cut into: the costs for the names of one part are learned from the others, as they
/// are for a name that was never seen.
const PARTS: usize = 8;

/// One in so many labels is kept from the training, to measure with.
const HELD_OUT: u8 = 5;

/// What a model is trained with.
#[derive(Clone, Debug, Default)]
pub struct DomainTraining {
    seed: u64,
    data: String,
    labels: BTreeSet<Vec<u8>>,
    held_out: BTreeSet<Vec<u8>>,
    without: Option<Kind>,
}

/// A trained model.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model's file.
    pub file: String,
    /// Ordinary inputs that it was trained with.
    pub ordinary: usize,
    /// Inputs of the sort that it shall find.
    pub targets: usize,
}

impl DomainTraining {
    /// Begins with the Norwegian names that are drawn from `seed`. `data` says in words what `names` are: it stands in
    /// the model's file.
    pub fn new<'a>(seed: u64, data: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut training = Self {
            seed,
            data: data.to_owned(),
            ..Self::default()
        };
        for label in norwegian::labels(seed, NORWEGIAN) {
            training.add(Label::of_label(&label));
        }
        for name in names {
            training.add(Label::of_name(name));
        }
        training
    }

    /// Leaves out a kind of family, to measure how well one is found that was never seen.
    #[must_use]
    pub fn without(mut self, kind: Kind) -> Self {
        self.without = Some(kind);
        self
    }

    fn add(&mut self, label: Option<Label>) {
        if let Some(label) = label {
            let symbols = label.symbols().to_vec();
            if is_held_out(&symbols) {
                self.held_out.insert(symbols);
            } else {
                self.labels.insert(symbols);
            }
        }
    }

    /// Whether a name can be measured with: it can be judged, and its label was not trained with.
    #[must_use]
    pub fn is_new(&self, name: &str) -> bool {
        Label::of_name(name).is_some_and(|label| !self.labels.contains(label.symbols()))
    }

    /// The labels that were kept from the training, as names below `.com`.
    #[must_use]
    pub fn held_out(&self) -> Vec<String> {
        self.held_out.iter().map(|symbols| name(symbols)).collect()
    }

    /// Names of a kind that were drawn from another seed than the training's, none of which was trained with.
    #[must_use]
    pub fn targets(&self, kind: Kind, count: usize) -> Vec<String> {
        let trained: BTreeSet<String> = kind.labels(self.seed, LABELS_OF_KIND).into_iter().collect();
        let drawn = kind.labels(!self.seed, count);
        drawn
            .into_iter()
            .filter(|label| !trained.contains(label))
            .map(|label| format!("{label}.com"))
            .collect()
    }

    /// Trains. The same names and seed give the same bytes.
    #[must_use]
    pub fn train(&self) -> Trained {
        let labels: Vec<&[u8]> = self.labels.iter().map(Vec::as_slice).collect();
        let mut samples = self.ordinary(&labels);
        let ordinary = samples.len();
        let characters = Characters::learn(labels.iter().copied());
        let extractor = Extractor::new(characters.clone());
        for kind in Kind::TRAINED
            .into_iter()
            .filter(|kind| Some(*kind) != self.without)
        {
            for label in kind.labels(self.seed, LABELS_OF_KIND) {
                if let Some(label) = Label::of_label(&label) {
                    let row = extractor.row(label.symbols());
                    samples.push(Sample {
                        row,
                        is_target: true,
                        weight: 1,
                    });
                }
            }
        }
        let trees = boost(&samples, FEATURES.len(), TREES);
        let head = Head {
            name: NAME,
            seed: self.seed,
            data: &self.data,
            features: &FEATURES,
        };
        Trained {
            file: write(&head, Some(&characters), &trees),
            ordinary,
            targets: samples.len() - ordinary,
        }
    }

    fn ordinary(&self, labels: &[&[u8]]) -> Vec<Sample> {
        let mut samples = Vec::with_capacity(labels.len());
        for part in 0..PARTS.min(labels.len()) {
            let others = labels
                .iter()
                .enumerate()
                .filter(|(index, _)| index % PARTS != part);
            let extractor = Extractor::new(Characters::learn(others.map(|(_, label)| *label)));
            for label in labels.iter().skip(part).step_by(PARTS) {
                samples.push(Sample {
                    row: extractor.row(label),
                    is_target: false,
                    weight: 1,
                });
            }
        }
        samples
    }
}

/// By the label's own digest, so that a label is on the same side whatever list it comes from.
fn is_held_out(symbols: &[u8]) -> bool {
    blake3::hash(symbols)
        .as_bytes()
        .first()
        .is_some_and(|byte| byte % HELD_OUT == 0)
}

/// Symbols as a name that can be judged.
fn name(symbols: &[u8]) -> String {
    let letter = |symbol: &u8| match symbol {
        0..36 => char::from_digit(u32::from(*symbol), 36).unwrap_or('-'),
        _ => '-',
    };
    let label: String = symbols.iter().map(letter).collect();
    format!("{label}.com")
}
