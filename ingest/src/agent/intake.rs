//! Where sources hand in what they read: withheld, stamped, encoded and spooled in one transaction.

mod batch;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ingest_event::{QuarantineReason, QuarantineRecord, Timestamp};
use ipnet::IpNet;
use thiserror::Error;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::batch::Batch;
use super::ledger::{Account, Ledger, SourceCounts};
use super::outline::{Outline, merge};
use super::{AgentSummary, CANARY_DATASET};
use crate::clock::Clock;
use crate::island::Island;
use crate::metrics::Metrics;
use crate::record::{Record, Refusal};
use crate::scan::Scan;
use crate::site::Site;
use crate::spool::{Cause, Destination, Entry, Held, Loss, Progress, Room, Spool, SpoolError, Stream};
use crate::stamp::{SensorContext, SourceIdentity, put_aside};

/// Ends the key of a canary's record, so that the publisher knows one without reading it.
pub(super) const CANARY_KEY: &[u8] = b"/varde.canary";

/// What the sensor says of itself comes in these formats.
const OWN: [&str; 2] = ["canary", "heartbeat"];

/// How far what the sensor says of itself may go beyond a full spool: days of it.
const OWN_BYTES_MAX: u64 = 4 << 20;

/// How soon a full disk is tried again.
const DISK_LOOK: Duration = Duration::from_secs(1);

/// Datasets that only Varde's own parts write begin with this.
const RESERVED: &str = "varde.";

/// The sensor was told to stop while a source waited for room in the spool: what it wanted to hand in was not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("stopped while the spool is full")]
pub struct Stopped;

