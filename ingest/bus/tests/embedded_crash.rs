//! The embedded log under what only a process of its own can do to it: `kill -9` while publishing, and a second
//! process on the same file. The children are this very test program, told by the environment what to be.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops where something is not as it must be, and says on stdout what it skips"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ingest_bus::{
    Bus, BusConfig, Cleanup, Consumer, Delivery, PollLimit, Record, Subscription, Topic, TopicSpec,
};

const CHILD_DIRECTORY: &str = "VARDE_TEST_BUS_CHILD";
const CHILD_CALLS: &str = "VARDE_TEST_BUS_CHILD_CALLS";
const RECORDS_PER_CALL: u32 = 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// Not a test by itself: publishes what a parent asks for and prints each call that was acknowledged.
#[test]
fn child_publishes() {
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else {
        return;
    };
    let calls: u32 = std::env::var(CHILD_CALLS).unwrap().parse().unwrap();
    block_on(async {
        let bus = open(Path::new(&directory)).await;
        let producer = bus.producer().unwrap();
        for call in 0..calls {
            let records = (0..RECORDS_PER_CALL)
                .map(|n| Record::new((call * RECORDS_PER_CALL + n).to_string()))
                .collect();
            producer.publish(&topic(), records).await.unwrap();
            println!("acknowledged {call}");
        }
    });
}

#[test]
fn nothing_acknowledged_is_lost_to_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    // Killed at different points of its work, again and again on the same file.
    let mut acknowledged = 0;
    let mut calls_before = 0;
    for kill_after in [1, 7, 40, 3, 120] {
        let mut child = spawn(directory.path(), u32::MAX / RECORDS_PER_CALL);
        let acks = acknowledgements(&mut child).take(kill_after).count();
        child.kill().unwrap();
        // What was acknowledged between the last line read and the kill is still in the pipe.
        let late = acknowledgements(&mut child).count();
        child.wait().unwrap();
        acknowledged += acks + late;

        let read = block_on(async {
            let bus = open(directory.path()).await;
            let ends = bus.end_positions(&topic()).await.unwrap();
            let mut consumer = consumer(&bus, "after the kill");
            take(&mut consumer, usize::try_from(ends[0].offset).unwrap()).await
        });
        let calls = read.len() / usize::try_from(RECORDS_PER_CALL).unwrap();
        assert_eq!(
            read.len() % usize::try_from(RECORDS_PER_CALL).unwrap(),
            0,
            "a call was written in part"
        );
        // A call that was on disk but not yet acknowledged may be there.
        assert!(
            acknowledged <= calls,
            "{acknowledged} calls were acknowledged, {calls} are there"
        );
        let own = read
            .iter()
            .skip(calls_before * usize::try_from(RECORDS_PER_CALL).unwrap());
        for (expected, delivery) in own.enumerate() {
            assert_eq!(delivery.record.value, expected.to_string().into_bytes());
        }
        calls_before = calls;
        acknowledged = calls;
    }
}

#[test]
fn two_processes_share_one_file() {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let bus = open(directory.path()).await;
        let mut consumer = consumer(&bus, "both");
        let mut child = spawn(directory.path(), 20);
        let producer = bus.producer().unwrap();
        for _ in 0..20 {
            let records = (0..RECORDS_PER_CALL).map(|_| Record::new("mine")).collect();
            producer.publish(&topic(), records).await.unwrap();
        }
        let read = take(&mut consumer, 400).await;
        assert!(child.wait().unwrap().success());
        let offsets: Vec<u64> = read.iter().map(|delivery| delivery.position.offset).collect();
        assert_eq!(offsets, (0..400).collect::<Vec<u64>>());
        let theirs: Vec<&Delivery> = read
            .iter()
            .filter(|delivery| delivery.record.value != b"mine")
            .collect();
        for (expected, delivery) in theirs.iter().enumerate() {
            assert_eq!(delivery.record.value, expected.to_string().into_bytes());
        }
        assert_eq!(theirs.len(), 200);
    });
}

#[test]
fn opening_a_directory_twice_shares_its_groups() {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let (one, two) = (open(directory.path()).await, open(directory.path()).await);
        one.producer()
            .unwrap()
            .publish(&topic(), vec![Record::new("0")])
            .await
            .unwrap();
        let mut first = consumer(&one, "shared");
        assert_eq!(take(&mut first, 1).await.len(), 1);
        let mut second = consumer(&two, "shared");
        let waited = PollLimit {
            wait: Duration::ZERO,
            ..limit()
        };
        assert!(
            second.poll(waited).await.unwrap().is_empty(),
            "the only partition is the first member's"
        );
        first.close().await;
        assert_eq!(take(&mut second, 1).await.len(), 1);
    });
}

fn topic() -> Topic {
    Topic::parse("crash").unwrap()
}

async fn open(directory: &Path) -> Bus {
    let bus = Bus::open(&BusConfig::Embedded {
        directory: directory.to_owned(),
    })
    .await
    .unwrap();
    let cleanup = Cleanup::Delete {
        retention: Duration::from_secs(3600),
    };
    let spec = TopicSpec {
        topic: topic(),
        partitions: 1,
        cleanup,
        max_record_bytes: 1000,
    };
    bus.ensure_topics(&[spec]).await.unwrap();
    bus
}

fn consumer(bus: &Bus, group: &str) -> Consumer {
    bus.consumer(group, Subscription::Topics(vec![topic()])).unwrap()
}

fn limit() -> PollLimit {
    PollLimit {
        records: 100_000,
        bytes: 64 << 20,
        wait: PATIENCE,
    }
}

async fn take(consumer: &mut Consumer, count: usize) -> Vec<Delivery> {
    let mut read = Vec::new();
    while read.len() < count {
        let batch = consumer.poll(limit()).await.unwrap();
        assert!(!batch.is_empty(), "{} of {count} records came", read.len());
        read.extend(batch.deliveries);
    }
    assert_eq!(read.len(), count);
    read
}

fn spawn(directory: &Path, calls: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_publishes", "--nocapture"])
        .env(CHILD_DIRECTORY, directory)
        .env(CHILD_CALLS, calls.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The calls a child has reported, as they come; reads byte by byte so that what is left stays in the pipe.
fn acknowledgements(child: &mut Child) -> impl Iterator<Item = String> {
    let pipe = child.stdout.as_mut().unwrap();
    let lines = BufReader::with_capacity(1, pipe).lines().map_while(Result::ok);
    // The test harness prints beside it, the first time on the same line.
    lines.filter(|line| line.contains("acknowledged "))
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test)
}
