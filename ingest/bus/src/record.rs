//! What travels: records as bytes, their deliveries, and batches of them.
//!
//! The bus does not look inside a value; what the bytes mean is the business of the crates with the nouns.

use std::time::Duration;

use crate::topic::{Position, TopicPartition};

/// One record: an optional key, a value and headers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Records with equal keys go to the same partition and so keep their order.
    pub key: Option<Vec<u8>>,
    /// The payload; may be empty, which is not the same as a tombstone.
    pub value: Vec<u8>,
    /// Names with values, in order; names may repeat.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Says that the key's earlier records are void; its value is empty.
    pub tombstone: bool,
}

impl Record {
    /// A record with a value only.
    pub fn new(value: impl Into<Vec<u8>>) -> Record {
        Record {
            value: value.into(),
            ..Record::default()
        }
    }

    /// A record that voids what a compacted topic holds for a key.
    pub fn tombstone(key: impl Into<Vec<u8>>) -> Record {
        Record {
            key: Some(key.into()),
            tombstone: true,
            ..Record::default()
        }
    }

    /// The same record with a key.
    pub fn with_key(mut self, key: impl Into<Vec<u8>>) -> Record {
        self.key = Some(key.into());
        self
    }

    /// The same record with one more header.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Record {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// What counts against `max_record_bytes`: key, value and headers.
    pub fn bytes(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        self.key.as_ref().map_or(0, Vec::len) + self.value.len() + headers
    }
}

/// A record that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its own place; commit [`Position::next`] of it.
    pub position: Position,
    /// When it was appended, in milliseconds since 1970: the producer's clock on Kafka, the node's when embedded.
    pub appended_ms: i64,
    /// What was published.
    pub record: Record,
}

/// What one poll brings, to be handled in the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Partitions this member gives up. They stay its own until it polls again, so what they need (a checkpoint, a
    /// commit) can still be written; after that another member has them.
    pub lost: Vec<TopicPartition>,
    /// Partitions this member reads from now on, from their committed position or else the earliest record.
    pub gained: Vec<TopicPartition>,
    /// Records, in order within each partition; none of a partition in `lost`.
    pub deliveries: Vec<Delivery>,
}

impl Batch {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.gained.is_empty() && self.deliveries.is_empty()
    }
}

/// How much one poll may bring and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollLimit {
    /// The most records.
    pub records: usize,
    /// The most bytes of records; a single larger record still comes, alone.
    pub bytes: usize,
    /// How long to wait while there is nothing.
    pub wait: Duration,
}
