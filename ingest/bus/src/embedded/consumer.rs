//! The consuming side of the embedded log: a member of a group with a connection of its own.
//!
//! Reading runs off the async threads and leaves what it found in the member's state, so a poll that is dropped
//! half-way loses nothing: the next one finds it there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};
use tokio::time::{self, Instant};

use super::group::MemberId;
use super::writer::Command;
use super::{Shared, blocking, store};
use crate::block::{Block, Change};
use crate::error::{Cause, CommitError, OpenError, PollError};
use crate::record::{Batch, Delivery, PollLimit};
use crate::topic::{Position, Subscription, TopicPartition};

/// How often a waiting consumer looks for what other processes have appended; this process's appends wake it.
pub(super) const FOREIGN_APPEND_INTERVAL: Duration = Duration::from_millis(250);

/// What one block holds at the most.
const BLOCK_RECORDS: usize = 2_000;
const BLOCK_BYTES: usize = 1 << 20;

/// See [`crate::Consumer`].
#[derive(Debug)]
pub struct EmbeddedConsumer {
    shared: Arc<Shared>,
    group: String,
    member: MemberId,
    changed: watch::Receiver<u64>,
    state: Arc<Mutex<State>>,
    /// Given up in the batch before; released by the next poll.
    leaving: Vec<TopicPartition>,
    /// Came with a change, which goes first.
    held_back: Option<Vec<Delivery>>,
}

#[derive(Debug)]
struct State {
    connection: Connection,
    /// Partitions this member reads, with the next offset to read.
    reading: BTreeMap<TopicPartition, u64>,
    /// Where the next round of reading starts, so that a busy partition does not starve the others.
    turn: usize,
    found: Found,
}

/// What reading has brought and no poll has returned yet.
#[derive(Debug, Default)]
struct Found {
    lost: Vec<TopicPartition>,
    gained: Vec<TopicPartition>,
    deliveries: VecDeque<Delivery>,
}

impl EmbeddedConsumer {
    pub(super) fn join(
        shared: Arc<Shared>,
        group: &str,
        subscription: Subscription,
    ) -> Result<EmbeddedConsumer, OpenError> {
        let connection = store::open_reader(&shared.file).map_err(|error| OpenError::Storage {
            directory: shared.file.clone(),
            source: error.into(),
        })?;
        let member = shared.groups().join(group, subscription);
        shared.wake();
        let state = State {
            connection,
            reading: BTreeMap::new(),
            turn: 0,
            found: Found::default(),
        };
        Ok(EmbeddedConsumer {
            changed: shared.changed.subscribe(),
            shared,
            group: group.to_owned(),
            member,
            state: Arc::new(Mutex::new(state)),
            leaving: Vec::new(),
            held_back: None,
        })
    }

    /// See [`crate::Consumer::poll`].
    pub async fn poll(&mut self, limit: PollLimit) -> Result<Batch, PollError> {
        if !self.leaving.is_empty() {
            self.shared
                .groups()
                .release(&self.group, self.member, &self.leaving);
            self.leaving.clear();
            self.shared.wake();
        }
        let until = Instant::now() + limit.wait;
        loop {
            self.changed.borrow_and_update();
            let (shared, state) = (Arc::clone(&self.shared), Arc::clone(&self.state));
            let (group, member) = (self.group.clone(), self.member);
            blocking(move || lock(&state).look(&shared, &group, member, limit))
                .await
                .and_then(|looked| looked.map_err(Cause::from))
                .map_err(|source| PollError::Read { source })?;
            let batch = lock(&self.state).found.take(limit);
            if !batch.is_empty() || until <= Instant::now() {
                self.leaving.clone_from(&batch.lost);
                return Ok(batch);
            }
            let again = until.min(Instant::now() + FOREIGN_APPEND_INTERVAL);
            // Woken or not, what counts is what the next look finds; the sender lives as long as `shared`.
            let _ = time::timeout_at(again, self.changed.changed()).await;
        }
    }

    /// See [`crate::Consumer::poll_block`].
    pub async fn poll_block(&mut self, block: &mut Block, wait: Duration) -> Result<Change, PollError> {
        block.clear();
        if let Some(after) = self.held_back.take() {
            fill(block, after);
            return Ok(Change::default());
        }
        let limit = PollLimit {
            records: BLOCK_RECORDS,
            bytes: BLOCK_BYTES,
            wait,
        };
        let Batch {
            lost,
            gained,
            deliveries,
        } = self.poll(limit).await?;
        let change = Change { lost, gained };
        if change == Change::default() {
            fill(block, deliveries);
        } else if !deliveries.is_empty() {
            self.held_back = Some(deliveries);
        }
        Ok(change)
    }

