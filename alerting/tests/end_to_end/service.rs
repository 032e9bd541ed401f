//! A service, its bus and a real SMTP listener, all in one folder and on free ports.

use std::{
    io::BufRead,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use alerting::{
    clock::{self, Clock},
    config::Config,
    service,
};
use detect_alert::{
    Alert, AlertId, Confidence, Entity, EventSample, Evidence, Producer, ProducerKind, RuleId,
    RulesetVersion, Severity, Tlp,
};
use ingest_bus::{Bus, Cleanup, Record, Topic, TopicSpec};
use ingest_event::{EventId, Fields, Marking, OrganizationNumber, SensorId, Timestamp, Zone};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// A mail that the listener took.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) message_id: String,
    /// Where it comes back to.
    pub(crate) from: String,
    /// The files that came with it, by name.
    pub(crate) files: std::collections::BTreeMap<String, String>,
    /// As it came over the wire.
    pub(crate) raw: String,
}

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    bus: Bus,
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<anyhow::Result<()>>,
    mails: watch::Receiver<Vec<Mail>>,
    listener: Option<Listener>,
    folder: tempfile::TempDir,
}

/// A process that ends with the test.
pub(crate) struct Listener(Child);

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes alerts of one organisation.
pub(crate) struct Alerts {
    alert: Alert,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (listener, port, mails) = smtp();
        let config = configure(folder.path(), port);
        let bus = Bus::open(&config.bus.clone().named("test")).await.expect("a bus");
        ensure_topic(&bus).await;
        Self::start_with(clock::machine(), folder, config, bus, Some((listener, mails))).await
    }

    /// With a clock that the test moves, and the configuration that `configured` makes of the harness's.
    pub(crate) async fn steered(clock: Clock, configured: impl FnOnce(&Path) -> Config) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (listener, port, mails) = smtp();
        configure(folder.path(), port);
        let config = configured(folder.path());
        let bus = Bus::open(&config.bus.clone().named("test")).await.expect("a bus");
        ensure_topic(&bus).await;
        Self::start_with(clock, folder, config, bus, Some((listener, mails))).await
    }

    /// On what another service left behind; mail goes where `config` says.
    pub(crate) async fn start_in(folder: tempfile::TempDir, config: Config, bus: Bus) -> Self {
        Self::start_with(clock::machine(), folder, config, bus, None).await
    }

    async fn start_with(
        clock: Clock,
        folder: tempfile::TempDir,
        config: Config,
        bus: Bus,
        own: Option<(Listener, watch::Receiver<Vec<Mail>>)>,
    ) -> Self {
        let (listener, mails) = own.map_or_else(
            || (None, watch::channel(vec![]).1),
            |(one, mails)| (Some(one), mails),
        );
        let shutdown = CancellationToken::new();
        let (started, address) = tokio::sync::oneshot::channel();
        let run = service::run(config, bus.clone(), clock, shutdown.clone(), move |running| {
            let _ = started.send(running.address);
        });
        let running = tokio::spawn(run);
        let address = address.await.expect("started");
        Self {
            address,
            bus,
            shutdown,
            running,
            mails,
            listener,
            folder,
        }
    }

    pub(crate) async fn publish(&self, alerts: &[Alert]) {
        publish(&self.bus, alerts).await;
    }

    /// Publishes a record as it is, where an organisation's alerts go.
    pub(crate) async fn publish_bytes(&self, organization: &str, value: &[u8]) {
        let topic = Topic::parse(detect_alert::topic::ALERTS).expect("a name");
        let record = Record::new(value.to_vec()).with_key(organization);
        let producer = self.bus.producer().expect("a producer");
        producer.publish(&topic, vec![record]).await.expect("published");
    }

    /// Changes the store behind the service's back.
    pub(crate) async fn by_hand(&self, text: &'static str) {
        crate::stores::by_hand(&self.folder.path().join("data"), text).await;
    }

    /// Waits until that many mails came.
    pub(crate) async fn mails(&self, count: usize) -> Vec<Mail> {
        self.mails
            .clone()
            .wait_for(|mails| count <= mails.len())
            .await
            .expect("the listener runs")
            .clone()
    }

    /// Waits for a mail to an address.
    pub(crate) async fn mail_to(&self, address: &str) -> Mail {
        let is_to = |mail: &&Mail| mail.to == address;
        let mut mails = self.mails.clone();
        let came = mails
            .wait_for(|mails| mails.iter().any(|mail| is_to(&mail)))
            .await;
        let came = came.expect("the listener runs");
        came.iter().find(is_to).expect("it came").clone()
    }

    /// Waits for a mail with a text.
    pub(crate) async fn mail_with(&self, text: &str) -> Mail {
        let has = |mail: &&Mail| mail.text.contains(text);
        let mut mails = self.mails.clone();
        let came = mails.wait_for(|mails| mails.iter().any(|mail| has(&mail))).await;
        let came = came.expect("the listener runs");
        came.iter().find(has).expect("it came").clone()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        read(&http(self.address, "GET", path, &[], "").await)
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let headers = ["x-requested-with: varde", "content-type: application/json"];
        read(&http(self.address, "POST", path, &headers, &body.to_string()).await)
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        read(&http(self.address, "DELETE", path, &["x-requested-with: varde"], "").await)
    }

    /// An answer's text.
    pub(crate) async fn text(&self, path: &str) -> String {
        http(self.address, "GET", path, &[], "").await
    }

    /// Stops, and keeps everything for [`Stopped::again`].
    pub(crate) async fn stopped(self) -> Stopped {
        self.shutdown.cancel();
        self.running.await.expect("no panic").expect("a clean end");
        Stopped {
            folder: self.folder,
            bus: self.bus,
            own: self.listener.map(|listener| (listener, self.mails)),
        }
    }

    pub(crate) async fn restart(self, clock: Clock) -> Self {
        self.stopped().await.again(clock).await
    }

    /// The folder with its configuration.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Opens the stream of changes, as who shows this header; it is open when this is back.
    pub(crate) async fn stream(&self, header: &str) -> Listening {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        let head = format!(
            "GET /api/v1/stream HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{header}\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut listening = Listening {
            stream,
            seen: String::new(),
        };
        listening.until("\r\n\r\n").await;
        listening
    }

    /// Gives back the folder with what the service leaves behind.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        self.shutdown.cancel();
        self.running.await.expect("no panic").expect("a clean end");
        self.folder
    }
}

