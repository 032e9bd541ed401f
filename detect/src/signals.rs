//! What travels from the partitions that are scanned to where groups are held together: the records of `varde.signals`.
//!
//! Pure: bytes in, bytes out. [`Outbox`] is the side of one event partition, [`Inbox`] that of one partition of the
//! signals. Between them every signal counts exactly once, though the bus delivers at least once (decision 0008): what
//! an event partition sends between two checkpoints is a round, and a round counts only once its checkpoint is durable,
//! which a mark says. A detector that takes a partition over says which round was the last one; what came
//! of a later one is dropped, since it is going to come again.
//!
//! The bytes are described in `docs/wire-format.md`.

mod inbox;
mod outbox;

use detect_engine::{SignalError, Stage};
use ingest_bus::Topic;
use ingest_event::OrganizationNumber;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use inbox::{Inbox, Received, Refused};
pub use outbox::{Outbox, Source};

/// The version written, and the highest read.
const SCHEMA: u8 = 1;

/// Which rules are kept with a partition of a topic that has so many.
#[must_use]
pub fn stage(topic: &Topic, partitions: u32) -> Stage {
    match partitions {
        _ if topic.as_str() == ingest_event::topic::SIGNALS => Stage::Signals,
        // All of the organisation's events are here: only what is held together over organisations travels.
        0 | 1 => Stage::Organization,
        _ => Stage::Scan,
    }
}

/// The first part of a record; signals follow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    schema: u8,
    /// The consumer group of the detector: several may share a bus, each with signals of its own.
    group: String,
    /// Whose events they were.
    organization: OrganizationNumber,
    /// Of which partition of its topic.
    partition: u32,
    /// How many partitions that topic has.
    partitions: u32,
    /// Grows whenever a detector takes the event partition over; what comes of a lower one is of an owner that lost it.
    epoch: u64,
    /// Counts checkpoints of the event partition.
    round: u64,
    content: Content,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Content {
    /// Signals of this round, which count when its mark comes.
    Part {
        /// Its number in the round: the same one may come twice.
        number: u32,
    },
    /// The round and those before are durable, and nothing comes before this time any more, in nanoseconds. The
    /// highest there is: nothing at all is under way.
    Mark { watermark: i64 },
}

/// Why a record is not understood.
#[derive(Debug, Error)]
pub enum SignalsError {
    /// Damaged, or not ours.
    #[error("read a record of signals")]
    Unreadable(#[source] postcard::Error),
    /// Shorter than it says.
    #[error("read a record of signals: it ends in the middle of one")]
    Cut,
    /// Not compressed as it should be.
    #[error("decompress a record of signals")]
    Compressed(#[source] std::io::Error),
    /// A signal in it.
    #[error("read a signal")]
    Signal(#[source] SignalError),
    /// Written by a newer detector.
    #[error(
        "read a record of signals of schema {schema}: this detector knows up to {SCHEMA}, upgrade it first"
    )]
    TooNew {
        /// The schema it says.
        schema: u8,
    },
}

/// Signals of one event repeat most of each other. Fast, and the records are small.
const LEVEL: i32 = 3;

/// The most bytes that a part may have when it is read: one signal with the largest event, beyond a full part.
const PART_BYTES_MAX: usize = 16 << 20;

impl Head {
    fn encode(&self) -> Vec<u8> {
        // Texts and numbers always serialise.
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// The head of a record, and what follows it.
    fn decode(record: &[u8]) -> Result<(Self, &[u8]), SignalsError> {
        match record.first() {
            Some(schema) if SCHEMA < *schema => Err(SignalsError::TooNew { schema: *schema }),
            Some(_) | None => postcard::take_from_bytes(record).map_err(SignalsError::Unreadable),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
