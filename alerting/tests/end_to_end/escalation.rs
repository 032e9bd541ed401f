//! Nobody answers: the next are told, once each, through restarts and clock steps; a silence is kept, and ends.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use alerting::{clock::Clock, config::Config};
use ingest_event::Timestamp;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    STAVANGER,
    service::{Alerts, Service},
};

crate::stores::on_both![
    who_does_not_answer_is_passed_over_until_somebody_does,
    a_restart_goes_on_where_it_was_and_a_step_of_the_clock_tells_nobody,
    where_nobody_can_be_reached_the_next_are_told_at_once,
    a_silence_is_kept_and_ends_and_covers_nobody_else,
];

/// When the alerts of the harness begin.
const START: i64 = 1_772_438_400_000;

/// A clock that a test moves.
#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicI64>);

impl Hand {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(START)))
    }

    pub(crate) fn clock(&self) -> Clock {
        let hand = self.clone();
        alerting::clock::steered(move || Timestamp::from_millis(hand.0.load(Ordering::Relaxed)))
    }

    pub(crate) fn forward(&self, minutes: i64) {
        self.0.fetch_add(minutes * 60_000, Ordering::Relaxed);
    }
}

const RESPONDERS: &str = "organizations:\n\
    - number: '964965226'\n  \
      responders:\n  \
      - { name: Vakta, email: first@stavanger.example }\n  \
      - { name: Leder, email: second@stavanger.example, turn: 1, role: management }\n";

const ESCALATION: &str = "escalation:\n  \
    answer_within_minutes: { high: 60, medium: 480 }\n  \
    beyond: [{ name: Direktor, email: beyond@cert.example }]\n";

/// Rewrites what the harness configured.
pub(crate) fn climbing(folder: &std::path::Path) -> Config {
    std::fs::write(folder.join("responders.yml"), RESPONDERS).expect("written");
    let file = folder.join("alerting.yml");
    let text = std::fs::read_to_string(&file).expect("readable") + ESCALATION;
    std::fs::write(&file, text).expect("written");
    Config::read(&file).expect("a configuration")
}

async fn told(service: &Service, count: usize) -> Vec<String> {
    service
        .mails(count)
        .await
        .into_iter()
        .map(|mail| mail.to)
        .collect()
}

async fn who_does_not_answer_is_passed_over_until_somebody_does() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), climbing).await;
    service.publish(&[Alerts::new(STAVANGER).make(1)]).await;
    assert_eq!(told(&service, 1).await, ["first@stavanger.example"]);
    let mut expected = vec!["first@stavanger.example"];
    for next in [
        "second@stavanger.example",
        "duty@cert.example",
        "beyond@cert.example",
        "beyond@cert.example",
    ] {
        // A day later even the last is reminded; before, an hour is enough.
        let is_last = expected.last() == Some(&"beyond@cert.example");
        hand.forward(if is_last { 24 * 60 } else { 60 });
        expected.push(next);
        assert_eq!(told(&service, expected.len()).await, expected);
    }
    let mails = service.mails(5).await;
    assert!(mails[1].text.contains("har svart i tide"), "{}", mails[1].text);
    let mut ids: Vec<_> = mails.iter().map(|mail| mail.message_id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5, "each is a mail of its own");

    // The director answers by their own link; nobody is told any more, whatever time passes.
    let path = format!("/api/v1/responder/{}/acknowledge", mails[3].token());
    assert_eq!(service.post(&path, json!({})).await.0, 200);
    hand.forward(10 * 24 * 60);
    service
        .publish(&[Alerts::new(STAVANGER).entity("2001:db8::2").make(2)])
        .await;
    assert_eq!(told(&service, 6).await[5], "first@stavanger.example");
    hand.forward(60);
    assert_eq!(told(&service, 7).await[6], "second@stavanger.example");
    let metrics = service.text("/metrics").await;
    for (to, count) in [("turn", 2), ("duty", 1), ("beyond", 1), ("reminder", 1)] {
        let line = format!("alerting_escalations_total{{to=\"{to}\"}} {count}");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    let list = service.get("/api/v1/incidents").await.1;
    let first = list["incidents"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|row| row["state"] == "acknowledged");
    let id = first.expect("the answered one")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let detail = service.get(&format!("/api/v1/incidents/{id}")).await.1;
    assert_eq!(
        detail["escalation"],
        json!({"told_up_to": "beyond", "next_at": null, "reminders": 1})
    );
    let kinds = detail["timeline"]
        .as_array()
        .expect("lines")
        .iter()
        .filter(|line| line["kind"] == "escalated");
    let texts: Vec<_> = kinds
        .map(|line| line["text"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(texts, ["Leder", "KommuneCERT", "Direktor", "Direktor"]);
}

async fn a_restart_goes_on_where_it_was_and_a_step_of_the_clock_tells_nobody() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), climbing).await;
    service.publish(&[Alerts::new(STAVANGER).make(1)]).await;
    told(&service, 1).await;
    let service = service.restart(hand.clock()).await;
    hand.forward(59);
    // Another incident shows that the ticker has looked at this time.
    service
        .publish(&[Alerts::new(STAVANGER).entity("10.9.9.9").make(2)])
        .await;
    assert_eq!(told(&service, 2).await, ["first@stavanger.example"; 2]);
    // It was away while the answer became due, for hours: one step, not all of them.
    let service = service.stopped().await;
    hand.forward(300);
    let service = service.again(hand.clock()).await;
    let mut mails = told(&service, 4).await;
    mails.sort();
    let (first, second) = ("first@stavanger.example", "second@stavanger.example");
    assert_eq!(mails, [first, first, second, second]);
    // The machine's clock goes back a year while it is away, and time goes on from there.
    let service = service.stopped().await;
    hand.forward(-365 * 24 * 60);
    let service = service.again(hand.clock()).await;
    hand.forward(60);
    let mails = told(&service, 6).await;
    assert_eq!(
        mails.iter().filter(|to| *to == "duty@cert.example").count(),
        2,
        "{mails:?}"
    );
}

