//! Hands the spool over to the bus, oldest first, and deletes what the bus acknowledged.
//!
//! A publish that failed is tried again with growing pauses; nothing overtakes it, so order within a key holds. A
//! record that the bus will never take is put into quarantine instead, where it is small enough.

use std::time::Duration;

use ingest_bus::{Cleanup, ErrorClass, Producer, PublishError, Record, Topic, TopicSpec};
use ingest_event::{Event, Fields, OrganizationNumber, Value, field, topic};
use ipnet::IpNet;

use crate::normalize::is_home;
use crate::spool::{Destination, Entry};

/// Partitions of a new event topic: one detector scans it. An operator who needs more makes the topic beforehand
/// (decision 0008).
pub const EVENT_PARTITIONS: u32 = 1;

/// Partitions of quarantine: it is read by people, in order.
const QUARANTINE_PARTITIONS: u32 = 1;

/// How long raw telemetry stays on the bus: a week to catch up after an outage, and no archive.
const EVENT_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long refused input stays for a person to look at.
const QUARANTINE_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// The largest event: a line of the largest size, its JSON names and escapes, with room.
pub const EVENT_BYTES_MAX: u32 = 8 << 20;

/// The largest record of quarantine: far more than one takes, which is a few hundred bytes. The detector says
/// the same, or the two would change the topic's settings in turn.
pub const QUARANTINE_BYTES_MAX: u32 = 1 << 20;

/// Where a sensor's records go.
#[derive(Clone, Debug)]
pub struct Topics {
    events: Topic,
    quarantine: Topic,
}

impl Topics {
    /// Those of an organisation.
    ///
    /// # Errors
    /// Never in practice: an organisation number makes a topic's name.
    pub fn of(organization: OrganizationNumber) -> Result<Self, ingest_bus::TopicNameError> {
        Ok(Self {
            events: Topic::parse(&topic::events(organization))?,
            quarantine: Topic::parse(&topic::quarantine(organization))?,
        })
    }

    /// How they are made where they are missing.
    #[must_use]
    pub fn specs(&self) -> [TopicSpec; 2] {
        let spec = |topic: &Topic, partitions, retention, max_record_bytes| TopicSpec {
            topic: topic.clone(),
            partitions,
            cleanup: Cleanup::Delete { retention },
            max_record_bytes,
        };
        [
            spec(&self.events, EVENT_PARTITIONS, EVENT_RETENTION, EVENT_BYTES_MAX),
            spec(
                &self.quarantine,
                QUARANTINE_PARTITIONS,
                QUARANTINE_RETENTION,
                QUARANTINE_BYTES_MAX,
            ),
        ]
    }

    fn of_destination(&self, destination: Destination) -> &Topic {
        match destination {
            Destination::Events => &self.events,
            Destination::Quarantine => &self.quarantine,
        }
    }
}

/// The key of an event's record: organisation and local endpoint, so that what one machine does stays in order and in
/// one partition (D7). The local endpoint is the side in a home network, else the source, else the host that logged, else
/// whoever sent the log; under pseudonym, the event's direction tells which side is in a home network.
#[must_use]
pub fn key(event: &Event, home_networks: &[IpNet]) -> Vec<u8> {
    let endpoint = local_endpoint(&event.fields, home_networks).unwrap_or_default();
    [event.organization.as_str(), "/", endpoint].concat().into_bytes()
}

/// Whose the event is, of the two ends or the host that logged.
pub(crate) fn local_endpoint<'a>(fields: &'a Fields, home_networks: &[IpNet]) -> Option<&'a str> {
    let address = |name| {
        fields
            .get(name)
            .and_then(|value| value.each().next())
            .and_then(Value::as_str)
    };
    let (source, destination) = (address(field::SOURCE_IP), address(field::DESTINATION_IP));
    let ours = |text: &Option<&str>| {
        text.and_then(|text| text.parse().ok())
            .is_some_and(|address| is_home(address, home_networks))
    };
    let by_direction = match fields.text(field::NETWORK_DIRECTION) {
        Some("outbound" | "internal") => source,
        Some("inbound") => destination,
        Some(_) | None => None,
    };
    by_direction
        .or_else(|| [source, destination].into_iter().find(ours).flatten())
        .or(source)
        .or_else(|| fields.text(field::HOST_NAME))
        .or_else(|| fields.text(field::LOG_SOURCE_ADDRESS))
}

/// Publishes a batch of the spool in order; returns when all of it is durable on the bus.
///
/// # Errors
/// The bus's, with what is known about which record it did not take.
pub async fn publish(producer: &Producer, topics: &Topics, batch: &[Entry]) -> Result<(), Refused> {
    let mut sent = 0;
    for run in batch.chunk_by(|one, next| one.destination == next.destination) {
        let Some(first) = run.first() else { continue };
        let records = run
            .iter()
            .map(|entry| Record::new(entry.value.to_vec()).with_key(entry.key.to_vec()))
            .collect();
        let published = producer
            .publish(topics.of_destination(first.destination), records)
            .await;
        published.map_err(|error| Refused {
            culprit: error.culprit().map(|index| sent + index),
            sent,
            error,
        })?;
        sent += run.len();
    }
    Ok(())
}

/// A batch that the bus did not take as a whole.
#[derive(Debug)]
pub struct Refused {
    /// How many records from its start are durable on the bus.
    pub sent: usize,
    /// The record that the bus will never take, from 0, if it is known.
    pub culprit: Option<usize>,
    /// The bus's reason.
    pub error: PublishError,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Wait this long and try again.
    Retry(Duration),
    /// Tell, wait this long and try again: somebody has to mend it.
    Tell(Duration),
    /// One record of the batch will never pass.
    PutAside,
}

/// The first pause after a failure; doubled each time, up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause: a broker that comes back is noticed within this.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// The longest pause where somebody has to mend something first.
const MEND_PAUSE_MAX: Duration = Duration::from_secs(60);

/// Decides, after `failures` in a row of which this is the last.
#[must_use]
pub fn next(error: &PublishError, failures: u32) -> Next {
    match error.class() {
        ErrorClass::Transient => Next::Retry(pause(failures).min(PAUSE_MAX)),
        ErrorClass::Permanent => Next::Tell(pause(failures)),
        ErrorClass::Poison => Next::PutAside,
    }
}

/// The pause after so many failures in a row.
#[must_use]
pub fn pause(failures: u32) -> Duration {
    PAUSE_MIN
        .saturating_mul(1 << failures.saturating_sub(1).min(10))
        .min(MEND_PAUSE_MAX)
}
