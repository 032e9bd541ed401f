//! A centre with its gateway, and sensors with their keys.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ingest_bus::KafkaConfig;
use ingest_bus::{Bus, BusConfig, PollLimit, Producer, Record, Subscription, Topic, uplink};
use ingest_event::{OrganizationNumber, SensorId, Timestamp};
use ingest_gateway::{clock, config, topics};
use ingest_trust::authority::SENSOR_VALIDITY;
use ingest_trust::registry::{Code, Entry, Known};
use ingest_trust::signing::SigningKey;
use ingest_trust::wire::Ask;
use ingest_trust::{Authority, EnrolmentCode, Request, SensorKey, Subject, signing};
use reqwest::{Certificate, Client, Identity, Response, StatusCode};
use serde_json::Value as Json;
use tempfile::TempDir;

/// How long a test waits for what has to come: the minute within which a revocation holds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A centre.
pub(crate) struct Station {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
    pub(crate) signing: SigningKey,
    pub(crate) bus: Bus,
    pub(crate) producer: Producer,
    config: BusConfig,
    is_shared: bool,
}

/// A running gateway; killed when it is dropped.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) address: SocketAddr,
    metrics: SocketAddr,
}

/// A sensor, with its files.
pub(crate) struct Sensor {
    pub(crate) subject: Subject,
    pub(crate) key: SensorKey,
    pub(crate) folder: TempDir,
}

pub(crate) fn now() -> Timestamp {
    clock::machine()()
}

pub(crate) fn organization(number: &str) -> OrganizationNumber {
    OrganizationNumber::parse(number).expect("valid")
}

pub(crate) fn subject(number: &str, sensor: &str) -> Subject {
    Subject {
        organization: organization(number),
        sensor: SensorId::parse(sensor).expect("valid"),
    }
}

