//! What an event matched on its sensor, before pseudonyms, counts as if it had matched here, once.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

#[path = "indicators/made.rs"]
#[allow(dead_code, reason = "each test uses some of it")]
mod made;

use std::sync::Arc;

use detect_alert::{Alert, Indicator, IndicatorKind as Kind, RuleId};
use detect_engine::{AlertSink, Compiler, Observing, Ruleset, Scanner};
use detect_rules::{SourceText, check};
use ingest_event::restricted::{RestrictedKey, hex};
use ingest_event::{Defaults, OrganizationNumber, SensorId, Timestamp};

use made::indicator;

const HOST: &str = "5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a2f0";
const BASE: &str = "5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a2f1";

const RULES: &str = "
title: A Host With a Telling Name
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a2f0
status: test
logsource: { category: dns }
detection: { selection: { host.name: 'dc-01' }, condition: selection }
level: high
---
title: A Question From It
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a2f1
name: a_question
status: test
logsource: { category: dns }
detection: { selection: { host.name|startswith: 'dc' }, condition: selection }
level: informational
";

fn ruleset(indicators: Vec<Indicator>) -> Arc<Ruleset> {
    let text = SourceText {
        path: "rules.yml".to_owned(),
        text: RULES.to_owned(),
    };
    let checked = check(&[text]);
    assert!(
        checked.diagnostics.iter().all(|found| !found.is_error()),
        "{:?}",
        checked.diagnostics
    );
    let compiler = Compiler::new().rules(checked.rules).indicators(indicators);
    Arc::new(compiler.compile().expect("compiles"))
}

/// An event of a host with this name, and what its sensor claims.
fn event(host: &str, claims: &[&str]) -> String {
    serde_json::json!({
        "@timestamp": "2026-03-02T08:00:00Z",
        "event.dataset": "network.dns",
        "event.id": "e-1",
        "host.name": host,
        "dns.question.name": "www.example",
        "varde.matched": claims,
    })
    .to_string()
}

/// The alerts of an event, and how often a claim was of something that the ruleset does not have, or one too many.
fn scanned(ruleset: &Ruleset, event: &str) -> (Vec<Alert>, u64) {
    let defaults = Defaults {
        organization: OrganizationNumber::parse("910244132").expect("a number"),
        sensor: SensorId::parse("test").expect("a name"),
    };
    let mut observing = Observing::default();
    let mut sink = AlertSink::new(&defaults, &mut observing);
    let mut scanner = Scanner::new(ruleset);
    scanner.scan(event.as_bytes(), &mut sink).expect("an event");
    let rejected = scanner
        .take_rejections()
        .iter()
        .map(|rejected| rejected.count)
        .sum();
    (std::mem::take(sink.alerts()), rejected)
}

fn ids(alerts: &[Alert]) -> Vec<&str> {
    alerts.iter().map(|alert| alert.producer.id.0.as_str()).collect()
}

#[test]
fn a_rule_that_matched_in_clear_raises_the_alert_that_it_would_raise_here() {
    let ruleset = ruleset(Vec::new());
    let claims = [format!("rule:{BASE}"), format!("rule:{HOST}")];
    let claims: Vec<_> = claims.iter().map(String::as_str).collect();
    let (here, _) = scanned(&ruleset, &event("dc-01", &[]));
    assert_eq!(ids(&here), [BASE, HOST].into_iter().rev().collect::<Vec<_>>());
    let (there, rejected) = scanned(&ruleset, &event("p-7d1c", &claims));
    let (both, _) = scanned(&ruleset, &event("dc-01", &claims));
    assert_eq!(rejected, 0);
    for (claimed, seen) in there.iter().zip(&here) {
        assert_eq!(
            (&claimed.id, claimed.severity, claimed.tlp),
            (&seen.id, seen.severity, seen.tlp)
        );
        assert_eq!(claimed.evidence.len(), 1, "{:?}", claimed.evidence);
        assert!(
            claimed
                .evidence
                .iter()
                .all(|why| why.matched.ends_with("compared on the sensor"))
        );
    }
    assert_eq!(there.len(), here.len());
    let why = |alerts: &[Alert]| -> Vec<_> { alerts.iter().map(|alert| alert.evidence.clone()).collect() };
    assert_eq!(ids(&both), ids(&here));
    assert_eq!(
        why(&both),
        why(&here),
        "what is seen here is told as it is seen here"
    );
}

