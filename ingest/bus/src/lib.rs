//! The bus: durable topics of bytes with partitions, positions, a producer and a consumer with groups.
//!
//! Two adapters keep the same promises, held by one contract suite (`tests/contract.rs`): `kafka` for more than one
//! machine, `embedded` (one SQLite file) for `varde up`, a pilot on one machine, and fast tests. A third, [`uplink`], is
//! the way of sensors to `varde-gateway`: it publishes and can do nothing else. The bus carries bytes and imports no
//! noun of the workspace.
//!
//! The first two are features, both on by default; the way to a gateway is always there, and alone it needs neither
//! librdkafka nor SQLite.
//!
//! The promises: a publish that returned is durable; order holds within a partition, and equal keys share a partition;
//! delivery is at least once, from the committed position; a commit that returned is durable.
#![forbid(unsafe_code)]

#[cfg(any(feature = "kafka", feature = "embedded"))]
mod block;
#[cfg(feature = "embedded")]
mod clock;
mod config;
#[cfg(feature = "embedded")]
pub mod embedded;
mod error;
#[cfg(feature = "kafka")]
pub mod kafka;
mod partition;
#[cfg(any(feature = "kafka", feature = "embedded"))]
mod reading;
mod record;
mod topic;
pub mod uplink;

#[cfg(any(feature = "kafka", feature = "embedded"))]
pub use block::{Block, Change, Run};
pub use config::{BusConfig, KafkaConfig};
pub use error::{Cause, CommitError, ErrorClass, OpenError, PollError, PublishError, TopicError};
pub use partition::of_key as partition_of_key;
#[cfg(any(feature = "kafka", feature = "embedded"))]
pub use reading::Consumer;
pub use record::{Batch, Delivery, PollLimit, Record};
pub use topic::{
    Cleanup, Position, Subscription, TOPIC_BYTES_MAX, Topic, TopicNameError, TopicPartition, TopicSpec,
};

#[cfg(feature = "embedded")]
use embedded::{EmbeddedBus, EmbeddedProducer};
#[cfg(feature = "kafka")]
use kafka::{KafkaBus, KafkaProducer};
use uplink::{UplinkBus, UplinkProducer};

/// A bus; clones share one connection or file.
#[derive(Debug, Clone)]
pub enum Bus {
    /// Kafka.
    #[cfg(feature = "kafka")]
    Kafka(KafkaBus),
    /// The embedded log.
    #[cfg(feature = "embedded")]
    Embedded(EmbeddedBus),
    /// A gateway.
    Gateway(UplinkBus),
}

impl Bus {
    /// Opens a bus. A Kafka that is down is no error here: the first operation reports it as transient.
    pub async fn open(config: &BusConfig) -> Result<Bus, OpenError> {
        match config {
            #[cfg(feature = "kafka")]
            BusConfig::Kafka(config) => KafkaBus::open(config).map(Bus::Kafka),
            #[cfg(feature = "embedded")]
            BusConfig::Embedded { directory } => EmbeddedBus::open(directory).await.map(Bus::Embedded),
            BusConfig::Gateway { url, directory } => UplinkBus::open(url, directory).map(Bus::Gateway),
            #[cfg(not(all(feature = "kafka", feature = "embedded")))]
            other => Err(OpenError::NotBuilt { name: other.name() }),
        }
    }

    /// Makes topics that are missing and brings the settings of the others in line; the same call twice is harmless.
    /// Through a gateway nothing: it makes them itself.
    pub async fn ensure_topics(&self, specs: &[TopicSpec]) -> Result<(), TopicError> {
        match self {
            #[cfg(feature = "kafka")]
            Bus::Kafka(bus) => bus.ensure_topics(specs).await,
            #[cfg(feature = "embedded")]
            Bus::Embedded(bus) => bus.ensure_topics(specs).await,
            Bus::Gateway(bus) => bus.ensure_topics(specs),
        }
    }

    /// A producer; make one per service and clone it.
    pub fn producer(&self) -> Result<Producer, OpenError> {
        match self {
            #[cfg(feature = "kafka")]
            Bus::Kafka(bus) => bus.producer().map(Producer::Kafka),
            #[cfg(feature = "embedded")]
            Bus::Embedded(bus) => Ok(Producer::Embedded(bus.producer())),
            Bus::Gateway(bus) => Ok(Producer::Gateway(bus.producer())),
        }
    }
}

/// Publishes records; clones share one queue.
#[derive(Debug, Clone)]
pub enum Producer {
    /// To Kafka.
    #[cfg(feature = "kafka")]
    Kafka(KafkaProducer),
    /// To the embedded log.
    #[cfg(feature = "embedded")]
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
            #[cfg(feature = "kafka")]
            Producer::Kafka(producer) => producer.publish(topic, records).await,
            #[cfg(feature = "embedded")]
            Producer::Embedded(producer) => producer.publish(topic, records).await,
            Producer::Gateway(producer) => producer.publish(topic, records).await,
        }
    }
}
