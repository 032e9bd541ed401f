//! `kill -9` of sensor, detector and alerting in turn, in the middle of a replay over real Kafka: afterwards every
//! expected alert is there exactly once.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    dead_code,
    reason = "what fails in a test's helper fails the test; each test uses a part of the station"
)]

#[path = "station/station.rs"]
mod station;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value as Json;
use station::{ORGANIZATION, Station, workspace};

/// Events in the stream: enough that each kill hits its middle.
const EVENTS: u32 = 60_000;

/// Every so many events one goes to a known bad address.
const HIT_EVERY: u32 = 200;

/// What alerts are counted by: rule and entity.
type Counts = BTreeMap<(String, String), u64>;

#[test]
fn every_alert_is_there_exactly_once_after_kill_9_of_each_service_on_kafka() {
    check(true);
}

#[test]
fn every_alert_is_there_exactly_once_after_kill_9_of_each_service_on_the_embedded_bus() {
    check(false);
}

fn check(on_kafka: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("events.ndjson");
    fs::write(&input, stream()).expect("written");
    let expected = replay(&input);
    assert!(
        expected.values().sum::<u64>() > u64::from(EVENTS / HIT_EVERY),
        "hits and scans: {expected:?}"
    );

    let Some(mut station) = Station::start(on_kafka, &input) else {
        return;
    };
    let whole: u64 = expected.values().sum();
    // Each is killed at its own point of the stream and comes back at once.
    let published = || station.sensor_counter("ingest_events_published_total");
    station::wait("the first events", || u64::from(EVENTS / 20) <= published());
    let before = published();
    assert!(
        before < u64::from(EVENTS),
        "the sensor must be in the middle of its file: {before} published"
    );
    station.sensor.kill();
    station.sensor.start();
    let in_the_middle = |list: &Json| assert!(alerts(list) < whole, "{} of {whole} alerts", alerts(list));
    in_the_middle(&station.until("the first alerts", "/api/v1/incidents", |list| 1 <= alerts(list)));
    station.detector.kill();
    station.detector.start();
    in_the_middle(
        &station.until("a third of the alerts", "/api/v1/incidents", |list| {
            whole / 3 <= alerts(list)
        }),
    );
    station.alerting.kill();
    station.detector.kill();
    station.alerting.start();
    station.detector.start();

    let list = station.until("all alerts", "/api/v1/incidents?limit=200", |list| {
        alerts(list) >= whole
    });
    assert_eq!(counts(&station, &list), expected, "{}", station.logs());
    // A notice for each incident, whoever was killed; one that left twice has the same Message-ID.
    let incidents = usize::try_from(list["total"].as_u64().expect("a number")).expect("fits");
    station::wait("a mail for each incident", || {
        message_ids(&station).len() >= incidents
    });
}

fn message_ids(station: &Station) -> BTreeSet<String> {
    let id = |mail: &String| {
        mail.lines()
            .find_map(|line| line.strip_prefix("Message-ID: "))
            .map(str::to_owned)
    };
    station.mails().iter().filter_map(id).collect()
}

/// Flows from forty hosts; some to bad addresses, and a port scan every few thousand events.
fn stream() -> String {
    let mut text = String::new();
    for number in 0..EVENTS {
        let millis = 1_772_438_400_000_u64 + u64::from(number) * 20;
        let seconds = millis / 1_000 - 1_772_438_400;
        let time = format!(
            "2026-03-02T{:02}:{:02}:{:02}.{:03}Z",
            8 + seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            millis % 1_000
        );
        let (source, destination, port, state) = if number % 5_000 < 60 {
            let round = number / 5_000;
            (
                format!("203.0.113.{}", 10 + round),
                "10.20.0.10".to_owned(),
                1_000 + number % 5_000,
                "attempted",
            )
        } else if number % HIT_EVERY == 100 {
            let bad = if number % (2 * HIT_EVERY) == 100 {
                "198.51.100.200"
            } else {
                "2001:db8:bad:1::c2"
            };
            (
                format!("10.20.0.{}", 20 + number / HIT_EVERY % 40),
                bad.to_owned(),
                443,
                "established",
            )
        } else {
            (
                format!("10.20.0.{}", 20 + number % 40),
                "192.0.2.80".to_owned(),
                443,
                "established",
            )
        };
        let _ = writeln!(
            text,
            r#"{{"@timestamp":"{time}","event.dataset":"network.flow","source.ip":"{source}","source.port":40000,"destination.ip":"{destination}","destination.port":{port},"network.transport":"tcp","network.direction":"inbound","varde.flow.state":"{state}"}}"#
        );
    }
    text
}

/// What an undisturbed run finds.
fn replay(input: &Path) -> Counts {
    let root = workspace();
    let test = std::env::current_exe().expect("a path");
    let varde = test
        .parent()
        .and_then(Path::parent)
        .expect("target/debug")
        .join("varde");
    let output = Command::new(varde)
        .args([
            "replay",
            "--format",
            "ndjson",
            "--no-progress",
            "--organization",
            ORGANIZATION,
        ])
        .arg(input)
        .arg("--rules")
        .arg(root.join("rulesets/sigma"))
        .arg(root.join("rulesets/correlations"))
        .arg(root.join("rulesets/anomaly"))
        .arg("--indicators")
        .arg(root.join("rulesets/indicators/example.csv"))
        .output()
        .expect("varde replay");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut counts = Counts::new();
    for line in output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let alert: Json = serde_json::from_slice(line).expect("JSON");
        let text = |name: &str| alert[name].as_str().unwrap_or_default().to_owned();
        *counts
            .entry((text("rule.id"), text("varde.alert.entity.value")))
            .or_default() += 1;
    }
    counts
}

fn alerts(list: &Json) -> u64 {
    list["incidents"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|incident| incident["count"].as_u64())
        .sum()
}

/// An incident about many counts for each of the things that it names.
fn counts(station: &Station, list: &Json) -> Counts {
    let mut counts = Counts::new();
    for incident in list["incidents"].as_array().into_iter().flatten() {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let rule = text(&incident["source"]["id"]);
        let mut add = |value: &Json, count: &Json| {
            *counts.entry((rule.clone(), text(value))).or_default() += count.as_u64().unwrap_or(0);
        };
        if incident["entity"]["value"] != "*" {
            add(&incident["entity"]["value"], &incident["count"]);
            continue;
        }
        let path = format!("/api/v1/incidents/{}", text(&incident["id"]));
        let detail = station.until("an incident about many", &path, |_| true);
        for member in detail["members"].as_array().into_iter().flatten() {
            add(&member["value"], &member["count"]);
        }
    }
    counts
}
