//! The desk at which a person decides: what the bus says of sensors and bundles, and what is written to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ingest_bus::KafkaConfig;
use ingest_bus::{Bus, BusConfig, Producer, Record, Topic};
use ingest_gateway::topics;
use ingest_trust::Registry;
use ingest_trust::registry::Entry;
use serde::Deserialize;

use super::arguments::BusArguments;
use crate::Terminal;
use crate::exit::{Ended, Exit, Failure};
use crate::text::shown;

/// How long the bus may take for one thing; a person waits about this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Characters of what is wrong with a record that are shown.
const ERROR_SHOWN: usize = 256;

/// The bus, opened.
pub(super) struct Desk {
    bus: Bus,
    producer: Producer,
    sensors: Topic,
    control: Topic,
}

impl Desk {
    /// Opens the bus, makes what is missing, and does some work at it.
    pub(super) fn run(arguments: &BusArguments, work: impl AsyncFnOnce(&Desk) -> Ended) -> Ended {
        let config = config(arguments)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| failed("start", &error))?;
        runtime.block_on(async {
            let desk = Desk::open(&config).await?;
            work(&desk).await
        })
    }

    async fn open(config: &BusConfig) -> Result<Self, Failure> {
        let bus = Bus::open(config)
            .await
            .map_err(|error| failed("open the bus", &error))?;
        let specs = [topics::sensors(), topics::control()];
        let [sensors, control] = specs.map(|spec| spec.map_err(|error| failed("name the topics", &error)));
        let (sensors, control) = (sensors?, control?);
        let specs = [sensors.clone(), control.clone()];
        patiently(bus.ensure_topics(&specs))
            .await?
            .map_err(|error| failed("make the topics", &error))?;
        Ok(Self {
            producer: bus.producer().map_err(|error| failed("open the bus", &error))?,
            bus,
            sensors: sensors.topic,
            control: control.topic,
        })
    }

    /// Who is who now. Records that can't be read are told and passed over: one of them must keep nobody from revoking.
    pub(super) async fn registry(&self, terminal: &mut Terminal<'_>) -> Result<Registry, Failure> {
        let mut registry = Registry::default();
        for (key, record) in self.latest(&self.sensors, b"").await? {
            match Entry::parse(&key, &record.value) {
                Ok(Some(entry)) => registry.take(entry),
                Ok(None) => {}
                Err(error) => terminal.warn(&shown(&error.to_string(), ERROR_SHOWN)),
            }
        }
        Ok(registry)
    }

    /// What stands in `varde.control` under keys that begin so.
    pub(super) async fn control(&self, start: &[u8]) -> Result<BTreeMap<Vec<u8>, Record>, Failure> {
        self.latest(&self.control, start).await
    }

    /// Writes a decision; durable when it returns.
    pub(super) async fn decide(&self, entry: &Entry) -> Result<(), Failure> {
        let record = Record::new(entry.value()).with_key(entry.key());
        self.write(&self.sensors, vec![record]).await
    }

    /// Writes to `varde.control`, in order.
    pub(super) async fn hand_out(&self, records: Vec<Record>) -> Result<(), Failure> {
        self.write(&self.control, records).await
    }

    async fn latest(&self, topic: &Topic, start: &[u8]) -> Result<BTreeMap<Vec<u8>, Record>, Failure> {
        let starts = [start.to_vec()];
        patiently(self.bus.latest(topic, &starts))
            .await?
            .map_err(|error| failed("read the bus", &error))
    }

    async fn write(&self, topic: &Topic, records: Vec<Record>) -> Result<(), Failure> {
        patiently(self.producer.publish(topic, records))
            .await?
            .map_err(|error| failed("write to the bus", &error))?;
        Ok(())
    }
}

/// What could not be done, and why.
pub(super) fn failed(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("cannot {what}: {}", crate::text::chain(error)),
    )
}

/// A file, or why it can't be read.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::new(Exit::Input, format!("cannot read {}: {error}", path.display())))
}

async fn patiently<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| {
        let message = format!(
            "the bus does not answer within {} seconds; is it up, and is the address right?",
            PATIENCE.as_secs()
        );
        Failure::new(Exit::Failed, message)
    })
}

fn config(arguments: &BusArguments) -> Result<BusConfig, Failure> {
    /// Any service's configuration.
    #[derive(Deserialize)]
    struct Any {
        bus: BusConfig,
    }
    if let Some(bootstrap) = &arguments.kafka {
        return Ok(BusConfig::Kafka(KafkaConfig {
            bootstrap: bootstrap.clone(),
            client_id: "varde-sensors".to_owned(),
            properties: BTreeMap::new(),
        }));
    }
    if let Some(directory) = &arguments.embedded {
        return Ok(BusConfig::Embedded {
            directory: directory.clone(),
        });
    }
    let path = arguments.bus.as_deref().unwrap_or(Path::new(""));
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let any: Any = serde_saphyr::from_str(&text)
        .map_err(|error| Failure::configuration(format!("cannot understand {}: {error}", path.display())))?;
    Ok(any.bus.named("varde-sensors"))
}
