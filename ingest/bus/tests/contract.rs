//! The bus's promises as one suite, run against both adapters: the embedded log always, Kafka when
//! `VARDE_TEST_KAFKA=host:port` says where one is. Names are unique per run, so a broker can be used again and again.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops where something is not as it must be, and says on stdout what it skips"
)]

#[path = "contract/fixture.rs"]
mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use ingest_bus::{
    Batch, Block, Change, Cleanup, ErrorClass, PollLimit, Position, PublishError, Record, Subscription,
    Topic, TopicPartition,
};

use fixture::{
    Fixture, Member, PATIENCE, RECORD_BYTES_MAX, highest, limit, numbers, spec, take, until, until_equal,
};

/// One test per check and adapter.
macro_rules! contract {
    ($($check:ident)*) => {
        mod embedded {
            $(#[test] fn $check() { super::run_embedded(super::$check); })*
        }
        mod kafka {
            $(#[test] fn $check() { super::run_kafka(super::$check); })*
        }
    };
}

contract! {
    order_holds_within_a_partition
    a_key_stays_in_its_partition
    every_kind_of_record_comes_back_as_it_was
    reading_resumes_at_the_commit
    what_was_not_committed_comes_again
    a_group_starts_at_the_earliest_record
    groups_do_not_share_positions
    a_prefix_takes_in_topics_made_later
    two_members_split_and_take_over
    a_partition_given_up_can_still_be_committed
    latest_is_the_newest_of_each_key
    a_record_over_the_limit_is_refused_alone
    a_compacted_topic_refuses_records_without_key
    publishing_to_no_topic_is_an_error
    ensuring_topics_twice_changes_nothing
    limits_of_a_poll_hold
    a_dropped_poll_loses_nothing
    a_block_brings_what_a_batch_brings
    end_positions_follow_what_is_published
}

async fn order_holds_within_a_partition(f: Fixture) {
    let topic = f.topic("order", 3).await;
    let producer = f.bus.producer().unwrap();
    let mut expected: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    for call in 0..20_u32 {
        let records: Vec<Record> = (0..10_u32)
            .map(|n| Record::new(format!("{call}/{n}")).with_key(format!("key {}", n % 7)))
            .collect();
        let places = producer.publish(&topic, records.clone()).await.unwrap();
        for (place, record) in places.iter().zip(&records) {
            expected
                .entry(place.partition)
                .or_default()
                .push(record.value.clone());
        }
    }
    let mut consumer = f.consumer("order", &topic);
    let mut read: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    for delivery in take(&mut consumer, 200).await {
        read.entry(delivery.position.partition)
            .or_default()
            .push(delivery.record.value);
    }
    assert_eq!(read, expected);
    assert!(1 < read.len(), "keys should have spread over partitions");
}

async fn a_key_stays_in_its_partition(f: Fixture) {
    let topic = f.topic("keys", 5).await;
    // Two producers agree, and both adapters with Kafka's own murmur2: "21" -> -973932308, "abc" -> 479470107.
    let (one, two) = (f.bus.producer().unwrap(), f.bus.producer().unwrap());
    for (key, hash) in [("21", -973_932_308_i32), ("abc", 479_470_107)] {
        let expected = (hash.cast_unsigned() & 0x7fff_ffff) % 5;
        for producer in [&one, &two, &one] {
            let places = producer
                .publish(&topic, vec![Record::new("v").with_key(key)])
                .await
                .unwrap();
            assert_eq!(places[0].partition, expected, "{key}");
        }
    }
}

async fn every_kind_of_record_comes_back_as_it_was(f: Fixture) {
    let topic = f.topic("kinds", 1).await;
    let records = vec![
        Record::new(""),
        Record::new("blåbærgrøt").with_key("nøkkel"),
        Record::new((0..=255).collect::<Vec<u8>>()).with_key((0..=255).rev().collect::<Vec<u8>>()),
        Record::new("empty key").with_key(""),
        Record::new("headers")
            .with_header("a", "1")
            .with_header("a", vec![0, 255])
            .with_header("tom", ""),
        Record::tombstone("gone"),
    ];
    f.bus
        .producer()
        .unwrap()
        .publish(&topic, records.clone())
        .await
        .unwrap();
    let read: Vec<Record> = take(&mut f.consumer("kinds", &topic), records.len())
        .await
        .into_iter()
        .map(|d| d.record)
        .collect();
    assert_eq!(read, records);
}

async fn reading_resumes_at_the_commit(f: Fixture) {
    let topic = f.topic("resume", 1).await;
    f.publish_numbers(&topic, 0..10).await;
    let mut consumer = f.consumer("resume", &topic);
    let first = take(&mut consumer, 10).await;
    consumer.commit(&[first[5].position.next()]).await.unwrap();
    // Dropped, not closed.
    drop(consumer);
    let mut again = f.consumer("resume", &topic);
    assert_eq!(numbers(&take(&mut again, 4).await), [6, 7, 8, 9]);
}

async fn what_was_not_committed_comes_again(f: Fixture) {
    let topic = f.topic("again", 1).await;
    f.publish_numbers(&topic, 0..5).await;
    for _ in 0..2 {
        let mut consumer = f.consumer("again", &topic);
        assert_eq!(numbers(&take(&mut consumer, 5).await), [0, 1, 2, 3, 4]);
        consumer.close().await;
    }
}

async fn a_group_starts_at_the_earliest_record(f: Fixture) {
    let topic = f.topic("earliest", 1).await;
    f.publish_numbers(&topic, 0..3).await;
    let mut consumer = f.consumer("earliest", &topic);
    assert_eq!(numbers(&take(&mut consumer, 3).await), [0, 1, 2]);
    f.publish_numbers(&topic, 3..5).await;
    assert_eq!(numbers(&take(&mut consumer, 2).await), [3, 4]);
}

async fn groups_do_not_share_positions(f: Fixture) {
    let topic = f.topic("groups", 1).await;
    f.publish_numbers(&topic, 0..3).await;
    let mut one = f.consumer("groups-1", &topic);
    let read = take(&mut one, 3).await;
    one.commit(&[read[2].position.next()]).await.unwrap();
    let mut two = f.consumer("groups-2", &topic);
    assert_eq!(numbers(&take(&mut two, 3).await), [0, 1, 2]);
}

async fn a_prefix_takes_in_topics_made_later(f: Fixture) {
    let prefix = f.name("prefix.");
    let first = f.topic("prefix.one", 1).await;
    let other = f.topic("prefixes", 1).await;
    let mut consumer = f
        .bus
        .consumer(&f.name("prefix"), Subscription::Prefix(prefix.clone()))
        .unwrap();
    f.publish_numbers(&other, 100..101).await;
    f.publish_numbers(&first, 0..1).await;
    assert_eq!(numbers(&take(&mut consumer, 1).await), [0]);

    let second = f.topic("prefix.two", 1).await;
    f.publish_numbers(&second, 1..2).await;
    f.publish_numbers(&other, 101..102).await;
    assert_eq!(numbers(&take(&mut consumer, 1).await), [1]);
    assert_eq!(f.bus.topics(&prefix).await.unwrap(), [first, second]);
}

async fn two_members_split_and_take_over(f: Fixture) {
    let topic = f.topic("split", 4).await;
    let mut members = vec![
        Member::new(f.consumer("split", &topic)),
        Member::new(f.consumer("split", &topic)),
    ];
    until(&mut members, "both have half", |members| {
        members.iter().all(|m| m.owned.len() == 2)
    })
    .await;
    let all: BTreeSet<&TopicPartition> = members.iter().flat_map(|member| &member.owned).collect();
    assert_eq!(all.len(), 4);

    f.publish_keyed(&topic, 0..40).await;
    until(&mut members, "all is read", |members| {
        members.iter().map(|m| m.read.len()).sum::<usize>() == 40
    })
    .await;
    for member in &mut members {
        let done: Vec<Position> = member
            .read
            .iter()
            .map(|delivery| delivery.position.next())
            .collect();
        assert!(
            done.iter()
                .all(|position| member.owned.contains(&position.topic_partition()))
        );
        member.consumer.commit(&highest(&done)).await.unwrap();
        member.read.clear();
    }

    members.remove(0).consumer.close().await;
    until(&mut members, "one takes over", |members| {
        members[0].owned.len() == 4
    })
    .await;
    f.publish_keyed(&topic, 40..60).await;
    until(&mut members, "new records are read", |members| {
        20 <= members[0].read.len()
    })
    .await;
    let mut read = numbers(&members[0].read);
    read.sort_unstable();
    assert_eq!(
        read,
        (40..60).collect::<Vec<u32>>(),
        "committed records must not come again"
    );
}

async fn a_partition_given_up_can_still_be_committed(f: Fixture) {
    let topic = f.topic("handover", 2).await;
    f.publish_keyed(&topic, 0..20).await;
    let mut first = Member::new(f.consumer("handover", &topic));
    until(
        std::slice::from_mut(&mut first),
        "the first reads all",
        |members| members[0].read.len() == 20,
    )
    .await;

    let mut second = Member::new(f.consumer("handover", &topic));
    let lost = loop {
        second.poll().await;
        let batch = first
            .consumer
            .poll(limit(Duration::from_millis(100)))
            .await
            .unwrap();
        assert_eq!(batch.deliveries, []);
        if !batch.lost.is_empty() {
            break batch.lost;
        }
    };
    assert_eq!(
        second.owned,
        BTreeSet::new(),
        "not before the first has polled again"
    );
    let done: Vec<Position> = first
        .read
        .iter()
        .map(|delivery| delivery.position.next())
        .collect();
    first.consumer.commit(&highest(&done)).await.unwrap();
    first.owned.retain(|place| !lost.contains(place));

    let mut members = vec![first, second];
    until(&mut members, "the second has its share", |members| {
        members[1].owned.len() == 1
    })
    .await;
    f.publish_keyed(&topic, 20..40).await;
    until(&mut members, "the rest is read", |members| {
        40 <= members.iter().map(|m| m.read.len()).sum::<usize>()
    })
    .await;
    assert!(
        numbers(&members[1].read).iter().all(|number| 20 <= *number),
        "what was committed must not come again"
    );
    // The first has given up what it gave up: committing there is passed over.
    let behind = Position {
        topic: lost[0].topic.clone(),
        partition: lost[0].partition,
        offset: 0,
    };
    members[0].consumer.commit(&[behind]).await.unwrap();
}

async fn latest_is_the_newest_of_each_key(f: Fixture) {
    let topic = f.compacted("latest", 3).await;
    assert_eq!(
        f.bus.latest(&topic, &[Vec::new()]).await.unwrap(),
        BTreeMap::new()
    );
    let producer = f.bus.producer().unwrap();
    let records = vec![
        Record::new("a1").with_key("a").with_header("h", "1"),
        Record::new("b1").with_key("b"),
        Record::new("c1").with_key("c"),
        Record::new("a2").with_key("a").with_header("h", "2"),
        Record::tombstone("b"),
        Record::tombstone("c"),
        Record::new("").with_key("c"),
        Record::tombstone("never"),
    ];
    producer.publish(&topic, records.clone()).await.unwrap();
    let expected = BTreeMap::from([
        (b"a".to_vec(), records[3].clone()),
        (b"c".to_vec(), records[6].clone()),
    ]);
    assert_eq!(f.bus.latest(&topic, &[Vec::new()]).await.unwrap(), expected);
    let of_a = BTreeMap::from([(b"a".to_vec(), records[3].clone())]);
    assert_eq!(
        f.bus
            .latest(&topic, &[b"a".to_vec(), b"no".to_vec()])
            .await
            .unwrap(),
        of_a
    );
    assert_eq!(f.bus.latest(&topic, &[]).await.unwrap(), BTreeMap::new());
    // A reader of the stream comes to the same.
    let mut consumer = f.consumer("latest", &topic);
    let mut seen = BTreeMap::new();
    while !seen.contains_key(b"never".as_slice()) {
        for delivery in consumer.poll(limit(PATIENCE)).await.unwrap().deliveries {
            seen.insert(delivery.record.key.clone().unwrap(), delivery.record);
        }
    }
    seen.retain(|_, record| !record.tombstone);
    until_equal(seen, expected, &mut consumer).await;
    assert_eq!(
        f.bus
            .latest(&Topic::parse(&f.name("nowhere")).unwrap(), &[Vec::new()])
            .await
            .unwrap_err()
            .class(),
        ErrorClass::Permanent
    );
}

async fn a_record_over_the_limit_is_refused_alone(f: Fixture) {
    let topic = f.topic("large", 1).await;
    let producer = f.bus.producer().unwrap();
    let under = Record::new(vec![7; RECORD_BYTES_MAX - 1]).with_key("k");
    let over = Record::new(vec![7; RECORD_BYTES_MAX]).with_key("k");
    let refused = producer
        .publish(&topic, vec![Record::new("small"), over])
        .await
        .unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Poison);
    assert!(
        matches!(
            refused,
            PublishError::TooLarge {
                index: 1,
                max: RECORD_BYTES_MAX,
                ..
            }
        ),
        "{refused}"
    );

    producer
        .publish(&topic, vec![under.clone(), Record::new("small")])
        .await
        .unwrap();
    let read = take(&mut f.consumer("large", &topic), 2).await;
    assert_eq!(read[0].record, under);
    assert_eq!(read[1].record.value, b"small");
    assert_eq!(
        read[0].position.offset, 0,
        "nothing of the refused call was written"
    );
}

async fn a_compacted_topic_refuses_records_without_key(f: Fixture) {
    let topic = f.compacted("keyless", 1).await;
    let refused = f
        .bus
        .producer()
        .unwrap()
        .publish(&topic, vec![Record::new("v")])
        .await
        .unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Poison);
}

