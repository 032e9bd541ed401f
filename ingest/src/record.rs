//! What a source hands on: an event in the making, or something to put aside.

use std::borrow::Cow;

use ingest_event::{Fields, QuarantineReason, RAW_BYTES_MAX, Timestamp};

/// One thing that a source read.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// An event in the making.
    Event(Draft),
    /// What could not be read.
    Refused(Refusal),
}

/// What was seen, before sensor, organisation, id and sequence number are put on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// When it happened.
    pub timestamp: Timestamp,
    /// Which kind of event, for example `network.flow`.
    pub dataset: Cow<'static, str>,
    /// The dataset that the source itself stands for, configured or `generic`, where `dataset` may be what a line says of
    /// itself: what may leave is decided by both. `None` where the reader made the name.
    pub trusted: Option<Cow<'static, str>>,
    /// What was seen, by ECS name.
    pub fields: Fields,
    /// Line, packet or message number in its source, from 1.
    pub position: u64,
    /// Tells apart what the same position yields: 0, 1, …
    pub ordinal: u32,
}

/// What could not be read, with what a person needs to mend it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Why, as a code.
    pub reason: QuarantineReason,
    /// What was wrong and what would mend it. Words of ours may leave the building; those that were put together here may
    /// quote the input, and stay.
    pub detail: Cow<'static, str>,
    /// Line, packet or message number in its source, from 1.
    pub position: u64,
    /// The first [`RAW_BYTES_MAX`] bytes of it.
    pub raw: Vec<u8>,
    /// Its whole length in bytes.
    pub raw_bytes: u64,
}

impl Refusal {
    /// A refusal of `raw`, which is cut to what quarantine keeps.
    #[must_use]
    #[cold]
    pub fn new(
        reason: QuarantineReason,
        detail: impl Into<Cow<'static, str>>,
        position: u64,
        raw: &[u8],
    ) -> Self {
        let kept = raw.get(..RAW_BYTES_MAX).unwrap_or(raw);
        Self {
            reason,
            detail: detail.into(),
            position,
            raw: kept.to_vec(),
            raw_bytes: raw.len() as u64,
        }
    }
}
