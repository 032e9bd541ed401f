//! Every type of Sigma correlation, against `rsigma-eval`: the same episodes of the same groups on generated events.
//!
//! Times are whole, different and even seconds, and time spans odd: at its very edge a window of ours is open and theirs
//! closed, and of two events at one time the order is not theirs to know. An episode begins where their condition holds
//! and did not hold within the time span before; in a tumbling window, where it first holds.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support outside `#[test]` functions"
)]

use std::{collections::BTreeMap, sync::Arc};

use detect_alert::Alert;
use detect_engine::{AlertSink, Compiler, Correlated, Correlator, Moment, Observing, Scanner};
use detect_rules::{SourceText, check};
use ingest_event::{Defaults, OrganizationNumber, SensorId, Timestamp};
use proptest::prelude::*;
use rsigma_eval::{CorrelationConfig, CorrelationEngine, event::JsonEvent};

const BASES: &str = "
title: A
id: 11111111-1111-4111-8111-111111111111
name: a
logsource: { category: test }
detection: { selection: { kind: a }, condition: selection }
---
title: B
id: 11111111-1111-4111-8111-111111111112
name: b
logsource: { category: test }
detection: { selection: { kind: b }, condition: selection }
---
title: C
id: 11111111-1111-4111-8111-111111111113
name: c
logsource: { category: test }
detection: { selection: { kind: c }, condition: selection }
---
";

/// What stands under `correlation:`, and the seconds of a tumbling window.
const CORRELATIONS: [(&str, Option<i64>); 13] = [
    (
        "type: event_count, rules: [a], group-by: [who], timespan: 61s, condition: { gte: 4 }",
        None,
    ),
    (
        "type: event_count, rules: [a, b], group-by: [who, where], timespan: 121s, condition: { gt: 2, lte: 6 }",
        None,
    ),
    (
        "type: event_count, rules: [a], timespan: 61s, condition: { gte: 9 }",
        None,
    ),
    (
        "type: value_count, rules: [a, b], group-by: [who], timespan: 91s, condition: { field: what, gte: 4 }",
        None,
    ),
    (
        "type: value_sum, rules: [a], group-by: [who], timespan: 61s, condition: { field: size, gte: 300 }",
        None,
    ),
    (
        "type: value_avg, rules: [a], group-by: [who], timespan: 61s, condition: { field: size, gte: 80 }",
        None,
    ),
    (
        "type: value_median, rules: [a], group-by: [who], timespan: 91s, condition: { field: size, gt: 70 }",
        None,
    ),
    (
        "type: temporal, rules: [a, b, c], group-by: [who], timespan: 31s, condition: { gte: 3 }",
        None,
    ),
    (
        "type: temporal_ordered, rules: [a, b, c], group-by: [who], timespan: 61s",
        None,
    ),
    (
        "type: temporal, rules: [a, b, c], group-by: [who], timespan: 31s, condition: 'a and (b or c)'",
        None,
    ),
    (
        "type: event_count, rules: [a], group-by: [who], timespan: 60s, window: tumbling, condition: { gte: 3 }",
        Some(60),
    ),
    (
        "type: value_count, rules: [a], group-by: [who], timespan: 60s, window: tumbling, condition: { field: what, gte: 3 }",
        Some(60),
    ),
    (
        "type: value_sum, rules: [a, b], group-by: [who], timespan: 60s, window: tumbling, condition: { field: size, gte: 200 }",
        Some(60),
    ),
];

const START: i64 = 1_772_438_400;

fn document(correlation: &str) -> String {
    format!(
        "{BASES}title: K\nid: 22222222-2222-4222-8222-222222222222\nname: k\ncorrelation: {{ {correlation} }}\nlevel: high\n"
    )
}

/// Group and time of each episode.
type Episodes = Vec<(i64, Vec<String>)>;

fn ours(text: &str, events: &[(i64, String)]) -> Episodes {
    let mut episodes: Episodes = alerts(text, events)
        .iter()
        .map(|alert| (seconds(alert.timestamp), group(alert)))
        .collect();
    episodes.sort();
    episodes
}

