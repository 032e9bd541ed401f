//! What became of every record: one account, which metrics, heartbeats and tests agree on.
//!
//! `carried + read = published + refused + shed + held`, at every moment at which nothing is under way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ingest_event::Timestamp;

/// Sources that are counted by name; a sensor has a handful. Further ones are counted as one.
const SOURCES_MAX: usize = 256;

/// The name of what is beyond [`SOURCES_MAX`].
const OTHERS: &str = "others";

/// Counts while the sensor runs.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) carried: u64,
    pub(super) read: AtomicU64,
    pub(super) published: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) shed: AtomicU64,
    sources: Mutex<BTreeMap<String, SourceCounts>>,
}

/// All of a sensor's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Events that lay in the spool at the start.
    pub carried: u64,
    /// Records read since.
    pub read: u64,
    /// Events that the bus acknowledged.
    pub published: u64,
    /// Records put aside.
    pub refused: u64,
    /// Records turned away at the door, shed from the spool, or lost to damage in it.
    pub shed: u64,
    /// Events that lie in the spool.
    pub held: u64,
}

impl Account {
    /// Whether nothing else became of a record.
    #[must_use]
    pub const fn is_balanced(&self) -> bool {
        self.carried + self.read == self.published + self.refused + self.shed + self.held
    }
}

/// What became of one source's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Read.
    pub read: u64,
    /// Put aside.
    pub refused: u64,
    /// Turned away at the door.
    pub shed: u64,
    /// Dropped by the kernel before they could be read; in no other count.
    pub kernel_drops: u64,
    /// The latest event's time.
    pub last: Option<Timestamp>,
}

impl Ledger {
    /// With what lay in the spool at the start.
    pub(super) fn carrying(carried: u64) -> Self {
        Self {
            carried,
            ..Self::default()
        }
    }

    /// Adds a batch of a source.
    pub(super) fn add(&self, source: &str, counts: SourceCounts) {
        self.read.fetch_add(counts.read, Ordering::Relaxed);
        self.refused.fetch_add(counts.refused, Ordering::Relaxed);
        self.shed.fetch_add(counts.shed, Ordering::Relaxed);
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if sources.contains_key(source) || sources.len() < SOURCES_MAX {
            source
        } else {
            OTHERS
        };
        let sum = sources.entry(name.to_owned()).or_default();
        sum.read += counts.read;
        sum.refused += counts.refused;
        sum.shed += counts.shed;
        sum.kernel_drops += counts.kernel_drops;
        sum.last = sum.last.max(counts.last);
    }

    /// With what is held now.
    pub(super) fn account(&self, held: u64) -> Account {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Account {
            carried: self.carried,
            read: of(&self.read),
            published: of(&self.published),
            refused: of(&self.refused),
            shed: of(&self.shed),
            held,
        }
    }

    /// By source, in the order of their names.
    pub(super) fn sources(&self) -> Vec<(String, SourceCounts)> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources
            .iter()
            .map(|(name, counts)| (name.clone(), *counts))
            .collect()
    }
}
