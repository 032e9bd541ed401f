//! Where the contract runs, a bus with names of its own, and how its checks wait for what must come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ingest_bus::KafkaConfig;
use ingest_bus::{
    Bus, BusConfig, Cleanup, Consumer, Delivery, PollLimit, Position, Record, Subscription, Topic,
    TopicPartition, TopicSpec,
};
use tempfile::TempDir;

/// How long a test waits for something that must come; never how long it takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The limit of the topics here: over Kafka's batch size, so that it is the topic's limit that is tested.
pub(crate) const RECORD_BYTES_MAX: usize = 1_500_000;

/// A bus and names that no other run uses.
pub(crate) struct Fixture {
    pub(crate) bus: Bus,
    run: String,
    _directory: TempDir,
}

impl Fixture {
    pub(crate) async fn open(kafka: Option<String>) -> Fixture {
        let directory = tempfile::Builder::new()
            .prefix("bus")
            .rand_bytes(12)
            .tempdir()
            .unwrap();
        let run = directory.path().file_name().unwrap().to_str().unwrap().to_owned();
        let config = match kafka {
            Some(bootstrap) => BusConfig::Kafka(KafkaConfig {
                bootstrap,
                client_id: "contract".to_owned(),
                properties: BTreeMap::new(),
            }),
            None => BusConfig::Embedded {
                directory: directory.path().to_owned(),
            },
        };
        Fixture {
            bus: Bus::open(&config).await.unwrap(),
            run,
            _directory: directory,
        }
    }

    pub(crate) fn name(&self, name: &str) -> String {
        format!("test.{}.{name}", self.run)
    }

    pub(crate) async fn topic(&self, name: &str, partitions: u32) -> Topic {
        self.ensure(
            name,
            partitions,
            Cleanup::Delete {
                retention: Duration::from_secs(3600),
            },
        )
        .await
    }

    pub(crate) async fn compacted(&self, name: &str, partitions: u32) -> Topic {
        self.ensure(name, partitions, Cleanup::Compact).await
    }

    pub(crate) async fn ensure(&self, name: &str, partitions: u32, cleanup: Cleanup) -> Topic {
        let topic = Topic::parse(&self.name(name)).unwrap();
        self.bus
            .ensure_topics(&[spec(topic.clone(), partitions, cleanup)])
            .await
            .unwrap();
        topic
    }

    pub(crate) fn consumer(&self, group: &str, topic: &Topic) -> Consumer {
        self.bus
            .consumer(&self.name(group), Subscription::Topics(vec![topic.clone()]))
            .unwrap()
    }

    pub(crate) async fn publish_numbers(
        &self,
        topic: &Topic,
        numbers: std::ops::Range<u32>,
    ) -> Vec<Position> {
        let records = numbers.map(|number| Record::new(number.to_string())).collect();
        self.bus
            .producer()
            .unwrap()
            .publish(topic, records)
            .await
            .unwrap()
    }

    pub(crate) async fn publish_keyed(&self, topic: &Topic, numbers: std::ops::Range<u32>) -> Vec<Position> {
        let records = numbers
            .map(|number| Record::new(number.to_string()).with_key(number.to_string()))
            .collect();
        self.bus
            .producer()
            .unwrap()
            .publish(topic, records)
            .await
            .unwrap()
    }
}

/// A consumer with what it owns and has read; checks that ownership and deliveries agree.
pub(crate) struct Member {
    pub(crate) consumer: Consumer,
    pub(crate) owned: BTreeSet<TopicPartition>,
    pub(crate) read: Vec<Delivery>,
}

impl Member {
    pub(crate) fn new(consumer: Consumer) -> Member {
        Member {
            consumer,
            owned: BTreeSet::new(),
            read: Vec::new(),
        }
    }

    pub(crate) async fn poll(&mut self) {
        let batch = self
            .consumer
            .poll(limit(Duration::from_millis(50)))
            .await
            .unwrap();
        for place in &batch.lost {
            assert!(self.owned.remove(place), "{place:?} was lost but not owned");
        }
        for place in batch.gained {
            assert!(self.owned.insert(place.clone()), "{place:?} was gained twice");
        }
        for delivery in &batch.deliveries {
            assert!(
                self.owned.contains(&delivery.position.topic_partition()),
                "not owned: {delivery:?}"
            );
        }
        self.read.extend(batch.deliveries);
    }
}

/// Polls all members in turn until something holds; at no time may two own the same partition.
pub(crate) async fn until(members: &mut [Member], what: &str, holds: impl Fn(&[Member]) -> bool) {
    let polling = async {
        while !holds(members) {
            for member in members.iter_mut() {
                member.poll().await;
            }
            let owned: usize = members.iter().map(|member| member.owned.len()).sum();
            let distinct: BTreeSet<&TopicPartition> =
                members.iter().flat_map(|member| &member.owned).collect();
            assert_eq!(distinct.len(), owned, "two members own the same partition");
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, polling).await.is_ok(),
        "did not happen: {what}"
    );
}

pub(crate) async fn until_equal(
    mut seen: BTreeMap<Vec<u8>, Record>,
    expected: BTreeMap<Vec<u8>, Record>,
    consumer: &mut Consumer,
) {
    while seen != expected {
        let batch = consumer.poll(limit(PATIENCE)).await.unwrap();
        assert!(!batch.is_empty(), "{seen:?} is not {expected:?}");
        for delivery in batch.deliveries {
            seen.insert(delivery.record.key.clone().unwrap(), delivery.record);
        }
        seen.retain(|_, record| !record.tombstone);
    }
}

pub(crate) fn spec(topic: Topic, partitions: u32, cleanup: Cleanup) -> TopicSpec {
    TopicSpec {
        topic,
        partitions,
        cleanup,
        max_record_bytes: RECORD_BYTES_MAX.try_into().unwrap(),
    }
}

pub(crate) fn limit(wait: Duration) -> PollLimit {
    PollLimit {
        records: 1000,
        bytes: 8 << 20,
        wait,
    }
}

/// Exactly `count` records, however many polls they take.
pub(crate) async fn take(consumer: &mut Consumer, count: usize) -> Vec<Delivery> {
    let mut read = Vec::new();
    while read.len() < count {
        let batch = consumer.poll(limit(PATIENCE)).await.unwrap();
        assert!(!batch.is_empty(), "{} of {count} records came", read.len());
        read.extend(batch.deliveries);
    }
    assert_eq!(read.len(), count, "more came than were published");
    read
}

pub(crate) fn numbers(deliveries: &[Delivery]) -> Vec<u32> {
    deliveries
        .iter()
        .map(|delivery| {
            std::str::from_utf8(&delivery.record.value)
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect()
}

/// One position a partition: the last.
pub(crate) fn highest(positions: &[Position]) -> Vec<Position> {
    let by_partition: BTreeMap<TopicPartition, Position> = positions
        .iter()
        .map(|position| (position.topic_partition(), position.clone()))
        .collect();
    by_partition.into_values().collect()
}
