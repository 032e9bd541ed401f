//! Clocks that are wrong, organisations that are behind, and time that passes where nothing is observed.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

#[path = "unusual/unusual.rs"]
#[allow(dead_code, reason = "each test uses some of it")]
mod unusual;

use std::sync::Arc;

use detect_alert::Alert;
use detect_engine::{Correlated, Correlator, Ruleset, Stage, Stream};
use ingest_event::{OrganizationNumber, Timestamp};

use unusual::{MONDAY, Run, V6, flow, question, ruleset};

const SILENCE: &str = "anomaly:
  type: silence
  rules: [any_flow]
  group-by: [observer.name]
  timespan: 30m";

fn second(at: i64) -> Timestamp {
    Timestamp::from_millis((MONDAY + at) * 1000)
}

/// A word of a sensor each minute.
fn words(sensor: &str, minutes: std::ops::Range<i64>) -> Vec<(i64, String)> {
    let source = if sensor.ends_with('1') { "10.0.0.7" } else { V6 };
    minutes
        .map(|minute| {
            let more = format!(r#","observer.name":"{sensor}""#);
            flow(minute * 60, source, "203.0.113.9", &more)
        })
        .collect()
}

fn told(alerts: &[Alert]) -> Vec<(String, Timestamp)> {
    alerts
        .iter()
        .map(|alert| (alert.entity.value.clone(), alert.timestamp))
        .collect()
}

#[test]
fn an_event_from_the_future_does_not_move_time() {
    let ruleset = ruleset(SILENCE);
    let mut events = words("s-1", 0..120);
    events.extend(words("s-2", 0..240));
    events.sort();
    let hundred_years = 36_525 * 86_400;
    for ended in ["", r#","event.end":"2126-01-01T00:00:00Z""#] {
        for is_quiet in [false, true] {
            let mut run = Run::new(&ruleset, Stage::Whole);
            for (at, event) in &events {
                run.feed(event);
                if *at == 3_600 {
                    let ahead = if ended.is_empty() { hundred_years } else { 0 };
                    let more = format!(r#","observer.name":"s-2"{ended}"#);
                    let (_, wrong) = flow(at + ahead, V6, "203.0.113.9", &more);
                    run.feed_at(&wrong, Some(second(*at)));
                    if is_quiet {
                        run.correlator.flush(&mut run.correlated);
                    }
                    run.restart();
                }
            }
            assert!(0 < run.correlator.stats().events_ahead);
            let late = run.correlator.stats().events_late;
            assert!(late < 10, "{late} events were late for one that was ahead");
            let found = run.finish();
            assert_eq!(
                told(&found),
                [("s-1".to_owned(), second(120 * 60 + 1800))],
                "{is_quiet}"
            );
        }
    }
}

#[test]
fn time_passes_where_nothing_is_observed() {
    let ruleset = ruleset(&SILENCE.replace("any_flow", "question"));
    let mut run = Run::new(&ruleset, Stage::Whole);
    run.feed(&question(0, "10.0.0.7", "www.avis.example").1);
    for minute in 1..60 {
        for source in ["10.0.0.7", V6] {
            run.feed(&flow(minute * 60, source, "203.0.113.9", "").1);
        }
    }
    assert_eq!(run.correlated.alerts.len(), 1, "before anybody flushes");
}

/// Signals of one organisation's events, and how far they have come.
fn signals(ruleset: &Arc<Ruleset>, organization: OrganizationNumber, events: &[(i64, String)]) -> Run {
    let mut run = Run::new(ruleset, Stage::Scan);
    run.defaults.organization = organization;
    events.iter().for_each(|(_, event)| run.feed(event));
    run.correlator.flush(&mut run.correlated);
    run
}

/// What is found where signals come together: all of the first organisation's come before the first of the second's.
fn behind(rule: &str, ahead: &[(i64, String)], late: &[Vec<(i64, String)>]) -> Vec<Alert> {
    let ruleset = ruleset(rule);
    let [one, other] =
        ["910244132", "958935420"].map(|number| OrganizationNumber::parse(number).expect("a number"));
    let mut together = Correlator::for_stage(Arc::clone(&ruleset), Stage::Signals);
    let mut found = Correlated::default();
    let mut receive = |organization, events: &[(i64, String)]| {
        let stream = Stream {
            organization,
            number: 0,
            count: 1,
            watermark: events.last().map_or(i64::MIN, |(at, _)| second(*at).as_nanos()),
        };
        let run = signals(&ruleset, organization, events);
        together.receive(run.correlated.signals, stream, &mut found);
    };
    let (first, rest) = late.split_first().expect("some");
    receive(other, first);
    receive(one, ahead);
    rest.iter().for_each(|events| receive(other, events));
    together.flush(&mut found);
    found.alerts.retain(|alert| alert.organization == other);
    found.alerts
}

#[test]
fn an_organisation_that_is_behind_is_not_silent() {
    let late = [words("s-2", 0..20), words("s-2", 20..120), words("s-1", 0..180)];
    let mut last = late[2].clone();
    last.retain(|(at, _)| 120 * 60 <= *at);
    let found = behind(
        SILENCE,
        &words("s-1", 0..1000),
        &[late[0].clone(), late[1].clone(), last],
    );
    assert_eq!(
        told(&found),
        [("s-2".to_owned(), second(120 * 60 + 1800))],
        "{found:#?}"
    );
}

#[test]
fn an_organisation_that_is_behind_keeps_its_groups() {
    let rule = "anomaly:
  type: distinct
  rules: [any_flow]
  group-by: [destination.port]
  timespan: 1h
  condition: { field: destination.ip, gte: 60 }";
    let to = |at: i64, n: i64, port: i64| {
        let more = format!(r#","destination.port":{port}"#);
        flow(at, V6, &format!("2001:db8:f::{n:x}"), &more)
    };
    let half = |from: i64| (from..from + 40).map(|n| to(n * 20, n, 445)).collect::<Vec<_>>();
    // Ten hours later, many groups of its own.
    let ahead: Vec<_> = (0..50).map(|n| to(36_000 + n * 60, n, 1_000 + n)).collect();
    let found = behind(rule, &ahead, &[half(0), half(40)]);
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn habits_of_pupils_are_not_learned_from_alerts_either() {
    let rule = "anomaly:
  type: new_value
  rules: [again]
  group-by: [source.ip]
  timespan: 30d
  learning: 1d
  condition: { field: destination.port }
level: low
---
title: Again and again
id: 33333333-3333-4333-8333-333333333333
name: again
correlation:
  type: event_count
  rules: [any_flow]
  group-by: [source.ip, destination.port]
  timespan: 1m
  condition: { gte: 2 }";
    let ruleset = ruleset(rule);
    for (zone, expected) in [("administration", 1), ("school", 0), ("health", 0)] {
        let mut run = Run::new(&ruleset, Stage::Whole);
        for (day, port) in [(0, 443), (1, 443), (2, 443), (3, 8443)] {
            for n in 0..3 {
                let more = format!(r#","destination.port":{port},"varde.zone":"{zone}""#);
                run.feed(&flow(day * 86_400 + n, V6, "203.0.113.9", &more).1);
            }
        }
        run.correlator.flush(&mut run.correlated);
        let protected = run.correlator.stats().events_protected;
        assert_eq!(0 < protected, expected == 0, "{zone}");
        let found = run.finish();
        let new = found.iter().filter(|alert| alert.producer.name == "Unusual");
        assert_eq!(new.count(), expected, "{zone}");
    }
}

#[test]
fn what_comes_after_a_lull_still_counts() {
    let sweep = |group: &str| {
        format!(
            "correlation:
  type: value_count
  rules: [any_flow]
  group-by: [{group}]
  timespan: 1m
  condition: {{ field: destination.ip, gte: 20 }}"
        )
    };
    for rule in [sweep("source.ip"), sweep("source.ip, destination.port")] {
        let ruleset = ruleset(&rule);
        for lulls in [1_usize, 2, 7, 19] {
            let mut run = Run::new(&ruleset, Stage::Organization);
            for n in 0..30_i64 {
                let more = format!(r#","destination.port":445,"event.end":"{}""#, second(n % 3));
                run.feed(&flow(n % 3, V6, &format!("203.0.113.{n}"), &more).1);
                if usize::try_from(n).expect("small") % lulls == lulls - 1 {
                    run.correlator.flush(&mut run.correlated);
                }
            }
            assert_eq!(run.finish().len(), 1, "{lulls}: {rule}");
        }
    }
}