const fn seconds(timestamp: Timestamp) -> i64 {
    timestamp.as_nanos() / 1_000_000_000
}

fn group(alert: &Alert) -> Vec<String> {
    let window = alert.window.as_ref().expect("a window");
    window.group_by.iter().map(|(_, value)| value.clone()).collect()
}

fn alerts(text: &str, events: &[(i64, String)]) -> Vec<Alert> {
    let checked = check(&[SourceText {
        path: "r.yml".to_owned(),
        text: text.to_owned(),
    }]);
    assert!(checked.diagnostics.is_empty(), "{}", checked.diagnostics[0]);
    let mut rules = checked.rules;
    for rule in &mut rules.rules {
        rule.log_source = detect_rules::RuleLogSource::default();
    }
    let ruleset = Arc::new(Compiler::new().rules(rules).compile().expect("compiles"));
    let defaults = Defaults {
        organization: OrganizationNumber::parse("910244132").expect("a number"),
        sensor: SensorId::parse("test").expect("a name"),
    };
    let mut scanner = Scanner::new(&ruleset);
    let mut correlator = Correlator::new(Arc::clone(&ruleset));
    let (mut observing, mut correlated) = (Observing::default(), Correlated::default());
    for (at, event) in events {
        let time = Timestamp::from_millis(at * 1000);
        let line = event.replacen('{', &format!("{{\"@timestamp\":\"{time}\","), 1);
        let mut sink = AlertSink::new(&defaults, &mut observing);
        let timestamp = scanner.scan(line.as_bytes(), &mut sink).expect("an event");
        sink.finish_event(&mut correlator, Moment::of(timestamp), &mut correlated);
    }
    correlator.flush(&mut correlated);
    correlated.alerts
}

fn theirs(text: &str, timespan: i64, tumbling: Option<i64>, events: &[(i64, String)]) -> Episodes {
    let rules = rsigma_parser::parse_sigma_yaml(text).expect("parses");
    assert!(rules.errors.is_empty(), "{:?}", rules.errors);
    let mut engine = CorrelationEngine::new(CorrelationConfig::default());
    engine.add_collection(&rules).expect("adds");
    let mut held: BTreeMap<Vec<String>, i64> = BTreeMap::new();
    let mut episodes = Episodes::new();
    for (at, event) in events {
        let json: serde_json::Value = serde_json::from_str(event).expect("JSON");
        for result in engine.process_event_at(&JsonEvent::borrow(&json), *at) {
            let Some(fired) = result.as_correlation() else {
                continue;
            };
            let group: Vec<String> = fired.group_key.iter().map(|(_, value)| value.clone()).collect();
            let goes_on = held.get(&group).is_some_and(|last| match tumbling {
                Some(seconds) => last.div_euclid(seconds) == at.div_euclid(seconds),
                None => at - last <= timespan,
            });
            held.insert(group.clone(), *at);
            if !goes_on {
                episodes.push((*at, group));
            }
        }
    }
    episodes.sort();
    episodes
}

fn event(kind: u8, who: u8, place: u8, what: u8, size: u8) -> String {
    let kind = ["a", "b", "c", "d"][usize::from(kind)];
    format!(r#"{{"kind":"{kind}","who":"host-{who}","where":"net-{place}","what":"w{what}","size":{size}}}"#)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_type_has_the_episodes_of_the_oracle(
        which in 0..CORRELATIONS.len(),
        drawn in proptest::collection::vec((1..12_i64, 0..4_u8, 0..2_u8, 0..2_u8, 0..6_u8, 0..120_u8), 1..150),
    ) {
        let (correlation, tumbling) = CORRELATIONS[which];
        let text = document(correlation);
        let mut at = START;
        let events: Vec<(i64, String)> = drawn
            .iter()
            .map(|(pause, kind, who, place, what, size)| {
                at += pause * 2;
                (at, event(*kind, *who, *place, *what, *size))
            })
            .collect();
        let timespan = correlation.split("timespan: ").nth(1).and_then(|rest| rest.split('s').next());
        let timespan = timespan.and_then(|text| text.parse().ok()).expect("seconds");
        prop_assert_eq!(ours(&text, &events), theirs(&text, timespan, tumbling, &events), "{}", correlation);
    }
}

