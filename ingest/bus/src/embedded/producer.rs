//! The producing side of the embedded log: hands records to the writer and waits until they are on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Semaphore, oneshot};

use super::Shared;
use super::writer::Command;
use crate::error::{Cause, PublishError};
use crate::record::Record;
use crate::topic::{Position, Topic};

/// Bytes of records that may wait for the writer, per producer: a second of a fast disk's work.
const WAITING_BYTES_MAX: u32 = 64 << 20;

/// Counted for every record beside its bytes: what its bookkeeping weighs in memory.
const RECORD_OVERHEAD_BYTES: usize = 96;

/// See [`crate::Producer`].
#[derive(Debug, Clone)]
pub struct EmbeddedProducer {
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    /// Calls so far; spreads records without a key over the partitions, all of one call to the same.
    calls: Arc<AtomicU32>,
}

impl EmbeddedProducer {
    pub(super) fn new(shared: Arc<Shared>) -> EmbeddedProducer {
        let room = Semaphore::new(usize::try_from(WAITING_BYTES_MAX).unwrap_or(usize::MAX));
        EmbeddedProducer {
            shared,
            room: Arc::new(room),
            calls: Arc::default(),
        }
    }

    /// See [`crate::Producer::publish`]; a call is written as a whole or not at all.
    pub async fn publish(&self, topic: &Topic, records: Vec<Record>) -> Result<Vec<Position>, PublishError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let closed = || PublishError::Append {
            topic: topic.clone(),
            source: Cause::Closed,
        };
        let bytes: usize = records
            .iter()
            .map(|record| record.bytes() + RECORD_OVERHEAD_BYTES)
            .sum();
        // A call larger than the whole room gets in alone.
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX).min(WAITING_BYTES_MAX);
        let room = Arc::clone(&self.room)
            .acquire_many_owned(permits)
            .await
            .map_err(|_| closed())?;

        let (reply, done) = oneshot::channel();
        let keyless = self.calls.fetch_add(1, Ordering::Relaxed);
        let append = Command::Append {
            topic: topic.clone(),
            records,
            keyless,
            reply,
            room,
        };
        self.shared.writer.send(append).await.map_err(|_| closed())?;
        done.await.unwrap_or_else(|_| Err(closed()))
    }
}
