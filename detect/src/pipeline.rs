//! The detector's loop: poll → scan → correlate → raise → publish → checkpoint → commit.
//!
//! Findings go out beside the loop, which scans on meanwhile (`publisher.rs`) and waits for them before a checkpoint.
//! Everything a batch caused is durable on the bus before its checkpoint is, and the checkpoint before the commit:
//! a crash at any point repeats work and loses none, and what is repeated has the same ids (D5).
//!
//! Another ruleset is taken between two batches ([`crate::live`]); nothing here compiles one or frees one.

mod outlet;
mod partition;
mod publisher;
mod retry;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use detect_engine::Ruleset;
use ingest_bus::{Block, Bus, Change, Consumer, ErrorClass, Position, Run, Subscription, TopicPartition};
use ingest_event::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    checkpoint::Checkpoint,
    detector::{Detector, Findings, Origin, chain, unknown_topic},
    live::Live,
    metrics::Metrics,
};
use outlet::Outlet;
use partition::Partition;
use publisher::Publisher;
use retry::{Backoff, grace, retry};

/// How long a poll waits while nothing comes: how soon a stop, a change of the ruleset or a checkpoint is seen to.
const POLL_WAIT: Duration = Duration::from_millis(250);

/// When so many polls in a row bring nothing from anywhere, what waits for its turn is given out: every topic has been read
/// to its end for a second.
const QUIET_POLLS: u32 = 4;

/// The same for one partition that nothing comes from while others are busy.
const QUIET: Duration = Duration::from_secs(60);

/// The most bytes of one checkpoint: what its topic takes, less room for the record's head.
const CHECKPOINT_BYTES_MAX: usize = 15 << 20;

/// The loop and what it holds.
pub struct Pipeline {
    group: String,
    checkpoint_interval: Duration,
    clock: fn() -> Timestamp,
    live: Live,
    /// The ruleset that the partitions' windows belong to.
    ruleset: Arc<Ruleset>,
    metrics: Metrics,
    bus: Bus,
    outlet: Outlet,
    publisher: Publisher,
    consumer: Consumer,
    partitions: BTreeMap<TopicPartition, Partition>,
    checkpointed_at: Timestamp,
    /// Polls in a row that brought nothing.
    quiet_polls: u32,
}

/// What a pipeline is made of.
pub struct Parts {
    /// Detectors of one group share the work.
    pub group: String,
    /// Time between checkpoints.
    pub checkpoint_interval: Duration,
    /// The clock, for checkpoints and for when something was put aside.
    pub clock: fn() -> Timestamp,
    /// What to detect, now and later.
    pub live: Live,
    /// What to count in.
    pub metrics: Metrics,
    /// Where events come from and alerts go to.
    pub bus: Bus,
}

/// Why the loop let go of a ruleset.
enum Ended {
    /// There is another one.
    Replaced,
    /// Told to stop; a checkpoint is still to be written.
    Stopped,
    /// Told to stop in the middle of a batch whose effects may not be out yet.
    Left,
}

impl Pipeline {
    /// Makes the topics, joins the group.
    ///
    /// # Errors
    /// If the bus refuses for good.
    pub async fn open(parts: Parts) -> anyhow::Result<Self> {
        let Parts {
            group,
            checkpoint_interval,
            clock,
            live,
            metrics,
            bus,
        } = parts;
        let outlet = Outlet::open(&bus, &metrics, clock).await?;
        let consumer = bus
            .consumer(
                &group,
                Subscription::Prefix(ingest_event::topic::EVENTS_PREFIX.to_owned()),
            )
            .context("join the consumer group")?;
        Ok(Self {
            checkpointed_at: clock(),
            quiet_polls: 0,
            partitions: BTreeMap::new(),
            group,
            checkpoint_interval,
            clock,
            ruleset: live.current(),
            live,
            metrics,
            bus,
            publisher: Publisher::start(outlet.clone()),
            outlet,
            consumer,
        })
    }

