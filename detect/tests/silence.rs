//! A sensor that says nothing any more is told of once, and one whose events wait on the bus is not silent.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what fails in a test's helper fails the test"
)]

#[path = "lab/lab.rs"]
mod lab;

use std::sync::atomic::{AtomicI64, Ordering};

use detect::{live::Live, metrics::Metrics};
use detect_rules::SourceText;
use ingest_bus::Record;
use ingest_event::Timestamp;

use lab::{Collector, EVERY_EVENT, Lab, ORGANIZATIONS, compile, until};

const SILENT: &str = "
title: Sensor Sees Nothing Any More
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a0fe
status: test
anomaly:
  type: silence
  rules: [every_event]
  group-by: [observer.name]
  timespan: 1h
level: medium
";

const MINUTE: i64 = 60_000;

/// What the detectors take for the time, in milliseconds.
static CLOCK: AtomicI64 = AtomicI64::new(1_772_438_400_000);

fn now() -> Timestamp {
    Timestamp::from_millis(CLOCK.load(Ordering::SeqCst))
}

fn pass(minutes: i64) {
    CLOCK.fetch_add(minutes * MINUTE, Ordering::SeqCst);
}

/// An event that is now, of the sensor of an organisation.
fn event(run: &str, organization: &str, number: u64) -> Record {
    Record::new(format!(
        r#"{{"@timestamp":"{}","event.dataset":"network.flow","event.id":"{run}-{number}","organization.id":"{organization}","observer.name":"sensor-{organization}","source.ip":"2001:db8:20::7","destination.ip":"10.0.0.1","varde.flow.state":"attempted"}}"#,
        now()
    ))
}

/// A heartbeat that is now, of the same sensor.
fn heartbeat(run: &str, organization: &str, number: u64) -> Record {
    Record::new(format!(
        r#"{{"@timestamp":"{}","event.dataset":"varde.heartbeat","event.id":"{run}-{number}","organization.id":"{organization}","observer.name":"sensor-{organization}"}}"#,
        now()
    ))
}

/// Lets time pass until each is told of who is silent: by the event that it was last seen with.
async fn silent(collector: &Collector, expected: &[u64]) {
    let told = || collector.told.lock().unwrap().keys().copied().collect::<Vec<_>>();
    until(&format!("{expected:?} are told of"), || {
        pass(1);
        expected.iter().all(|number| told().contains(number))
    })
    .await;
    assert_eq!(told(), expected);
    let told = collector.told.lock().unwrap();
    assert!(told.values().all(|told| told.ids.len() == 1), "{told:?}");
}

#[tokio::test]
async fn who_says_nothing_any_more_is_told_of_once_and_who_waits_on_the_bus_is_not() {
    let lab = Lab::embedded().await;
    let base = EVERY_EVENT
        .replace("status:", "name: every_event\nstatus:")
        .replace("level: low", "level: informational");
    let base = format!("{base}---{SILENT}");
    let ruleset = compile(
        &[SourceText {
            path: "rules.yml".to_owned(),
            text: base,
        }],
        Vec::new(),
    );
    let live = Live::new(ruleset);
    let metrics = Metrics::new().expect("registered");
    let producer = lab.bus.producer().expect("a producer");
    let [one, other, ..] = ORGANIZATIONS;
    let topics = [lab.topic(one).await, lab.topic(other).await];
    let say = async |topic: usize, number: u64| {
        let organization = ORGANIZATIONS[topic];
        producer
            .publish(&topics[topic], vec![event(&lab.run, organization, number)])
            .await
            .expect("published");
    };

    let detector = lab.detector_by(now, &live, &metrics).await;
    let collector = lab.collect();
    say(0, 1).await;
    say(1, 2).await;
    until("both are scanned", || metrics.events_scanned.get() == 2).await;
    // A sensor that only says that it is there sees nothing any more: each minute for two hours.
    for number in 90..210 {
        pass(1);
        producer
            .publish(&topics[0], vec![heartbeat(&lab.run, one, number)])
            .await
            .expect("published");
        let scanned = number - 87;
        until("the heartbeat is scanned", || {
            metrics.events_scanned.get() == scanned
        })
        .await;
    }
    until("the one that only beats is told of", || {
        collector.told.lock().unwrap().contains_key(&1)
    })
    .await;
    silent(&collector, &[1, 2]).await;

    // Who speaks while no detector reads is not silent afterwards; who was told of already is not again.
    say(0, 3).await;
    until("it is scanned", || metrics.events_scanned.get() == 123).await;
    detector.stop().await;
    for number in 4..34 {
        pass(10);
        say(0, number).await;
    }
    let detector = lab.detector_by(now, &live, &metrics).await;
    until("all is scanned", || metrics.events_scanned.get() == 153).await;
    silent(&collector, &[1, 2, 33]).await;
    detector.stop().await;
}
