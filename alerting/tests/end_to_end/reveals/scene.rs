//! A service in which people log in and sites are asked, and everybody who has a part in it.

use std::{path::Path, process::Command, time::Duration};

use alerting::{clock::Clock, config::Config};
use detect_alert::Alert;
use ingest_bus::{Bus, Cleanup, Producer, Record, Topic, TopicSpec};
use ingest_event::Timestamp;
use ingest_trust::{
    reveal::{Answer, Answered, Outcome, QUESTIONS, Revealed},
    signing::VerifyingKey,
};
use serde_json::{Value, json};

use crate::{
    BERGEN, STAVANGER,
    access::{CERT, ask, log_in, person},
    service::{Alerts, Service},
};

/// Between two looks, and how many there are at most: a minute, as elsewhere.
pub(super) const LOOK: Duration = Duration::from_millis(20);
pub(super) const LOOKS: usize = 3_000;

/// Looks until something is there.
macro_rules! until {
    ($look:expr) => {{
        let mut found = None;
        for _ in 0..crate::reveals::scene::LOOKS {
            found = $look;
            if found.is_some() {
                break;
            }
            tokio::time::sleep(crate::reveals::scene::LOOK).await;
        }
        found.expect("it comes")
    }};
}
pub(super) use until;

pub(super) const KEY: &str = "0001-abcdef01";
pub(super) const FOUR: &str = "10.187.3.92";
pub(super) const SIX: &str = "fd5c:9a71::c3:7";
pub(super) const CLEAR: [&str; 2] = ["10.20.0.7", "fd00:20::7"];
pub(super) const REASON: &str = "maskinen ringer en kjent styringsserver";

/// A service that asks sites, and everybody who has a part in it.
pub(super) struct Scene {
    pub(super) service: Service,
    pub(super) bus: Bus,
    pub(super) producer: Producer,
    /// By name.
    pub(super) cookies: Vec<(&'static str, String)>,
    pub(super) incident: String,
}

pub(super) const PEOPLE: [(&str, &str); 6] = [
    ("kari", "analyst"),
    ("ola", "duty_officer"),
    ("per", "responder:964965226"),
    ("berit", "responder:964338531"),
    ("rita", "auditor"),
    ("ragnar", "rule_author"),
];

/// The configuration with logins and reveals.
pub(super) fn configured(folder: &Path) -> Config {
    let path = folder.join("alerting.yml");
    let text = std::fs::read_to_string(&path).expect("there");
    let more = format!(
        "access: {{ organization: '{CERT}', session_hours: 168, idle_minutes: 1440 }}\n\
         reveal: {{ key: {}, answer_hours: 24, keep_days: 2 }}\n",
        folder.join("reveal.key").display()
    );
    std::fs::write(&path, text + &more).expect("written");
    Config::read(&path).expect("a configuration")
}

/// An alert whose event was under pseudonym, about addresses of both families.
pub(super) fn alert(number: u32, more: &[String]) -> Alert {
    let mut alert = Alerts::new(STAVANGER).entity(FOUR).make(number);
    let fields = &mut alert.events[0].fields;
    fields.set("destination.ip", SIX);
    fields.set("user.name", "u-abcdefghijkl");
    fields.set("url.path", "/stille");
    fields.set("varde.pseudonym.key", KEY);
    let more = more.iter().map(|one| ingest_event::Value::from(one.as_str()));
    fields.set("related.ip", ingest_event::Value::List(more.collect()));
    alert
}

impl Scene {
    pub(super) async fn begin() -> Self {
        Self::at(alerting::clock::machine(), &[]).await
    }

    pub(super) async fn at(clock: Clock, more: &[String]) -> Self {
        let service = Service::steered(clock, configured).await;
        let config = Config::read(&service.path().join("alerting.yml")).expect("read");
        let bus = Bus::open(&config.bus.named("site")).await.expect("a bus");
        for organization in [STAVANGER, BERGEN] {
            let spec = TopicSpec {
                topic: answers(organization),
                partitions: 1,
                cleanup: Cleanup::Delete {
                    retention: Duration::from_hours(96),
                },
                max_record_bytes: 1 << 17,
            };
            bus.ensure_topics(&[spec]).await.expect("a topic");
        }
        let mut cookies = Vec::new();
        for (name, role) in PEOPLE {
            let mut given = person(&service, name, &[role], &[]);
            cookies.push((name, log_in(&service, &mut given).await));
        }
        service.publish(&[alert(1, more)]).await;
        service.mails(1).await;
        let mut scene = Self {
            producer: bus.producer().expect("a producer"),
            service,
            bus,
            cookies,
            incident: String::new(),
        };
        let list = scene
            .call("kari", "GET", "/api/v1/incidents", Value::Null)
            .await
            .1;
        scene.incident = list["incidents"][0]["id"].as_str().expect("an id").to_owned();
        scene
    }

