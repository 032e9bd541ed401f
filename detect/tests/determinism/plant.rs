//! Detectors without a bus: logs in memory, read, checkpointed, killed and taken over in a drawn order. Only the loop
//! between them is of this test; what they do is the service's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use detect::{
    checkpoint::{Checkpoint, Found, Lease},
    detector::{Detector, Findings, Origin},
    signals::{Inbox, Outbox, Source, stage},
};
use detect_alert::Alert;
use detect_engine::{Correlated, Correlator, Ruleset, Stage};
use ingest_bus::{Record, Topic, TopicPartition, partition_of_key};
use ingest_event::{OrganizationNumber, Timestamp};

use super::events::{Happened, Happening, Random};

/// Encoded, with the ruleset's version left out, since that may change.
pub(crate) type Alerts = BTreeSet<Vec<u8>>;

/// Events may be out of order by less than the lateness, which is 60 seconds.
const JITTER_NS: usize = 55_000_000_000;

const LATEST: Timestamp = Timestamp::from_nanos(i64::MAX);

/// One detector, one partition, every event once and in order.
pub(crate) fn undisturbed(happening: &Happening, ruleset: &Arc<Ruleset>) -> Alerts {
    let mut correlator = Correlator::new(Arc::clone(ruleset));
    let mut detector = Detector::new(ruleset);
    let mut findings = Findings::default();
    for event in &happening.events {
        scan(
            &mut detector,
            &mut correlator,
            event,
            happening.organization,
            &mut findings,
        );
    }
    detector.flush(&mut correlator, &mut findings);
    let mut alerts = Alerts::new();
    note(&mut alerts, &mut findings);
    alerts
}

fn scan(
    detector: &mut Detector<'_>,
    correlator: &mut Correlator,
    event: &Happened,
    organization: OrganizationNumber,
    findings: &mut Findings,
) {
    let origin = Origin {
        organization,
        source: "test",
        position: 0,
        observed: LATEST,
    };
    detector.scan(correlator, &event.payload, &origin, findings);
}

fn note(alerts: &mut Alerts, findings: &mut Findings) {
    alerts.extend(findings.alerts.drain(..).map(encoded));
}

pub(crate) fn encoded(mut alert: Alert) -> Vec<u8> {
    alert.producer.ruleset.0.clear();
    detect_alert::encode(&alert)
}

/// What is written down of everything, by key: the topic of checkpoints.
type Newest = BTreeMap<Vec<u8>, Record>;

pub(crate) struct Plant<'h> {
    organization: OrganizationNumber,
    rules: [Arc<Ruleset>; 2],
    newest: Newest,
    scans: Vec<Scan<'h>>,
    lanes: Vec<Lane>,
    alerts: Alerts,
    owners: u64,
}

/// One partition of events.
struct Scan<'h> {
    place: TopicPartition,
    log: Vec<&'h Happened>,
    state: Option<Scanning>,
}

struct Scanning {
    /// Whether a checkpoint of this owner is durable.
    is_begun: bool,
    lease: Lease,
    outbox: Outbox,
    correlator: Correlator,
    ruleset: Arc<Ruleset>,
    next: usize,
    round: u64,
}

/// One partition of the signals.
struct Lane {
    place: TopicPartition,
    log: Vec<Record>,
    state: Option<Receiving>,
}

struct Receiving {
    lease: Lease,
    inbox: Inbox,
    correlator: Correlator,
    ruleset: Arc<Ruleset>,
    next: usize,
    round: u64,
}

fn place(topic: &str, partition: usize) -> TopicPartition {
    TopicPartition {
        topic: Topic::parse(topic).expect("a name"),
        partition: u32::try_from(partition).expect("few"),
    }
}

/// As they might come: a little out of order, some twice.
pub(crate) fn disturbed<'h>(events: &'h [Happened], random: &mut Random) -> Vec<&'h Happened> {
    let jitter = random.below(JITTER_NS);
    let late = |random: &mut Random| i64::try_from(random.below(jitter)).expect("fits");
    let mut order = Vec::new();
    for event in events {
        order.push((event.at + late(random), event));
        if random.below(10) == 0 {
            order.push((event.at + late(random), event));
        }
    }
    order.sort_by_key(|(at, _)| *at);
    order.into_iter().map(|(_, event)| event).collect()
}

