//! The audit log: who changed what, when, from what and to what, in a chain that can't be changed unseen.
//!
//! Every entry's digest is SHA-256 over the digest of the entry before it (32 bytes, of the first one zeros) and its own
//! canonical bytes: the text `varde audit 1` and a zero byte; number and time in nanoseconds since 1970, eight bytes each with
//! the greatest first; actor, action and subject, each with its length in eight bytes before it; and `before` and `after`, each
//! as a zero byte where there is none, else a one and the JSON text with its length. Where the actor's account is known, the text is
//! `varde audit 2`, and the account's id follows with its length; so entries from before accounts were kept are as they were, and
//! none can get or lose its account. A changed, missing, added or swapped entry breaks the chain at the first place that does not fit.
//!
//! Who may write to the store can make the whole chain anew. Against that the [`Head`] (number and digest of the last entry)
//! is kept outside of it: `varde audit head` prints it, and [`Chain::expecting`] holds the log to it. A log that was cut at
//! its end does not reach a head that was noted before.

mod line;
mod log;

use std::{fmt, str::FromStr};

use alerting_incident::Actor;
use ingest_event::Timestamp;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

pub use line::{LineError, read_line, write_line};
pub use log::Log;

/// What every entry's bytes begin with: another form of them gets another number.
const FORM: &[u8] = b"varde audit 1\0";
/// The same of an entry with the actor's account.
const FORM_WITH_ACCOUNT: &[u8] = b"varde audit 2\0";

/// SHA-256 of an entry and all before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

/// What was done, before it has its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// When.
    pub at: Timestamp,
    /// Who: see [`named`].
    pub actor: String,
    /// The id of their account, which stays theirs whatever they are called; `None` for who has none, and in older entries.
    pub account: Option<String>,
    /// What, for example `registry.put`.
    pub action: String,
    /// To what, for example `organization/964965226`.
    pub subject: String,
    /// What was there before, as JSON.
    pub before: Option<String>,
    /// What is there now, as JSON.
    pub after: Option<String>,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place: 1, 2, 3, …
    pub seq: u64,
    /// What was done.
    pub deed: Deed,
    /// Its own digest.
    pub digest: Digest,
}

/// How far a log goes: what is kept outside of it, written `SEQ:DIGEST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last entry; 0 where there is none.
    pub seq: u64,
    /// Its digest.
    pub digest: Digest,
}

/// Why a text is no head.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "read a head of the audit log: write it as `varde audit head` prints it, NUMBER:DIGEST with 64 hexadecimal digits"
)]
pub struct HeadError;

/// Walks along a log and checks each entry.
#[derive(Clone, Debug)]
pub struct Chain {
    at: Head,
    noted: Vec<Head>,
}

/// The first entry that does not fit.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Broken {
    /// Another number than the next.
    #[error("entry {expected} is missing: entry {found} stands in its place")]
    Gap {
        /// The number that should come.
        expected: u64,
        /// The one that does.
        found: u64,
    },
    /// It was changed, or one before it was.
    #[error("entry {seq} was changed, or does not follow the one before it")]
    Changed {
        /// Which.
        seq: u64,
    },
    /// It fits, but not what was noted of it earlier: the log was made anew.
    #[error("entry {seq} is another one than was noted: the log was made anew")]
    Replaced {
        /// Which.
        seq: u64,
    },
    /// The log ends before what was noted.
    #[error("the log ends with entry {end}, but once reached entry {noted}: entry {} and those after it were cut off", end + 1)]
    Cut {
        /// The last that is there.
        end: u64,
        /// The one that was noted.
        noted: u64,
    },
}

impl Deed {
    /// What someone did to something; JSON of before and after goes in with [`Deed::before`] and [`Deed::after`].
    #[must_use]
    pub fn by(actor: &Actor, at: Timestamp, action: &str, subject: impl Into<String>) -> Self {
        Self {
            at,
            actor: named(actor),
            account: actor.account().map(str::to_owned),
            action: action.to_owned(),
            subject: subject.into(),
            before: None,
            after: None,
        }
    }

    /// With what was there before, if anything was.
    #[must_use]
    pub fn before(mut self, value: Option<&serde_json::Value>) -> Self {
        self.before = value.map(ToString::to_string);
        self
    }