async fn publishing_to_no_topic_is_an_error(f: Fixture) {
    let topic = Topic::parse(&f.name("nowhere")).unwrap();
    let refused = f
        .bus
        .producer()
        .unwrap()
        .publish(&topic, vec![Record::new("v")])
        .await
        .unwrap_err();
    assert!(matches!(refused, PublishError::UnknownTopic { .. }), "{refused}");
    assert_eq!(refused.class(), ErrorClass::Permanent);
}

async fn ensuring_topics_twice_changes_nothing(f: Fixture) {
    let topic = f.topic("ensure", 2).await;
    f.publish_numbers(&topic, 0..4).await;
    f.topic("ensure", 2).await;
    // Another number of partitions would move keys: the topic keeps what it has. Other settings follow.
    let mut spec = spec(
        topic.clone(),
        5,
        Cleanup::Delete {
            retention: Duration::from_secs(3600),
        },
    );
    spec.max_record_bytes = 10;
    f.bus.ensure_topics(&[spec]).await.unwrap();
    assert_eq!(f.bus.end_positions(&topic).await.unwrap().len(), 2);
    let over = f
        .bus
        .producer()
        .unwrap()
        .publish(&topic, vec![Record::new("eleven byte")])
        .await
        .unwrap_err();
    assert_eq!(over.class(), ErrorClass::Poison);
    assert_eq!(take(&mut f.consumer("ensure", &topic), 4).await.len(), 4);
    let none = f
        .bus
        .ensure_topics(&[fixture::spec(topic, 0, Cleanup::Compact)])
        .await
        .unwrap_err();
    assert_eq!(none.class(), ErrorClass::Permanent);
}

