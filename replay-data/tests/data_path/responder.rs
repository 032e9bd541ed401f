//! The second half of the walk: the real alerting service takes the alert in, writes the mail, and hears back.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use alerting::{config::Config, service};
use alerting_incident::DedupKey;
use detect_alert::Alert;
use ingest_bus::{Bus, Cleanup, Record, Topic, TopicSpec};
use ingest_event::Timestamp;
use replay_data::{Case, Expected};
use serde_json::{Value as Json, json as object};
use tokio_util::sync::CancellationToken;

use crate::{
    document::{Document, json, root, table},
    now,
};

/// Where the service is said to be reached, so that the link is the same on every machine.
const PUBLIC_URL: &str = "https://varde.cert.example";

const APPLY: [&str; 3] = [
    "apply: the alert opens an incident",
    "alerting/incident/src/apply.rs",
    "Alerts with the same rule or indicator, organisation and entity are one incident. \
     The others of the case join it in silence: nobody is told twice. \
     It is shown as it is after the mail has left, so its state is `notified` already. \
     `alerting/src/intake.rs` writes alert, incident, route, notifications and the place in `varde.alerts` in one transaction.",
];

const ROUTE: [&str; 3] = [
    "route: who answers for it",
    "alerting/incident/src/route.rs",
    "The organisation of the alert is the border: nobody outside hears of it. \
     Within it the most specific statement wins, and those whose minimum severity is reached are told. \
     Every step is kept with the incident and shown in the console.",
];

const DECIDE: [&str; 3] = [
    "decide: a notification is due",
    "alerting/incident/src/decide.rs",
    "One for each channel of each responder, with its reason. \
     Its id is derived from incident, responder, channel and reason, so that deciding twice makes one. \
     It lies in the outbox in the same transaction as the incident; in the API its address is masked.",
];

const DELIVER: [&str; 3] = [
    "deliver: the mail",
    "alerting/src/outbox.rs",
    "`alerting/src/notice.rs` writes it in the responder's language and names this one incident only. \
     The link holds a token that only this service can make; it is good for 30 days. \
     What the mail server refuses for now is tried again, and what it refuses for good is shown as failed.",
];

const ANSWER: [&str; 3] = [
    "answer: what the responder says comes back",
    "alerting/src/api/responder.rs",
    "Opening the link says seen, two buttons say the rest. \
     Each answer is one change of the incident, in `alerting/incident/src/seen.rs`, `acknowledge.rs` and `judge.rs`. \
     The state only moves forward, the verdict may be changed, and the analyst's screen hears of it at once.",
];

