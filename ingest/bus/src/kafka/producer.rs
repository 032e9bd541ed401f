//! The producing side: an idempotent producer whose calls resolve when every replica in sync has the records.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::Message;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::oneshot;

use super::{KafkaConfig, Limit, Limits, client};
use crate::error::{OpenError, PublishError};
use crate::record::Record;
use crate::topic::{Position, Topic};

/// The most bytes of several records in one batch; librdkafka's default. Topics are made to take at least this.
pub(super) const BATCH_BYTES: u64 = 1_000_000;

/// The largest single record the client lets through; the topic's own limit is lower and holds.
const RECORD_BYTES_MAX: u64 = 256 << 20;

/// How long to wait for room in the full queue before trying again: a few batches leave it in this time.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(5);

/// See [`crate::Producer`].
#[derive(Clone)]
pub struct KafkaProducer {
    producer: Arc<ThreadedProducer<Receipts>>,
    limits: Arc<Limits>,
}

impl std::fmt::Debug for KafkaProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaProducer").finish_non_exhaustive()
    }
}

/// Hands each record's fate to the call it belongs to.
struct Receipts;

/// One record of a call.
struct Receipt {
    call: Arc<Mutex<Call>>,
    index: usize,
}

/// Where a record went, in librdkafka's numbers.
#[derive(Clone, Copy)]
struct Place {
    partition: i32,
    offset: i64,
}

/// A call under way.
struct Call {
    /// Of each record; -1 until it is known.
    places: Vec<Place>,
    open: usize,
    failed: Option<KafkaError>,
    done: Option<oneshot::Sender<Result<Vec<Place>, KafkaError>>>,
}

impl KafkaProducer {
    pub(super) fn new(config: &KafkaConfig, limits: Arc<Limits>) -> Result<KafkaProducer, OpenError> {
        let producer = client::settings(config)?
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("compression.type", "zstd")
            .set("linger.ms", "5")
            .set("batch.size", BATCH_BYTES.to_string())
            .set("message.max.bytes", RECORD_BYTES_MAX.to_string())
            // What may wait in memory; beyond it `publish` waits.
            .set("queue.buffering.max.kbytes", "131072")
            .set("queue.buffering.max.messages", "500000")
            // Never given up while the broker is away: the caller keeps its records until they are durable, and a
            // timeout would only tell it to send them again.
            .set("message.timeout.ms", "0")
            // How long a topic nobody has heard of may still turn up, after which it is an error.
            .set("topic.metadata.propagation.max.ms", "10000")
            .set("partitioner", "murmur2_random")
            .create_with_context(Receipts)
            .map_err(|error| OpenError::Client { source: error.into() })?;
        Ok(KafkaProducer {
            producer: Arc::new(producer),
            limits,
        })
    }

    /// See [`crate::Producer::publish`].
    pub async fn publish(&self, topic: &Topic, records: Vec<Record>) -> Result<Vec<Position>, PublishError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(limit) = self.limits.of(topic) {
            check(topic, &records, limit)?;
        }
        let (sender, done) = oneshot::channel();
        let call = Arc::new(Mutex::new(Call {
            places: vec![
                Place {
                    partition: -1,
                    offset: -1
                };
                records.len()
            ],
            open: records.len(),
            failed: None,
            done: Some(sender),
        }));
        for (index, record) in records.iter().enumerate() {
            if let Err(error) = self.enqueue(topic, record, &call, index).await {
                // What is queued already is waited for, so that nothing of the call is under way after its answer.
                lock(&call).settle(records.len() - index, Some(error));
                break;
            }
        }
        drop(records);
        let places = done
            .await
            .unwrap_or(Err(KafkaError::Canceled))
            .map_err(|error| publish_error(topic, error))?;
        let position = |place: Place| Position {
            topic: topic.clone(),
            partition: place.partition.cast_unsigned(),
            offset: place.offset.cast_unsigned(),
        };
        Ok(places.into_iter().map(position).collect())
    }

    /// Puts one record in librdkafka's queue, waiting while it is full.
    async fn enqueue(
        &self,
        topic: &Topic,
        record: &Record,
        call: &Arc<Mutex<Call>>,
        index: usize,
    ) -> Result<(), KafkaError> {
        loop {
            let receipt = Box::new(Receipt {
                call: Arc::clone(call),
                index,
            });
            let mut message: BaseRecord<'_, [u8], [u8], _> =
                BaseRecord::with_opaque_to(topic.as_str(), receipt);
            if let Some(key) = &record.key {
                message = message.key(key.as_slice());
            }
            if !record.tombstone {
                message = message.payload(record.value.as_slice());
            }
            if !record.headers.is_empty() {
                let headers = OwnedHeaders::new_with_capacity(record.headers.len());
                message = message.headers(record.headers.iter().fold(headers, |headers, (name, value)| {
                    headers.insert(Header {
                        key: name,
                        value: Some(value),
                    })
                }));
            }
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {}
                Err((error, _)) => return Err(error),
            }
            tokio::time::sleep(QUEUE_FULL_WAIT).await;
        }
    }
}

impl ClientContext for Receipts {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl ProducerContext for Receipts {
    type DeliveryOpaque = Box<Receipt>;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: Box<Receipt>) {
        let mut call = lock(&receipt.call);
        let failed = match result {
            Ok(message) => {
                if let Some(place) = call.places.get_mut(receipt.index) {
                    *place = Place {
                        partition: message.partition(),
                        offset: message.offset(),
                    };
                }
                None
            }
            Err((error, _)) => Some(error.clone()),
        };
        call.settle(1, failed);
    }
}

impl Call {
    /// Counts records whose fate is known; the last one answers the call, with the first failure if there was one.
    fn settle(&mut self, records: usize, failed: Option<KafkaError>) {
        self.open = self.open.saturating_sub(records);
        if self.failed.is_none() {
            self.failed = failed;
        }
        if self.open == 0
            && let Some(done) = self.done.take()
        {
            let answer = self
                .failed
                .take()
                .map_or_else(|| Ok(std::mem::take(&mut self.places)), Err);
            // A caller that has gone away needs no answer.
            drop(done.send(answer));
        }
    }
}

fn lock(call: &Mutex<Call>) -> std::sync::MutexGuard<'_, Call> {
    call.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check(topic: &Topic, records: &[Record], limit: Limit) -> Result<(), PublishError> {
    for (index, record) in records.iter().enumerate() {
        let (bytes, max) = (record.bytes(), limit.record_bytes_max);
        if max < bytes {
            return Err(PublishError::TooLarge {
                topic: topic.clone(),
                index,
                bytes,
                max,
            });
        }
        if limit.compact && record.key.is_none() {
            return Err(PublishError::KeyMissing {
                topic: topic.clone(),
                index,
            });
        }
    }
    Ok(())
}

fn publish_error(topic: &Topic, error: KafkaError) -> PublishError {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownPartition,
        ) => PublishError::UnknownTopic { topic: topic.clone() },
        Some(_) | None => PublishError::Append {
            topic: topic.clone(),
            source: error.into(),
        },
    }
}
