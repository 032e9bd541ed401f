//! Everything that is remembered as bytes and back, for checkpoints; versioned.
//!
//! Groups go by what their rule is, its id and text, so that a new ruleset keeps the state of what did not change and
//! drops the rest.

use std::{collections::BTreeMap, sync::Arc};

use ingest_event::OrganizationNumber;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    Correlator, CorrelatorStats, Lane, Stage, gather::Gatherer, observation::Written, order::Order,
    track::Identity,
};
use crate::ruleset::Ruleset;

/// The version written, and the only one read: in those before, groups did not know who brought them.
const VERSION: u8 = 6;

/// Why a snapshot can't be restored.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// Not a snapshot.
    #[error("read the snapshot")]
    Unreadable(#[source] postcard::Error),
    /// Written by a newer version.
    #[error("read snapshot version {version}: this reader knows up to {VERSION}, upgrade it first")]
    TooNew {
        /// The version it says.
        version: u8,
    },
}

/// What a snapshot has that is not gone on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// All: an earlier version wrote it.
    All,
    /// Its organisation's events were in one partition, and are in several now: what was held together of them.
    Together {
        /// So many groups.
        groups: usize,
    },
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    version: u8,
    stats: CorrelatorStats,
    lanes: Vec<KeptLane>,
    gathered: Vec<Written>,
    tables: Vec<(Identity, Vec<u8>)>,
    /// Of a correlator that takes everything: where signals come together.
    together: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct KeptLane {
    name: Option<OrganizationNumber>,
    given: i64,
    latest: i64,
    expected: u64,
    streams: BTreeMap<u64, i64>,
    waiting: Vec<Written>,
}

impl Correlator {
    /// Everything that is remembered, as bytes; the same state gives the same bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let tracks = &self.ruleset.tracks;
        let lanes = self.lanes.iter().map(|(name, lane)| KeptLane {
            name: *name,
            given: lane.order.given(),
            latest: lane.latest,
            expected: lane.expected as u64,
            streams: lane.streams.clone(),
            waiting: lane
                .order
                .waiting()
                .filter_map(|observation| Some(observation.write(tracks.get(observation.track)?.identity)))
                .collect(),
        });
        let kept = tracks
            .all
            .iter()
            .zip(&self.keepers)
            .filter(|(_, keeper)| !keeper.is_empty());
        let snapshot = Snapshot {
            version: VERSION,
            stats: self.stats,
            lanes: lanes.collect(),
            gathered: self.gatherer.keep(tracks),
            tables: kept
                .map(|(track, keeper)| (track.identity, keeper.keep()))
                .collect(),
            together: self.together.as_ref().map(|together| together.snapshot()),
        };
        // Maps, numbers and texts always serialise.
        postcard::to_allocvec(&snapshot).unwrap_or_default()
    }

    /// The state as it was; what rules knew that changed or are gone is dropped. What else is not gone on from,
    /// [`Correlator::dropped`] says.
    ///
    /// # Errors
    /// If the bytes are no snapshot, or one of a newer version.
    pub fn restore(ruleset: Arc<Ruleset>, stage: Stage, bytes: &[u8]) -> Result<Self, RestoreError> {
        let (version, _) = postcard::take_from_bytes::<u8>(bytes).map_err(RestoreError::Unreadable)?;
        if VERSION < version {
            return Err(RestoreError::TooNew { version });
        }
        let mut correlator = Self::for_stage(ruleset, stage);
        if version < VERSION {
            correlator.dropped = Some(Dropped::All);
            return Ok(correlator);
        }
        let snapshot: Snapshot = postcard::from_bytes(bytes).map_err(RestoreError::Unreadable)?;
        let ruleset = Arc::clone(&correlator.ruleset);
        correlator.stats = snapshot.stats;
        for kept in snapshot.lanes {
            let waiting = kept.waiting.into_iter().filter_map(|written| {
                let track = ruleset.tracks.number(written.identity)?;
                Some(written.read(track))
            });
            let lane = Lane {
                order: Order::restore(kept.given, waiting),
                streams: kept.streams,
                expected: usize::try_from(kept.expected).unwrap_or(0),
                latest: kept.latest,
                passed: i64::MIN,
                overtaken: None,
            };
            correlator.lanes.insert(kept.name, lane);
        }
        let gathered = snapshot.gathered.into_iter();
        correlator.gatherer = Gatherer::restore(gathered.filter_map(|written| {
            let track = ruleset.tracks.number(written.identity)?;
            Some(written.read(track))
        }));
        for (identity, bytes) in snapshot.tables {
            let track = ruleset.tracks.number(identity);
            if let Some(keeper) = track.and_then(|track| correlator.keepers.get_mut(track as usize)) {
                keeper.restore(&bytes).map_err(RestoreError::Unreadable)?;
            }
        }
        if let Some(bytes) = snapshot.together {
            let together = Self::restore(ruleset, Stage::Signals, &bytes)?;
            match &mut correlator.together {
                Some(own) => **own = together,
                // From now on it is held together where signals meet, and nobody there knows of it.
                None => {
                    correlator.dropped = Some(Dropped::Together {
                        groups: together.group_count(),
                    });
                }
            }
        }
        Ok(correlator)
    }

    /// What the snapshot that this was restored from had, and is not gone on from.
    #[must_use]
    pub const fn dropped(&self) -> Option<Dropped> {
        self.dropped
    }
}