impl Station {
    /// Over the embedded bus.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = BusConfig::Embedded {
            directory: folder.path().join("bus"),
        };
        Self::over(folder, config, false).await
    }

    /// Over the broker that `VARDE_TEST_KAFKA` names, or nowhere.
    pub(crate) async fn on_kafka() -> Option<Self> {
        let Ok(bootstrap) = std::env::var("VARDE_TEST_KAFKA") else {
            eprintln!("skipped: VARDE_TEST_KAFKA names no broker");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let config = BusConfig::Kafka(KafkaConfig {
            bootstrap,
            client_id: "gateway-test".to_owned(),
            properties: [].into(),
        });
        Some(Self::over(folder, config, true).await)
    }

    async fn over(folder: TempDir, config: BusConfig, is_shared: bool) -> Self {
        let bus = Bus::open(&config).await.expect("a bus");
        let specs = [topics::sensors(), topics::control()].map(|spec| spec.expect("a topic"));
        bus.ensure_topics(&specs).await.expect("topics");
        let authority = Authority::generate("Varde test", now()).expect("an authority");
        let signing = SigningKey::generate().expect("a key");
        let hosts = ["127.0.0.1", "::1"];
        let (certificate, key) = authority.issue_server(&hosts, now()).expect("issued");
        let put = |name: &str, data: &[u8]| fs::write(folder.path().join(name), data).expect("written");
        put(
            config::AUTHORITY_CERTIFICATE,
            authority.certificate_pem().expect("PEM").as_bytes(),
        );
        put(config::AUTHORITY_KEY, &authority.key_pem().expect("PEM"));
        put(config::GATEWAY_CERTIFICATE, certificate.as_bytes());
        put(config::GATEWAY_KEY, &key);
        let public = signing.verifying().expect("a key").to_string();
        put(config::BUNDLE_KEYS, public.as_bytes());
        Self {
            producer: bus.producer().expect("a producer"),
            folder,
            authority,
            signing,
            bus,
            config,
            is_shared,
        }
    }

    /// Starts a gateway on a loopback address, `127.0.0.1:0` or `[::1]:0`.
    pub(crate) fn gateway(&self, listen: &str) -> Gateway {
        let path = self.folder.path().join("gateway.yml");
        let bus = match &self.config {
            BusConfig::Embedded { directory } => {
                format!("embedded: {{ directory: {} }}", directory.display())
            }
            BusConfig::Kafka(config) => format!("kafka: {{ bootstrap: \"{}\" }}", config.bootstrap),
            BusConfig::Gateway { .. } => panic!("no gateway behind a gateway"),
        };
        let text = format!(
            "bus: {{ {bus} }}\ndirectory: {}\nlisten: \"{listen}\"\nlisten_metrics: 127.0.0.1:0\n",
            self.folder.path().display()
        );
        fs::write(&path, text).expect("written");
        Gateway::start(&path)
    }

    /// A gateway whose bus is away.
    pub(crate) fn without_bus(&mut self) -> Gateway {
        self.config = BusConfig::Kafka(KafkaConfig {
            bootstrap: "127.0.0.1:1".to_owned(),
            client_id: String::new(),
            properties: [].into(),
        });
        self.gateway("127.0.0.1:0")
    }

    pub(crate) async fn write(&self, entry: Entry) {
        let topic = topics::sensors().expect("a topic").topic;
        let record = Record::new(entry.value()).with_key(entry.key());
        self.producer
            .publish(&topic, vec![record])
            .await
            .expect("durable");
    }

    /// Gives out a code that is good until `until`.
    pub(crate) async fn code(&self, until: Timestamp) -> EnrolmentCode {
        let pin = self.authority.pin().expect("a pin");
        let keys = signing::pin(&[self.signing.verifying().expect("a key")]).expect("a pin");
        let code = EnrolmentCode::make("127.0.0.1:1", pin, keys)
            .expect("chance")
            .expect("a gateway");
        self.write(Entry::Code(Code {
            digest: code.digest(),
            until: until.as_nanos(),
            organization: None,
        }))
        .await;
        code
    }

    pub(crate) fn known(&self, sensor: &Sensor) -> Known {
        Known {
            sensor: sensor.subject.sensor.as_str().to_owned(),
            organization: sensor.subject.organization.to_string(),
            zone: None,
            fingerprint: sensor.key.fingerprint().expect("a name"),
            former: Vec::new(),
            at: now().as_nanos(),
            revoked: false,
        }
    }

    /// A sensor that is approved and has a certificate, before the gateway starts.
    pub(crate) async fn sensor(&self, number: &str, name: &str) -> Sensor {
        let sensor = Sensor::new(subject(number, name));
        self.write(Entry::Known(self.known(&sensor))).await;
        sensor.keep(&self.authority, &self.certificate(&sensor, now()));
        sensor
    }

    /// A certificate as the gateway would have issued it at a time.
    pub(crate) fn certificate(&self, sensor: &Sensor, at: Timestamp) -> String {
        let request = Request::parse(&sensor.key.request().expect("a request")).expect("good");
        self.authority
            .issue(&request, &sensor.subject, at, SENSOR_VALIDITY)
            .expect("issued")
    }

    /// An organisation that nobody wrote for before: on a shared broker, another one each time.
    pub(crate) fn organizations(&self) -> [String; 2] {
        if !self.is_shared {
            return ["964965226".to_owned(), "958935420".to_owned()];
        }
        let mut seed = now().as_millis() % 90_000_000;
        [(); 2].map(|()| {
            loop {
                seed += 1;
                for digit in 0..10 {
                    let number = format!("8{:07}{digit}", seed % 10_000_000);
                    if OrganizationNumber::parse(&number).is_ok() {
                        return number;
                    }
                }
            }
        })
    }

    /// Everything that is in a topic.
    pub(crate) async fn all(&self, topic: &str) -> Vec<Record> {
        let topic = Topic::parse(topic).expect("a name");
        let Ok(ends) = self.bus.end_positions(&topic).await else {
            return Vec::new();
        };
        let group = format!("test-{}", now().as_nanos());
        let mut consumer = self
            .bus
            .consumer(&group, Subscription::Topics(vec![topic]))
            .expect("a consumer");
        let (mut found, mut at) = (Vec::new(), 0);
        let limit = PollLimit {
            records: 10_000,
            bytes: 64 << 20,
            wait: Duration::from_secs(1),
        };
        while at < ends[0].offset {
            for delivery in consumer.poll(limit).await.expect("polled").deliveries {
                at = delivery.position.offset + 1;
                found.push(delivery.record);
            }
        }
        consumer.close().await;
        found
    }
}

impl Gateway {
    fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_varde-gateway"))
            .args(["run", "--config"])
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let line = lines
            .by_ref()
            .map(|line| line.expect("text"))
            .inspect(|line| eprintln!("{line}"))
            .find(|line| line.contains("takes requests"))
            .expect("it takes requests");
        // What it says later is read, so that it can go on saying it.
        std::thread::spawn(move || lines.for_each(|line| eprintln!("{}", line.unwrap_or_default())));
        let after = |name: &str| -> SocketAddr {
            let (_, rest) = line.split_once(name).expect("named");
            let word = rest.split_whitespace().next().unwrap_or_default();
            word.trim_matches('"').parse().expect("an address")
        };
        Self {
            address: after("address="),
            metrics: after("metrics="),
            child,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The value of a metric with its labels.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.text("/metrics").await;
        let line = text
            .lines()
            .find(|line| line.rsplit_once(' ').is_some_and(|(named, _)| named == name))
            .unwrap_or_else(|| panic!("{name} is not in\n{text}"));
        let (_, value) = line.rsplit_once(' ').expect("a value");
        value.parse().expect("a number")
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        let asked = reqwest::get(format!("http://{}{path}", self.metrics)).await;
        asked.expect("answers").text().await.expect("text")
    }