async fn limits_of_a_poll_hold(f: Fixture) {
    let topic = f.topic("limits", 2).await;
    let records = (0..50)
        .map(|n: u32| Record::new(vec![b'x'; 100]).with_key(n.to_string()))
        .collect();
    f.bus.producer().unwrap().publish(&topic, records).await.unwrap();
    for (records, bytes, expected_max) in [(7, usize::MAX, 7), (usize::MAX, 350, 3), (1000, 1, 1)] {
        let mut consumer = f.consumer(&format!("limits-{records}-{bytes}"), &topic);
        let mut read = 0;
        while read < 50 {
            let batch = consumer
                .poll(PollLimit {
                    records,
                    bytes,
                    wait: PATIENCE,
                })
                .await
                .unwrap();
            assert!(!batch.is_empty(), "nothing came");
            assert!(
                batch.deliveries.len() <= expected_max,
                "{} came",
                batch.deliveries.len()
            );
            read += batch.deliveries.len();
        }
        let none = consumer
            .poll(PollLimit {
                records,
                bytes,
                wait: Duration::ZERO,
            })
            .await
            .unwrap();
        assert_eq!(none, Batch::default());
    }
}

async fn a_dropped_poll_loses_nothing(f: Fixture) {
    let topic = f.topic("dropped", 2).await;
    f.publish_keyed(&topic, 0..100).await;
    let mut consumer = f.consumer("dropped", &topic);
    let mut read = Vec::new();
    let mut wait = Duration::from_micros(50);
    while read.len() < 100 {
        let small = PollLimit {
            records: 9,
            bytes: usize::MAX,
            wait: PATIENCE,
        };
        if let Ok(batch) = tokio::time::timeout(wait, consumer.poll(small)).await {
            read.extend(numbers(&batch.unwrap().deliveries));
        }
        wait = (wait * 5 / 4).min(PATIENCE);
    }
    read.sort_unstable();
    assert_eq!(read, (0..100).collect::<Vec<u32>>());
}

