//! Control bundles: what the centre wants a sensor to run, as a signed list of files.
//!
//! A manifest names each file by its path and the SHA-256 of its parts, so only parts that changed have to travel. The
//! sensor decides with [`Manifest::accept`], before it looks at any file.

use std::collections::BTreeSet;

use ingest_event::{OrganizationNumber, SensorId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::signing::{Envelope, SigningError, SigningKey, VerifyingKey};

/// The kind of text that is signed.
pub const KIND: &str = "application/vnd.varde.bundle+json";

/// The format that is written here and understood.
pub const FORMAT: u32 = 1;

/// Bytes of a part at most: as many as a record of any broker takes with its default.
pub const PART_BYTES: usize = 768 << 10;

/// Files of a bundle at most: all rules there are, each in its own.
pub const FILES_MAX: usize = 20_000;

/// Bytes of all files together at most: a million indicators and all rules, with room.
pub const BYTES_MAX: u64 = 256 << 20;

/// Bytes of a manifest's envelope at most.
pub const ENVELOPE_BYTES_MAX: usize = 8 << 20;

/// What a path may begin with; other files are nothing that a sensor knows.
const PLACES: [&str; 4] = ["configuration.yml", "rules/", "indicators/", "restricted.json"];

/// SHA-256 in hexadecimal digits.
pub type Digest = String;

/// A bundle's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Only ever grows, over all bundles of an authority.
    pub version: u64,
    /// For whom it is.
    pub audience: Audience,
    /// When it was signed.
    #[serde(with = "time")]
    pub issued: Timestamp,
    /// The program's version that is wanted, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The keys that are believed from now on; empty for no change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<VerifyingKey>,
    /// By path.
    pub files: Vec<File>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Below the bundle's folder.
    pub path: String,
    /// Of all its parts.
    pub bytes: u64,
    /// Its parts in order, each of [`PART_BYTES`] but the last.
    pub parts: Vec<Digest>,
}

/// For whom a bundle is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// All sensors.
    All,
    /// Those of an organisation.
    #[serde(with = "number")]
    Organization(OrganizationNumber),
    /// These, of an organisation.
    Sensors {
        /// Theirs.
        #[serde(with = "number")]
        organization: OrganizationNumber,
        /// Their names.
        sensors: Vec<String>,
    },
}

/// Who a sensor is, and how far it has come.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    /// Its organisation.
    pub organization: OrganizationNumber,
    /// Its name.
    pub sensor: &'a SensorId,
    /// The newest version that it ever took, also if it went back since; 0 for none.
    pub version: u64,
}

