//! An observation on its way to where its group is kept.

use ingest_event::OrganizationNumber;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    observation::{Observation, Written},
    track::{Track, Tracks},
};

/// The version written, and the highest read.
const VERSION: u8 = 1;

/// An observation that travels. The same key always goes to the same place.
#[derive(Clone, Debug)]
pub struct Signal {
    /// Whose event it was.
    pub organization: OrganizationNumber,
    /// What decides the partition: the rule's family, and what the groups of its rules have in common.
    pub key: Vec<u8>,
    written: Written,
}

/// Why bytes are no signals.
#[derive(Debug, Error)]
pub enum SignalError {
    /// Damaged, or not ours.
    #[error("read signals")]
    Unreadable(#[source] postcard::Error),
    /// Written by a newer version.
    #[error("read signals of version {version}: this reader knows up to {VERSION}, upgrade it first")]
    TooNew {
        /// The version they say.
        version: u8,
    },
}

#[derive(Serialize, Deserialize)]
struct Many {
    version: u8,
    signals: Vec<Written>,
}

impl Signal {
    pub(super) fn of(observation: &Observation, track: &Track) -> Self {
        let mut key = track.family_identity.bytes().to_vec();
        key.push(u8::from(observation.head.exercise));
        if !track.family.is_national {
            key.extend_from_slice(&observation.head.organization.digits());
        }
        let group = observation.text.group();
        for value in track.family.shared.iter().filter_map(|at| group.get(*at)) {
            key.extend_from_slice(&(value.len() as u64).to_le_bytes());
            key.extend_from_slice(value.as_bytes());
        }
        Self {
            organization: observation.head.organization,
            key,
            written: observation.write(track.identity),
        }
    }

    /// With the number that its rule has; nothing if the rule is gone.
    pub(super) fn read(self, tracks: &Tracks) -> Option<Observation> {
        let track = tracks.number(self.written.identity)?;
        Some(self.written.read(track))
    }

    /// Several as bytes.
    #[must_use]
    pub fn encode(signals: Vec<Self>) -> Vec<u8> {
        let many = Many {
            version: VERSION,
            signals: signals.into_iter().map(|signal| signal.written).collect(),
        };
        // Texts and numbers always serialise.
        postcard::to_allocvec(&many).unwrap_or_default()
    }

    /// As they were, but for where they go, which has had its use.
    ///
    /// # Errors
    /// If the bytes are none, or of a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Vec<Self>, SignalError> {
        let (version, _) = postcard::take_from_bytes::<u8>(bytes).map_err(SignalError::Unreadable)?;
        if VERSION < version {
            return Err(SignalError::TooNew { version });
        }
        let many: Many = postcard::from_bytes(bytes).map_err(SignalError::Unreadable)?;
        let signals = many.signals.into_iter().map(|written| Self {
            organization: written.organization(),
            key: Vec::new(),
            written,
        });
        Ok(signals.collect())
    }
}
