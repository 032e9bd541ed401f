//! Checkpoints of the loop: taking partitions over, writing down what was done, and telling how far it has come.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use anyhow::Context as _;
use detect_engine::{Dropped, Stage};
use ingest_bus::{ErrorClass, Position, Record, TopicPartition};
use ingest_event::Timestamp;

use super::{
    Pipeline,
    outlet::Output,
    partition::{Kind, Partition, Takeover},
    retry::{Backoff, retry},
};
use crate::{checkpoint::Lease, detector::chain};

/// Checkpoints take at most one part in so many of the time.
const SHARE: u32 = 10;

/// What one checkpoint is believed to cost at the most.
const COST_MAX: Duration = Duration::from_secs(60);

/// So many bytes of chunks are published together.
const TOGETHER_BYTES: usize = 16 << 20;

/// When a checkpoint is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    from: Timestamp,
    interval: Duration,
}

impl Pace {
    /// After one that took from `begun` to `ended`; no sooner than after `least`.
    pub(super) fn after(begun: Timestamp, ended: Timestamp, least: Duration) -> Self {
        // A clock that was set forward meanwhile costs one long interval at the most.
        let cost = ended.since(begun).min(COST_MAX);
        Self {
            from: ended,
            interval: least.max(cost * (SHARE - 1)),
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        // A clock that was set back must not stop checkpoints.
        now < self.from || self.interval <= now.since(self.from)
    }
}

/// A number that no other process has.
pub(super) fn drawn() -> u64 {
    // Seeded by the system for each process.
    RandomState::new().hash_one(std::process::id())
}

impl Pipeline {
    /// Restores what is known of partitions that this detector reads from now on, and makes them its own.
    pub(super) async fn load(&mut self, gained: &[TopicPartition]) -> anyhow::Result<()> {
        let starts = gained
            .iter()
            .map(|place| Lease::prefix(&self.group, place).into_bytes());
        let newest = self.outlet.checkpoints(&starts.collect::<Vec<_>>()).await?;
        let lanes = self.outlet.lanes().await?;
        for place in gained {
            let ends = retry(
                &self.metrics,
                || self.bus.end_positions(&place.topic),
                |error| error.class(),
            )
            .await
            .context("read the ends of the topics")?;
            let end = ends.iter().find(|end| end.partition == place.partition);
            let now = (self.clock)();
            let floor = u64::try_from(now.as_millis()).unwrap_or(0);
            let (lease, found) = Lease::take(&newest, &self.group, place, floor, self.owner)?;
            let takeover = Takeover {
                group: &self.group,
                place,
                lease,
                found,
                end: end.map_or(0, |end| end.offset),
                partitions: u32::try_from(ends.len()).unwrap_or(u32::MAX),
                lanes,
                now,
            };
            let partition = Partition::take_over(takeover, &self.ruleset)?;
            if let Some(Dropped::Together { groups }) = partition.correlator.dropped() {
                self.metrics.groups_dropped.inc_by(groups as u64);
            }
            self.partitions.insert(place.clone(), partition);
        }
        drop(newest);
        self.quiet_polls = 0;
        self.checkpoint().await
    }

    pub(super) fn is_checkpoint_due(&self) -> bool {
        let now = (self.clock)();
        let is_heavy = |state: &Partition| match &state.kind {
            Kind::Events(events) => events.outbox.as_ref().is_some_and(|outbox| outbox.is_heavy()),
            Kind::Signals(_) => false,
        };
        self.pace.is_due(now) || self.partitions.values().any(is_heavy)
    }

    /// Writes down everything that changed: what it caused first, then the state, then the positions. Then tells how far it
    /// has come.
    pub(super) async fn checkpoint(&mut self) -> anyhow::Result<()> {
        let begun = (self.clock)();
        let mut output = Output::default();
        for state in self.partitions.values_mut().filter(|state| state.is_changed) {
            output.signals.extend(state.rest());
        }
        if !output.is_empty() {
            self.publisher.publish(output).await?;
        }
        // What the records caused is durable before anything says that they are done with.
        self.publisher.flush().await?;
        let written = self.write().await?;
        if !written.is_empty() {
            let lost = self.commit(&written).await?;
            self.checkpointed(&lost).await?;
        }
        self.tell();
        let ended = (self.clock)();
        if !written.is_empty() {
            let cost = ended.since(begun);
            self.metrics.checkpoint_seconds.observe(cost.as_secs_f64());
        }
        self.pace = Pace::after(begun, ended, self.checkpoint_interval);
        Ok(())
    }