    /// With what is there now, if anything is left.
    #[must_use]
    pub fn after(mut self, value: Option<&serde_json::Value>) -> Self {
        self.after = value.map(ToString::to_string);
        self
    }
}

impl Broken {
    /// The first entry that is not as it was.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        match self {
            Self::Gap { expected, .. } => *expected,
            Self::Changed { seq } | Self::Replaced { seq } => *seq,
            Self::Cut { end, .. } => *end + 1,
        }
    }
}

impl Digest {
    /// The one that begins the chain.
    pub const BEGINNING: Self = Self([0; 32]);

    /// Of a deed at a place after another.
    #[must_use]
    pub fn of(previous: Self, seq: u64, deed: &Deed) -> Self {
        let mut hash = Sha256::new();
        hash.update(previous.0);
        hash.update(if deed.account.is_some() {
            FORM_WITH_ACCOUNT
        } else {
            FORM
        });
        hash.update(seq.to_be_bytes());
        hash.update(deed.at.as_nanos().to_be_bytes());
        let put = |hash: &mut Sha256, text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        for text in [&deed.actor, &deed.action, &deed.subject] {
            put(&mut hash, text);
        }
        for value in [&deed.before, &deed.after] {
            hash.update([u8::from(value.is_some())]);
            if let Some(text) = value {
                put(&mut hash, text);
            }
        }
        if let Some(account) = &deed.account {
            put(&mut hash, account);
        }
        Self(hash.finalize().into())
    }
}

impl Head {
    /// Of a log with nothing in it.
    pub const EMPTY: Self = Self {
        seq: 0,
        digest: Digest::BEGINNING,
    };

    /// The entry that follows with a deed.
    #[must_use]
    pub fn append(self, deed: Deed) -> Entry {
        let seq = self.seq.saturating_add(1);
        let digest = Digest::of(self.digest, seq, &deed);
        Entry { seq, deed, digest }
    }
}

impl Entry {
    /// The head of a log that ends here.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head {
            seq: self.seq,
            digest: self.digest,
        }
    }
}

impl Chain {
    /// From the beginning, holding the log to the heads that were noted of it.
    #[must_use]
    pub fn expecting(noted: impl IntoIterator<Item = Head>) -> Self {
        Self {
            at: Head::EMPTY,
            noted: noted.into_iter().filter(|head| 0 < head.seq).collect(),
        }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// If it does not follow.
    pub fn follow(&mut self, entry: &Entry) -> Result<(), Broken> {
        let (expected, found) = (self.at.seq.saturating_add(1), entry.seq);
        if expected != found {
            return Err(Broken::Gap { expected, found });
        }
        if Digest::of(self.at.digest, found, &entry.deed) != entry.digest {
            return Err(Broken::Changed { seq: found });
        }
        let is_another = |noted: &Head| noted.seq == found && noted.digest != entry.digest;
        if self.noted.iter().any(is_another) {
            return Err(Broken::Replaced { seq: found });
        }
        self.at = entry.head();
        Ok(())
    }

    /// Ends here.
    ///
    /// # Errors
    /// If the log reached further once.
    pub fn finish(self) -> Result<Head, Broken> {
        let end = self.at.seq;
        match self.noted.iter().map(|head| head.seq).max() {
            Some(noted) if end < noted => Err(Broken::Cut { end, noted }),
            Some(_) | None => Ok(self.at),
        }
    }
}

/// An actor as the log names them: `analyst:NAME`, `responder:NAME` or `varde`.
#[must_use]
pub fn named(actor: &Actor) -> String {
    match actor {
        Actor::Analyst { name, .. } => format!("analyst:{name}"),
        Actor::Responder { name, .. } => format!("responder:{name}"),
        Actor::Varde => "varde".to_owned(),
    }
}

/// Whether it was they who did what is kept with this account, and this name from [`named`]: by the account, or by the name where neither
/// has one.
pub(crate) fn is_by(actor: &Actor, account: Option<&str>, name: &str) -> bool {
    match (actor.account(), account) {
        (None, None) => named(actor) == name,
        (own, account) => own.is_some() && own == account,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| HeadError)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.digest)
    }
}

impl FromStr for Head {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        let (seq, digest) = text.trim().split_once(':').ok_or(HeadError)?;
        Ok(Self {
            seq: seq.parse().map_err(|_| HeadError)?,
            digest: digest.parse()?,
        })
    }
}

#[cfg(test)]
mod tests;
