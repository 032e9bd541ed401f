//! The windows as bytes and back: versioned JSON, for checkpoints.
//!
//! Groups are named by their correlation's id and digest, so that a new ruleset keeps the state of what did
//! not change and drops the rest.

use std::sync::Arc;

use ingest_event::OrganizationNumber;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Correlator, CorrelatorStats, Identity, Key, group::Group};
use crate::ruleset::Ruleset;

/// The version written, and the highest read.
const VERSION: u32 = 1;

/// Why a snapshot can't be restored.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// Not a snapshot.
    #[error("read the snapshot")]
    Unreadable(#[source] serde_json::Error),
    /// Written by a newer version.
    #[error("read snapshot version {version}: this reader knows up to {VERSION}, upgrade it first")]
    TooNew {
        /// The version it says.
        version: u32,
    },
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    version: u32,
    watermark: i64,
    stats: CorrelatorStats,
    groups: Vec<Kept>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    rule: String,
    digest: String,
    organization: OrganizationNumber,
    exercise: bool,
    values: Vec<String>,
    group: Group,
}

impl Correlator {
    /// Everything that is remembered, as bytes; the same state gives the same bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let groups = self
            .groups
            .iter()
            .filter_map(|(key, group)| {
                let correlation = self.correlation(key.correlation)?;
                Some(Kept {
                    rule: correlation.producer.id.0.clone(),
                    digest: digest(&correlation.digest),
                    organization: key.organization,
                    exercise: key.exercise,
                    values: key.values.clone(),
                    group: group.clone(),
                })
            })
            .collect();
        let snapshot = Snapshot {
            version: VERSION,
            watermark: self.watermark,
            stats: self.stats,
            groups,
        };
        // Maps with text keys, numbers and texts always serialise.
        serde_json::to_vec(&snapshot).unwrap_or_default()
    }

    /// The state as it was; groups of correlations that changed or are gone are dropped.
    ///
    /// # Errors
    /// If the bytes are no snapshot, or one of a newer version.
    pub fn restore(ruleset: Arc<Ruleset>, bytes: &[u8]) -> Result<Self, RestoreError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_slice(bytes).map_err(RestoreError::Unreadable)?;
        if VERSION < version {
            return Err(RestoreError::TooNew { version });
        }
        let snapshot: Snapshot = serde_json::from_slice(bytes).map_err(RestoreError::Unreadable)?;
        let mut correlator = Self::new(ruleset);
        let known: FxHashMap<(String, String), Identity> = correlator
            .ruleset
            .correlations
            .iter()
            .map(|correlation| {
                (
                    (correlation.producer.id.0.clone(), digest(&correlation.digest)),
                    Identity::of(correlation),
                )
            })
            .collect();
        correlator.watermark = snapshot.watermark;
        correlator.stats = snapshot.stats;
        for kept in snapshot.groups {
            let Some(correlation) = known.get(&(kept.rule, kept.digest)) else {
                continue;
            };
            let key = Arc::new(Key {
                correlation: *correlation,
                organization: kept.organization,
                exercise: kept.exercise,
                values: kept.values,
            });
            correlator.quiet.insert((kept.group.latest(), Arc::clone(&key)));
            correlator.groups.insert(key, kept.group);
        }
        Ok(correlator)
    }
}

fn digest(bytes: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*bytes).to_hex().to_string()
}
