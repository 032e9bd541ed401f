//! Events that came lately, for training a ruleset's prefilter on real traffic: in memory only, never written to disk
//! or to a log, and gone with the process.
//!
//! The loop offers a few events of each batch, which costs a copy and never a wait; the thread that compiles sorts
//! them by dataset, so that a busy dataset does not push out the others.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
};

use ingest_event::field;
use serde::Deserialize;

/// The most events that are kept: enough to see each of some dozens of datasets in its variety.
pub const EVENTS_MAX: usize = 2_048;

/// The most bytes that are kept.
pub const BYTES_MAX: usize = 8 << 20;

/// Larger events say little about ordinary ones and would push them out.
const EVENT_BYTES_MAX: usize = 64 << 10;

/// At most so many of one batch are offered.
const OFFERED_PER_BATCH: usize = 32;

/// At most so many wait to be sorted in.
const PENDING_MAX: usize = 256;

/// More datasets than this are kept as one: their number is up to the sender.
const DATASETS_MAX: usize = 64;

/// One event, as it came.
pub type Sample = Arc<[u8]>;

/// The events, and those still to be sorted in.
#[derive(Debug, Default)]
pub struct Samples {
    seen: AtomicU64,
    pending: Mutex<Vec<Box<[u8]>>>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_dataset: BTreeMap<String, VecDeque<Sample>>,
    events: usize,
    bytes: usize,
}

impl Samples {
    /// Takes a few of a batch of payloads, evenly spread.
    pub fn offer<'p>(&self, payloads: impl ExactSizeIterator<Item = &'p [u8]>) {
        let count = payloads.len();
        self.seen.fetch_add(count as u64, Ordering::Relaxed);
        let mut pending = match self.pending.try_lock() {
            Ok(pending) => pending,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // They are being sorted in: the next batch will do.
            Err(TryLockError::WouldBlock) => return,
        };
        let room = PENDING_MAX.saturating_sub(pending.len()).min(OFFERED_PER_BATCH);
        if room == 0 {
            return;
        }
        let step = count.div_ceil(OFFERED_PER_BATCH).max(1);
        let fitting = payloads
            .step_by(step)
            .take(room)
            .filter(|payload| payload.len() <= EVENT_BYTES_MAX);
        pending.extend(fitting.map(Box::from));
    }

    /// How many events have gone by.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Sorts in what was offered. Parses it: not for the thread of a loop.
    pub fn sort(&self) {
        let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        let mut kept = self.kept();
        for payload in pending {
            kept.take(payload);
        }
    }

    /// What is kept, dataset by dataset.
    #[must_use]
    pub fn recent(&self) -> Vec<Sample> {
        self.kept().by_dataset.values().flatten().cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, payload: Box<[u8]>) {
        let mut dataset = dataset(&payload);
        if DATASETS_MAX <= self.by_dataset.len() && !self.by_dataset.contains_key(&dataset) {
            dataset.clear();
        }
        self.events += 1;
        self.bytes += payload.len();
        self.by_dataset
            .entry(dataset)
            .or_default()
            .push_back(payload.into());
        while EVENTS_MAX < self.events || BYTES_MAX < self.bytes {
            // The oldest of the dataset that takes most.
            let most = self.by_dataset.values_mut().max_by_key(|events| events.len());
            let Some(gone) = most.and_then(VecDeque::pop_front) else {
                return;
            };
            self.events -= 1;
            self.bytes -= gone.len();
        }
    }
}

/// What an event says of its kind; empty if it does not.
fn dataset(payload: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "event.dataset")]
        dataset: String,
    }
    debug_assert_eq!(field::EVENT_DATASET, "event.dataset");
    serde_json::from_slice(payload).map_or_else(|_| String::new(), |named: Named| named.dataset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(dataset: &str, number: usize, bytes: usize) -> Vec<u8> {
        format!(
            r#"{{"event.dataset":"{dataset}","n":{number},"message":"{}"}}"#,
            "x".repeat(bytes)
        )
        .into_bytes()
    }

    fn offer(samples: &Samples, events: &[Vec<u8>]) {
        samples.offer(events.iter().map(Vec::as_slice));
    }

    fn count(samples: &Samples, dataset: &str) -> usize {
        let needle = format!(r#""{dataset}""#);
        let recent = samples.recent();
        let holds = |event: &&Arc<[u8]>| String::from_utf8_lossy(event).contains(&needle);
        recent.iter().filter(holds).count()
    }

    #[test]
    fn a_busy_dataset_does_not_push_out_a_quiet_one() {
        let samples = Samples::default();
        offer(&samples, &[event("quiet", 0, 10), event("quiet", 1, 10)]);
        for number in 0..4 * EVENTS_MAX {
            offer(&samples, &[event("busy", number, 10)]);
            samples.sort();
        }
        assert_eq!(count(&samples, "quiet"), 2);
        assert_eq!(count(&samples, "busy"), EVENTS_MAX - 2);
        let newest = format!(r#""n":{},"#, 4 * EVENTS_MAX - 1);
        assert!(
            samples
                .recent()
                .iter()
                .any(|event| String::from_utf8_lossy(event).contains(&newest))
        );
    }

    #[test]
    fn what_is_kept_and_what_waits_is_bounded_in_number_and_bytes() {
        let samples = Samples::default();
        let batch: Vec<Vec<u8>> = (0..4_096).map(|number| event("large", number, 30_000)).collect();
        for _ in 0..100 {
            offer(&samples, &batch);
        }
        assert_eq!(samples.pending.lock().expect("held").len(), PENDING_MAX);
        for _ in 0..20 {
            samples.sort();
            offer(&samples, &batch);
        }
        samples.sort();
        let bytes: usize = samples.recent().iter().map(|event| event.len()).sum();
        assert!(BYTES_MAX / 2 < bytes && bytes <= BYTES_MAX, "{bytes}");
        assert_eq!(samples.seen(), 120 * 4_096);
        let huge = Samples::default();
        offer(&huge, &[event("huge", 0, EVENT_BYTES_MAX)]);
        huge.sort();
        assert!(huge.recent().is_empty());
    }

    #[test]
    fn made_up_datasets_do_not_grow_without_end() {
        let samples = Samples::default();
        for number in 0..1_000 {
            offer(&samples, &[event(&format!("d{number}"), number, 10)]);
            samples.sort();
        }
        assert!(samples.kept().by_dataset.len() <= DATASETS_MAX + 1);
        assert_eq!(samples.recent().len(), 1_000);
    }
}
