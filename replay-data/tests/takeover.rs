//! `kill -9` of detectors, twenty times in the middle of one sequence over real Kafka, while two of them take over from each
//! other: the same alerts as undisturbed, to the byte.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    dead_code,
    reason = "what fails in a test's helper fails the test; each test uses a part of what is shared"
)]

#[path = "determinism/cases.rs"]
mod cases;
#[path = "../../detect/tests/determinism/events.rs"]
mod events;
#[path = "../../detect/tests/determinism/plant.rs"]
mod plant;
#[path = "station/station.rs"]
mod station;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use cases::of_cases;
use events::{Happened, ruleset, write_rules};
use ingest_bus::{
    Bus, BusConfig, Cleanup, Consumer, KafkaConfig, PollLimit, Producer, Record, Subscription, Topic,
    TopicSpec,
};
use plant::{Alerts, encoded, undisturbed};
use station::{Node, Process, answer, free_address, wait};

const KILLS: usize = 20;

/// How often the alerts are looked at before something counts as missing.
const LOOKS: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_is_told_of_once_though_detectors_are_killed_twenty_times_in_it() {
    check("port-scan-nmap", 1).await;
}

/// What observes a scan lies in several partitions then, and comes together through signals.
#[tokio::test(flavor = "multi_thread")]
async fn a_scan_over_four_partitions_is_told_of_once_though_detectors_are_killed_twenty_times_in_it() {
    check("port-scan-nmap", 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beacon_of_four_hours_is_told_of_once_though_detectors_are_killed_twenty_times_in_it() {
    check("beacon-four-hours", 1).await;
}

/// Plays a case in pieces, and kills the detector that reads after each.
async fn check(name: &str, partitions: u32) {
    if std::env::var_os("VARDE_TEST_KAFKA").is_none() {
        println!("skipped: VARDE_TEST_KAFKA is not set (scripts/kafka start prints it)");
        return;
    }
    let (_, happening) = of_cases()
        .into_iter()
        .find(|(folder, _)| folder == name)
        .expect("the case");
    let expected = undisturbed(&happening, &ruleset(false));
    assert!(!expected.is_empty());

    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::start(folder.path());
    let bus = Bus::open(&BusConfig::Kafka(KafkaConfig {
        bootstrap: node.bootstrap.clone(),
        client_id: "takeover".to_owned(),
        properties: BTreeMap::new(),
    }))
    .await
    .expect("opened");
    let topic = Topic::parse(&format!("varde.events.{}", happening.organization)).expect("a name");
    let spec = TopicSpec {
        topic: topic.clone(),
        partitions,
        cleanup: Cleanup::Delete {
            retention: Duration::from_secs(24 * 3600),
        },
        max_record_bytes: 8 << 20,
    };
    bus.ensure_topics(&[spec]).await.expect("made");
    write_rules(&folder.path().join("rules"));
    let mut detectors = ["one", "other"].map(|name| Detector::start(folder.path(), name, &node.bootstrap));

    let producer = bus.producer().expect("a producer");
    let piece = happening.events.len().div_ceil(KILLS);
    for events in happening.events.chunks(piece) {
        let before = detectors.each_ref().map(Detector::scanned);
        publish(&producer, &topic, events).await;
        let mut reader = None;
        wait("a detector to read on", || {
            reader = (0..2).find(|at| before[*at] < detectors[*at].scanned());
            reader.is_some()
        });
        let reader = &mut detectors[reader.expect("just found")];
        reader.process.kill();
        reader.process.start();
    }
    let mut reader = bus
        .consumer(
            "reader",
            Subscription::Topics(vec![Topic::parse(detect_alert::topic::ALERTS).expect("a name")]),
        )
        .expect("a consumer");
    let mut found = Alerts::new();
    let mut ids = BTreeSet::new();
    for _ in 0..LOOKS {
        read(&mut reader, &mut found, &mut ids).await;
        if expected.is_subset(&found) {
            break;
        }
    }
    for detector in &mut detectors {
        detector.process.kill();
    }
    read(&mut reader, &mut found, &mut ids).await;
    reader.close().await;
    let missing: Vec<_> = expected
        .difference(&found)
        .map(|bytes| String::from_utf8_lossy(bytes))
        .collect();
    let extra: Vec<_> = found
        .difference(&expected)
        .map(|bytes| String::from_utf8_lossy(bytes))
        .collect();
    assert!(
        expected == found,
        "missing: {missing:#?}\nnot expected: {extra:#?}"
    );
    assert_eq!(ids.len(), expected.len());
}

struct Detector {
    process: Process,
    listen: SocketAddr,
}

impl Detector {
    fn start(folder: &Path, name: &str, bootstrap: &str) -> Self {
        let listen = free_address();
        let config = format!(
            "bus: {{ kafka: {{ bootstrap: \"{bootstrap}\" }} }}\nlisten: {listen}\ncheckpoint_interval_ms: 50\nrules: [{}]\n",
            folder.join("rules").display()
        );
        fs::write(folder.join(format!("{name}.yml")), config).expect("written");
        let mut process = Process::new(folder, "varde-detector", name);
        process.start();
        Self { process, listen }
    }

    /// Events scanned since it was started.
    fn scanned(&self) -> u64 {
        let metrics = answer(self.listen, "GET", "/metrics", None).unwrap_or_default();
        let mut lines = metrics.lines();
        lines
            .find_map(|line| line.strip_prefix("detect_events_scanned_total ")?.parse().ok())
            .unwrap_or(0)
    }
}

impl Drop for Detector {
    fn drop(&mut self) {
        self.process.kill();
    }
}

async fn publish(producer: &Producer, topic: &Topic, events: &[Happened]) {
    let records = events
        .iter()
        .map(|event| Record::new(event.payload.clone()).with_key(event.key.clone()));
    producer
        .publish(topic, records.collect())
        .await
        .expect("published");
}

async fn read(reader: &mut Consumer, found: &mut Alerts, ids: &mut BTreeSet<String>) {
    let limit = PollLimit {
        records: 4_096,
        bytes: 8 << 20,
        wait: Duration::from_secs(2),
    };
    for delivery in reader.poll(limit).await.expect("polled").deliveries {
        let alert = detect_alert::decode(&delivery.record.value).expect("an alert");
        ids.insert(alert.id.to_string());
        found.insert(encoded(alert));
    }
}
