//! What sensors are asked of their pseudonyms, and what they answer: each its own organisation's, and only what was asked.

use std::time::Duration;

use ingest_bus::Record;
use ingest_event::Timestamp;
use ingest_gateway::topics;
use ingest_trust::reveal::{
    ANSWER_BYTES_MAX, Answer, Answered, FORMAT, OPEN_MAX, Outcome, Question, Revealed,
};
use ingest_trust::signing::{Envelope, SigningKey};
use reqwest::Client;

use crate::station::{Gateway, Station, now, organization, said};

const OURS: &str = "964965226";
const THEIRS: &str = "958935420";

fn question(nth: u32, number: &str, until: Timestamp) -> Question {
    Question {
        format: FORMAT,
        id: format!("{nth:032x}"),
        organization: organization(number),
        key: "0001-aaaaaaaa".to_owned(),
        incident: "17".to_owned(),
        asked_by: "Kari".to_owned(),
        approved_by: "Ola".to_owned(),
        reason: "it calls a server of thieves".to_owned(),
        pseudonyms: vec!["10.1.2.3".to_owned(), "fd12::7".to_owned()],
        asked: Timestamp::from_millis(i64::from(nth)),
        until,
    }
}

fn answer(nth: u32, pseudonyms: &[&str]) -> Answer {
    let values = pseudonyms.iter().map(|pseudonym| Revealed {
        pseudonym: (*pseudonym).to_owned(),
        stood_for: Some("2001:db8::7".to_owned()),
    });
    Answer {
        id: format!("{nth:032x}"),
        outcome: Outcome::Revealed,
        by: "Per".to_owned(),
        reason: "we know of it".to_owned(),
        at: now(),
        values: values.collect(),
        digest: "0".repeat(64),
    }
}

/// Puts questions on the bus, as alerting does.
async fn put(station: &Station, key: &SigningKey, questions: &[Question]) {
    let spec = topics::reveals().expect("a topic");
    station
        .bus
        .ensure_topics(std::slice::from_ref(&spec))
        .await
        .expect("made");
    let record =
        |one: &Question| Record::new(one.seal(key).expect("sealed").to_bytes()).with_key(one.place());
    let records = questions.iter().map(record).collect();
    station
        .producer
        .publish(&spec.topic, records)
        .await
        .expect("durable");
}

async fn asked(client: &Client, gateway: &Gateway) -> Vec<Envelope> {
    let url = format!("{}/v1/reveals", gateway.url());
    let answered = client.get(url).send().await.expect("answers");
    assert_eq!(answered.status(), 200);
    answered.json().await.expect("a list")
}

async fn answered(client: &Client, gateway: &Gateway, body: impl Into<reqwest::Body>) -> (u16, String) {
    let url = format!("{}/v1/reveals", gateway.url());
    said(client.post(url).body(body).send().await.expect("answers")).await
}

