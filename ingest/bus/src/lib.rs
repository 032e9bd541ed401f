//! The bus: durable topics of bytes with partitions, positions, a producer and a consumer with groups.
//!
//! Two adapters keep the same promises, held by one contract suite (`tests/contract.rs`): [`kafka`] for more than one
//! machine, [`embedded`] (one SQLite file) for `varde up`, a pilot on one machine, and fast tests. A third, [`uplink`], is
//! the way of sensors to `varde-gateway`: it publishes and can do nothing else. The bus carries bytes and imports no
//! noun of the workspace.
//!
//! The promises: a publish that returned is durable; order holds within a partition, and equal keys share a partition;
//! delivery is at least once, from the committed position; a commit that returned is durable.
#![forbid(unsafe_code)]

mod block;
mod clock;
pub mod embedded;
mod error;
pub mod kafka;
mod partition;
mod record;
mod topic;
pub mod uplink;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use block::{Block, Change, Run};
pub use error::{Cause, CommitError, ErrorClass, OpenError, PollError, PublishError, TopicError};
pub use partition::of_key as partition_of_key;
pub use record::{Batch, Delivery, PollLimit, Record};
pub use topic::{
    Cleanup, Position, Subscription, TOPIC_BYTES_MAX, Topic, TopicNameError, TopicPartition, TopicSpec,
};

use embedded::{EmbeddedBus, EmbeddedConsumer, EmbeddedProducer};
use kafka::{KafkaBus, KafkaConfig, KafkaConsumer, KafkaProducer};
use uplink::{UplinkBus, UplinkError, UplinkProducer};

/// Which bus, and where; in every service's configuration under `bus`, for example
/// `{ kafka: { bootstrap: "127.0.0.1:9092" } }` or `{ embedded: { directory: /var/lib/varde/bus } }`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum BusConfig {
    /// A Kafka cluster.
    Kafka(KafkaConfig),
    /// A log in a directory of this machine, made when it is not there.
    Embedded {
        /// Where the file is kept.
        directory: PathBuf,
    },
    /// A gateway, for sensors.
    Gateway {
        /// `https://host:port`.
        url: String,
        /// Where key, certificate and authority are: [`uplink::KEY_FILE`] and its neighbours.
        directory: PathBuf,
    },
}

impl BusConfig {
    /// The same, with the name that the client gives itself to the brokers, unless it has one.
    #[must_use]
    pub fn named(mut self, client_id: &str) -> BusConfig {
        if let BusConfig::Kafka(config) = &mut self
            && config.client_id.is_empty()
        {
            client_id.clone_into(&mut config.client_id);
        }
        self
    }
}

/// A bus; clones share one connection or file.
#[derive(Debug, Clone)]
pub enum Bus {
    /// Kafka.
    Kafka(KafkaBus),
    /// The embedded log.
    Embedded(EmbeddedBus),
    /// A gateway.
    Gateway(UplinkBus),
}

impl Bus {
    /// Opens a bus. A Kafka that is down is no error here: the first operation reports it as transient.
    pub async fn open(config: &BusConfig) -> Result<Bus, OpenError> {
        match config {
            BusConfig::Kafka(config) => KafkaBus::open(config).map(Bus::Kafka),
            BusConfig::Embedded { directory } => EmbeddedBus::open(directory).await.map(Bus::Embedded),
            BusConfig::Gateway { url, directory } => UplinkBus::open(url, directory).map(Bus::Gateway),
        }
    }

    /// Makes topics that are missing and brings the settings of the others in line; the same call twice is harmless.
    /// Through a gateway nothing: it makes them itself.
    pub async fn ensure_topics(&self, specs: &[TopicSpec]) -> Result<(), TopicError> {
        match self {
            Bus::Kafka(bus) => bus.ensure_topics(specs).await,
            Bus::Embedded(bus) => bus.ensure_topics(specs).await,
            Bus::Gateway(_) => Ok(()),
        }
    }

    /// The topics whose names start with `prefix`, sorted; internal ones (`__…`) are left out.
    pub async fn topics(&self, prefix: &str) -> Result<Vec<Topic>, TopicError> {
        match self {
            Bus::Kafka(bus) => bus.topics(prefix).await,
            Bus::Embedded(bus) => bus.topics(prefix).await,
            Bus::Gateway(_) => Err(TopicError::List {
                source: Cause::Uplink(UplinkError::NotThrough("listing topics")),
            }),
        }
    }