    /// Makes the checkpoints durable, each one's manifest after its chunks; where they stand.
    async fn write(&mut self) -> anyhow::Result<Vec<Position>> {
        let version = &self.ruleset.version().0;
        let (mut chunks, mut manifests, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        let (mut waiting, mut bytes) = (0, 0);
        for (place, state) in self.partitions.iter_mut().filter(|(_, state)| state.is_changed) {
            let written = state.checkpoint(version)?;
            bytes += written.bytes();
            waiting += written.bytes();
            chunks.extend(written.chunks);
            manifests.push(written.manifest);
            positions.push(Position {
                topic: place.topic.clone(),
                partition: place.partition,
                offset: state.next,
            });
            if TOGETHER_BYTES <= waiting {
                self.outlet.checkpoint(std::mem::take(&mut chunks)).await?;
                waiting = 0;
            }
        }
        self.outlet.checkpoint(chunks).await?;
        let count = manifests.len();
        self.outlet.checkpoint(manifests).await?;
        self.metrics.checkpoints_published.inc_by(count as u64);
        self.metrics.checkpoint_bytes.inc_by(bytes as u64);
        Ok(positions)
    }

    /// What follows when they are durable. Of partitions that the group has given to someone else nothing does: their new
    /// owner may have gone on from the checkpoint before, and then what belongs to this one comes again.
    async fn checkpointed(&mut self, lost: &[TopicPartition]) -> anyhow::Result<()> {
        let mut tombstones: Vec<Record> = Vec::new();
        let mut output = Output::default();
        for (place, state) in self.partitions.iter_mut().filter(|(_, state)| state.is_changed) {
            if lost.contains(place) {
                continue;
            }
            let durable = state.checkpointed();
            output.signals.extend(durable.marks);
            tombstones.extend(durable.tombstones);
        }
        self.outlet.checkpoint(tombstones).await?;
        if !output.is_empty() {
            self.publisher.publish(output).await?;
        }
        Ok(())
    }

    /// Commits; gives those whose owner is another.
    async fn commit(&mut self, positions: &[Position]) -> anyhow::Result<Vec<TopicPartition>> {
        // Nothing was read of these yet, and the group may know better.
        let read: Vec<Position> = positions
            .iter()
            .filter(|position| 0 < position.offset)
            .cloned()
            .collect();
        let mut backoff = Backoff::default();
        loop {
            match self.consumer.commit(&read).await {
                Ok(committed) => {
                    let asked = read.iter().map(Position::topic_partition);
                    return Ok(asked.filter(|place| !committed.contains(place)).collect());
                }
                Err(error) if error.class() == ErrorClass::Transient => {
                    self.metrics.bus_retries.inc();
                    tracing::warn!(error = %chain(&error), "committing positions failed, trying again");
                    backoff.wait().await;
                }
                Err(error) => return Err(error).context("commit positions"),
            }
        }
    }

    /// Counts what happened since the last time.
    fn tell(&mut self) {
        let mut scan = (0, 0);
        let mut signals = (0, 0);
        for state in self.partitions.values_mut() {
            let now = state.correlator.stats();
            let (stage, sums) = match state.kind {
                Kind::Events(_) => (Stage::Scan, &mut scan),
                Kind::Signals(_) => (Stage::Signals, &mut signals),
            };
            self.metrics.correlated(stage, &state.told, &now);
            state.told = now;
            sums.0 += state.correlator.group_count();
            sums.1 += state.correlator.waiting_count();
        }
        for (stage, (groups, waiting)) in [(Stage::Scan, scan), (Stage::Signals, signals)] {
            self.metrics.held(stage, groups, waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_take_a_tenth_of_the_time_at_most() {
        for (cost_ms, least_ms, interval_ms) in [
            (0, 1_000, 1_000),
            (100, 1_000, 1_000),
            (200, 1_000, 1_800),
            (5_000, 1_000, 45_000),
            (3_600_000, 1_000, 540_000),
            (-3_600_000, 1_000, 1_000),
        ] {
            let begun = Timestamp::from_millis(1_772_438_400_000);
            let ended = Timestamp::from_millis(begun.as_millis() + cost_ms);
            let pace = Pace::after(begun, ended, Duration::from_millis(least_ms));
            let at = |millis: i64| Timestamp::from_millis(ended.as_millis() + millis);
            assert!(!pace.is_due(at(interval_ms - 1)), "{cost_ms}");
            assert!(pace.is_due(at(interval_ms)), "{cost_ms}");
            assert!(pace.is_due(at(-1)), "{cost_ms}");
        }
    }
}
