//! The reading side of the bus, where an adapter is built in that can read: a sensor that only sends has none.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Bus;
use crate::block::{Block, Change};
#[cfg(feature = "embedded")]
use crate::embedded::EmbeddedConsumer;
use crate::error::{Cause, CommitError, OpenError, PollError, TopicError};
#[cfg(feature = "kafka")]
use crate::kafka::KafkaConsumer;
use crate::record::{Batch, PollLimit, Record};
use crate::topic::{Position, Subscription, Topic, TopicPartition};
use crate::uplink::UplinkError;

impl Bus {
    /// The topics whose names start with `prefix`, sorted; internal ones (`__…`) are left out.
    pub async fn topics(&self, prefix: &str) -> Result<Vec<Topic>, TopicError> {
        match self {
            #[cfg(feature = "kafka")]
            Bus::Kafka(bus) => bus.topics(prefix).await,
            #[cfg(feature = "embedded")]
            Bus::Embedded(bus) => bus.topics(prefix).await,
            Bus::Gateway(_) => Err(TopicError::List {
                source: Cause::Uplink(UplinkError::NotThrough("listing topics")),
            }),
        }
    }

    /// A new member of a consumer group. It starts each partition at the group's committed position, else at the
    /// earliest record. Embedded groups are split among the members of one process.
    pub fn consumer(&self, group: &str, subscription: Subscription) -> Result<Consumer, OpenError> {
        match self {
            #[cfg(feature = "kafka")]
            Bus::Kafka(bus) => bus.consumer(group, subscription).map(Consumer::Kafka),
            #[cfg(feature = "embedded")]
            Bus::Embedded(bus) => bus.consumer(group, subscription).map(Consumer::Embedded),
            Bus::Gateway(_) => Err(OpenError::NotThrough {
                source: Cause::Uplink(UplinkError::NotThrough("reading")),
            }),
        }
    }

    /// The newest record of each key up to the end at call time, keys with a tombstone left out: what a compacted
    /// topic says. Records without a key are passed over, and those whose key begins with none of `starts`; the empty
    /// one is the beginning of all.
    pub async fn latest(
        &self,
        topic: &Topic,
        starts: &[Vec<u8>],
    ) -> Result<BTreeMap<Vec<u8>, Record>, PollError> {
        match self {
            #[cfg(feature = "kafka")]
            Bus::Kafka(bus) => bus.latest(topic, starts).await,
            #[cfg(feature = "embedded")]
            Bus::Embedded(bus) => bus.latest(topic, starts).await,
            Bus::Gateway(_) => Err(unread()),
        }
    }

    /// For each partition, in order, the offset that the next record will get.
    pub async fn end_positions(&self, topic: &Topic) -> Result<Vec<Position>, PollError> {
        match self {
            #[cfg(feature = "kafka")]
            Bus::Kafka(bus) => bus.end_positions(topic).await,
            #[cfg(feature = "embedded")]
            Bus::Embedded(bus) => bus.end_positions(topic).await,
            Bus::Gateway(_) => Err(unread()),
        }
    }
}

fn unread() -> PollError {
    PollError::Read {
        source: Cause::Uplink(UplinkError::NotThrough("reading")),
    }
}

/// A member of a consumer group. Dropping it leaves the group without committing anything.
#[derive(Debug)]
pub enum Consumer {
    /// Of Kafka.
    #[cfg(feature = "kafka")]
    Kafka(KafkaConsumer),
    /// Of the embedded log.
    #[cfg(feature = "embedded")]
    Embedded(EmbeddedConsumer),
}

impl Consumer {
    /// The next batch: as soon as there is something, or an empty one after `limit.wait`. Cancel-safe: a call that
    /// is dropped loses nothing.
    pub async fn poll(&mut self, limit: PollLimit) -> Result<Batch, PollError> {
        match self {
            #[cfg(feature = "kafka")]
            Consumer::Kafka(consumer) => consumer.poll(limit).await,
            #[cfg(feature = "embedded")]
            Consumer::Embedded(consumer) => consumer.poll(limit).await,
        }
    }

    /// As [`Consumer::poll`], into a block, which is emptied first; pass the same one again and again. It is filled as it
    /// comes, up to about a megabyte. A poll that brings a change brings no records.
    pub async fn poll_block(&mut self, block: &mut Block, wait: Duration) -> Result<Change, PollError> {
        match self {
            #[cfg(feature = "kafka")]
            Consumer::Kafka(consumer) => consumer.poll_block(block, wait).await,
            #[cfg(feature = "embedded")]
            Consumer::Embedded(consumer) => consumer.poll_block(block, wait).await,
        }
    }

    /// Commits next-to-read positions; durable when it returns. Positions of partitions that are no longer this
    /// member's are passed over: their new owner starts from what was committed before. Gives the partitions whose
    /// positions count.
    pub async fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>, CommitError> {
        match self {
            #[cfg(feature = "kafka")]
            Consumer::Kafka(consumer) => consumer.commit(positions).await,
            #[cfg(feature = "embedded")]
            Consumer::Embedded(consumer) => consumer.commit(positions).await,
        }
    }

    /// Leaves the group, so that others take over at once.
    pub async fn close(self) {
        match self {
            #[cfg(feature = "kafka")]
            Consumer::Kafka(consumer) => consumer.close().await,
            #[cfg(feature = "embedded")]
            Consumer::Embedded(consumer) => consumer.close(),
        }
    }
}
