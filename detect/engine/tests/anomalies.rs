//! Anomaly rules: what is usual raises nothing, what is not raises one alert that says why.

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

use detect_alert::{Alert, Severity, encode};
use detect_engine::Stage;
use ingest_event::{OrganizationNumber, Timestamp};

use unusual::{BEACON, CALLED_BY_FEW, MONDAY, Run, V6, flow, question, ruleset, ruleset_by};

fn alerts(anomaly: &str, events: &[(i64, String)]) -> Vec<Alert> {
    let ruleset = ruleset(anomaly);
    let mut run = Run::new(&ruleset, Stage::Whole);
    for (_, event) in events {
        run.feed(event);
    }
    run.finish()
}

/// Entity, and the last line of why.
fn told(alerts: &[Alert]) -> Vec<(String, String)> {
    let why = |alert: &Alert| {
        alert
            .evidence
            .last()
            .map(|line| line.matched.clone())
            .unwrap_or_default()
    };
    alerts
        .iter()
        .map(|alert| (alert.entity.value.clone(), why(alert)))
        .collect()
}

fn expect(name: &str, anomaly: &str, events: &[(i64, String)], expected: &[(&str, &str)]) {
    let told = told(&alerts(anomaly, events));
    assert_eq!(told.len(), expected.len(), "{name}: {told:#?}");
    for ((entity, why), (expected_entity, part)) in told.iter().zip(expected) {
        assert_eq!(entity, expected_entity, "{name}");
        assert!(why.contains(part), "{name}: `{part}` is not in `{why}`");
    }
}

const NEW_VALUE: &str = "anomaly:
  type: new_value
  rules: [outbound]
  group-by: [source.ip]
  timespan: 7d
  learning: 1d
  condition: { field: destination.port }";