impl<'h> Plant<'h> {
    pub(crate) fn new(happening: &'h Happening, rules: &[Arc<Ruleset>; 2], random: &mut Random) -> Self {
        let partitions = 1 + random.below(12);
        let events = disturbed(&happening.events, random);
        let lanes = 1 + random.below(5);
        Self::of(happening.organization, events, rules, (partitions, lanes))
    }

    /// Events on so many partitions, and so many of the signals.
    fn of(
        organization: OrganizationNumber,
        events: Vec<&'h Happened>,
        rules: &[Arc<Ruleset>; 2],
        (partitions, lanes): (usize, usize),
    ) -> Self {
        let mut logs = vec![Vec::new(); partitions];
        for event in events {
            let count = u32::try_from(partitions).expect("few");
            logs[partition_of_key(&event.key, count) as usize].push(event);
        }
        let topic = format!("varde.events.{organization}");
        let scans = logs.into_iter().enumerate().map(|(number, log)| Scan {
            place: place(&topic, number),
            log,
            state: None,
        });
        let lanes = (0..lanes).map(|number| Lane {
            place: place("varde.signals", number),
            log: Vec::new(),
            state: None,
        });
        Self {
            organization,
            rules: rules.clone(),
            newest: Newest::new(),
            scans: scans.collect(),
            lanes: lanes.collect(),
            alerts: Alerts::new(),
            owners: 0,
        }
    }

    /// Does things in a drawn order until everything has been read; what was raised.
    pub(crate) fn run(mut self, random: &mut Random) -> Alerts {
        loop {
            let unread: Vec<usize> = (0..self.scans.len())
                .filter(|at| self.scans[*at].is_unread())
                .collect();
            if unread.is_empty() {
                break;
            }
            self.step(&unread, random);
        }
        for at in 0..self.scans.len() {
            self.end(at);
        }
        for at in 0..self.lanes.len() {
            self.receive(at, usize::MAX);
            let state = self.lanes[at].state.as_ref().expect("read");
            assert_eq!(state.correlator.waiting_count(), 0, "something waits for ever");
            assert_eq!(state.inbox.bytes(), 0, "something waits to become valid");
        }
        self.alerts
    }

    fn step(&mut self, unread: &[usize], random: &mut Random) {
        let scan = unread[random.below(unread.len())];
        let any = random.below(self.scans.len());
        let lane = random.below(self.lanes.len());
        match random.below(20) {
            0..6 => {
                let count = 1 << random.below(10);
                self.scan(scan, count);
            }
            6..11 => {
                let count = 1 + random.below(8);
                self.receive(lane, count);
            }
            11..14 => self.checkpoint(any),
            14 | 15 => self.checkpoint_lane(lane),
            // As after `kill -9`: what is not written down is gone.
            16 => self.scans[any].state = None,
            17 => self.lanes[lane].state = None,
            18 => self.adopt(any, lane),
            // Killed between what it sent and its checkpoint.
            _ => {
                self.take_over(any);
                self.send_rest(any);
                self.scans[any].state = None;
            }
        }
    }

    fn adopt(&mut self, scan: usize, lane: usize) {
        let other = |ruleset: &Arc<Ruleset>, rules: &[Arc<Ruleset>; 2]| {
            Arc::clone(&rules[usize::from(Arc::ptr_eq(ruleset, &rules[0]))])
        };
        if let Some(state) = &mut self.scans[scan].state {
            state.ruleset = other(&state.ruleset, &self.rules);
            state.correlator.adopt(Arc::clone(&state.ruleset));
        }
        if let Some(state) = &mut self.lanes[lane].state {
            state.ruleset = other(&state.ruleset, &self.rules);
            state.correlator.adopt(Arc::clone(&state.ruleset));
        }
    }

    fn lease(&mut self, place: &TopicPartition) -> (Lease, Checkpoint) {
        self.owners += 1;
        let taken = Lease::take(&self.newest, "test", place, 0, self.owners);
        let (lease, found) = taken.expect("readable");
        match found {
            Found::Whole(checkpoint) => (lease, checkpoint),
            Found::Nothing | Found::Before { .. } => (lease, Checkpoint::default()),
        }
    }

    fn restore(&self, stage: Stage, checkpoint: &Checkpoint) -> Correlator {
        let ruleset = Arc::clone(&self.rules[0]);
        if checkpoint.state.is_empty() {
            return Correlator::for_stage(ruleset, stage);
        }
        Correlator::restore(ruleset, stage, &checkpoint.state).expect("restored")
    }

