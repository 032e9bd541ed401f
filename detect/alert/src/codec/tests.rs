use ingest_event::{Marking, Zone};

use super::*;
use crate::{Confidence, IndicatorKind, Pap, Severity, Tlp};

/// An alert with every optional part.
fn full(address: &str) -> Alert {
    let organization = OrganizationNumber::parse("958935420").expect("valid");
    let rule = RuleId("indicator:ip".to_owned());
    let mut fields = Fields::new();
    fields.set("destination.ip", address);
    fields.set("destination.port", 443_u16);
    fields.set("log.file.path", "capture.pcap");
    let event = EventId::derive(&[b"one"]);
    let texts: Texts = [("nb".to_owned(), "Kjent ondsinnet adresse".to_owned())].into();
    Alert {
        id: AlertId::derive(&rule, organization, &[event.as_str()]),
        timestamp: Timestamp::from_millis(1_772_438_400_123),
        organization,
        sensor: SensorId::parse("s-1").expect("valid"),
        zone: Zone::Administration,
        marking: Marking::Unmarked,
        exercise: true,
        severity: Severity::High,
        confidence: Confidence::Medium,
        tlp: Tlp::AmberStrict,
        pap: Pap::Amber,
        producer: Producer {
            kind: ProducerKind::Indicator,
            id: rule,
            name: "Known bad address".to_owned(),
            version: "0011223344556677".to_owned(),
            ruleset: RulesetVersion("8899aabbccddeeff".to_owned()),
            authors: vec!["Varde".to_owned()],
            license: Some("DRL 1.1".to_owned()),
            description: "d".to_owned(),
            references: vec!["https://example.com/".to_owned()],
            tags: vec!["attack.t1071".to_owned()],
            false_positives: vec![],
            incident: Some("c2".to_owned()),
            summary: texts.clone(),
            first_step: texts,
        },
        indicator: Some(IndicatorRef {
            kind: IndicatorKind::Address,
            value: address.to_owned(),
            source: "feed".to_owned(),
            confidence: Confidence::High,
            tlp: Tlp::AmberStrict,
            pap: Pap::Red,
            description: "C2".to_owned(),
        }),
        entity: Entity {
            field: "source.ip".to_owned(),
            value: "10.0.0.1".to_owned(),
        },
        evidence: vec![Evidence {
            event: event.clone(),
            field: "destination.ip".to_owned(),
            value: address.to_owned(),
            matched: format!("is {address}"),
        }],
        window: Some(Window {
            start: Timestamp::from_millis(1),
            end: Timestamp::from_millis(2),
            count: 3,
            threshold: ">= 3".to_owned(),
            group_by: vec![("source.ip".to_owned(), "10.0.0.1".to_owned())],
        }),
        events: vec![EventSample {
            id: event,
            timestamp: Timestamp::from_millis(1_772_438_400_123),
            dataset: "network.flow".to_owned(),
            fields,
        }],
    }
}

#[test]
fn decode_undoes_encode() {
    for address in ["203.0.113.9", "2001:db8::9"] {
        let alert = full(address);
        assert_eq!(decode(&encode(&alert)).expect("our own"), alert);
        let plain = Alert {
            indicator: None,
            window: None,
            ..full(address)
        };
        assert_eq!(decode(&encode(&plain)).expect("our own"), plain);
    }
}

#[test]
fn the_wire_form_has_the_documented_names() {
    for (address, ecs_type) in [("203.0.113.9", "ipv4-addr"), ("2001:db8::9", "ipv6-addr")] {
        let json: Json = serde_json::from_slice(&encode(&full(address))).expect("JSON");
        for (name, value) in [
            ("event.kind", json!("alert")),
            ("event.severity", json!(4)),
            ("rule.id", json!("indicator:ip")),
            ("destination.ip", json!(address)),
            ("log.file.path", json!("capture.pcap")),
            ("threat.indicator.ip", json!(address)),
            ("threat.indicator.type", json!(ecs_type)),
            ("threat.indicator.confidence", json!("High")),
            ("threat.indicator.marking.tlp", json!("AMBER+STRICT")),
        ] {
            assert_eq!(json.get(name), Some(&value), "{name}");
        }
    }
}

#[test]
fn what_is_no_alert_is_refused() {
    for payload in ["", "[]", "{}", r#"{"varde.alert.schema":2}"#] {
        assert!(decode(payload.as_bytes()).is_err(), "{payload}");
    }
    let whole = encode(&full("2001:db8::9"));
    for end in 0..whole.len() {
        assert!(decode(whole.get(..end).expect("in range")).is_err());
    }
}

/// In a build of the whole workspace, a crate that only tests use makes objects keep the order in which they are filled.
#[test]
fn names_are_in_order_in_every_build() {
    let bytes = encode(&full("192.0.2.7"));
    let members: std::collections::BTreeMap<String, Json> = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(
        String::from_utf8(bytes).expect("UTF-8"),
        serde_json::to_string(&members).expect("JSON")
    );
}