#[tokio::test]
async fn a_sensor_is_shown_its_organisations_questions_and_answers_those_alone() {
    let station = Station::new().await;
    let (mine, theirs) = (
        station.sensor(OURS, "s1").await,
        station.sensor(THEIRS, "s2").await,
    );
    let key = SigningKey::generate().expect("a key");
    let (later, before) = (now().saturating_add(Duration::from_secs(3_600)), now());
    let questions = [
        question(1, OURS, later),
        question(2, THEIRS, later),
        question(3, OURS, before),
    ];
    put(&station, &key, &questions).await;
    // Of somebody else who may write there: one under another's key, and one that is none.
    let moved = question(4, THEIRS, later).seal(&key).expect("sealed").to_bytes();
    let strange = vec![
        Record::new(moved).with_key(question(4, OURS, later).place()),
        Record::new("no question").with_key(question(5, OURS, later).place()),
    ];
    let topic = topics::reveals().expect("a topic").topic;
    station.producer.publish(&topic, strange).await.expect("durable");
    let gateway = station.gateway("[::1]:0");
    gateway
        .until("ingest_gateway_unreadable_total{of=\"reveal\"}", 2)
        .await;
    let [ours, foreign] = [&mine, &theirs].map(|sensor| sensor.enrolled(&station.authority));

    let keys = [key.verifying().expect("a key")];
    for (client, expected) in [(&ours, &questions[0]), (&foreign, &questions[1])] {
        let shown = asked(client, &gateway).await;
        let shown: Vec<Question> = shown
            .iter()
            .map(|envelope| Question::open(&envelope.to_bytes(), &keys).expect("as it was signed"))
            .collect();
        assert_eq!(shown, std::slice::from_ref(expected));
    }
    let stranger = crate::station::believing(&station.authority)
        .build()
        .expect("a client");
    let none = stranger.get(format!("{}/v1/reveals", gateway.url())).send().await;
    assert_eq!(
        said(none.expect("answers")).await,
        (403, "certificate".to_owned())
    );

    let both = ["10.1.2.3", "fd12::7"];
    let json = |answer: Answer| serde_json::to_vec(&answer).expect("JSON");
    let forbidden = (403, "forbidden".to_owned());
    for (client, body) in [
        (&foreign, json(answer(1, &both))),
        (&ours, json(answer(2, &both))),
        (&ours, json(answer(3, &both))),
        (&ours, json(answer(9, &both))),
        (&ours, json(answer(1, &["10.1.2.3"]))),
        (&ours, json(answer(1, &["10.1.2.4", "fd12::7"]))),
    ] {
        assert_eq!(answered(client, &gateway, body).await, forbidden);
    }
    for body in [b"{}".to_vec(), b"no".to_vec(), vec![b' '; ANSWER_BYTES_MAX + 1]] {
        assert_eq!(answered(&ours, &gateway, body).await, (400, "body".to_owned()));
    }
    assert_eq!(
        gateway
            .metric("ingest_gateway_refused_total{reason=\"forbidden\"}")
            .await,
        6
    );
    for organization in [OURS, THEIRS] {
        assert!(
            station
                .all(&format!("varde.revealed.{organization}"))
                .await
                .is_empty()
        );
    }
    assert_eq!(answered(&ours, &gateway, json(answer(1, &both))).await.0, 204);
    let records = station.all(&format!("varde.revealed.{OURS}")).await;
    let there: Vec<Answered> = records
        .iter()
        .map(|record| serde_json::from_slice(&record.value).expect("an answer"))
        .collect();
    assert_eq!(
        (there.len(), there[0].sensor.as_str(), there[0].answer.id.as_str()),
        (1, "s1", questions[0].id.as_str())
    );
    assert_eq!(
        gateway
            .metric("ingest_gateway_records_total{stream=\"reveals\"}")
            .await,
        1
    );

    // Taken back: it is shown no more, and no answer is taken.
    let gone = vec![Record::tombstone(questions[0].place())];
    station.producer.publish(&topic, gone).await.expect("durable");
    let ended = async {
        while !asked(&ours, &gateway).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended)
        .await
        .expect("it goes");
    assert_eq!(answered(&ours, &gateway, json(answer(1, &both))).await, forbidden);
}

#[tokio::test]
async fn of_a_flood_of_questions_a_sensor_is_shown_the_oldest() {
    let station = Station::new().await;
    let sensor = station.sensor(OURS, "s1").await;
    let key = SigningKey::generate().expect("a key");
    let later = now().saturating_add(Duration::from_secs(3_600));
    let many = u32::try_from(OPEN_MAX).expect("few") + 5;
    let questions: Vec<Question> = (0..many).map(|nth| question(nth, OURS, later)).collect();
    put(&station, &key, &questions).await;
    let gateway = station.gateway("127.0.0.1:0");
    gateway
        .until("ingest_gateway_unreadable_total{of=\"reveal\"}", 5)
        .await;
    let shown = asked(&sensor.enrolled(&station.authority), &gateway).await;
    assert_eq!(shown.len(), OPEN_MAX);
    let keys = [key.verifying().expect("a key")];
    let last = Question::open(&shown[OPEN_MAX - 1].to_bytes(), &keys).expect("believed");
    assert_eq!(last.id, questions[OPEN_MAX - 1].id);
}
