//! What the live tests share: made rules and events, a bus, and waiting for what must come.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    reason = "test support outside `#[test]` functions; each test uses its part"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use detect::{
    live::Live,
    metrics::Metrics,
    pipeline::{Parts, Pipeline},
};
use detect_alert::{Alert, Confidence, Indicator, IndicatorKind, Pap, Tlp};
use detect_engine::{Compiler, Ruleset};
use detect_rules::{SourceText, check};
use ingest_bus::{Bus, BusConfig, Cleanup, KafkaConfig, PollLimit, Record, Subscription, Topic, TopicSpec};
use ingest_event::Timestamp;
use tokio_util::sync::CancellationToken;

/// How long a test waits for something that must come; never how long it takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// Organisations with event topics of their own.
pub(crate) const ORGANIZATIONS: [&str; 6] = [
    "958935420",
    "944496394",
    "964965226",
    "840029212",
    "864950582",
    "964338531",
];

/// The rule that every made event matches, in every version of the rules.
pub(crate) const EVERY_EVENT: &str = "
title: Every Event
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a0ff
status: test
logsource: { category: network, service: connection }
detection: { selection: { varde.flow.state: attempted }, condition: selection }
level: low
";

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_772_438_400_000)
}

/// Whether the long form of a test is asked for.
pub(crate) fn is_long() -> bool {
    std::env::var_os("VARDE_LONG").is_some()
}

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// A rule that no made event matches, of the kinds that real rules are. What it looks for depends on the version.
pub(crate) fn rule(number: usize, version: u64) -> String {
    let mut random = Random(number as u64 ^ version << 32);
    let word = |random: &mut Random| format!("{:012x}", random.draw() >> 16);
    let (one, other, third) = (word(&mut random), word(&mut random), word(&mut random));
    let selection = match number % 4 {
        0 => format!("url.path|contains: ['/{one}', '{other}.php']"),
        1 => format!("dns.question.name|endswith: ['.{one}.example', '{other}.test']"),
        2 => format!("user_agent.original|startswith: '{one}'\n    url.domain|contains: '{other}'"),
        _ => format!("tls.client.server_name|re: '^{one}[0-9]+\\.{other}$'"),
    };
    format!(
        "title: Made {number}\nid: 00000000-0000-4000-8000-{number:012}\nstatus: test\n\
         logsource: {{ category: network }}\ndetection:\n  selection:\n    {selection}\n  \
         other:\n    http.request.method: '{third}'\n  condition: selection or other\nlevel: low\n"
    )
}

/// So many rules, every fiftieth of which is another one in each version, and the one that every event matches.
pub(crate) fn rules(count: usize, version: u64) -> Vec<SourceText> {
    let made = (0..count).map(|number| {
        let changed = number % 50 == 0;
        SourceText {
            path: format!("made/{number}.yml"),
            text: rule(number, if changed { version } else { 0 }),
        }
    });
    let every = SourceText {
        path: "every.yml".into(),
        text: EVERY_EVENT.to_owned(),
    };
    std::iter::once(every).chain(made).collect()
}

/// So many indicators of several kinds that no made event names.
pub(crate) fn indicators(count: usize, version: u64) -> Vec<Indicator> {
    let mut random = Random(version);
    (0..count)
        .map(|number| {
            let drawn = random.draw();
            let (kind, value) = match number % 4 {
                0 => (IndicatorKind::Domain, format!("c{number}.x{drawn:016x}.example")),
                1 => {
                    let [_, _, a, b, c, d, ..] = drawn.to_be_bytes();
                    (
                        IndicatorKind::Address,
                        format!("2001:db8:{a:x}:{b:x}:{c:x}:{d:x}:{:x}:1", number % 0xffff),
                    )
                }
                2 => (IndicatorKind::Sha256, format!("{drawn:016x}").repeat(4)),
                _ => (
                    IndicatorKind::Url,
                    format!("http://x{drawn:016x}.example/{number}"),
                ),
            };
            Indicator {
                kind,
                value,
                source: "made".to_owned(),
                confidence: Confidence::Medium,
                tlp: Tlp::Green,
                pap: Pap::Green,
                valid_from: None,
                valid_until: None,
                description: String::new(),
            }
        })
        .collect()
}

pub(crate) fn compile(sources: &[SourceText], indicators: Vec<Indicator>) -> Arc<Ruleset> {
    let checked = check(sources);
    let errors: Vec<_> = checked
        .diagnostics
        .iter()
        .filter(|found| found.is_error())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let compiler = Compiler::new().rules(checked.rules).indicators(indicators);
    Arc::new(compiler.compile().expect("compiled"))
}