/// A session ends at its time span though it never pauses, however few of its events are kept.
#[test]
fn a_session_that_never_pauses_is_told_of_each_time_span() {
    let text = document(
        "type: event_count, rules: [a], group-by: [who], timespan: 60s, window: session, gap: 10s, condition: { gte: 3 }",
    );
    let events: Vec<(i64, String)> = (0..600).map(|n| (START + n, event(0, 1, 0, 0, 0))).collect();
    let told: Vec<i64> = ours(&text, &events).iter().map(|(at, _)| at - START).collect();
    assert_eq!(told, (0..10).map(|session| 2 + session * 61).collect::<Vec<_>>());
}

/// What went on before does not come after: of several in order the last has to begin.
#[test]
fn the_last_of_several_in_order_begins_after_the_others() {
    let step = |name: &str, number: u8, of: &str| {
        format!(
            "title: {name}\nid: 33333333-3333-4333-8333-33333333333{number}\nname: {name}\ncorrelation: \
             {{ type: event_count, rules: [{of}], group-by: [who], timespan: 60s, condition: {{ gte: 3 }} }}\nlevel: low\n---\n"
        )
    };
    let (bases, rule) =
        document("type: temporal_ordered, rules: [first, last], group-by: [who], timespan: 600s")
            .split_once("title: K")
            .map(|(bases, rule)| (bases.to_owned(), rule.to_owned()))
            .expect("both");
    let text = format!(
        "{bases}{}{}title: K{rule}",
        step("first", 1, "a"),
        step("last", 2, "b")
    );
    let each = |kind: u8, from: i64| (0..90).map(move |n| (START + from + n * 10, event(kind, 1, 0, 0, 0)));
    let check = |name: &str, kinds: [(u8, i64); 2], expected: usize| {
        let mut events: Vec<_> = kinds.iter().flat_map(|(kind, from)| each(*kind, *from)).collect();
        events.sort();
        assert_eq!(ours(&text, &events).len(), expected, "{name}");
    };
    check("first, then last", [(0, 0), (1, 301)], 1);
    check("last goes on while first begins", [(0, 301), (1, 0)], 0);
}

/// What a condition over a count is told with, worked out from all events: nothing that was let go was needed.
const COUNTS: [(&str, &[&str], Option<i64>); 6] = [
    (
        "type: event_count, rules: [a], group-by: [who], timespan: 61s, condition: { gte: 2 }",
        &["a"],
        None,
    ),
    (
        "type: event_count, rules: [a], group-by: [who], timespan: 61s, condition: { gte: 9 }",
        &["a"],
        None,
    ),
    (
        "type: event_count, rules: [a, b], group-by: [who], timespan: 121s, condition: { gt: 6, lte: 9 }",
        &["a", "b"],
        None,
    ),
    (
        "type: event_count, rules: [a], group-by: [who], timespan: 61s, condition: { eq: 7 }",
        &["a"],
        None,
    ),
    (
        "type: value_count, rules: [a, b], group-by: [who], timespan: 91s, condition: { field: what, gte: 5 }",
        &["a", "b"],
        None,
    ),
    (
        "type: event_count, rules: [a], group-by: [who], timespan: 60s, window: tumbling, condition: { gte: 7 }",
        &["a"],
        Some(60),
    ),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_alert_shows_what_its_window_holds(
        which in 0..COUNTS.len(),
        drawn in proptest::collection::vec((1..12_i64, 0..3_u8, 0..2_u8, 0..8_u8), 1..200),
    ) {
        let (correlation, kinds, tumbling) = COUNTS[which];
        let mut at = START;
        let mut events = Vec::new();
        for (pause, kind, who, what) in drawn {
            at += pause;
            events.push((at, event(kind, who, 0, what, 0)));
        }
        let timespan = correlation.split("timespan: ").nth(1).and_then(|rest| rest.split('s').next());
        let timespan: i64 = timespan.and_then(|text| text.parse().ok()).expect("seconds");
        for alert in alerts(&document(correlation), &events) {
            let (end, who) = (seconds(alert.timestamp), &group(&alert)[0]);
            let start = match tumbling {
                Some(seconds) => end.div_euclid(seconds) * seconds - 1,
                None => end - timespan,
            };
            let in_window: Vec<(i64, serde_json::Value)> = events
                .iter()
                .filter(|(at, _)| start < *at && *at <= end)
                .map(|(at, event)| (*at, serde_json::from_str(event).expect("JSON")))
                .filter(|(_, event): &(i64, serde_json::Value)| {
                    event["who"] == **who && kinds.iter().any(|kind| event["kind"] == *kind)
                })
                .collect();
            // Of a value only its last time counts.
            let counted: Vec<i64> = match correlation.contains("value_count") {
                false => in_window.iter().map(|(at, _)| *at).collect(),
                true => {
                    let last: BTreeMap<_, _> =
                        in_window.iter().map(|(at, event)| (event["what"].to_string(), *at)).collect();
                    let mut last: Vec<i64> = last.into_values().collect();
                    last.sort_unstable();
                    last
                }
            };
            let window = alert.window.as_ref().expect("a window");
            prop_assert_eq!(window.count, counted.len() as u64, "{}", correlation);
            prop_assert_eq!(seconds(window.start), counted[0], "{}", correlation);
            let shown: Vec<i64> = alert.events.iter().map(|event| seconds(event.timestamp)).collect();
            let latest = in_window.len().saturating_sub(5);
            let latest: Vec<i64> = in_window[latest..].iter().map(|(at, _)| *at).collect();
            prop_assert_eq!(shown, latest, "{}", correlation);
        }
    }
}

