//! Three days without the centre, on the embedded bus, with a clock that is set by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use detect_engine::{Compiler, IndicatorTableBuilder};
use detect_rules::{SourceText, check};
use ingest_bus::{Bus, BusConfig, PollLimit, Subscription, Topic};
use ingest_event::codec::flatten;
use ingest_event::{Fields, Value};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::agent::Intake;
use crate::clock::Clock;
use crate::config;
use crate::metrics::Metrics;
use crate::record::Record;
use crate::scan::Loaded;
use crate::site::Site;
use crate::spool::Spool;
use crate::stamp::SourceIdentity;

/// 1 March 2026, 12:00.
const START: i64 = 1_772_366_400;
const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const HOURS: i64 = 72;

const RULE: &str = "title: odd port\nid: 00000000-0000-4000-8000-000000000001\nstatus: test\nlevel: high\n\
    description: for a test\nauthor: test\ndate: 2026-01-01\nlogsource: { category: network_connection }\n\
    detection:\n  selection: { destination.port: 4444 }\n  condition: selection\n";

const BASE: &str = "title: login\nid: 00000000-0000-4000-8000-000000000002\nstatus: test\nlevel: low\n\
    description: for a test\nauthor: test\ndate: 2026-01-01\nlogsource: { category: network_connection }\n\
    detection:\n  selection: { destination.port: 3389 }\n  condition: selection\n";

const MANY: &str = "title: many logins\nid: 00000000-0000-4000-8000-000000000003\nstatus: test\nlevel: medium\n\
    description: for a test\nauthor: test\ndate: 2026-01-01\ncorrelation:\n  type: event_count\n  \
    rules: [00000000-0000-4000-8000-000000000002]\n  group-by: [source.ip]\n  timespan: 5m\n  condition: { gte: 5 }\n";

fn loaded() -> Option<Loaded> {
    let sources: Vec<SourceText> = [RULE, BASE, MANY]
        .iter()
        .enumerate()
        .map(|(number, text)| SourceText {
            path: format!("{number}.yml"),
            text: (*text).to_owned(),
        })
        .collect();
    let checked = check(&sources);
    assert!(!checked.diagnostics.iter().any(|found| found.is_error()));
    let ruleset = Compiler::new().rules(checked.rules).compile().expect("compiles");
    Loaded::new(IndicatorTableBuilder::new().build(), Some(Arc::new(ruleset)))
}

/// A sensor whose publisher is not there.
struct Sensor {
    intake: Arc<Intake>,
    metrics: Metrics,
    clock: Arc<AtomicI64>,
}

impl Sensor {
    fn start(state: &Path, clock: &Arc<AtomicI64>) -> Self {
        let text = "sensor: sensor-1\norganization: \"964965226\"\nstate: unused\n\
                    bus: { embedded: { directory: unused } }\nsources: []\n";
        let config = config::parse(text, "sensor.yml").expect("reads");
        let metrics = Metrics::new().expect("registers");
        let intake = Intake::new(
            Spool::open(state, 1 << 30).expect("opens"),
            Site::open(state).expect("opens"),
            config.context,
            vec!["10.20.0.0/16".parse().expect("a network")],
            Clock::Manual(Arc::clone(clock)),
            metrics.clone(),
        );
        intake.scan().put(loaded());
        Self {
            intake: Arc::new(intake),
            metrics,
            clock: Arc::clone(clock),
        }
    }

    /// Flows at a moment, each with a number of its own.
    async fn sees(&self, secs: i64, flows: &[(&str, i64)], numbers: &mut i64) {
        let at = Timestamp::from_nanos(secs * 1_000_000_000);
        self.clock.store(at.as_nanos(), Ordering::Relaxed);
        let mut records = Vec::new();
        for (source, port) in flows {
            *numbers += 1;
            let mut fields = Fields::new();
            fields.set("source.ip", *source);
            fields.set("destination.ip", "203.0.113.9");
            fields.set("destination.port", *port);
            fields.set("network.bytes", *numbers);
            records.push(Record::Event(Draft {
                timestamp: at,
                dataset: "network.flow".into(),
                trusted: None,
                fields,
                position: u64::try_from(*numbers).expect("above 0"),
                ordinal: 0,
            }));
        }
        let source = SourceIdentity {
            name: "test".to_owned(),
            content: b"test".to_vec(),
            path: None,
        };
        let taken = self.intake.hand_in("test", &source, records, None).await;
        taken.expect("taken");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("one");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("copied");
        }
    }
}

fn told(state: &Path) -> Vec<Word> {
    let mut words = Vec::new();
    super::told::read(state, |word| words.push(word)).expect("reads");
    words
}

/// All on the events' topic, in order.
async fn published(bus: &Bus) -> Vec<Fields> {
    let topic = Topic::parse("varde.events.964965226").expect("a name");
    let ends = bus.end_positions(&topic).await.expect("reads");
    let wanted: u64 = ends.iter().map(|position| position.offset).sum();
    let mut consumer = bus
        .consumer("test", Subscription::Topics(vec![topic]))
        .expect("opens");
    let mut seen = Vec::new();
    while (seen.len() as u64) < wanted {
        let limit = PollLimit {
            records: 5_000,
            bytes: 64 << 20,
            wait: Duration::from_secs(5),
        };
        let polled = consumer.poll(limit).await.expect("polls");
        seen.extend(
            polled
                .deliveries
                .iter()
                .map(|one| flatten(&one.record.value).expect("JSON")),
        );
    }
    seen
}

