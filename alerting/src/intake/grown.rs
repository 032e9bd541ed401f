//! Incidents about many that grew in a batch and are not written yet: a storm costs one write of its incident for each batch, not for
//! each alert. Also for others' sake, who wait behind it.

use std::collections::BTreeMap;

use alerting_incident::{Change, ChangeKind, DedupKey};

use super::search_text;
use crate::{
    state::State,
    store::{Store, Stored, Write},
};

/// By the digest of their key, as they will be written. The store is older: whoever reads there what could be one of them, or a part of
/// one, has them written first.
#[derive(Default)]
pub(super) struct Grown(BTreeMap<String, Stored>);

impl Grown {
    /// What waits under a key.
    pub(super) fn of(&self, key: &DedupKey) -> Option<&Stored> {
        self.0.get(&key.digest())
    }

    /// Whether a change is no more than that one grew: nobody is told of it, and nobody asks before the batch is through.
    pub(super) fn may_wait(change: &Change) -> bool {
        let incident = &change.incident;
        change.kind == ChangeKind::Added
            && change.timeline.is_empty()
            && incident.is_crowd()
            && incident.merged_into.is_none()
    }

    /// Lets one wait.
    pub(super) fn keep(&mut self, grown: Stored) {
        self.0.insert(grown.incident.key.digest(), grown);
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// If the store is away, or refuses one.
    pub(super) async fn write(&mut self, state: &State, write: &mut Write) -> sqlx::Result<()> {
        for (_, grown) in std::mem::take(&mut self.0) {
            let search = search_text(state, &grown.incident, grown.owner);
            let change = Change {
                incident: grown.incident,
                kind: ChangeKind::Added,
                timeline: Vec::new(),
            };
            Store::save_change(write, &change, grown.owner, &grown.route, &search).await?;
        }
        Ok(())
    }
}