    fn take_over(&mut self, at: usize) {
        if self.scans[at].state.is_some() {
            return;
        }
        let place = self.scans[at].place.clone();
        let (lease, checkpoint) = self.lease(&place);
        let source = Source {
            group: "test".to_owned(),
            organization: self.organization,
            partition: place.partition,
            partitions: u32::try_from(self.scans.len()).expect("few"),
        };
        let lanes = u32::try_from(self.lanes.len()).expect("few");
        let stage = stage(&place.topic, source.partitions);
        self.scans[at].state = Some(Scanning {
            is_begun: false,
            outbox: Outbox::new(source, lease.epoch(), checkpoint.round, lanes),
            lease,
            correlator: self.restore(stage, &checkpoint),
            ruleset: Arc::clone(&self.rules[0]),
            next: usize::try_from(checkpoint.offset).expect("fits"),
            round: checkpoint.round,
        });
        self.checkpoint(at);
    }

    fn scan(&mut self, at: usize, count: usize) {
        self.take_over(at);
        let Scan { log, state, .. } = &mut self.scans[at];
        let state = state.as_mut().expect("taken over");
        let mut detector = Detector::new(&state.ruleset);
        let mut findings = Findings::default();
        let end = log.len().min(state.next.saturating_add(count));
        for event in &log[state.next..end] {
            scan(
                &mut detector,
                &mut state.correlator,
                event,
                self.organization,
                &mut findings,
            );
        }
        state.next = end;
        state.outbox.put(std::mem::take(&mut findings.signals));
        let full = state.outbox.full();
        note(&mut self.alerts, &mut findings);
        self.send(full);
    }

    fn send(&mut self, records: Vec<Record>) {
        let count = u32::try_from(self.lanes.len()).expect("few");
        for record in records {
            let key = record.key.as_deref().expect("a key");
            self.lanes[partition_of_key(key, count) as usize].log.push(record);
        }
    }

    fn send_rest(&mut self, at: usize) {
        let rest = self.scans[at].state.as_mut().map(|state| state.outbox.rest());
        self.send(rest.unwrap_or_default());
    }

    fn publish(&mut self, records: Vec<Record>) {
        for record in records {
            let key = record.key.clone().expect("a key");
            if record.tombstone {
                self.newest.remove(&key);
            } else {
                self.newest.insert(key, record);
            }
        }
    }

    fn checkpoint(&mut self, at: usize) {
        self.take_over(at);
        self.send_rest(at);
        let state = self.scans[at].state.as_mut().expect("taken over");
        let ends = std::mem::replace(&mut state.is_begun, true);
        state.round += u64::from(ends);
        let checkpoint = Checkpoint {
            offset: state.next as u64,
            round: state.round,
            ruleset: String::new(),
            state: state.correlator.snapshot(),
            inbox: Vec::new(),
        };
        let mut written = state.lease.write(&checkpoint).expect("written");
        written.chunks.push(written.manifest);
        written.chunks.extend(state.lease.forget_others());
        if ends {
            state.outbox.end_round();
        }
        let is_empty = self.scans[at].log.is_empty();
        let state = self.scans[at].state.as_mut().expect("taken over");
        let watermark = state.correlator.watermark().map_or(i64::MIN, Timestamp::as_nanos);
        let marks = state.outbox.marks(if is_empty { i64::MAX } else { watermark });
        self.publish(written.chunks);
        self.send(marks);
    }

    /// Nothing comes any more.
    fn end(&mut self, at: usize) {
        self.take_over(at);
        self.scan(at, usize::MAX);
        let state = self.scans[at].state.as_mut().expect("taken over");
        let mut detector = Detector::new(&state.ruleset);
        let mut findings = Findings::default();
        detector.flush(&mut state.correlator, &mut findings);
        state.outbox.put(std::mem::take(&mut findings.signals));
        note(&mut self.alerts, &mut findings);
        self.checkpoint(at);
        let state = self.scans[at].state.as_mut().expect("taken over");
        let marks = state.outbox.marks(i64::MAX);
        self.send(marks);
    }

