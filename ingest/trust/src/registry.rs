//! Who is who: what stands in the compacted topic `varde.sensors`, and what follows from it.
//!
//! Every key has one writer, so nobody overwrites what another decided: `code/…` and `sensor/…` and `refusal/…` are the
//! centre's (`varde sensors`), `request/…`, `issued/…` and `status/…` the gateway's.

use std::collections::BTreeMap;

use ingest_event::topic::SENSORS;
use ingest_event::{OrganizationNumber, SensorId, Timestamp, Zone};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::key::Fingerprint;

/// Requests that wait at once: more is somebody knocking, not municipalities.
pub const WAITING_MAX: usize = 1_000;

/// Characters of what a sensor says of itself, such as its machine's name.
pub const WORDS_MAX: usize = 64;

/// Former keys that are kept: those before are as unknown as a stranger's.
pub const FORMER_MAX: usize = 16;

/// An enrolment code that was given out. Its key: `code/` and the digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// Of the secret ([`crate::code::digest_of`]).
    pub digest: String,
    /// Until when it opens the door, nanoseconds since 1970.
    pub until: i64,
    /// For whom it was made, as a hint for whoever approves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
}

/// Somebody who asks to be let in. Its key: `request/` and the key's fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Of the sensor's key.
    pub fingerprint: Fingerprint,
    /// The digest of the code that was shown.
    pub code: String,
    /// When, nanoseconds since 1970.
    pub at: i64,
    /// The name of the machine, as it says.
    pub host: String,
    /// Its program's version.
    pub program: String,
}

/// What a person at the centre decided of a sensor. Its key: `sensor/` and the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its name.
    pub sensor: String,
    /// Whose it is.
    pub organization: String,
    /// Where it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// The one key that is its own.
    pub fingerprint: Fingerprint,
    /// Keys of hardware that it had before, newest last; at most [`FORMER_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Fingerprint>,
    /// Since when, nanoseconds since 1970.
    pub at: i64,
    /// Whether it is let in no more.
    #[serde(default)]
    pub revoked: bool,
}

/// A request that was turned down. Its key: `refusal/` and the fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Of the key.
    pub fingerprint: Fingerprint,
    /// When, nanoseconds since 1970.
    pub at: i64,
}

/// The newest certificate. Its key: `issued/` and the sensor's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// The sensor.
    pub sensor: String,
    /// For which key.
    pub fingerprint: Fingerprint,
    /// Until when it is good, nanoseconds since 1970.
    pub until: i64,
}

/// How a sensor says it fares. Its key: `status/` and the sensor's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The sensor.
    pub sensor: String,
    /// When it was last heard, nanoseconds since 1970.
    pub at: i64,
    /// What it reports.
    pub report: crate::wire::Report,
}

/// One record of the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its noun")]
pub enum Entry {
    Code(Code),
    Asked(Asked),
    Known(Known),
    Refusal(Refusal),
    Issued(Issued),
    Status(Status),
}

/// Why a record of the topic can't be read.
#[derive(Debug, Error)]
#[error("read the record `{key}` of {SENSORS}: {detail}")]
pub struct EntryError {
    /// Its key, shortened.
    pub key: String,
    /// What is wrong.
    pub detail: String,
}

/// What all records say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    codes: BTreeMap<String, Code>,
    asked: BTreeMap<Fingerprint, Asked>,
    known: BTreeMap<String, Known>,
    by_key: BTreeMap<Fingerprint, String>,
    refused: BTreeMap<Fingerprint, Refusal>,
    issued: BTreeMap<String, Issued>,
    status: BTreeMap<String, Status>,
}

/// What a key is to the centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// Nobody has asked with it.
    Unknown,
    /// A person has yet to decide.
    Waiting(&'a Asked),
    /// A sensor's.
    Known(&'a Known),
    /// A sensor's that is let in no more.
    Revoked(&'a Known),
    /// It was turned down, or another key took its place.
    Refused,
}

impl Entry {
    /// Under which key it stands.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Code(code) => format!("code/{}", code.digest),
            Self::Asked(asked) => format!("request/{}", asked.fingerprint),
            Self::Known(known) => format!("sensor/{}", known.sensor),
            Self::Refusal(refusal) => format!("refusal/{}", refusal.fingerprint),
            Self::Issued(issued) => format!("issued/{}", issued.sensor),
            Self::Status(status) => format!("status/{}", status.sensor),
        }
    }

    /// As it stands there.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        let value = match self {
            Self::Code(code) => serde_json::to_vec(code),
            Self::Asked(asked) => serde_json::to_vec(asked),
            Self::Known(known) => serde_json::to_vec(known),
            Self::Refusal(refusal) => serde_json::to_vec(refusal),
            Self::Issued(issued) => serde_json::to_vec(issued),
            Self::Status(status) => serde_json::to_vec(status),
        };
        value.unwrap_or_default()
    }

    /// Reads a record. What has a key that is not known is `None`: a newer centre's.
    ///
    /// # Errors
    /// [`EntryError`], also if the record says another key than it stands under.
    pub fn parse(key: &[u8], value: &[u8]) -> Result<Option<Self>, EntryError> {
        let shown: String = String::from_utf8_lossy(key).chars().take(96).collect();
        let bad = |detail: String| EntryError {
            key: shown.clone(),
            detail,
        };
        let kind = shown.split('/').next().unwrap_or_default();
        let read = match kind {
            "code" => serde_json::from_slice(value).map(Self::Code),
            "request" => serde_json::from_slice(value).map(Self::Asked),
            "sensor" => serde_json::from_slice(value).map(Self::Known),
            "refusal" => serde_json::from_slice(value).map(Self::Refusal),
            "issued" => serde_json::from_slice(value).map(Self::Issued),
            "status" => serde_json::from_slice(value).map(Self::Status),
            _ => return Ok(None),
        };
        let entry = read.map_err(|error| bad(error.to_string()))?;
        if entry.key().as_bytes() != key {
            return Err(bad("it is about another".to_owned()));
        }
        Ok(Some(entry))
    }
}

