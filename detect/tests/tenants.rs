//! The broker says who sent an event (D3): one that claims another organisation is put aside and raises an alert
//! for the organisation whose topic it came on. A restart in the middle of a window loses and doubles nothing.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper fails the test"
)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use detect::{
    checkpoint::{Checkpoint, Lease, Written},
    live::Live,
    metrics::Metrics,
    pipeline::{Parts, Pipeline},
};
use detect_alert::{Alert, ProducerKind};
use detect_engine::{Compiler, Correlator, Ruleset};
use detect_rules::{SourceText, check};
use ingest_bus::{
    Bus, BusConfig, Cleanup, PollLimit, Record, Subscription, Topic, TopicPartition, TopicSpec,
};
use ingest_event::{OrganizationNumber, QuarantineReason, QuarantineRecord, Timestamp};
use tokio_util::sync::CancellationToken;

const OSLO: &str = "958935420";
const EIGERSUND: &str = "944496394";

const RULES: &str = r"
title: Attempted Connection
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a001
name: attempted
status: test
logsource: { category: network, service: connection }
detection: { selection: { varde.flow.state: attempted }, condition: selection }
level: informational
---
title: Many Ports
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a002
status: test
correlation:
  type: value_count
  rules: [attempted]
  group-by: [source.ip]
  timespan: 1m
  condition: { field: destination.port, gte: 10 }
level: high
";

fn now() -> Timestamp {
    Timestamp::from_millis(1_772_438_400_000)
}

fn ruleset() -> Arc<Ruleset> {
    let checked = check(&[SourceText {
        path: "rules.yml".into(),
        text: RULES.to_owned(),
    }]);
    assert!(
        checked
            .diagnostics
            .iter()
            .all(|diagnostic| !diagnostic.is_error()),
        "{:?}",
        checked.diagnostics
    );
    Arc::new(Compiler::new().rules(checked.rules).compile().expect("compiled"))
}

fn flow(organization: &str, source: &str, port: u16) -> Record {
    Record::new(format!(
        r#"{{"@timestamp":"2026-03-02T08:00:{:02}Z","event.dataset":"network.flow","event.id":"{source}-{port}","organization.id":"{organization}","observer.name":"s-1","source.ip":"{source}","destination.ip":"10.0.0.1","destination.port":{port},"varde.flow.state":"attempted"}}"#,
        port % 60
    ))
}

struct Lab {
    bus: Bus,
    _folder: tempfile::TempDir,
}

