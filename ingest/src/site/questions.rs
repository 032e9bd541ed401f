//! Questions of the centre that wait for a person on site, in `state/reveals`: `<id>.question` as it was believed, beside
//! it `<id>.answer` once there is one, until the centre has it.
//!
//! The sensor puts questions in and takes answers away; whoever is on site answers with another process. An answer is made
//! once, under a lock: whoever comes second is told so.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ingest_event::Timestamp;
use ingest_trust::reveal::{self as noun, Answer, OPEN_MAX, Outcome, Question, is_id};
use thiserror::Error;

use super::reveal::{self, RevealError, Step};
use crate::config::{Automatic, Config, Reveal, RevealPolicy};
use crate::control::files;

/// The folder in the sensor's state.
const FOLDER: &str = "reveals";

/// Held by whoever changes something in it.
const LOCK: &str = "lock";

const QUESTION: &str = "question";
const ANSWER: &str = "answer";

/// Who answers where the configuration does.
pub const CONFIGURATION: &str = "configuration";

/// The folder.
#[derive(Clone, Debug)]
pub struct Questions {
    state: PathBuf,
    folder: PathBuf,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What is asked.
    pub question: Question,
    /// What was answered, if the centre has it not yet.
    pub answer: Option<Answer>,
}

/// Why a question is not answered, or can't be kept.
#[derive(Debug, Error)]
pub enum QuestionError {
    /// There is none with that id.
    #[error("no question {0} waits for an answer; `varde-sensor reveal list` shows those that do")]
    None(String),
    /// Somebody did.
    #[error("question {0} is answered already")]
    Answered(String),
    /// Its time ran out.
    #[error("question {0} is out of date; the centre takes no answer to it any more")]
    Over(String),
    /// A name or a reason is missing.
    #[error("say who answers (`--by`) and why (`--reason`)")]
    Incomplete,
    /// The disk.
    #[error("use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The log or the keys.
    #[error(transparent)]
    Reveal(#[from] RevealError),
}

impl Questions {
    /// Those of a sensor's state.
    #[must_use]
    pub fn at(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
            folder: state.join(FOLDER),
        }
    }