    /// Asks for a metric until it is `value`.
    pub(crate) async fn until(&self, name: &str, value: u64) {
        let start = Instant::now();
        while self.metric(name).await != value {
            assert!(start.elapsed() < PATIENCE, "{name} does not become {value}");
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").arg(id).status().expect("kill is there");
        assert!(sent.success());
        self.child.wait().expect("gone").code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sensor {
    pub(crate) fn new(subject: Subject) -> Self {
        Self {
            subject,
            key: SensorKey::generate().expect("a key"),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Puts the files where the uplink reads them.
    pub(crate) fn keep(&self, authority: &Authority, certificate: &str) {
        let put = |name: &str, data: &[u8]| {
            let path: PathBuf = self.folder.path().join(name);
            fs::write(path.with_extension("new"), data).expect("written");
            fs::rename(path.with_extension("new"), path).expect("in place");
        };
        put(uplink::KEY_FILE, &self.key.to_pem().expect("PEM"));
        put(uplink::CERTIFICATE_FILE, certificate.as_bytes());
        let pem = authority.certificate_pem().expect("PEM");
        put(uplink::AUTHORITY_FILE, pem.as_bytes());
    }

    /// A client that shows a certificate for the sensor's key.
    pub(crate) fn client(&self, authority: &Authority, certificate: &str) -> Client {
        let key = self.key.to_pem().expect("PEM");
        let identity = Identity::from_pkcs8_pem(certificate.as_bytes(), &key).expect("an identity");
        believing(authority).identity(identity).build().expect("a client")
    }

    /// A client with the certificate in the folder.
    pub(crate) fn enrolled(&self, authority: &Authority) -> Client {
        let path = self.folder.path().join(uplink::CERTIFICATE_FILE);
        self.client(authority, &fs::read_to_string(path).expect("there"))
    }

    pub(crate) async fn bus(&self, gateway: &Gateway) -> Producer {
        let config = BusConfig::Gateway {
            url: gateway.url(),
            directory: self.folder.path().to_owned(),
        };
        let bus = Bus::open(&config).await.expect("opens");
        bus.producer().expect("a producer")
    }

    /// Asks for a certificate, with a code's secret or without.
    pub(crate) async fn ask(
        &self,
        client: &Client,
        gateway: &Gateway,
        secret: Option<String>,
    ) -> (StatusCode, Json) {
        let ask = Ask {
            request: self.key.request().expect("a request"),
            secret,
            host: "pump\u{1b}house".to_owned(),
            program: "0.1.0".to_owned(),
        };
        let sent = client.post(format!("{}/v1/certificate", gateway.url()));
        let answer = sent.json(&ask).send().await.expect("answers");
        (answer.status(), answer.json().await.expect("JSON"))
    }
}

/// A client without a certificate that believes one authority.
pub(crate) fn believing(authority: &Authority) -> reqwest::ClientBuilder {
    let pem = authority.certificate_pem().expect("PEM");
    let root = Certificate::from_pem(pem.as_bytes()).expect("a certificate");
    Client::builder().tls_certs_only([root]).no_proxy()
}

/// Sends records as a sensor does.
pub(crate) async fn send(
    client: &Client,
    gateway: &Gateway,
    stream: &str,
    records: &[Record],
) -> Result<Response, reqwest::Error> {
    let body = uplink::encode(records).expect("encoded");
    send_bytes(client, gateway, stream, body).await
}

pub(crate) async fn send_bytes(
    client: &Client,
    gateway: &Gateway,
    stream: &str,
    body: Vec<u8>,
) -> Result<Response, reqwest::Error> {
    let url = format!("{}/v1/records/{stream}", gateway.url());
    client.post(url).body(body).send().await
}

/// The status, and the reason where there is one.
pub(crate) async fn said(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let json: Json = response.json().await.unwrap_or_default();
    (status, json["reason"].as_str().unwrap_or_default().to_owned())
}

/// An event's record of an organisation.
pub(crate) fn record(organization: &str, value: &str) -> Record {
    Record::new(value).with_key(format!("{organization}/10.0.0.1"))
}