fn number(fields: &Fields) -> i64 {
    match fields.get("network.bytes") {
        Some(Value::Integer(number)) => *number,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_days_cut_off_and_local_words_are_told_once_and_alerts_leave_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut state = directory.path().join("0");
    let clock = Arc::new(AtomicI64::new(START * 1_000_000_000));
    let mut sensor = Sensor::start(&state, &clock);
    let (mut numbers, mut grave) = (0, BTreeSet::new());
    let mut expected: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut expect = |rule: &str, machine: &str| {
        *expected.entry((rule.to_owned(), machine.to_owned())).or_default() += 1;
    };
    for hour in 0..HOURS {
        for step in 0..6 {
            let now = START + hour * HOUR + step * 10 * MINUTE;
            // Twice an hour the same from the same machine, the second time after the restarts; once from one by IPv6.
            let mut flows = vec![("10.20.0.15", 443), ("10.20.0.16", 443), ("192.0.2.8", 80)];
            if step == 2 || step == 5 {
                flows.push(("10.20.0.15", 4444));
                grave.insert(numbers + 4);
            }
            if step == 4 && hour % 24 == 7 {
                flows.push(("fd00:20::15", 4444));
                grave.insert(numbers + 4);
                expect("rule:00000000-0000-4000-8000-000000000001", "fd00:20::15");
            }
            sensor.sees(now, &flows, &mut numbers).await;
            if step == 1 && hour % 12 == 3 {
                for turn in 1..=6 {
                    sensor
                        .sees(now + 10 * turn, &[("10.20.0.77", 3389)], &mut numbers)
                        .await;
                }
                expect("rule:00000000-0000-4000-8000-000000000003", "10.20.0.77");
            }
            // An end, and two kills: what is on the disk at that moment is what the next one finds.
            if step == 3 && [20, 41, 60].contains(&hour) {
                if hour == 20 {
                    drop(sensor);
                } else {
                    let left = directory.path().join(hour.to_string());
                    copy(&state, &left);
                    drop(sensor);
                    state = left;
                }
                sensor = Sensor::start(&state, &clock);
                assert_eq!(
                    sensor.metrics.island.is_cut.get(),
                    1,
                    "an island is one after a start"
                );
            }
        }
        expect("rule:00000000-0000-4000-8000-000000000001", "10.20.0.15");
    }
    let mut counted: BTreeMap<(String, String), i64> = BTreeMap::new();
    for word in told(&state) {
        *counted.entry((word.rule, word.machine)).or_default() += 1;
    }
    assert_eq!(counted, expected, "each once an hour, over restarts too");
    assert_eq!(sensor.metrics.events_published.get(), 0);
    // The centre is back.
    let bus = Bus::open(&BusConfig::Embedded {
        directory: state.join("bus"),
    })
    .await
    .expect("opens");
    let done = CancellationToken::new();
    done.cancel();
    crate::agent::publish_all(&bus, &sensor.intake, &done).await;
    let events = published(&bus).await;
    let mut seen: Vec<i64> = events.iter().map(number).collect();
    let first: BTreeSet<i64> = seen.iter().copied().take(grave.len()).collect();
    assert_eq!(first, grave, "what matched comes before all else");
    let ids: BTreeSet<&str> = events.iter().filter_map(|event| event.text("event.id")).collect();
    assert_eq!(ids.len(), events.len());
    seen.sort_unstable();
    assert_eq!(
        seen,
        (1..=numbers).collect::<Vec<_>>(),
        "nothing lost, nothing twice"
    );
    let rest: Vec<i64> = events.iter().skip(grave.len()).map(number).collect();
    assert!(rest.is_sorted(), "the rest in order");
    // It is no island any more: the centre tells.
    assert_eq!(sensor.metrics.island.is_cut.get(), 0);
    let before = told(&state).len();
    let now = START + HOURS * HOUR + 2 * HOUR;
    sensor.sees(now, &[("10.20.0.99", 4444)], &mut numbers).await;
    assert_eq!(told(&state).len(), before);
    drop(sensor);
    assert_eq!(Sensor::start(&state, &clock).metrics.island.is_cut.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_here_while_the_centre_takes_what_waits() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path();
    let clock = Arc::new(AtomicI64::new(START * 1_000_000_000));
    let sensor = Sensor::start(state, &clock);
    let mut numbers = 0;
    for secs in [0, 60, AFTER_SECS as i64 - 1] {
        sensor
            .sees(START + secs, &[("10.20.0.15", 4444)], &mut numbers)
            .await;
    }
    assert_eq!(told(state), Vec::new());
    // What waits is taken: what comes after that has not waited for long.
    while let Some(batch) = Some(sensor.intake.oldest()).filter(|batch| !batch.is_empty()) {
        sensor.intake.published(&batch).expect("notes");
    }
    sensor
        .sees(
            START + AFTER_SECS as i64 + 10,
            &[("10.20.0.15", 4444)],
            &mut numbers,
        )
        .await;
    assert_eq!(told(state), Vec::new());
    sensor
        .sees(
            START + 2 * AFTER_SECS as i64 + 10,
            &[("10.20.0.15", 4444)],
            &mut numbers,
        )
        .await;
    let words = told(state);
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!(
        (words[0].title.as_str(), words[0].severity.as_str()),
        ("odd port", "high")
    );
    use std::os::unix::fs::PermissionsExt as _;
    let folder = std::fs::metadata(state.join("alerts")).expect("there");
    assert_eq!(folder.permissions().mode() & 0o077, 0, "for nobody else");
}
