//! State of one partition: of an event topic, or of the signals. Its groups, and how far it has been read.

use std::sync::Arc;

use anyhow::Context as _;
use detect_engine::{Correlator, CorrelatorStats, Dropped, Ruleset, Stage};
use ingest_bus::{Record, TopicPartition};
use ingest_event::{OrganizationNumber, Timestamp};

use crate::{
    checkpoint::{Checkpoint, Found, Lease, Written},
    signals::{self, Inbox, Outbox, Source},
};

/// What is said of a partition that nothing comes from: it holds up nobody.
const QUIET_WATERMARK: i64 = i64::MAX;

pub(super) struct Partition {
    pub(super) kind: Kind,
    pub(super) correlator: Correlator,
    /// Every record below this has had its effect.
    pub(super) next: u64,
    /// Whether there is something that the last checkpoint does not say.
    pub(super) is_changed: bool,
    /// When something was last read from it.
    pub(super) read_at: Timestamp,
    /// When it was last told that time passes though nothing comes.
    pub(super) elapsed_at: Timestamp,
    /// When the bus was last asked where it ends.
    pub(super) asked_at: Timestamp,
    /// Where it ends, if the bus was asked just now.
    pub(super) end: Option<u64>,
    /// What was counted of it already.
    pub(super) told: CorrelatorStats,
    lease: Lease,
    /// The round of the newest checkpoint.
    round: u64,
    /// Whether a checkpoint of this owner is durable. Its first one ends no round: what the owner before sent of the
    /// round after its last checkpoint comes again, and must not count with it.
    is_begun: bool,
}

/// What comes from it.
pub(super) enum Kind {
    /// Events.
    Events(Events),
    /// Signals.
    Signals(Inbox),
}

pub(super) struct Events {
    /// Whose events these are; none if the topic does not say.
    pub(super) organization: Option<OrganizationNumber>,
    /// None if the topic names no organisation.
    pub(super) outbox: Option<Outbox>,
    /// Whether everything that waited was given out since.
    pub(super) is_quiet: bool,
}

/// What a partition is taken over with.
pub(super) struct Takeover<'a> {
    pub(super) group: &'a str,
    pub(super) place: &'a TopicPartition,
    pub(super) lease: Lease,
    pub(super) found: Found,
    /// Where it ends now.
    pub(super) end: u64,
    /// How many partitions its topic has.
    pub(super) partitions: u32,
    /// How many partitions the signals have.
    pub(super) lanes: u32,
    pub(super) now: Timestamp,
}

impl Partition {
    /// As its checkpoint says, unless that is of an earlier life of the topic.
    pub(super) fn take_over(takeover: Takeover<'_>, ruleset: &Arc<Ruleset>) -> anyhow::Result<Self> {
        let Takeover {
            group,
            place,
            lease,
            found,
            end,
            partitions,
            lanes,
            now,
        } = takeover;
        let topic = place.topic.as_str();
        let stage = signals::stage(&place.topic, partitions);
        let checkpoint = known(found, end);
        let correlator = if checkpoint.state.is_empty() {
            Correlator::for_stage(Arc::clone(ruleset), stage)
        } else {
            Correlator::restore(Arc::clone(ruleset), stage, &checkpoint.state)
                .with_context(|| format!("restore the state of {}", place.topic))?
        };
        tell_dropped(correlator.dropped(), place.partition);
        let kind = if stage == Stage::Signals {
            Kind::Signals(if checkpoint.inbox.is_empty() {
                Inbox::default()
            } else {
                Inbox::from_bytes(&checkpoint.inbox).context("restore signals that wait")?
            })
        } else {
            let organization = ingest_event::topic::organization(topic);
            let outbox = organization.map(|organization| {
                let source = Source {
                    group: group.to_owned(),
                    organization,
                    partition: place.partition,
                    partitions,
                };
                Outbox::new(source, lease.epoch(), checkpoint.round, lanes)
            });
            Kind::Events(Events {
                organization,
                outbox,
                is_quiet: end <= checkpoint.offset && correlator.waiting_count() == 0,
            })
        };
        Ok(Self {
            kind,
            read_at: now,
            elapsed_at: now,
            asked_at: Timestamp::EPOCH,
            end: None,
            told: correlator.stats(),
            correlator,
            next: checkpoint.offset,
            // Its first checkpoint fences off whoever had it.
            is_changed: true,
            lease,
            round: checkpoint.round,
            is_begun: false,
        })
    }

    /// Puts the rest of the round on the way.
    pub(super) fn rest(&mut self) -> Vec<Record> {
        match &mut self.kind {
            Kind::Events(Events {
                outbox: Some(outbox), ..
            }) => outbox.rest(),
            Kind::Events(_) | Kind::Signals(_) => Vec::new(),
        }
    }

    /// What is to be written down.
    pub(super) fn checkpoint(&mut self, ruleset: &str) -> anyhow::Result<Written> {
        let inbox = match &self.kind {
            Kind::Events(_) => Vec::new(),
            Kind::Signals(inbox) => inbox.to_bytes(),
        };
        let checkpoint = Checkpoint {
            offset: self.next,
            round: self.round + u64::from(self.is_begun),
            ruleset: ruleset.to_owned(),
            state: self.correlator.snapshot(),
            inbox,
        };
        self.lease.write(&checkpoint).context("compress a checkpoint")
    }

    /// The checkpoint is durable: what follows from that.
    pub(super) fn checkpointed(&mut self) -> Durable {
        self.is_changed = false;
        let ends = std::mem::replace(&mut self.is_begun, true);
        self.round += u64::from(ends);
        let watermark = self.correlator.watermark();
        let marks = match &mut self.kind {
            Kind::Events(Events {
                outbox: Some(outbox),
                is_quiet,
                ..
            }) => {
                if ends {
                    outbox.end_round();
                }
                outbox.marks(match is_quiet {
                    true => QUIET_WATERMARK,
                    false => watermark.map_or(i64::MIN, Timestamp::as_nanos),
                })
            }
            Kind::Events(_) | Kind::Signals(_) => Vec::new(),
        };
        Durable {
            marks,
            tombstones: self.lease.forget_others(),
        }
    }
}

/// What is to be published when a checkpoint is durable.
pub(super) struct Durable {
    pub(super) marks: Vec<Record>,
    pub(super) tombstones: Vec<Record>,
}

fn tell_dropped(dropped: Option<Dropped>, partition: u32) {
    match dropped {
        None => {}
        Some(Dropped::All) => tracing::warn!(
            partition,
            "a checkpoint of an earlier version: its position counts, its groups begin anew"
        ),
        Some(Dropped::Together { groups }) => tracing::warn!(
            partition,
            groups,
            "a topic of events had one partition and has several now: groups that do not lie in one of them begin anew \
             where signals meet"
        ),
    }
}

/// What of it can be gone on from.
fn known(found: Found, end: u64) -> Checkpoint {
    let checkpoint = match found {
        Found::Nothing => return Checkpoint::default(),
        Found::Before { offset } => {
            tracing::warn!(
                offset,
                "a checkpoint of an earlier version: its position counts, its windows begin anew"
            );
            Checkpoint {
                offset,
                ..Checkpoint::default()
            }
        }
        Found::Whole(checkpoint) => checkpoint,
    };
    if end < checkpoint.offset {
        tracing::warn!(
            offset = checkpoint.offset,
            end,
            "a checkpoint is ahead of its topic, which must have been made anew: reading from its start"
        );
        return Checkpoint::default();
    }
    checkpoint
}

#[cfg(test)]
mod tests;
