//! MISP documents in our own words.

use detect_alert::{Confidence, Indicator, Pap, Tlp};

use super::super::{FeedOptions, FeedReport, Outcome, Reason, read_feed};

fn read(text: &str, options: &FeedOptions) -> (Vec<Indicator>, FeedReport) {
    let mut report = FeedReport::default();
    let mut indicators = Vec::new();
    let mut sink = |indicator| indicators.push(indicator);
    read_feed(text.as_bytes(), "event.json", options, &mut sink, &mut report).expect("it is read");
    (indicators, report)
}

fn attribute(kind: &str, value: &str, more: &str) -> String {
    format!(r#"{{"uuid":"a-{kind}","type":"{kind}","value":"{value}","to_ids":true{more}}}"#)
}

fn event(attributes: &[String], objects: &[String]) -> String {
    format!(
        r#"{{"Event":{{"Attribute":[{}],"Object":[{}],"info":"A beacon","uuid":"e-1","date":"2026-03-01",
        "Tag":[{{"name":"tlp:amber"}},{{"name":"PAP:AMBER"}},{{"name":"misp:confidence-level=\"usually-confident\""}}]}}}}"#,
        attributes.join(","),
        objects.join(",")
    )
}

fn values(indicators: &[Indicator]) -> Vec<String> {
    indicators
        .iter()
        .map(|one| format!("{} {}", one.kind, one.value))
        .collect()
}

#[test]
fn each_type_of_attribute_means_what_it_says() {
    let md5 = "995ff56e9d5046fa6cb5fb20e5019d05";
    let sha1 = "d588fabbb9a1890ef096d68784557ac7472f27c8";
    let sha256 = "912e6c6ff05f3acedb5ff3133f8981385e35db5c0513825d2241e855fd4365f0";
    for (kind, value, expected) in [
        ("ip-src", "203.0.113.7", &["ip 203.0.113.7"][..]),
        ("ip-dst", "2001:DB8::7", &["ip 2001:db8::7"]),
        ("ip-dst", "2001:db8:1::/48", &["cidr 2001:db8:1::/48"]),
        ("ip-dst|port", "203.0.113.7|443", &["ip 203.0.113.7"]),
        ("ip-dst|port", "2001:db8::7|443", &["ip 2001:db8::7"]),
        ("domain", "Bad.Example", &["domain bad.example"]),
        ("hostname", "a.bad.example", &["domain a.bad.example"]),
        ("hostname|port", "a.bad.example|8443", &["domain a.bad.example"]),
        (
            "domain|ip",
            "bad.example|203.0.113.7",
            &["domain bad.example", "ip 203.0.113.7"],
        ),
        (
            "domain|ip",
            "bad.example|2001:db8::7",
            &["domain bad.example", "ip 2001:db8::7"],
        ),
        ("url", "http://bad.example/a", &["url http://bad.example/a"]),
        ("md5", md5, &["md5 995ff56e9d5046fa6cb5fb20e5019d05"]),
        ("sha1", sha1, &["sha1 d588fabbb9a1890ef096d68784557ac7472f27c8"]),
        (
            "sha256",
            sha256,
            &["sha256 912e6c6ff05f3acedb5ff3133f8981385e35db5c0513825d2241e855fd4365f0"],
        ),
        ("filename", "faktura.exe", &["file-name faktura.exe"]),
        (
            "filename|md5",
            &format!("faktura.exe|{md5}"),
            &["md5 995ff56e9d5046fa6cb5fb20e5019d05"],
        ),
        (
            "ja3-fingerprint-md5",
            md5,
            &["ja3 995ff56e9d5046fa6cb5fb20e5019d05"],
        ),
        ("email-src", "a@bad.example", &["email a@bad.example"]),
        (
            "x509-fingerprint-sha1",
            sha1,
            &["certificate d588fabbb9a1890ef096d68784557ac7472f27c8"],
        ),
        ("AS", "AS64500", &["asn AS64500"]),
        ("regkey", "HKLM x", &[]),
        ("jarm-fingerprint", "x", &[]),
        ("yara", "rule x", &[]),
    ] {
        let (indicators, report) = read(
            &event(&[attribute(kind, value, "")], &[]),
            &FeedOptions::new("feed"),
        );
        assert_eq!(values(&indicators), expected, "{kind} {value}: {report:?}");
        let is_inexpressible = report.total(Outcome::Inexpressible) == 1;
        assert_eq!(is_inexpressible, expected.is_empty(), "{kind} {value}");
        assert_eq!(report.total(Outcome::Refused), 0, "{kind} {value}");
    }
}

