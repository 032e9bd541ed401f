//! Answers to "what does this pseudonym stand for": after a person on site said yes, and with a line in a log that can't
//! be changed unseen.
//!
//! Who asks, why, who said yes, and for what is written before anything is answered; what the answer was is not. What the centre asks through the gateway has a line for each step
//! ([`super::questions`]). Each line carries the digest of the one before it, so that a line that is changed or taken out shows, and the last digest is
//! printed, so that whoever asked can hold the site to it. The log is `state/reveal.ndjson`; beside it `state/reveal.last`
//! holds the digest of its last line, so that lines cut off at the end show as well. One answer at a time: the log is
//! locked from the check of the chain until the new line is on the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ingest_event::Timestamp;
use ingest_trust::reveal::Question;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::keys::{self, KeyError};
use super::known;
use crate::config::Config;
use crate::control::files;

/// The log in the sensor's state.
const FILE: &str = "reveal.ndjson";

/// The digest of its last line.
const LAST: &str = "reveal.last";

/// Pseudonyms in one request: more is a survey, not a question about an incident.
pub const PSEUDONYMS_MAX: usize = 100;

/// Bytes of one of them: the longest name of a machine.
const PSEUDONYM_BYTES_MAX: usize = 255;

/// What begins the chain.
const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Who asks for what.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Who asks: a person and where from.
    #[serde(default)]
    pub asked_by: String,
    /// Why, such as the number of an incident.
    #[serde(default)]
    pub reason: String,
    /// What for.
    pub pseudonyms: Vec<String>,
}

/// One line of the log.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, RFC 3339.
    pub at: String,
    /// Who on site answered.
    pub answered_by: String,
    /// Whether the answer was yes.
    pub approved: bool,
    /// Who asked.
    pub asked_by: String,
    /// Why.
    pub reason: String,
    /// What for.
    pub pseudonyms: Vec<String>,
    /// The question of the centre that it is about, and the incident; nothing where the request came by another way.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub question: String,
    /// What happened to the question.
    #[serde(default, skip_serializing_if = "Step::is_answer")]
    pub step: Step,
    /// Why on site it was answered so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
    /// The digest of the line before.
    pub previous: String,
    /// The digest of this line without its digest.
    #[serde(default)]
    pub digest: String,
}

/// What happened to a question of the centre.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It was answered, yes or no.
    #[default]
    Answered,
    /// It came.
    Asked,
    /// Its time ran out.
    Expired,
    /// The centre took it back, or somebody of the organisation said no there.
    Withdrawn,
    /// The answer is at the centre.
    Told,
    /// The answer came too late to be taken.
    Late,
}

impl Step {
    /// As lines were before there were questions.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    fn is_answer(&self) -> bool {
        *self == Self::Answered
    }

    /// As a person reads it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Asked => "asked",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Told => "told",
            Self::Late => "late",
        }
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revealed {
    /// What was asked for.
    pub pseudonym: String,
    /// What it stood for, and under which key; more than one where epochs differ. Empty where it is not known.
    pub stood_for: Vec<(String, String)>,
}

/// Why nothing is revealed.
#[derive(Debug, Error)]
pub enum RevealError {
    /// Something that the log must say is missing.
    #[error("reveal: {0}")]
    Incomplete(&'static str),
    /// The log was changed.
    #[error(
        "trust the log {path}: line {line} was changed, or one before it is missing; keep it, tell who runs the site, and move it away"
    )]
    Broken {
        /// The log.
        path: PathBuf,
        /// The first line that does not fit.
        line: usize,
    },
    /// Lines are missing at its end.
    #[error(
        "trust the log {path}: it does not end with the line whose digest is in {LAST}; keep both, tell who runs the site, and move them away"
    )]
    Cut {
        /// The log.
        path: PathBuf,
    },
    /// The log or the table of names can't be read or written.
    #[error("use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The keys.
    #[error("read the keys of the site")]
    Keys(#[from] KeyError),
}

