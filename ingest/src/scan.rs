//! Detection where things are seen: each record is held against indicators and rules in clear, before anything of it is
//! withheld or put under pseudonym (decision 0016).
//!
//! [`Scan::look`] stands between [`crate::normalize`] and [`crate::disclose`]. What matched goes on the event as
//! [`ingest_event::field::VARDE_MATCHED`] when it has its id: for each match a [`Hit`]'s word. Indicators are looked up in
//! the fields as they are; only rules need the event's bytes, and with nothing loaded nothing is done. Rules and indicators
//! come from [`load`]ed files and are replaced as a whole, between batches.

mod fields;
mod hit;
pub mod load;
pub mod ours;
mod restricted;
mod rules;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use detect_engine::{IndicatorTable, Ruleset, Scratch};
use ingest_event::Timestamp;

use crate::island::Local;
use crate::metrics::ScanMetrics;
use crate::record::{Draft, Record};
use crate::stamp::{SensorContext, SourceIdentity, locate};

use fields::Looked;
pub use hit::{Found, Hit, HitKind, MATCHES_MAX};
use restricted::Restricted;
use rules::Rules;

/// So many events an hour pass others because they matched; more do not, lest an indicator for half of the world cost the
/// logs their place in the spool. They are marked all the same.
pub const PASSING_MAX: u32 = 10_000;

const HOUR_NANOS: i64 = 3_600_000_000_000;

/// So many buffers are kept: more batches are never prepared at once on a small machine.
const DESKS_MAX: usize = 8;

/// What is held against each record at one time.
#[derive(Debug)]
pub struct Loaded {
    version: String,
    indicators: IndicatorTable,
    looked: Looked,
    restricted: Option<Restricted>,
    rules: Option<Rules>,
    desks: Mutex<Vec<Desk>>,
}

/// What one batch is looked at with; used again for the next.
#[derive(Debug, Default)]
struct Desk {
    scratch: Scratch,
    rules: Option<rules::Desk>,
}

/// The sensor's scan.
#[derive(Debug)]
pub struct Scan {
    loaded: RwLock<Option<Arc<Loaded>>>,
    metrics: ScanMetrics,
    /// In which hour how many passed others.
    passed: Mutex<(i64, u32)>,
}

/// What is known of a batch beside its records.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The sensor.
    pub context: &'a SensorContext,
    /// Where they come from.
    pub source: &'a SourceIdentity,
    /// When they were read.
    pub now: Timestamp,
}

/// What a batch found: one for each record, or none at all where nothing is loaded.
pub type OfRecords = Vec<Option<Found>>;

impl Loaded {
    /// Of these; `None` where there is nothing to hold against anything.
    #[must_use]
    pub fn new(indicators: IndicatorTable, ruleset: Option<Arc<Ruleset>>) -> Option<Self> {
        Self::with_restricted(indicators, ruleset, None)
    }

    /// The same, with indicators that came as hashes.
    fn with_restricted(
        indicators: IndicatorTable,
        ruleset: Option<Arc<Ruleset>>,
        restricted: Option<Restricted>,
    ) -> Option<Self> {
        let rules = ruleset.filter(|ruleset| 0 < ruleset.rule_count()).map(Rules::new);
        let restricted = restricted.filter(|restricted| 0 < restricted.len());
        if indicators.is_empty() && rules.is_none() && restricted.is_none() {
            return None;
        }
        let mut digest = blake3::Hasher::new();
        if let Some(rules) = &rules {
            digest.update(rules.ruleset().version().0.as_bytes());
        }
        digest.update(&indicators.digest());
        if let Some(restricted) = &restricted {
            digest.update(&restricted.digest());
        }
        let version = digest.finalize().to_hex().chars().take(16).collect();
        Some(Self {
            version,
            looked: Looked::of(|kind| indicators.count(kind) != 0),
            indicators,
            restricted,
            rules,
            desks: Mutex::default(),
        })
    }

    /// Made of the rules and indicators alone, whatever their files.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How many indicators are held, those that came as hashes among them.
    #[must_use]
    pub fn indicator_count(&self) -> usize {
        self.indicators.len() + self.restricted.as_ref().map_or(0, Restricted::len)
    }

