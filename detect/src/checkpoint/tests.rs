use std::collections::BTreeMap;

use ingest_bus::{Record, Topic, TopicPartition};

use super::*;

type Newest = BTreeMap<Vec<u8>, Record>;

fn partition(number: u32) -> TopicPartition {
    TopicPartition {
        topic: Topic::parse("varde.events.958935420").expect("valid"),
        partition: number,
    }
}

fn checkpoint(offset: u64, state_bytes: usize) -> Checkpoint {
    // Not to be compressed much.
    let mut number = offset;
    let drawn = std::iter::from_fn(|| {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Some(number.to_be_bytes()[0])
    });
    Checkpoint {
        offset,
        round: offset / 2,
        ruleset: "r".into(),
        state: drawn.take(state_bytes).collect(),
        inbox: b"waits".to_vec(),
    }
}

fn publish(newest: &mut Newest, records: Vec<Record>) {
    for record in records {
        let key = record.key.clone().expect("a key");
        if record.tombstone {
            newest.remove(&key);
        } else {
            newest.insert(key, record);
        }
    }
}

fn take(newest: &Newest, number: u32) -> (Lease, Found) {
    Lease::take(newest, "g", &partition(number), 5, 77).expect("taken over")
}

fn write(newest: &mut Newest, lease: &mut Lease, checkpoint: &Checkpoint) {
    let Written { chunks, manifest } = lease.write(checkpoint).expect("written");
    publish(newest, chunks);
    publish(newest, vec![manifest]);
    publish(newest, lease.forget_others());
}

#[test]
fn a_checkpoint_of_any_size_is_found_by_group_topic_and_partition() {
    for bytes in [0, 1, 5_000_000] {
        let mut newest = Newest::new();
        let (mut lease, found) = take(&newest, 1);
        assert_eq!(found, Found::Nothing);
        write(&mut newest, &mut lease, &checkpoint(7, bytes));
        assert!(newest.values().all(|record| record.bytes() < 1_000_000));
        assert_eq!(take(&newest, 1).1, Found::Whole(checkpoint(7, bytes)));
        assert_eq!(take(&newest, 10).1, Found::Nothing);
        assert_eq!(take(&newest, 0).1, Found::Nothing);
        let other = Lease::take(&newest, "other", &partition(1), 0, 1).expect("taken over");
        assert_eq!(other.1, Found::Nothing);
    }
}

#[test]
fn a_torn_write_leaves_the_one_before() {
    let mut newest = Newest::new();
    let (mut lease, _) = take(&newest, 0);
    for offset in 1..6 {
        write(&mut newest, &mut lease, &checkpoint(offset, 2_000_000));
        let Written { mut chunks, .. } = lease.clone().write(&checkpoint(99, 3_000_000)).expect("written");
        let mut torn = newest.clone();
        while !chunks.is_empty() {
            publish(&mut torn, chunks.split_off(chunks.len() - 1));
            assert_eq!(take(&torn, 0).1, Found::Whole(checkpoint(offset, 2_000_000)));
        }
    }
}

#[test]
fn an_owner_that_lost_the_partition_overwrites_nothing() {
    let mut newest = Newest::new();
    let (mut first, _) = take(&newest, 0);
    write(&mut newest, &mut first, &checkpoint(10, 100));
    let (mut second, found) = take(&newest, 0);
    assert_eq!(found, Found::Whole(checkpoint(10, 100)));
    assert!(first.epoch() < second.epoch());
    write(&mut newest, &mut second, &checkpoint(10, 100));
    // The first has been paused and goes on, far.
    for offset in 20..24 {
        write(&mut newest, &mut first, &checkpoint(offset, 100));
    }
    assert_eq!(take(&newest, 0).1, Found::Whole(checkpoint(10, 100)));
    write(&mut newest, &mut second, &checkpoint(15, 100));
    let (mut third, found) = take(&newest, 0);
    assert_eq!(found, Found::Whole(checkpoint(15, 100)));
    // What the others left is forgotten.
    write(&mut newest, &mut third, &checkpoint(15, 100));
    assert_eq!(newest.len(), 2, "{:?}", newest.keys());
}

#[test]
fn of_two_that_take_over_at_once_the_one_that_gets_on_counts() {
    let mut newest = Newest::new();
    let (mut one, _) = Lease::take(&newest, "g", &partition(0), 5, 1).expect("taken over");
    let (mut other, _) = Lease::take(&newest, "g", &partition(0), 5, 2).expect("taken over");
    write(&mut newest, &mut one, &checkpoint(0, 100));
    write(&mut newest, &mut other, &checkpoint(0, 200));
    write(&mut newest, &mut one, &checkpoint(4, 100));
    assert_eq!(take(&newest, 0).1, Found::Whole(checkpoint(4, 100)));
}

#[test]
fn a_newest_one_that_is_damaged_gives_way_to_the_one_of_the_owner_before() {
    let mut newest = Newest::new();
    let (mut first, _) = take(&newest, 0);
    write(&mut newest, &mut first, &checkpoint(10, 100));
    let (mut second, _) = take(&newest, 0);
    let Written { manifest, .. } = second.write(&checkpoint(12, 100)).expect("written");
    publish(&mut newest, vec![manifest]);
    assert_eq!(take(&newest, 0).1, Found::Whole(checkpoint(10, 100)));
}

#[test]
fn a_damaged_or_newer_checkpoint_is_an_error_and_not_a_fresh_start() {
    let mut whole = Newest::new();
    let (mut lease, _) = take(&whole, 0);
    write(&mut whole, &mut lease, &checkpoint(10, 100));
    for key in whole.keys() {
        let mut damaged = whole.clone();
        if key.ends_with(b"/manifest") {
            damaged.insert(key.clone(), Record::new(vec![4, 0]).with_key(key.clone()));
        } else {
            damaged.remove(key);
        }
        assert!(
            Lease::take(&damaged, "g", &partition(0), 0, 1).is_err(),
            "{key:?}"
        );
    }
}

#[test]
fn of_an_earlier_schema_the_position_counts() {
    let key = b"g/varde.events.958935420/0".to_vec();
    let first = br#"{"schema":1,"offset":300,"ruleset":"r","state":"{}"}"#.to_vec();
    // Offset, ruleset, state.
    let second = postcard::to_allocvec(&(2_u32, 300_u64, "r", b"old".to_vec())).expect("serialised");
    for old in [first, second] {
        let mut newest = Newest::new();
        newest.insert(key.clone(), Record::new(old).with_key(key.clone()));
        let (mut lease, found) = take(&newest, 0);
        assert_eq!(found, Found::Before { offset: 300 });
        write(&mut newest, &mut lease, &checkpoint(300, 10));
        assert!(!newest.contains_key(&key));
        assert_eq!(take(&newest, 0).1, Found::Whole(checkpoint(300, 10)));
    }
}