    /// All of them, by id; a file that is none is passed over.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn list(&self) -> Result<Vec<Waiting>, QuestionError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(error)),
        };
        let mut ids = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(|error| self.failed(error))?.file_name();
            let id = name
                .to_str()
                .and_then(|name| name.strip_suffix(QUESTION)?.strip_suffix('.'));
            ids.extend(id.filter(|id| is_id(id)).map(str::to_owned));
        }
        let waiting = ids.iter().map(|id| self.waiting(id));
        waiting.filter_map(Result::transpose).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn waiting(&self, id: &str) -> Result<Option<Waiting>, QuestionError> {
        if !is_id(id) {
            return Ok(None);
        }
        let read = |kind| files::read(&self.path(id, kind)).map_err(|error| self.failed(error));
        let question = read(QUESTION)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(question) = question else { return Ok(None) };
        // One that is torn by hand is as none: somebody answers again.
        let answer = read(ANSWER)?.and_then(|bytes| Answer::parse(&bytes).ok());
        Ok(Some(Waiting { question, answer }))
    }

    /// Whether a question is about pseudonyms of this sensor's.
    ///
    /// # Errors
    /// If the keys can't be read.
    pub fn are_ours(&self, question: &Question) -> Result<bool, QuestionError> {
        Ok(reveal::has_key(&self.state, question)?)
    }

    /// Takes a question that is believed; `false` if it is there, or there are too many. It is written down first.
    ///
    /// # Errors
    /// If the disk or the log refuses.
    pub fn take(&self, question: &Question, now: Timestamp) -> Result<bool, QuestionError> {
        let _held = self.lock()?;
        let waiting = self.list()?;
        if OPEN_MAX <= waiting.len() || waiting.iter().any(|one| one.question.id == question.id) {
            return Ok(false);
        }
        reveal::note_question(&self.state, question, Step::Asked, ("", "", false), now)?;
        let text = serde_json::to_vec(question).unwrap_or_default();
        let path = self.path(&question.id, QUESTION);
        files::write(&path, &text).map_err(|error| self.failed(error))?;
        Ok(true)
    }

    /// Answers a question: what was decided is in the log, on the disk, before anything is revealed.
    ///
    /// # Errors
    /// [`QuestionError`].
    pub fn answer(
        &self,
        config: &Config,
        id: &str,
        approved: bool,
        (by, because): (&str, &str),
        now: Timestamp,
    ) -> Result<Answer, QuestionError> {
        let none = || QuestionError::None(id.to_owned());
        self.waiting(id)?.ok_or_else(none)?;
        let _held = self.lock()?;
        let waiting = self.waiting(id)?.ok_or_else(none)?;
        if waiting.answer.is_some() {
            return Err(QuestionError::Answered(id.to_owned()));
        }
        let question = waiting.question;
        if question.until <= now {
            return Err(QuestionError::Over(id.to_owned()));
        }
        if by.trim().is_empty() || because.trim().is_empty() {
            return Err(QuestionError::Incomplete);
        }
        let decided = (by, because, approved);
        let digest = reveal::note_question(&self.state, &question, Step::Answered, decided, now)?;
        let values = if approved {
            reveal::stand_for(config, &question)?
        } else {
            Vec::new()
        };
        let answer = Answer {
            id: question.id,
            outcome: if approved {
                Outcome::Revealed
            } else {
                Outcome::Refused
            },
            by: by.trim().chars().take(NAME_CHARS).collect(),
            reason: because.trim().chars().take(*noun::REASON_CHARS.end()).collect(),
            at: now,
            values,
            digest,
        };
        let path = self.path(&answer.id, ANSWER);
        let text = serde_json::to_vec(&answer).unwrap_or_default();
        files::write(&path, &text).map_err(|error| self.failed(error))?;
        files::give_to_owner(&self.state, &path);
        Ok(answer)
    }

    /// Held until it is dropped: what one process decides no other changes meanwhile.
    fn lock(&self) -> Result<File, QuestionError> {
        let locked = || {
            files::make_folder(&self.folder)?;
            let path = self.folder.join(LOCK);
            let mut options = OpenOptions::new();
            let file = options
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)?;
            files::give_to_owner(&self.state, &path);
            file.lock()?;
            Ok(file)
        };
        locked().map_err(|error| self.failed(error))
    }

    /// Forgets a question, and writes down why; what was answered is in the log.
    ///
    /// # Errors
    /// If the disk or the log refuses: then it is still there.
    pub fn forget(&self, question: &Question, step: Step, now: Timestamp) -> Result<(), QuestionError> {
        let _held = self.lock()?;
        reveal::note_question(&self.state, question, step, ("", "", false), now)?;
        // The answer first: a question without one is answered again, an answer without a question would lie there.
        for kind in [ANSWER, QUESTION] {
            files::remove(&self.path(&question.id, kind)).map_err(|error| self.failed(error))?;
        }
        files::sync_above(&self.path(&question.id, QUESTION)).map_err(|error| self.failed(error))
    }

    fn path(&self, id: &str, kind: &str) -> PathBuf {
        self.folder.join(format!("{id}.{kind}"))
    }

    fn failed(&self, source: io::Error) -> QuestionError {
        QuestionError::File {
            path: self.folder.clone(),
            source,
        }
    }
}

/// Characters of a name: as many as an answer may have.
const NAME_CHARS: usize = 200;

/// What the configuration says to a question, where no person is needed: yes or no, and why.
#[must_use]
pub fn decided(reveal: &Reveal, question: &Question) -> Option<(bool, &'static str)> {
    if reveal.policy == RevealPolicy::Never {
        return Some((false, "the site reveals nothing (reveal.policy: never)"));
    }
    let is_automatic = |one: &String| {
        let classes = classes(one);
        classes.is_some_and(|classes| {
            !classes.is_empty() && classes.iter().all(|class| reveal.automatic_for.contains(class))
        })
    };
    let all = question.pseudonyms.iter().all(is_automatic);
    all.then_some((true, "the site answers these by itself (reveal.automatic_for)"))
}

/// What a pseudonym hides, by its form; `None` if there is anything in it that has no class.
fn classes(pseudonym: &str) -> Option<BTreeSet<Automatic>> {
    if pseudonym.parse::<IpAddr>().is_ok() {
        return Some([Automatic::Addresses].into());
    }
    if is_hardware(pseudonym) {
        return Some([Automatic::Machines].into());
    }
    let mut found = BTreeSet::new();
    for part in pseudonym.split(['.', '@', '\\', '/', '$', ':']) {
        match part.get(..2) {
            Some("h-") => found.insert(Automatic::Machines),
            Some("u-") => found.insert(Automatic::Accounts),
            Some("s-" | "w-" | "c-") => return None,
            _ => false,
        };
    }
    Some(found)
}

fn is_hardware(text: &str) -> bool {
    let pairs = text.split([':', '-']);
    let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    pairs.clone().count() == 6 && pairs.clone().all(is_pair)
}

#[cfg(test)]
mod tests;
