//! Island mode: what is grave is told on site while the way to the centre is cut, and leaves first when it is open again
//! (R19).
//!
//! `Uplink` knows since when nothing was taken of what waits; `Words` decides what is worth a word; `Local` counts
//! rules about several events, for local words only, since the centre counts them when the events have come. All three are
//! pure: `now` is an argument. What is told lies in `state/alerts`, is a line in the log without any name or address, and
//! goes out as [`mail`] where the site has a relay. Nothing of it leaves the site by the sensor, and events are spooled and
//! published as ever.

mod local;
pub mod mail;
pub mod told;
mod uplink;
mod words;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use detect_alert::Severity;
use ingest_event::Timestamp;
use ipnet::IpNet;

use crate::metrics::IslandMetrics;
use crate::publish;
use crate::record::Draft;
use crate::scan::{Found, Hit};

pub(crate) use local::{Bringing, Local};
use told::Told;
pub use told::Word;
use uplink::Uplink;
use words::{Hearing, Words};

/// The way out is taken for cut after so long, unless configured otherwise: a broker that restarts is back by then.
pub const AFTER_SECS: u64 = 15 * 60;

/// From this on a match is told on site.
const TOLD_MIN: Severity = Severity::High;

/// From this on what a rule about several events found is told on site: there are few.
const CORRELATED_MIN: Severity = Severity::Medium;

/// The sensor's island mode.
#[derive(Debug)]
pub struct Island {
    /// Milliseconds.
    after: AtomicU64,
    state: PathBuf,
    /// Whether there may be something to do: looked at for each batch.
    is_cut: AtomicBool,
    inner: Mutex<Inner>,
    /// Held for a batch: batches of several sources are counted one after the other.
    local: Mutex<Option<Local>>,
    metrics: IslandMetrics,
}

#[derive(Debug)]
struct Inner {
    uplink: Uplink,
    words: Words,
    /// None until there is something to tell, and after a failure.
    told: Option<Told>,
    /// For the mail that is written next.
    untold: Vec<Word>,
}

