use proptest::prelude::*;

use super::*;

fn defaults() -> Defaults {
    Defaults {
        organization: OrganizationNumber::parse("958935420").expect("valid"),
        sensor: SensorId::parse("sensor-1").expect("valid"),
    }
}

fn check(json: &str, expected: Result<&[(&str, &str)], QuarantineReason>) {
    match (decode(json.as_bytes(), &defaults()), expected) {
        (Ok(event), Ok(fields)) => {
            let seen: Vec<_> = event
                .fields
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_string()))
                .collect();
            let wanted: Vec<_> = fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(seen, wanted, "{json}");
        }
        (Err(error), Err(reason)) => assert_eq!(error.reason(), reason, "{json}"),
        (result, expected) => panic!("{json}: {result:?}, expected {expected:?}"),
    }
}

#[test]
fn flat_nested_and_listed_objects_are_the_same_fields() {
    let t = r#""@timestamp":"2026-03-02T08:15:00Z""#;
    check(
        &format!(r#"{{{t},"source.ip":"192.0.2.1"}}"#),
        Ok(&[("source.ip", "192.0.2.1")]),
    );
    check(
        &format!(r#"{{{t},"source":{{"ip":"2001:db8::1"}}}}"#),
        Ok(&[("source.ip", "2001:db8::1")]),
    );
    check(
        &format!(r#"{{{t},"dns":{{"answers":[{{"data":"a"}},{{"data":"b"}}]}}}}"#),
        Ok(&[("dns.answers.data", "a, b")]),
    );
    check(&format!(r#"{{{t},"a":1,"a":"x"}}"#), Ok(&[("a", "1, x")]));
    check(
        &format!(r#"{{{t},"a":[[1,[2]],3],"b":{{}},"c":[]}}"#),
        Ok(&[("a", "1, 2, 3")]),
    );
    // Nothing hides: equal names inside, objects in lists in lists, empty names.
    check(
        &format!(r#"{{{t},"a":{{"b":1,"b":[2]}},"a.b":3}}"#),
        Ok(&[("a.b", "1, 2, 3")]),
    );
    check(
        &format!(r#"{{{t},"a":[[{{"b":1}}],[2,[[{{"b":3}}]]]]}}"#),
        Ok(&[("a", "2"), ("a.b", "1, 3")]),
    );
    check(
        &format!(r#"{{{t},"":{{"b":1}},"b":{{"":2}}}}"#),
        Ok(&[(".b", "1"), ("b.", "2")]),
    );
    check(
        &format!(r#"{{{t},"n":18446744073709551615}}"#),
        Ok(&[("n", "18446744073709551615")]),
    );
}

#[test]
fn what_is_no_event_is_refused_with_its_reason() {
    check("", Err(QuarantineReason::NotJson));
    check("plain text", Err(QuarantineReason::NotJson));
    check("[1]", Err(QuarantineReason::NotJson));
    check(r#"{"a":1"#, Err(QuarantineReason::NotJson));
    check(r#"{"a":1}"#, Err(QuarantineReason::NoTimestamp));
    check(r#"{"@timestamp":"noon"}"#, Err(QuarantineReason::BadField));
    check(
        r#"{"@timestamp":"2026-03-02T08:15:00Z","varde.zone":"moon"}"#,
        Err(QuarantineReason::BadField),
    );
    check(
        r#"{"@timestamp":"2026-03-02T08:15:00Z","varde.schema":2}"#,
        Err(QuarantineReason::SchemaTooNew),
    );
    let many: String = (0..=FIELDS_MAX).map(|n| format!(r#","f{n}":1"#)).collect();
    check(
        &format!(r#"{{"@timestamp":"2026-03-02T08:15:00Z"{many}}}"#),
        Err(QuarantineReason::TooManyFields),
    );
    // A list is one field, however long.
    let long = vec!["1"; FIELDS_MAX + 1].join(", ");
    check(
        &format!(r#"{{"@timestamp":"2026-03-02T08:15:00Z","a":[{long}]}}"#),
        Ok(&[("a", &long)]),
    );
    let deep = format!("{}1{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
    check(&deep, Err(QuarantineReason::NotJson));
}

#[test]
fn a_foreign_event_gets_an_id_from_its_bytes() {
    let json = br#"{"@timestamp":"2026-03-02T08:15:00Z","message":"hei"}"#;
    let first = decode(json, &defaults()).expect("an event");
    assert_eq!(first.id, decode(json, &defaults()).expect("an event").id);
    assert_eq!(first.sequence, 0);
    assert_eq!(first.observed, first.timestamp);
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        (i64::MAX as u64 + 1..).prop_map(Value::Unsigned),
        any::<String>().prop_map(Value::String),
        Just(Value::Null),
    ];
    prop_oneof![
        scalar.clone(),
        proptest::collection::vec(scalar, 2..5).prop_map(Value::List)
    ]
}

proptest! {
    #[test]
    fn decode_undoes_encode(
        nanos in any::<i64>(),
        sequence in any::<u64>(),
        exercise in any::<bool>(),
        dataset in "[a-z.]{1,20}",
        fields in proptest::collection::btree_map("[a-z]{1,8}(\\.[a-z]{1,8}){0,2}", value(), 0..12),
    ) {
        let event = Event {
            id: EventId::derive(&[b"test"]),
            sensor: SensorId::parse("s-1").expect("valid"),
            organization: OrganizationNumber::parse("944496394").expect("valid"),
            sequence,
            timestamp: Timestamp::from_nanos(nanos),
            observed: Timestamp::from_nanos(nanos),
            dataset,
            zone: Zone::School,
            marking: Marking::Exempt,
            purpose: Purpose::Training,
            exercise,
            fields: fields.into_iter().filter(|(name, _)| !field::ENVELOPE.contains(&name.as_str())).collect(),
        };
        let mut bytes = Vec::new();
        encode(&event, &mut bytes);
        prop_assert_eq!(decode(&bytes, &defaults()).expect("our own"), event);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes, &defaults());
    }
}
