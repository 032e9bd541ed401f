//! One thread of a capture: blocks of its ring to batches of records.
//!
//! It owns its ring and its tracker and waits for nobody. A batch goes out with each block, which the kernel hands over
//! within a twentieth of a second, and whenever it is full.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use ingest_event::Timestamp;
use ingest_ring::{Block, Ring, RingError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::KIND;
use crate::agent::{Intake, Outline};
use crate::capture::{CaptureOptions, Counts, Frame, LinkType, Tracker};
use crate::record::Record;
use crate::stamp::SourceIdentity;

/// Records of a batch: enough to be worth its way, few enough to be small in memory.
pub(super) const RECORDS_PER_BATCH: usize = 512;

/// Longest wait for a block, and so between looks at the clock and at whether to stop.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

const NANOS_PER_SEC: i64 = 1_000_000_000;

/// Records of one member, in order.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) identity: Arc<SourceIdentity>,
    pub(super) records: Vec<Record>,
}

/// A thread's state, which outlives its rings.
pub(super) struct Member {
    tracker: Tracker,
    /// Frames so far: each one's position.
    frames: u64,
    told: Counts,
    records: Vec<Record>,
    identity: Arc<SourceIdentity>,
    intake: Arc<Intake>,
    sender: mpsc::Sender<Batch>,
}

impl Member {
    pub(super) fn new(
        name: &str,
        index: usize,
        started: Timestamp,
        options: CaptureOptions,
        intake: Arc<Intake>,
        sender: mpsc::Sender<Batch>,
    ) -> Self {
        let identity = SourceIdentity {
            // What passes has no place of its own, so the start of listening tells runs apart.
            content: format!("{name}/{index}@{}", started.as_nanos()).into_bytes(),
            name: name.to_owned(),
            path: None,
        };
        Self {
            tracker: Tracker::new(options),
            frames: 0,
            told: Counts::default(),
            records: Vec::new(),
            identity: Arc::new(identity),
            intake,
            sender,
        }
    }

    /// Reads until told to stop or the interface is lost. Then the others that listen to it are told to stop as well.
    pub(super) fn read(&mut self, ring: &mut Ring, stop: &CancellationToken) {
        // After being told to stop: what was in the ring, and the block that was being filled.
        let mut blocks_left = ring.blocks() + 1;
        while 0 < blocks_left {
            blocks_left -= usize::from(stop.is_cancelled());
            match ring.next_block(PATIENCE) {
                Ok(Some(block)) => self.block(&block),
                Ok(None) if stop.is_cancelled() => break,
                Ok(None) => self.tick(),
                Err(RingError::Lost) => break,
                Err(RingError::System(error)) => {
                    tracing::warn!(%error, "read packets of an interface; opening it again");
                    break;
                }
            }
            self.account(ring);
        }
        stop.cancel();
        self.account(ring);
    }

    /// Says what time it is to flows on a wire on which nothing happens.
    pub(super) fn tick(&mut self) {
        let now = self.intake.clock().now();
        while self.tracker.tick(now, &mut self.records) {
            self.send();
        }
        self.send();
        self.tell();
    }

    /// Hands out all flows that are open. Waits for the intake: there are no more packets to be late for.
    pub(super) fn finish(&mut self) {
        loop {
            let more = self.tracker.finish(&mut self.records);
            let batch = self.batch();
            if let Err(mpsc::error::SendError(batch)) = self.sender.blocking_send(batch) {
                self.shed(&batch);
            }
            if !more {
                break;
            }
        }
        self.tell();
    }