impl Registry {
    /// Takes in one record, in place of what stood under its key.
    pub fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Code(code) => drop(self.codes.insert(code.digest.clone(), code)),
            Entry::Asked(asked) => drop(self.asked.insert(asked.fingerprint.clone(), asked)),
            Entry::Known(known) => {
                let name = known.sensor.clone();
                for key in known.former.iter().chain([&known.fingerprint]) {
                    self.by_key.insert(key.clone(), name.clone());
                }
                self.known.insert(name, known);
            }
            Entry::Refusal(refusal) => drop(self.refused.insert(refusal.fingerprint.clone(), refusal)),
            Entry::Issued(issued) => drop(self.issued.insert(issued.sensor.clone(), issued)),
            Entry::Status(status) => drop(self.status.insert(status.sensor.clone(), status)),
        }
    }

    /// What a key is.
    #[must_use]
    pub fn place(&self, fingerprint: &Fingerprint) -> Place<'_> {
        let known = self.by_key.get(fingerprint).and_then(|name| self.known.get(name));
        match known {
            Some(known) if known.fingerprint != *fingerprint => Place::Refused,
            Some(known) if known.revoked => Place::Revoked(known),
            Some(known) => Place::Known(known),
            None if self.refused.contains_key(fingerprint) => Place::Refused,
            None => match self.asked.get(fingerprint) {
                Some(asked) if !self.came_second(asked) => Place::Waiting(asked),
                Some(_) | None => Place::Unknown,
            },
        }
    }

    /// Whether another key showed the same code before: two gateways that have not seen each other's request may both
    /// have let it in.
    fn came_second(&self, second: &Asked) -> bool {
        let order = |asked: &Asked| (asked.at, asked.fingerprint.clone());
        let mut all = self.asked.values();
        all.any(|first| first.code == second.code && order(first) < order(second))
    }

    /// Whether a code, named by its digest, still opens the door for a key. A code is for the first key that shows it.
    #[must_use]
    pub fn opens(&self, digest: &str, fingerprint: &Fingerprint, now: Timestamp) -> bool {
        let good = self
            .codes
            .get(digest)
            .is_some_and(|code| now.as_nanos() < code.until);
        let used = self
            .asked
            .values()
            .any(|asked| asked.code == digest && asked.fingerprint != *fingerprint);
        good && !used
    }

    /// Who waits for a person, oldest first.
    #[must_use]
    pub fn waiting(&self) -> Vec<&Asked> {
        let mut waiting: Vec<&Asked> = self
            .asked
            .values()
            .filter(|asked| matches!(self.place(&asked.fingerprint), Place::Waiting(_)))
            .collect();
        waiting.sort_by_key(|asked| asked.at);
        waiting
    }

    /// For whom a code was made, if that was said.
    #[must_use]
    pub fn meant_for(&self, digest: &str) -> Option<OrganizationNumber> {
        let organization = self.codes.get(digest)?.organization.as_deref()?;
        OrganizationNumber::parse(organization).ok()
    }

    /// All sensors by name.
    pub fn sensors(&self) -> impl Iterator<Item = &Known> {
        self.known.values()
    }

    /// One of them.
    #[must_use]
    pub fn sensor(&self, sensor: &str) -> Option<&Known> {
        self.known.get(sensor)
    }

    /// How a sensor said it fares.
    #[must_use]
    pub fn status(&self, sensor: &str) -> Option<&Status> {
        self.status.get(sensor)
    }

    /// A sensor's newest certificate.
    #[must_use]
    pub fn issued(&self, sensor: &str) -> Option<&Issued> {
        self.issued.get(sensor)
    }
}

impl Known {
    /// The same sensor with new hardware: its key changes, its name does not.
    #[must_use]
    pub fn moved_to(mut self, fingerprint: Fingerprint, at: Timestamp) -> Self {
        if self.fingerprint != fingerprint {
            self.former.retain(|former| *former != fingerprint);
            self.former
                .push(std::mem::replace(&mut self.fingerprint, fingerprint));
            let over = self.former.len().saturating_sub(FORMER_MAX);
            self.former.drain(..over);
        }
        self.at = at.as_nanos();
        self
    }

    /// Its organisation and name, if they are what they should be.
    #[must_use]
    pub fn subject(&self) -> Option<crate::Subject> {
        Some(crate::Subject {
            organization: OrganizationNumber::parse(&self.organization).ok()?,
            sensor: SensorId::parse(&self.sensor).ok()?,
        })
    }
}

#[cfg(test)]
mod tests;
