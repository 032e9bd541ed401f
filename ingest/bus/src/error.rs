//! Why an operation of the bus failed, and what its caller can do about it.
//!
//! One enum per operation; all answer `class()`. The clients' own errors are kept as sources, never shown twice.

use std::path::PathBuf;

#[cfg(feature = "kafka")]
use rdkafka::error::KafkaError;
#[cfg(feature = "kafka")]
use rdkafka::types::RDKafkaErrorCode;
use thiserror::Error;

use crate::topic::Topic;
use crate::uplink::UplinkError;

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Try again with backoff.
    Transient,
    /// Stop: it will not get better without someone changing something.
    Permanent,
    /// This record will never pass: set it aside and go on.
    Poison,
}

/// What a client library reported.
#[derive(Debug, Error)]
pub enum Cause {
    /// From librdkafka.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// From SQLite.
    #[cfg(feature = "embedded")]
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// From the file system or from starting a thread.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// From the way to a gateway.
    #[error(transparent)]
    Uplink(#[from] UplinkError),
    /// The bus was closed, or its worker thread is gone, while the operation was under way.
    #[error("the bus is closed")]
    Closed,
}

impl Cause {
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            #[cfg(feature = "kafka")]
            Cause::Kafka(error) => kafka_class(error),
            #[cfg(feature = "embedded")]
            Cause::Sqlite(error) => sqlite_class(error),
            Cause::Io(_) => ErrorClass::Transient,
            Cause::Uplink(error) => error.class(),
            Cause::Closed => ErrorClass::Permanent,
        }
    }
}

/// Why the bus, a producer or a consumer could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A client setting was refused, or the client could not start.
    #[error("open the Kafka client; check the bootstrap address and the client properties")]
    Client {
        /// The client's reason.
        #[source]
        source: Cause,
    },
    /// A property that the bus sets itself, because its promises depend on it.
    #[error("Kafka property {name:?} is set by the bus itself; remove it from the configuration")]
    Reserved {
        /// The property.
        name: String,
    },
    /// The embedded log's file could not be opened or made.
    #[error("open the embedded bus in {}", directory.display())]
    Storage {
        /// Where it should be.
        directory: PathBuf,
        /// The reason.
        #[source]
        source: Cause,
    },
    /// The embedded log's file was made by another version.
    #[error("open {}: it has format {found}, this version reads {expected}; use the version that made it, or move the file away", file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// The number in it.
        found: i64,
        /// The number this version knows.
        expected: i64,
    },
    /// An address that no gateway has.
    #[error("open the gateway {url:?}: write https://host:port, as https://gateway.cert.example:8443")]
    Gateway {
        /// What was written.
        url: String,
    },
    /// A bus that this program can't speak to.
    #[error("`{name}` is not built into this program: use a gateway, or a program that is built with it")]
    NotBuilt {
        /// Its key in the configuration.
        name: &'static str,
    },
    /// A gateway where another bus is needed.
    #[error("open the bus")]
    NotThrough {
        /// What was wanted of it.
        #[source]
        source: Cause,
    },
}

impl OpenError {
    /// What the caller can do.
    pub fn class(&self) -> ErrorClass {
        match self {
            OpenError::Client { .. }
            | OpenError::Reserved { .. }
            | OpenError::Version { .. }
            | OpenError::Gateway { .. }
            | OpenError::NotBuilt { .. }
            | OpenError::NotThrough { .. } => ErrorClass::Permanent,
            OpenError::Storage { source, .. } => source.class(),
        }
    }
}

/// Why topics could not be made or listed.
#[derive(Debug, Error)]
pub enum TopicError {
    /// The list of topics could not be had.
    #[error("list topics")]
    List {
        /// The reason.
        #[source]
        source: Cause,
    },
    /// A topic could not be made or brought to its settings.
    #[error("make topic {topic}")]
    Ensure {
        /// The topic.
        topic: Topic,
        /// The reason.
        #[source]
        source: Cause,
    },
    /// A specification that no topic can have.
    #[error("topic {topic} asks for {partitions} partitions; 1 to {max} are possible")]
    Partitions {
        /// The topic.
        topic: Topic,
        /// What was asked for.
        partitions: u32,
        /// The most there can be.
        max: u32,
    },
}

impl TopicError {
    /// What the caller can do.
    pub fn class(&self) -> ErrorClass {
        match self {
            TopicError::List { source } | TopicError::Ensure { source, .. } => source.class(),
            TopicError::Partitions { .. } => ErrorClass::Permanent,
        }
    }
}