    fn receive(&mut self, at: usize, count: usize) {
        if self.lanes[at].state.is_none() {
            let place = self.lanes[at].place.clone();
            let (lease, checkpoint) = self.lease(&place);
            let inbox = match checkpoint.inbox.as_slice() {
                [] => Inbox::default(),
                bytes => Inbox::from_bytes(bytes).expect("read"),
            };
            self.lanes[at].state = Some(Receiving {
                lease,
                inbox,
                correlator: self.restore(Stage::Signals, &checkpoint),
                ruleset: Arc::clone(&self.rules[0]),
                next: usize::try_from(checkpoint.offset).expect("fits"),
                round: checkpoint.round,
            });
        }
        let Lane { log, state, .. } = &mut self.lanes[at];
        let state = state.as_mut().expect("just made");
        let mut correlated = Correlated::default();
        let end = log.len().min(state.next.saturating_add(count));
        for record in &log[state.next..end] {
            let took = state.inbox.take("test", &record.value).expect("understood");
            if let Ok(Some(received)) = took {
                state
                    .correlator
                    .receive(received.signals, received.stream, &mut correlated);
            }
        }
        state.next = end;
        let mut findings = Findings::default();
        findings.take(&mut correlated);
        note(&mut self.alerts, &mut findings);
    }

    fn checkpoint_lane(&mut self, at: usize) {
        let Some(state) = &mut self.lanes[at].state else {
            return;
        };
        state.round += 1;
        let checkpoint = Checkpoint {
            offset: state.next as u64,
            round: state.round,
            ruleset: String::new(),
            state: state.correlator.snapshot(),
            inbox: state.inbox.to_bytes(),
        };
        let mut written = state.lease.write(&checkpoint).expect("written");
        written.chunks.push(written.manifest);
        written.chunks.extend(state.lease.forget_others());
        self.publish(written.chunks);
    }
}

impl Scan<'_> {
    fn is_unread(&self) -> bool {
        self.state
            .as_ref()
            .map_or(!self.log.is_empty(), |state| state.next < self.log.len())
    }
}

/// Bytes of events on so many partitions, and of the signals and marks that come of them with a checkpoint for each second
/// of the events.
pub(crate) fn bytes(happening: &Happening, ruleset: &Arc<Ruleset>, partitions: usize) -> (usize, usize) {
    let rules = [Arc::clone(ruleset), Arc::clone(ruleset)];
    let events: Vec<&Happened> = happening.events.iter().collect();
    let mut plant = Plant::of(happening.organization, events, &rules, (partitions, 1));
    let second = |event: &Happened| event.at.div_euclid(1_000_000_000);
    let last = happening.events.last().map_or(0, second);
    let mut now = happening.events.first().map_or(0, second);
    while now <= last {
        for at in 0..partitions {
            let state = plant.scans[at].state.as_ref();
            let log = &plant.scans[at].log[state.map_or(0, |state| state.next)..];
            let count = log.iter().take_while(|event| second(event) <= now).count();
            if 0 < count {
                plant.scan(at, count);
                plant.checkpoint(at);
            }
        }
        now += 1;
    }
    for at in 0..partitions {
        plant.end(at);
    }
    let records = plant.lanes.iter().flat_map(|lane| &lane.log);
    (
        happening
            .events
            .iter()
            .map(|event| event.key.len() + event.payload.len())
            .sum(),
        records.map(Record::bytes).sum(),
    )
}

/// What shows how the alerts of two runs differ.
pub(crate) fn difference(expected: &Alerts, found: &Alerts) -> String {
    let show = |one: &BTreeSet<Vec<u8>>, other: &BTreeSet<Vec<u8>>| {
        let only = one.difference(other).take(3);
        only.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect::<Vec<_>>()
            .join("\n")
    };
    format!(
        "missing:\n{}\nnot expected:\n{}",
        show(expected, found),
        show(found, expected)
    )
}

/// Runs it as drawn from a seed, against an undisturbed run; how many alerts there are.
pub(crate) fn check(name: &str, happening: &Happening, rules: &[Arc<Ruleset>; 2], seed: u64) -> usize {
    let expected = undisturbed(happening, &rules[0]);
    let mut random = Random::new(seed);
    let found = Plant::new(happening, rules, &mut random).run(&mut random);
    assert!(
        expected == found,
        "{name}, VARDE_SEED={seed}:\n{}",
        difference(&expected, &found)
    );
    expected.len()
}
