//! The sensor holds what it sees against indicators and rules, in clear, and tells what matched with an event whose other
//! fields leave as they do without: on the embedded bus.

#![expect(clippy::expect_used, reason = "what fails in a test's helper fails the test")]

use std::collections::BTreeMap;
use std::path::Path;

use ingest::scan::HitKind;
use ingest::{agent, clock::Clock, config, metrics::Metrics};
use ingest_bus::{Bus, BusConfig, PollLimit, Subscription, Topic};
use ingest_event::codec::flatten;
use ingest_event::{Fields, Value};
use tokio_util::sync::CancellationToken;

const RULE: &str = "00000000-0000-4000-8000-000000000001";

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, text).expect("written");
}

/// Rules, feeds and lines of Suricata's: flows of both families, one from a machine of ours that is an indicator.
fn prepare(folder: &Path) {
    write(
        folder,
        "rules/port.yml",
        &format!(
            "title: odd port\nid: {RULE}\nstatus: test\nlevel: medium\ndescription: for a test\nauthor: test\n\
             date: 2026-01-01\nlogsource: {{ category: network_connection }}\ndetection:\n  \
             selection: {{ destination.port: 4444 }}\n  condition: selection\n"
        ),
    );
    write(folder, "feeds/ours.txt", "10.20.0.15\nfd00:20::15\nbad.example\n");
    write(folder, "feeds/ours.txt.feed.yml", "accept_private: true\n");
    let flow = |source: &str, port: u16, more: &str| {
        format!(
            "{{\"timestamp\":\"2026-03-02T08:15:00Z\",\"event_type\":\"flow\",\"src_ip\":\"{source}\",\"src_port\":{port},\
             \"dest_ip\":\"203.0.113.9\",\"dest_port\":443,\"proto\":\"TCP\"{more}}}\n"
        )
    };
    let mut lines = String::new();
    for number in 0..50 {
        lines += &flow(&format!("10.20.0.{}", 100 + number), 1_000 + number, "");
    }
    lines += &flow("10.20.0.15", 2_000, "");
    lines += &flow("fd00:20::15", 2_001, "");
    lines += &flow("10.20.0.99", 2_002, ",\"varde\":{\"matched\":\"rule:forged\"}");
    lines += &flow("10.20.0.99", 2_003, "").replace("443", "4444");
    write(folder, "eve.json", &lines);
}

/// Runs a sensor over the lines to their end; what is on the bus, by source port.
async fn run(folder: &Path, name: &str, more: &str) -> (BTreeMap<i64, Fields>, Metrics) {
    let root = folder.display();
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nhome_networks: [10.20.0.0/16]\nstate: {root}/{name}\n\
         canary_secs: 0\nbus: {{ embedded: {{ directory: {root}/{name}/bus }} }}\nexit_when_done: true\n\
         sources: [{{ file: {{ path: {root}/eve.json }} }}]\n{more}"
    );
    let config = config::parse(&text, "sensor.yml").expect("reads");
    let bus = Bus::open(&config.bus).await.expect("opens");
    let metrics = Metrics::new().expect("registers");
    let stop = CancellationToken::new();
    agent::run_with(config, bus, Clock::System, metrics.clone(), stop)
        .await
        .expect("runs");
    let bus = BusConfig::Embedded {
        directory: folder.join(name).join("bus"),
    };
    let bus = Bus::open(&bus).await.expect("opens");
    let topic = Topic::parse("varde.events.964965226").expect("a name");
    let ends = bus.end_positions(&topic).await.expect("reads");
    let wanted: u64 = ends.iter().map(|position| position.offset).sum();
    let mut consumer = bus
        .consumer("test", Subscription::Topics(vec![topic]))
        .expect("opens");
    let (mut seen, mut read) = (BTreeMap::new(), 0);
    while read < wanted {
        let limit = PollLimit {
            records: 1_000,
            bytes: 1 << 20,
            wait: std::time::Duration::from_secs(5),
        };
        for delivery in consumer.poll(limit).await.expect("polls").deliveries {
            read += 1;
            let fields = flatten(&delivery.record.value).expect("JSON");
            if let Some(Value::Integer(port)) = fields.get("source.port").cloned() {
                assert!(seen.insert(port, fields).is_none(), "{port} twice");
            }
        }
    }
    (seen, metrics)
}