/// Why a bundle is not taken.
#[derive(Debug, Error)]
pub enum Untrusted {
    /// Its signature.
    #[error("the bundle is refused")]
    Signature(#[from] SigningError),
    /// It is signed, but no manifest.
    #[error("the bundle's manifest can't be read: {0}")]
    Manifest(String),
    /// A newer format.
    #[error("the bundle has format {0}, this sensor knows {FORMAT}; update the sensor")]
    Format(u32),
    /// It is for others.
    #[error("the bundle is for others")]
    Audience,
    /// An older one than was taken before.
    #[error("the bundle has version {offered}, older than {taken}, which was taken before")]
    Older {
        /// Its version.
        offered: u64,
        /// The newest taken.
        taken: u64,
    },
    /// A file that can't be one of a bundle.
    #[error("the bundle names the file `{0}`, which is none of a bundle's")]
    Path(String),
    /// Too much of something.
    #[error("the bundle is too large: {0}")]
    TooLarge(&'static str),
    /// A part that is not what its name says.
    #[error("a part of the bundle is not what was signed")]
    Part,
}

impl Manifest {
    /// Signs it.
    ///
    /// # Errors
    /// [`Untrusted`] if no sensor would take it.
    pub fn seal(&self, key: &SigningKey) -> Result<Envelope, Untrusted> {
        self.check()?;
        let text = serde_json::to_vec(self).map_err(|error| Untrusted::Manifest(error.to_string()))?;
        let sealed = key.seal(KIND, &text)?;
        if ENVELOPE_BYTES_MAX < sealed.to_bytes().len() {
            return Err(Untrusted::TooLarge("its manifest"));
        }
        Ok(sealed)
    }

    /// Reads a manifest that one of `keys` signed. That it is for the reader is not said yet.
    ///
    /// # Errors
    /// [`Untrusted`].
    pub fn open(envelope: &[u8], keys: &[VerifyingKey]) -> Result<Self, Untrusted> {
        if ENVELOPE_BYTES_MAX < envelope.len() {
            return Err(Untrusted::TooLarge("its manifest"));
        }
        Self::read(&Envelope::parse(envelope)?.open(KIND, keys)?)
    }

    /// Reads a manifest without asking who signed it: for those who pass it on.
    ///
    /// # Errors
    /// [`Untrusted`].
    pub fn unverified(envelope: &[u8]) -> Result<Self, Untrusted> {
        Self::read(&Envelope::parse(envelope)?.payload()?)
    }

    fn read(text: &[u8]) -> Result<Self, Untrusted> {
        #[derive(Deserialize)]
        struct Any {
            format: u32,
        }
        let bad = |error: serde_json::Error| Untrusted::Manifest(error.to_string());
        let any: Any = serde_json::from_slice(text).map_err(bad)?;
        if any.format != FORMAT {
            return Err(Untrusted::Format(any.format));
        }
        let manifest: Self = serde_json::from_slice(text).map_err(bad)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), Untrusted> {
        if FILES_MAX < self.files.len() {
            return Err(Untrusted::TooLarge("its number of files"));
        }
        let mut bytes = 0_u64;
        let mut before: Option<&str> = None;
        for file in &self.files {
            let path = file.path.as_str();
            let bad = || Untrusted::Path(path.chars().take(256).collect());
            // In order, so each once; by case too, for file systems that do not tell it.
            if !is_path(path) || before.is_some_and(|before| path <= before) {
                return Err(bad());
            }
            before = Some(path);
            bytes = bytes.saturating_add(file.bytes);
            let parts = file.bytes.div_ceil(PART_BYTES as u64);
            if parts != file.parts.len() as u64 || !file.parts.iter().all(|part| is_digest(part)) {
                return Err(bad());
            }
        }
        let files: BTreeSet<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        for path in &files {
            // A file where another has its folder: both can't be put down.
            let mut folders = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
            if folders.any(|folder| files.contains(folder)) {
                return Err(Untrusted::Path((*path).to_owned()));
            }
        }
        if BYTES_MAX < bytes {
            return Err(Untrusted::TooLarge("its files together"));
        }
        Ok(())
    }

    /// Whether a sensor may take it now. The same version again is no error: `Ok(false)`.
    ///
    /// # Errors
    /// [`Untrusted::Audience`] and [`Untrusted::Older`].
    pub fn accept(&self, standing: &Standing<'_>) -> Result<bool, Untrusted> {
        if !self.audience.has(standing.organization, standing.sensor) {
            return Err(Untrusted::Audience);
        }
        if self.version < standing.version {
            return Err(Untrusted::Older {
                offered: self.version,
                taken: standing.version,
            });
        }
        Ok(standing.version < self.version)
    }
}

impl Audience {
    /// Whether a sensor is meant.
    #[must_use]
    pub fn has(&self, organization: OrganizationNumber, sensor: &SensorId) -> bool {
        match self {
            Self::All => true,
            Self::Organization(number) => *number == organization,
            Self::Sensors {
                organization: number,
                sensors,
            } => *number == organization && sensors.iter().any(|name| name == sensor.as_str()),
        }
    }

    /// Whether everybody who is meant by another is meant by this one too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (
                Self::Organization(own),
                Self::Organization(number)
                | Self::Sensors {
                    organization: number, ..
                },
            ) => own == number,
            (
                Self::Sensors {
                    organization: own,
                    sensors: all,
                },
                Self::Sensors {
                    organization: number,
                    sensors,
                },
            ) => own == number && sensors.iter().all(|sensor| all.contains(sensor)),
            (Self::Organization(_) | Self::Sensors { .. }, Self::All)
            | (Self::Sensors { .. }, Self::Organization(_)) => false,
        }
    }

    /// A key for the newest bundle of an audience, in the topic of bundles.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::All => "bundle/all".to_owned(),
            Self::Organization(number) => format!("bundle/{number}"),
            Self::Sensors {
                organization,
                sensors,
            } => format!("bundle/{organization}/{}", sensors.join(",")),
        }
    }
}

impl File {
    /// The file of these bytes, with its parts in order.
    #[must_use]
    pub fn of(path: &str, bytes: &[u8]) -> (Self, Vec<Vec<u8>>) {
        let parts: Vec<Vec<u8>> = bytes.chunks(PART_BYTES).map(<[u8]>::to_vec).collect();
        let file = Self {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            parts: parts.iter().map(|part| digest(part)).collect(),
        };
        (file, parts)
    }
}

/// The name of a part.
#[must_use]
pub fn digest(part: &[u8]) -> Digest {
    hex::encode(Sha256::digest(part))
}

/// Whether a text is a part's name: it becomes a file's name and a path of a URL.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_path(path: &str) -> bool {
    let known = PLACES.iter().any(|place| {
        path.strip_prefix(place)
            .is_some_and(|rest| rest.is_empty() != place.ends_with('/'))
    });
    let plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name.len() <= 128
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    known && path.len() <= 256 && path.split('/').all(plain)
}

/// Times as RFC 3339.
pub(crate) mod time {
    use ingest_event::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Organisation numbers as text.
pub(crate) mod number {
    use ingest_event::OrganizationNumber;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(number: &OrganizationNumber, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OrganizationNumber, D::Error> {
        let text = String::deserialize(from)?;
        OrganizationNumber::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
