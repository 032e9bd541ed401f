//! Topics of a cluster: listing them, making them, bringing their settings in line.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::blocking;
use super::client::{Log, REQUEST_TIMEOUT};
use super::producer::BATCH_BYTES;
use crate::error::{Cause, TopicError};
use crate::topic::{Cleanup, Topic, TopicSpec};

/// The most partitions a topic may ask for: more than any broker takes well.
const PARTITIONS_MAX: u32 = 10_000;

/// What a batch weighs beside its records' keys, values and headers: Kafka's framing, generously.
const BATCH_OVERHEAD_BYTES: u64 = 64 * 1024;

/// How long to wait until a new topic can be used, and how often to look.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);
const VISIBLE_INTERVAL: Duration = Duration::from_millis(50);

/// Bounds for how long a segment stays open: records leave by whole closed segments, so a segment must be short
/// beside the retention, but not so short that files pile up.
const SEGMENT_SHORTEST: Duration = Duration::from_secs(10 * 60);
const SEGMENT_LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How large an open segment of a compacted topic grows: who starts reads what is not compacted yet as well, and that is
/// about this much.
const COMPACT_SEGMENT_BYTES: u32 = 64 << 20;

/// See [`crate::Bus::topics`].
pub(super) fn topics(admin: &AdminClient<Log>) -> Result<Vec<Topic>, Cause> {
    let metadata = admin.inner().fetch_metadata(None, REQUEST_TIMEOUT)?;
    let names = metadata
        .topics()
        .iter()
        .map(|topic| topic.name())
        .filter(|name| !name.starts_with("__"));
    let mut topics: Vec<Topic> = names.filter_map(|name| Topic::parse(name).ok()).collect();
    topics.sort_unstable();
    Ok(topics)
}

/// See [`crate::Bus::ensure_topics`].
pub(super) async fn ensure(admin: &Arc<AdminClient<Log>>, specs: &[TopicSpec]) -> Result<(), TopicError> {
    for spec in specs {
        let topic = &spec.topic;
        if spec.partitions < 1 || PARTITIONS_MAX < spec.partitions {
            let partitions = spec.partitions;
            return Err(TopicError::Partitions {
                topic: topic.clone(),
                partitions,
                max: PARTITIONS_MAX,
            });
        }
        let failed = |source: Cause| TopicError::Ensure {
            topic: topic.clone(),
            source,
        };
        if create(admin, spec).await.map_err(|error| failed(error.into()))? {
            visible(admin, topic).await.map_err(failed)?;
        } else {
            align(admin, spec).await.map_err(|error| failed(error.into()))?;
        }
    }
    Ok(())
}

/// Makes a topic; `false` when it was there already.
async fn create(admin: &AdminClient<Log>, spec: &TopicSpec) -> Result<bool, KafkaError> {
    let settings = settings(spec);
    let partitions = i32::try_from(spec.partitions).unwrap_or(i32::MAX);
    // -1: as many replicas as the cluster says (KIP-464).
    let mut new = NewTopic::new(spec.topic.as_str(), partitions, TopicReplication::Fixed(-1));
    for (name, value) in &settings {
        new = new.set(name, value);
    }
    for made in admin.create_topics([&new], &options()).await? {
        match made {
            Ok(_) => {}
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => return Ok(false),
            Err((_, code)) => return Err(KafkaError::AdminOp(code)),
        }
    }
    Ok(true)
}

/// Waits until a new topic can be written and read.
async fn visible(admin: &Arc<AdminClient<Log>>, topic: &Topic) -> Result<(), Cause> {
    let mut looks = VISIBLE_WITHIN.as_millis() / VISIBLE_INTERVAL.as_millis();
    loop {
        let (client, asked) = (Arc::clone(admin), topic.clone());
        if blocking(move || is_ready(&client, &asked)).await?? || looks == 0 {
            return Ok(());
        }
        looks -= 1;
        tokio::time::sleep(VISIBLE_INTERVAL).await;
    }
}