#[test]
fn a_value_is_new_after_the_time_of_learning_and_once() {
    let port = |at: i64, source: &str, port: u16| {
        flow(
            at,
            source,
            "203.0.113.9",
            &format!(r#","destination.port":{port}"#),
        )
    };
    let day = 86_400;
    for source in ["10.0.0.7", V6] {
        let learned = [port(0, source, 443), port(600, source, 80)];
        let later = |number: u16| {
            [
                &learned[..],
                &[port(2 * day, source, number), port(2 * day + 60, source, number)],
            ]
            .concat()
        };
        expect(
            "a new one",
            NEW_VALUE,
            &later(3389),
            &[(source, "not seen of it within 7 d")],
        );
        expect("a known one", NEW_VALUE, &later(443), &[]);
        expect("while learning", NEW_VALUE, &learned, &[]);
        let forgotten = [&learned[..], &[port(9 * day, source, 443)]].concat();
        expect("one that was forgotten", NEW_VALUE, &forgotten, &[]);
    }
    let school = port(2 * day, "10.0.0.7", 3389)
        .1
        .replace("{\"@", "{\"varde.zone\":\"school\",\"@");
    let events = [port(0, "10.0.0.7", 443), (2 * day, school)];
    expect(
        "nothing is learned of a device at school",
        NEW_VALUE,
        &events,
        &[],
    );
}

#[test]
fn a_rare_value_is_told_of_once() {
    let rule = "anomaly:
  type: rare
  rules: [outbound]
  group-by: [observer.name]
  timespan: 7d
  condition: { field: tls.client.ja4, lte: 0.01, minimum: 500 }";
    let hello = |at: i64, ja4: &str| {
        flow(
            at,
            "10.0.0.7",
            "203.0.113.9",
            &format!(r#","tls.client.ja4":"{ja4}""#),
        )
    };
    let mut events: Vec<_> = (0..600)
        .map(|at| hello(at, if at % 2 == 0 { "usual-a" } else { "usual-b" }))
        .collect();
    expect("the usual", rule, &events, &[]);
    events.extend([hello(700, "odd"), hello(701, "odd")]);
    expect(
        "the odd one",
        rule,
        &events,
        &[("test", "1 of 601 events have it")],
    );
    expect("too few to say", rule, &events[580..], &[]);
}

#[test]
fn a_sum_far_from_the_baseline_is_told_with_both() {
    let rule = "anomaly:
  type: threshold_baseline
  rules: [outbound]
  group-by: [source.ip]
  timespan: 7d
  learning: 1d
  interval: 1h
  baseline: ewma
  condition: { field: source.bytes, gte: 6, minimum: 100000 }";
    let sent = |at: i64, bytes: u64| flow(at, V6, "203.0.113.9", &format!(r#","source.bytes":{bytes}"#));
    let usual: Vec<_> = (0..72)
        .map(|hour| sent(hour * 3600 + 60, 50_000 + (hour as u64 % 7) * 4_000))
        .collect();
    expect("three days as usual", rule, &usual, &[]);
    let mut much = usual.clone();
    much.extend((0..10).map(|n| sent(72 * 3600 + 100 + n, 90_000)));
    expect("an hour of much", rule, &much, &[(V6, "in 60 min; usual is")]);
    let mut early = usual[..5].to_vec();
    early.extend((0..10).map(|n| sent(5 * 3600 + 100 + n, 90_000)));
    expect("while learning", rule, &early, &[]);
}

#[test]
fn regular_contacts_are_one_alert_and_people_are_none() {
    for (source, server) in [("10.0.0.7", "203.0.113.9"), (V6, "2001:db8:bad::1")] {
        let contact = |at: i64, bytes: u64| flow(at, source, server, &format!(r#","source.bytes":{bytes}"#));
        let regular: Vec<_> = (0..48)
            .map(|n| contact(n * 300 + (n * 7 % 11), 310 + (n as u64 % 3)))
            .collect();
        expect(
            "every five minutes",
            BEACON,
            &regular,
            &[(source, "contacts, about every")],
        );
        let gaps = [
            0, 4, 9, 300, 2_000, 2_003, 2_010, 2_500, 7_000, 7_200, 7_204, 7_209, 9_900, 9_905, 15_000,
            15_100, 15_101, 15_400, 22_000, 22_040,
        ];
        let person: Vec<_> = gaps
            .iter()
            .enumerate()
            .map(|(n, at)| contact(*at, 400 + (n as u64 * n as u64) * 977 % 40_000))
            .collect();
        expect("someone who reads", BEACON, &person, &[]);
    }
}

#[test]
fn what_many_call_is_no_beacon_and_what_nobody_called_before_is_a_grave_one() {
    const HOUR: i64 = 3_600;
    const DAY: i64 = 24 * HOUR;
    let contact = |at: i64, source: &str, far: &str| flow(at, source, far, r#","source.bytes":300"#);
    let calls = |from: i64, source: &str, far: &str| -> Vec<(i64, String)> {
        (0..24).map(|n| contact(from + n * 300, source, far)).collect()
    };
    for (source, far, other, third) in [
        ("10.0.0.7", "203.0.113.9", "10.0.0.8", "10.0.0.9"),
        (V6, "2001:db8:f::9", "2001:db8:a::8", "2001:db8:a::9"),
    ] {
        let known = calls(0, source, "2001:db8:f::1");
        // A machine is known once it has called anything three times.
        let after_learning = 8 * DAY;
        let check = |name: &str, more: &[Vec<(i64, String)>], expected: &[(&str, Severity)]| {
            let mut events = [known.clone(), more.concat()].concat();
            events.sort();
            let alerts = alerts(CALLED_BY_FEW, &events);
            let told: Vec<(&str, Severity)> = alerts
                .iter()
                .map(|alert| (alert.entity.value.as_str(), alert.severity))
                .collect();
            let first = [(source, Severity::Informational)];
            assert_eq!(told, [&first[..], expected].concat(), "{name}: {alerts:#?}");
        };
        let later = |from: i64, source: &str| calls(after_learning + from, source, far);
        check(
            "new and called by one",
            &[later(0, source)],
            &[(source, Severity::Medium)],
        );
        check(
            "new and called by two",
            &[later(0, source), later(60, other)],
            &[(source, Severity::Medium), (other, Severity::Informational)],
        );
        check(
            "called by three",
            &[later(0, source), later(60, other), later(120, third)],
            &[],
        );
        check(
            "three, of whom two came when it had been told of",
            &[later(0, source), later(3 * HOUR, other), later(3 * HOUR, third)],
            &[(source, Severity::Medium)],
        );
        let goes_on: Vec<_> = (0..36 * 12)
            .map(|n| contact(after_learning + n * 300, source, far))
            .collect();
        check(
            "called by three, and from then on by one",
            &[goes_on.clone(), later(60, other), later(120, third)],
            &[(source, Severity::Medium)],
        );
        let each = CALLED_BY_FEW.replace("  learning: 7d\n", "");
        let mut crowd = [goes_on.clone(), later(60, other), later(120, third)].concat();
        crowd.sort();
        expect(
            "the same, nothing learned",
            &each,
            &crowd,
            &[(source, "1 machine of the organisation called it")],
        );
        expect(
            "one, nothing learned",
            &each,
            &goes_on,
            &[(source, "1 machine of the organisation called it")],
        );
        check(
            "called by another for two days",
            &[later(0, other), later(2 * DAY, source)],
            &[
                (other, Severity::Informational),
                (source, Severity::Informational),
            ],
        );
        check(
            "the same on two more days",
            &[
                later(0, source),
                calls(after_learning + 2 * DAY, source, far),
                calls(after_learning + 4 * DAY, source, far),
            ],
            &[(source, Severity::Medium)],
        );
        check(
            "while learning",
            &[calls(DAY, source, far)],
            &[(source, Severity::Informational)],
        );
    }
    // A school's machine has no past: what would be new elsewhere is shown, each time that it begins.
    for zone in ["school", "health"] {
        let own = format!(r#","source.bytes":300,"varde.zone":"{zone}""#);
        let calls = |from: i64| (0..20).map(move |n| from + n * 300);
        let at = |second: i64, far: &str| flow(second, V6, far, &own);
        let mut events: Vec<_> = calls(0).map(|second| at(second, "2001:db8:f::9")).collect();
        for day in [10, 13] {
            events.extend(calls(day * DAY).map(|second| at(second, "2001:db8:f::10")));
        }
        let found: Vec<_> = alerts(CALLED_BY_FEW, &events)
            .iter()
            .map(|alert| alert.severity)
            .collect();
        assert_eq!(found, [Severity::Informational; 3], "{zone}");
        let without_pause: Vec<_> = (0..3 * 24 * 12).map(|n| at(n * 300, "2001:db8:f::9")).collect();
        let why = "1 machine of the organisation called it";
        expect(zone, CALLED_BY_FEW, &without_pause, &[(V6, why)]);
    }
    let alerts = alerts(CALLED_BY_FEW, &calls(0, V6, "2001:db8:f::9"));
    let why: Vec<&str> = alerts[0]
        .evidence
        .iter()
        .map(|line| line.matched.as_str())
        .collect();
    assert_eq!(
        why,
        [
            "group-by",
            "group-by",
            "16 contacts, about every 5 min; intervals 1.00 regular, sizes 1; score 1.00 of at least 0.80",
            "1 machine of the organisation called it within 24 h, at most 2 by the rule; first called 2026-03-02T00:10:00Z"
        ]
    );
}

#[test]
fn what_is_forgotten_before_it_is_a_group_is_counted() {
    for (source, far) in [("10.0.0.7", "203.0"), (V6, "2001:db8:f::")] {
        let mut run = Run::new(&ruleset(BEACON), Stage::Whole);
        for n in 0..8_000 {
            let far = match far.contains(':') {
                true => format!("{far}{n:x}"),
                false => format!("{far}.{}.{}", n / 256, n % 256),
            };
            run.feed(&flow(n / 100, source, &far, "").1);
        }
        run.correlator.flush(&mut run.correlated);
        let stats = run.correlator.stats();
        assert!((64..1_000).contains(&stats.knocks_lost), "{stats:?}");
        assert_eq!(run.correlator.group_count(), 0, "each pair met once");
    }
}

#[test]
fn callers_of_the_same_meet_in_one_place() {
    let contact = |at: i64, source: &str, far: &str| flow(at, source, far, r#","source.bytes":300"#);
    for (sources, far, other) in [
        (["10.0.0.7", "10.0.0.8"], "203.0.113.9", "203.0.113.10"),
        ([V6, "2001:db8:a::8"], "2001:db8:f::9", "2001:db8:f::10"),
    ] {
        let ruleset = ruleset(CALLED_BY_FEW);
        let keys = |source: &str, far: &str| {
            let mut run = Run::new(&ruleset, Stage::Scan);
            (0..3).for_each(|n| run.feed(&contact(n * 300, source, far).1));
            run.correlator.flush(&mut run.correlated);
            let signals = std::mem::take(&mut run.correlated.signals);
            signals.into_iter().map(|signal| signal.key).collect::<Vec<_>>()
        };
        let [one, two] = sources.map(|source| keys(source, far));
        assert_eq!(one.len(), 1, "the third contact is told of, and no other");
        assert_eq!(one, two, "{sources:?}");
        assert_ne!(one, keys(sources[0], other), "{other}");
    }
}

#[test]
fn many_different_values_are_one_alert() {
    let rule = "anomaly:
  type: distinct
  rules: [outbound]
  group-by: [source.ip]
  timespan: 10m
  condition: { field: destination.ip, gte: 100 }";
    let to = |at: i64, n: i64| flow(at, V6, &format!("2001:db8:f::{n:x}"), "");
    let sweep: Vec<_> = (0..400).map(|n| to(n / 2, n)).collect();
    expect(
        "a sweep",
        rule,
        &sweep,
        &[(V6, "different values of destination.ip in 10 min, at least 100")],
    );
    let slow: Vec<_> = (0..400).map(|n| to(n * 20, n)).collect();
    expect("the same over two hours", rule, &slow, &[]);
    let same: Vec<_> = (0..400).map(|n| to(n / 2, n % 50)).collect();
    expect("fifty again and again", rule, &same, &[]);
}

#[test]
fn many_values_that_travel_as_one_are_told_as_soon() {
    // Its groups are kept where signals come together, since no member of them is the local endpoint.
    let rule = "anomaly:
  type: distinct
  rules: [any_flow]
  group-by: [destination.port]
  timespan: 6h
  condition: { field: destination.ip, gte: 150 }";
    for network in ["10.0", "2001:db8:f:"] {
        let to = |at: i64, n: i64| {
            let separator = if network.contains(':') { ':' } else { '.' };
            let address = format!("{network}{separator}{}{separator}{}", n / 200, n % 200);
            flow(at, "10.9.9.9", &address, r#","destination.port":445"#)
        };
        for (name, pause, latest) in [("a burst", 0, 60), ("one each 15 seconds", 15, 165 * 15)] {
            let events: Vec<_> = (0..1000).map(|n| to(n * pause + n / 50, n)).collect();
            let found = alerts(rule, &events);
            assert_eq!(told(&found).len(), 1, "{name}: {found:#?}");
            let at = found[0].timestamp.as_nanos() / 1_000_000_000 - MONDAY;
            assert!(at <= latest, "{name}: told of at {at} s");
        }
    }
}

#[test]
fn data_that_leaves_and_does_not_come_back_is_told_of() {
    let rule = "anomaly:
  type: volume
  rules: [outbound]
  group-by: [source.ip]
  timespan: 1h
  condition: { field: [source.bytes, destination.bytes], gte: 1000000000, ratio: 10 }";
    let moved = |at: i64, out: u64, back: u64| {
        flow(
            at,
            V6,
            "203.0.113.9",
            &format!(r#","source.bytes":{out},"destination.bytes":{back}"#),
        )
    };
    let leaving: Vec<_> = (0..30).map(|n| moved(n * 60, 50_000_000, 100_000)).collect();
    let why = "1000000000 in 60 min, at least 1000000000; destination.bytes 2000000: 500 times as much, at least 10";
    expect("leaving", rule, &leaving, &[(V6, why)]);
    let silent: Vec<_> = (0..30).map(|n| moved(n * 60, 50_000_000, 0)).collect();
    expect("nothing back", rule, &silent, &[(V6, "; destination.bytes 0")]);
    let both: Vec<_> = (0..30).map(|n| moved(n * 60, 50_000_000, 40_000_000)).collect();
    expect("both ways", rule, &both, &[]);
    let slow: Vec<_> = (0..30).map(|n| moved(n * 3600, 50_000_000, 100_000)).collect();
    expect("over a day", rule, &slow, &[]);
}

#[test]
fn names_that_carry_data_are_told_with_their_domain() {
    let rule = "anomaly:
  type: dns_tunnel
  rules: [question]
  group-by: [source.ip]
  timespan: 10m
  condition: { field: dns.question.name, names: 50, bytes: 2000, entropy: 3.5 }
varde: { entity: source.ip }";
    let letters: Vec<char> = "abcdefghijklmnopqrstuvwxyz234567".chars().collect();
    let mut draw = 7_u64;
    let mut label = || -> String {
        (0..50)
            .map(|_| {
                draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                letters[(draw >> 59) as usize]
            })
            .collect()
    };
    // With escapes a name is written with up to a thousand bytes, of which not all are kept.
    for labels in [1, 16] {
        let mut name = || (0..labels).map(|_| label()).collect::<Vec<_>>().join(".");
        let carrying: Vec<_> = (0..100)
            .map(|n| question(n, V6, &format!("{}.t.example.no", name())))
            .collect();
        let found = alerts(rule, &carrying);
        assert_eq!(told(&found).len(), 1, "{found:#?}");
        let why = &told(&found)[0].1;
        assert!(why.contains("names under example.no in 10 min"), "{why}");
        let group = &found[0].window.as_ref().expect("a window").group_by;
        let domain = ("dns.question.registered_domain", "example.no");
        assert_eq!((group[1].0.as_str(), group[1].1.as_str()), domain);
    }
    let words: Vec<_> = (0..100)
        .map(|n| question(n, V6, &format!("www{n}.example.no")))
        .collect();
    expect("servers with numbers", rule, &words, &[]);
}

#[test]
fn silence_is_told_of_once_and_again_after_a_word() {
    let rule = "anomaly:
  type: silence
  rules: [any_flow]
  group-by: [observer.name]
  timespan: 30m";
    let word = |at: i64| flow(at, "10.0.0.7", "203.0.113.9", r#","observer.name":"s-1""#);
    let clock = |at: i64| flow(at, "10.0.0.8", "203.0.113.9", r#","observer.name":"s-2""#);
    let mut events: Vec<_> = (0..240).map(|n| clock(n * 60)).collect();
    events.extend([0, 120, 240, 420, 10_000, 10_100].map(word));
    events.sort_by_key(|(at, _)| *at);
    let found = alerts(rule, &events);
    let entities: Vec<_> = found
        .iter()
        .map(|alert| (alert.entity.value.as_str(), alert.timestamp))
        .collect();
    let at = |second: i64| Timestamp::from_millis((MONDAY + second) * 1000);
    assert_eq!(
        entities,
        [("s-1", at(480 + 1800)), ("s-1", at(10_140 + 1800))],
        "{found:#?}"
    );
}

#[test]
fn the_same_thing_in_many_organisations_is_one_alert() {
    let rule = "anomaly:
  type: national
  rules: [outbound]
  group-by: [destination.ip]
  timespan: 1h
  condition: { organizations: 3 }";
    let organizations = ["910244132", "958935420", "840029212", "944496394"];
    let cert = OrganizationNumber::parse("310000000").expect("a number");
    for named in [None, Some(cert)] {
        let ruleset = ruleset_by(rule, |compiler| compiler.cert(named));
        let mut run = Run::new(&ruleset, Stage::Whole);
        for (n, number) in organizations.iter().enumerate() {
            run.defaults.organization = OrganizationNumber::parse(number).expect("a number");
            for (pause, addresses) in [
                (600, ["203.0.113.9", "2001:db8::9"]),
                (7200, ["203.0.113.10", "2001:db8::10"]),
            ] {
                for address in addresses {
                    run.feed(&flow(n as i64 * pause, "10.0.0.7", address, "").1);
                }
            }
        }
        let found = run.finish();
        assert_eq!(found.len(), 2, "{found:#?}");
        for (alert, address) in found.iter().zip(["203.0.113.9", "2001:db8::9"]) {
            let window = alert.window.as_ref().expect("a window");
            assert_eq!((window.count, window.group_by[0].1.as_str()), (3, address));
            let text = String::from_utf8(encode(alert)).expect("text");
            let seen_in = |organizations: &[&str]| {
                organizations
                    .iter()
                    .filter(|number| text.contains(**number))
                    .count()
            };
            match named {
                Some(cert) => {
                    assert_eq!(alert.organization, cert);
                    assert_eq!(seen_in(&organizations), 3, "the CERT is told where: {text}");
                }
                None => assert_eq!(
                    seen_in(&organizations[..2]),
                    0,
                    "a municipality is told how many, and not who: {text}"
                ),
            }
        }
    }
}
