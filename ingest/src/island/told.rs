//! What was told on site, in `state/alerts`: for whoever may read the sensor's own disk, and for nobody else. The newest
//! 1 to 2 MiB.

use std::io;
use std::path::Path;

use ingest_event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::site::{TurnsError, turns};

/// Each of the two files takes so much: months of words.
const BYTES_MAX: u64 = 1 << 20;

const FOLDER: &str = "alerts";

/// One word: a rule or an indicator, and the machine it is about, in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// When it was told, by the sensor's clock.
    pub at: Timestamp,
    /// `rule:<id>` or `indicator:<kind>:<value>`.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// In a word.
    pub severity: String,
    /// Ours, if it is known which one is.
    pub machine: String,
    /// Which kind of event; empty where several came together.
    pub dataset: String,
}

/// A line of the file.
#[derive(Serialize)]
struct Line<'a> {
    at: &'a str,
    rule: &'a str,
    title: &'a str,
    severity: &'a str,
    machine: &'a str,
    dataset: &'a str,
}

/// The owned form of [`Line`], since a text with escapes can't be borrowed.
#[derive(Deserialize)]
struct Owned {
    at: String,
    rule: String,
    title: String,
    severity: String,
    machine: String,
    dataset: String,
}

/// The files.
#[derive(Debug)]
pub(super) struct Told(turns::Turns);

impl Told {
    pub(super) fn open(state: &Path) -> Result<Self, TurnsError> {
        Ok(Self(turns::Turns::open(state.join(FOLDER), BYTES_MAX)?))
    }

    pub(super) fn add(&mut self, word: &Word) -> Result<(), TurnsError> {
        let at = word.at.to_string();
        let line = Line {
            at: &at,
            rule: &word.rule,
            title: &word.title,
            severity: &word.severity,
            machine: &word.machine,
            dataset: &word.dataset,
        };
        let mut line = serde_json::to_vec(&line).unwrap_or_default();
        line.push(b'\n');
        self.0.add(&line)?;
        Ok(())
    }
}

/// Hands each word to `take`, the oldest first. A line that a crash tore is passed over.
///
/// # Errors
/// If a file is there and can't be read.
pub fn read(state: &Path, mut take: impl FnMut(Word)) -> io::Result<()> {
    turns::read(&state.join(FOLDER), |line| {
        let read = serde_json::from_slice::<Owned>(line).ok();
        let word = read.and_then(|line| {
            Some(Word {
                at: line.at.parse().ok()?,
                rule: line.rule,
                title: line.title,
                severity: line.severity,
                machine: line.machine,
                dataset: line.dataset,
            })
        });
        if let Some(word) = word {
            take(word);
        }
        Ok(())
    })
}