    /// A producer; make one per service and clone it.
    pub fn producer(&self) -> Result<Producer, OpenError> {
        match self {
            Bus::Kafka(bus) => bus.producer().map(Producer::Kafka),
            Bus::Embedded(bus) => Ok(Producer::Embedded(bus.producer())),
            Bus::Gateway(bus) => Ok(Producer::Gateway(bus.producer())),
        }
    }

    /// A new member of a consumer group. It starts each partition at the group's committed position, else at the
    /// earliest record. Embedded groups are split among the members of one process.
    pub fn consumer(&self, group: &str, subscription: Subscription) -> Result<Consumer, OpenError> {
        match self {
            Bus::Kafka(bus) => bus.consumer(group, subscription).map(Consumer::Kafka),
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
            Bus::Kafka(bus) => bus.latest(topic, starts).await,
            Bus::Embedded(bus) => bus.latest(topic, starts).await,
            Bus::Gateway(_) => Err(unread()),
        }
    }

    /// For each partition, in order, the offset that the next record will get.
    pub async fn end_positions(&self, topic: &Topic) -> Result<Vec<Position>, PollError> {
        match self {
            Bus::Kafka(bus) => bus.end_positions(topic).await,
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

/// Publishes records; clones share one queue.
#[derive(Debug, Clone)]
pub enum Producer {
    /// To Kafka.
    Kafka(KafkaProducer),
    /// To the embedded log.
    Embedded(EmbeddedProducer),
    /// To a gateway.
    Gateway(UplinkProducer),
}

impl Producer {
    /// Publishes records and resolves when all of them are durable, with their places in the order given. Records of
    /// one call that land in the same partition keep their order there. While the log is away or behind, this waits
    /// (back-pressure) instead of dropping. A call that is cancelled may or may not have been published. A gateway tells
    /// no places and does not wait: it says that the log is away, and earlier records of the call may be durable.
    pub async fn publish(&self, topic: &Topic, records: Vec<Record>) -> Result<Vec<Position>, PublishError> {
        match self {
            Producer::Kafka(producer) => producer.publish(topic, records).await,
            Producer::Embedded(producer) => producer.publish(topic, records).await,
            Producer::Gateway(producer) => producer.publish(topic, records).await,
        }
    }
}

/// A member of a consumer group. Dropping it leaves the group without committing anything.
#[derive(Debug)]
pub enum Consumer {
    /// Of Kafka.
    Kafka(KafkaConsumer),
    /// Of the embedded log.
    Embedded(EmbeddedConsumer),
}

impl Consumer {
    /// The next batch: as soon as there is something, or an empty one after `limit.wait`. Cancel-safe: a call that
    /// is dropped loses nothing.
    pub async fn poll(&mut self, limit: PollLimit) -> Result<Batch, PollError> {
        match self {
            Consumer::Kafka(consumer) => consumer.poll(limit).await,
            Consumer::Embedded(consumer) => consumer.poll(limit).await,
        }
    }

    /// As [`Consumer::poll`], into a block, which is emptied first; pass the same one again and again. It is filled as it
    /// comes, up to about a megabyte. A poll that brings a change brings no records.
    pub async fn poll_block(&mut self, block: &mut Block, wait: Duration) -> Result<Change, PollError> {
        match self {
            Consumer::Kafka(consumer) => consumer.poll_block(block, wait).await,
            Consumer::Embedded(consumer) => consumer.poll_block(block, wait).await,
        }
    }

    /// Commits next-to-read positions; durable when it returns. Positions of partitions that are no longer this
    /// member's are passed over: their new owner starts from what was committed before. Gives the partitions whose
    /// positions count.
    pub async fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>, CommitError> {
        match self {
            Consumer::Kafka(consumer) => consumer.commit(positions).await,
            Consumer::Embedded(consumer) => consumer.commit(positions).await,
        }
    }

    /// Leaves the group, so that others take over at once.
    pub async fn close(self) {
        match self {
            Consumer::Kafka(consumer) => consumer.close().await,
            Consumer::Embedded(consumer) => consumer.close(),
        }
    }
}