    fn block(&mut self, block: &Block<'_>) {
        let (mut room, mut doubles) = (Vec::new(), 0);
        let mut walk = block.frames();
        for raw in walk.by_ref() {
            if raw.is_double {
                doubles += 1;
                continue;
            }
            self.frames += 1;
            let timestamp = Timestamp::from_nanos(i64::from(raw.secs) * NANOS_PER_SEC + i64::from(raw.nanos));
            let (bytes, wire_bytes) = raw.whole(&mut room);
            // After a silence thousands of flows may be over at once.
            while self.tracker.make_way(timestamp, &mut self.records) {
                self.send();
            }
            let frame = Frame {
                number: self.frames,
                timestamp,
                link: LinkType::Ethernet,
                bytes,
                wire_bytes,
            };
            self.tracker.packet(&frame, &mut self.records);
            if RECORDS_PER_BATCH <= self.records.len() {
                self.send();
            }
        }
        self.intake
            .metrics()
            .capture
            .passed_over(doubles, walk.unread().into());
        self.send();
        self.tell();
    }

    fn batch(&mut self) -> Batch {
        Batch {
            identity: Arc::clone(&self.identity),
            records: mem::take(&mut self.records),
        }
    }

    /// Sends what there is, or sheds it.
    fn send(&mut self) {
        if self.records.is_empty() {
            return;
        }
        let batch = self.batch();
        match self.sender.try_send(batch) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(batch) | mpsc::error::TrySendError::Closed(batch)) => {
                self.shed(&batch);
            }
        }
    }

    fn shed(&self, batch: &Batch) {
        let outline = Outline::of(&batch.records);
        self.intake.turn_away(KIND, KIND, &batch.identity, outline);
    }

    /// Adds what the tracker counted to the figures.
    fn tell(&mut self) {
        let counts = self.tracker.counts();
        self.intake.metrics().capture.advance(self.told, counts);
        self.told = counts;
    }

    /// Adds what the kernel counted to the figures.
    fn account(&self, ring: &Ring) {
        match ring.statistics() {
            Ok(counted) => self.intake.metrics().capture.kernel(counted),
            Err(error) => tracing::debug!(%error, "ask the kernel for its counters"),
        }
    }
}

#[cfg(test)]
mod tests {
    use ingest_event::QuarantineReason;

    use super::*;
    use crate::clock::Clock;
    use crate::config;
    use crate::metrics::Metrics;
    use crate::record::Refusal;
    use crate::site::Site;
    use crate::spool::Spool;

    #[test]
    fn nobody_waits_for_a_slow_intake_and_what_is_shed_is_counted() {
        let directory = tempfile::tempdir().expect("a directory");
        let text = "sensor: sensor-1\norganization: \"964965226\"\nstate: unused\n\
                    bus: { embedded: { directory: unused } }\nsources: []\n";
        let context = config::parse(text, "sensor.yml").expect("reads").context;
        let spool = Spool::open(directory.path(), 1 << 20).expect("opens");
        let site = Site::open(directory.path()).expect("opens");
        let metrics = Metrics::new().expect("registers");
        let (clock, counting) = (Clock::System, metrics.clone());
        let intake = Arc::new(Intake::new(spool, site, context, Vec::new(), clock, metrics));
        // One batch may wait, and nobody takes it.
        let (sender, mut receiver) = mpsc::channel(1);
        let options = CaptureOptions::default();
        let mut member = Member::new("capture:far", 0, Timestamp::EPOCH, options, intake, sender);
        let mut say = |records: usize| {
            for _ in 0..records {
                let refusal = Refusal::new(QuarantineReason::Malformed, "a test", 1, b"");
                member.records.push(Record::Refused(refusal));
            }
            member.send();
        };
        let counted = || {
            let of = |counters: &prometheus::IntCounterVec| counters.with_label_values(&[KIND]).get();
            (of(&counting.records_read), of(&counting.records_shed))
        };
        say(3);
        assert_eq!(counted(), (0, 0), "what waits is counted when it is taken in");
        say(4);
        say(0);
        assert_eq!(counted(), (4, 4));
        assert_eq!(receiver.try_recv().expect("one waits").records.len(), 3);
        say(2);
        assert_eq!(counted(), (4, 4), "there is room again");
        drop(receiver);
        say(1);
        assert_eq!(counted(), (5, 5), "nobody will take it any more");
    }
}
