//! What one partition of the signals receives: rounds that are not durable yet wait here.

use std::collections::BTreeMap;

use detect_engine::{Signal, Stream};
use ingest_event::OrganizationNumber;
use serde::{Deserialize, Serialize};

use super::{Content, Head, PART_BYTES_MAX, SignalsError};

/// Of every event partition, what has come of a round that may still come again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbox {
    senders: BTreeMap<(OrganizationNumber, u32), Sender>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sender {
    epoch: u64,
    /// The round of the last mark.
    marked: u64,
    /// By round and number, so that a part that comes twice is there once.
    parts: BTreeMap<(u64, u32), Vec<u8>>,
}

/// What can be counted now.
#[derive(Debug)]
pub struct Received {
    /// In no order.
    pub signals: Vec<Signal>,
    /// Whose they are, and how far that stream has come.
    pub stream: Stream,
}

/// Why a record was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Of another group of detectors.
    OtherGroup,
    /// Of a detector that has lost the partition.
    Fenced,
    /// A mark of a round before the last one: the bus brought it again.
    Repeated,
}

impl Inbox {
    /// Takes a record; gives what it makes valid, if it is a mark.
    ///
    /// # Errors
    /// If it is not understood; then it has no effect.
    pub fn take(
        &mut self,
        group: &str,
        record: &[u8],
    ) -> Result<Result<Option<Received>, Refused>, SignalsError> {
        let (head, rest) = Head::decode(record)?;
        if head.group != group {
            return Ok(Err(Refused::OtherGroup));
        }
        if let Content::Part { .. } = head.content {
            read(rest, &mut Vec::new())?;
        }
        let from = (head.organization, head.partition);
        let sender = self.senders.entry(from).or_default();
        if head.epoch < sender.epoch {
            return Ok(Err(Refused::Fenced));
        }
        if sender.epoch < head.epoch {
            sender.epoch = head.epoch;
            sender.marked = 0;
            // What the owner before sent after its last checkpoint comes again.
            let durable = match head.content {
                Content::Part { .. } => head.round.saturating_sub(1),
                Content::Mark { .. } => head.round,
            };
            sender.parts.retain(|(round, _), _| *round <= durable);
        }
        let watermark = match head.content {
            Content::Part { number } => {
                sender.parts.insert((head.round, number), rest.to_vec());
                return Ok(Ok(None));
            }
            Content::Mark { .. } if head.round < sender.marked => return Ok(Err(Refused::Repeated)),
            Content::Mark { watermark } => watermark,
        };
        sender.marked = head.round;
        let mut signals = Vec::new();
        for part in sender.up_to(head.round) {
            read(&part, &mut signals)?;
        }
        let stream = Stream {
            organization: head.organization,
            number: u64::from(head.partition),
            count: usize::try_from(head.partitions).unwrap_or(usize::MAX),
            watermark,
        };
        Ok(Ok(Some(Received { signals, stream })))
    }

    /// As bytes, for a checkpoint.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Texts and numbers always serialise.
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// As [`Inbox::to_bytes`] wrote it.
    ///
    /// # Errors
    /// If these are not the bytes of one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignalsError> {
        postcard::from_bytes(bytes).map_err(SignalsError::Unreadable)
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let senders = self.senders.values();
        senders
            .flat_map(|sender| sender.parts.values())
            .map(Vec::len)
            .sum()
    }
}

impl Sender {
    /// Takes out the parts of a round and of those before.
    fn up_to(&mut self, round: u64) -> Vec<Vec<u8>> {
        let later = self.parts.split_off(&(round.saturating_add(1), 0));
        std::mem::replace(&mut self.parts, later).into_values().collect()
    }
}

/// The signals of a part.
fn read(part: &[u8], signals: &mut Vec<Signal>) -> Result<(), SignalsError> {
    let part = zstd::bulk::decompress(part, PART_BYTES_MAX).map_err(SignalsError::Compressed)?;
    let mut part = part.as_slice();
    while let Some((length, rest)) = part.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (signal, rest) = rest.split_at_checked(length).ok_or(SignalsError::Cut)?;
        signals.append(&mut Signal::decode(signal).map_err(SignalsError::Signal)?);
        part = rest;
    }
    match part {
        [] => Ok(()),
        _ => Err(SignalsError::Cut),
    }
}
