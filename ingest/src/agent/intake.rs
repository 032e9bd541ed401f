//! Where sources hand in what they read: withheld, stamped, encoded and spooled in one transaction.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ingest_event::{QuarantineRecord, Timestamp, encode};
use ipnet::IpNet;
use thiserror::Error;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{AgentSummary, CANARY_DATASET};
use crate::clock::Clock;
use crate::disclose::disclose;
use crate::metrics::Metrics;
use crate::publish;
use crate::record::{Record, Refusal};
use crate::site::Site;
use crate::spool::{Entry, Progress, Spool, SpoolError};
use crate::stamp::{SensorContext, SourceIdentity, put_aside, stamp};

/// Ends the key of a canary's record, so that the publisher knows one without reading it.
pub(super) const CANARY_KEY: &[u8] = b"/varde.canary";

/// The sensor was told to stop while a source waited for room in the spool: what it wanted to hand in was not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("stopped while the spool is full")]
pub struct Stopped;

/// The sensor's one way in.
#[derive(Debug)]
pub struct Intake {
    spool: Mutex<Spool>,
    site: Mutex<Site>,
    context: SensorContext,
    home_networks: Vec<IpNet>,
    clock: Clock,
    metrics: Metrics,
    /// No more is waited for once this is cancelled.
    stop: CancellationToken,
    /// Whether the spool is full: asked on the runtime's threads, where nobody may wait for a disk.
    is_full: AtomicBool,
    /// What this intake has added to the figure of bytes in the spool, which several share in one process.
    told_bytes: AtomicI64,
    /// Held by the one source that waits for room, or hands in: the limit is passed by one batch at most.
    turn: tokio::sync::Mutex<()>,
    /// Something was spooled.
    pub(super) filled: Notify,
    /// Something was published.
    emptied: Notify,
}

impl Intake {
    pub(crate) fn new(
        spool: Spool,
        site: Site,
        context: SensorContext,
        home_networks: Vec<IpNet>,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        let intake = Self {
            stop: CancellationToken::new(),
            is_full: AtomicBool::new(false),
            told_bytes: AtomicI64::new(0),
            turn: tokio::sync::Mutex::new(()),
            spool: Mutex::new(spool),
            site: Mutex::new(site),
            context,
            home_networks,
            clock,
            metrics,
            filled: Notify::new(),
            emptied: Notify::new(),
        };
        intake.tell(&intake.lock());
        intake
    }