/// Checks a request and writes down what a person on site answered to it; the digest of the line.
///
/// # Errors
/// If the request or the person's name is incomplete, or the log was changed or can't be written: then nothing may be
/// revealed.
pub fn record(
    state: &Path,
    request: &Request,
    answered_by: &str,
    approved: bool,
    now: Timestamp,
) -> Result<String, RevealError> {
    for (text, lacks) in [
        (
            &request.asked_by[..],
            "the request must say who asks (`asked_by`)",
        ),
        (&request.reason, "the request must give a reason (`reason`)"),
        (answered_by, "the person on site must give a name"),
    ] {
        if text.trim().is_empty() {
            return Err(RevealError::Incomplete(lacks));
        }
    }
    if request.pseudonyms.is_empty() || PSEUDONYMS_MAX < count(&request.pseudonyms) {
        return Err(RevealError::Incomplete(
            "the request must name 1 to 100 pseudonyms, each label of a name counts",
        ));
    }
    if request
        .pseudonyms
        .iter()
        .any(|one| PSEUDONYM_BYTES_MAX < one.len())
    {
        return Err(RevealError::Incomplete(
            "a pseudonym in the request is longer than 255 bytes",
        ));
    }
    let entry = Entry {
        at: now.to_string(),
        answered_by: answered_by.trim().to_owned(),
        approved,
        asked_by: request.asked_by.trim().to_owned(),
        reason: request.reason.trim().to_owned(),
        pseudonyms: request.pseudonyms.clone(),
        ..Entry::default()
    };
    append(state, entry)
}

/// Writes down what happened to a question of the centre; the digest of the line. `by` and `because` are of whoever answered.
///
/// # Errors
/// As [`record`].
pub fn note_question(
    state: &Path,
    question: &Question,
    step: Step,
    (by, because, approved): (&str, &str, bool),
    now: Timestamp,
) -> Result<String, RevealError> {
    let entry = Entry {
        at: now.to_string(),
        answered_by: by.trim().to_owned(),
        approved,
        asked_by: format!("{}, with {}", question.asked_by, question.approved_by),
        reason: question.reason.clone(),
        pseudonyms: question.pseudonyms.clone(),
        question: format!("{}/{}", question.incident, question.id),
        step,
        because: because.trim().to_owned(),
        ..Entry::default()
    };
    append(state, entry)
}

/// Puts a line at the end of the log, in its chain, and on the disk.
fn append(state: &Path, mut entry: Entry) -> Result<String, RevealError> {
    let path = state.join(FILE);
    let failed = |source| RevealError::File {
        path: path.clone(),
        source,
    };
    let mut log = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    // Held until the file is closed: two answers at once would both follow the same line.
    log.lock().map_err(failed)?;
    let chain = check(state, &path, &mut log)?;
    entry.previous = chain.last;
    entry.digest = digest(&entry);
    let mut line = serde_json::to_vec(&entry).unwrap_or_default();
    line.push(b'\n');
    // A line that a crash tore was never answered to; the new one takes its place.
    log.set_len(chain.bytes).map_err(failed)?;
    log.seek(SeekFrom::Start(chain.bytes)).map_err(failed)?;
    log.write_all(&line).map_err(failed)?;
    log.sync_all().map_err(failed)?;
    note(state, &entry.digest)?;
    for path in [&path, &state.join(LAST)] {
        files::give_to_owner(state, path);
    }
    Ok(entry.digest)
}

/// Notes the digest of the last line; whole or not at all.
fn note(state: &Path, digest: &str) -> Result<(), RevealError> {
    let (path, new) = (state.join(LAST), state.join("reveal.last.new"));
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(digest.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(state)?.sync_all()
    })();
    written.map_err(|source| RevealError::File { path, source })
}

