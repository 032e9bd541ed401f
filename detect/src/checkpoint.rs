//! State of the correlate stage with the position it belongs to, in `varde.checkpoints` (D7).
//!
//! One record per event partition and consumer group; the newest counts. A detector that gains a partition loads its
//! checkpoint and passes over every event below the position: those have had their effect already. Positions are
//! committed only after their checkpoint is durable, so the bus never starts a reader above its state.

use std::collections::BTreeMap;

use ingest_bus::{Record, TopicPartition};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What one partition needs to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Version of this format: 2.
    pub schema: u32,
    /// Every event below this offset has had its effect.
    pub offset: u64,
    /// The ruleset that the state was built with.
    pub ruleset: String,
    /// The correlator's snapshot.
    pub state: Vec<u8>,
}

/// Why a checkpoint can't be read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// Damaged, or not ours.
    #[error("read the checkpoint of {partition}")]
    Damaged {
        /// Topic and partition.
        partition: String,
        /// What is wrong.
        #[source]
        source: postcard::Error,
    },
    /// Written by a newer detector.
    #[error(
        "read the checkpoint of {partition}: it has schema {schema}, this detector knows up to 2; upgrade it"
    )]
    SchemaTooNew {
        /// Topic and partition.
        partition: String,
        /// The schema it says.
        schema: u32,
    },
}

/// The record's key: group, topic and partition.
#[must_use]
pub fn key(group: &str, partition: &TopicPartition) -> Vec<u8> {
    format!("{group}/{}/{}", partition.topic, partition.partition).into_bytes()
}

impl Checkpoint {
    /// As a record.
    #[must_use]
    pub fn record(&self, group: &str, partition: &TopicPartition) -> Record {
        // A struct of numbers and texts always serialises.
        Record::new(postcard::to_allocvec(self).unwrap_or_default()).with_key(key(group, partition))
    }

    /// Finds the checkpoint of a partition among the newest records.
    ///
    /// # Errors
    /// If there is one and it can't be read: going on without it would lose or double alerts.
    pub fn find(
        newest: &BTreeMap<Vec<u8>, Record>,
        group: &str,
        partition: &TopicPartition,
    ) -> Result<Option<Self>, CheckpointError> {
        let Some(record) = newest.get(&key(group, partition)) else {
            return Ok(None);
        };
        let name = || format!("{}/{}", partition.topic, partition.partition);
        let damaged = |source| CheckpointError::Damaged {
            partition: name(),
            source,
        };
        let (schema, _) = postcard::take_from_bytes::<u32>(&record.value).map_err(damaged)?;
        if 2 < schema {
            return Err(CheckpointError::SchemaTooNew {
                partition: name(),
                schema,
            });
        }
        postcard::from_bytes(&record.value).map(Some).map_err(damaged)
    }
}

#[cfg(test)]
mod tests {
    use ingest_bus::Topic;

    use super::*;

    #[test]
    fn a_checkpoint_is_found_by_group_topic_and_partition() {
        let topic = Topic::parse("varde.events.958935420").expect("valid");
        let partition = TopicPartition { topic, partition: 2 };
        let checkpoint = Checkpoint {
            schema: 2,
            offset: 7,
            ruleset: "r".into(),
            state: b"{}".to_vec(),
        };
        let record = checkpoint.record("g", &partition);
        let newest = BTreeMap::from([(record.key.clone().expect("a key"), record)]);
        assert_eq!(
            Checkpoint::find(&newest, "g", &partition).expect("read"),
            Some(checkpoint)
        );
        assert_eq!(
            Checkpoint::find(&newest, "other", &partition).expect("read"),
            None
        );
    }

    #[test]
    fn a_damaged_or_newer_checkpoint_is_an_error_and_not_a_fresh_start() {
        let topic = Topic::parse("varde.events.958935420").expect("valid");
        let partition = TopicPartition { topic, partition: 0 };
        for value in [&[][..], &[3, 0, 0, 0], &[2, 1, 9]] {
            let newest = BTreeMap::from([(key("g", &partition), Record::new(value))]);
            assert!(Checkpoint::find(&newest, "g", &partition).is_err(), "{value:?}");
        }
    }
}
