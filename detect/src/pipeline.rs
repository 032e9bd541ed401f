//! The detector's loop: poll → scan → correlate → raise → publish → checkpoint → commit.
//!
//! Everything a batch caused is durable on the bus before its checkpoint is, and the checkpoint before the commit:
//! a crash at any point repeats work and loses none, and what is repeated has the same ids (D5).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use detect_alert::Alert;
use detect_engine::{Correlator, Ruleset};
use ingest_bus::{
    Batch, Bus, Cleanup, Consumer, Delivery, ErrorClass, PollLimit, Position, Producer, PublishError, Record,
    Subscription, Topic, TopicPartition, TopicSpec,
};
use ingest_event::{QuarantineRecord, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::{
    checkpoint::Checkpoint,
    detector::{Detector, Findings, Origin, chain, unknown_topic},
    metrics::Metrics,
};

/// One poll brings at most this: enough to spread the cost of a publish, small enough to stay in the cache.
const POLL: PollLimit = PollLimit {
    records: 4_096,
    bytes: 8 << 20,
    wait: Duration::from_millis(250),
};

/// Alerts, checkpoints and quarantine are kept this long where they are kept by time.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// The most bytes of one checkpoint: what its topic takes, less room for the record's head.
const CHECKPOINT_BYTES_MAX: usize = 15 << 20;

/// The longest wait between two tries: an operator who mends the bus sees it work again within this.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// State of one partition of an event topic.
struct Partition {
    correlator: Correlator,
    /// Every event below this has had its effect.
    next: u64,
    /// What the last checkpoint says.
    checkpointed: u64,
}

/// The loop and what it holds.
pub struct Pipeline {
    group: String,
    checkpoint_interval: Duration,
    clock: fn() -> Timestamp,
    ruleset: Arc<Ruleset>,
    metrics: Metrics,
    bus: Bus,
    producer: Producer,
    consumer: Consumer,
    topics: Topics,
    partitions: BTreeMap<TopicPartition, Partition>,
    checkpointed_at: Timestamp,
}

struct Topics {
    alerts: Topic,
    checkpoints: Topic,
    quarantine: Topic,
}

/// What a pipeline is made of.
pub struct Parts {
    /// Detectors of one group share the work.
    pub group: String,
    /// Time between checkpoints.
    pub checkpoint_interval: Duration,
    /// The clock, for checkpoints and for when something was put aside.
    pub clock: fn() -> Timestamp,
    /// What to detect.
    pub ruleset: Arc<Ruleset>,
    /// What to count in.
    pub metrics: Metrics,
    /// Where events come from and alerts go to.
    pub bus: Bus,
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
            ruleset,
            metrics,
            bus,
        } = parts;
        let topics = Topics {
            alerts: Topic::parse(detect_alert::topic::ALERTS)?,
            checkpoints: Topic::parse(ingest_event::topic::CHECKPOINTS)?,
            quarantine: Topic::parse(ingest_event::topic::QUARANTINE)?,
        };
        let by_time = Cleanup::Delete { retention: RETENTION };
        let spec = |topic: &Topic, cleanup, max_record_bytes| TopicSpec {
            topic: topic.clone(),
            partitions: 1,
            cleanup,
            max_record_bytes,
        };
        let specs = [
            spec(&topics.alerts, by_time, 1 << 20),
            spec(&topics.quarantine, by_time, 1 << 20),
            // A checkpoint holds every open window of one organisation.
            spec(&topics.checkpoints, Cleanup::Compact, 16 << 20),
        ];
        retry(&metrics, || bus.ensure_topics(&specs), |error| error.class())
            .await
            .context("make the topics")?;
        let producer = bus.producer().context("open a producer")?;
        let consumer = bus
            .consumer(
                &group,
                Subscription::Prefix(ingest_event::topic::EVENTS_PREFIX.to_owned()),
            )
            .context("join the consumer group")?;
        Ok(Self {
            checkpointed_at: clock(),
            partitions: BTreeMap::new(),
            group,
            checkpoint_interval,
            clock,
            ruleset,
            metrics,
            bus,
            producer,
            consumer,
            topics,
        })
    }

    /// Runs until told to stop, then checkpoints and leaves the group.
    ///
    /// # Errors
    /// If the bus refuses for good, or a checkpoint can't be read.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut backoff = Backoff::default();
        loop {
            let polled = tokio::select! {
                () = stop.cancelled() => break,
                polled = self.consumer.poll(POLL) => polled,
            };
            match polled {
                Ok(batch) => {
                    backoff = Backoff::default();
                    tokio::select! {
                        handled = self.handle(batch) => handled?,
                        // Leaves like a crash, without a checkpoint: what this batch caused may not be out yet.
                        () = grace(&stop) => return Ok(()),
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
        tokio::select! {
            written = self.checkpoint() => written?,
            () = grace(&stop) => {}
        }
        self.consumer.close().await;
        Ok(())
    }

    async fn handle(&mut self, batch: Batch) -> anyhow::Result<()> {
        if !batch.lost.is_empty() {
            self.checkpoint().await?;
            self.partitions
                .retain(|partition, _| !batch.lost.contains(partition));
        }
        if !batch.gained.is_empty() {
            self.load(&batch.gained).await?;
        }
        if !batch.deliveries.is_empty() {
            let findings = self.scan(&batch.deliveries);
            self.publish(findings).await?;
        }
        let now = (self.clock)();
        // A clock that was set back must not stop checkpoints.
        if now < self.checkpointed_at || now.since(self.checkpointed_at) >= self.checkpoint_interval {
            self.checkpoint().await?;
        }
        Ok(())
    }

    async fn load(&mut self, gained: &[TopicPartition]) -> anyhow::Result<()> {
        let newest = retry(
            &self.metrics,
            || self.bus.latest(&self.topics.checkpoints),
            |error| error.class(),
        )
        .await
        .context("read the checkpoints")?;
        for partition in gained {
            let end = retry(
                &self.metrics,
                || self.bus.end_positions(&partition.topic),
                |error| error.class(),
            )
            .await
            .context("read the ends of the event topics")?
            .into_iter()
            .find(|end| end.partition == partition.partition)
            .map_or(0, |end| end.offset);
            let found = Checkpoint::find(&newest, &self.group, partition)?.filter(|checkpoint| {
                let is_of_this_topic = checkpoint.offset <= end;
                if !is_of_this_topic {
                    tracing::warn!(
                        offset = checkpoint.offset,
                        end,
                        "a checkpoint is ahead of its topic, which must have been made anew: reading from its start"
                    );
                }
                is_of_this_topic
            });
            let state = match found {
                None => Partition {
                    correlator: Correlator::new(Arc::clone(&self.ruleset)),
                    next: 0,
                    checkpointed: 0,
                },
                Some(checkpoint) => Partition {
                    correlator: Correlator::restore(Arc::clone(&self.ruleset), checkpoint.state.as_bytes())
                        .with_context(|| format!("restore the state of {}", partition.topic))?,
                    next: checkpoint.offset,
                    checkpointed: checkpoint.offset,
                },
            };
            self.partitions.insert(partition.clone(), state);
        }
        Ok(())
    }

    /// Pure but for metrics: the same deliveries give the same findings.
    fn scan(&mut self, deliveries: &[Delivery]) -> Findings {
        let timer = self.metrics.batch_seconds.start_timer();
        let mut findings = Findings::default();
        let observed = (self.clock)();
        let mut detector = Detector::new(&self.ruleset);
        for delivery in deliveries {
            let Position {
                topic,
                partition,
                offset,
            } = &delivery.position;
            let place = TopicPartition {
                topic: topic.clone(),
                partition: *partition,
            };
            let ruleset = &self.ruleset;
            let state = self.partitions.entry(place).or_insert_with(|| Partition {
                correlator: Correlator::new(Arc::clone(ruleset)),
                next: 0,
                checkpointed: 0,
            });
            if *offset < state.next {
                self.metrics.events_repeated.inc();
                continue;
            }
            state.next = offset + 1;
            self.metrics.events_scanned.inc();
            let Some(organization) = ingest_event::topic::organization(topic.as_str()) else {
                let record = unknown_topic(&delivery.record.value, topic.as_str(), *offset, observed);
                findings.quarantined.push(record);
                continue;
            };
            let origin = Origin {
                organization,
                source: topic.as_str(),
                position: *offset,
                observed,
            };
            detector.scan(
                &mut state.correlator,
                &delivery.record.value,
                &origin,
                &mut findings,
            );
        }
        timer.observe_duration();
        findings
    }

    async fn publish(&self, findings: Findings) -> anyhow::Result<()> {
        let Findings { alerts, quarantined } = findings;
        for record in &quarantined {
            self.metrics
                .events_quarantined
                .with_label_values(&[record.reason.as_str()])
                .inc();
        }
        let records: Vec<Record> = alerts.iter().map(alert_record).collect();
        self.publish_each(&self.topics.alerts, records)
            .await
            .context("publish alerts")?;
        let records: Vec<Record> = quarantined.iter().map(quarantine_record).collect();
        self.publish_each(&self.topics.quarantine, records)
            .await
            .context("publish quarantine")?;
        for alert in &alerts {
            self.metrics
                .alerts_published
                .with_label_values(&[alert.producer.kind.as_str()])
                .inc();
            if alert.producer.id.0 == crate::detector::CANARY_RULE {
                self.metrics
                    .canary_seconds
                    .set((self.clock)().as_millis() / 1_000);
            }
        }
        Ok(())
    }

    /// Publishes all; one that the bus will never take is counted and told, and keeps none of the others.
    async fn publish_each(&self, topic: &Topic, records: Vec<Record>) -> Result<(), PublishError> {
        match self.publish_all(topic, records.clone()).await {
            Err(error) if error.class() == ErrorClass::Poison => {}
            result => return result,
        }
        for record in records {
            let bytes = record.bytes();
            match self.publish_all(topic, vec![record]).await {
                Err(error) if error.class() == ErrorClass::Poison => {
                    self.metrics.records_refused.inc();
                    tracing::error!(%topic, bytes, error = %chain(&error), "the bus refused a record for good");
                }
                result => result?,
            }
        }
        Ok(())
    }

    async fn publish_all(&self, topic: &Topic, records: Vec<Record>) -> Result<(), PublishError> {
        if records.is_empty() {
            return Ok(());
        }
        retry(
            &self.metrics,
            || self.producer.publish(topic, records.clone()),
            |error| error.class(),
        )
        .await
        .map(drop)
    }

    async fn checkpoint(&mut self) -> anyhow::Result<()> {
        self.checkpointed_at = (self.clock)();
        let moved: Vec<_> = self
            .partitions
            .iter_mut()
            .filter(|(_, state)| state.next > state.checkpointed)
            .collect();
        if moved.is_empty() {
            return Ok(());
        }
        let mut records = Vec::with_capacity(moved.len());
        let mut positions = Vec::with_capacity(moved.len());
        for (place, state) in moved {
            let checkpoint = Checkpoint {
                schema: 1,
                offset: state.next,
                ruleset: self.ruleset.version().0.clone(),
                state: String::from_utf8(state.correlator.snapshot()).context("snapshot the correlations")?,
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
        self.publish_all(&self.topics.checkpoints, records)
            .await
            .context("publish checkpoints")?;
        let (consumer, metrics) = (&mut self.consumer, &self.metrics);
        let mut backoff = Backoff::default();
        loop {
            match consumer.commit(&positions).await {
                Ok(()) => return Ok(()),
                Err(error) if error.class() == ErrorClass::Transient => {
                    metrics.bus_retries.inc();
                    tracing::warn!(error = %chain(&error), "committing positions failed, trying again");
                    backoff.wait().await;
                }
                Err(error) => return Err(error).context("commit positions"),
            }
        }
    }
}

/// The record of an alert, keyed by organisation so that each one's alerts stay in order.
fn alert_record(alert: &Alert) -> Record {
    Record::new(detect_alert::encode(alert)).with_key(alert.organization.as_str())
}

fn quarantine_record(record: &QuarantineRecord) -> Record {
    let key = record.sensor.as_ref().map_or("", |sensor| sensor.as_str());
    // A struct of texts and numbers always serialises.
    Record::new(serde_json::to_vec(record).unwrap_or_default()).with_key(key)
}

/// Ends some time after the stop: how long a bus that is away may hold up the end of the process.
async fn grace(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(BACKOFF_MAX).await;
}

/// Waits that double up to [`BACKOFF_MAX`].
#[derive(Default)]
struct Backoff(u32);

impl Backoff {
    async fn wait(&mut self) {
        let wait = Duration::from_millis(100)
            .saturating_mul(1 << self.0.min(6))
            .min(BACKOFF_MAX);
        self.0 += 1;
        tokio::time::sleep(wait).await;
    }
}

/// Tries until it works or is refused for good.
async fn retry<T, E, F>(
    metrics: &Metrics,
    mut attempt: impl FnMut() -> F,
    class: impl Fn(&E) -> ErrorClass,
) -> Result<T, E>
where
    E: std::error::Error,
    F: Future<Output = Result<T, E>>,
{
    let mut backoff = Backoff::default();
    loop {
        match attempt().await {
            Err(error) if class(&error) == ErrorClass::Transient => {
                metrics.bus_retries.inc();
                tracing::warn!(error = %chain(&error), "the bus is not ready, trying again");
                backoff.wait().await;
            }
            result => return result,
        }
    }
}
