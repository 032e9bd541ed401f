//! Consumer groups of one process: who is a member, who owns which partition, who should.
//!
//! A partition changes hands in two steps, as with Kafka's cooperative protocol: its owner hears of it and gives it
//! up at its next poll; only then can the new one take it. So at no time two members read one partition.

use std::collections::BTreeMap;

use crate::topic::{Subscription, TopicPartition};

/// Identifies a member within the process.
pub(super) type MemberId = u64;

/// All groups of one bus, by name.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: BTreeMap<String, Group>,
    members_ever: MemberId,
}

#[derive(Debug, Default)]
struct Group {
    members: BTreeMap<MemberId, Subscription>,
    owners: BTreeMap<TopicPartition, MemberId>,
}

/// What a member has to change to come to its share.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) lost: Vec<TopicPartition>,
    pub(super) gained: Vec<TopicPartition>,
}

impl Groups {
    pub(super) fn join(&mut self, group: &str, subscription: Subscription) -> MemberId {
        self.members_ever += 1;
        let group = self.groups.entry(group.to_owned()).or_default();
        group.members.insert(self.members_ever, subscription);
        self.members_ever
    }

    pub(super) fn leave(&mut self, name: &str, member: MemberId) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        group.members.remove(&member);
        group.owners.retain(|_, owner| *owner != member);
        if group.members.is_empty() {
            self.groups.remove(name);
        }
    }

    /// Compares what a member owns with its share of `partitions`. What it gains is its own from now on; what it
    /// loses stays its own until [`Groups::release`].
    pub(super) fn settle(&mut self, group: &str, member: MemberId, partitions: &[&TopicPartition]) -> Change {
        let mut change = Change::default();
        let Some(group) = self.groups.get_mut(group) else {
            return change;
        };
        for (index, partition) in partitions.iter().enumerate() {
            let covering: Vec<MemberId> = group
                .members
                .iter()
                .filter(|(_, subscription)| subscription.covers(&partition.topic))
                .map(|(id, _)| *id)
                .collect();
            let share = index
                .checked_rem(covering.len())
                .and_then(|index| covering.get(index));
            match (group.owners.get(*partition), share) {
                (Some(owner), Some(share)) if *owner == member && *share != member => {
                    change.lost.push((*partition).clone());
                }
                (None, Some(share)) if *share == member => {
                    group.owners.insert((*partition).clone(), member);
                    change.gained.push((*partition).clone());
                }
                (Some(_) | None, Some(_) | None) => {}
            }
        }
        change
    }

    pub(super) fn release(&mut self, group: &str, member: MemberId, partitions: &[TopicPartition]) {
        let Some(group) = self.groups.get_mut(group) else {
            return;
        };
        for partition in partitions {
            if group.owners.get(partition) == Some(&member) {
                group.owners.remove(partition);
            }
        }
    }

    pub(super) fn owns(&self, group: &str, member: MemberId, partition: &TopicPartition) -> bool {
        self.groups
            .get(group)
            .and_then(|group| group.owners.get(partition))
            == Some(&member)
    }
}
