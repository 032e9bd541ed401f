//! What a sensor takes for a question, and a gateway for an answer.

use ingest_event::SensorId;

use super::*;

fn question() -> Question {
    Question {
        format: FORMAT,
        id: "0f".repeat(16),
        organization: OrganizationNumber::parse("964965226").expect("valid"),
        key: "0001-aaaaaaaa".to_owned(),
        incident: "17".to_owned(),
        asked_by: "Kari, CERT".to_owned(),
        approved_by: "Ola, CERT".to_owned(),
        reason: "the machine sends mail to everybody".to_owned(),
        pseudonyms: vec!["10.1.2.3".to_owned(), "fd12:3456::1".to_owned()],
        asked: Timestamp::from_millis(1_000),
        until: Timestamp::from_millis(9_000),
    }
}

fn answer() -> Answer {
    let values = question().pseudonyms.into_iter().map(|asked| Revealed {
        pseudonym: asked,
        stood_for: Some("2001:db8::7".to_owned()),
    });
    Answer {
        id: question().id,
        outcome: Outcome::Revealed,
        by: "Per".to_owned(),
        reason: String::new(),
        at: Timestamp::from_millis(2_000),
        values: values.collect(),
        digest: "0".repeat(64),
    }
}

#[test]
fn a_question_is_believed_by_its_signature_and_read_by_whom_it_is_for() {
    let key = SigningKey::generate().expect("a key");
    let keys = [key.verifying().expect("a key")];
    let sealed = question().seal(&key).expect("sealed").to_bytes();
    assert!(sealed.len() < ENVELOPE_BYTES_MAX);
    assert_eq!(Question::open(&sealed, &keys).expect("believed"), question());
    assert_eq!(Question::unverified(&sealed).expect("read"), question());
    let other = [SigningKey::generate().expect("a key").verifying().expect("a key")];
    assert!(matches!(
        Question::open(&sealed, &other),
        Err(RevealError::Signature(SigningError::Untrusted))
    ));
    // A bundle's signature is none under a question, though the key be the same.
    let text = serde_json::to_vec(&question()).expect("JSON");
    let bundle = key.seal(crate::manifest::KIND, &text).expect("sealed").to_bytes();
    assert!(Question::open(&bundle, &keys).is_err());
    let subject = |number: &str, sensor: &str| Subject {
        organization: OrganizationNumber::parse(number).expect("valid"),
        sensor: SensorId::parse(sensor).expect("valid"),
    };
    let at = Timestamp::from_millis;
    for (subject, now, good) in [
        (subject("964965226", "s1"), at(8_999), true),
        (subject("964965226", "s1"), at(9_000), false),
        (subject("964965226", "s2"), at(2_000), true),
        (subject("958935420", "s1"), at(2_000), false),
    ] {
        assert_eq!(question().is_for(&subject, now).is_ok(), good, "{subject:?}");
    }
}

#[test]
fn a_question_that_says_too_little_or_too_much_is_none() {
    let key = SigningKey::generate().expect("a key");
    let changes: [fn(&mut Question); 10] = [
        |question| question.id = "../../etc".to_owned(),
        |question| question.key.clear(),
        |question| question.asked_by = " ".to_owned(),
        |question| question.approved_by = question.asked_by.clone(),
        |question| question.reason = "because".to_owned(),
        |question| question.reason = "a".repeat(1_001),
        |question| question.pseudonyms.clear(),
        |question| question.pseudonyms = vec![question.pseudonyms[0].clone(); 2],
        |question| question.pseudonyms[0] = "a".repeat(256),
        |question| {
            let many = (0..=PSEUDONYMS_MAX).map(|nth| format!("10.0.0.{nth}"));
            question.pseudonyms = many.collect();
        },
    ];
    for change in changes {
        let mut changed = question();
        change(&mut changed);
        assert!(changed.seal(&key).is_err(), "{changed:?}");
        let text = serde_json::to_vec(&changed).expect("JSON");
        let forced = key.seal(KIND, &text).expect("sealed").to_bytes();
        assert!(Question::unverified(&forced).is_err(), "{changed:?}");
    }
}

#[test]
fn an_answer_says_what_was_asked_and_nothing_else() {
    let text = serde_json::to_vec(&answer()).expect("JSON");
    assert_eq!(Answer::parse(&text).expect("read"), answer());
    assert!(answer().answers(&question().pseudonyms));
    let other: [fn(&mut Answer); 3] = [
        |answer| answer.values.truncate(1),
        |answer| answer.values.swap(0, 1),
        |answer| answer.values[0].pseudonym = "10.1.2.4".to_owned(),
    ];
    for change in other {
        let mut changed = answer();
        change(&mut changed);
        assert!(!changed.answers(&question().pseudonyms), "{changed:?}");
    }
    let bad: [fn(&mut Answer); 5] = [
        |answer| answer.id = "17".to_owned(),
        |answer| answer.by.clear(),
        |answer| answer.values.clear(),
        |answer| answer.outcome = Outcome::Refused,
        |answer| answer.values = vec![answer.values[0].clone(); PSEUDONYMS_MAX + 1],
    ];
    for change in bad {
        let mut changed = answer();
        change(&mut changed);
        let text = serde_json::to_vec(&changed).expect("JSON");
        assert!(Answer::parse(&text).is_err(), "{changed:?}");
    }
    assert!(Answer::parse(&vec![b' '; ANSWER_BYTES_MAX + 1]).is_err());
    // What it stood for is in no log by accident.
    assert!(!format!("{:?} {:?}", answer(), answer().values).contains("2001:db8::7"));
}
