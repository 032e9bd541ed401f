//! What leaves the detector: alerts, quarantine, signals and checkpoints, each on its topic.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use detect_alert::Alert;
use ingest_bus::{Bus, Cleanup, ErrorClass, Producer, PublishError, Record, Topic, TopicSpec};
use ingest_event::{OrganizationNumber, QuarantineRecord, Timestamp, topic};
use tokio::sync::Mutex;

use super::retry::retry;
use crate::{
    detector::{CANARY_RULE, Findings, chain},
    metrics::Metrics,
};

/// Alerts, checkpoints and quarantine are kept this long where they are kept by time.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// Signals are read within minutes; this is for a detector that was away as long as events are kept.
const SIGNALS_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// The largest record of signals: one with the largest event in it.
const SIGNALS_BYTES_MAX: u32 = 10 << 20;

/// What goes out together.
#[derive(Default)]
pub(super) struct Output {
    pub(super) findings: Findings,
    /// For the topic of the signals.
    pub(super) signals: Vec<Record>,
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.signals.is_empty()
    }
}

/// Clones share the producer.
#[derive(Clone)]
pub(super) struct Outlet {
    bus: Bus,
    producer: Producer,
    metrics: Metrics,
    clock: fn() -> Timestamp,
    alerts: Topic,
    checkpoints: Topic,
    signals: Topic,
    /// Whose topics of quarantine are there.
    quarantines: Arc<Mutex<BTreeSet<Option<OrganizationNumber>>>>,
}

impl Outlet {
    /// Makes the topics; that of the signals with so many partitions, if it is not there.
    pub(super) async fn open(
        bus: &Bus,
        metrics: &Metrics,
        clock: fn() -> Timestamp,
        signals_partitions: u32,
    ) -> anyhow::Result<Self> {
        let alerts = Topic::parse(detect_alert::topic::ALERTS)?;
        let checkpoints = Topic::parse(ingest_event::topic::CHECKPOINTS)?;
        let signals = Topic::parse(ingest_event::topic::SIGNALS)?;
        let by_time = Cleanup::Delete { retention: RETENTION };
        let specs = [
            spec(&alerts, by_time, 1 << 20),
            // A checkpoint is cut into chunks that fit.
            spec(&checkpoints, Cleanup::Compact, 1 << 20),
            TopicSpec {
                topic: signals.clone(),
                partitions: signals_partitions,
                cleanup: Cleanup::Delete {
                    retention: SIGNALS_RETENTION,
                },
                max_record_bytes: SIGNALS_BYTES_MAX,
            },
        ];
        retry(metrics, || bus.ensure_topics(&specs), |error| error.class())
            .await
            .context("make the topics")?;
        Ok(Self {
            producer: bus.producer().context("open a producer")?,
            bus: bus.clone(),
            metrics: metrics.clone(),
            clock,
            alerts,
            checkpoints,
            signals,
            quarantines: Arc::default(),
        })
    }

    /// How many partitions the signals have: a topic that was there keeps its own number.
    pub(super) async fn lanes(&self) -> anyhow::Result<u32> {
        let ends = || self.bus.end_positions(&self.signals);
        let ends = retry(&self.metrics, ends, |error| error.class())
            .await
            .context("read the ends of the signals")?;
        Ok(u32::try_from(ends.len()).unwrap_or(u32::MAX))
    }

    /// The newest records of checkpoints whose keys begin so, by key.
    pub(super) async fn checkpoints(&self, starts: &[Vec<u8>]) -> anyhow::Result<BTreeMap<Vec<u8>, Record>> {
        let latest = || self.bus.latest(&self.checkpoints, starts);
        retry(&self.metrics, latest, |error| error.class())
            .await
            .context("read the checkpoints")
    }

    /// Resolves when they are durable.
    pub(super) async fn checkpoint(&self, records: Vec<Record>) -> anyhow::Result<()> {
        self.publish_all(&self.checkpoints, &records)
            .await
            .context("publish checkpoints")
    }