/// An event that matches [`EVERY_EVENT`]; its id is its number in a run.
pub(crate) fn event(run: &str, organization: &str, number: u64) -> Record {
    flow(run, organization, number, "attempted")
}

/// An event that matches nothing.
pub(crate) fn quiet_event(run: &str, organization: &str, number: u64) -> Record {
    flow(run, organization, number, "closed")
}

fn flow(run: &str, organization: &str, number: u64, state: &str) -> Record {
    let source = if number.is_multiple_of(2) {
        format!("10.20.{}.{}", number / 200 % 200, number % 200 + 1)
    } else {
        format!("2001:db8:20::{:x}", number % 0xffff + 1)
    };
    Record::new(format!(
        r#"{{"@timestamp":"2026-03-02T08:{:02}:{:02}Z","event.dataset":"network.flow","event.id":"{run}-{number}","organization.id":"{organization}","observer.name":"s-1","source.ip":"{source}","destination.ip":"10.0.0.1","destination.port":22,"varde.flow.state":"{state}"}}"#,
        number / 60 % 60,
        number % 60
    ))
}

/// A bus, topics with a name of this run, and detectors on it.
pub(crate) struct Lab {
    pub(crate) bus: Bus,
    pub(crate) run: String,
    _folder: tempfile::TempDir,
}

impl Lab {
    /// On a folder of its own.
    pub(crate) async fn embedded() -> Self {
        Self::open(None).await
    }

    /// On the broker that `VARDE_TEST_KAFKA` names, if it does.
    pub(crate) async fn kafka() -> Option<Self> {
        match std::env::var("VARDE_TEST_KAFKA") {
            Ok(bootstrap) => Some(Self::open(Some(bootstrap)).await),
            Err(_) => {
                println!("skipped: VARDE_TEST_KAFKA is not set (scripts/kafka start prints it)");
                None
            }
        }
    }

    async fn open(kafka: Option<String>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("live")
            .rand_bytes(12)
            .tempdir()
            .expect("a folder");
        let config = match kafka {
            Some(bootstrap) => BusConfig::Kafka(KafkaConfig {
                bootstrap,
                client_id: "live".to_owned(),
                properties: BTreeMap::new(),
            }),
            None => BusConfig::Embedded {
                directory: folder.path().to_owned(),
            },
        };
        let run = folder.path().file_name().unwrap().to_str().unwrap().to_owned();
        Self {
            bus: Bus::open(&config).await.expect("opened"),
            run,
            _folder: folder,
        }
    }

    /// The event topic of an organisation, made.
    pub(crate) async fn topic(&self, organization: &str) -> Topic {
        let topic = Topic::parse(&format!("varde.events.{organization}")).expect("valid");
        let spec = TopicSpec {
            topic: topic.clone(),
            partitions: 1,
            cleanup: Cleanup::Delete {
                retention: Duration::from_secs(24 * 3600),
            },
            max_record_bytes: 8 << 20,
        };
        self.bus.ensure_topics(&[spec]).await.expect("made");
        topic
    }

    /// How many events there are, of all runs: a broker may have been used before.
    pub(crate) async fn events(&self) -> u64 {
        let mut count = 0;
        for topic in self.bus.topics("varde.events.").await.expect("listed") {
            let ends = self.bus.end_positions(&topic).await.expect("read");
            count += ends.iter().map(|end| end.offset).sum::<u64>();
        }
        count
    }

    /// A detector of this run's group, running.
    pub(crate) async fn detector(&self, live: &Live, metrics: &Metrics) -> Running {
        self.detector_by(detect::clock::now, live, metrics).await
    }

    /// The same, by another clock.
    pub(crate) async fn detector_by(
        &self,
        clock: fn() -> Timestamp,
        live: &Live,
        metrics: &Metrics,
    ) -> Running {
        let parts = Parts {
            group: self.run.clone(),
            checkpoint_interval: Duration::from_millis(200),
            signals_partitions: 4,
            clock,
            live: live.clone(),
            metrics: metrics.clone(),
            bus: self.bus.clone(),
        };
        let stop = CancellationToken::new();
        let pipeline = Pipeline::open(parts).await.expect("open");
        Running {
            task: tokio::spawn(pipeline.run(stop.clone())),
            stop,
        }
    }

