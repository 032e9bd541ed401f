use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::record::Record;

fn raw(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).expect("compressed")
}

proptest! {
    #[test]
    fn records_arrive_as_they_were(
        records in vec((vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..400)), 0..50),
    ) {
        let records: Vec<Record> = records
            .into_iter()
            .map(|(key, value)| Record::new(value).with_key(key))
            .collect();
        let body = encode(&records).expect("encoded");
        prop_assert_eq!(decode(&body).expect("decoded"), records);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        let mut framed = vec![1];
        framed.extend_from_slice(&bytes);
        let _ = decode(&raw(&framed));
    }

    #[test]
    fn a_body_that_was_cut_is_refused(
        records in vec((vec(any::<u8>(), 0..9), vec(any::<u8>(), 0..60)), 1..9),
        at in any::<prop::sample::Index>(),
    ) {
        let records: Vec<Record> = records
            .into_iter()
            .map(|(key, value)| Record::new(value).with_key(key))
            .collect();
        let body = encode(&records).expect("encoded");
        let cut = at.index(body.len());
        prop_assert!(decode(&body[..cut]).is_err());
    }
}

#[test]
fn what_is_no_body_is_refused_with_its_reason() {
    let many: Vec<u8> = std::iter::once(1).chain(vec![0; 8 * (RECORDS_MAX + 1)]).collect();
    for (body, expected) in [
        (b"hello".to_vec(), CodecError::Frame),
        (raw(b""), CodecError::Cut(0)),
        (raw(&[2]), CodecError::Format(2)),
        (raw(&[1, 1, 0]), CodecError::Cut(0)),
        (raw(&[1, 0, 0, 0, 0, 255, 255, 255, 255, 7]), CodecError::Cut(0)),
        (raw(&many), CodecError::TooMuch),
        (raw(&vec![1; RAW_BYTES_MAX + 1]), CodecError::TooMuch),
    ] {
        assert_eq!(decode(&body), Err(expected.clone()), "{expected}");
    }
    assert_eq!(decode(&raw(&[1])), Ok(Vec::new()));
}

/// Two frames, of which the second is not in the size that the first one says.
#[test]
fn more_than_was_announced_is_not_unpacked() {
    let mut two = raw(&[1]);
    two.extend_from_slice(&raw(&vec![0; 1 << 20]));
    assert_eq!(raw_bytes(&two), Ok(1));
    assert_eq!(decode(&two), Err(CodecError::Frame));
}

#[test]
fn only_key_and_value_travel() {
    for (record, what) in [
        (Record::new("v"), "no key"),
        (Record::tombstone("k"), "a tombstone"),
        (Record::new("v").with_key("k").with_header("h", "x"), "headers"),
    ] {
        let good = Record::new("v").with_key("k");
        let expected = CodecError::Record { index: 1, what };
        assert_eq!(encode(&[good, record]), Err(expected));
    }
    let large = Record::new(vec![0; RAW_BYTES_MAX]).with_key("k");
    assert_eq!(encode(&[large]), Err(CodecError::TooMuch));
}

#[test]
fn an_address_is_https_and_nothing_else() {
    for (url, good) in [
        ("https://gateway.cert.example:8443", true),
        ("https://192.0.2.7:8443/", true),
        ("https://[2001:db8::7]", true),
        ("http://gateway.cert.example", false),
        ("gateway.cert.example:8443", false),
        ("https://gateway.cert.example/path", false),
        ("https://user@gateway.cert.example", false),
        ("", false),
    ] {
        assert_eq!(UplinkBus::open(url, Path::new("/none")).is_ok(), good, "{url}");
    }
}

#[tokio::test]
async fn a_sensor_that_is_not_enrolled_yet_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = UplinkBus::open("https://127.0.0.1:1", folder.path()).expect("opens");
    let topic = crate::Topic::parse("varde.events.964965226").expect("a name");
    let record = Record::new("v").with_key("k");
    let error = bus
        .producer()
        .publish(&topic, vec![record])
        .await
        .expect_err("no files");
    assert_eq!(error.class(), ErrorClass::Transient, "{error:?}");
    for file in [KEY_FILE, CERTIFICATE_FILE, AUTHORITY_FILE] {
        std::fs::write(folder.path().join(file), "no PEM").expect("written");
    }
    let record = Record::new("v").with_key("k");
    let error = bus
        .producer()
        .publish(&topic, vec![record])
        .await
        .expect_err("no keys");
    assert_eq!(error.class(), ErrorClass::Permanent, "{error:?}");
}

#[test]
fn what_stops_a_batch_for_ever_is_a_records_fault() {
    let refused = |reason: &str| UplinkError::Refused {
        reason: reason.to_owned(),
        detail: String::new(),
    };
    let forbidden = UplinkError::Forbidden {
        index: 7,
        detail: String::new(),
    };
    for (error, class) in [
        (refused("too_large"), ErrorClass::Poison),
        (forbidden, ErrorClass::Poison),
        (refused("busy"), ErrorClass::Transient),
        (refused("away"), ErrorClass::Transient),
        (refused("forbidden"), ErrorClass::Permanent),
        (refused("body"), ErrorClass::Permanent),
        (refused("revoked"), ErrorClass::Permanent),
        (UplinkError::Answer(408), ErrorClass::Transient),
    ] {
        assert_eq!(error.class(), class, "{error}");
    }
}
