//! The detector's loop: poll → scan → correlate → raise → publish → checkpoint → commit.
//!
//! Findings go out beside the loop, which scans on meanwhile (`publisher.rs`) and waits for them before a checkpoint.
//! Everything a batch caused is durable on the bus before its checkpoint is, and the checkpoint before the commit:
//! a crash at any point repeats work and loses none, and what is repeated has the same ids (D5).
//!
//! Another ruleset is taken between two batches ([`crate::live`]); nothing here compiles one or frees one.

mod checkpoints;
mod outlet;
mod partition;
mod publisher;
mod quiet;
mod retry;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use detect_engine::{Correlated, Correlator, Ruleset};
use ingest_bus::{Block, Bus, Change, Consumer, ErrorClass, Run, Subscription, Topic, TopicPartition};
use ingest_event::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    detector::{Detector, Findings, Origin, chain, unknown_topic},
    live::Live,
    metrics::Metrics,
    signals::{Inbox, Refused},
};
use checkpoints::Pace;
use outlet::{Outlet, Output};
use partition::{Events, Kind, Partition};
use publisher::Publisher;
use retry::{Backoff, grace};

/// How long a poll waits while nothing comes: how soon a stop, a change of the ruleset or a checkpoint is seen to.
const POLL_WAIT: Duration = Duration::from_millis(250);

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
    /// What this process writes checkpoints as.
    owner: u64,
    pace: Pace,
    /// Polls in a row that brought no event.
    quiet_polls: u32,
}

/// What a pipeline is made of.
pub struct Parts {
    /// Detectors of one group share the work.
    pub group: String,
    /// Time between checkpoints, at least.
    pub checkpoint_interval: Duration,
    /// How many partitions the topic of the signals gets, if it is not there.
    pub signals_partitions: u32,
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
            signals_partitions,
            clock,
            live,
            metrics,
            bus,
        } = parts;
        let outlet = Outlet::open(&bus, &metrics, clock, signals_partitions).await?;
        // One member reads both: it has one loop, and gives both up together.
        let subscription = Subscription::Any(vec![
            Subscription::Prefix(ingest_event::topic::EVENTS_PREFIX.to_owned()),
            Subscription::Topics(vec![Topic::parse(ingest_event::topic::SIGNALS)?]),
        ]);
        let consumer = bus
            .consumer(&group, subscription)
            .context("join the consumer group")?;
        Ok(Self {
            pace: Pace::after(clock(), clock(), checkpoint_interval),
            owner: checkpoints::drawn(),
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
        let last = async {
            self.checkpoint().await?;
            // Who takes over would say it too, but others need not wait until then.
            self.publisher.flush().await
        };
        tokio::select! {
            written = last => written?,
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
        if block.is_empty() {
            self.quiet_polls = self.quiet_polls.saturating_add(1);
        } else if block.runs().any(|run| is_of_events(&run)) {
            self.quiet_polls = 0;
        }
        let mut output = self.scan(block, detector);
        self.flush(detector, &mut output).await;
        if !block.is_empty() || !output.is_empty() {
            if !output.is_empty() {
                self.publisher.publish(output).await?;
            }
            // On a runtime of one thread, publishing has its turn here.
            tokio::task::yield_now().await;
        }
        if self.is_checkpoint_due() {
            self.checkpoint().await?;
        }
        Ok(())
    }

    /// Pure but for metrics: the same records give the same output.
    fn scan(&mut self, block: &Block, detector: &mut Detector<'_>) -> Output {
        let timer = self.metrics.batch_seconds.start_timer();
        let mut output = Output::default();
        let observed = (self.clock)();
        for run in block.runs() {
            let Some(place) = run.place() else {
                continue;
            };
            // What was not gained is not read: its owner is another.
            let Some(state) = self.partitions.get_mut(place) else {
                continue;
            };
            let Partition {
                kind,
                correlator,
                next,
                is_changed,
                read_at,
                ..
            } = state;
            *is_changed = true;
            match kind {
                Kind::Events(events) => {
                    let mut reading = Reading {
                        topic: place.topic.as_str(),
                        observed,
                        next,
                        metrics: &self.metrics,
                        findings: &mut output.findings,
                    };
                    if reading.events(&run, events, correlator, detector) {
                        *read_at = observed;
                    }
                    send(events, &mut output);
                    self.live.samples().offer(run.records().map(|(_, value)| value));
                }
                Kind::Signals(inbox) => {
                    *read_at = observed;
                    let mut reading = Reading {
                        topic: &self.group,
                        observed,
                        next,
                        metrics: &self.metrics,
                        findings: &mut output.findings,
                    };
                    reading.signals(&run, inbox, correlator);
                }
            }
        }
        timer.observe_duration();
        self.metrics.rejected(&detector.take_rejections());
        output
    }
}

/// Takes what was found for other partitions along.
fn send(events: &mut Events, output: &mut Output) {
    let signals = std::mem::take(&mut output.findings.signals);
    if let Some(outbox) = &mut events.outbox {
        outbox.put(signals);
        output.signals.extend(outbox.full());
    }
}

fn is_of_events(run: &Run<'_>) -> bool {
    run.place()
        .is_some_and(|place| place.topic.as_str() != ingest_event::topic::SIGNALS)
}

/// Records of one partition that follow each other.
struct Reading<'a> {
    /// The topic of events; of signals, the group.
    topic: &'a str,
    observed: Timestamp,
    /// Every record below this has had its effect.
    next: &'a mut u64,
    metrics: &'a Metrics,
    findings: &'a mut Findings,
}

impl Reading<'_> {
    /// Whether there was more than words of sensors about themselves.
    fn events(
        &mut self,
        run: &Run<'_>,
        events: &mut Events,
        correlator: &mut Correlator,
        detector: &mut Detector<'_>,
    ) -> bool {
        let (mut repeated, mut scanned, mut is_seen) = (0, 0, false);
        for (offset, payload) in run.records() {
            if offset < *self.next {
                repeated += 1;
                continue;
            }
            scanned += 1;
            *self.next = offset + 1;
            match events.organization {
                Some(organization) => {
                    let origin = Origin {
                        organization,
                        source: self.topic,
                        position: offset,
                        observed: self.observed,
                    };
                    is_seen |= detector.scan(correlator, payload, &origin, self.findings);
                }
                None => {
                    is_seen = true;
                    let record = unknown_topic(payload, self.topic, offset, self.observed);
                    self.findings.quarantined.push(record);
                }
            }
        }
        if is_seen {
            events.is_quiet = false;
        }
        self.metrics.events_repeated.inc_by(repeated);
        self.metrics.events_scanned.inc_by(scanned);
        is_seen
    }

    fn signals(&mut self, run: &Run<'_>, inbox: &mut Inbox, correlator: &mut Correlator) {
        let mut correlated = Correlated::default();
        for (offset, payload) in run.records() {
            if offset < *self.next {
                continue;
            }
            *self.next = offset + 1;
            let refused = match inbox.take(self.topic, payload) {
                Ok(Ok(None)) | Ok(Err(Refused::OtherGroup | Refused::Repeated)) => continue,
                Ok(Ok(Some(received))) => {
                    self.metrics
                        .signals_received
                        .inc_by(received.signals.len() as u64);
                    correlator.receive(received.signals, received.stream, &mut correlated);
                    continue;
                }
                Ok(Err(Refused::Fenced)) => "fenced",
                Err(error) => {
                    tracing::error!(offset, error = %chain(&error), "a record of signals was passed over");
                    "unreadable"
                }
            };
            self.metrics.signals_refused.with_label_values(&[refused]).inc();
        }
        self.findings.take(&mut correlated);
    }
}
