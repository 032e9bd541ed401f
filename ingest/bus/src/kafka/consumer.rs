//! The consuming side: a member of a group on a thread of its own, which turns librdkafka's events into batches.
//!
//! The thread reads ahead into blocks that go round: filled here, emptied by the consumer's task, filled again. Nothing is
//! allocated for a record, and few blocks are under way, so that what was just read is still in the cache.
//! Partitions are handed over cooperatively, and a revoked one is given back only when the member has heard of it and
//! polled again; librdkafka pauses reading meanwhile, so nothing of it can follow.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as queue;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rdkafka::Message;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{self, Instant};

use super::{KafkaConfig, blocking, client};
use crate::block::{Block, Change};
use crate::error::{Cause, CommitError, OpenError, PollError};
use crate::record::{Batch, Delivery, PollLimit, Record};
use crate::topic::{Position, Subscription, Topic, TopicPartition};

/// How much the thread gathers before it passes it on: large enough to make the hand-over cheap, small enough that all
/// that is under way stays in the cache.
const BLOCK_RECORDS: usize = 2_000;
const BLOCK_BYTES: usize = 512 << 10;

/// Blocks read ahead: one being handled, and the next ones ready.
const BLOCKS_AHEAD: usize = 3;

/// Memory for records that librdkafka reads ahead, and how soon it goes on reading when that was full (default: 1 s);
/// unless the configuration says otherwise.
const READ_AHEAD: [(&str, &str); 2] = [
    ("queued.max.messages.kbytes", "32768"),
    ("fetch.queue.backoff.ms", "10"),
];

/// How long the thread sleeps in librdkafka while nothing comes; a stop or a hand-over waits at most this long.
const IDLE_WAIT: Duration = Duration::from_millis(50);

/// A group that is just rebalancing refuses commits for a moment; this long it is tried again.
const COMMIT_RETRIES: u32 = 20;
const COMMIT_RETRY_WAIT: Duration = Duration::from_millis(100);

/// See [`crate::Consumer`].
pub struct KafkaConsumer {
    consumer: Arc<BaseConsumer<Membership>>,
    events: mpsc::Receiver<Event>,
    /// Emptied blocks, on their way back to the thread.
    empty: queue::SyncSender<Block>,
    /// Taken from the channel and not, or not wholly, returned yet.
    carried: Option<Event>,
    /// Given up in the batch before; released by the next poll.
    leaving: Vec<TopicPartition>,
    stop: Stop,
    ended: oneshot::Receiver<()>,
}

/// Stops the thread when the consumer goes away, however it does.
struct Stop(Arc<AtomicBool>);

/// What the thread passes on, in the order it happened.
enum Event {
    Lost(Vec<TopicPartition>),
    Gained(Vec<TopicPartition>),
    /// A block, and how many of its records were returned already.
    Read(Block, usize),
    Failed(KafkaError),
}

/// What a member owns; also receives librdkafka's callbacks.
struct Membership {
    state: Mutex<Ownership>,
    /// Whether there is something in the state that the thread has to look at: it asks after every record.
    is_news: AtomicBool,
    closing: AtomicBool,
}

#[derive(Default)]
struct Ownership {
    owned: BTreeSet<TopicPartition>,
    /// Gained and lost since the thread last looked.
    changes: Vec<Event>,
    /// Heard of and ready to be given back.
    released: Vec<TopicPartition>,
}

impl std::fmt::Debug for KafkaConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaConsumer").finish_non_exhaustive()
    }
}

impl KafkaConsumer {
    pub(super) fn join(
        config: &KafkaConfig,
        group: &str,
        subscription: &Subscription,
    ) -> Result<KafkaConsumer, OpenError> {
        let failed = |error: KafkaError| OpenError::Client { source: error.into() };
        let membership = Membership {
            state: Mutex::default(),
            is_news: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        };
        let mut settings = client::settings(config)?;
        for (name, value) in READ_AHEAD {
            if !config.properties.contains_key(name) {
                settings.set(name, value);
            }
        }
        let consumer: BaseConsumer<Membership> = settings
            .set("group.id", group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            // A member that was killed is replaced within this; the default of 45 s is a long time without alarms.
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "2000")
            .create_with_context(membership)
            .map_err(failed)?;
        let patterns = patterns(subscription);
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        consumer.subscribe(&patterns).map_err(failed)?;

        let consumer = Arc::new(consumer);
        let (sender, events) = mpsc::channel(BLOCKS_AHEAD);
        // One more is with the caller.
        let (empty, emptied) = queue::sync_channel(BLOCKS_AHEAD + 1);
        let (end, ended) = oneshot::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let reader = Reader {
            consumer: Arc::clone(&consumer),
            events: sender,
            emptied,
            stop: Arc::clone(&stop),
        };
        thread::Builder::new()
            .name("bus-reader".to_owned())
            .spawn(move || {
                reader.run();
                // Nobody may be waiting for the end.
                let _ = end.send(());
            })
            .map_err(|error| OpenError::Client { source: error.into() })?;
        Ok(KafkaConsumer {
            consumer,
            events,
            empty,
            carried: None,
            leaving: Vec::new(),
            stop: Stop(stop),
            ended,
        })
    }

