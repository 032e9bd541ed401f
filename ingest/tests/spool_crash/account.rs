//! What became of everything that was given a number: on the bus, in the spool, or told to be gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use ingest::spool::{Cause, FOLDER, Spool, Stream};
use ingest_bus::{Bus, BusConfig, Consumer, PollError, PollLimit, Subscription, Topic};
use ingest_event::QuarantineRecord;
use ingest_event::codec::flatten;

const TOPIC: &str = "varde.events.964965226";
const QUARANTINE: &str = "varde.quarantine.964965226";

/// Streams with events.
const STREAMS: [Stream; 3] = [Stream::Alert, Stream::Log, Stream::Flow];

/// Events by what they are.
#[derive(Clone, Default)]
pub(crate) struct Events {
    /// Lines of TCP by their number, with the ids under which they came.
    pub(crate) lines: BTreeMap<u64, BTreeSet<String>>,
    /// Ids of lines of the file.
    pub(crate) of_file: BTreeSet<String>,
    sequences: BTreeMap<String, BTreeSet<u64>>,
}

impl Events {
    fn add(&mut self, value: &[u8]) {
        let event = flatten(value).expect("JSON");
        let text = |name: &str| event.text(name).unwrap_or_default().to_owned();
        let id = text("event.id");
        match (text("event.dataset").as_str(), text("message").rsplit_once(' ')) {
            ("network.flow", _) => {
                self.of_file.insert(id);
            }
            (dataset, Some((_, number))) if !dataset.starts_with("varde.") => {
                let number = number.parse().expect("a number");
                self.lines.entry(number).or_default().insert(id);
            }
            _ => {}
        }
        let sequence = event.get("event.sequence").map(ToString::to_string);
        let sequence = sequence.and_then(|text| text.parse().ok()).expect("a number");
        let sequences = self.sequences.entry(text("varde.stream")).or_default();
        sequences.insert(sequence);
    }
}

/// What is known of all rounds.
pub(crate) struct Account {
    bus: Bus,
    consumer: Option<Consumer>,
    seen: u64,
    pub(crate) published: Events,
    /// Numbers that were left out and told, by stream.
    left_out: BTreeMap<&'static str, Vec<(u64, u64)>>,
    pub(crate) jumps: u64,
}

impl Account {
    pub(crate) async fn open(bus: &Path) -> Self {
        let config = BusConfig::Embedded {
            directory: bus.to_path_buf(),
        };
        Self {
            bus: Bus::open(&config).await.expect("opens"),
            consumer: None,
            seen: 0,
            published: Events::default(),
            left_out: BTreeMap::new(),
            jumps: 0,
        }
    }

    /// Reads what has come out since.
    pub(crate) async fn read(&mut self) {
        let topic = Topic::parse(TOPIC).expect("a name");
        let ends = match self.bus.end_positions(&topic).await {
            Err(PollError::UnknownTopic { .. }) => return,
            ends => ends.expect("reads"),
        };
        let wanted: u64 = ends.iter().map(|position| position.offset).sum();
        let consumer = self.consumer.get_or_insert_with(|| {
            let topics = Subscription::Topics(vec![topic]);
            self.bus.consumer("test", topics).expect("opens")
        });
        while self.seen < wanted {
            let limit = PollLimit {
                records: 5_000,
                bytes: 64 << 20,
                wait: Duration::from_secs(5),
            };
            let batch = consumer.poll(limit).await.expect("polls");
            self.seen += batch.deliveries.len() as u64;
            for delivery in &batch.deliveries {
                self.published.add(&delivery.record.value);
            }
        }
    }

    /// How many different lines were refused.
    pub(crate) async fn refused(&self) -> usize {
        let topic = Topic::parse(QUARANTINE).expect("a name");
        let ends = self.bus.end_positions(&topic).await.expect("reads");
        let wanted: u64 = ends.iter().map(|position| position.offset).sum();
        let consumer = self.bus.consumer("test", Subscription::Topics(vec![topic]));
        let mut consumer = consumer.expect("opens");
        let (mut seen, mut digests) = (0, BTreeSet::new());
        while seen < wanted {
            let limit = PollLimit {
                records: 5_000,
                bytes: 64 << 20,
                wait: Duration::from_secs(5),
            };
            let batch = consumer.poll(limit).await.expect("polls");
            seen += batch.deliveries.len() as u64;
            for delivery in &batch.deliveries {
                let record: QuarantineRecord =
                    serde_json::from_slice(&delivery.record.value).expect("a record");
                digests.insert(record.digest);
            }
        }
        digests.len()
    }

    /// Opens a copy of what a crash left, as the next start will, and finds every number in it or on the bus. What is in
    /// both together.
    pub(crate) async fn check(&mut self, state: &Path, round: u64) -> Events {
        self.read().await;
        let copy = tempfile::tempdir().expect("a directory");
        let folder = copy.path().join(FOLDER);
        fs::create_dir(&folder).expect("makes");
        for entry in fs::read_dir(state.join(FOLDER)).expect("reads") {
            let path = entry.expect("reads").path();
            fs::copy(&path, folder.join(path.file_name().expect("has one"))).expect("copies");
        }
        let mut spool = Spool::open(copy.path(), 1 << 30).expect("opens");
        let mut all = self.published.clone();
        loop {
            let batch = spool.oldest();
            if batch.is_empty() {
                break;
            }
            let events = batch.iter().filter(|entry| entry.stream != Stream::Quarantine);
            events.for_each(|entry| all.add(&entry.value));
            spool.published().expect("notes");
        }
        for loss in spool.losses() {
            match (loss.cause, loss.sequences) {
                // Numbers that may have been given, or not.
                (Cause::Damaged, Some(numbers)) if loss.records == 0 => {
                    let left_out = self.left_out.entry(loss.stream.as_str()).or_default();
                    if !left_out.contains(&numbers) {
                        left_out.push(numbers);
                        self.jumps += 1;
                    }
                }
                // A canary on a full disk.
                (Cause::TurnedAway, _) if loss.stream == Stream::Alert => {}
                (cause, _) => panic!("round {round}: lost by {cause:?}: {loss:?}"),
            }
        }
        for stream in STREAMS {
            let name = stream.as_str();
            let has = all.sequences.get(name).cloned().unwrap_or_default();
            let mut left_out = self.left_out.get(name).cloned().unwrap_or_default();
            left_out.sort_unstable();
            let mut next = 1;
            for (first, last) in left_out
                .into_iter()
                .chain([(spool.sequence(stream) + 1, u64::MAX)])
            {
                let missing: Vec<_> = (next..first).filter(|number| !has.contains(number)).collect();
                assert!(missing.is_empty(), "round {round}: {name} lacks {missing:?}");
                next = last.saturating_add(1);
            }
        }
        all
    }
}