impl Lab {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bus = Bus::open(&BusConfig::Embedded {
            directory: folder.path().to_owned(),
        })
        .await
        .expect("open");
        let spec = TopicSpec {
            topic: Topic::parse(&format!("varde.events.{OSLO}")).expect("valid"),
            partitions: 1,
            cleanup: Cleanup::Delete {
                retention: Duration::from_secs(3600),
            },
            max_record_bytes: 1 << 20,
        };
        bus.ensure_topics(&[spec]).await.expect("made");
        Self { bus, _folder: folder }
    }

    async fn publish(&self, records: Vec<Record>) {
        let topic = Topic::parse(&format!("varde.events.{OSLO}")).expect("valid");
        self.bus
            .producer()
            .expect("a producer")
            .publish(&topic, records)
            .await
            .expect("published");
    }

    /// Runs a detector until it has scanned `events` more, then stops it cleanly or like a crash.
    async fn detect(&self, events: u64, crash: bool) {
        self.detect_until(events, 0, crash).await;
    }

    /// As [`Lab::detect`], and until it has raised `alerts`: what waits for its turn is given out when nothing comes.
    async fn detect_until(&self, events: u64, alerts: u64, crash: bool) {
        let metrics = Metrics::new().expect("registered");
        let parts = Parts {
            group: "test".to_owned(),
            checkpoint_interval: Duration::ZERO,
            signals_partitions: 2,
            clock: now,
            live: Live::new(ruleset()),
            metrics: metrics.clone(),
            bus: self.bus.clone(),
        };
        let stop = CancellationToken::new();
        let running = tokio::spawn(Pipeline::open(parts).await.expect("open").run(stop.clone()));
        // Bounded, so that a detector that passes events over fails the test instead of holding it up.
        let scanned = async {
            let told = metrics.alerts_published.with_label_values(&["correlation"]);
            while metrics.events_scanned.get() < events || told.get() < alerts {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), scanned)
            .await
            .expect("the events are scanned");
        if crash {
            running.abort();
            let _ = running.await;
        } else {
            stop.cancel();
            running.await.expect("joined").expect("stopped cleanly");
        }
    }

    async fn read(&self, topic: &str) -> Vec<Vec<u8>> {
        let topic = Topic::parse(topic).expect("valid");
        let end: u64 = self
            .bus
            .end_positions(&topic)
            .await
            .expect("read")
            .iter()
            .map(|end| end.offset)
            .sum();
        let mut consumer = self
            .bus
            .consumer("reader", Subscription::Topics(vec![topic]))
            .expect("a consumer");
        let mut values = Vec::new();
        while (values.len() as u64) < end {
            let limit = PollLimit {
                records: 100,
                bytes: 1 << 20,
                wait: Duration::from_secs(5),
            };
            let batch = consumer.poll(limit).await.expect("polled");
            values.extend(batch.deliveries.into_iter().map(|delivery| delivery.record.value));
        }
        values
    }

    async fn alerts(&self) -> Vec<Alert> {
        let values = self.read("varde.alerts").await;
        values
            .iter()
            .map(|value| detect_alert::decode(value).expect("an alert"))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_claims_another_organization_is_put_aside_and_raises_an_alert() {
    for source in ["203.0.113.9", "2001:db8::9"] {
        let lab = Lab::new().await;
        lab.publish(vec![
            flow(EIGERSUND, source, 22),
            flow(OSLO, source, 23),
            Record::new("no event"),
        ])
        .await;
        lab.detect(3, false).await;

        let quarantined = lab.read(&format!("varde.quarantine.{OSLO}")).await;
        let mut reasons: Vec<_> = quarantined
            .iter()
            .map(|value| {
                serde_json::from_slice::<QuarantineRecord>(value)
                    .expect("a record")
                    .reason
            })
            .collect();
        reasons.sort();
        let said = quarantined.concat();
        for word in [source, EIGERSUND, "no event"] {
            let found = said.windows(word.len()).any(|part| part == word.as_bytes());
            assert!(!found, "quarantine quotes {word}");
        }
        assert_eq!(
            reasons,
            [QuarantineReason::NotJson, QuarantineReason::WrongOrganization]
        );
        let alerts = lab.alerts().await;
        let [alert] = alerts.as_slice() else {
            panic!("{alerts:?}")
        };
        assert_eq!(alert.producer.kind, ProducerKind::Integrity);
        assert_eq!(
            alert.organization,
            OrganizationNumber::parse(OSLO).expect("valid")
        );
        // What the other organisation's event said stays in quarantine.
        assert!(alert.events.iter().all(|event| event.fields.is_empty()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_on_a_topic_of_no_organization_is_put_aside() {
    let lab = Lab::new().await;
    // The check digit is wrong.
    let topic = Topic::parse("varde.events.958935421").expect("valid");
    let spec = TopicSpec {
        topic: topic.clone(),
        partitions: 1,
        cleanup: Cleanup::Delete {
            retention: Duration::from_secs(3600),
        },
        max_record_bytes: 1 << 20,
    };
    lab.bus.ensure_topics(&[spec]).await.expect("made");
    let producer = lab.bus.producer().expect("a producer");
    producer
        .publish(&topic, vec![flow(OSLO, "2001:db8::9", 22)])
        .await
        .expect("published");
    lab.detect(1, false).await;
    let quarantined = lab.read("varde.quarantine").await;
    let [record] = quarantined.as_slice() else {
        panic!("{quarantined:?}")
    };
    let record: QuarantineRecord = serde_json::from_slice(record).expect("a record");
    assert_eq!(
        (record.reason, record.organization),
        (QuarantineReason::WrongOrganization, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_a_topic_that_was_made_anew_hides_no_event() {
    let lab = Lab::new().await;
    // As a detector left it on the topic's earlier life.
    let topic = Topic::parse(&format!("varde.events.{OSLO}")).expect("valid");
    let place = TopicPartition { topic, partition: 0 };
    let state = Correlator::new(ruleset()).snapshot();
    let left = Checkpoint {
        offset: 1_000,
        state,
        ..Checkpoint::default()
    };
    let (mut lease, _) = Lease::take(&BTreeMap::new(), "test", &place, 0, 1).expect("a lease");
    let Written { mut chunks, manifest } = lease.write(&left).expect("written");
    chunks.push(manifest);
    let checkpoints = Topic::parse("varde.checkpoints").expect("valid");
    let spec = TopicSpec {
        topic: checkpoints.clone(),
        partitions: 1,
        cleanup: Cleanup::Compact,
        max_record_bytes: 1 << 20,
    };
    lab.bus.ensure_topics(&[spec]).await.expect("made");
    lab.bus
        .producer()
        .expect("a producer")
        .publish(&checkpoints, chunks)
        .await
        .expect("published");

    lab.publish((1..=12).map(|port| flow(OSLO, "203.0.113.9", port)).collect())
        .await;
    lab.detect_until(12, 1, false).await;
    assert_eq!(lab.alerts().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_of_a_window_gives_the_alert_of_an_undisturbed_run() {
    for (source, crash) in [("203.0.113.9", false), ("2001:db8::9", true)] {
        let records: Vec<Record> = (1..=12).map(|port| flow(OSLO, source, port)).collect();
        let undisturbed = Lab::new().await;
        undisturbed.publish(records.clone()).await;
        undisturbed.detect_until(12, 1, false).await;
        let expected = undisturbed.alerts().await;
        assert_eq!(expected.len(), 1, "{expected:?}");

        let disturbed = Lab::new().await;
        let (first, second) = records.split_at(6);
        disturbed.publish(first.to_vec()).await;
        disturbed.detect(6, crash).await;
        disturbed.publish(second.to_vec()).await;
        disturbed.detect_until(6, 1, false).await;
        let mut seen = disturbed.alerts().await;
        seen.dedup_by(|one, other| one.id == other.id);
        assert_eq!(seen, expected);
    }
}