    /// Runs until told to stop, then checkpoints and leaves the group.
    ///
    /// # Errors
    /// If the bus refuses for good, or a checkpoint can't be read.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut swap = None;
        loop {
            let ruleset = Arc::clone(&self.ruleset);
            let mut detector = Detector::new(&ruleset);
            // A timer observes when it goes.
            drop(swap.take());
            let ended = self.run_on(&ruleset, &mut detector, &stop).await?;
            match ended {
                Ended::Replaced => {
                    swap = Some(self.metrics.swap_seconds.start_timer());
                    drop(detector);
                    // Neither of these is the last one that holds the ruleset: `live` does until it is swept.
                    drop(ruleset);
                    self.adopt();
                }
                Ended::Stopped => break,
                Ended::Left => return Ok(()),
            }
        }
        tokio::select! {
            written = self.checkpoint() => written?,
            () = grace(&stop) => {}
        }
        self.consumer.close().await;
        Ok(())
    }

    /// Handles batches until there is another ruleset or it is told to stop.
    async fn run_on(
        &mut self,
        ruleset: &Arc<Ruleset>,
        detector: &mut Detector<'_>,
        stop: &CancellationToken,
    ) -> anyhow::Result<Ended> {
        let mut backoff = Backoff::default();
        let mut block = Block::default();
        while self.live.is_current(ruleset) {
            let polled = tokio::select! {
                () = stop.cancelled() => return Ok(Ended::Stopped),
                polled = self.consumer.poll_block(&mut block, POLL_WAIT) => polled,
            };
            match polled {
                Ok(change) => {
                    backoff = Backoff::default();
                    tokio::select! {
                        handled = self.handle(change, &block, detector) => handled?,
                        // Leaves like a crash, without a checkpoint: what this batch caused may not be out yet.
                        () = grace(stop) => return Ok(Ended::Left),
                    }
                }
                Err(error) if error.class() == ErrorClass::Permanent => {
                    return Err(error).context("poll events");
                }
                Err(error) => {
                    self.metrics.bus_retries.inc();
                    tracing::warn!(error = %chain(&error), "polling events failed, trying again");
                    backoff.wait().await;
                }
            }
        }
        Ok(Ended::Replaced)
    }

    /// Goes on with the ruleset in use; open windows of what did not change stay.
    fn adopt(&mut self) {
        self.ruleset = self.live.current();
        for partition in self.partitions.values_mut() {
            partition.correlator.adopt(Arc::clone(&self.ruleset));
        }
    }

    async fn handle(
        &mut self,
        change: Change,
        block: &Block,
        detector: &mut Detector<'_>,
    ) -> anyhow::Result<()> {
        if !change.lost.is_empty() {
            self.checkpoint().await?;
            self.partitions
                .retain(|partition, _| !change.lost.contains(partition));
        }
        if !change.gained.is_empty() {
            self.load(&change.gained).await?;
        }
        self.quiet_polls = if block.is_empty() {
            self.quiet_polls.saturating_add(1)
        } else {
            0
        };
        let mut findings = self.scan(block, detector);
        self.flush(detector, &mut findings);
        if !block.is_empty() || !findings.is_empty() {
            if !findings.is_empty() {
                self.publisher.publish(findings).await?;
            }
            // On a runtime of one thread, publishing has its turn here.
            tokio::task::yield_now().await;
        }
        let now = (self.clock)();
        // A clock that was set back must not stop checkpoints.
        if now < self.checkpointed_at || now.since(self.checkpointed_at) >= self.checkpoint_interval {
            self.checkpoint().await?;
        }
        Ok(())
    }

    /// Restores what is known of partitions that this detector reads from now on.
    async fn load(&mut self, gained: &[TopicPartition]) -> anyhow::Result<()> {
        let newest = self.outlet.checkpoints().await?;
        for place in gained {
            let end = retry(
                &self.metrics,
                || self.bus.end_positions(&place.topic),
                |error| error.class(),
            )
            .await
            .context("read the ends of the event topics")?
            .into_iter()
            .find(|end| end.partition == place.partition)
            .map_or(0, |end| end.offset);
            let found = Checkpoint::find(&newest, &self.group, place)?;
            let partition = Partition::restore(place, found, end, &self.ruleset)?;
            self.partitions.insert(place.clone(), partition);
        }
        Ok(())
    }

    /// Pure but for metrics: the same records give the same findings.
    fn scan(&mut self, block: &Block, detector: &mut Detector<'_>) -> Findings {
        let timer = self.metrics.batch_seconds.start_timer();
        let mut findings = Findings::default();
        let observed = (self.clock)();
        for run in block.runs() {
            self.scan_run(run, observed, detector, &mut findings);
        }
        timer.observe_duration();
        self.metrics.rejected(&detector.take_rejections());
        self.live.samples().offer(block.values());
        findings
    }

    /// Gives out what waits for its turn in partitions that nothing comes from any more.
    fn flush(&mut self, detector: &mut Detector<'_>, findings: &mut Findings) {
        let now = (self.clock)();
        for state in self.partitions.values_mut() {
            let is_quiet = self.quiet_polls == QUIET_POLLS || QUIET <= now.since(state.read_at);
            if is_quiet && 0 < state.correlator.waiting_count() {
                detector.flush(&mut state.correlator, findings);
            }
            // A topic that was never read from says nothing about who is silent.
            let quiet = now.since(state.read_at);
            if QUIET <= quiet && Timestamp::EPOCH < state.read_at {
                detector.elapse(&mut state.correlator, quiet, findings);
            }
        }
    }

    /// Records of one partition.
    fn scan_run(
        &mut self,
        run: Run<'_>,
        observed: Timestamp,
        detector: &mut Detector<'_>,
        findings: &mut Findings,
    ) {
        let Some(place) = run.place() else {
            return;
        };
        let topic = place.topic.as_str();
        let ruleset = &self.ruleset;
        let state = self
            .partitions
            .entry(place.clone())
            .or_insert_with(|| Partition::new(topic, ruleset));
        state.read_at = observed;
        let (mut repeated, mut scanned) = (0, 0);
        for (offset, payload) in run.records() {
            if offset < state.next {
                repeated += 1;
                continue;
            }
            scanned += 1;
            state.next = offset + 1;
            match state.organization {
                Some(organization) => {
                    let origin = Origin {
                        organization,
                        source: topic,
                        position: offset,
                        observed,
                    };
                    detector.scan(&mut state.correlator, payload, &origin, findings);
                }
                None => findings
                    .quarantined
                    .push(unknown_topic(payload, topic, offset, observed)),
            }
        }
        self.metrics.events_repeated.inc_by(repeated);
        self.metrics.events_scanned.inc_by(scanned);
    }

    async fn checkpoint(&mut self) -> anyhow::Result<()> {
        // What the events caused is durable before anything says that they are done with.
        self.publisher.flush().await?;
        self.checkpointed_at = (self.clock)();
        let version = &self.ruleset.version().0;
        let (mut records, mut positions) = (Vec::new(), Vec::new());
        for (place, state) in &mut self.partitions {
            let Some(checkpoint) = state.checkpoint(version)? else {
                continue;
            };
            let record = checkpoint.record(&self.group, place);
            if CHECKPOINT_BYTES_MAX < record.bytes() {
                // The last one that fitted and its position still hold: a restart reads on from there.
                self.metrics.checkpoints_too_large.inc();
                tracing::warn!(
                    bytes = record.bytes(),
                    "the open windows of one organisation do not fit in a checkpoint: a restart will read more again"
                );
                continue;
            }
            records.push(record);
            positions.push(Position {
                topic: place.topic.clone(),
                partition: place.partition,
                offset: state.next,
            });
            state.checkpointed = state.next;
        }
        if records.is_empty() {
            return Ok(());
        }
        self.metrics.checkpoints_published.inc_by(records.len() as u64);
        self.outlet.checkpoint(records).await?;
        self.commit(&positions).await
    }

    async fn commit(&mut self, positions: &[Position]) -> anyhow::Result<()> {
        let mut backoff = Backoff::default();
        loop {
            match self.consumer.commit(positions).await {
                Ok(()) => return Ok(()),
                Err(error) if error.class() == ErrorClass::Transient => {
                    self.metrics.bus_retries.inc();
                    tracing::warn!(error = %chain(&error), "committing positions failed, trying again");
                    backoff.wait().await;
                }
                Err(error) => return Err(error).context("commit positions"),
            }
        }
    }
}
