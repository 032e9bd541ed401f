//! Counting over event time: one alert per episode, whatever comes twice, late, or after a restart.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

use std::sync::Arc;

use detect_alert::{Alert, encode};
use detect_engine::{
    AlertSink, Compiler, Correlated, Correlator, Moment, Observing, Ruleset, Scanner, Stage,
};
use detect_rules::{SourceText, check};
use ingest_event::{Defaults, OrganizationNumber, SensorId};
use proptest::prelude::*;

const RULES: &str = "
title: Any connection
id: 11111111-1111-4111-8111-111111111111
name: any_connection
logsource: { product: zeek, service: conn }
detection:
  selection: { id.orig_h|exists: true }
  condition: selection
---
title: Scan
id: 22222222-2222-4222-8222-222222222222
correlation:
  type: value_count
  rules: [any_connection]
  group-by: [id.orig_h]
  timespan: 60s
  condition: { gte: 5, field: id.resp_p }
---
title: Many
id: 33333333-3333-4333-8333-333333333333
correlation:
  type: event_count
  rules: [any_connection]
  group-by: [id.orig_h]
  timespan: 60s
  condition: { gte: 8 }
";

fn ruleset(text: &str) -> Arc<Ruleset> {
    let checked = check(&[SourceText {
        path: "r.yml".to_owned(),
        text: text.to_owned(),
    }]);
    assert!(checked.diagnostics.is_empty(), "{}", checked.diagnostics[0]);
    Arc::new(Compiler::new().rules(checked.rules).compile().expect("compiles"))
}

fn defaults() -> Defaults {
    Defaults {
        organization: OrganizationNumber::parse("910244132").expect("a number"),
        sensor: SensorId::parse("test").expect("a name"),
    }
}

/// One flow: who, at which second, to which port; the id follows from them.
fn flow(source: &str, second: u32, port: u16) -> String {
    let time = format!(
        "2026-01-01T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    format!(
        r#"{{"@timestamp":"{time}","event.dataset":"network.flow","source.ip":"{source}","destination.port":{port}}}"#
    )
}

/// The alerts of these events, with a snapshot and restore after every `restart` events.
fn run(events: &[String], restart: usize) -> Vec<Alert> {
    run_rules(RULES, events, restart)
}

fn run_rules(rules: &str, events: &[String], restart: usize) -> Vec<Alert> {
    let (ruleset, defaults) = (ruleset(rules), defaults());
    let mut scanner = Scanner::new(&ruleset);
    let mut correlator = Correlator::new(Arc::clone(&ruleset));
    let (mut observing, mut correlated) = (Observing::default(), Correlated::default());
    for (index, event) in events.iter().enumerate() {
        let mut sink = AlertSink::new(&defaults, &mut observing);
        let timestamp = scanner.scan(event.as_bytes(), &mut sink).expect("an event");
        sink.finish_event(&mut correlator, Moment::of(timestamp), &mut correlated);
        if index % restart == restart - 1 {
            let snapshot = correlator.snapshot();
            correlator =
                Correlator::restore(Arc::clone(&ruleset), Stage::Whole, &snapshot).expect("restores");
        }
    }
    correlator.flush(&mut correlated);
    correlated.alerts
}

fn names(alerts: &[Alert]) -> Vec<(&str, &str, u64)> {
    alerts
        .iter()
        .map(|alert| {
            let count = alert.window.as_ref().map_or(0, |window| window.count);
            (alert.producer.name.as_str(), alert.entity.value.as_str(), count)
        })
        .collect()
}

#[test]
fn a_scan_is_one_alert_however_long() {
    for source in ["192.0.2.1", "2001:db8::1"] {
        let events: Vec<String> = (0..600).map(|n| flow(source, n / 10, 1000 + n as u16)).collect();
        let alerts = run(&events, usize::MAX);
        assert_eq!(names(&alerts), [("Scan", source, 5), ("Many", source, 8)]);
        assert_eq!(alerts[0].entity.field, "source.ip");
    }
}

#[test]
fn below_the_threshold_or_too_slow_is_nothing() {
    let same_port: Vec<String> = (0..7).map(|n| flow("192.0.2.1", n, 80)).collect();
    assert_eq!(names(&run(&same_port, usize::MAX)), []);
    let slow: Vec<String> = (0..50).map(|n| flow("192.0.2.1", n * 15, n as u16)).collect();
    assert_eq!(names(&run(&slow, usize::MAX)), []);
}

#[test]
fn a_new_episode_is_a_new_alert_and_repeated_events_are_none() {
    let first: Vec<String> = (0..5).map(|n| flow("192.0.2.1", n, n as u16)).collect();
    let later: Vec<String> = (0..5).map(|n| flow("192.0.2.1", 600 + n, n as u16)).collect();
    let twice = [first.clone(), first.clone(), first, later].concat();
    let alerts = run(&twice, usize::MAX);
    assert_eq!(
        names(&alerts),
        [("Scan", "192.0.2.1", 5), ("Scan", "192.0.2.1", 5)]
    );
    assert_ne!(alerts[0].id, alerts[1].id);
}