impl Island {
    /// That of a sensor with this state, where `waits` says whether something lies in the spool. One that was an island when
    /// it ended is one still.
    #[must_use]
    pub fn open(state: &Path, waits: bool, now: Timestamp, metrics: IslandMetrics) -> Self {
        let mut uplink = Uplink::default();
        if waits {
            uplink.waits(uplink::remembered(state).unwrap_or(now));
        } else {
            uplink::forget(state);
        }
        let mut words = Words::default();
        let heard = told::read(state, |word| words.remember(&word));
        if let Err(error) = heard {
            tracing::warn!(%error, "read what was told on site; some of it may be told again");
        }
        let island = Self {
            after: AtomicU64::new(AFTER_SECS * 1_000),
            state: state.to_path_buf(),
            is_cut: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                uplink,
                words,
                told: None,
                untold: Vec::new(),
            }),
            local: Mutex::default(),
            metrics,
        };
        island.look(now);
        island
    }

    /// Taken for cut after another time.
    pub fn begins_after(&self, after: Duration) {
        let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.after.store(millis, Ordering::Relaxed);
    }

    /// Something was spooled, and waits.
    pub(crate) fn spooled(&self, now: Timestamp) {
        self.lock().uplink.waits(now);
    }

    /// The bus took something; whether anything is left.
    pub(crate) fn taken(&self, is_left: bool, now: Timestamp) {
        let mut inner = self.lock();
        inner.uplink.taken(is_left, now);
        if self.is_cut.swap(false, Ordering::Relaxed) {
            drop(inner);
            *self.local.lock().unwrap_or_else(PoisonError::into_inner) = None;
            uplink::forget(&self.state);
            self.metrics.is_cut.set(0);
            tracing::warn!("the centre is reached again; alerts go first, then the rest");
        }
    }

    /// Whether the way out is cut, as of now.
    pub(crate) fn look(&self, now: Timestamp) -> bool {
        if self.is_cut.load(Ordering::Relaxed) {
            return true;
        }
        let after = Duration::from_millis(self.after.load(Ordering::Relaxed));
        let inner = self.lock();
        let Some(since) = inner.uplink.cut_since(after, now) else {
            return false;
        };
        self.is_cut.store(true, Ordering::Relaxed);
        drop(inner);
        self.metrics.is_cut.set(1);
        uplink::remember(&self.state, since);
        tracing::warn!(
            secs = now.since(since).as_secs(),
            "nothing was taken of what waits: what is grave is told here until the centre is reached again; see `varde-sensor alerts`"
        );
        true
    }

    /// Lets `work` have what counts rules about several events here; `None` while the way out is open.
    pub(crate) fn with_local<T>(
        &self,
        now: Timestamp,
        work: impl FnOnce(Option<&mut Option<Local>>) -> T,
    ) -> T {
        if !self.look(now) {
            return work(None);
        }
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        work(Some(&mut local))
    }

    /// Tells what an event matched, and what came together in it, where that is grave enough and was not told in this hour.
    pub(crate) fn hear(&self, draft: &Draft, found: Option<&Found>, home_networks: &[IpNet], now: Timestamp) {
        let Some(found) = found.filter(|_| self.look(now)) else {
            return;
        };
        let machine = publish::local_endpoint(&draft.fields, home_networks).unwrap_or_default();
        let is_told = |hit: &&Hit| hit.is_for_the_site() && TOLD_MIN <= hit.severity;
        let grave = found.hits().iter().filter(is_told);
        for hit in grave {
            let rule = hit
                .word
                .rsplit_once('@')
                .map_or(hit.word.as_str(), |(rule, _)| rule);
            self.tell(Word {
                at: now,
                rule: rule.to_owned(),
                title: hit.title.clone(),
                severity: hit.severity.as_str().to_owned(),
                machine: machine.to_owned(),
                dataset: draft.dataset.clone().into_owned(),
            });
        }
    }

    /// Tells what rules about several events found.
    pub(crate) fn hear_together(&self, local: &mut Local, now: Timestamp) {
        for alert in local.take_alerts() {
            if alert.severity < CORRELATED_MIN {
                continue;
            }
            self.tell(Word {
                at: now,
                rule: format!("rule:{}", alert.producer.id.0),
                title: alert.producer.name,
                severity: alert.severity.as_str().to_owned(),
                machine: alert.entity.value,
                dataset: String::new(),
            });
        }
    }

    /// What was told since the last time, for a mail.
    pub(crate) fn take_untold(&self) -> Vec<Word> {
        std::mem::take(&mut self.lock().untold)
    }

    /// A mail could not be sent: with the next one.
    pub(crate) fn put_back(&self, mut words: Vec<Word>) {
        let mut inner = self.lock();
        words.append(&mut inner.untold);
        words.truncate(words::WORDS_MAX);
        inner.untold = words;
    }

    fn tell(&self, word: Word) {
        let mut inner = self.lock();
        let hearing = inner.words.hear(&word);
        match hearing {
            Hearing::Known => return,
            Hearing::TooMany => {
                self.metrics.cut.inc();
                return;
            }
            Hearing::New { is_new_rule } => {
                if is_new_rule {
                    // No machine, no address, no value of an indicator.
                    let (rule, severity) = (&word.title, &word.severity);
                    tracing::warn!(
                        rule,
                        severity,
                        "matched while the centre is away; see `varde-sensor alerts`"
                    );
                }
            }
        }
        self.metrics.told.inc();
        if let Err(error) = inner.write(&self.state, &word) {
            tracing::error!(%error, "write down what is told on site");
        }
        if inner.untold.len() < words::WORDS_MAX {
            inner.untold.push(word);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, state: &Path, word: &Word) -> Result<(), crate::site::TurnsError> {
        let mut told = match self.told.take() {
            Some(told) => told,
            None => Told::open(state)?,
        };
        told.add(word)?;
        self.told = Some(told);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