    /// See [`crate::Consumer::poll`]. Waiting happens only while the batch is empty, so a dropped call loses nothing.
    pub async fn poll(&mut self, limit: PollLimit) -> Result<Batch, PollError> {
        if !self.leaving.is_empty() {
            self.consumer.context().release(std::mem::take(&mut self.leaving));
        }
        let until = Instant::now() + limit.wait;
        let mut batch = Batch::default();
        let mut bytes = 0;
        loop {
            let event = match self.carried.take() {
                Some(event) => event,
                None if batch.is_empty() => match time::timeout_at(until, self.events.recv()).await {
                    Ok(Some(event)) => event,
                    Ok(None) => {
                        return Err(PollError::Read {
                            source: Cause::Closed,
                        });
                    }
                    Err(_) => return Ok(batch),
                },
                None => match self.events.try_recv() {
                    Ok(event) => event,
                    Err(_) => return Ok(batch),
                },
            };
            match event {
                Event::Lost(lost) if batch.is_empty() => {
                    self.leaving.clone_from(&lost);
                    batch.lost = lost;
                    return Ok(batch);
                }
                Event::Gained(gained) if batch.deliveries.is_empty() => batch.gained.extend(gained),
                Event::Failed(error) if batch.is_empty() => {
                    return Err(PollError::Read { source: error.into() });
                }
                Event::Read(mut block, returned) => {
                    let returned = take(&mut block, returned, &mut batch.deliveries, &mut bytes, limit);
                    if returned < block.len() {
                        self.carried = Some(Event::Read(block, returned));
                        return Ok(batch);
                    }
                    self.give_back(block);
                }
                Event::Lost(_) | Event::Gained(_) | Event::Failed(_) => {
                    self.carried = Some(event);
                    return Ok(batch);
                }
            }
        }
    }

    /// See [`crate::Consumer::poll_block`]. Waiting happens only before anything is taken, so a dropped call loses
    /// nothing.
    pub async fn poll_block(&mut self, block: &mut Block, wait: Duration) -> Result<Change, PollError> {
        block.clear();
        if !self.leaving.is_empty() {
            self.consumer.context().release(std::mem::take(&mut self.leaving));
        }
        let event = match self.carried.take() {
            Some(event) => event,
            None => match time::timeout(wait, self.events.recv()).await {
                Ok(Some(event)) => event,
                Ok(None) => {
                    return Err(PollError::Read {
                        source: Cause::Closed,
                    });
                }
                Err(_) => return Ok(Change::default()),
            },
        };
        let mut change = Change::default();
        match event {
            Event::Lost(lost) => {
                self.leaving.clone_from(&lost);
                change.lost = lost;
            }
            Event::Gained(gained) => change.gained = gained,
            Event::Failed(error) => return Err(PollError::Read { source: error.into() }),
            Event::Read(mut read, returned) => {
                read.skip(returned);
                self.give_back(std::mem::replace(block, read));
            }
        }
        Ok(change)
    }

    /// Lets the thread fill a block again; one more than it needs is freed.
    fn give_back(&self, block: Block) {
        drop(self.empty.try_send(block));
    }

