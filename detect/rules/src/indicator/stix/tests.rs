//! Bundles in our own words.

use detect_alert::{Confidence, Indicator, Pap, Tlp};

use super::super::{FeedOptions, FeedReport, Outcome, Reason, read_feed};

const ID: &str = "indicator--0f6c1c6e-3f0b-4a53-8d5e-4f4c8f1f2a10";
const AMBER_STRICT: &str = "marking-definition--939a9414-1955-4a77-93a3-5a4ec65c9b6e";
const AMBER_1: &str = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82";
const OWN: &str = "marking-definition--1c6e0f6c-3f0b-4a53-8d5e-4f4c8f1f2a10";

fn read(objects: &[String]) -> (Vec<Indicator>, FeedReport) {
    let text = format!(
        r#"{{"type":"bundle","id":"bundle--5d1c5b0e-5f0b-4e0c-9d5f-0a4c6c3f8b11","objects":[{}]}}"#,
        objects.join(",")
    );
    let mut report = FeedReport::default();
    let mut indicators = Vec::new();
    let mut sink = |indicator| indicators.push(indicator);
    let mut options = FeedOptions::new("feed");
    options.now = Some("2026-03-10T00:00:00Z".parse().expect("a time"));
    read_feed(text.as_bytes(), "bundle.json", &options, &mut sink, &mut report).expect("it is read");
    (indicators, report)
}

fn indicator(pattern: &str, more: &str) -> String {
    let pattern = pattern.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"{ID}","created":"2026-03-01T00:00:00.000Z",
        "modified":"2026-03-01T00:00:00.000Z","pattern":"{pattern}","pattern_type":"stix",
        "valid_from":"2026-03-01T00:00:00Z"{more}}}"#
    )
}

fn marking(more: &str) -> String {
    format!(
        r#"{{"type":"marking-definition","spec_version":"2.1","id":"{OWN}","created":"2026-03-01T00:00:00.000Z"{more}}}"#
    )
}

#[test]
fn what_an_indicator_says_travels_with_each_of_its_values() {
    let pattern = "[domain-name:value = 'Bad.Example' OR ipv6-addr:value = '2001:db8::/48']";
    let more = format!(
        r#","name":"Beacon","confidence":85,"indicator_types":["malicious-activity"],"valid_until":"2026-03-05T00:00:00Z",
        "created_by_ref":"identity--1c6e0f6c-3f0b-4a53-8d5e-4f4c8f1f2a10","object_marking_refs":["{AMBER_STRICT}","{AMBER_1}"]"#
    );
    let (indicators, report) = read(&[indicator(pattern, &more)]);
    let values: Vec<_> = indicators
        .iter()
        .map(|one| format!("{} {}", one.kind, one.value))
        .collect();
    assert_eq!(values, ["domain bad.example", "cidr 2001:db8::/48"], "{report:?}");
    for one in &indicators {
        assert_eq!(
            (one.confidence, one.tlp, one.pap),
            (Confidence::High, Tlp::AmberStrict, Pap::Green)
        );
        assert_eq!(
            (one.source.as_str(), one.description.as_str()),
            ("feed", "Beacon")
        );
        assert_eq!(
            one.valid_from,
            Some("2026-03-01T00:00:00Z".parse().expect("a time"))
        );
        assert_eq!(
            one.valid_until,
            Some("2026-03-05T00:00:00Z".parse().expect("a time"))
        );
    }
    assert_eq!(report.counts().get(&Reason::Expired), Some(&2), "{report:?}");
}

#[test]
fn markings_are_standard_or_defined_in_the_bundle() {
    let extension = |members: &str| {
        format!(
            r#","extensions":{{"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d":{{"extension_type":"property-extension",{members}}}}}"#
        )
    };
    for (id, definition, tlp, pap, others) in [
        (AMBER_STRICT, None, Tlp::AmberStrict, Pap::Green, 0),
        (AMBER_1, None, Tlp::Amber, Pap::Green, 0),
        (
            OWN,
            Some(r#","definition_type":"tlp","definition":{"tlp":"red"}"#.to_owned()),
            Tlp::Red,
            Pap::Green,
            0,
        ),
        (
            OWN,
            Some(extension(r#""tlp_2_0":"amber+strict""#)),
            Tlp::AmberStrict,
            Pap::Green,
            0,
        ),
        (OWN, Some(extension(r#""pap":"red""#)), Tlp::Green, Pap::Red, 0),
        (
            OWN,
            Some(r#","definition_type":"statement","definition":{"statement":"(c) us"}"#.to_owned()),
            Tlp::Green,
            Pap::Green,
            1,
        ),
        (OWN, None, Tlp::Green, Pap::Green, 1),
    ] {
        let one = indicator(
            "[domain-name:value = 'bad.example']",
            &format!(r#","object_marking_refs":["{id}"]"#),
        );
        // The definition stands behind what refers to it.
        let objects: Vec<_> = [one]
            .into_iter()
            .chain(definition.as_deref().map(marking))
            .collect();
        let (indicators, report) = read(&objects);
        let [one] = indicators.as_slice() else {
            panic!("{id} {definition:?}: {report:?}")
        };
        assert_eq!((one.tlp, one.pap), (tlp, pap), "{id} {definition:?}");
        let counted = report
            .counts()
            .get(&Reason::OtherMarking)
            .copied()
            .unwrap_or_default();
        assert_eq!(counted, others, "{id} {definition:?}");
    }
}

#[test]
fn one_bad_object_costs_only_itself_and_nothing_goes_uncounted() {
    let good = indicator("[domain-name:value = 'bad.example']", "");
    let (indicators, report) = read(&[
        indicator("[domain-name:value = ", ""),
        indicator("[domain-name:value = 'com']", ""),
        indicator("[file:name = 'abc.exe' AND file:size = 3]", ""),
        indicator("rule x { condition: true }", "")
            .replace(r#""pattern_type":"stix""#, r#""pattern_type":"yara""#),
        indicator("[domain-name:value = 'old.example']", r#","revoked":true"#),
        indicator(
            "[domain-name:value = 'good.example']",
            r#","indicator_types":["benign"]"#,
        ),
        r#"{"type":"x-of-someone","id":"x-of-someone--1"}"#.to_owned(),
        good,
    ]);
    assert_eq!(indicators.len(), 1, "{indicators:?}");
    let counts: Vec<_> = report
        .counts()
        .iter()
        .map(|(reason, count)| (*reason, *count))
        .collect();
    assert_eq!(
        counts,
        [
            (Reason::BadDocument, 1),
            (Reason::PublicSuffix, 1),
            (Reason::Conjunction, 1),
            (Reason::OtherLanguage, 1),
            (Reason::Revoked, 1),
            (Reason::Benign, 1)
        ],
        "{report:?}"
    );
    assert_eq!(
        (
            report.total(Outcome::Refused),
            report.total(Outcome::Inexpressible)
        ),
        (2, 2)
    );
    assert!(
        report
            .examples()
            .iter()
            .all(|found| format!("{:?}", found.place).contains(ID)),
        "{report:?}"
    );
}