    /// Reads a whole topic from its start up to its end now.
    pub(crate) async fn read(&self, topic: &str, mut take: impl FnMut(&[u8])) {
        // A group of its own each time: from the start.
        static READERS: AtomicU32 = AtomicU32::new(0);
        let topic = Topic::parse(topic).expect("valid");
        let ends = self.bus.end_positions(&topic).await.expect("read");
        let mut left: BTreeSet<u32> = ends
            .iter()
            .filter(|end| 0 < end.offset)
            .map(|end| end.partition)
            .collect();
        let number = READERS.fetch_add(1, Ordering::Relaxed);
        let group = format!("reader-{}-{number}", self.run);
        let mut consumer = self
            .bus
            .consumer(&group, Subscription::Topics(vec![topic]))
            .expect("a consumer");
        while !left.is_empty() {
            let limit = PollLimit {
                records: 4_096,
                bytes: 8 << 20,
                wait: Duration::from_secs(5),
            };
            for delivery in consumer.poll(limit).await.expect("polled").deliveries {
                take(&delivery.record.value);
                let position = delivery.position;
                if ends
                    .iter()
                    .any(|end| end.partition == position.partition && end.offset <= position.offset + 1)
                {
                    left.remove(&position.partition);
                }
            }
        }
        consumer.close().await;
    }

    /// The alerts about this run's events, by the event's number: for each the versions that it names and how often
    /// it is there. All alerts about one event have one id.
    pub(crate) async fn alerts(&self) -> BTreeMap<u64, Told> {
        let mut told: BTreeMap<u64, Told> = BTreeMap::new();
        self.read("varde.alerts", |value| note(&mut told, &self.run, value))
            .await;
        told
    }
}

impl Lab {
    /// Collects the alerts about this run's events as they come.
    pub(crate) fn collect(&self) -> Collector {
        let topic = Topic::parse("varde.alerts").expect("valid");
        let group = format!("collector-{}", self.run);
        let mut consumer = self
            .bus
            .consumer(&group, Subscription::Topics(vec![topic]))
            .expect("a consumer");
        let told = Arc::new(Mutex::new(BTreeMap::new()));
        let (kept, run) = (Arc::clone(&told), self.run.clone());
        let task = tokio::spawn(async move {
            let limit = PollLimit {
                records: 4_096,
                bytes: 8 << 20,
                wait: Duration::from_secs(1),
            };
            loop {
                let batch = consumer.poll(limit).await.expect("polled");
                let mut told = kept.lock().unwrap();
                for delivery in batch.deliveries {
                    note(&mut told, &run, &delivery.record.value);
                }
            }
        });
        Collector { told, task }
    }
}

/// Alerts by the number of their event.
pub(crate) struct Collector {
    pub(crate) told: Arc<Mutex<BTreeMap<u64, Told>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Collector {
    pub(crate) fn count(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    pub(crate) fn finish(self) -> BTreeMap<u64, Told> {
        self.task.abort();
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

fn note(told: &mut BTreeMap<u64, Told>, run: &str, value: &[u8]) {
    let alert: Alert = detect_alert::decode(value).expect("an alert");
    let id = alert.events.last().map(|event| event.id.as_str());
    let number = id.and_then(|id| id.strip_prefix(run)?.strip_prefix('-')?.parse().ok());
    if let Some(number) = number {
        let of_event = told.entry(number).or_default();
        of_event.ids.insert(alert.id.to_string());
        of_event.versions.insert(alert.producer.ruleset.0.clone());
        of_event.times += 1;
    }
}

/// What was told of one event.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) ids: BTreeSet<String>,
    pub(crate) versions: BTreeSet<String>,
    pub(crate) times: usize,
}

/// A detector that runs.
pub(crate) struct Running {
    pub(crate) task: tokio::task::JoinHandle<anyhow::Result<()>>,
    pub(crate) stop: CancellationToken,
}

impl Running {
    /// Told to stop.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("joined").expect("stopped cleanly");
    }

    /// Gone in the middle of whatever it did.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Waits until something is so; bounded, so that it fails the test instead of holding it up.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

/// Resident memory of this process in bytes (`proc(5)`); 0 where there is no `/proc`.
pub(crate) fn resident_bytes() -> usize {
    let pages: Option<usize> = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse().ok());
    pages.unwrap_or(0) * 4_096
}

/// Writes rules as files, one each.
pub(crate) fn write_rules(folder: &Path, sources: &[SourceText]) {
    for source in sources {
        let path = folder.join(&source.path);
        std::fs::create_dir_all(path.parent().unwrap()).expect("a folder");
        std::fs::write(path, &source.text).expect("written");
    }
}

/// Indicators as CSV.
pub(crate) fn csv(indicators: &[Indicator]) -> String {
    let mut text = String::from("type,value\n");
    for indicator in indicators {
        let _ = writeln!(text, "{},{}", indicator.kind, indicator.value);
    }
    text
}