    /// See [`crate::Consumer::commit`].
    pub async fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>, CommitError> {
        let store = |source: Cause| CommitError::Store { source };
        let mut places = TopicPartitionList::new();
        let owned = self.consumer.context().owned(positions);
        for position in &owned {
            let offset = Offset::Offset(position.offset.cast_signed());
            places
                .add_partition_offset(position.topic.as_str(), position.partition.cast_signed(), offset)
                .map_err(|error| store(error.into()))?;
        }
        let committed_places = owned.iter().map(Position::topic_partition).collect();
        if places.count() == 0 {
            return Ok(committed_places);
        }
        for left in (0..COMMIT_RETRIES).rev() {
            let (consumer, asked) = (Arc::clone(&self.consumer), places.clone());
            let committed = blocking(move || consumer.commit(&asked, CommitMode::Sync))
                .await
                .map_err(store)?;
            let Err(error) = committed else {
                return Ok(committed_places);
            };
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::RebalanceInProgress) if 0 < left => {
                    time::sleep(COMMIT_RETRY_WAIT).await
                }
                // The group has given the partitions to someone else, who reads them again from the last commit.
                Some(
                    RDKafkaErrorCode::IllegalGeneration
                    | RDKafkaErrorCode::UnknownMemberId
                    | RDKafkaErrorCode::AssignmentLost,
                ) => {
                    tracing::warn!(%error, "positions not committed: the partitions are no longer this member's");
                    return Ok(Vec::new());
                }
                Some(_) | None => return Err(store(error.into())),
            }
        }
        Ok(Vec::new())
    }

    /// See [`crate::Consumer::close`].
    pub async fn close(self) {
        let KafkaConsumer {
            consumer,
            events,
            empty,
            carried,
            leaving: _,
            stop,
            ended,
        } = self;
        drop((stop, events, empty, carried, consumer));
        // An error means that the thread is gone already.
        let _ = ended.await;
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Takes records from the one with number `next` on as the limit allows, at least one into an empty batch; the number of
/// the first that stays.
fn take(
    from: &mut Block,
    mut next: usize,
    into: &mut Vec<Delivery>,
    bytes: &mut usize,
    limit: PollLimit,
) -> usize {
    while let Some(record_bytes) = from.record_bytes(next) {
        *bytes += record_bytes;
        let full = limit.records <= into.len() || limit.bytes < *bytes;
        if full && !into.is_empty() {
            break;
        }
        into.extend(from.take(next));
        next += 1;
    }
    next
}

/// The thread.
struct Reader {
    consumer: Arc<BaseConsumer<Membership>>,
    events: mpsc::Sender<Event>,
    emptied: queue::Receiver<Block>,
    stop: Arc<AtomicBool>,
}

impl Reader {
    fn run(self) {
        let mut block = Block::default();
        while !self.stop.load(Ordering::Acquire) && self.step(&mut block) {}
        let membership = self.consumer.context();
        membership.closing.store(true, Ordering::Release);
        // A hand-over that was never heard of would hold up leaving the group.
        let (unheard, _) = membership.take_changes();
        let unheard = unheard.into_iter().filter_map(|event| match event {
            Event::Lost(lost) => Some(lost),
            Event::Gained(_) | Event::Read(..) | Event::Failed(_) => None,
        });
        self.give_back(&unheard.flatten().collect::<Vec<_>>());
        // Dropping the last handle leaves the group.
    }

    /// One event of librdkafka; `false` when nobody listens any more.
    fn step(&self, block: &mut Block) -> bool {
        let wait = if block.is_empty() {
            IDLE_WAIT
        } else {
            Duration::ZERO
        };
        let mut listening = true;
        match self.consumer.poll(wait) {
            Some(Ok(message)) => {
                push(block, &message);
                if BLOCK_RECORDS <= block.len() || BLOCK_BYTES <= block.bytes() {
                    listening = self.flush(block);
                }
            }
            Some(Err(error)) => {
                listening = self.flush(block);
                self.report(error);
            }
            None => listening = self.flush(block),
        }
        if !self.consumer.context().is_news.swap(false, Ordering::AcqRel) {
            return listening;
        }
        let (changes, released) = self.consumer.context().take_changes();
        if !changes.is_empty() {
            listening = listening && self.flush(block);
        }
        for change in changes {
            listening = listening && self.events.blocking_send(change).is_ok();
        }
        self.give_back(&released);
        listening
    }

    fn flush(&self, block: &mut Block) -> bool {
        if block.is_empty() {
            return true;
        }
        let mut empty = self.emptied.try_recv().unwrap_or_default();
        empty.clear();
        let full = std::mem::replace(block, empty);
        self.events.blocking_send(Event::Read(full, 0)).is_ok()
    }

    /// Passes on what a caller can act on. librdkafka mends the rest by itself: a lost connection, a topic that is
    /// not there yet.
    fn report(&self, error: KafkaError) {
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::PollExceeded
                | RDKafkaErrorCode::PartitionEOF,
            ) => tracing::debug!(%error, "reading goes on"),
            // A full channel means that the caller has enough to do; the next failure will reach it.
            Some(_) | None => drop(self.events.try_send(Event::Failed(error))),
        }
    }

    fn give_back(&self, partitions: &[TopicPartition]) {
        if partitions.is_empty() {
            return;
        }
        if let Err(error) = self.consumer.incremental_unassign(&list(partitions)) {
            tracing::warn!(%error, "could not give partitions back to the group");
        }
    }
}

