//! An alert about several events is as strict as the strictest of them, and of what matched.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

#[path = "unusual/unusual.rs"]
#[allow(dead_code, reason = "each test uses some of it")]
mod unusual;

use std::time::Duration;

use detect_alert::{Confidence, Indicator, IndicatorKind, Pap, Tlp};
use detect_engine::Stage;
use ingest_event::{Marking, OrganizationNumber};

use unusual::{CALLED_BY_FEW, MONDAY, Run, V6, flow, ruleset, ruleset_by};

/// Counted where events are scanned, as parts of a minute where signals come together, and as Sigma counts.
const RULES: [&str; 3] = [
    "anomaly:
  type: distinct
  rules: [outbound]
  group-by: [source.ip]
  timespan: 1h
  condition: { field: destination.ip, gte: 30 }",
    "anomaly:
  type: distinct
  rules: [any_flow]
  group-by: [destination.port]
  timespan: 1h
  condition: { field: destination.ip, gte: 30 }",
    "correlation:
  type: value_count
  rules: [outbound]
  group-by: [source.ip]
  timespan: 1h
  condition: { field: destination.ip, gte: 30 }",
];

#[test]
fn one_restricted_event_among_many_makes_a_restricted_alert() {
    for rule in RULES {
        for source in ["10.0.0.7", V6] {
            for place in [0, 10, 20] {
                let mut run = Run::new(&ruleset(rule), Stage::Whole);
                for n in 0..30 {
                    let marking = if n == place { "restricted" } else { "unmarked" };
                    let more = format!(r#","destination.port":445,"varde.marking":"{marking}""#);
                    run.feed(&flow(n * 7, source, &format!("203.0.113.{n}"), &more).1);
                    run.restart();
                }
                let found = run.finish();
                assert_eq!(found.len(), 1, "{rule}: {found:#?}");
                assert_eq!(found[0].marking, Marking::Restricted, "{place}: {rule}");
            }
        }
    }
}

#[test]
fn what_is_told_of_an_indicator_is_as_closed_as_the_indicator() {
    let rule = "anomaly:
  type: national
  rules: [indicators]
  timespan: 1d
  condition: { organizations: 2 }";
    for (value, tlp) in [("203.0.113.9", Tlp::Red), ("2001:db8:f::9", Tlp::Green)] {
        let indicator = Indicator {
            kind: IndicatorKind::Address,
            value: value.to_owned(),
            source: "made".to_owned(),
            confidence: Confidence::Medium,
            tlp,
            pap: Pap::Green,
            valid_from: None,
            valid_until: None,
            description: String::new(),
        };
        let ruleset = ruleset_by(rule, |compiler| compiler.indicators(vec![indicator]));
        let mut run = Run::new(&ruleset, Stage::Whole);
        for number in ["910244132", "958935420"] {
            run.defaults.organization = OrganizationNumber::parse(number).expect("a number");
            run.feed(&flow(0, V6, value, "").1);
        }
        let found = run.finish();
        let national = found.iter().find(|alert| alert.producer.name == "Unusual");
        let national = national.unwrap_or_else(|| panic!("{found:#?}"));
        // The rule's own is amber.
        assert_eq!(national.tlp, tlp.max(Tlp::Amber));
    }
}

/// A machine calls each five minutes, the `place`-th time with something restricted; with what it finds.
fn called(stage: Stage, (source, far): (&str, &str), place: i64) -> Run {
    let mut run = Run::new(&ruleset(CALLED_BY_FEW), stage);
    for n in 0..20 {
        let marking = if n == place { "restricted" } else { "unmarked" };
        let more = format!(r#","source.bytes":300,"varde.marking":"{marking}""#);
        run.feed(&flow(n * 300, source, far, &more).1);
        run.restart();
    }
    run.correlator.flush(&mut run.correlated);
    run
}

const CALLS: [(&str, &str); 2] = [("10.0.0.7", "203.0.113.9"), (V6, "2001:db8:f::9")];

#[test]
fn what_is_decided_elsewhere_is_as_strict_as_what_it_was_found_in() {
    for calls in CALLS {
        // The third makes the group, the eighteenth is what the alert tells of.
        for place in [2, 9, 17] {
            let found = called(Stage::Whole, calls, place).correlated.alerts;
            assert_eq!(found.len(), 1, "{found:#?}");
            assert_eq!(found[0].marking, Marking::Restricted, "{place}");
        }
        let found = called(Stage::Whole, calls, 19).correlated.alerts;
        assert_eq!(
            found[0].marking,
            Marking::Unmarked,
            "what came later is no part of it"
        );
    }
}

#[test]
fn what_is_decided_elsewhere_says_nothing_of_a_time_before_it_was_seen() {
    for calls in CALLS {
        let found = called(Stage::Whole, calls, 0).correlated.alerts;
        let window = found[0].window.as_ref().expect("a window");
        assert_eq!(window.start.as_nanos(), (MONDAY + 600) * 1_000_000_000);
    }
}

#[test]
fn that_many_call_is_as_strict_as_their_calls() {
    for (far, sources) in [
        ("203.0.113.9", ["10.0.0.7", "10.0.0.8"]),
        ("2001:db8:f::9", [V6, "2001:db8:a::8"]),
    ] {
        let mut run = Run::new(&ruleset(CALLED_BY_FEW), Stage::Whole);
        for n in 0..20 {
            for (source, marking) in sources.iter().zip(["unmarked", "restricted"]) {
                let more = format!(r#","source.bytes":300,"varde.marking":"{marking}""#);
                run.feed(&flow(n * 300, source, far, &more).1);
            }
        }
        let found = run.finish();
        let markings: Vec<Marking> = found.iter().map(|alert| alert.marking).collect();
        assert_eq!(
            markings,
            [Marking::Restricted; 2],
            "each tells that there are two"
        );
    }
}

#[test]
fn silence_is_as_strict_as_what_was_heard() {
    let rule = "anomaly:
  type: silence
  rules: [any_flow]
  group-by: [source.ip]
  timespan: 1h";
    for source in ["10.0.0.7", V6] {
        for place in [0, 15, 29] {
            let mut run = Run::new(&ruleset(rule), Stage::Whole);
            for n in 0..30 {
                let marking = if n == place { "restricted" } else { "unmarked" };
                let more = format!(r#","varde.marking":"{marking}""#);
                run.feed(&flow(n * 120, source, "203.0.113.9", &more).1);
                run.restart();
            }
            run.correlator
                .elapse(Duration::from_secs(2 * 3600), &mut run.correlated);
            let found = run.correlated.alerts;
            assert_eq!(found.len(), 1, "{found:#?}");
            assert_eq!(found[0].marking, Marking::Restricted, "{place}");
        }
    }
}