/// Why records were not published.
#[derive(Debug, Error)]
pub enum PublishError {
    /// A record is larger than its topic takes. Nothing of the call was written; through a gateway, records before it may
    /// have been.
    #[error("publish record {index} to {topic}: it has {bytes} bytes, the topic takes {max}")]
    TooLarge {
        /// The topic.
        topic: Topic,
        /// Which record of the call, from 0.
        index: usize,
        /// Its size.
        bytes: usize,
        /// The topic's limit.
        max: usize,
    },
    /// A record without a key for a compacted topic. Nothing of the call was written.
    #[error("publish record {index} to {topic}: a compacted topic takes only records with a key")]
    KeyMissing {
        /// The topic.
        topic: Topic,
        /// Which record of the call, from 0.
        index: usize,
    },
    /// The topic does not exist.
    #[error("publish to {topic}: there is no such topic")]
    UnknownTopic {
        /// The topic.
        topic: Topic,
    },
    /// The log did not take the records. On Kafka and through a gateway some of them may be durable, so whoever tries
    /// again may repeat them; embedded, none is.
    #[error("publish to {topic}")]
    Append {
        /// The topic.
        topic: Topic,
        /// The reason.
        #[source]
        source: Cause,
    },
}

impl PublishError {
    /// The record of the call that is the cause, from 0, if it is known.
    pub fn culprit(&self) -> Option<usize> {
        match self {
            PublishError::TooLarge { index, .. }
            | PublishError::KeyMissing { index, .. }
            | PublishError::Append {
                source: Cause::Uplink(UplinkError::Forbidden { index, .. }),
                ..
            } => Some(*index),
            PublishError::UnknownTopic { .. } | PublishError::Append { .. } => None,
        }
    }

    /// Whether the record is one that this sensor may not write, and not too large.
    pub fn is_forbidden(&self) -> bool {
        matches!(
            self,
            PublishError::Append {
                source: Cause::Uplink(UplinkError::Forbidden { .. }),
                ..
            }
        )
    }

    /// What the caller can do.
    pub fn class(&self) -> ErrorClass {
        match self {
            PublishError::TooLarge { .. } | PublishError::KeyMissing { .. } => ErrorClass::Poison,
            PublishError::UnknownTopic { .. } => ErrorClass::Permanent,
            PublishError::Append { source, .. } => source.class(),
        }
    }
}

/// Why records could not be read.
#[derive(Debug, Error)]
pub enum PollError {
    /// There is no such topic.
    #[error("read {topic}: there is no such topic")]
    UnknownTopic {
        /// The topic.
        topic: Topic,
    },
    /// The log could not be read.
    #[error("read from the bus")]
    Read {
        /// The reason.
        #[source]
        source: Cause,
    },
}

impl PollError {
    /// What the caller can do.
    pub fn class(&self) -> ErrorClass {
        match self {
            PollError::UnknownTopic { .. } => ErrorClass::Permanent,
            PollError::Read { source } => source.class(),
        }
    }
}

/// Why positions were not committed.
#[derive(Debug, Error)]
pub enum CommitError {
    /// The log did not take them; the positions committed before still hold.
    #[error("commit positions")]
    Store {
        /// The reason.
        #[source]
        source: Cause,
    },
}

impl CommitError {
    /// What the caller can do.
    pub fn class(&self) -> ErrorClass {
        match self {
            CommitError::Store { source } => source.class(),
        }
    }
}

/// Whatever is not known to be hopeless is tried again: a broker that is away, moving or overloaded comes back.
#[cfg(feature = "kafka")]
fn kafka_class(error: &KafkaError) -> ErrorClass {
    if let KafkaError::MessageConsumptionFatal(_) = error {
        return ErrorClass::Permanent;
    }
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidMessageSize
            | RDKafkaErrorCode::MessageBatchTooLarge
            | RDKafkaErrorCode::InvalidRecord,
        ) => ErrorClass::Poison,
        Some(
            RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::SSL
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::Fatal
            | RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::InvalidArgument
            | RDKafkaErrorCode::InvalidConfig
            | RDKafkaErrorCode::InvalidTopic
            | RDKafkaErrorCode::InvalidPartitions
            | RDKafkaErrorCode::InvalidReplicationFactor
            | RDKafkaErrorCode::PolicyViolation
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::UnsupportedFeature,
        ) => ErrorClass::Permanent,
        Some(_) | None => ErrorClass::Transient,
    }
}

/// A full or busy disk is waited for; a file that is no database, or a broken one, is not.
#[cfg(feature = "embedded")]
fn sqlite_class(error: &rusqlite::Error) -> ErrorClass {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::SchemaChanged,
        ) => ErrorClass::Transient,
        Some(_) | None => ErrorClass::Permanent,
    }
}
