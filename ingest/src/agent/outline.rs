//! What a batch of records comes to by stream, for when it is turned away.

use ingest_event::Timestamp;

use crate::record::Record;
use crate::spool::{Cause, Loss, Stream};

/// Records by stream, before they are handed in.
#[derive(Clone, Debug)]
pub(crate) struct Outline {
    /// The most important.
    pub(super) stream: Stream,
    pub(super) records: u64,
    pub(super) last: Option<Timestamp>,
    /// As they are told if they are turned away.
    pub(super) parts: Vec<Loss>,
}

impl Outline {
    pub(crate) fn of(records: &[Record]) -> Self {
        let mut outline = Self {
            stream: Stream::Quarantine,
            records: records.len() as u64,
            last: None,
            parts: Vec::new(),
        };
        for record in records {
            let (stream, times) = match record {
                Record::Event(draft) => {
                    outline.last = outline.last.max(Some(draft.timestamp));
                    let at = draft.timestamp.as_nanos();
                    (Stream::of_dataset(&draft.dataset), Some((at, at)))
                }
                Record::Refused(_) => (Stream::Quarantine, None),
            };
            outline.stream = outline.stream.min(stream);
            let loss = Loss {
                stream,
                cause: Cause::TurnedAway,
                records: 1,
                times,
                sequences: None,
            };
            merge(&mut outline.parts, loss);
        }
        outline
    }
}

/// Adds a loss to those of its stream and cause.
pub(super) fn merge(losses: &mut Vec<Loss>, loss: Loss) {
    let alike = |other: &&mut Loss| (other.stream, other.cause) == (loss.stream, loss.cause);
    match losses.iter_mut().find(alike) {
        Some(other) => other.add(loss),
        None => losses.push(loss),
    }
}
