//! What the pseudonyms of names stand for: a table on site, for answering a request to reveal one.
//!
//! Addresses need none, they are turned back with the key. A bounded room, the newest names are in it; what has fallen out
//! comes in again when it is seen again.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::turns::{self, Turns, TurnsError};
use crate::disclose::Made;

/// The folder in the sensor's state.
const FOLDER: &str = "pseudonyms";

/// What one of the two files may take: some hundred thousand names.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Pseudonyms that are known to be in the table, so that each is written once.
const WRITTEN_MAX: usize = 262_144;

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// As it left.
    pub pseudonym: String,
    /// What it stands for.
    pub clear: String,
    /// Under which key.
    pub key: String,
}

/// The table.
#[derive(Debug)]
pub struct KnownNames {
    turns: Turns,
    written: HashSet<String>,
    key: String,
}

impl KnownNames {
    /// Opens it for the names of one key.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn open(state: &Path, key: String) -> Result<Self, TurnsError> {
        Ok(Self {
            turns: Turns::open(folder(state), FILE_BYTES_MAX)?,
            written: HashSet::new(),
            key,
        })
    }

    /// Writes down what is new.
    ///
    /// # Errors
    /// If the disk refuses; the names are tried again when they are made again.
    pub fn remember(&mut self, made: Vec<Made>) -> Result<(), TurnsError> {
        let mut lines = Vec::new();
        let mut new = Vec::new();
        for Made { pseudonym, clear } in made {
            if self.written.contains(&pseudonym) {
                continue;
            }
            let known = Known {
                pseudonym,
                clear,
                key: self.key.clone(),
            };
            lines.extend(serde_json::to_vec(&known).unwrap_or_default());
            lines.push(b'\n');
            new.push(known.pseudonym);
        }
        if lines.is_empty() {
            return Ok(());
        }
        let has_turned = self.turns.add(&lines)?;
        if has_turned || WRITTEN_MAX < self.written.len() + new.len() {
            self.written.clear();
        }
        self.written.extend(new);
        Ok(())
    }
}

/// The lines about any of these pseudonyms.
///
/// # Errors
/// If the table is there and can't be read.
pub fn find(state: &Path, pseudonyms: &[String]) -> io::Result<Vec<Known>> {
    let mut found: Vec<Known> = Vec::new();
    turns::read(&folder(state), |line| {
        if let Ok(known) = serde_json::from_slice::<Known>(line)
            && pseudonyms.contains(&known.pseudonym)
            && !found.contains(&known)
        {
            found.push(known);
        }
        Ok(())
    })?;
    Ok(found)
}

fn folder(state: &Path) -> PathBuf {
    state.join(FOLDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_once_and_found_after_a_restart() {
        let state = tempfile::tempdir().expect("a folder");
        let made = |number: u32| Made {
            pseudonym: format!("h-{number}"),
            clear: format!("pc{number}"),
        };
        for _ in 0..2 {
            let mut known = KnownNames::open(state.path(), "0001-aa".to_owned()).expect("opens");
            known.remember(vec![made(1), made(2)]).expect("written");
            known.remember(vec![made(1)]).expect("written");
        }
        let found = find(state.path(), &["h-1".to_owned(), "h-3".to_owned()]).expect("read");
        let expected = Known {
            pseudonym: "h-1".to_owned(),
            clear: "pc1".to_owned(),
            key: "0001-aa".to_owned(),
        };
        assert_eq!(found, [expected]);
        let mut lines = 0;
        turns::read(&folder(state.path()), |line| {
            lines += usize::from(!line.is_empty());
            Ok(())
        })
        .expect("read");
        assert_eq!(lines, 4, "once for each start");
    }
}
