//! What one event partition sends.

use detect_engine::Signal;
use ingest_bus::{Record, partition_of_key};
use ingest_event::OrganizationNumber;

use super::{Content, Head, LEVEL, SCHEMA};

/// A record of signals is closed when it has about this many bytes: large enough that heads do not count, far below
/// what a record may have.
const PART_BYTES: usize = 256 << 10;

/// So many bytes of one round are sent before a checkpoint ends it: who receives them holds them until then.
const ROUND_BYTES_MAX: usize = 8 << 20;

/// A partition that sends nothing tells how far it has come when that is so much further than it told last: others wait
/// so much longer for it at the most, and it costs next to nothing.
pub(super) const STEP_NS: i64 = 5_000_000_000;

/// Whose signals they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The consumer group.
    pub group: String,
    /// Whose events they were.
    pub organization: OrganizationNumber,
    /// The partition of the organisation's topic.
    pub partition: u32,
    /// How many partitions it has.
    pub partitions: u32,
}

/// Signals on their way out.
#[derive(Debug)]
pub struct Outbox {
    source: Source,
    epoch: u64,
    /// The round under way.
    round: u64,
    lanes: Vec<Lane>,
    /// Bytes of the round that were sent or wait.
    round_bytes: usize,
    /// Whether a round with signals has ended since the last mark.
    is_owed: bool,
    /// The watermark of the last mark.
    marked: Option<i64>,
}

/// To one partition of the signals.
#[derive(Debug)]
struct Lane {
    /// A key that the bus puts into that partition.
    key: String,
    waiting: Vec<u8>,
    /// What was closed because it was full.
    full: Vec<Vec<u8>>,
    /// The number of the next part.
    part: u32,
}

impl Outbox {
    /// Empty, of the round after `durable`; to so many partitions of the signals, at least one.
    #[must_use]
    pub fn new(source: Source, epoch: u64, durable: u64, lanes: u32) -> Self {
        let lanes = lanes.max(1);
        let lane = |partition| Lane {
            key: key_into(partition, lanes),
            waiting: Vec::new(),
            full: Vec::new(),
            part: 0,
        };
        Self {
            source,
            epoch,
            round: durable.saturating_add(1),
            lanes: (0..lanes).map(lane).collect(),
            round_bytes: 0,
            is_owed: false,
            marked: None,
        }
    }

    /// Takes signals along.
    pub fn put(&mut self, signals: Vec<Signal>) {
        let count = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
        for signal in signals {
            let to = partition_of_key(&signal.key, count);
            let bytes = Signal::encode(vec![signal]);
            let Some(lane) = self.lanes.get_mut(to as usize) else {
                continue;
            };
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            lane.waiting.extend_from_slice(&length.to_le_bytes());
            lane.waiting.extend_from_slice(&bytes);
            self.round_bytes += bytes.len();
            if PART_BYTES <= lane.waiting.len() {
                lane.full.push(std::mem::take(&mut lane.waiting));
            }
        }
    }

    /// Records that are full.
    pub fn full(&mut self) -> Vec<Record> {
        self.records(false)
    }

    /// The rest of the round.
    pub fn rest(&mut self) -> Vec<Record> {
        self.records(true)
    }

    /// Whether something was taken along since the last round.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.round_bytes == 0
    }

    /// Whether who receives it should not have to hold more.
    #[must_use]
    pub const fn is_heavy(&self) -> bool {
        ROUND_BYTES_MAX <= self.round_bytes
    }

    /// The round under way: a checkpoint that ends it carries its number.
    #[must_use]
    pub const fn round(&self) -> u64 {
        self.round
    }

    /// The checkpoint of the round under way is durable: the next one begins.
    pub fn end_round(&mut self) {
        self.round += 1;
        self.is_owed |= 0 < self.round_bytes;
        self.round_bytes = 0;
        for lane in &mut self.lanes {
            lane.part = 0;
        }
    }

    /// Tells every partition of the signals that the round before the one under way is durable, and that nothing
    /// before `watermark` comes any more; the highest there is says that the partition is quiet. Nothing if that is no
    /// news.
    #[must_use]
    pub fn marks(&mut self, watermark: i64) -> Vec<Record> {
        let is_news = match self.marked {
            None => true,
            Some(i64::MAX) => watermark < i64::MAX,
            Some(marked) => STEP_NS <= watermark.saturating_sub(marked),
        };
        if !is_news && !self.is_owed {
            return Vec::new();
        }
        self.marked = Some(watermark);
        self.is_owed = false;
        let head = self.head(self.round.saturating_sub(1), Content::Mark { watermark });
        let value = head.encode();
        let lanes = self.lanes.iter();
        lanes
            .map(|lane| Record::new(value.clone()).with_key(lane.key.as_str()))
            .collect()
    }

    /// What is full, as records; and what is not, if the round is to end.
    fn records(&mut self, is_end: bool) -> Vec<Record> {
        let mut parts = Vec::new();
        for lane in &mut self.lanes {
            let mut full = std::mem::take(&mut lane.full);
            if is_end && !lane.waiting.is_empty() {
                full.push(std::mem::take(&mut lane.waiting));
            }
            for part in full {
                parts.push((lane.key.clone(), lane.part, part));
                lane.part += 1;
            }
        }
        let records = parts.into_iter().map(|(key, number, part)| {
            let mut value = self.head(self.round, Content::Part { number }).encode();
            // Into memory it does not fail but for want of it.
            value.extend_from_slice(&zstd::bulk::compress(&part, LEVEL).unwrap_or_default());
            Record::new(value).with_key(key)
        });
        records.collect()
    }

    fn head(&self, round: u64, content: Content) -> Head {
        let Source {
            group,
            organization,
            partition,
            partitions,
        } = &self.source;
        Head {
            schema: SCHEMA,
            group: group.clone(),
            organization: *organization,
            partition: *partition,
            partitions: *partitions,
            epoch: self.epoch,
            round,
            content,
        }
    }
}

/// The first number that, as a key, lies in a partition: the bus is told where to put a record by its key only.
fn key_into(partition: u32, partitions: u32) -> String {
    (0_u64..)
        .map(|number| number.to_string())
        .find(|key| partition_of_key(key.as_bytes(), partitions) == partition)
        .unwrap_or_default()
}
