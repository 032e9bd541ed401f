//! Neither batches, restarts, small delays, repeated events nor partitions change what anomaly rules say.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

#[path = "unusual/unusual.rs"]
#[allow(dead_code, reason = "each test uses some of it")]
mod unusual;

use std::sync::Arc;

use detect_alert::{Alert, encode};
use detect_engine::{Correlated, Correlator, Dropped, Signal, Stage, Stream};
use ingest_event::OrganizationNumber;
use proptest::prelude::*;

use unusual::{BEACON, CALLED_BY_FEW, Run, V6, flow, ruleset};

/// Every rule of this file on one stream.
fn mixed() -> Vec<(i64, String)> {
    let mut events = Vec::new();
    let sent = r#","source.bytes":90000000,"destination.bytes":1000,"destination.port":22"#;
    for n in 0..60_i64 {
        let contact = r#","source.bytes":300,"destination.port":443"#;
        events.push(flow(n * 240 + n % 5, "10.0.0.7", "203.0.113.9", contact));
        events.push(flow(n * 61, V6, &format!("2001:db8:f::{n:x}"), sent));
        // The same from machines whose events are in other partitions.
        events.push(flow(
            n * 61 + 3,
            &format!("10.0.1.{}", n % 7),
            &format!("2001:db8:e::{n:x}"),
            sent,
        ));
        // What three machines call, whose events are in as many partitions.
        for machine in 1..4 {
            let source = format!("10.0.2.{machine}");
            events.push(flow(n * 240 + machine * 7, &source, "2001:db8:f::443", contact));
        }
    }
    events.sort();
    events
}

const MIXED: [&str; 5] = [
    BEACON,
    "anomaly:\n  type: distinct\n  rules: [outbound]\n  group-by: [source.ip]\n  timespan: 1h\n  condition: { field: destination.ip, gte: 30 }",
    "anomaly:\n  type: distinct\n  rules: [any_flow]\n  group-by: [destination.port]\n  timespan: 1h\n  condition: { field: destination.ip, gte: 30 }",
    "anomaly:\n  type: volume\n  rules: [any_flow]\n  group-by: [destination.port]\n  timespan: 1h\n  condition: { field: [source.bytes, destination.bytes], gte: 1000000000, ratio: 10 }",
    CALLED_BY_FEW,
];