async fn a_block_brings_what_a_batch_brings(f: Fixture) {
    let topic = f.topic("blocks", 3).await;
    f.publish_keyed(&topic, 0..5_000).await;
    let mut batches = f.consumer("blocks-not", &topic);
    let mut expected: Vec<(u32, u64, Vec<u8>)> = take(&mut batches, 5_000)
        .await
        .into_iter()
        .map(|delivery| {
            let Position {
                partition, offset, ..
            } = delivery.position;
            (partition, offset, delivery.record.value)
        })
        .collect();
    let mut consumer = f.consumer("blocks", &topic);
    let (mut block, mut read, mut gained) = (Block::default(), Vec::new(), 0);
    let mut wait = Duration::from_micros(50);
    while read.len() < expected.len() {
        // Some are dropped half-way, and lose nothing.
        if let Ok(polled) = tokio::time::timeout(wait, consumer.poll_block(&mut block, PATIENCE)).await {
            let change = polled.unwrap();
            assert!(block.is_empty() || change == Change::default());
            gained += change.gained.len();
            for run in block.runs() {
                let place = run.place().unwrap();
                assert_eq!(place.topic, topic);
                read.extend(
                    run.records()
                        .map(|(offset, value)| (place.partition, offset, value.to_vec())),
                );
            }
        }
        wait = (wait * 5 / 4).min(PATIENCE);
    }
    assert_eq!(gained, 3);
    // Order holds within each partition.
    for pair in read.windows(2) {
        assert!(pair[0].0 != pair[1].0 || pair[0].1 < pair[1].1, "{pair:?}");
    }
    expected.sort();
    read.sort();
    assert!(
        read == expected,
        "{} came instead of {}",
        read.len(),
        expected.len()
    );
    let nothing = consumer.poll_block(&mut block, Duration::ZERO).await.unwrap();
    assert!(nothing == Change::default() && block.is_empty());
}