/// The sensor's one way in.
#[derive(Debug)]
pub struct Intake {
    spool: Mutex<Spool>,
    site: Mutex<Site>,
    scan: Arc<Scan>,
    island: Arc<Island>,
    context: SensorContext,
    home_networks: Vec<IpNet>,
    clock: Clock,
    metrics: Metrics,
    folder: PathBuf,
    ledger: Ledger,
    /// What was turned away and the spool does not know of yet; one for each stream. Asked on threads that may not wait
    /// for a disk.
    turned_away: Mutex<Vec<Loss>>,
    /// No more is waited for once this is cancelled.
    stop: CancellationToken,
    /// Whether the spool is full: asked on the runtime's threads, where nobody may wait for a disk.
    is_full: AtomicBool,
    /// What this intake has added to the figure of bytes in the spool, which several share in one process.
    told_bytes: AtomicI64,
    /// Held by the one source that waits for room, or hands in: the limit is passed by one batch at most, but for alerts.
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
        let waits = 0 < held_events(&spool);
        let island = Island::open(spool.folder(), waits, clock.now(), metrics.island.clone());
        let intake = Self {
            folder: spool.folder().to_path_buf(),
            ledger: Ledger::carrying(held_events(&spool)),
            turned_away: Mutex::new(Vec::new()),
            stop: CancellationToken::new(),
            is_full: AtomicBool::new(false),
            told_bytes: AtomicI64::new(0),
            turn: tokio::sync::Mutex::new(()),
            spool: Mutex::new(spool),
            site: Mutex::new(site),
            scan: Arc::new(Scan::new(metrics.scan.clone())),
            island: Arc::new(island),
            context,
            home_networks,
            clock,
            metrics,
            filled: Notify::new(),
            emptied: Notify::new(),
        };
        let mut spool = intake.lock();
        intake.metrics.spool_failures.inc_by(spool.damaged());
        intake.tell(&mut spool);
        drop(spool);
        intake
    }

    /// The same, no longer waiting for room once `stop` is cancelled.
    #[must_use]
    pub(crate) fn until(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// What is told on site while the way out is cut.
    #[must_use]
    pub(crate) fn island(&self) -> &Arc<Island> {
        &self.island
    }

    /// What records are held against when they are taken in.
    #[must_use]
    pub fn scan(&self) -> &Arc<Scan> {
        &self.scan
    }

    /// Tells how full the spool is, and what it gave up.
    fn tell(&self, spool: &mut Spool) {
        for loss in spool.fresh_losses() {
            let labels = [loss.stream.as_str(), loss.cause.as_str()];
            self.metrics
                .spooled_shed
                .with_label_values(&labels)
                .inc_by(loss.records);
            // What is in quarantine was counted as refused.
            if loss.stream != Stream::Quarantine {
                self.ledger.shed.fetch_add(loss.records, Ordering::Relaxed);
            }
        }
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
    #[must_use]
    pub fn progress(&self, source: &str) -> Progress {
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
        let mut batch = Batch::new(format, source, records, progress);
        let stream = batch.outline.stream;
        // Alerts don't stand in line behind what waits for room.
        let mut turn = None;
        if stream != Stream::Alert {
            turn = tokio::select! {
                biased;
                turn = self.turn.lock() => Some(turn),
                () = self.stop.cancelled() => return Err(Stopped.into()),
            };
        }
        loop {
            self.wait_for_room(stream).await?;
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            let (taken, back) = self.spool(batch, Room::Wait).await?;
            match taken {
                Ok(_) => {
                    drop(turn);
                    return Ok(());
                }
                Err(SpoolError::NoRoom) => batch = back,
                Err(error) => return Err(error.into()),
            }
            if stream == Stream::Alert && self.gives_way(Cause::Disk).await? {
                continue;
            }
            tracing::warn!("the disk is full; what can wait, waits");
            tokio::select! {
                () = emptied => {}
                // Somebody else may have made room on the disk, and nobody tells.
                () = tokio::time::sleep(DISK_LOOK) => {}
                () = self.stop.cancelled() => return Err(Stopped.into()),
            }
        }
    }

    /// Waits until the spool is not full; for alerts room is made.
    async fn wait_for_room(self: &Arc<Self>, stream: Stream) -> anyhow::Result<()> {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            let is_full = self.is_full.load(Ordering::Relaxed);
            if !is_full || stream == Stream::Alert && self.gives_way(Cause::Full).await? {
                return Ok(());
            }
            tokio::select! {
                () = emptied => {}
                () = self.stop.cancelled() => return Err(Stopped.into()),
            }
        }
    }

    /// Alerts do not wait behind logs and flows: the oldest of those go for them. Whether there is room then, or, on a
    /// full disk, more of it.
    async fn gives_way(self: &Arc<Self>, cause: Cause) -> anyhow::Result<bool> {
        let intake = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || {
            let mut spool = intake.lock();
            let mut is_more = cause == Cause::Disk && spool.shed(Stream::Log, cause);
            if cause == Cause::Full {
                while spool.is_full() && spool.shed(Stream::Log, cause) {}
                is_more = !spool.is_full();
            }
            intake.tell(&mut spool);
            is_more
        });
        Ok(made.await?)
    }

    /// Whether a batch was taken, and the batch; with [`Room::Make`] it may be turned away.
    async fn spool(
        self: &Arc<Self>,
        mut batch: Batch,
        room: Room,
    ) -> anyhow::Result<(Result<bool, SpoolError>, Batch)> {
        let intake = Arc::clone(self);
        let asked = tokio::task::spawn_blocking(move || {
            let taken = intake.take(&mut batch, room);
            if taken.is_err() {
                intake.metrics.spool_failures.inc();
            }
            (taken, batch)
        });
        Ok(asked.await?)
    }

    /// Takes records in without waiting for room, which is made by shedding the oldest of what is no more important; where
    /// there is none, and also when the spool can't be written, they are turned away. For sources that can't wait.
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
        if records.is_empty() {
            return Ok(());
        }
        let batch = Batch::new(format, source, records, None);
        let outline = batch.outline.clone();
        match self.attempt(batch, Room::Make).await {
            Ok(true) => return Ok(()),
            Ok(false) => self.turn_away(kind, format, source, outline),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "write the spool; what came meanwhile is lost and counted");
                self.turn_away(kind, format, source, outline);
            }
        }
        let intake = Arc::clone(self);
        tokio::task::spawn_blocking(move || intake.remember_turned_away(&mut intake.lock())).await?;
        Ok(())
    }

    /// One attempt, for what is not kept if it fails.
    async fn attempt(self: &Arc<Self>, batch: Batch, room: Room) -> anyhow::Result<bool> {
        let (taken, _) = self.spool(batch, room).await?;
        Ok(taken?)
    }

    /// Takes in what the sensor says of itself, whether the spool is full or not: it is little. It costs nothing else its
    /// place; on a full disk it is missed.
    /// Whether it was taken.
    pub(super) async fn say(
        self: &Arc<Self>,
        kind: &str,
        source: &SourceIdentity,
        records: Vec<Record>,
    ) -> bool {
        let batch = Batch::new(kind, source, records, None);
        let outline = batch.outline.clone();
        let taken = self.attempt(batch, Room::Wait).await;
        if let Err(error) = &taken {
            let error = format!("{error:#}");
            tracing::debug!(error, kind, "hand in what the sensor says of itself");
        }
        let taken = taken.unwrap_or(false);
        if !taken {
            self.turn_away(kind, kind, source, outline);
        }
        taken
    }

    /// Counts records that were read and could not be taken in.
    pub(crate) fn turn_away(&self, kind: &str, format: &str, source: &SourceIdentity, outline: Outline) {
        let (read, shed) = (&self.metrics.records_read, &self.metrics.records_shed);
        read.with_label_values(&[format]).inc_by(outline.records);
        shed.with_label_values(&[kind]).inc_by(outline.records);
        let counts = SourceCounts {
            read: outline.records,
            shed: outline.records,
            ..SourceCounts::default()
        };
        self.ledger.add(&source.name, counts);
        let mut turned_away = self.turned_away.lock().unwrap_or_else(PoisonError::into_inner);
        for loss in outline.parts {
            merge(&mut turned_away, loss);
        }
    }

    /// What was turned away is known after a crash, too, until it is told.
    fn remember_turned_away(&self, spool: &mut Spool) {
        let turned_away =
            std::mem::take(&mut *self.turned_away.lock().unwrap_or_else(PoisonError::into_inner));
        // That lock is not held while this waits for the disk.
        spool.turned_away(turned_away);
    }

    fn take(&self, batch: &mut Batch, room: Room) -> Result<bool, SpoolError> {
        batch.prepare(self);
        let mut spool = self.lock();
        if room == Room::Make {
            while spool.is_full() && spool.shed(batch.outline.stream, Cause::Full) {}
            if spool.is_full() {
                self.tell(&mut spool);
                return Ok(false);
            }
        }
        let format = batch.format.as_str();
        if OWN.contains(&format) && spool.is_over_by(OWN_BYTES_MAX) {
            self.tell(&mut spool);
            return Ok(false);
        }
        let mut append = spool.append(room);
        batch.fill(&mut append, self.own_key());
        let committed = append.commit();
        if committed.is_ok() {
            let counts = SourceCounts {
                read: batch.read(),
                refused: batch.refused().count() as u64,
                last: batch.outline.last,
                ..SourceCounts::default()
            };
            self.ledger.add(&batch.source.name, counts);
        }
        self.tell(&mut spool);
        drop(spool);
        committed?;
        self.island.spooled(self.clock.now());
        let counter = &self.metrics.records_read;
        counter
            .with_label_values(&[&batch.format])
            .inc_by(batch.outline.records);
        for reason in batch.refused() {
            let refused = &self.metrics.records_refused;
            refused.with_label_values(&[reason.as_str()]).inc();
        }
        self.filled.notify_one();
        Ok(true)
    }

    /// The oldest records that wait.
    pub(crate) fn oldest(&self) -> Vec<Entry> {
        let mut spool = self.lock();
        self.remember_turned_away(&mut spool);
        let batch = spool.oldest();
        self.tell(&mut spool);
        batch
    }

    /// Deletes what the bus has.
    pub(crate) fn published(&self, batch: &[Entry]) -> Result<(), SpoolError> {
        let mut spool = self.lock();
        let published = spool.published();
        for entry in batch.iter().filter(|entry| entry.stream != Stream::Quarantine) {
            match entry.destination {
                Destination::Events => self.ledger.published.fetch_add(1, Ordering::Relaxed),
                // Put aside on its way: until now it was held.
                Destination::Quarantine => self.ledger.refused.fetch_add(1, Ordering::Relaxed),
            };
        }
        self.tell(&mut spool);
        let is_left = 0 < held_events(&spool);
        drop(spool);
        self.island.taken(is_left, self.clock.now());
        self.emptied.notify_waiters();
        published
    }

    /// One more event is put aside on its way; it is held until the bus has what became of it.
    pub(super) fn refused(&self, reason: QuarantineReason) {
        self.metrics
            .records_refused
            .with_label_values(&[reason.as_str()])
            .inc();
    }

    /// Counts what the kernel dropped before this source could read it. It is in no other count.
    pub(crate) fn kernel_dropped(&self, kind: &str, source: &SourceIdentity, count: u64) {
        self.metrics.kernel_drops.with_label_values(&[kind]).inc_by(count);
        let counts = SourceCounts {
            kernel_drops: count,
            ..SourceCounts::default()
        };
        self.ledger.add(&source.name, counts);
    }

    /// Where a source may keep what it has to know after a restart.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What became of every record so far.
    #[must_use]
    pub fn account(&self) -> Account {
        let spool = self.lock();
        self.ledger.account(held_events(&spool))
    }

    /// What became of each source's records.
    #[must_use]
    pub fn sources(&self) -> Vec<(String, SourceCounts)> {
        self.ledger.sources()
    }

    /// What waits in a stream.
    #[must_use]
    pub fn held(&self, stream: Stream) -> Held {
        self.lock().held(stream)
    }

    /// What was given up and not told yet.
    pub(crate) fn losses(&self) -> Vec<Loss> {
        let mut spool = self.lock();
        self.remember_turned_away(&mut spool);
        spool.losses()
    }

    /// What was given up is told.
    pub(crate) fn losses_told(&self) {
        self.lock().losses_told();
    }

    /// What was given up could not be told: it is told with the next heartbeat.
    pub(crate) fn losses_untold(&self, losses: Vec<Loss>) {
        self.lock().losses_untold(losses);
    }

    /// Whose records these are, for quarantine.
    #[cfg(test)]
    pub(crate) fn context(&self) -> &SensorContext {
        &self.context
    }

    /// Keeps on site what was refused; what may be told of it elsewhere.
    /// The key of what it puts aside.
    pub(super) fn own_key(&self) -> &[u8] {
        self.context.sensor.as_str().as_bytes()
    }

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

    /// A panic while the spool was held leaves an append that did not happen, so the spool itself is whole.
    fn lock(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a dataset of ours from a record that others wrote: whoever can write to a log must not make heartbeats, nor get
/// past what waits.
fn disown(record: &mut Record) {
    if let Record::Event(draft) = record
        && draft.dataset.starts_with(RESERVED)
    {
        draft.dataset = format!("claimed.{}", draft.dataset).into();
    }
}

/// Events that wait: what is in quarantine is no event any more.
fn held_events(spool: &Spool) -> u64 {
    let streams = Stream::ALL
        .into_iter()
        .filter(|stream| *stream != Stream::Quarantine);
    streams.map(|stream| spool.held(stream).records).sum()
}

impl Drop for Intake {
    /// Takes its share out of the figure, which outlives it where several sensors run in one process.
    fn drop(&mut self) {
        self.metrics
            .spool_bytes
            .sub(self.told_bytes.load(Ordering::Relaxed));
    }
}