async fn where_nobody_can_be_reached_the_next_are_told_at_once() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = receiver.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = receiver.accept().await {
            let _ = stream.read(&mut [0; 65_536]).await;
            let _ = stream
                .write_all(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await;
        }
    });
    let service = Service::steered(Hand::new().clock(), |folder| {
        let config = climbing(folder);
        std::fs::write(folder.join("hook.key"), "0123456789abcdef").expect("written");
        let hook = format!("webhook: {{ url: 'http://{address}/', key_file: hook.key }}");
        let responders = RESPONDERS.replace("email: first@stavanger.example", &hook);
        std::fs::write(folder.join("responders.yml"), responders).expect("written");
        config
    })
    .await;
    service.publish(&[Alerts::new(STAVANGER).make(1)]).await;
    // The duty officer is told that something was given up.
    let told = told(&service, 2).await;
    assert!(told.contains(&"second@stavanger.example".to_owned()), "{told:?}");
}

async fn a_silence_is_kept_and_ends_and_covers_nobody_else() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), climbing).await;
    for (body, status, named) in [
        (
            json!({"reason": "r", "until": "2026-03-02T08:00:10Z"}),
            422,
            "at least one",
        ),
        (
            json!({"organization": STAVANGER, "reason": " ", "until": "2026-03-02T08:00:10Z"}),
            422,
            "reason",
        ),
        (
            json!({"organization": STAVANGER, "reason": "r", "until": "2027-03-02T08:00:10Z"}),
            422,
            "31 days",
        ),
        (
            json!({"organization": STAVANGER, "reason": "r", "until": "2026-03-01T08:00:10Z"}),
            422,
            "after",
        ),
        (
            json!({"organization": STAVANGER, "reason": "r", "until": "soon"}),
            422,
            "until",
        ),
        (
            json!({"organization": "123456789", "reason": "r", "until": "soon"}),
            400,
            "organisation",
        ),
    ] {
        let (is, answer) = service.post("/api/v1/silences", body.clone()).await;
        assert_eq!(is, status, "{body}: {answer}");
        assert!(
            answer["detail"].as_str().unwrap_or_default().contains(named),
            "{body}: {answer}"
        );
    }
    let body =
        json!({"organization": STAVANGER, "reason": "Planlagt skanning", "until": "2026-03-02T08:00:10Z"});
    let (status, silence) = service.post("/api/v1/silences", body).await;
    assert_eq!(status, 201, "{silence}");
    // Two while it holds, of which one goes on after it; another organisation's; and a marker after the end.
    service
        .publish(&[
            Alerts::new(STAVANGER).make(1),
            Alerts::new(STAVANGER).entity("10.9.9.9").make(2),
            Alerts::new(crate::BERGEN).make(3),
        ])
        .await;
    assert_eq!(
        told(&service, 1).await,
        ["duty@cert.example"],
        "Bergen has nobody here, and is told of"
    );
    service.publish(&[Alerts::new(STAVANGER).make(11)]).await;
    assert_eq!(told(&service, 2).await[1], "first@stavanger.example");
    let list = service.get("/api/v1/incidents?organization=964965226").await.1;
    assert_eq!(list["total"], 2, "both are there to be seen: {list}");
    let quiet = list["incidents"]
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| row["entity"]["value"] == "10.9.9.9");
    let id = quiet.expect("the quiet one")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let detail = service.get(&format!("/api/v1/incidents/{id}")).await.1;
    assert_eq!(detail["silence"], silence["id"], "{detail}");
    assert!(
        detail["timeline"].to_string().contains("Planlagt skanning"),
        "{detail}"
    );
    assert_eq!(detail["notifications"], json!([]), "{detail}");

    let path = format!("/api/v1/silences/{}", silence["id"].as_str().expect("an id"));
    assert_eq!(
        service.get("/api/v1/silences").await.1["silences"][0]["id"],
        silence["id"]
    );
    assert_eq!(service.delete(&path).await.0, 200);
    assert_eq!(service.get("/api/v1/silences").await.1["silences"], json!([]));
    assert_eq!(service.delete("/api/v1/silences/x").await.0, 404);
}
