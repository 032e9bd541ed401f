//! What the pseudonyms of names stand for: a table on site, for answering a request to reveal one.
//!
//! Addresses need none, they are turned back with the key. A bounded room, the newest names are in it; what has fallen out
//! comes in again when it is seen again.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::turns::{self, Turns, TurnsError};
use crate::disclose::{Made, Pseudonyms};

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
        Self::with_room(state, key, FILE_BYTES_MAX)
    }

    /// With another room for each of the two files.
    pub(super) fn with_room(state: &Path, key: String, bytes_max: u64) -> Result<Self, TurnsError> {
        Ok(Self {
            turns: Turns::open(folder(state), bytes_max)?,
            written: HashSet::new(),
            key,
        })
    }

    /// Writes down what is new. True when the oldest names have gone: those that are still seen must be made again before the
    /// next ones go, or they fall out though they are in use.
    ///
    /// # Errors
    /// If the disk refuses; the names must be made again then too.
    pub fn remember(&mut self, made: Vec<Made>) -> Result<bool, TurnsError> {
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
            return Ok(false);
        }
        let has_turned = self.turns.add(&lines)?;
        if has_turned || WRITTEN_MAX < self.written.len() + new.len() {
            self.written.clear();
        }
        self.written.extend(new);
        Ok(has_turned)
    }
}

/// Writes down what new pseudonyms stand for; where the oldest lines went, or the disk refused, names are made again when
/// they are seen again.
///
/// # Errors
/// If the disk refuses.
pub fn remember(known: &mut KnownNames, pseudonyms: &mut Pseudonyms) -> Result<(), TurnsError> {
    let remembered = known.remember(pseudonyms.made());
    if !matches!(remembered, Ok(false)) {
        pseudonyms.forget();
    }
    remembered.map(|_| ())
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
    use ingest_event::{Fields, Timestamp, Zone};

    use super::*;
    use crate::disclose::Disclosure;
    use crate::record::Draft;
    use crate::site::keys::SiteKey;

    /// What is still in use is in the table however much has gone through it.
    #[test]
    fn a_name_that_is_seen_again_and_again_does_not_fall_out() {
        let state = tempfile::tempdir().expect("a folder");
        let key = SiteKey::of(1, [7; 32]);
        let mut known = KnownNames::with_room(state.path(), key.id(), 4_000).expect("opens");
        let mut site = Disclosure::new(Zone::Administration, &[], &key, &[], &[]);
        let mut hot = String::new();
        for round in 0..400 {
            let mut draft = Draft {
                timestamp: Timestamp::EPOCH,
                dataset: "system.auth".into(),
                trusted: None,
                fields: Fields::new(),
                position: 1,
                ordinal: 0,
            };
            draft.fields.set("host.name", "hot");
            draft.fields.set("user.name", format!("user-{round}"));
            site.apply(&mut draft);
            hot = draft.fields.text("host.name").expect("left").to_owned();
            remember(&mut known, site.pseudonyms()).expect("written");
        }
        let found = find(state.path(), std::slice::from_ref(&hot)).expect("read");
        assert_eq!(
            found.first().map(|known| known.clear.as_str()),
            Some("hot"),
            "{hot}"
        );
    }

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