#[test]
fn what_is_not_for_detection_is_withheld_and_counted() {
    let not_for_ids = attribute("domain", "a.example", "").replace("true", "false");
    let deleted = attribute("domain", "b.example", r#","deleted":"1""#);
    let unknown = attribute("domian", "c.example", "");
    let wrong = attribute("ip-dst", "300.1.2.3", "");
    let broken = r#"{"type":"domain","value":7,"to_ids":true}"#.to_owned();
    let good = attribute("domain", "d.example", "");
    let object = |deleted| {
        format!(
            r#"{{"name":"file","deleted":{deleted},"Attribute":[{}]}}"#,
            attribute("domain", "o.example", "")
        )
    };
    let text = event(
        &[not_for_ids, deleted, unknown, wrong, broken, good],
        &[object(false), object(true)],
    );
    let (indicators, report) = read(&text, &FeedOptions::new("feed"));
    assert_eq!(values(&indicators), ["domain d.example", "domain o.example"]);
    let counts: Vec<_> = report
        .counts()
        .iter()
        .map(|(reason, count)| (*reason, *count))
        .collect();
    assert_eq!(
        counts,
        [
            (Reason::Unrecognised, 1),
            (Reason::UnknownType, 1),
            (Reason::BadDocument, 1),
            (Reason::NotForDetection, 1),
            (Reason::Revoked, 2)
        ]
    );
}

#[test]
fn tags_times_and_texts_travel_with_the_indicator() {
    let plain = attribute(
        "domain",
        "a.example",
        r#","comment":"first stage","first_seen":"2026-03-01T10:00:00+00:00""#,
    );
    let own = attribute(
        "domain",
        "b.example",
        r#","last_seen":"2026-03-05T00:00:00Z","timestamp":"1700000000","Tag":[{"name":"tlp:red"},{"name":"false-positive:risk=\"high\""}]"#,
    );
    let hash = attribute(
        "md5",
        "995ff56e9d5046fa6cb5fb20e5019d05",
        r#","timestamp":"1700000000""#,
    );
    let stamped = attribute("ip-dst", "2001:db8::7", r#","timestamp":1700000000"#);
    let mut options = FeedOptions::new("feed");
    options.decay_days = Some(10);
    options.now = Some("2026-03-10T00:00:00Z".parse().expect("a time"));
    let (indicators, report) = read(&event(&[plain, own, hash, stamped], &[]), &options);
    let [plain, own, hash, stamped] = indicators.as_slice() else {
        panic!("{indicators:?}")
    };
    let time = |text: &str| Some(text.parse().expect("a time"));
    assert_eq!(
        (plain.tlp, plain.pap, plain.confidence),
        (Tlp::Amber, Pap::Amber, Confidence::High)
    );
    assert_eq!(plain.description, "A beacon: first stage");
    assert_eq!(plain.valid_from, time("2026-03-01T10:00:00Z"));
    assert_eq!(plain.valid_until, time("2026-03-11T10:00:00Z"));
    assert_eq!(
        (own.tlp, own.pap, own.confidence),
        (Tlp::Red, Pap::Amber, Confidence::Low)
    );
    assert_eq!(own.valid_until, time("2026-03-15T00:00:00Z"));
    assert_eq!(hash.valid_until, None, "a file stays what it is");
    assert_eq!(stamped.valid_until, time("2023-11-24T22:13:20Z"));
    assert_eq!(report.counts().get(&Reason::Expired), Some(&1));
}

#[test]
fn answers_of_the_rest_interface_are_read_too() {
    let one = event(&[attribute("domain", "a.example", "")], &[]);
    let inner = one
        .trim_start_matches(r#"{"Event":"#)
        .strip_suffix('}')
        .expect("an event");
    for text in [
        format!(r#"{{"response":[{one},{one}]}}"#),
        format!("[{one},{one}]"),
        format!("[{inner},{inner}]"),
        format!(
            r#"{{"response":{{"Attribute":[{0},{0}]}}}}"#,
            attribute("domain", "a.example", "")
        ),
    ] {
        let (indicators, report) = read(&text, &FeedOptions::new("feed"));
        assert_eq!(values(&indicators), ["domain a.example"; 2], "{text} {report:?}");
    }
}
