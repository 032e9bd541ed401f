//! Which type of the reference taxonomy an alert is of.
#![allow(clippy::expect_used, reason = "a test stops at what should not be")]

use std::collections::BTreeSet;

use alerting_incident::{Taxon, TaxonClass};
use detect_alert::{
    Alert, AlertId, Confidence, Entity, Pap, Producer, ProducerKind, RuleId, RulesetVersion, Severity, Tlp,
};
use ingest_event::{Marking, OrganizationNumber, SensorId, Timestamp, Zone};

fn alert(kind: ProducerKind, tags: &[&str]) -> Alert {
    Alert {
        id: AlertId::parse("0").expect("hexadecimal"),
        timestamp: Timestamp::EPOCH,
        organization: OrganizationNumber::parse("964965226").expect("valid"),
        sensor: SensorId::parse("s-1").expect("valid"),
        zone: Zone::Administration,
        marking: Marking::Unmarked,
        exercise: false,
        severity: Severity::High,
        confidence: Confidence::Medium,
        tlp: Tlp::Amber,
        pap: Pap::Green,
        producer: Producer {
            kind,
            id: RuleId("rule-1".to_owned()),
            name: "n".to_owned(),
            version: "1".to_owned(),
            ruleset: RulesetVersion("8899aabbccddeeff".to_owned()),
            authors: vec![],
            license: None,
            description: String::new(),
            references: vec![],
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            false_positives: vec![],
            incident: None,
            summary: [].into(),
            first_step: [].into(),
        },
        indicator: None,
        entity: Entity {
            field: "source.ip".to_owned(),
            value: "192.0.2.1".to_owned(),
        },
        evidence: vec![],
        window: None,
        events: vec![],
    }
}

#[test]
fn a_rules_own_word_goes_before_techniques_these_before_tactics_and_these_before_nothing() {
    for (tags, taxon) in [
        (&["attack.t1046", "rsit.dos"][..], Taxon::Dos),
        (&["rsit.nonsense", "attack.t1110.001"], Taxon::BruteForce),
        (&["attack.credential-access", "attack.t1046"], Taxon::Scanner),
        (&["attack.T1595.002"], Taxon::Scanner),
        (&["attack.command-and-control"], Taxon::C2Server),
        (&["attack.command_and_control"], Taxon::C2Server),
        (&["attack.discovery", "attack.exfiltration"], Taxon::DataLeak),
        (&["attack.t9999", "attack.reconnaissance"], Taxon::Scanner),
        (&["cve.2021-44228"], Taxon::Undetermined),
        (&[], Taxon::Undetermined),
    ] {
        assert_eq!(Taxon::of(&alert(ProducerKind::Sigma, tags)), taxon, "{tags:?}");
    }
    assert_eq!(
        Taxon::of(&alert(ProducerKind::Indicator, &[])),
        Taxon::InfectedSystem
    );
}

#[test]
fn every_type_has_a_class_and_every_class_a_type() {
    assert_eq!((Taxon::ALL.len(), TaxonClass::ALL.len()), (39, 11));
    let classes: BTreeSet<_> = Taxon::ALL.iter().map(|taxon| taxon.class()).collect();
    assert_eq!(classes.len(), TaxonClass::ALL.len());
}