/// Appends a message.
fn push(block: &mut Block, message: &BorrowedMessage<'_>) {
    let (topic, partition) = (message.topic(), message.partition().cast_unsigned());
    let is_it = |place: &TopicPartition| place.partition == partition && place.topic.as_str() == topic;
    // The broker holds the same rules for names, so this cannot fail.
    let make = || {
        let topic = Topic::parse(topic).ok()?;
        Some(TopicPartition { topic, partition })
    };
    if let Some(place) = block.place(is_it, make) {
        block.push(
            place,
            message.offset().cast_unsigned(),
            message.timestamp().to_millis().unwrap_or(0),
            message.key(),
            message.payload(),
            headers_of(message),
        );
    }
}

/// A message's bytes as ours.
pub(super) fn record_of(message: &BorrowedMessage<'_>) -> Record {
    Record {
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: headers_of(message),
        tombstone: message.payload().is_none(),
    }
}

/// A header without a value counts as empty.
fn headers_of(message: &BorrowedMessage<'_>) -> Vec<(String, Vec<u8>)> {
    let headers = message.headers().map(|headers| {
        let pairs = headers.iter();
        pairs
            .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
            .collect()
    });
    headers.unwrap_or_default()
}

impl Membership {
    fn state(&self) -> MutexGuard<'_, Ownership> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(&self, partitions: Vec<TopicPartition>) {
        let mut state = self.state();
        for partition in &partitions {
            state.owned.remove(partition);
        }
        state.released.extend(partitions);
        self.is_news.store(true, Ordering::Release);
    }

    fn take_changes(&self) -> (Vec<Event>, Vec<TopicPartition>) {
        let mut state = self.state();
        (
            std::mem::take(&mut state.changes),
            std::mem::take(&mut state.released),
        )
    }

    fn owned(&self, positions: &[Position]) -> Vec<Position> {
        let state = self.state();
        positions
            .iter()
            .filter(|position| state.owned.contains(&position.topic_partition()))
            .cloned()
            .collect()
    }
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl ConsumerContext for Membership {
    /// Takes what is gained at once; what is lost is only noted, see the module's first lines.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = partitions(list);
        let done = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                let mut state = self.state();
                state.owned.extend(partitions.iter().cloned());
                state.changes.push(Event::Gained(partitions));
                self.is_news.store(true, Ordering::Release);
                drop(state);
                consumer.incremental_assign(list)
            }
            _ if self.closing.load(Ordering::Acquire) => consumer.incremental_unassign(list),
            _ => {
                self.state().changes.push(Event::Lost(partitions));
                self.is_news.store(true, Ordering::Release);
                Ok(())
            }
        };
        if let Err(error) = done {
            tracing::warn!(%error, "could not follow a change of the group");
        }
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let elements = list.elements();
    let places = elements.iter().filter_map(|element| {
        let topic = Topic::parse(element.topic()).ok()?;
        Some(TopicPartition {
            topic,
            partition: element.partition().cast_unsigned(),
        })
    });
    places.collect()
}

fn list(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for place in partitions {
        list.add_partition(place.topic.as_str(), place.partition.cast_signed());
    }
    list
}

/// What librdkafka subscribes to: names, or a pattern, which it knows by its `^`.
fn patterns(subscription: &Subscription) -> Vec<String> {
    match subscription {
        Subscription::Topics(topics) => topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
        Subscription::Prefix(prefix) => {
            let mut pattern = String::from("^");
            for character in prefix.chars() {
                if !character.is_ascii_alphanumeric() && !matches!(character, '_' | '-') {
                    pattern.push('\\');
                }
                pattern.push(character);
            }
            pattern.push_str(".*");
            vec![pattern]
        }
        Subscription::Any(parts) => parts.iter().flat_map(patterns).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_becomes_a_pattern_that_takes_dots_literally() {
        let subscription = Subscription::Prefix("varde.events.".to_owned());
        assert_eq!(patterns(&subscription), ["^varde\\.events\\..*"]);
        let topic = Topic::parse("varde.signals").expect("valid");
        let several = Subscription::Any(vec![subscription, Subscription::Topics(vec![topic])]);
        assert_eq!(patterns(&several), ["^varde\\.events\\..*", "varde.signals"]);
    }
}