/// The oracle tells of every event here: it does not compare the percentile with anything.
#[test]
fn a_percentile_is_interpolated_and_compared() {
    let text = document(
        "type: value_percentile, rules: [a], group-by: [who], timespan: 91s, condition: { field: size, gte: 70, percentile: 75 }",
    );
    let events = |sizes: &[u8]| -> Vec<(i64, String)> {
        let sizes = sizes.iter().zip(0..);
        sizes
            .map(|(size, n)| (START + n * 2, event(0, 1, 0, 0, *size)))
            .collect()
    };
    // Three quarters of the way through 10, 20, 60, 80 is 65; through 10, 60, 80 it is 70.
    assert_eq!(ours(&text, &events(&[10, 20, 60, 80])), []);
    assert_eq!(
        ours(&text, &events(&[10, 60, 80])),
        [(START + 4, vec!["host-1".to_owned()])]
    );
}

#[test]
fn a_chain_counts_alerts_of_another_and_both_are_told_if_they_should() {
    let chain = |generate: &str| {
        format!(
            "{BASES}title: Many\nid: 22222222-2222-4222-8222-222222222222\nname: many\ncorrelation:\n  type: event_count\n  rules: [a]\n  group-by: [who]\n  timespan: 61s\n  condition: {{ gte: 3 }}\nlevel: low\n---\ntitle: Many and then B\nid: 22222222-2222-4222-8222-222222222223\ncorrelation:\n  type: temporal_ordered\n  rules: [many, b]\n  group-by: [who]\n  timespan: 10m\n{generate}level: high\n"
        )
    };
    let mut events: Vec<(i64, String)> = (0..3).map(|n| (START + n * 2, event(0, 1, 0, 0, 0))).collect();
    let attack = |events: &[(i64, String)], text: &str| ours(text, events).len();
    assert_eq!(
        attack(&events, &chain("")),
        0,
        "the first step raises nothing by itself"
    );
    let all = document("type: temporal, rules: [a, b], group-by: [who], timespan: 10m");
    assert_eq!(
        attack(&events, &all),
        0,
        "without a condition every rule has to match"
    );
    events.push((START + 100, event(1, 1, 0, 0, 0)));
    assert_eq!(attack(&events, &all), 1, "and did");
    assert_eq!(attack(&events, &chain("")), 1, "one after the other");
    assert_eq!(
        attack(&events, &chain("generate: true\n")),
        2,
        "and the first step too"
    );
    events.last_mut().expect("one").0 = START - 100;
    events.sort();
    assert_eq!(attack(&events, &chain("")), 0, "the other way round");
}