async fn end_positions_follow_what_is_published(f: Fixture) {
    let topic = f.topic("ends", 2).await;
    let ends = |a, b| {
        let place = |partition, offset| Position {
            topic: topic.clone(),
            partition,
            offset,
        };
        vec![place(0, a), place(1, b)]
    };
    assert_eq!(f.bus.end_positions(&topic).await.unwrap(), ends(0, 0));
    let places = f.publish_keyed(&topic, 0..10).await;
    let count = |partition| {
        places
            .iter()
            .filter(|place| place.partition == partition)
            .count()
            .try_into()
            .unwrap()
    };
    assert_eq!(
        f.bus.end_positions(&topic).await.unwrap(),
        ends(count(0), count(1))
    );
}

fn run_embedded<F: Future<Output = ()>>(check: impl FnOnce(Fixture) -> F) {
    block_on(async { check(Fixture::open(None).await).await });
}

fn run_kafka<F: Future<Output = ()>>(check: impl FnOnce(Fixture) -> F) {
    match std::env::var("VARDE_TEST_KAFKA") {
        Ok(address) => block_on(async { check(Fixture::open(Some(address)).await).await }),
        Err(_) => println!("skipped: VARDE_TEST_KAFKA is not set (scripts/kafka start prints it)"),
    }
}

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}