#[test]
fn an_indicator_that_matched_in_clear_is_found_in_its_field() {
    let kinds = [
        (Kind::Address, "2001:db8::66"),
        (Kind::Asn, "AS64500"),
        (Kind::Certificate, "0f3a5d0f3a5d0f3a5d0f3a5d0f3a5d0f3a5d0f3a"),
        (Kind::Cidr, "198.51.100.0/25"),
        (Kind::Domain, "bad.example"),
        (Kind::Email, "who@bad.example"),
        (Kind::FileName, "a b@c.exe"),
        (Kind::Ja3, "e7d705a3286e19ea42f587b344ee6865"),
        (Kind::Ja4, "t13d1516h2_8daaf6152771_b186095e22b6"),
        (Kind::Md5, "d41d8cd98f00b204e9800998ecf8427e"),
        (Kind::Sha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        (
            Kind::Sha256,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (Kind::Url, "http://bad.example/a@b"),
    ];
    assert_eq!(kinds.map(|(kind, _)| kind), Kind::ALL);
    let ruleset = ruleset(kinds.map(|(kind, value)| indicator(kind, value)).to_vec());
    for (kind, value) in kinds {
        let claim = format!("indicator:{kind}:{value}@dns.question.name");
        let (alerts, rejected) = scanned(&ruleset, &event("p-7d1c", &[&claim, &claim]));
        assert_eq!(ids(&alerts), [format!("{kind}:{value}")]);
        assert_eq!(rejected, 0, "{claim}");
        for why in alerts.iter().flat_map(|alert| &alert.evidence) {
            assert_eq!(
                (why.field.as_str(), why.value.as_str()),
                ("dns.question.name", value)
            );
            assert_eq!(why.matched, format!("{kind} {value}, compared on the sensor"));
        }
    }
}

#[test]
fn a_restricted_indicator_is_known_by_its_hash_to_whoever_has_the_key() {
    let [former, key] = [RestrictedKey::new([1; 32]), RestrictedKey::new([2; 32])];
    let of = |keys: &[&RestrictedKey]| {
        let mut indicators = vec![
            indicator(Kind::Domain, "bad.example"),
            indicator(Kind::Cidr, "2001:db8:66::/48"),
        ];
        // The same of another feed is another alert.
        indicators.push(Indicator {
            source: "another feed".to_owned(),
            ..indicator(Kind::Domain, "bad.example")
        });
        let keys = keys.iter().map(|key| (*key).clone()).collect();
        let compiler = Compiler::new().indicators(indicators).restricted_keys(keys);
        compiler.compile().expect("compiles")
    };
    let claim = |key: &RestrictedKey, kind: Kind, value: &str| {
        format!("restricted:{}@source.ip", hex(&key.hash(kind.as_str(), value)))
    };
    let both = of(&[&former, &key]);
    for key in [&former, &key] {
        let told = [
            claim(key, Kind::Domain, "bad.example"),
            claim(key, Kind::Cidr, "2001:db8:66::/48"),
        ];
        let claims: Vec<_> = told.iter().map(String::as_str).collect();
        let (alerts, rejected) = scanned(&both, &event("p-7d1c", &claims));
        assert_eq!(
            ids(&alerts),
            [
                "cidr:2001:db8:66::/48",
                "domain:bad.example",
                "domain:bad.example"
            ]
        );
        assert_eq!(rejected, 0);
    }
    // Another kind, another value, a key that is not here, and no hash at all.
    let unknown = [
        claim(&key, Kind::Url, "bad.example"),
        claim(&key, Kind::Domain, "good.example"),
        claim(&former, Kind::Domain, "bad.example"),
        "restricted:00@source.ip".to_owned(),
    ];
    for claim in &unknown {
        let (alerts, rejected) = scanned(&of(&[&key]), &event("p-7d1c", &[claim]));
        assert_eq!((alerts.len(), rejected), (0, 1), "{claim}");
    }
}

#[test]
fn what_a_sensor_claims_is_measured_by_the_ruleset_here() {
    let ended = Indicator {
        valid_until: Some(Timestamp::from_millis(5)),
        ..indicator(Kind::Domain, "old.example")
    };
    let ruleset = ruleset(vec![ended, indicator(Kind::Domain, "bad.example")]);
    for (claim, why) in [
        (
            "indicator:domain:old.example@dns.question.name",
            "it no longer holds",
        ),
        (
            "indicator:domain:www.bad.example@dns.question.name",
            "it is another one",
        ),
        (
            "indicator:url:bad.example@dns.question.name",
            "it is of another kind",
        ),
        ("indicator:domain:bad.example", "no field is named"),
        (
            "indicator:nonsense:bad.example@dns.question.name",
            "there is no such kind",
        ),
        (
            "rule:5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a2ff",
            "there is no such rule",
        ),
        ("domain:bad.example", "it is no claim"),
    ] {
        let (alerts, rejected) = scanned(&ruleset, &event("p-7d1c", &[claim]));
        assert_eq!(alerts, [], "{why}");
        assert_eq!(rejected, 1, "{why}");
    }
    // Of many, the first count, and the others are told of.
    let rule = format!("rule:{HOST}");
    let mut many = vec!["indicator:domain:bad.example@host.name"; 70];
    many.push(&rule);
    let (alerts, rejected) = scanned(&ruleset, &event("p-7d1c", &many));
    assert_eq!(
        alerts
            .iter()
            .map(|alert| alert.producer.id.clone())
            .collect::<Vec<_>>(),
        [RuleId("domain:bad.example".to_owned())]
    );
    assert_eq!(rejected, 7);
}