/// Whether the topic is in the metadata and each partition's leader answers for it; the one comes before the other.
fn is_ready(admin: &AdminClient<Log>, topic: &Topic) -> Result<bool, Cause> {
    let metadata = admin
        .inner()
        .fetch_metadata(Some(topic.as_str()), REQUEST_TIMEOUT)?;
    let Some(found) = metadata.topics().iter().find(|found| found.error().is_none()) else {
        return Ok(false);
    };
    for partition in found.partitions() {
        match admin
            .inner()
            .fetch_watermarks(topic.as_str(), partition.id(), REQUEST_TIMEOUT)
        {
            Ok(_) => {}
            Err(error) => match error.rdkafka_error_code() {
                Some(
                    RDKafkaErrorCode::NotLeaderForPartition
                    | RDKafkaErrorCode::LeaderNotAvailable
                    | RDKafkaErrorCode::UnknownTopicOrPartition
                    | RDKafkaErrorCode::UnknownPartition,
                ) => return Ok(false),
                Some(_) | None => return Err(error.into()),
            },
        }
    }
    Ok(!found.partitions().is_empty())
}

/// Brings an existing topic's settings in line and keeps those that someone else has set on it.
async fn align(admin: &AdminClient<Log>, spec: &TopicSpec) -> Result<(), KafkaError> {
    let wanted = settings(spec);
    let name = spec.topic.as_str();
    let described = admin
        .describe_configs([&ResourceSpecifier::Topic(name)], &options())
        .await?;
    let mut current: BTreeMap<String, String> = BTreeMap::new();
    for resource in described {
        let resource = resource.map_err(KafkaError::AdminOp)?;
        let own = resource
            .entries
            .into_iter()
            .filter(|entry| entry.source == ConfigSource::DynamicTopic);
        current.extend(own.filter_map(|entry| Some((entry.name, entry.value?))));
    }
    if wanted
        .iter()
        .all(|(name, value)| current.get(*name) == Some(value))
    {
        return Ok(());
    }
    // AlterConfigs replaces the whole set, so what is there goes along.
    current.extend(wanted.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let mut alter = AlterConfig::new(ResourceSpecifier::Topic(name));
    for (name, value) in &current {
        alter = alter.set(name, value);
    }
    for altered in admin.alter_configs([&alter], &options()).await? {
        altered.map_err(|(_, code)| KafkaError::AdminOp(code))?;
    }
    Ok(())
}

/// A topic's settings in Kafka's words.
fn settings(spec: &TopicSpec) -> BTreeMap<&'static str, String> {
    // A batch of several records is at most `BATCH_BYTES`; only a single record may make a larger one. So a batch
    // is refused for its size only if a record of it is too large by itself.
    let batch = u64::from(spec.max_record_bytes).max(BATCH_BYTES) + BATCH_OVERHEAD_BYTES;
    let mut settings = BTreeMap::from([
        (
            "max.message.bytes",
            batch.min(i32::MAX.cast_unsigned().into()).to_string(),
        ),
        ("compression.type", "zstd".to_owned()),
    ]);
    match spec.cleanup {
        Cleanup::Delete { retention } => {
            let segment = (retention / 8).clamp(SEGMENT_SHORTEST, SEGMENT_LONGEST);
            settings.insert("cleanup.policy", "delete".to_owned());
            settings.insert(
                "retention.ms",
                retention
                    .as_millis()
                    .min(i64::MAX.cast_unsigned().into())
                    .to_string(),
            );
            settings.insert("segment.ms", segment.as_millis().to_string());
        }
        Cleanup::Compact => {
            settings.insert("cleanup.policy", "compact".to_owned());
            // Only closed segments are compacted; without this a small topic would never be.
            settings.insert("segment.ms", Duration::from_secs(60 * 60).as_millis().to_string());
            settings.insert("segment.bytes", COMPACT_SEGMENT_BYTES.to_string());
            settings.insert("min.cleanable.dirty.ratio", "0.1".to_owned());
        }
    }
    settings
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST_TIMEOUT))
        .operation_timeout(Some(REQUEST_TIMEOUT))
}