fn matched(fields: &Fields) -> Vec<String> {
    let value = fields.get("varde.matched");
    let each = value.into_iter().flat_map(Value::each);
    each.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn detect(folder: &Path) -> String {
    let root = folder.display();
    format!("detect: {{ rules: {root}/rules, indicators: {root}/feeds }}\n")
}

#[tokio::test]
async fn what_matches_is_told_with_its_event_and_nothing_else_of_it_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    prepare(folder.path());
    let (without, metrics) = run(folder.path(), "without", "").await;
    assert_eq!((without.len(), metrics.scan.matches(HitKind::Indicator)), (54, 0));
    // The same key, so that pseudonyms and ids are the same.
    let keys = folder.path().join("with/keys");
    std::fs::create_dir_all(&keys).expect("made");
    for entry in std::fs::read_dir(folder.path().join("without/keys")).expect("a folder") {
        let from = entry.expect("one").path();
        let to = keys.join(from.file_name().expect("a name"));
        std::fs::copy(&from, &to).expect("copied");
    }
    let (with, metrics) = run(folder.path(), "with", &detect(folder.path())).await;
    assert_eq!(metrics.scan.matches(HitKind::Indicator), 2);
    assert_eq!(metrics.scan.matches(HitKind::Rule), 1);
    let rule = format!("rule:{RULE}");
    let mut found = 0;
    for (port, before) in &without {
        let mut after = with.get(port).expect("there").clone();
        let expected = match port {
            2_000 => vec!["indicator:ip:10.20.0.15@source.ip"],
            2_001 => vec!["indicator:ip:fd00:20::15@source.ip"],
            2_003 => vec![rule.as_str()],
            _ => Vec::new(),
        };
        assert_eq!(matched(&after), expected, "{port}");
        let stream = if expected.is_empty() { "flow" } else { "alert" };
        assert_eq!(after.text("varde.stream"), Some(stream), "{port}");
        found += expected.len();
        let mut before = before.clone();
        for fields in [&mut before, &mut after] {
            for name in ["varde.matched", "varde.stream", "event.sequence", "event.created"] {
                fields.remove(name);
            }
        }
        assert_eq!(before, after, "{port}");
        let source = before.text("source.ip").expect("an address");
        assert!(source != "10.20.0.15" && source != "fd00:20::15", "{source}");
    }
    assert_eq!(found, 3);
}

#[tokio::test]
async fn what_matched_leaves_no_further_than_the_site_says() {
    for (privacy, events, is_told) in [
        ("[{ level: full }]", 54, true),
        ("[{ matches: nothing }]", 54, false),
        ("[{ level: counts }]", 54, false),
        ("[{ level: counts, matches: full }]", 54, true),
        ("[{ level: nothing }]", 0, false),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        prepare(folder.path());
        let more = format!("privacy: {privacy}\n{}", detect(folder.path()));
        let (seen, metrics) = run(folder.path(), "state", &more).await;
        assert_eq!(seen.len(), events, "{privacy}");
        let told = seen.values().filter(|fields| !matched(fields).is_empty()).count();
        assert_eq!(told, if is_told { 3 } else { 0 }, "{privacy}");
        let first = |fields: &&Fields| fields.text("varde.stream") == Some("alert");
        assert_eq!(seen.values().filter(first).count(), told, "{privacy}");
        let counted = HitKind::ALL.map(|kind| metrics.scan.matches(kind));
        assert_eq!(counted.iter().sum::<u64>(), 3, "{privacy}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_rule_costs_no_other_rule() {
    let folder = tempfile::tempdir().expect("a folder");
    prepare(folder.path());
    write(folder.path(), "rules/wrong.yml", "title: no rule\n");
    let (seen, metrics) = run(folder.path(), "state", &detect(folder.path())).await;
    assert_eq!(seen.len(), 54);
    assert_eq!(metrics.scan.matches(HitKind::Rule), 1);
    let nowhere = "detect: { rules: /nowhere/at/all, indicators: /nowhere/at/all }\n";
    let (seen, metrics) = run(folder.path(), "other", nowhere).await;
    assert_eq!((seen.len(), metrics.scan.matches(HitKind::Rule)), (54, 0));
}