/// A service that was stopped, with its mails.
pub(crate) struct Stopped {
    folder: tempfile::TempDir,
    bus: Bus,
    own: Option<(Listener, watch::Receiver<Vec<Mail>>)>,
}

impl Stopped {
    /// What it left behind.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn again(self, clock: Clock) -> Service {
        let config = Config::read(&self.folder.path().join("alerting.yml")).expect("a configuration");
        Service::start_with(clock, self.folder, config, self.bus, self.own).await
    }
}

/// An open stream of changes.
pub(crate) struct Listening {
    stream: TcpStream,
    seen: String,
}

impl Listening {
    /// Listens until a text comes; all that came.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        while !self.seen.contains(text) {
            assert!(self.more().await, "ended before {text}: {}", self.seen);
        }
        self.seen.clone()
    }

    /// Listens to the end.
    pub(crate) async fn rest(mut self) -> String {
        while self.more().await {}
        self.seen
    }

    async fn more(&mut self) -> bool {
        let mut part = [0; 4096];
        let length = self.stream.read(&mut part).await.expect("readable");
        self.seen.push_str(&String::from_utf8_lossy(&part[..length]));
        0 < length
    }
}

impl Mail {
    pub(crate) fn token(&self) -> String {
        let start = self.text.find("/r/").expect("a link") + 3;
        self.text[start..]
            .split_whitespace()
            .next()
            .expect("a token")
            .to_owned()
    }

    pub(crate) fn raw_text(&self) -> String {
        format!("{}\n{}\n{}\n{}", self.to, self.subject, self.text, self.html)
    }
}

impl Alerts {
    pub(crate) fn new(organization: &str) -> Self {
        let organization = OrganizationNumber::parse(organization).expect("valid");
        let texts = |text: &str| [("nb".to_owned(), text.to_owned())].into();
        let alert = Alert {
            id: AlertId::parse("0").expect("hexadecimal"),
            timestamp: Timestamp::EPOCH,
            organization,
            sensor: SensorId::parse("s-1").expect("valid"),
            zone: Zone::Administration,
            marking: Marking::Unmarked,
            exercise: false,
            severity: Severity::High,
            confidence: Confidence::Medium,
            tlp: Tlp::Amber,
            pap: detect_alert::Pap::Green,
            producer: Producer {
                kind: ProducerKind::Sigma,
                id: RuleId("rule-1".to_owned()),
                name: "Port scan".to_owned(),
                version: "0011223344556677".to_owned(),
                ruleset: RulesetVersion("8899aabbccddeeff".to_owned()),
                authors: vec!["Varde".to_owned()],
                license: None,
                description: "d".to_owned(),
                references: vec![],
                tags: vec![],
                false_positives: vec!["En sårbarhetsskanner som dere selv kjører".to_owned()],
                incident: None,
                summary: texts("Portskanning"),
                first_step: texts("Koble maskinen fra nettet."),
            },
            indicator: None,
            entity: Entity {
                field: "source.ip".to_owned(),
                value: "10.1.2.3".to_owned(),
            },
            evidence: vec![],
            window: None,
            events: vec![],
        };
        Self { alert }
    }

    pub(crate) fn summary(mut self, text: &str) -> Self {
        self.alert
            .producer
            .summary
            .insert("nb".to_owned(), text.to_owned());
        self
    }

    pub(crate) fn entity(mut self, value: &str) -> Self {
        self.alert.entity.value = value.to_owned();
        self
    }

    pub(crate) fn rule(mut self, id: &str) -> Self {
        self.alert.producer.id = RuleId(id.to_owned());
        self
    }

    pub(crate) fn tags(mut self, tags: &[&str]) -> Self {
        self.alert.producer.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self
    }

    pub(crate) fn severity(mut self, severity: Severity) -> Self {
        self.alert.severity = severity;
        self
    }

