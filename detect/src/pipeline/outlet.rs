//! What leaves the detector: alerts, quarantine and checkpoints, each on its topic.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use detect_alert::Alert;
use ingest_bus::{Bus, Cleanup, ErrorClass, Producer, PublishError, Record, Topic, TopicSpec};
use ingest_event::{QuarantineRecord, Timestamp};

use super::retry::retry;
use crate::{
    detector::{CANARY_RULE, Findings, chain},
    metrics::Metrics,
};

/// Alerts, checkpoints and quarantine are kept this long where they are kept by time.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// Clones share the producer.
#[derive(Clone)]
pub(super) struct Outlet {
    bus: Bus,
    producer: Producer,
    metrics: Metrics,
    clock: fn() -> Timestamp,
    alerts: Topic,
    checkpoints: Topic,
    quarantine: Topic,
}

impl Outlet {
    /// Makes the topics.
    pub(super) async fn open(bus: &Bus, metrics: &Metrics, clock: fn() -> Timestamp) -> anyhow::Result<Self> {
        let alerts = Topic::parse(detect_alert::topic::ALERTS)?;
        let checkpoints = Topic::parse(ingest_event::topic::CHECKPOINTS)?;
        let quarantine = Topic::parse(ingest_event::topic::QUARANTINE)?;
        let by_time = Cleanup::Delete { retention: RETENTION };
        let spec = |topic: &Topic, cleanup, max_record_bytes| TopicSpec {
            topic: topic.clone(),
            partitions: 1,
            cleanup,
            max_record_bytes,
        };
        let specs = [
            spec(&alerts, by_time, 1 << 20),
            spec(&quarantine, by_time, 1 << 20),
            // A checkpoint holds every open window of one organisation.
            spec(&checkpoints, Cleanup::Compact, 16 << 20),
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
            quarantine,
        })
    }

    /// The newest checkpoint of each partition, by its key.
    pub(super) async fn checkpoints(&self) -> anyhow::Result<BTreeMap<Vec<u8>, Record>> {
        let latest = || self.bus.latest(&self.checkpoints);
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
    pub(super) async fn publish(&self, findings: Findings) -> anyhow::Result<()> {
        // One correlator takes everything: there are no signals.
        let Findings {
            alerts,
            quarantined,
            signals: _,
        } = findings;
        for record in &quarantined {
            self.metrics
                .events_quarantined
                .with_label_values(&[record.reason.as_str()])
                .inc();
        }
        let records: Vec<Record> = alerts.iter().map(alert_record).collect();
        let told = self.publish_each(&self.alerts, records);
        let records: Vec<Record> = quarantined.iter().map(quarantine_record).collect();
        let put_aside = self.publish_each(&self.quarantine, records);
        let (told, put_aside) = tokio::join!(told, put_aside);
        told.context("publish alerts")?;
        put_aside.context("publish quarantine")?;
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

/// The record of an alert, keyed by organisation so that each one's alerts stay in order.
fn alert_record(alert: &Alert) -> Record {
    Record::new(detect_alert::encode(alert)).with_key(alert.organization.as_str())
}

fn quarantine_record(record: &QuarantineRecord) -> Record {
    let key = record.sensor.as_ref().map_or("", |sensor| sensor.as_str());
    // A struct of texts and numbers always serialises.
    Record::new(serde_json::to_vec(record).unwrap_or_default()).with_key(key)
}
