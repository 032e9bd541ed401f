//! Reading a topic outside any group: where it ends, and what a compacted one says.

use std::collections::BTreeMap;

use rdkafka::admin::AdminClient;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

use super::KafkaConfig;
use super::client::{Log, REQUEST_TIMEOUT, settings};
use super::consumer::record_of;
use crate::error::{Cause, PollError};
use crate::record::Record;
use crate::topic::{Position, Topic};

/// librdkafka wants a group's name to read at all; nothing joins it and nothing is committed to it.
const NO_GROUP: &str = "varde.latest";

/// See [`crate::Bus::end_positions`]. Blocks.
pub(super) fn ends(admin: &AdminClient<Log>, topic: &Topic) -> Result<Vec<Position>, PollError> {
    let marks = watermarks(admin, topic)?;
    let ends = marks.into_iter().map(|(partition, (_, end))| Position {
        topic: topic.clone(),
        partition: partition.cast_unsigned(),
        offset: end.cast_unsigned(),
    });
    Ok(ends.collect())
}

/// See [`crate::Bus::latest`]. Blocks.
pub(super) fn latest(
    admin: &AdminClient<Log>,
    config: &KafkaConfig,
    topic: &Topic,
    starts: &[Vec<u8>],
) -> Result<BTreeMap<Vec<u8>, Record>, PollError> {
    let mut newest = BTreeMap::new();
    // What is still to be read: partitions with the offset to read up to.
    let mut open = watermarks(admin, topic)?;
    open.retain(|_, (start, end)| start < end);
    if open.is_empty() {
        return Ok(newest);
    }
    let read = |source: KafkaError| PollError::Read {
        source: source.into(),
    };
    let reader = reader(config, topic, &open)?;
    while !open.is_empty() {
        match reader.poll(REQUEST_TIMEOUT) {
            Some(Ok(message)) => {
                use rdkafka::Message;
                let Some((_, end)) = open.get(&message.partition()).copied() else {
                    continue;
                };
                if end <= message.offset() + 1 {
                    open.remove(&message.partition());
                }
                let is_wanted = |key: &[u8]| starts.iter().any(|start| key.starts_with(start));
                if !message.key().is_some_and(is_wanted) {
                    continue;
                }
                let record = record_of(&message);
                match &record.key {
                    Some(key) if message.offset() < end && record.tombstone => drop(newest.remove(key)),
                    Some(key) if message.offset() < end => drop(newest.insert(key.clone(), record)),
                    Some(_) | None => {}
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
            Some(Err(error)) => return Err(read(error)),
            None => {
                return Err(read(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::OperationTimedOut,
                )));
            }
        }
    }
    Ok(newest)
}

fn reader(
    config: &KafkaConfig,
    topic: &Topic,
    open: &BTreeMap<i32, (i64, i64)>,
) -> Result<BaseConsumer<Log>, PollError> {
    let read = |source: KafkaError| PollError::Read {
        source: source.into(),
    };
    let reader: BaseConsumer<Log> = settings(config)
        .map_err(|_| PollError::Read {
            source: Cause::Closed,
        })?
        .set("group.id", NO_GROUP)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create_with_context(Log)
        .map_err(read)?;
    let mut places = TopicPartitionList::new();
    for (partition, (start, _)) in open {
        places
            .add_partition_offset(topic.as_str(), *partition, Offset::Offset(*start))
            .map_err(read)?;
    }
    reader.assign(&places).map_err(read)?;
    Ok(reader)
}

/// The first and the next offset of each partition.
fn watermarks(admin: &AdminClient<Log>, topic: &Topic) -> Result<BTreeMap<i32, (i64, i64)>, PollError> {
    let read = |source: KafkaError| PollError::Read {
        source: source.into(),
    };
    let client = admin.inner();
    let metadata = client
        .fetch_metadata(Some(topic.as_str()), REQUEST_TIMEOUT)
        .map_err(read)?;
    let partitions: Vec<i32> = metadata
        .topics()
        .iter()
        .flat_map(|found| found.partitions().iter().map(|partition| partition.id()))
        .collect();
    if partitions.is_empty() {
        return Err(PollError::UnknownTopic { topic: topic.clone() });
    }
    let mut marks = BTreeMap::new();
    for partition in partitions {
        let mark = client
            .fetch_watermarks(topic.as_str(), partition, REQUEST_TIMEOUT)
            .map_err(read)?;
        marks.insert(partition, mark);
    }
    Ok(marks)
}