    pub(crate) fn exercise(mut self) -> Self {
        self.alert.exercise = true;
        self
    }

    /// The alert with a number: the same number, the same alert.
    pub(crate) fn make(mut self, number: u32) -> Alert {
        let event = EventId::derive(&[&number.to_le_bytes()]);
        let alert = &mut self.alert;
        alert.timestamp = Timestamp::from_millis(1_772_438_400_000 + i64::from(number) * 1_000);
        alert.id = AlertId::derive(
            &alert.producer.id,
            alert.organization,
            &[event.as_str(), &alert.entity.value],
        );
        let mut fields = Fields::new();
        fields.set("source.ip", alert.entity.value.as_str());
        alert.evidence = vec![Evidence {
            event: event.clone(),
            field: "source.ip".to_owned(),
            value: alert.entity.value.clone(),
            matched: "is it".to_owned(),
        }];
        alert.events = vec![EventSample {
            id: event,
            timestamp: alert.timestamp,
            dataset: "flow".to_owned(),
            fields,
        }];
        self.alert
    }
}

pub(crate) async fn ensure_topic(bus: &Bus) {
    let topic = Topic::parse(detect_alert::topic::ALERTS).expect("a name");
    let cleanup = Cleanup::Delete {
        retention: std::time::Duration::from_hours(24),
    };
    let spec = TopicSpec {
        topic,
        partitions: 2,
        cleanup,
        max_record_bytes: 1_000_000,
    };
    bus.ensure_topics(&[spec]).await.expect("a topic");
}

pub(crate) async fn publish(bus: &Bus, alerts: &[Alert]) {
    let topic = Topic::parse(detect_alert::topic::ALERTS).expect("a name");
    let records = alerts
        .iter()
        .map(|alert| Record::new(detect_alert::encode(alert)).with_key(alert.organization.as_str()))
        .collect();
    bus.producer()
        .expect("a producer")
        .publish(&topic, records)
        .await
        .expect("published");
}

/// Writes a configuration and its registry into a folder.
pub(crate) fn configure(folder: &Path, smtp_port: u16) -> Config {
    let responders = "organizations:\n\
        - { number: '964965226', responders: [{ name: Vakta i Stavanger, email: vakt@stavanger.example }] }\n\
        - { number: '964338531', responders: [{ name: Vakta i Bergen, email: vakt@bergen.example, language: nn }] }\n";
    std::fs::write(folder.join("responders.yml"), responders).expect("written");
    let municipalities = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../rulesets/routing/municipalities.csv")
        .canonicalize()
        .expect("there");
    let text = format!(
        "bus: {{ embedded: {{ directory: {bus} }} }}\ndata: {data}\nlisten: 127.0.0.1:0\n\
         registry: {{ municipalities: {municipalities}, responders: {responders} }}\n\
         mail: {{ from: 'Varde <varde@cert.example>', transport: {{ smtp: {{ host: 127.0.0.1, port: {smtp_port}, tls: none }} }} }}\n\
         cert: {{ name: KommuneCERT, phone: '+47 22 00 00 00', email: duty@cert.example }}\n\
         retry: {{ base_ms: 20, ceiling_ms: 200, attempts: 100, lease_secs: 3 }}\n\
         grouping: {{ wait_seconds: {{}} }}\n{store}",
        bus = folder.join("bus").display(),
        data = folder.join("data").display(),
        municipalities = municipalities.display(),
        responders = folder.join("responders.yml").display(),
        store = crate::stores::settings(folder),
    );
    std::fs::write(folder.join("alerting.yml"), text).expect("written");
    Config::read(&folder.join("alerting.yml")).expect("a configuration")
}

/// A real SMTP listener; what it takes shows up in the channel.
pub(crate) fn smtp() -> (Listener, u16, watch::Receiver<Vec<Mail>>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smtp.py");
    let mut child = Command::new("/usr/bin/python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 with aiosmtpd: scripts/provision test installs it");
    let mut lines = std::io::BufReader::new(child.stdout.take().expect("piped")).lines();
    let first = lines
        .next()
        .expect("python3 needs aiosmtpd: scripts/provision test")
        .expect("readable");
    let (sender, receiver) = watch::channel(Vec::new());
    std::thread::spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            let mail = decode(&line);
            sender.send_modify(|mails| mails.push(mail));
        }
    });
    (Listener(child), first.parse().expect("a port"), receiver)
}

/// Reads what the listener's own mail library made of it.
fn decode(line: &str) -> Mail {
    let json: Value = serde_json::from_str(line).expect("JSON");
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    Mail {
        to: text("to"),
        subject: text("subject"),
        text: text("text"),
        html: text("html"),
        message_id: text("message_id"),
        raw: text("raw"),
        from: text("from"),
        files: serde_json::from_value(json["files"].clone()).unwrap_or_default(),
    }
}

/// One request over a connection of its own; the answer as it came.
pub(crate) async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    stream
        .write_all(format!("{head}\r\n{body}").as_bytes())
        .await
        .expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("read");
    String::from_utf8(answer).expect("UTF-8")
}

fn read(answer: &str) -> (u16, Value) {
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .expect("a status");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}