#[test]
fn the_entity_is_the_chosen_field_of_the_group_and_groups_stay_apart() {
    for (source, other) in [("192.0.2.1", "192.0.2.7"), ("2001:db8::1", "2001:db8::7")] {
        let mut events: Vec<String> = (0..5).map(|n| flow(source, n, n as u16)).collect();
        events.extend((0..5).map(|n| flow(other, n, n as u16)));
        for (varde, field, joined) in [
            ("varde: { entity: source.ip }", "source.ip", false),
            ("varde: { entity: id.orig_h }", "source.ip", false),
            ("varde: { confidence: high }", "source.ip + event.dataset", true),
        ] {
            let rules = RULES.replace(
                "group-by: [id.orig_h]\n  timespan: 60s\n  condition: { gte: 5, field: id.resp_p }",
                &format!(
                    "group-by: [id.orig_h, event.dataset]\n  timespan: 60s\n  condition: {{ gte: 5, field: id.resp_p }}\n{varde}"
                ),
            );
            let alerts = run_rules(&rules, &events, usize::MAX);
            let mut entities: Vec<(&str, String)> = alerts
                .iter()
                .map(|alert| (alert.entity.field.as_str(), alert.entity.value.clone()))
                .collect();
            entities.sort();
            let value = |address: &str| {
                if joined {
                    format!("{address} + network.flow")
                } else {
                    address.to_owned()
                }
            };
            assert_eq!(
                entities,
                [(field, value(source)), (field, value(other))],
                "{varde}"
            );
            let groups = alerts[0].window.as_ref().map(|window| window.group_by.len());
            assert_eq!(groups, Some(2), "the alert still shows the whole group");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn restarts_change_nothing(
        flows in proptest::collection::vec((0..3_u8, 0..300_u32, 0..12_u16), 1..120),
        restart in 1..20_usize,
    ) {
        let events: Vec<String> = flows
            .iter()
            .map(|(source, second, port)| flow(&format!("2001:db8::{source}"), *second, *port))
            .collect();
        let bytes = |alerts: Vec<Alert>| alerts.iter().map(encode).collect::<Vec<_>>();
        prop_assert_eq!(bytes(run(&events, usize::MAX)), bytes(run(&events, restart)));
    }
}

/// The alerts of these events, with the ruleset changed after so many of them, by `change`.
fn run_changed(
    events: &[String],
    before: &str,
    after: &str,
    change: impl Fn(&mut Correlator, Arc<Ruleset>),
) -> Vec<Alert> {
    let (rulesets, defaults) = ([ruleset(before), ruleset(after)], defaults());
    let mut correlator = Correlator::new(Arc::clone(&rulesets[0]));
    let (mut observing, mut correlated) = (Observing::default(), Correlated::default());
    for (index, half) in events.chunks(events.len().div_ceil(2)).enumerate() {
        if index == 1 {
            change(&mut correlator, Arc::clone(&rulesets[1]));
        }
        let mut scanner = Scanner::new(&rulesets[index]);
        for event in half {
            let mut sink = AlertSink::new(&defaults, &mut observing);
            let timestamp = scanner.scan(event.as_bytes(), &mut sink).expect("an event");
            sink.finish_event(&mut correlator, Moment::of(timestamp), &mut correlated);
        }
    }
    correlator.flush(&mut correlated);
    correlated.alerts
}

#[test]
fn another_ruleset_keeps_the_windows_of_what_did_not_change() {
    let first = "
title: Before all others
id: 00000000-0000-4000-8000-000000000000
correlation:
  type: event_count
  rules: [any_connection]
  group-by: [id.resp_p]
  timespan: 60s
  condition: { gte: 100 }
---";
    let more = format!("{first}{RULES}");
    let changed = RULES.replace("gte: 8", "gte: 7");
    for source in ["203.0.113.9", "2001:db8::9"] {
        let events: Vec<String> = (0..8).map(|n| flow(source, n, n as u16)).collect();
        for (name, before, after, expected) in [
            ("the same", RULES, RULES, &["Scan", "Many"][..]),
            (
                "one more before them",
                RULES,
                more.as_str(),
                &["Scan", "Many"][..],
            ),
            (
                "one less before them",
                more.as_str(),
                RULES,
                &["Scan", "Many"][..],
            ),
            ("one changed", RULES, changed.as_str(), &["Scan"][..]),
        ] {
            let adopted = run_changed(&events, before, after, |correlator, ruleset| {
                correlator.adopt(ruleset);
            });
            let names: Vec<&str> = adopted.iter().map(|alert| alert.producer.name.as_str()).collect();
            assert_eq!(names, expected, "{name}");
            let restarted = run_changed(&events, before, after, |correlator, ruleset| {
                *correlator =
                    Correlator::restore(ruleset, Stage::Whole, &correlator.snapshot()).expect("restores");
            });
            assert_eq!(adopted, restarted, "{name}");
        }
    }
}