    pub(super) fn cookie(&self, name: &str) -> &str {
        let found = self.cookies.iter().find(|(one, _)| *one == name);
        &found.expect("somebody").1
    }

    pub(super) async fn call(&self, name: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = ask(&self.service, method, path, &[self.cookie(name)], &body).await;
        (answer.status, answer.json())
    }

    pub(super) fn path(&self, rest: &str) -> String {
        format!("/api/v1/incidents/{}/reveals{rest}", self.incident)
    }

    pub(super) async fn get(&self, name: &str, rest: &str) -> (u16, Value) {
        self.call(name, "GET", &self.path(rest), Value::Null).await
    }

    pub(super) async fn post(&self, name: &str, rest: &str, body: Value) -> (u16, Value) {
        self.call(name, "POST", &self.path(rest), body).await
    }

    /// Kari asks for these; the request.
    pub(super) async fn asked(&self, pseudonyms: &[&str]) -> String {
        let body = json!({ "pseudonyms": pseudonyms, "reason": REASON });
        let (status, view) = self.post("kari", "", body).await;
        assert_eq!(status, 201, "{view}");
        view["id"].as_str().expect("an id").to_owned()
    }

    /// And Ola agrees.
    pub(super) async fn agreed(&self, pseudonyms: &[&str]) -> String {
        let id = self.asked(pseudonyms).await;
        let (status, view) = self.post("ola", &format!("/{id}/approve"), json!({})).await;
        assert_eq!((status, &view["state"]), (200, &json!("asked")), "{view}");
        id
    }

    /// Everything that is asked, as it lies on the bus.
    pub(super) async fn questions(&self) -> Vec<Vec<u8>> {
        questions(&self.bus).await
    }

    pub(super) async fn until_asked(&self, count: usize) -> Vec<Vec<u8>> {
        until!({
            let found = self.questions().await;
            (found.len() == count).then_some(found)
        })
    }

    /// Says on the bus what a sensor of an organisation answers.
    pub(super) async fn answer(&self, organization: &str, answer: Answer) {
        put_answer(&self.producer, organization, answer).await;
    }

    pub(super) async fn until_state(&self, id: &str, state: &str) -> Value {
        until!({
            let view = self.get("kari", &format!("/{id}")).await.1;
            (view["state"] == state).then_some(view)
        })
    }

    pub(super) async fn metric(&self, name: &str) -> String {
        let text = self.service.text("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .trim()
            .to_owned()
    }

    pub(super) async fn until_metric(&self, name: &str, value: &str) {
        until!((self.metric(name).await == value).then_some(()));
    }
}

pub(super) async fn questions(bus: &Bus) -> Vec<Vec<u8>> {
    let topic = Topic::parse("varde.reveals").expect("a name");
    let found = bus.latest(&topic, &[QUESTIONS.into()]).await;
    let found = found.unwrap_or_default();
    found.into_values().map(|record| record.value).collect()
}

pub(super) fn answers(organization: &str) -> Topic {
    Topic::parse(&format!("varde.revealed.{organization}")).expect("a name")
}

pub(super) async fn put_answer(producer: &Producer, organization: &str, answer: Answer) {
    let record = Record::new(
        serde_json::to_vec(&Answered {
            sensor: "s-1".to_owned(),
            answer,
        })
        .expect("JSON"),
    );
    let record = record.with_key("answer");
    producer
        .publish(&answers(organization), vec![record])
        .await
        .expect("durable");
}

pub(super) fn told(id: &str, pseudonyms: &[&str]) -> Answer {
    let values = pseudonyms.iter().zip(CLEAR).map(|(pseudonym, clear)| Revealed {
        pseudonym: (*pseudonym).to_owned(),
        stood_for: Some(clear.to_owned()),
    });
    Answer {
        id: id.to_owned(),
        outcome: Outcome::Revealed,
        by: "Pål på rådhuset".to_owned(),
        reason: "vi kjenner til den".to_owned(),
        at: Timestamp::from_millis(1_772_438_500_000),
        values: values.collect(),
        digest: "ab".repeat(32),
    }
}

pub(super) fn steps(view: &Value) -> Vec<(&str, &str)> {
    let log = view["log"].as_array().expect("a log");
    log.iter()
        .map(|line| {
            (
                line["step"].as_str().expect("text"),
                line["who"].as_str().expect("text"),
            )
        })
        .collect()
}

/// What `varde-alerting reveal-key` prints, which goes into a bundle.
pub(super) fn public_key(folder: &Path) -> VerifyingKey {
    let output = Command::new(env!("CARGO_BIN_EXE_varde-alerting"))
        .args(["reveal-key", "--config"])
        .arg(folder.join("alerting.yml"))
        .output()
        .expect("run");
    assert!(output.status.success(), "{output:?}");
    VerifyingKey::parse(&String::from_utf8(output.stdout).expect("UTF-8")).expect("a key")
}
