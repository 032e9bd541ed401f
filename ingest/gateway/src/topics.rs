//! The topics that the gateway and `varde sensors` make: who is who, bundles, questions, and an organisation's own.
//!
//! The organisation's are made as the sensor would make them; `replay-data/tests/documents.rs` holds that both say the
//! same.

use std::time::Duration;

use ingest_bus::{Cleanup, Topic, TopicNameError, TopicSpec};
use ingest_event::{OrganizationNumber, topic};
use ingest_trust::{manifest, reveal};

/// The largest record of events.
pub const EVENT_BYTES_MAX: u32 = 8 << 20;

/// The largest of quarantine.
pub const QUARANTINE_BYTES_MAX: u32 = 1 << 20;

const EVENT_RETENTION: Duration = Duration::from_hours(7 * 24);
const QUARANTINE_RETENTION: Duration = Duration::from_hours(30 * 24);

/// How long answers wait for alerting: a long weekend. What they say is kept by alerting, and not here.
const REVEALED_RETENTION: Duration = Duration::from_hours(4 * 24);

/// The largest question or answer, with its key.
#[expect(clippy::cast_possible_truncation, reason = "65 KiB")]
const REVEAL_BYTES_MAX: u32 = max(reveal::ENVELOPE_BYTES_MAX, reveal::ANSWER_BYTES_MAX) as u32 + (1 << 10);

/// The largest record of `varde.sensors`: one takes less than a kibibyte, or two with all former keys.
const SENSORS_BYTES_MAX: u32 = 64 << 10;

/// The largest of `varde.control`: a manifest's envelope with its key.
#[expect(clippy::cast_possible_truncation, reason = "8 MiB and a bit")]
const CONTROL_BYTES_MAX: u32 = manifest::ENVELOPE_BYTES_MAX as u32 + (64 << 10);

/// Where an organisation's records go.
#[derive(Clone, Debug)]
pub struct OfOrganization {
    /// Its events.
    pub events: Topic,
    /// What was put aside of it.
    pub quarantine: Topic,
}

impl OfOrganization {
    /// Their names.
    ///
    /// # Errors
    /// Never in practice: an organisation number makes a topic's name.
    pub fn of(organization: OrganizationNumber) -> Result<Self, TopicNameError> {
        Ok(Self {
            events: Topic::parse(&topic::events(organization))?,
            quarantine: Topic::parse(&topic::quarantine(organization))?,
        })
    }

    /// How they are made where they are missing.
    #[must_use]
    pub fn specs(&self) -> [TopicSpec; 2] {
        let spec = |topic: &Topic, retention, max_record_bytes| TopicSpec {
            topic: topic.clone(),
            partitions: 1,
            cleanup: Cleanup::Delete { retention },
            max_record_bytes,
        };
        [
            spec(&self.events, EVENT_RETENTION, EVENT_BYTES_MAX),
            spec(&self.quarantine, QUARANTINE_RETENTION, QUARANTINE_BYTES_MAX),
        ]
    }
}

/// The topic of who is who.
///
/// # Errors
/// Never in practice.
pub fn sensors() -> Result<TopicSpec, TopicNameError> {
    compacted(topic::SENSORS, SENSORS_BYTES_MAX)
}

/// The topic of bundles.
///
/// # Errors
/// Never in practice.
pub fn control() -> Result<TopicSpec, TopicNameError> {
    compacted(topic::CONTROL, CONTROL_BYTES_MAX)
}

/// The topic of questions to sensors.
///
/// # Errors
/// Never in practice.
pub fn reveals() -> Result<TopicSpec, TopicNameError> {
    compacted(topic::REVEALS, REVEAL_BYTES_MAX)
}

/// The topic of an organisation's answers.
///
/// # Errors
/// Never in practice.
pub fn revealed(organization: OrganizationNumber) -> Result<TopicSpec, TopicNameError> {
    Ok(TopicSpec {
        topic: Topic::parse(&topic::revealed(organization))?,
        partitions: 1,
        cleanup: Cleanup::Delete {
            retention: REVEALED_RETENTION,
        },
        max_record_bytes: REVEAL_BYTES_MAX,
    })
}

const fn max(one: usize, other: usize) -> usize {
    if one < other { other } else { one }
}

fn compacted(name: &str, max_record_bytes: u32) -> Result<TopicSpec, TopicNameError> {
    Ok(TopicSpec {
        topic: Topic::parse(name)?,
        partitions: 1,
        cleanup: Cleanup::Compact,
        max_record_bytes,
    })
}
