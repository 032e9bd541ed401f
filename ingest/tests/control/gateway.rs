//! With the real gateway over the embedded bus: both ends understand each other.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ingest::clock::Clock;
use ingest::control::gateway::Gateway;
use ingest::control::identity::Trust;
use ingest_bus::{Bus, BusConfig, PollError, PollLimit, Producer, Record, Subscription, Topic};
use ingest_event::{Timestamp, Zone, codec};
use ingest_gateway::{config, service, topics};
use ingest_trust::manifest::{Audience, FORMAT, File, Manifest};
use ingest_trust::registry::{Code, Entry, Known};
use ingest_trust::signing::{SigningKey, pin};
use ingest_trust::wire::Reason;
use ingest_trust::{Authority, EnrolmentCode};
use tokio_util::sync::CancellationToken;

use super::centre::{ORGANIZATION, SENSOR};
use super::{HURRIED, Running, all_ports, eve_lines, ports, until, write_lines};

pub(super) struct Station {
    bus: Bus,
    pub(super) producer: Producer,
    pub(super) signing: SigningKey,
    pub(super) code: EnrolmentCode,
    pub(super) stop: CancellationToken,
}

fn free(address: &str) -> SocketAddr {
    let listener = std::net::TcpListener::bind(address).expect("listens");
    listener.local_addr().expect("an address")
}

impl Station {
    pub(super) async fn start(folder: &Path, address: &str) -> Self {
        let bus = BusConfig::Embedded {
            directory: folder.join("bus"),
        };
        let config = config::Config {
            bus: bus.clone(),
            directory: folder.to_path_buf(),
            listen: free(address),
            listen_metrics: None,
        };
        let bus = Bus::open(&bus).await.expect("opens");
        let specs = [topics::sensors(), topics::control()].map(|spec| spec.expect("a topic"));
        bus.ensure_topics(&specs).await.expect("topics");
        let now = Clock::System.now();
        let authority = Authority::generate("Varde test", now).expect("an authority");
        let signing = SigningKey::generate().expect("a key");
        let (certificate, key) = authority
            .issue_server(&["127.0.0.1", "::1"], now)
            .expect("issued");
        let public = signing.verifying().expect("a key").to_string();
        for (name, bytes) in [
            (
                config::AUTHORITY_CERTIFICATE,
                authority.certificate_pem().expect("PEM").into_bytes(),
            ),
            (config::AUTHORITY_KEY, authority.key_pem().expect("PEM")),
            (config::GATEWAY_CERTIFICATE, certificate.into_bytes()),
            (config::GATEWAY_KEY, key),
            (config::BUNDLE_KEYS, public.into_bytes()),
        ] {
            std::fs::write(folder.join(name), bytes).expect("written");
        }
        let keys = pin(&[signing.verifying().expect("a key")]).expect("a pin");
        let code = EnrolmentCode::make(&config.listen.to_string(), authority.pin().expect("a pin"), keys);
        let station = Self {
            producer: bus.producer().expect("a producer"),
            code: code.expect("chance").expect("a gateway"),
            signing,
            stop: CancellationToken::new(),
            bus,
        };
        let code = Entry::Code(Code {
            digest: station.code.digest(),
            until: now.saturating_add(Duration::from_secs(3_600)).as_nanos(),
            organization: None,
        });
        station.write(&code).await;
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let machine = ingest_gateway::clock::machine();
        let (bus, stop) = (station.bus.clone(), station.stop.clone());
        tokio::spawn(async move {
            let told = |_| ready.send(()).unwrap_or_default();
            service::run(config, bus, machine, stop, told)
                .await
                .expect("runs");
        });
        is_ready.await.expect("it runs");
        station
    }

    pub(super) async fn write(&self, entry: &Entry) {
        let topic = topics::sensors().expect("a topic").topic;
        let record = Record::new(entry.value()).with_key(entry.key());
        self.producer
            .publish(&topic, vec![record])
            .await
            .expect("durable");
    }