/// From the alert on the bus to the answer on the incident.
pub(crate) async fn follow(document: &mut Document, bus: &Bus, case: &Case, alert: &Alert, folder: &Path) {
    let service = Service::start(bus, folder).await;
    publish(bus, alert).await;
    let mail = service.mail().await;
    let list = service.get("/api/v1/incidents").await;
    let id = list["incidents"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/incidents/{id}");
    let opened = service.get(&path).await;

    document.hop(APPLY, &[table(&key(case, alert)), json(&some(&opened, &OPENED))]);
    document.hop(ROUTE, &[steps(&opened["route"])]);
    document.hop(DECIDE, &[json(&some(&opened["notifications"][0], &DECIDED))]);
    let text = mail["text"].as_str().expect("a text");
    let mail_text = format!(
        "To: {}\nSubject: {}\n\n{}",
        string(&mail["to"]),
        string(&mail["subject"]),
        text.trim_end()
    );
    document.hop(DELIVER, &[format!("```text\n{mail_text}\n```\n")]);

    let link = string(&mail["link"]);
    let token = link.rsplit('/').next().expect("a token");
    for (minutes, verb, body) in [
        (4, "seen", object!({})),
        (5, "acknowledge", object!({ "note": "Vi ser på maskinen nå." })),
        (
            50,
            "verdict",
            object!({ "verdict": "true_positive", "note": "Programmet er fjernet." }),
        ),
    ] {
        service.set(now().saturating_add(Duration::from_secs(minutes * 60)));
        service
            .post(&format!("/api/v1/responder/{token}/{verb}"), &body)
            .await;
    }
    let answered = service.get(&path).await;
    document.hop(
        ANSWER,
        &[timeline(&answered["timeline"]), json(&some(&answered, &ANSWERED))],
    );
    service.stop().await;
}

const OPENED: [&str; 13] = [
    "id",
    "title",
    "severity",
    "confidence",
    "state",
    "verdict",
    "priority",
    "organization",
    "entity",
    "count",
    "first_seen",
    "opened_at",
    "version",
];
const DECIDED: [&str; 6] = [
    "id",
    "responder",
    "channel",
    "address_masked",
    "reason",
    "created_at",
];
const ANSWERED: [&str; 5] = ["state", "verdict", "priority", "updated_at", "version"];

fn some(value: &Json, names: &[&str]) -> Json {
    let kept = names
        .iter()
        .map(|name| ((*name).to_owned(), value[*name].clone()));
    Json::Object(kept.collect())
}

fn string(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn key(case: &Case, alert: &Alert) -> Vec<(String, String)> {
    let joins = |expected: &&Expected| {
        expected.rule == alert.producer.id.0 && expected.entity.as_deref() == Some(&alert.entity.value)
    };
    let expected = case.expect.iter().find(joins).expect("the case expects it");
    let key = DedupKey::of(alert);
    [
        ("grouped by", key.producer),
        ("organisation", key.organization.to_string()),
        ("entity", format!("{} {}", key.entity.field, key.entity.value)),
        ("exercise", key.exercise.to_string()),
        (
            "alerts of the whole case that join it",
            expected.count.to_string(),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn steps(route: &Json) -> String {
    let mut text = "| step | result | because |\n|---|---|---|\n".to_owned();
    for step in route.as_array().into_iter().flatten() {
        let [kind, result, detail] = ["step", "result", "detail"].map(|name| string(&step[name]));
        let _ = writeln!(text, "| {kind} | {result} | {detail} |");
    }
    text
}

fn timeline(lines: &Json) -> String {
    let mut rows: Vec<_> = lines.as_array().into_iter().flatten().collect();
    rows.sort_by_key(|line| string(&line["at"]));
    let mut text = "| at | what | who | in their words |\n|---|---|---|---|\n".to_owned();
    for line in rows {
        let [at, kind, actor, said] = ["at", "kind", "actor", "text"].map(|name| string(&line[name]));
        let _ = writeln!(text, "| {at} | {kind} | {actor} | {said} |");
    }
    text
}

async fn publish(bus: &Bus, alert: &Alert) {
    let topic = Topic::parse(detect_alert::topic::ALERTS).expect("a name");
    let record = Record::new(detect_alert::encode(alert)).with_key(alert.organization.as_str());
    let producer = bus.producer().expect("a producer");
    producer.publish(&topic, vec![record]).await.expect("published");
}

struct Service {
    address: SocketAddr,
    client: reqwest::Client,
    time: Arc<AtomicI64>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Service {
    async fn start(bus: &Bus, folder: &Path) -> Self {
        let config = configure(folder);
        let topic = Topic::parse(detect_alert::topic::ALERTS).expect("a name");
        let spec = TopicSpec {
            topic,
            partitions: 1,
            cleanup: Cleanup::Delete {
                retention: Duration::from_hours(24),
            },
            max_record_bytes: 1 << 20,
        };
        bus.ensure_topics(&[spec]).await.expect("a topic");
        let time = Arc::new(AtomicI64::new(now().as_nanos()));
        let told = Arc::clone(&time);
        let clock = alerting::clock::steered(move || Timestamp::from_nanos(told.load(Ordering::Relaxed)));
        let stop = CancellationToken::new();
        let (started, address) = tokio::sync::oneshot::channel();
        let run = service::run(config, bus.clone(), clock, stop.clone(), move |running| {
            let _ = started.send(running.address);
        });
        let running = tokio::spawn(run);
        Self {
            address: address.await.expect("started"),
            client: reqwest::Client::new(),
            time,
            stop,
            running,
        }
    }

    fn set(&self, time: Timestamp) {
        self.time.store(time.as_nanos(), Ordering::Relaxed);
    }

    /// Waits until the mail has left and the incident knows of it.
    async fn mail(&self) -> Json {
        for _ in 0..600 {
            let list = self.get("/api/v1/incidents").await;
            let mails = self.get("/api/v1/demo/mailbox").await;
            if list["incidents"][0]["state"] == "notified" && !mails[0].is_null() {
                return mails[0].clone();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no mail left within half a minute")
    }

    async fn get(&self, path: &str) -> Json {
        let request = self.client.get(format!("http://{}{path}", self.address));
        request
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("JSON")
    }

    async fn post(&self, path: &str, body: &Json) {
        let request = self.client.post(format!("http://{}{path}", self.address));
        let answer = request
            .header("x-requested-with", "varde")
            .json(body)
            .send()
            .await;
        let answer = answer.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.expect("no panic").expect("a clean end");
    }
}

/// The bundled registry, a mail folder, and a key of the links that is the same each time.
fn configure(folder: &Path) -> Config {
    let data = folder.join("alerting");
    std::fs::create_dir_all(&data).expect("a folder");
    std::fs::write(data.join("link.key"), [7; 32]).expect("written");
    let routing = root().join("rulesets/routing");
    let text = format!(
        "bus: {{ embedded: {{ directory: {bus} }} }}\ndata: {data}\nlisten: 127.0.0.1:0\npublic_url: {PUBLIC_URL}\n\
         registry: {{ municipalities: {routing}/municipalities.csv, responders: {routing}/responders.example.yml }}\n\
         mail: {{ from: 'Varde <varde@cert.example>', transport: {{ directory: {{ path: {mail} }} }} }}\n\
         cert: {{ name: Eksempel-CERT, phone: '+47 22 00 00 00', email: vakt@cert.example }}\ndemo: true\n",
        bus = folder.join("bus").display(),
        data = data.display(),
        mail = folder.join("mail").display(),
        routing = routing.display(),
    );
    let path = folder.join("alerting.yml");
    std::fs::write(&path, text).expect("written");
    Config::read(&path).expect("a configuration")
}