    /// The same, no longer waiting for room once `stop` is cancelled.
    #[must_use]
    pub(crate) fn until(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// Tells how full the spool is.
    fn tell(&self, spool: &Spool) {
        self.is_full.store(spool.is_full(), Ordering::Relaxed);
        let bytes = i64::try_from(spool.bytes()).unwrap_or(i64::MAX);
        let before = self.told_bytes.swap(bytes, Ordering::Relaxed);
        self.metrics.spool_bytes.add(bytes.saturating_sub(before));
    }

    /// The networks that are ours.
    #[must_use]
    pub fn home_networks(&self) -> &[IpNet] {
        &self.home_networks
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The sensor's figures.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How far a source was read. Waits for the disk: not for the runtime's threads.
    ///
    /// # Errors
    /// If the spool can't be read.
    pub fn progress(&self, source: &str) -> Result<Progress, SpoolError> {
        self.lock().progress(source)
    }

    /// Takes records in; returns when they are durable. Waits while the spool is full.
    ///
    /// # Errors
    /// If the spool can't be written; [`Stopped`] if the sensor is told to stop while this waits.
    pub async fn hand_in(
        self: &Arc<Self>,
        format: &str,
        source: &SourceIdentity,
        records: Vec<Record>,
        progress: Option<(String, Progress)>,
    ) -> anyhow::Result<()> {
        if records.is_empty() && progress.is_none() {
            return Ok(());
        }
        let _turn = tokio::select! {
            biased;
            turn = self.turn.lock() => turn,
            () = self.stop.cancelled() => return Err(Stopped.into()),
        };
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if !self.is_full.load(Ordering::Relaxed) {
                break;
            }
            tokio::select! {
                () = emptied => {}
                () = self.stop.cancelled() => return Err(Stopped.into()),
            }
        }
        self.spool(format, source, records, progress).await
    }

    async fn spool(
        self: &Arc<Self>,
        format: &str,
        source: &SourceIdentity,
        records: Vec<Record>,
        progress: Option<(String, Progress)>,
    ) -> anyhow::Result<()> {
        let (intake, source, format) = (Arc::clone(self), source.clone(), format.to_owned());
        tokio::task::spawn_blocking(move || {
            let taken = intake.take(&format, &source, records, progress);
            if taken.is_err() {
                intake.metrics.spool_failures.inc();
            }
            taken
        })
        .await??;
        Ok(())
    }

    /// Takes records in if there is room, and sheds them otherwise, also when the spool can't be written: for sources
    /// that can't wait.
    ///
    /// # Errors
    /// Never yet: what can't be taken is counted.
    pub async fn offer(
        self: &Arc<Self>,
        kind: &str,
        format: &str,
        source: &SourceIdentity,
        records: Vec<Record>,
    ) -> anyhow::Result<()> {
        let count = records.len();
        if count == 0 {
            return Ok(());
        }
        if self.is_full.load(Ordering::Relaxed) {
            self.shed(kind, format, count);
        } else if let Err(error) = self.spool(format, source, records, None).await {
            tracing::error!(
                error = format!("{error:#}"),
                "write the spool; what came meanwhile is lost and counted"
            );
            self.shed(kind, format, count);
        }
        Ok(())
    }

    /// Counts records that were read and could not be taken in.
    pub(crate) fn shed(&self, kind: &str, format: &str, count: usize) {
        let (read, shed) = (&self.metrics.records_read, &self.metrics.records_shed);
        read.with_label_values(&[format]).inc_by(count as u64);
        shed.with_label_values(&[kind]).inc_by(count as u64);
    }

    fn take(
        &self,
        format: &str,
        source: &SourceIdentity,
        records: Vec<Record>,
        progress: Option<(String, Progress)>,
    ) -> Result<(), SpoolError> {
        let observed = self.clock.now();
        let (count, mut withheld, mut refused) = (records.len() as u64, 0, Vec::new());
        let mut spool = self.lock();
        let mut append = spool.append()?;
        for record in records {
            match record {
                Record::Event(mut draft) => {
                    withheld += disclose(&mut draft.fields);
                    append.event(|sequence| {
                        let event = stamp(&self.context, source, draft, sequence, observed);
                        let mut value = Vec::with_capacity(512);
                        encode(&event, &mut value);
                        let key = if event.dataset == CANARY_DATASET {
                            [event.organization.as_str().as_bytes(), CANARY_KEY].concat()
                        } else {
                            publish::key(&event, &self.home_networks)
                        };
                        (key, value)
                    })?;
                }
                Record::Refused(refusal) => {
                    refused.push(refusal.reason);
                    let record = self.keep(source, refusal, observed);
                    let value = serde_json::to_vec(&record).unwrap_or_default();
                    append.quarantine(self.context.sensor.as_str().as_bytes(), &value)?;
                }
            }
        }
        if let Some((key, progress)) = progress {
            append.progress(&key, progress)?;
        }
        append.commit()?;
        self.tell(&spool);
        drop(spool);
        self.metrics
            .records_read
            .with_label_values(&[format])
            .inc_by(count);
        self.metrics.fields_withheld.inc_by(withheld);
        for reason in refused {
            self.metrics
                .records_refused
                .with_label_values(&[reason.as_str()])
                .inc();
        }
        self.filled.notify_one();
        Ok(())
    }

    /// The oldest records that wait.
    pub(crate) fn oldest(&self) -> Result<Vec<Entry>, SpoolError> {
        self.lock().oldest()
    }

    /// Deletes what the bus has.
    pub(super) fn published(&self, batch: &[Entry]) -> Result<(), SpoolError> {
        let Some(last) = batch.last() else { return Ok(()) };
        let mut spool = self.lock();
        spool.delete_through(last.number, batch)?;
        self.tell(&spool);
        drop(spool);
        self.emptied.notify_waiters();
        Ok(())
    }

    /// Whose records these are, for quarantine.
    #[cfg(test)]
    pub(crate) fn context(&self) -> &SensorContext {
        &self.context
    }

    /// Keeps on site what was refused; what may be told of it elsewhere.
    pub(super) fn put_aside(&self, source: &SourceIdentity, refusal: Refusal) -> QuarantineRecord {
        self.keep(source, refusal, self.clock.now())
    }

    fn keep(&self, source: &SourceIdentity, refusal: Refusal, observed: Timestamp) -> QuarantineRecord {
        let mut site = self.site.lock().unwrap_or_else(PoisonError::into_inner);
        let aside = put_aside(&self.context, source, refusal, observed, site.quarantine_key());
        if let Err(error) = site.quarantine.keep(&aside.kept) {
            tracing::error!(%error, "keep what was refused on site; it is told of all the same");
        }
        aside.told
    }

    pub(super) fn summary(&self) -> AgentSummary {
        let sum = |counters: &prometheus::IntCounterVec| {
            use prometheus::core::Collector;
            let families = counters.collect();
            let metrics = families.iter().flat_map(|family| family.get_metric());
            metrics
                .map(|metric| metric.get_counter().get_value() as u64)
                .sum()
        };
        AgentSummary {
            records_read: sum(&self.metrics.records_read),
            records_refused: sum(&self.metrics.records_refused),
            events_published: self.metrics.events_published.get(),
            sources_failed: self.metrics.source_failures.get(),
        }
    }

    /// A panic while the spool was held rolls its transaction back, so the spool itself is whole.
    fn lock(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Intake {
    /// Takes its share out of the figure, which outlives it where several sensors run in one process.
    fn drop(&mut self) {
        self.metrics
            .spool_bytes
            .sub(self.told_bytes.load(Ordering::Relaxed));
    }
}
