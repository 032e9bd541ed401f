//! State of the correlate stage with the position it belongs to, in `varde.checkpoints` (D7).
//!
//! One for each consumer group and partition; a detector that gains a partition loads the newest and passes over every
//! record below its position: those have had their effect already. Positions are committed only after their checkpoint
//! is durable, so the bus never starts a reader above its state.
//!
//! **Whole or not there.** A checkpoint of any size is compressed and cut into chunks; a manifest, written last, says which
//! chunks it is made of and their digest. Two generations take turns, so what is written next never touches what counts.
//!
//! **Fenced.** Each owner writes under an epoch of its own, higher than any before it, so that one which has lost
//! the partition without knowing overwrites nothing. A new owner writes its own before it does anything, and then has
//! the others' forgotten.
//!
//! Pure: keys and bytes. Who reads and writes them is [`crate::pipeline`].

mod lease;

use std::io;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use lease::{Found, Lease, Written};

/// The version written, and the highest read. Of 1 and 2, which had no windows that are still known, the position counts.
pub const SCHEMA: u32 = 3;

/// Fast, and a third of the size.
const LEVEL: i32 = 1;

/// What one partition needs to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Every record below this offset has had its effect.
    pub offset: u64,
    /// How many checkpoints there were before this one, which is the number of its round of signals.
    pub round: u64,
    /// The ruleset that the state was built with.
    pub ruleset: String,
    /// The correlator's snapshot.
    pub state: Vec<u8>,
    /// Of a partition of the signals, what waits to become valid.
    pub inbox: Vec<u8>,
}

/// What is in front of state and inbox.
#[derive(Debug, Serialize, Deserialize)]
struct Front {
    schema: u32,
    offset: u64,
    round: u64,
    ruleset: String,
    state_bytes: u64,
}

/// Why a checkpoint can't be read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// Damaged, or not ours.
    #[error("read the checkpoint of {partition}")]
    Damaged {
        /// Topic and partition.
        partition: String,
        /// What is wrong.
        #[source]
        source: Damage,
    },
    /// Written by a newer detector.
    #[error(
        "read the checkpoint of {partition}: it has schema {schema}, this detector knows up to {SCHEMA}; upgrade it"
    )]
    SchemaTooNew {
        /// Topic and partition.
        partition: String,
        /// The schema it says.
        schema: u32,
    },
}

/// What is wrong with one.
#[derive(Debug, Error)]
pub enum Damage {
    /// Not what was written.
    #[error("understand it")]
    Unreadable(#[source] postcard::Error),
    /// Of schema 1, and not what was written.
    #[error("understand it")]
    Text(#[source] serde_json::Error),
    /// Not compressed as it should be.
    #[error("decompress it")]
    Compressed(#[source] io::Error),
    /// A chunk is missing or another one.
    #[error("its chunks are not those that its manifest names")]
    NotWhole,
}

impl Checkpoint {
    /// As bytes, compressed.
    ///
    /// # Errors
    /// If the compressor has no memory.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        let front = Front {
            schema: SCHEMA,
            offset: self.offset,
            round: self.round,
            ruleset: self.ruleset.clone(),
            state_bytes: self.state.len() as u64,
        };
        let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
        // Texts and numbers always serialise.
        let front = postcard::to_allocvec(&front).unwrap_or_default();
        for piece in [&front, &self.state, &self.inbox] {
            io::Write::write_all(&mut encoder, piece)?;
        }
        encoder.finish()
    }

    /// As it was.
    ///
    /// # Errors
    /// If these are not the bytes of one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let bytes = zstd::decode_all(bytes).map_err(Damage::Compressed)?;
        let (front, rest): (Front, &[u8]) = postcard::take_from_bytes(&bytes).map_err(Damage::Unreadable)?;
        let state_bytes = usize::try_from(front.state_bytes).unwrap_or(usize::MAX);
        let (state, inbox) = rest.split_at_checked(state_bytes).ok_or(Damage::NotWhole)?;
        Ok(Self {
            offset: front.offset,
            round: front.round,
            ruleset: front.ruleset,
            state: state.to_vec(),
            inbox: inbox.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests;