fn bytes(mut alerts: Vec<Alert>) -> Vec<Vec<u8>> {
    let mut bytes: Vec<Vec<u8>> = alerts.drain(..).map(|alert| encode(&alert)).collect();
    bytes.sort();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn delays_repeats_and_restarts_change_nothing(
        rule in 0..5_usize,
        delays in proptest::collection::vec(0..55_i64, 360),
        repeats in proptest::collection::vec(0..360_usize, 0..20),
        restart in 1..40_usize,
    ) {
        let ruleset = ruleset(MIXED[rule]);
        let events = mixed();
        let mut undisturbed = Run::new(&ruleset, Stage::Whole);
        events.iter().for_each(|(_, event)| undisturbed.feed(event));
        let expected = undisturbed.finish();
        prop_assert_eq!(expected.len(), if MIXED[rule] == BEACON { 4 } else { 1 }, "{:#?}", expected);

        let mut shuffled: Vec<(i64, String)> = events
            .iter()
            .zip(&delays)
            .map(|((at, event), delay)| (at + delay, event.clone()))
            .collect();
        shuffled.extend(repeats.iter().map(|index| (events[*index].0 + 50, events[*index].1.clone())));
        shuffled.sort_by_key(|(at, _)| *at);
        let mut run = Run::new(&ruleset, Stage::Whole);
        for (index, (_, event)) in shuffled.iter().enumerate() {
            run.feed(event);
            if index % restart == restart - 1 {
                run.restart();
            }
        }
        prop_assert_eq!(bytes(run.finish()), bytes(expected));
    }

    #[test]
    fn partitions_and_signals_change_nothing(
        rule in 0..5_usize,
        partitions in 1..12_usize,
        batch in 1..50_usize,
    ) {
        let ruleset = ruleset(MIXED[rule]);
        let events = mixed();
        let mut undisturbed = Run::new(&ruleset, Stage::Whole);
        events.iter().for_each(|(_, event)| undisturbed.feed(event));
        let expected = bytes(undisturbed.finish());

        let organization = OrganizationNumber::parse("910244132").expect("a number");
        let mut scans: Vec<Run> = (0..partitions).map(|_| Run::new(&ruleset, Stage::Scan)).collect();
        let mut together = Correlator::for_stage(Arc::clone(&ruleset), Stage::Signals);
        let mut found = Correlated::default();
        let mut pass = |scans: &mut Vec<Run>, is_over: bool| {
            for (number, scan) in scans.iter_mut().enumerate() {
                if is_over {
                    scan.correlator.flush(&mut scan.correlated);
                }
                let signals = std::mem::take(&mut scan.correlated.signals);
                let signals = Signal::decode(&Signal::encode(signals)).expect("signals");
                let watermark = scan.correlator.watermark().map_or(i64::MIN, |at| at.as_nanos());
                let stream = Stream {
                    organization,
                    number: number as u64,
                    count: partitions,
                    watermark: if is_over { i64::MAX } else { watermark },
                };
                together.receive(signals, stream, &mut found);
            }
        };
        for (index, (_, event)) in events.iter().enumerate() {
            let local = event.split("\"source.ip\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("");
            let partition = local.bytes().map(usize::from).sum::<usize>() % partitions;
            scans[partition].feed(event);
            if index % batch == batch - 1 {
                pass(&mut scans, false);
            }
        }
        pass(&mut scans, true);
        together.flush(&mut found);
        let mut all = found.alerts;
        for scan in scans {
            all.extend(scan.correlated.alerts);
        }
        prop_assert_eq!(bytes(all), expected);
    }
}

/// Signals of correlators that each see one organisation, to where they come together.
#[test]
fn organisations_with_a_correlator_each_find_what_one_for_all_finds() {
    // Two of these are held together at each organisation, and one, with the rule that takes it, over all.
    let rules = format!(
        "{BEACON}
level: low
---
title: Many addresses on a port
id: 22222222-2222-4222-8222-222222222223
{}
level: low
---
title: The same address in two organisations
id: 22222222-2222-4222-8222-222222222224
name: national
anomaly:
  type: national
  rules: [outbound]
  group-by: [destination.ip]
  timespan: 24h
  condition: {{ organizations: 2 }}",
        MIXED[2]
    );
    let ruleset = ruleset(&rules);
    let organizations =
        ["910244132", "958935420"].map(|number| OrganizationNumber::parse(number).expect("a number"));
    // The beacon's address is called from both, all others from the first alone.
    let events_of = |organization| {
        let mut events = mixed();
        events.retain(|(_, event)| organization == organizations[0] || event.contains("203.0.113.9"));
        events
    };
    let mut all: Vec<(i64, usize, String)> = Vec::new();
    for (number, organization) in organizations.iter().enumerate() {
        let events = events_of(*organization).into_iter();
        all.extend(events.map(|(at, event)| (at, number, event)));
    }
    all.sort();
    let mut whole = Run::new(&ruleset, Stage::Whole);
    for (_, number, event) in &all {
        whole.defaults.organization = organizations[*number];
        whole.feed(event);
    }
    let expected = bytes(whole.finish());
    assert_eq!(
        expected.len(),
        7,
        "a beacon each and three more, a sweep and the one of both"
    );

    let mut together = Correlator::for_stage(Arc::clone(&ruleset), Stage::Signals);
    let mut found = Correlated::default();
    let mut own: Vec<Run> = organizations
        .map(|_| Run::new(&ruleset, Stage::Organization))
        .into();
    let mut sent = 0;
    for (_, number, event) in &all {
        let run = &mut own[*number];
        run.defaults.organization = organizations[*number];
        run.feed(event);
        run.restart();
    }
    for (run, organization) in own.iter_mut().zip(organizations) {
        run.correlator.flush(&mut run.correlated);
        let signals = std::mem::take(&mut run.correlated.signals);
        sent += signals.len();
        let stream = Stream {
            organization,
            number: 0,
            count: 1,
            watermark: i64::MAX,
        };
        together.receive(
            Signal::decode(&Signal::encode(signals)).expect("signals"),
            stream,
            &mut found,
        );
    }
    together.flush(&mut found);
    let national = all
        .iter()
        .filter(|(_, _, event)| event.contains("outbound"))
        .count();
    assert_eq!(
        sent, national,
        "nothing travels but what is held together over all"
    );
    let mut alerts = found.alerts;
    alerts.extend(own.into_iter().flat_map(|run| run.correlated.alerts));
    assert_eq!(bytes(alerts), expected);
}

#[test]
fn what_a_restart_does_not_go_on_from_is_told() {
    for (source, far) in [("10.0.0.7", "203.0.113.9"), (V6, "2001:db8:f::9")] {
        let ruleset = ruleset(MIXED[2]);
        let mut run = Run::new(&ruleset, Stage::Organization);
        for port in 1..=5 {
            let port = format!(r#","destination.port":{port}"#);
            run.feed(&flow(0, source, far, &port).1);
        }
        run.correlator.flush(&mut run.correlated);
        let snapshot = run.correlator.snapshot();
        let dropped = |stage: Stage, snapshot: &[u8]| {
            let restored = Correlator::restore(Arc::clone(&ruleset), stage, snapshot);
            restored.expect("restored").dropped()
        };
        assert_eq!(dropped(Stage::Organization, &snapshot), None);
        let together = Dropped::Together { groups: 5 };
        assert_eq!(dropped(Stage::Scan, &snapshot), Some(together));
        let earlier = [&[snapshot[0] - 1], &snapshot[1..]].concat();
        assert_eq!(dropped(Stage::Organization, &earlier), Some(Dropped::All));
    }
}
