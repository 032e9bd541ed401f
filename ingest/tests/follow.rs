//! A followed file: growth, rotation by rename, truncation, and a restart in between.

#![expect(clippy::expect_used, reason = "what fails in a test's helper fails the test")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use ingest::{agent, clock::Clock, config, metrics::Metrics};
use ingest_bus::{Bus, BusConfig, PollLimit, Subscription, Topic};
use tokio_util::sync::CancellationToken;

fn append(path: &Path, text: &str) {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    file.expect("opens").write_all(text.as_bytes()).expect("writes");
}

fn line(word: &str) -> String {
    format!("Mar  2 08:15:00 gate app: {word}\n")
}

/// Runs the sensor over `step` until it has read `records` lines, and stops it.
async fn run(directory: &Path, records: u64, step: impl FnOnce()) {
    let root = directory.display();
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nstate: {root}/state\ncanary_secs: 0\n\
         bus: {{ embedded: {{ directory: {root}/bus }} }}\n\
         sources:\n  - file: {{ path: {root}/log, year: 2026, follow: true }}\n"
    );
    let config = config::parse(&text, "sensor.yml").expect("reads");
    let bus = Bus::open(&config.bus).await.expect("opens");
    let (metrics, stop) = (Metrics::new().expect("registers"), CancellationToken::new());
    let running = tokio::spawn(agent::run_with(
        config,
        bus,
        Clock::System,
        metrics.clone(),
        stop.clone(),
    ));
    let until = async |count: u64| {
        while metrics.records_read.with_label_values(&["syslog"]).get() < count
            || metrics.events_published.get() < count
        {
            assert!(!running.is_finished(), "the sensor ended");
            tokio::task::yield_now().await;
        }
    };
    until(1).await;
    step();
    until(records).await;
    stop.cancel();
    running.await.expect("joins").expect("ends well");
}

#[tokio::test]
async fn nothing_is_lost_or_read_twice_over_rotation_truncation_and_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log");
    append(&log, &line("one"));
    run(directory.path(), 4, || {
        append(&log, &line("two"));
        append(&log, "Mar  2 08:15:00 gate app: three");
        std::fs::rename(&log, directory.path().join("log.1")).expect("renames");
        append(&log, &line("four"));
    })
    .await;
    append(&log, &line("five"));
    run(directory.path(), 3, || {
        append(&log, &line("six"));
        append(&log, &line("seven"));
    })
    .await;
    let bus = Bus::open(&BusConfig::Embedded {
        directory: directory.path().join("bus"),
    })
    .await
    .expect("opens");
    let topic = Topic::parse("varde.events.964965226").expect("a name");
    let mut consumer = bus
        .consumer("test", Subscription::Topics(vec![topic]))
        .expect("opens");
    let mut seen = Vec::new();
    while seen.len() < 7 {
        let wait = std::time::Duration::from_secs(5);
        let batch = consumer
            .poll(PollLimit {
                records: 100,
                bytes: 1 << 20,
                wait,
            })
            .await
            .expect("polls");
        let text = |value: &[u8]| {
            ingest_event::codec::flatten(value)
                .expect("JSON")
                .text("message")
                .map(str::to_owned)
        };
        seen.extend(
            batch
                .deliveries
                .iter()
                .filter_map(|delivery| text(&delivery.record.value)),
        );
    }
    assert_eq!(seen.len(), 7, "{seen:?}");
    let expected = ["one", "two", "three", "four", "five", "six", "seven"].map(str::to_owned);
    assert_eq!(
        seen.into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from(expected)
    );
}
