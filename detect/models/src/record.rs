//! What an alert keeps of a verdict, so that anybody with the model can compute it again.
//!
//! One line: `varde-verdict 1 domain-names <digest> 7,2807,…,0 9321`. It holds what was looked at and neither name nor
//! address, so it may go wherever the alert goes.

use std::fmt;
use std::str::FromStr;

use crate::format::Identity;
use crate::trees::{FEATURES_MAX, Row, Score, Trees};

/// How each record begins.
const MAGIC: &str = "varde-verdict";

/// The version that is written and read.
const VERSION: &str = "1";

/// A verdict and all that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    model: String,
    digest: String,
    features: Vec<i16>,
    score: Score,
}

/// Why a record is not what the model says.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecordError {
    /// No record.
    #[error("this is no record of a verdict: expected `{MAGIC} {VERSION} MODEL DIGEST FEATURES SCORE`")]
    Malformed,
    /// A newer Varde wrote it.
    #[error("the record's version {found} is newer than {VERSION}: verify it with a newer Varde")]
    Newer {
        /// Its version.
        found: String,
    },
    /// Another model's.
    #[error("the verdict is by {model} {digest}, not by this model: verify it with that file")]
    OtherModel {
        /// Its name.
        model: String,
        /// Its digest.
        digest: String,
    },
    /// Another number of features than the model has.
    #[error("{found} features where the model has {wanted}")]
    Features {
        /// As many as recorded.
        found: usize,
        /// As many as there should be.
        wanted: usize,
    },
    /// The score is not what comes out.
    #[error("the score {recorded} was recorded, and {computed} comes out")]
    Differs {
        /// As recorded.
        recorded: Score,
        /// As computed now.
        computed: Score,
    },
}

impl Record {
    pub(crate) fn new(identity: &Identity, names: &[&str], row: &Row, score: Score) -> Self {
        Self {
            model: identity.name.clone(),
            digest: identity.digest.clone(),
            features: row.iter().take(names.len()).copied().collect(),
            score,
        }
    }

    /// The model's name.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The digest of the model's file.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The score that was given.
    #[must_use]
    pub fn score(&self) -> Score {
        self.score
    }

    /// What was looked at, in the model's order.
    #[must_use]
    pub fn features(&self) -> &[i16] {
        &self.features
    }

    pub(crate) fn verify(
        &self,
        identity: &Identity,
        features: usize,
        trees: &Trees,
    ) -> Result<(), RecordError> {
        if (&self.model, &self.digest) != (&identity.name, &identity.digest) {
            return Err(RecordError::OtherModel {
                model: self.model.clone(),
                digest: self.digest.clone(),
            });
        }
        if self.features.len() != features {
            return Err(RecordError::Features {
                found: self.features.len(),
                wanted: features,
            });
        }
        let mut row = [0; FEATURES_MAX];
        row.iter_mut()
            .zip(&self.features)
            .for_each(|(place, value)| *place = *value);
        let computed = trees.score(&row);
        if computed == self.score {
            return Ok(());
        }
        Err(RecordError::Differs {
            recorded: self.score,
            computed,
        })
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MAGIC} {VERSION} {} {} ", self.model, self.digest)?;
        for (index, feature) in self.features.iter().enumerate() {
            write!(f, "{}{feature}", if index == 0 { "" } else { "," })?;
        }
        write!(f, " {}", self.score.get())
    }
}

impl FromStr for Record {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let words: Vec<&str> = text.splitn(7, ' ').collect();
        let [MAGIC, version, rest @ ..] = words.as_slice() else {
            return Err(RecordError::Malformed);
        };
        if *version != VERSION {
            let is_newer = version.parse::<u32>().is_ok_and(|version| 1 < version);
            return Err(if is_newer {
                RecordError::Newer {
                    found: (*version).to_owned(),
                }
            } else {
                RecordError::Malformed
            });
        }
        let [model, digest, features, score] = rest else {
            return Err(RecordError::Malformed);
        };
        let features: Option<Vec<i16>> = features
            .split(',')
            .take(FEATURES_MAX + 1)
            .map(|word| word.parse().ok())
            .collect();
        let score = score.parse().ok().filter(|score| *score <= Score::MAX.get());
        let (Some(features), Some(score)) = (features, score) else {
            return Err(RecordError::Malformed);
        };
        Ok(Self {
            model: (*model).to_owned(),
            digest: (*digest).to_owned(),
            features,
            score: Score::new(score),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let text = "varde-verdict 1 domain-names 0af1 7,-3,0 9321";
        let record: Record = text.parse().expect("a record");
        assert_eq!(
            (record.model(), record.features(), record.score().get()),
            ("domain-names", &[7, -3, 0][..], 9_321)
        );
        assert_eq!(record.to_string(), text);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for (text, error) in [
            ("", RecordError::Malformed),
            ("varde-verdict 1", RecordError::Malformed),
            ("varde-verdict 0 m d 1 1", RecordError::Malformed),
            (
                "varde-verdict 2 whatever",
                RecordError::Newer {
                    found: "2".to_owned(),
                },
            ),
            ("varde-verdict 1 m d 1,x 1", RecordError::Malformed),
            ("varde-verdict 1 m d 1,2 10001", RecordError::Malformed),
            ("varde-verdict 1 m d 1,2 1 more", RecordError::Malformed),
        ] {
            assert_eq!(text.parse::<Record>(), Err(error), "{text}");
        }
    }
}
