//! What is found in drafts, beside what the engine finds in the same events.

use std::collections::BTreeSet;

use detect_alert::{Confidence, Indicator, IndicatorKind, Pap, Severity, Tlp};
use detect_engine::{
    Compiler, EventView, INDICATOR_FIELDS, IndicatorTableBuilder, Match, MatchSink, Origin, Scanner,
};
use detect_rules::{SourceText, check};
use ingest_event::restricted::{RestrictedKey, RestrictedList, hex};
use ingest_event::{Fields, Timestamp, Value, field};

use super::ours::Ours;
use super::*;
use crate::config;

const NOW: i64 = 1_772_440_000_000_000_000;

fn context() -> SensorContext {
    let text = "sensor: sensor-1\norganization: \"964965226\"\nstate: unused\n\
                bus: { embedded: { directory: unused } }\nsources: []\n";
    config::parse(text, "sensor.yml").expect("reads").context
}

fn indicator(kind: IndicatorKind, value: &str) -> Indicator {
    Indicator {
        kind,
        value: value.to_owned(),
        source: "feed".to_owned(),
        confidence: Confidence::High,
        tlp: Tlp::Green,
        pap: Pap::Green,
        valid_from: None,
        valid_until: None,
        description: String::new(),
    }
}

fn draft(fields: &[(&'static str, Value)]) -> Draft {
    let mut draft = Draft {
        timestamp: Timestamp::from_nanos(NOW),
        dataset: "network.flow".into(),
        trusted: None,
        fields: Fields::new(),
        position: 1,
        ordinal: 0,
    };
    for (name, value) in fields {
        draft.fields.set(*name, value.clone());
    }
    draft
}

fn rule(id: u32, level: &str, dataset_field: &str) -> String {
    format!(
        "title: rule {id}\nid: 00000000-0000-4000-8000-{id:012}\nstatus: test\nlevel: {level}\n\
         description: for a test\nauthor: test\ndate: 2026-01-01\n\
         logsource: {{ category: network_connection }}\ndetection:\n  selection: {{ {dataset_field} }}\n  condition: selection\n"
    )
}

fn ruleset(texts: &[String]) -> Arc<Ruleset> {
    let sources: Vec<SourceText> = texts
        .iter()
        .enumerate()
        .map(|(number, text)| SourceText {
            path: format!("{number}.yml"),
            text: text.clone(),
        })
        .collect();
    let checked = check(&sources);
    let errors: Vec<String> = checked
        .diagnostics
        .iter()
        .filter(|found| found.is_error())
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    Arc::new(Compiler::new().rules(checked.rules).compile().expect("compiles"))
}

/// The same indicators as hashes.
fn restricted_of(indicators: &[Indicator]) -> (Scan, RestrictedKey) {
    let key = RestrictedKey::new([9; 32]);
    let values = indicators
        .iter()
        .map(|indicator| (indicator.kind.as_str(), indicator.value.as_str()));
    let list = RestrictedList::of(&key, values);
    let restricted = Restricted::new(&list, Ours::default()).expect("reads");
    let scan = Scan::new(crate::metrics::Metrics::new().expect("registers").scan);
    let none = IndicatorTableBuilder::new().build();
    scan.put(Loaded::with_restricted(none, None, Some(restricted)));
    (scan, key)
}

fn scan_of(indicators: &[Indicator], ruleset: Option<Arc<Ruleset>>) -> Scan {
    let scan = Scan::new(crate::metrics::Metrics::new().expect("registers").scan);
    let mut builder = IndicatorTableBuilder::new();
    for indicator in indicators {
        builder.add(indicator);
    }
    scan.put(Loaded::new(builder.build(), ruleset));
    scan
}

fn look(scan: &Scan, draft: Draft) -> (Option<Found>, Draft) {
    let source = SourceIdentity {
        name: "test".to_owned(),
        content: Vec::new(),
        path: None,
    };
    let mut records = [Record::Event(draft)];
    let around = Around {
        context: &context(),
        source: &source,
        now: Timestamp::from_nanos(NOW),
    };
    let (_, mut found) = scan.look(&around, &mut records);
    let [Record::Event(draft)] = records else {
        panic!("an event stays one");
    };
    (found.pop().flatten(), draft)
}

fn words(found: &Option<Found>) -> Vec<&str> {
    let hits = found.iter().flat_map(Found::hits);
    hits.map(|hit| hit.word.as_str()).collect()
}

#[test]
fn indicators_are_found_in_clear_in_both_families_and_under_their_domains() {
    use IndicatorKind as Kind;
    let indicators = [
        indicator(Kind::Address, "10.20.0.15"),
        indicator(Kind::Address, "fd00:20::15"),
        indicator(Kind::Cidr, "2001:db8:bad::/48"),
        indicator(Kind::Cidr, "198.51.100.0/24"),
        indicator(Kind::Domain, "bad.example"),
        indicator(Kind::Url, "http://other.example/x"),
        indicator(Kind::Asn, "AS64500"),
        indicator(Kind::Sha256, &"ab".repeat(32)),
    ];
    let scan = scan_of(&indicators, None);
    for (name, value, word) in [
        (
            "source.ip",
            Value::from("10.20.0.15"),
            "indicator:ip:10.20.0.15@source.ip",
        ),
        (
            "source.ip",
            Value::from("FD00:20:0::15"),
            "indicator:ip:fd00:20::15@source.ip",
        ),
        (
            "destination.ip",
            Value::from("2001:db8:bad:1::9"),
            "indicator:cidr:2001:db8:bad::/48@destination.ip",
        ),
        (
            "destination.ip",
            Value::from("198.51.100.7"),
            "indicator:cidr:198.51.100.0/24@destination.ip",
        ),
        (
            "dns.question.name",
            Value::from("A.b.Bad.Example."),
            "indicator:domain:bad.example@dns.question.name",
        ),
        (
            "dns.resolved_ip",
            Value::List(vec![Value::from("192.0.2.1"), Value::from("10.20.0.15")]),
            "indicator:ip:10.20.0.15@dns.resolved_ip",
        ),
        (
            "destination.as.number",
            Value::Integer(64_500),
            "indicator:asn:AS64500@destination.as.number",
        ),
        (
            "file.hash.sha256",
            Value::from("AB".repeat(32)),
            "indicator:sha256:abababababababababababababababababababababababababababababababab@file.hash.sha256",
        ),
        ("source.ip", Value::from("10.20.0.16"), ""),
        ("source.ip", Value::from("2001:db8:bac::1"), ""),
        ("dns.question.name", Value::from("notbad.example"), ""),
        ("message", Value::from("bad.example"), ""),
        ("source.ip", Value::Null, ""),
    ] {
        let before = draft(&[(name, value)]);
        let (found, after) = look(&scan, before.clone());
        let expected: Vec<&str> = Some(word).filter(|word| !word.is_empty()).into_iter().collect();
        assert_eq!(words(&found), expected, "{before:?}");
        let (as_hashes, _) = look(&restricted_of(&indicators).0, before.clone());
        assert_eq!(as_hashes.is_some(), found.is_some(), "{before:?}");
        assert_eq!(before, after);
        assert!(found.is_none_or(|found| found.is_alert()));
    }
    // A path is a URL together with its host.
    let (found, _) = look(
        &scan,
        draft(&[
            ("url.domain", Value::from("other.example")),
            ("url.original", Value::from("/x")),
        ]),
    );
    assert_eq!(
        words(&found),
        ["indicator:url:http://other.example/x@url.original"]
    );
}

#[test]
fn an_indicator_counts_at_the_events_time() {
    let at = |shift: i64| Some(Timestamp::from_nanos(NOW + shift));
    for (from, until, is_found) in [
        (None, None, true),
        (at(0), at(1), true),
        (at(1), None, false),
        (None, at(0), false),
    ] {
        let scan = scan_of(
            &[Indicator {
                valid_from: from,
                valid_until: until,
                ..indicator(IndicatorKind::Domain, "bad.example")
            }],
            None,
        );
        let (found, _) = look(&scan, draft(&[("dns.question.name", Value::from("bad.example"))]));
        assert_eq!(found.is_some(), is_found, "{from:?} {until:?}");
    }
}

struct Words(BTreeSet<String>);

impl MatchSink for Words {
    fn matched(&mut self, _: &EventView<'_>, hit: Match<'_>) {
        if let Origin::Indicator(indicator, _) = hit.origin {
            for finding in hit.findings {
                let (kind, value, field) = (indicator.kind, &indicator.value, &finding.field);
                self.0.insert(format!("indicator:{kind}:{value}@{field}"));
            }
        }
    }
}

/// Every field that the engine looks at, with texts of every kind that some indicator names or does not.
#[test]
fn the_sensor_finds_in_fields_what_the_engine_finds_in_their_bytes() {
    use IndicatorKind as Kind;
    let indicators = [
        indicator(Kind::Address, "203.0.113.9"),
        indicator(Kind::Address, "2001:db8::9"),
        indicator(Kind::Cidr, "203.0.113.0/24"),
        indicator(Kind::Cidr, "2001:db8::/32"),
        indicator(Kind::Domain, "bad.example"),
        indicator(Kind::Email, "a@bad.example"),
        indicator(Kind::Url, "http://bad.example/x"),
        indicator(Kind::FileName, "evil.exe"),
        indicator(Kind::Md5, &"0a".repeat(16)),
        indicator(Kind::Sha1, &"0a".repeat(20)),
        indicator(Kind::Certificate, &"0a".repeat(20)),
        indicator(Kind::Ja3, &"0b".repeat(16)),
        indicator(Kind::Ja4, "t13d1516h2_8daaf6152771_b186095e22b6"),
        indicator(Kind::Asn, "AS64500"),
    ];
    let texts = [
        "203.0.113.9",
        "::ffff:203.0.113.9",
        "203.0.113.10",
        "2001:db8::9",
        "[2001:db8::9]:443",
        "x.bad.example",
        "bad.example:8080",
        "a@bad.example",
        "\"A\" <a@bad.example>, b@fine.example",
        "http://bad.example/x?y=1",
        "/x",
        r"C:\Temp\Evil.exe",
        "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
        "SHA1=0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A,MD5=0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0b",
        "0a:0a:0a:0a:0a:0a:0a:0a:0a:0a:0a:0a:0a:0a:0a:0a:0a:0a:0a:0a",
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
        "t13d1516h2_8daaf6152771_b186095e22b6",
        "AS64500",
        "fine.example",
        "",
    ];
    let whole = Compiler::new()
        .indicators(indicators.to_vec())
        .compile()
        .expect("compiles");
    let mut scanner = Scanner::new(&whole);
    let scan = scan_of(&indicators, None);
    let (restricted, key) = restricted_of(&indicators);
    let mut found_of_all = 0;
    for (number, field) in INDICATOR_FIELDS.iter().enumerate() {
        for (turn, text) in texts.iter().enumerate() {
            let other = texts[(turn * 7 + number) % texts.len()];
            let values = Value::List(vec![Value::from(*text), Value::from(other)]);
            let mut fields = vec![(field.name, values)];
            if let Some(host) = field.host {
                fields.push((host, Value::from("bad.example")));
            }
            let draft = draft(&fields);
            let payload = format!(
                "{{\"@timestamp\":\"{}\",{}",
                draft.timestamp,
                &serde_json::to_string(&draft.fields).expect("JSON")[1..]
            );
            let mut expected = Words(BTreeSet::new());
            scanner.scan(payload.as_bytes(), &mut expected).expect("scans");
            let (found, _) = look(&scan, draft.clone());
            let found: BTreeSet<String> = words(&found).into_iter().map(str::to_owned).collect();
            assert_eq!(found, expected.0, "{payload}");
            let hashed = |word: &String| {
                let (kind, rest) = word.strip_prefix("indicator:")?.split_once(':')?;
                let (value, field) = rest.rsplit_once('@')?;
                Some(format!("restricted:{}@{field}", hex(&key.hash(kind, value))))
            };
            let expected: BTreeSet<String> = expected.0.iter().filter_map(hashed).collect();
            let (as_hashes, _) = look(&restricted, draft);
            let as_hashes: BTreeSet<String> = words(&as_hashes).into_iter().map(str::to_owned).collect();
            assert_eq!(as_hashes, expected, "{payload}");
            found_of_all += found.len();
        }
    }
    assert!(1_000 < found_of_all, "{found_of_all}");
}

#[test]
fn many_texts_of_one_event_are_all_looked_up() {
    let scan = scan_of(&[indicator(IndicatorKind::Address, "203.0.113.9")], None);
    let many = |at: usize| {
        let text = |number| if number == at { "203.0.113.9" } else { "192.0.2.1" };
        Value::List((0..100).map(|number| Value::from(text(number))).collect())
    };
    for at in [0, 15, 16, 17, 99] {
        let (found, _) = look(&scan, draft(&[("dns.resolved_ip", many(at))]));
        assert_eq!(
            words(&found),
            ["indicator:ip:203.0.113.9@dns.resolved_ip"],
            "{at}"
        );
    }
}

#[test]
fn rules_are_held_against_what_was_seen_and_not_against_what_it_claims() {
    let scan = scan_of(
        &[],
        Some(ruleset(&[
            rule(1, "medium", "destination.port: 4444"),
            rule(2, "low", "destination.port: 4444"),
            rule(3, "high", "observer.name: sensor-1"),
            rule(4, "high", "observer.name: claimed"),
            rule(5, "high", "varde.matched: claimed"),
            rule(6, "high", "rdp.cookie: kari"),
        ])),
    );
    let word = |id: u32| format!("rule:00000000-0000-4000-8000-{id:012}");
    let before = draft(&[
        ("destination.port", Value::Integer(4444)),
        ("observer.name", Value::from("claimed")),
        ("varde.matched", Value::from("claimed")),
        ("rdp.cookie", Value::from("kari")),
    ]);
    let (found, after) = look(&scan, before.clone());
    assert_eq!(words(&found), [word(1), word(2), word(3)]);
    let mut expected = before.fields;
    expected.remove("rdp.cookie");
    assert_eq!(after.fields, expected, "all but what never leaves stays");
    let found = found.expect("found");
    let levels: Vec<Severity> = found.hits().iter().map(|hit| hit.severity).collect();
    assert_eq!(levels, [Severity::Medium, Severity::Low, Severity::High]);
    assert_eq!(found.value().to_string(), {
        let list = [word(1), word(2), word(3)].map(Value::from);
        Value::List(list.to_vec()).to_string()
    });
}

#[test]
fn what_raises_no_alert_by_itself_passes_nobody() {
    let base = rule(1, "high", "destination.port: 22");
    let correlation = "title: many\nid: 00000000-0000-4000-8000-000000000009\nstatus: test\nlevel: high\n\
        description: for a test\nauthor: test\ndate: 2026-01-01\ncorrelation:\n  type: event_count\n  \
        rules: [00000000-0000-4000-8000-000000000001]\n  group-by: [source.ip]\n  timespan: 1m\n  condition: { gte: 5 }\n";
    for (texts, word, is_alert) in [
        (vec![base, correlation.to_owned()], 1, false),
        (vec![rule(2, "medium", "destination.port: 22")], 2, true),
        (vec![rule(3, "low", "destination.port: 22")], 3, false),
    ] {
        let scan = scan_of(&[], Some(ruleset(&texts)));
        let (found, _) = look(&scan, draft(&[("destination.port", Value::Integer(22))]));
        assert_eq!(
            words(&found),
            [format!("rule:00000000-0000-4000-8000-{word:012}")]
        );
        let found = found.expect("found");
        assert_eq!(found.is_alert(), is_alert, "{word}");
        let passes = scan.passes(&found, Timestamp::from_nanos(NOW));
        assert_eq!(passes, is_alert, "{word}");
    }
}

#[test]
fn no_more_pass_others_in_an_hour_than_are_looked_at() {
    let scan = scan_of(&[indicator(IndicatorKind::Domain, "bad.example")], None);
    let (found, _) = look(&scan, draft(&[("dns.question.name", Value::from("bad.example"))]));
    let found = found.expect("found");
    let now = Timestamp::from_nanos(NOW);
    let passed = (0..PASSING_MAX + 5).filter(|_| scan.passes(&found, now)).count();
    assert_eq!(passed, PASSING_MAX as usize);
    assert_eq!(scan.metrics.held_back.get(), 5);
    assert!(scan.passes(&found, Timestamp::from_nanos(NOW + HOUR_NANOS)));
}

#[test]
fn of_too_many_matches_those_stay_that_raise_an_alert() {
    let hit = |number: usize, raises| Hit::of_rule(&format!("{number:03}"), "t", Severity::High, raises);
    let mut hits: Vec<Hit> = (0..MATCHES_MAX).map(|number| hit(number, false)).collect();
    hits.extend([hit(900, true), hit(900, true), hit(0, false)]);
    let found = Found::of(hits);
    assert_eq!((found.hits().len(), found.cut()), (MATCHES_MAX, 1));
    assert_eq!(found.hits().last().map(|hit| hit.word.as_str()), Some("rule:900"));
    assert!(found.hits().is_sorted_by(|one, other| one.word < other.word));
}

#[test]
fn with_nothing_loaded_nothing_is_done() {
    let scan = scan_of(&[], None);
    assert!(scan.loaded().is_none());
    let source = SourceIdentity {
        name: "test".to_owned(),
        content: Vec::new(),
        path: None,
    };
    let mut records = [Record::Event(draft(&[("rdp.cookie", Value::from("kari"))]))];
    let around = Around {
        context: &context(),
        source: &source,
        now: Timestamp::EPOCH,
    };
    assert_eq!(scan.look(&around, &mut records), (0, Vec::new()));
    assert_eq!(scan.counts(), (0, 0));
    let [Record::Event(draft)] = records else {
        panic!("an event stays one");
    };
    assert!(
        draft.fields.get("rdp.cookie").is_some(),
        "it is withheld where all is"
    );
    assert_eq!(field::class(field::VARDE_MATCHED), Some(field::Class::Match));
}

/// A list that asks after the site's own machines and people is not answered, in clear or as hashes.
#[test]
fn what_is_ours_is_no_indicator() {
    let own = [
        indicator(IndicatorKind::Address, "10.20.0.15"),
        indicator(IndicatorKind::Cidr, "2001:db8:20::/48"),
        indicator(IndicatorKind::Domain, "pc-7.kommune.example"),
    ];
    let networks = ["2001:db8:20::/48".parse().expect("a network")];
    let ours = Ours::new(&networks, &["kommune.example".to_owned()]);
    let draft = || {
        draft(&[
            ("source.ip", Value::from("10.20.0.15")),
            ("destination.ip", Value::from("2001:db8:20::7")),
            ("dns.question.name", Value::from("pc-7.kommune.example")),
        ])
    };
    for (ours, expected) in [(Ours::default(), 3), (ours, 0)] {
        let key = RestrictedKey::new([9; 32]);
        let values = own.iter().map(|own| (own.kind.as_str(), own.value.as_str()));
        let list = RestrictedList::of(&key, values);
        let mut hits = Vec::new();
        let restricted = Restricted::new(&list, ours.clone()).expect("reads");
        restricted.look(&draft(), &mut hits);
        assert_eq!(hits.len(), expected, "{hits:?}");

        let folder = tempfile::tempdir().expect("a folder");
        let feed = folder.path().join("feed.csv");
        let mut rows = String::from("type,value\n");
        for own in &own {
            rows += &format!("{},{}\n", own.kind, own.value);
        }
        std::fs::write(&feed, rows).expect("writes");
        std::fs::write(
            folder.path().join("feed.csv.feed.yml"),
            "accept_private: true\naccept_documentation: true\n",
        )
        .expect("writes");
        let files = load::Files {
            of_centre: vec![feed],
            ..load::Files::default()
        };
        let read = load::read(&files, &ours).expect("reads");
        let held = read.loaded.map_or(0, |loaded| loaded.indicator_count());
        assert_eq!((held, read.own_indicators), (expected, 3 - expected as u64));
    }
}

/// A disk that fails must not cost what is held already, and is asked again.
#[test]
fn what_can_not_be_read_takes_nothing_away_and_is_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let feed = folder.path().join("feed.csv");
    let other = folder.path().join("other.csv");
    std::fs::write(&other, "type,value\ndomain,other.example.com\n").expect("writes");
    let files = load::Files {
        of_centre: vec![feed.clone(), other],
        ..load::Files::default()
    };
    let held = |scan: &Scan| scan.loaded().map_or(0, |loaded| loaded.indicator_count());
    let none = Ours::default();
    let scan = Scan::new(crate::metrics::Metrics::new().expect("registers").scan);
    let renew = |files: &load::Files, former: &load::Files| load::renew(&scan, files, former, &none);
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &feed).expect("links");
    assert!(!renew(&files, &files), "it is to be tried again");
    assert_eq!(held(&scan), 1, "at first, what is there is used");
    std::fs::remove_file(&feed).expect("removes");
    std::fs::write(&feed, "type,value\ndomain,bad.example.com\n").expect("writes");
    assert!(renew(&files, &files));
    assert_eq!(held(&scan), 2);
    std::fs::remove_file(&feed).expect("removes");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &feed).expect("links");
    assert!(!renew(&files, &files), "it is to be tried again");
    assert_eq!(held(&scan), 2, "the former stay");

    // Another bundle: what is in it counts, also while a file beside it is never to be read.
    let newer = folder.path().join("newer.csv");
    let rows: String = (1..6)
        .map(|number| format!("domain,n{number}.example.com\n"))
        .collect();
    std::fs::write(&newer, format!("type,value\n{rows}")).expect("writes");
    let next = load::Files {
        of_centre: vec![feed, newer],
        ..load::Files::default()
    };
    assert!(!renew(&next, &files), "it is to be tried again");
    assert_eq!(held(&scan), 5, "the new ones count");
}
