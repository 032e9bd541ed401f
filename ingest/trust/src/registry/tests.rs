//! Codes, requests and decisions, and what follows from them.

use super::*;
use crate::key::SensorKey;

fn print() -> Fingerprint {
    SensorKey::generate()
        .expect("a key")
        .fingerprint()
        .expect("a name")
}

fn asked(fingerprint: &Fingerprint, code: &str, at: i64) -> Entry {
    Entry::Asked(Asked {
        fingerprint: fingerprint.clone(),
        code: code.to_owned(),
        at,
        host: "probe".to_owned(),
        program: "0.1.0".to_owned(),
    })
}

fn known(sensor: &str, fingerprint: &Fingerprint, revoked: bool) -> Entry {
    Entry::Known(Known {
        sensor: sensor.to_owned(),
        organization: "964965226".to_owned(),
        zone: Some(Zone::School),
        fingerprint: fingerprint.clone(),
        former: Vec::new(),
        at: 5,
        revoked,
    })
}

fn code(digest: &str) -> Entry {
    Entry::Code(Code {
        digest: digest.to_owned(),
        until: 100,
        organization: Some("964965226".to_owned()),
    })
}

#[test]
fn a_key_is_waiting_then_known_then_revoked() {
    let mut registry = Registry::default();
    let key = print();
    assert_eq!(registry.place(&key), Place::Unknown);
    registry.take(code("c"));
    registry.take(asked(&key, "c", 1));
    assert!(matches!(registry.place(&key), Place::Waiting(_)));
    assert_eq!(registry.waiting().len(), 1);
    registry.take(known("sensor-1", &key, false));
    assert!(matches!(registry.place(&key), Place::Known(_)));
    assert!(registry.waiting().is_empty());
    registry.take(known("sensor-1", &key, true));
    assert!(matches!(registry.place(&key), Place::Revoked(_)));
}

#[test]
fn new_hardware_takes_the_place_of_the_old() {
    let mut registry = Registry::default();
    let (old, new) = (print(), print());
    // As the compacted topic shows it: both have asked, and only the last decision stands.
    registry.take(asked(&old, "c", 1));
    registry.take(asked(&new, "d", 2));
    let Entry::Known(first) = known("sensor-1", &old, false) else {
        panic!("a sensor");
    };
    registry.take(Entry::Known(
        first.moved_to(new.clone(), Timestamp::from_nanos(6)),
    ));
    assert_eq!(registry.place(&old), Place::Refused);
    assert!(matches!(registry.place(&new), Place::Known(_)));
    assert_eq!(registry.sensors().count(), 1);
}

#[test]
fn a_code_opens_for_an_hour_and_for_one_key() {
    let mut registry = Registry::default();
    let (first, second) = (print(), print());
    let at = Timestamp::from_nanos;
    assert!(!registry.opens("c", &first, at(1)), "nobody gave it out");
    registry.take(code("c"));
    assert!(registry.opens("c", &first, at(99)));
    assert!(!registry.opens("c", &first, at(100)), "too late");
    registry.take(asked(&first, "c", 1));
    assert!(registry.opens("c", &first, at(99)), "the same key may ask again");
    assert!(!registry.opens("c", &second, at(99)), "it is used");
    assert_eq!(
        registry
            .meant_for("c")
            .map(|number| number.to_string())
            .as_deref(),
        Some("964965226")
    );
}

#[test]
fn who_is_turned_down_waits_no_more() {
    let mut registry = Registry::default();
    let key = print();
    registry.take(asked(&key, "c", 1));
    registry.take(Entry::Refusal(Refusal {
        fingerprint: key.clone(),
        at: 2,
    }));
    assert_eq!(registry.place(&key), Place::Refused);
    registry.take(known("sensor-1", &key, false));
    assert!(matches!(registry.place(&key), Place::Known(_)), "minds change");
}

#[test]
fn records_are_read_as_they_were_written() {
    let key = print();
    let all = [
        code("c"),
        asked(&key, "c", 1),
        known("sensor-1", &key, true),
        Entry::Refusal(Refusal {
            fingerprint: key.clone(),
            at: 2,
        }),
        Entry::Issued(Issued {
            sensor: "sensor-1".to_owned(),
            fingerprint: key,
            until: 9,
        }),
        Entry::Status(Status {
            sensor: "sensor-1".to_owned(),
            ..Status::default()
        }),
    ];
    for entry in all {
        let read = Entry::parse(entry.key().as_bytes(), &entry.value()).expect("reads");
        assert_eq!(read, Some(entry.clone()));
        let moved = Entry::parse(format!("{}x", entry.key()).as_bytes(), &entry.value());
        assert!(moved.is_err(), "{entry:?}");
    }
    assert_eq!(Entry::parse(b"news/1", b"{}").expect("passed over"), None);
    assert!(Entry::parse(b"code/c", b"{").is_err());
}

#[test]
fn of_two_keys_with_one_code_the_first_waits() {
    let mut registry = Registry::default();
    let (first, second) = (print(), print());
    registry.take(code("c"));
    registry.take(asked(&second, "c", 2));
    registry.take(asked(&first, "c", 1));
    assert!(matches!(registry.place(&first), Place::Waiting(_)));
    assert_eq!(registry.place(&second), Place::Unknown);
    assert_eq!(registry.waiting().len(), 1);
}
