//! State of one partition of an event topic: its windows, and how far it has been read.

use std::sync::Arc;

use anyhow::Context as _;
use detect_engine::{Correlator, Ruleset, Stage};
use ingest_bus::TopicPartition;
use ingest_event::{OrganizationNumber, Timestamp};

use crate::checkpoint::Checkpoint;

pub(super) struct Partition {
    /// Whose events these are; none if the topic does not say.
    pub(super) organization: Option<OrganizationNumber>,
    pub(super) correlator: Correlator,
    /// Every event below this has had its effect.
    pub(super) next: u64,
    /// What the last checkpoint says.
    pub(super) checkpointed: u64,
    /// When an event was last read from it.
    pub(super) read_at: Timestamp,
}

impl Partition {
    /// Read from wherever it begins, with empty windows.
    pub(super) fn new(topic: &str, ruleset: &Arc<Ruleset>) -> Self {
        Self {
            organization: ingest_event::topic::organization(topic),
            correlator: Correlator::new(Arc::clone(ruleset)),
            next: 0,
            checkpointed: 0,
            read_at: Timestamp::EPOCH,
        }
    }

    /// As its checkpoint says, unless that is of an earlier life of the topic, which now ends at `end`.
    pub(super) fn restore(
        place: &TopicPartition,
        checkpoint: Option<Checkpoint>,
        end: u64,
        ruleset: &Arc<Ruleset>,
    ) -> anyhow::Result<Self> {
        let fresh = Self::new(place.topic.as_str(), ruleset);
        let Some(checkpoint) = checkpoint else {
            return Ok(fresh);
        };
        if end < checkpoint.offset {
            tracing::warn!(
                offset = checkpoint.offset,
                end,
                "a checkpoint is ahead of its topic, which must have been made anew: reading from its start"
            );
            return Ok(fresh);
        }
        let correlator = Correlator::restore(Arc::clone(ruleset), Stage::Whole, &checkpoint.state)
            .with_context(|| format!("restore the state of {}", place.topic))?;
        Ok(Self {
            correlator,
            next: checkpoint.offset,
            checkpointed: checkpoint.offset,
            ..fresh
        })
    }

    /// What is to be written down; nothing if no event came since.
    pub(super) fn checkpoint(&self, ruleset: &str) -> anyhow::Result<Option<Checkpoint>> {
        if self.next <= self.checkpointed {
            return Ok(None);
        }
        Ok(Some(Checkpoint {
            schema: 2,
            offset: self.next,
            ruleset: ruleset.to_owned(),
            state: self.correlator.snapshot(),
        }))
    }
}
