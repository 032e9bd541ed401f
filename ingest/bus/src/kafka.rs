//! The Kafka adapter.

use std::collections::BTreeMap;

use crate::*;

/// Where a Kafka cluster is and how to talk to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port`, several separated by commas.
    pub bootstrap: String,
    /// How this client names itself to the brokers.
    pub client_id: String,
    /// Further properties of librdkafka, such as `security.protocol` and `ssl.*`.
    pub properties: BTreeMap<String, String>,
}
macro_rules! stub {
    () => {
        Cause::Closed
    };
}
/// Stub.
#[derive(Debug, Clone)]
pub struct KafkaBus {}
/// Stub.
#[derive(Debug, Clone)]
pub struct KafkaProducer {}
/// Stub.
#[derive(Debug)]
pub struct KafkaConsumer {}
#[allow(missing_docs, unused_variables, reason = "stub")]
impl KafkaBus {
    pub fn open(config: &KafkaConfig) -> Result<KafkaBus, OpenError> {
        Err(OpenError::Client { source: stub!() })
    }
    pub async fn ensure_topics(&self, specs: &[TopicSpec]) -> Result<(), TopicError> {
        Err(TopicError::List { source: stub!() })
    }
    pub async fn topics(&self, prefix: &str) -> Result<Vec<Topic>, TopicError> {
        Err(TopicError::List { source: stub!() })
    }
    pub fn producer(&self) -> Result<KafkaProducer, OpenError> {
        Err(OpenError::Client { source: stub!() })
    }
    pub fn consumer(&self, group: &str, subscription: Subscription) -> Result<KafkaConsumer, OpenError> {
        Err(OpenError::Client { source: stub!() })
    }
    pub async fn latest(&self, topic: &Topic) -> Result<BTreeMap<Vec<u8>, Record>, PollError> {
        Err(PollError::Read { source: stub!() })
    }
    pub async fn end_positions(&self, topic: &Topic) -> Result<Vec<Position>, PollError> {
        Err(PollError::Read { source: stub!() })
    }
}
#[allow(missing_docs, unused_variables, reason = "stub")]
impl KafkaProducer {
    pub async fn publish(&self, topic: &Topic, records: Vec<Record>) -> Result<Vec<Position>, PublishError> {
        Err(PublishError::Append {
            topic: topic.clone(),
            source: stub!(),
        })
    }
}
#[allow(missing_docs, unused_variables, reason = "stub")]
impl KafkaConsumer {
    pub async fn poll(&mut self, limit: PollLimit) -> Result<Batch, PollError> {
        Err(PollError::Read { source: stub!() })
    }
    pub async fn commit(&mut self, positions: &[Position]) -> Result<(), CommitError> {
        Ok(())
    }
    pub async fn close(self) {}
}
