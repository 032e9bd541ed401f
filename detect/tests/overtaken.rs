//! What leaves a sensor before all else, after an outage, costs nothing of what waits behind it.

#![allow(clippy::expect_used, reason = "what fails in a test's helper fails the test")]

#[path = "lab/lab.rs"]
mod lab;

use std::time::Duration;

use detect::detector::{Detector, Findings, Origin};
use detect_engine::{Correlated, Correlator, Ruleset};
use detect_rules::SourceText;
use ingest_event::{OrganizationNumber, Timestamp};

/// Ten flows of a machine in ten minutes, and five alerts of another program about one, each a base and what counts it.
const RULES: &str = "
title: A Flow
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a1f0
name: a_flow
status: test
logsource: { category: network, service: connection }
detection: { selection: { varde.flow.state: attempted }, condition: selection }
level: informational
---
title: Many Flows
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a1f1
status: test
correlation:
  type: event_count
  rules: [a_flow]
  group-by: [source.ip]
  timespan: 10m
  condition: { gte: 10 }
level: medium
---
title: An Alert of Another Program
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a1f2
name: an_alert
status: test
logsource: { product: suricata, service: alert }
detection: { selection: { rule.name: '*' }, condition: selection }
level: informational
---
title: Many Alerts
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a1f3
status: test
correlation:
  type: event_count
  rules: [an_alert]
  group-by: [source.ip]
  timespan: 10m
  condition: { gte: 5 }
level: medium
";

/// 2026-03-02, in seconds.
const DAY: i64 = 1_772_438_400;

/// The outage ends, and everything is read.
const NOW: i64 = DAY + 4 * 3_600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

/// Thirty minutes of two machines, of which one makes twelve flows in a minute of them.
fn flows() -> Vec<String> {
    let flow = |second: i64, source: &str| {
        format!(
            r#"{{"@timestamp":"{}","event.dataset":"network.flow","event.id":"f-{second}-{source}","varde.stream":"flow","source.ip":"{source}","destination.ip":"192.0.2.1","varde.flow.state":"attempted"}}"#,
            at(DAY + second)
        )
    };
    let steady = (0..15).map(|pair| (pair * 120, "10.0.0.7"));
    let burst = (0..12).map(|number| (900 + number * 5, "2001:db8:20::9"));
    let mut all: Vec<_> = steady.chain(burst).collect();
    all.sort_unstable();
    all.into_iter()
        .map(|(second, source)| flow(second, source))
        .collect()
}

/// What a sensor sends first, after the outage: of its end, and of all of it.
fn first(dataset: &str, second: i64) -> String {
    format!(
        r#"{{"@timestamp":"{}","event.dataset":"{dataset}","event.id":"a-{second}","varde.stream":"alert","source.ip":"2001:db8:20::9","rule.name":"something"}}"#,
        at(second)
    )
}

/// What is found, by name and when; each event is read at its second.
fn found(
    ruleset: &Ruleset,
    correlator: &mut Correlator,
    events: &[(i64, String)],
) -> Vec<(String, Timestamp)> {
    let mut detector = Detector::new(ruleset);
    let mut findings = Findings::default();
    for (position, (read, event)) in events.iter().enumerate() {
        let origin = Origin {
            organization: OrganizationNumber::parse("958935420").expect("a number"),
            source: "varde.events.958935420",
            position: position as u64,
            observed: at(*read),
        };
        detector.scan(correlator, event.as_bytes(), &origin, &mut findings);
    }
    assert!(findings.quarantined.is_empty(), "{:?}", findings.quarantined);
    let told = |alert: &detect_alert::Alert| (alert.producer.name.clone(), alert.timestamp);
    findings.alerts.iter().map(told).collect()
}

fn rules() -> std::sync::Arc<Ruleset> {
    let text = SourceText {
        path: "rules.yml".to_owned(),
        text: RULES.to_owned(),
    };
    lab::compile(&[text], Vec::new())
}

/// Read when the outage has ended, in this order.
fn read(events: impl IntoIterator<Item = String>) -> Vec<(i64, String)> {
    events.into_iter().map(|event| (NOW, event)).collect()
}

#[test]
fn a_backlog_behind_what_left_first_counts_as_if_nothing_had() {
    let ruleset = rules();
    let expected = found(&ruleset, &mut Correlator::new(ruleset.clone()), &read(flows()));
    assert_eq!(expected.len(), 1, "{expected:?}");
    for dataset in [
        "varde.heartbeat",
        "varde.shed",
        "varde.canary",
        "suricata.alert",
        "network.dns",
    ] {
        let mut correlator = Correlator::new(ruleset.clone());
        let mut events = vec![first(dataset, NOW - 1)];
        events.extend(flows());
        let mut told = found(&ruleset, &mut correlator, &read(events));
        told.retain(|(name, _)| name == "Many Flows");
        assert_eq!(told, expected, "behind {dataset}");
        assert_eq!(correlator.stats().events_late, 0, "behind {dataset}");
    }
}

/// The last before the cut was an alert, and nothing came for hours: the first after it says nothing of time either.
#[test]
fn a_backlog_counts_whatever_came_last_before_the_outage() {
    let ruleset = rules();
    let expected = found(&ruleset, &mut Correlator::new(ruleset.clone()), &read(flows()));
    let mut correlator = Correlator::new(ruleset.clone());
    let before = [(DAY - 60, first("suricata.alert", DAY - 60))];
    assert_eq!(found(&ruleset, &mut correlator, &before), []);
    // As the detector does when a partition is quiet.
    let mut correlated = Correlated::default();
    correlator.elapse(Duration::from_secs(3_600), &mut correlated);
    let mut events = vec![first("suricata.alert", NOW - 1)];
    events.extend(flows());
    let mut told = found(&ruleset, &mut correlator, &read(events));
    told.retain(|(name, _)| name == "Many Flows");
    assert_eq!(told, expected);
    assert_eq!(correlator.stats().events_late, 0);
}

#[test]
fn alerts_that_left_first_are_counted_in_their_place() {
    let ruleset = rules();
    let mut correlator = Correlator::new(ruleset.clone());
    let alerts = (0..5).map(|number| first("suricata.alert", DAY + 600 + number * 60));
    let told = found(&ruleset, &mut correlator, &read(alerts.chain(flows())));
    let names: Vec<_> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Many Alerts", "Many Flows"]);
}

/// Where nothing else comes, time goes by them, a minute after the first at the latest.
#[test]
fn where_nothing_but_alerts_comes_they_count_among_themselves() {
    let ruleset = rules();
    let mut correlator = Correlator::new(ruleset.clone());
    let alerts: Vec<_> = (0..30)
        .map(|number| DAY + number * 60)
        .map(|second| (second, first("suricata.alert", second)))
        .collect();
    let told = found(&ruleset, &mut correlator, &alerts);
    assert_eq!(told, [("Many Alerts".to_owned(), at(DAY + 240))]);
}