    /// How many rules about single events are held.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules
            .as_ref()
            .map_or(0, |rules| rules.ruleset().rule_count())
    }

    fn look(
        &self,
        desk: &mut Desk,
        around: &Around<'_>,
        draft: &mut Draft,
        local: Option<&mut Local>,
    ) -> Option<Found> {
        let mut hits = Vec::new();
        fields::look(
            &self.indicators,
            &self.looked,
            draft,
            &mut desk.scratch,
            &mut hits,
        );
        if let Some(restricted) = &self.restricted {
            restricted.look(draft, &mut hits);
        }
        if let Some(rules) = &self.rules {
            let desk = desk.rules.get_or_insert_with(|| rules.desk());
            rules.look(desk, around, draft, local, &mut hits);
        }
        (!hits.is_empty()).then(|| Found::of(hits))
    }

    fn desk(&self) -> Desk {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        desks.pop().unwrap_or_default()
    }

    fn put_back(&self, desk: Desk) {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        if desks.len() < DESKS_MAX {
            desks.push(desk);
        }
    }
}

impl Scan {
    /// With nothing to hold against anything yet.
    #[must_use]
    pub fn new(metrics: ScanMetrics) -> Self {
        Self {
            loaded: RwLock::default(),
            metrics,
            passed: Mutex::new((i64::MIN, 0)),
        }
    }

    /// Replaces rules and indicators: batches that begin after this are held against the new ones.
    pub fn put(&self, loaded: Option<Loaded>) {
        let rules = loaded.as_ref().map_or(0, Loaded::rule_count);
        let indicators = loaded.as_ref().map_or(0, Loaded::indicator_count);
        self.metrics.holds(rules, indicators);
        let loaded = loaded.map(Arc::new);
        let before = {
            let mut held = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *held, loaded)
        };
        // A table of a million is let go where nobody waits for it.
        drop(before);
    }

    /// What is held against records now.
    #[must_use]
    pub fn loaded(&self) -> Option<Arc<Loaded>> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.clone()
    }

    /// Events looked at, and matches of all kinds.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        self.metrics.counts()
    }

    /// Looks at a batch, as [`crate::agent`] does while the way out is open.
    pub fn look(&self, around: &Around<'_>, records: &mut [Record]) -> (u64, OfRecords) {
        self.look_and_count(around, records, None)
    }

    /// Looks at a batch. What never leaves, whatever the configuration, is not compared either: it is gone from the events
    /// that rules were held against. How many fields that were, and what matched.
    /// While the way out is cut, `local` counts what comes together.
    pub(crate) fn look_and_count(
        &self,
        around: &Around<'_>,
        records: &mut [Record],
        local: Option<&mut Option<Local>>,
    ) -> (u64, OfRecords) {
        let Some(loaded) = self.loaded() else {
            return (0, Vec::new());
        };
        let ruleset = loaded.rules.as_ref().map(Rules::ruleset);
        let mut local = local
            .zip(ruleset)
            .and_then(|(local, ruleset)| Local::of(local, ruleset, around.context));
        let mut desk = loaded.desk();
        let (mut events, mut withheld) = (0, 0);
        let mut found = Vec::with_capacity(records.len());
        for record in records {
            found.push(match record {
                Record::Event(draft) => {
                    events += 1;
                    if loaded.rules.is_some() {
                        locate(draft, around.source);
                        withheld += crate::disclose::disclose(&mut draft.fields);
                    }
                    loaded.look(&mut desk, around, draft, local.as_deref_mut())
                }
                Record::Refused(_) => None,
            });
        }
        loaded.put_back(desk);
        self.metrics.looked(events, found.iter().flatten());
        (withheld, found)
    }

    /// Whether an event that matched passes others, by the time it was read at.
    pub(crate) fn passes(&self, found: &Found, now: Timestamp) -> bool {
        if !found.is_alert() {
            return false;
        }
        let hour = now.as_nanos().div_euclid(HOUR_NANOS);
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if passed.0 != hour {
            *passed = (hour, 0);
        }
        if PASSING_MAX <= passed.1 {
            self.metrics.held_back.inc();
            return false;
        }
        passed.1 += 1;
        true
    }
}

/// Each word once.
fn distinct(hits: &mut Vec<Hit>) {
    hits.sort_by(|one, other| one.word.cmp(&other.word));
    let mut seen = HashSet::new();
    hits.retain(|hit| seen.insert(hit.word.clone()));
}

#[cfg(test)]
mod tests;
