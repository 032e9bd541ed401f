//! The Kafka adapter, on librdkafka: the only place of the workspace that knows Kafka.
//!
//! It rewrites nothing of Kafka: groups place work, topics keep what must last, the broker's settings and ACLs hold.
//! What it adds is the bus's promises: publishes that resolve when durable, and partitions that are given up only
//! after their member has heard of it and polled again.

mod admin;
mod client;
mod consumer;
mod latest;
mod producer;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use rdkafka::admin::AdminClient;

use crate::config::KafkaConfig;
use crate::error::{Cause, OpenError, PollError, TopicError};
use crate::record::Record;
use crate::topic::{Cleanup, Position, Subscription, Topic, TopicSpec};
use client::Log;

pub use consumer::KafkaConsumer;
pub use producer::KafkaProducer;

/// A connection to a cluster; clones share it.
#[derive(Clone)]
pub struct KafkaBus {
    config: Arc<KafkaConfig>,
    admin: Arc<AdminClient<Log>>,
    limits: Arc<Limits>,
}

/// What [`KafkaBus::ensure_topics`] has set in this process, so that producers can refuse a record before it is sent.
/// For topics it has not seen, the broker's own refusal holds.
#[derive(Debug, Default)]
struct Limits(RwLock<BTreeMap<Topic, Limit>>);

#[derive(Debug, Clone, Copy)]
struct Limit {
    record_bytes_max: usize,
    compact: bool,
}

impl std::fmt::Debug for KafkaBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaBus").finish_non_exhaustive()
    }
}

impl KafkaBus {
    /// Checks the configuration and makes a client; nothing is sent yet.
    pub fn open(config: &KafkaConfig) -> Result<KafkaBus, OpenError> {
        let admin: AdminClient<Log> = client::settings(config)?
            .create_with_context(Log)
            .map_err(|error| OpenError::Client { source: error.into() })?;
        Ok(KafkaBus {
            config: Arc::new(config.clone()),
            admin: Arc::new(admin),
            limits: Arc::default(),
        })
    }

    /// See [`crate::Bus::ensure_topics`].
    pub async fn ensure_topics(&self, specs: &[TopicSpec]) -> Result<(), TopicError> {
        admin::ensure(&self.admin, specs).await?;
        self.limits.remember(specs);
        Ok(())
    }

    /// See [`crate::Bus::topics`].
    pub async fn topics(&self, prefix: &str) -> Result<Vec<Topic>, TopicError> {
        let admin = Arc::clone(&self.admin);
        let topics = blocking(move || admin::topics(&admin))
            .await
            .and_then(|topics| topics);
        let topics = topics.map_err(|source| TopicError::List { source })?;
        Ok(topics
            .into_iter()
            .filter(|topic| topic.as_str().starts_with(prefix))
            .collect())
    }

    /// See [`crate::Bus::producer`].
    pub fn producer(&self) -> Result<KafkaProducer, OpenError> {
        KafkaProducer::new(&self.config, Arc::clone(&self.limits))
    }

    /// See [`crate::Bus::consumer`].
    pub fn consumer(&self, group: &str, subscription: Subscription) -> Result<KafkaConsumer, OpenError> {
        KafkaConsumer::join(&self.config, group, &subscription)
    }

    /// See [`crate::Bus::latest`].
    pub async fn latest(
        &self,
        topic: &Topic,
        starts: &[Vec<u8>],
    ) -> Result<BTreeMap<Vec<u8>, Record>, PollError> {
        let (admin, config, topic) = (Arc::clone(&self.admin), Arc::clone(&self.config), topic.clone());
        let starts = starts.to_vec();
        blocking(move || latest::latest(&admin, &config, &topic, &starts))
            .await
            .unwrap_or_else(|source| Err(PollError::Read { source }))
    }

    /// See [`crate::Bus::end_positions`].
    pub async fn end_positions(&self, topic: &Topic) -> Result<Vec<Position>, PollError> {
        let (admin, topic) = (Arc::clone(&self.admin), topic.clone());
        blocking(move || latest::ends(&admin, &topic))
            .await
            .unwrap_or_else(|source| Err(PollError::Read { source }))
    }
}

impl Limits {
    fn remember(&self, specs: &[TopicSpec]) {
        let mut limits = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for spec in specs {
            let record_bytes_max = usize::try_from(spec.max_record_bytes).unwrap_or(usize::MAX);
            let compact = spec.cleanup == Cleanup::Compact;
            limits.insert(
                spec.topic.clone(),
                Limit {
                    record_bytes_max,
                    compact,
                },
            );
        }
    }

    fn of(&self, topic: &Topic) -> Option<Limit> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(topic)
            .copied()
    }
}

/// Runs librdkafka's blocking calls off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Cause> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Cause::Closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_printed_without_the_values_of_its_properties() {
        let config = KafkaConfig {
            bootstrap: "127.0.0.1:19092".to_owned(),
            client_id: "sensor-1".to_owned(),
            properties: BTreeMap::from([("sasl.password".to_owned(), "hunter2".to_owned())]),
        };
        let whole = crate::BusConfig::Kafka(config.clone());
        for printed in [format!("{config:?}"), format!("{whole:#?}")] {
            assert!(printed.contains("sasl.password"), "{printed}");
            assert!(!printed.contains("hunter2"), "{printed}");
        }
    }
}
