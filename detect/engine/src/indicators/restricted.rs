//! Which indicators the hashes are of that sensors tell: they have restricted indicators as keyed hashes only (R24).

use detect_alert::IndicatorKind;
use ingest_event::restricted::{Hash, RestrictedKey};
use rustc_hash::FxHashMap;

use super::{IndicatorId, IndicatorTable};

/// Every indicator of a table by its hash under each key.
#[derive(Debug, Default)]
pub(crate) struct RestrictedIndex(Vec<OfKey>);

/// By the first eight bytes of the hash, to which a key needs no seed; all of it is compared before anything is told.
#[derive(Debug)]
struct OfKey {
    key: RestrictedKey,
    by_start: FxHashMap<u64, IndicatorId>,
}

impl RestrictedIndex {
    /// Takes a hash for each indicator and key: a second for some millions.
    pub(crate) fn new(table: &IndicatorTable, keys: &[RestrictedKey]) -> Self {
        let of_key = |key: &RestrictedKey| OfKey {
            by_start: table
                .ids()
                .filter_map(|id| {
                    let indicator = table.get(id)?;
                    Some((start(&key.hash(indicator.kind.as_str(), &indicator.value)), id))
                })
                .collect(),
            key: key.clone(),
        };
        Self(keys.iter().map(of_key).collect())
    }

    /// Kind and value of the indicator with this hash.
    pub(crate) fn find(&self, table: &IndicatorTable, hash: &Hash) -> Option<(IndicatorKind, String)> {
        self.0.iter().find_map(|of_key| {
            let indicator = table.get(*of_key.by_start.get(&start(hash))?)?;
            let is_it = of_key.key.hash(indicator.kind.as_str(), &indicator.value) == *hash;
            is_it.then_some((indicator.kind, indicator.value))
        })
    }
}

fn start(hash: &Hash) -> u64 {
    hash.first_chunk().copied().map_or(0, u64::from_le_bytes)
}