    /// See [`crate::Consumer::commit`].
    pub async fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>, CommitError> {
        let owned: Vec<Position> = {
            let groups = self.shared.groups();
            let owns =
                |position: &&Position| groups.owns(&self.group, self.member, &position.topic_partition());
            positions.iter().filter(owns).cloned().collect()
        };
        let places = owned.iter().map(Position::topic_partition).collect();
        if owned.is_empty() {
            return Ok(places);
        }
        let (reply, done) = oneshot::channel();
        let commit = Command::Commit {
            group: self.group.clone(),
            positions: owned,
            reply,
        };
        let stored = match self.shared.writer.send(commit).await {
            Ok(()) => done.await.unwrap_or(Err(Cause::Closed)),
            Err(_) => Err(Cause::Closed),
        };
        stored
            .map(|()| places)
            .map_err(|source| CommitError::Store { source })
    }

    /// See [`crate::Consumer::close`]; leaving takes no waiting here.
    pub fn close(self) {}
}

fn fill(block: &mut Block, deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        block.push_delivery(delivery);
    }
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        self.shared.groups().leave(&self.group, self.member);
        self.shared.wake();
    }
}

impl State {
    /// Brings ownership up to date and reads, unless an earlier look is still to be returned.
    fn look(
        &mut self,
        shared: &Shared,
        group: &str,
        member: MemberId,
        limit: PollLimit,
    ) -> rusqlite::Result<()> {
        if !self.found.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        let partitions = store::partitions(&transaction)?;
        let places: Vec<&TopicPartition> = partitions.iter().map(|partition| &partition.place).collect();
        let change = shared.groups().settle(group, member, &places);
        for place in &change.lost {
            self.reading.remove(place);
        }
        // What is lost goes out alone: it is given up by the poll after this one, and until then `settle` names it
        // again, so looking twice would say it twice.
        self.found.lost = change.lost;
        self.found.gained = change.gained;
        for partition in &partitions {
            if self.found.gained.contains(&partition.place) {
                let next = store::committed(&transaction, group, partition.id)?.unwrap_or(0);
                self.reading.insert(partition.place.clone(), next);
            }
        }
        let behind: Vec<(&store::PartitionRow, u64)> = partitions
            .iter()
            .filter_map(|partition| self.reading.get(&partition.place).map(|next| (partition, *next)))
            .filter(|(partition, next)| *next < partition.end)
            .collect();
        let (mut records, mut bytes) = (limit.records, limit.bytes);
        self.turn = self.turn.wrapping_add(1);
        let first = self.turn.checked_rem(behind.len()).unwrap_or(0);
        let round = behind.iter().cycle().skip(first).take(behind.len());
        for (left, (partition, next)) in (1..=behind.len()).rev().zip(round) {
            if records == 0 || bytes == 0 {
                break;
            }
            let share = (records.div_ceil(left), bytes.div_ceil(left));
            let before = self.found.deliveries.len();
            let deliveries = &mut self.found.deliveries;
            let (next, read_bytes) = store::read(&transaction, partition, *next, share, |delivery| {
                deliveries.push_back(delivery)
            })?;
            self.reading.insert(partition.place.clone(), next);
            records -= self.found.deliveries.len() - before;
            bytes = bytes.saturating_sub(read_bytes);
        }
        Ok(())
    }
}

impl Found {
    fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.gained.is_empty() && self.deliveries.is_empty()
    }

    /// As much as the limit allows; the rest waits for the next poll.
    fn take(&mut self, limit: PollLimit) -> Batch {
        let mut batch = Batch {
            lost: std::mem::take(&mut self.lost),
            gained: std::mem::take(&mut self.gained),
            deliveries: Vec::new(),
        };
        let mut bytes = 0;
        while let Some(next) = self.deliveries.front() {
            bytes += next.record.bytes();
            let full = limit.records <= batch.deliveries.len() || limit.bytes < bytes;
            if full && !batch.deliveries.is_empty() {
                break;
            }
            batch.deliveries.extend(self.deliveries.pop_front());
        }
        batch
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