    /// The first entry of who is who that fits; bounded by [`until`]'s patience.
    pub(super) async fn entry<T>(&self, what: &str, fits: impl Fn(Entry) -> Option<T>) -> T {
        let topic = topics::sensors().expect("a topic").topic;
        let looking = async {
            loop {
                let all = self.bus.latest(&topic, &[Vec::new()]).await.expect("reads");
                let found = all.iter().find_map(|(key, record)| {
                    let entry = Entry::parse(key, &record.value).expect("reads")?;
                    fits(entry)
                });
                if let Some(found) = found {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let bound = Duration::from_secs(120);
        let found = tokio::time::timeout(bound, looking).await;
        found.unwrap_or_else(|_| panic!("never came: {what}"))
    }

    async fn publish(&self, version: u64, files: &[(&str, &[u8])]) {
        let topic = topics::control().expect("a topic").topic;
        let mut records = Vec::new();
        let mut list = Vec::new();
        for (path, bytes) in files {
            let (file, parts) = File::of(path, bytes);
            for (name, part) in file.parts.iter().zip(parts) {
                records.push(Record::new(part).with_key(format!("part/{name}")));
            }
            list.push(file);
        }
        let manifest = Manifest {
            format: FORMAT,
            version,
            audience: Audience::All,
            issued: Timestamp::from_millis(1_790_000_000_000),
            program: Some("9.9.9".to_owned()),
            keys: Vec::new(),
            files: list,
        };
        let sealed = manifest.seal(&self.signing).expect("sealed");
        records.push(Record::new(sealed.to_bytes()).with_key(manifest.audience.key()));
        self.producer.publish(&topic, records).await.expect("durable");
    }

    /// The events that are on the bus.
    pub(super) async fn events(&self) -> Vec<ingest_event::Fields> {
        let records = self.records(&format!("varde.events.{ORGANIZATION}")).await;
        let read = records.iter().map(|record| codec::flatten(&record.value));
        read.map(|event| event.expect("JSON")).collect()
    }

    /// What is in a topic.
    pub(super) async fn records(&self, topic: &str) -> Vec<Record> {
        let topic = Topic::parse(topic).expect("a name");
        let wanted: u64 = match self.bus.end_positions(&topic).await {
            Err(PollError::UnknownTopic { .. }) => 0,
            ends => ends.expect("reads").iter().map(|end| end.offset).sum(),
        };
        let group = format!("test-{wanted}-{}", Clock::System.now().as_nanos());
        let mut consumer = self
            .bus
            .consumer(&group, Subscription::Topics(vec![topic]))
            .expect("opens");
        let mut records = Vec::new();
        while (records.len() as u64) < wanted {
            let limit = PollLimit {
                records: 5_000,
                bytes: 64 << 20,
                wait: Duration::from_secs(5),
            };
            let batch = consumer.poll(limit).await.expect("polls");
            records.extend(batch.deliveries.into_iter().map(|delivery| delivery.record));
        }
        records
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_gateway_and_the_sensor_understand_each_other() {
    // Both at once: the gateway issues a certificate for a key once a minute, and that is waited for.
    tokio::join!(understand("127.0.0.1:0"), understand("[::1]:0"));
}

async fn understand(address: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let station = Station::start(folder.path(), address).await;
    let lines = write_lines(folder.path(), 0..30);
    let text = format!(
        "enrolment: {}\nstate: {}/state\ncanary_secs: 0\nsources: [{{ file: {{ path: {lines}, follow: true }} }}]\n",
        station.code,
        folder.path().display()
    );
    let sensor = Running::start(&text, HURRIED);
    let asked = station
        .entry("a request", |entry| match entry {
            Entry::Asked(asked) => Some(asked),
            _ => None,
        })
        .await;
    let key = Trust::at(&folder.path().join("state"))
        .kept_key()
        .expect("reads")
        .expect("kept");
    assert_eq!(asked.fingerprint, key.fingerprint().expect("a name"));
    let known = Known {
        sensor: SENSOR.to_owned(),
        organization: ORGANIZATION.to_owned(),
        zone: Some(Zone::School),
        fingerprint: asked.fingerprint,
        former: Vec::new(),
        at: Clock::System.now().as_nanos(),
        revoked: false,
    };
    station.write(&Entry::Known(known.clone())).await;
    let status = |good: fn(&ingest_trust::wire::Report) -> bool| {
        station.entry("a status", move |entry| match entry {
            Entry::Status(status) if good(&status.report) => Some(status.report),
            _ => None,
        })
    };
    status(|report| report.bundle == 0).await;
    station.publish(7, &[("rules/a.yml", b"# a\n")]).await;
    let report = status(|report| report.bundle == 7).await;
    assert_eq!(report.wanted_program.as_deref(), Some("9.9.9"));
    let first = async {
        while ports(&station.events().await) != all_ports(30) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(120), first).await;
    assert!(came.is_ok(), "the first lines");
    // Revoked: nothing passes, and nothing is lost.
    let revoked = Known {
        revoked: true,
        ..known.clone()
    };
    station.write(&Entry::Known(revoked)).await;
    let trust = Trust::at(&folder.path().join("state"));
    let authority = trust.authority().expect("reads").expect("kept");
    let mut stranger = Gateway::new(&station.code, trust, &authority).expect("a client");
    let looked = async {
        while !matches!(stranger.offer(None).await, Err(error) if error.reason() == Some(Reason::Revoked)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let noticed = tokio::time::timeout(Duration::from_secs(60), looked).await;
    assert!(noticed.is_ok(), "a revocation holds within a minute");
    let mut more = std::fs::OpenOptions::new()
        .append(true)
        .open(&lines)
        .expect("opens");
    std::io::Write::write_all(&mut more, eve_lines(30..80).as_bytes()).expect("written");
    let read = || sensor.metrics.records_read.with_label_values(&["eve"]).get();
    until("it is read", || 80 <= read()).await;
    assert_eq!(ports(&station.events().await), all_ports(30), "nothing passes");
    station.write(&Entry::Known(known)).await;
    let all = async {
        while ports(&station.events().await) != all_ports(80) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(120), all).await;
    assert!(came.is_ok(), "{} of 80", ports(&station.events().await).len());
    sensor.stop().await;
    station.stop.cancel();
}