/// Checks the whole log; the digest of its last line.
///
/// # Errors
/// If a line was changed or taken out, or it can't be read.
pub fn verify(state: &Path) -> Result<String, RevealError> {
    let path = state.join(FILE);
    let failed = |source| RevealError::File {
        path: path.clone(),
        source,
    };
    match File::open(&path) {
        Ok(mut log) => {
            log.lock_shared().map_err(failed)?;
            Ok(check(state, &path, &mut log)?.last)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !state.join(LAST).exists() => {
            Ok(BEGINNING.to_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(RevealError::Cut { path }),
        Err(error) => Err(failed(error)),
    }
}

/// The lines of the log, the oldest first, once it was checked, and the digest of the last.
///
/// # Errors
/// As [`verify`].
pub fn lines(state: &Path) -> Result<(Vec<Entry>, String), RevealError> {
    let last = verify(state)?;
    let path = state.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(RevealError::File { path, source }),
    };
    // A line that was torn is none, and the log may have grown since.
    let entries = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    Ok((entries.collect(), last))
}

/// A log whose lines all fit.
struct Chain {
    /// The digest of its last line.
    last: String,
    /// Its length up to there.
    bytes: u64,
}

fn check(state: &Path, path: &Path, log: &mut File) -> Result<Chain, RevealError> {
    let failed = |source| RevealError::File {
        path: path.to_owned(),
        source,
    };
    let mut text = Vec::new();
    log.read_to_end(&mut text).map_err(failed)?;
    let mut chain = Chain {
        last: BEGINNING.to_owned(),
        bytes: 0,
    };
    let mut before = chain.last.clone();
    for (line, text) in (1..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
        // The last one without its end was torn in writing, before anything was told.
        let Some(whole) = text.strip_suffix(b"\n") else {
            break;
        };
        let entry = serde_json::from_slice::<Entry>(whole).ok();
        let entry = entry.filter(|entry| entry.previous == chain.last && entry.digest == digest(entry));
        let Some(entry) = entry else {
            let path = path.to_owned();
            return Err(RevealError::Broken { path, line });
        };
        before = std::mem::replace(&mut chain.last, entry.digest);
        chain.bytes += text.len() as u64;
    }
    let noted = match fs::read_to_string(state.join(LAST)) {
        Ok(noted) => noted,
        Err(error) if error.kind() == io::ErrorKind::NotFound => BEGINNING.to_owned(),
        Err(error) => return Err(failed(error)),
    };
    // The note comes after the line: a crash between them leaves it one line behind.
    if ![&chain.last, &before].contains(&&noted) {
        let path = path.to_owned();
        return Err(RevealError::Cut { path });
    }
    Ok(chain)
}

/// Of everything but the digest itself.
fn digest(entry: &Entry) -> String {
    let whole = Entry {
        digest: String::new(),
        ..entry.clone()
    };
    let text = serde_json::to_vec(&whole).unwrap_or_default();
    blake3::hash(&text).to_hex().as_str().to_owned()
}

/// What pseudonyms stand for, by all keys of the site. To be called after [`record`] said that it is written down.
///
/// # Errors
/// If keys or table can't be read.
pub fn reveal(config: &Config, request: &Request) -> Result<Vec<Revealed>, RevealError> {
    let state = &config.state;
    let keys = keys::read(state)?;
    let names = names_in(&request.pseudonyms);
    let known = known::find(state, &names).map_err(|source| RevealError::File {
        path: state.join("pseudonyms"),
        source,
    })?;
    let mut answers = Vec::new();
    for pseudonym in &request.pseudonyms {
        let mut stood_for = Vec::new();
        if let Ok(address) = pseudonym.parse() {
            for key in &keys {
                let mut disclosure = config.disclosure(key);
                let clear = disclosure.pseudonyms().reveal_address(address);
                stood_for.extend(clear.map(|clear| (clear.to_string(), key.id())));
            }
        }
        for key in &keys {
            let mut clear = pseudonym.clone();
            for one in known.iter().filter(|known| known.key == key.id()) {
                clear = clear.replace(&one.pseudonym, &one.clear);
            }
            if clear != *pseudonym {
                stood_for.push((clear, key.id()));
            }
        }
        answers.push(Revealed {
            pseudonym: pseudonym.clone(),
            stood_for,
        });
    }
    Ok(answers)
}

/// What the pseudonyms of a question stand for, by the key that they were made with and no other: an address turned back with
/// another key would be somebody else's.
///
/// # Errors
/// As [`reveal`].
pub fn stand_for(
    config: &Config,
    question: &Question,
) -> Result<Vec<ingest_trust::reveal::Revealed>, RevealError> {
    let request = Request {
        pseudonyms: question.pseudonyms.clone(),
        ..Request::default()
    };
    let each = reveal(config, &request)?.into_iter().map(|answer| {
        let mut by_key = answer
            .stood_for
            .into_iter()
            .filter(|(_, key)| *key == question.key);
        ingest_trust::reveal::Revealed {
            pseudonym: answer.pseudonym,
            stood_for: by_key.next().map(|(clear, _)| clear),
        }
    });
    Ok(each.collect())
}

/// Whether the site has the key that a question's pseudonyms were made with.
///
/// # Errors
/// If keys can't be read.
pub fn has_key(state: &Path, question: &Question) -> Result<bool, RevealError> {
    Ok(keys::read(state)?.iter().any(|key| key.id() == question.key))
}

/// The pseudonyms of labels, accounts and hardware addresses in what was asked for: `h-….vardedal.kommune.no` has one.
fn names_in(pseudonyms: &[String]) -> Vec<String> {
    let mut names = pseudonyms.to_vec();
    for pseudonym in pseudonyms {
        names.extend(parts(pseudonym).map(str::to_owned));
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// How many pseudonyms are asked for: several may stand in one text.
fn count(pseudonyms: &[String]) -> usize {
    let of = |text: &String| {
        let parts = parts(text);
        // `h-…`, `u-…` and their like; an address has none and is one.
        parts.filter(|part| part.get(1..2) == Some("-")).count().max(1)
    };
    pseudonyms.iter().map(of).sum()
}

fn parts(pseudonym: &str) -> impl Iterator<Item = &str> {
    let parts = pseudonym.split(['.', '@', '\\', '/', '$', ':']);
    parts.filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests;