    /// Resolves when all of it is durable.
    pub(super) async fn publish(&self, output: Output) -> anyhow::Result<()> {
        // The findings' own have gone into records where they were found.
        let Output {
            findings:
                Findings {
                    alerts,
                    quarantined,
                    signals: _,
                },
            signals,
        } = output;
        for record in &quarantined {
            self.metrics
                .events_quarantined
                .with_label_values(&[record.reason.as_str()])
                .inc();
        }
        let records: Vec<Record> = alerts.iter().map(alert_record).collect();
        let told = self.publish_each(&self.alerts, records);
        let put_aside = self.put_aside(&quarantined);
        let bytes: usize = signals.iter().map(Record::bytes).sum();
        self.metrics.signal_bytes.inc_by(bytes as u64);
        let sent = self.publish_each(&self.signals, signals);
        let (told, put_aside, sent) = tokio::join!(told, put_aside, sent);
        told.context("publish alerts")?;
        put_aside.context("publish quarantine")?;
        sent.context("publish signals")?;
        for alert in &alerts {
            self.metrics
                .alerts_published
                .with_label_values(&[alert.producer.kind.as_str()])
                .inc();
            if alert.producer.id.0 == CANARY_RULE {
                self.metrics
                    .canary_seconds
                    .set((self.clock)().as_millis() / 1_000);
            }
        }
        Ok(())
    }

    /// Publishes each record on its organisation's topic of quarantine, which is made when it is first needed.
    async fn put_aside(&self, quarantined: &[QuarantineRecord]) -> anyhow::Result<()> {
        let mut by_owner: BTreeMap<Option<OrganizationNumber>, Vec<Record>> = BTreeMap::new();
        for record in quarantined {
            by_owner
                .entry(record.organization)
                .or_default()
                .push(quarantine_record(record));
        }
        for (owner, records) in by_owner {
            let topic = match owner {
                Some(organization) => Topic::parse(&topic::quarantine(organization))?,
                None => Topic::parse(topic::QUARANTINE)?,
            };
            let mut there = self.quarantines.lock().await;
            if !there.contains(&owner) {
                let specs = [spec(&topic, Cleanup::Delete { retention: RETENTION }, 1 << 20)];
                retry(
                    &self.metrics,
                    || self.bus.ensure_topics(&specs),
                    |error| error.class(),
                )
                .await
                .context("make a topic of quarantine")?;
                there.insert(owner);
            }
            drop(there);
            self.publish_each(&topic, records).await?;
        }
        Ok(())
    }

    /// Publishes all; one that the bus will never take is counted and told, and keeps none of the others.
    async fn publish_each(&self, topic: &Topic, records: Vec<Record>) -> Result<(), PublishError> {
        match self.publish_all(topic, &records).await {
            Err(error) if error.class() == ErrorClass::Poison => {}
            result => return result,
        }
        for record in records {
            let bytes = record.bytes();
            match self.publish_all(topic, &[record]).await {
                Err(error) if error.class() == ErrorClass::Poison => {
                    self.metrics.records_refused.inc();
                    tracing::error!(%topic, bytes, error = %chain(&error), "the bus refused a record for good");
                }
                result => result?,
            }
        }
        Ok(())
    }

    async fn publish_all(&self, topic: &Topic, records: &[Record]) -> Result<(), PublishError> {
        if records.is_empty() {
            return Ok(());
        }
        retry(
            &self.metrics,
            || self.producer.publish(topic, records.to_vec()),
            |error| error.class(),
        )
        .await
        .map(drop)
    }
}

/// A topic of one partition.
fn spec(topic: &Topic, cleanup: Cleanup, max_record_bytes: u32) -> TopicSpec {
    TopicSpec {
        topic: topic.clone(),
        partitions: 1,
        cleanup,
        max_record_bytes,
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
