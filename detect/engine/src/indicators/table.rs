//! The indicators of one moment: a large layer, a small one with what came since, and what was removed.

use std::{net::IpAddr, sync::Arc};

use detect_alert::{Indicator, IndicatorKind};
use rustc_hash::FxHashSet;

use super::{
    build::{AddCounts, Added, IndicatorTableBuilder, Members},
    entry::Entry,
    filter::Group,
    key::Seed,
    layer::{Coded, Held, Layer},
};

/// This bit of a place says that it is in the newer layer.
const NEWER: u32 = 1 << 31;

/// So many changes are always cheap to carry along.
const CHANGES_MIN: usize = 100_000;

/// The number of an indicator in its table. Another version of the table may number it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndicatorId(u32);

/// All indicators of one moment. Immutable; versions share what they have in common.
///
/// Every indicator counts, whatever its validity: that is decided at an event's time, see
/// [`IndicatorTable::judge`].
#[derive(Clone, Debug)]
pub struct IndicatorTable {
    pub(super) seed: Seed,
    older: Arc<Layer>,
    newer: Arc<Layer>,
    /// Entries of either layer that do not count any more.
    removed: Arc<FxHashSet<IndicatorId>>,
    members: Members,
}

/// What an update did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpdateCounts {
    /// What became of those to add.
    pub added: AddCounts,
    /// Removed.
    pub removed: u64,
    /// To be removed, and not held.
    pub unknown: u64,
}

impl Default for IndicatorTable {
    fn default() -> Self {
        IndicatorTableBuilder::new().build()
    }
}

impl IndicatorTable {
    pub(super) fn of_layer(seed: Seed, layer: Layer, members: Members) -> Self {
        Self {
            seed,
            older: Arc::new(layer),
            newer: Arc::default(),
            removed: Arc::default(),
            members,
        }
    }

    /// How many indicators count.
    #[must_use]
    pub fn len(&self) -> usize {
        self.older.len() + self.newer.len() - self.removed.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many indicators of a kind count.
    #[must_use]
    pub fn count(&self, kind: IndicatorKind) -> u64 {
        self.members.count(kind)
    }

    /// Made of the indicators alone, whatever their order and however they came.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.members.digest.bytes()
    }

    /// Bytes of memory, shared ones included.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.older.bytes() + self.newer.bytes() + self.removed.capacity() * size_of::<(IndicatorId, u8)>()
    }

    /// One indicator.
    #[must_use]
    pub fn get(&self, id: IndicatorId) -> Option<Indicator> {
        let coded = self.coded(id)?;
        Some(coded.indicator())
    }

    /// Every indicator that counts, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Indicator> {
        self.live().map(|(_, coded)| coded.indicator())
    }

    /// The table with some indicators less and some more: removed ones first, then added ones. Takes time by the
    /// number of changes since it was built, not by the number of indicators.
    #[must_use]
    pub fn updated<'a>(
        &self,
        removed: impl IntoIterator<Item = &'a Indicator>,
        added: impl IntoIterator<Item = &'a Indicator>,
    ) -> (Self, UpdateCounts) {
        let mut counts = UpdateCounts::default();
        let mut members = self.members;
        let mut gone = FxHashSet::clone(&self.removed);
        let mut newer = Layer::clone(&self.newer);
        let mut value = Vec::new();
        for indicator in removed {
            let coded = Coded::of(indicator, &mut value);
            let is_gone = coded.is_some_and(|coded| {
                let place = place(&self.older, &newer, coded.hash(self.seed), &coded);
                place.is_ok_and(|id| gone.insert(id))
            });
            if let Some(coded) = coded.filter(|_| is_gone) {
                members.remove(&coded);
                counts.removed += 1;
            } else {
                counts.unknown += 1;
            }
        }
        let mut buffer = Vec::new();
        for indicator in added {
            let Some(coded) = Coded::of(indicator, &mut value) else {
                counts.added.count(Added::NotNormal);
                continue;
            };
            let hash = coded.hash(self.seed);
            let outcome = match place(&self.older, &newer, hash, &coded) {
                Ok(id) if gone.remove(&id) => Added::New,
                Ok(_) => Added::Duplicate,
                Err(others) => newer.push(self.seed, hash, &coded, others, &mut buffer),
            };
            if outcome == Added::New {
                members.add(&coded);
            }
            counts.added.count(outcome);
        }
        newer.finish(self.seed);
        let next = Self {
            seed: self.seed,
            older: Arc::clone(&self.older),
            newer: Arc::new(newer),
            removed: Arc::new(gone),
            members,
        };
        (next, counts)
    }

    /// Whether so much has changed since the table was built that it is worth building anew.
    #[must_use]
    pub fn is_worn(&self) -> bool {
        CHANGES_MIN.max(self.older.len() / 8) < self.newer.len() + self.removed.len()
    }

    /// The same indicators, built anew: all in one layer. As slow as loading them; for a background thread.
    #[must_use]
    pub fn compacted(&self) -> Self {
        let mut builder = IndicatorTableBuilder::with_room(self.len());
        for (_, coded) in self.live() {
            builder.add_coded(&coded);
        }
        builder.build()
    }

    pub(super) fn coded(&self, id: IndicatorId) -> Option<Coded<'_>> {
        let layer = self.layer(id);
        layer.coded(&layer.entry(id.0 & !NEWER)?)
    }

    pub(super) fn entry(&self, id: IndicatorId) -> Option<Entry<'_>> {
        self.layer(id).entry(id.0 & !NEWER)
    }

    pub(super) fn has_top_level_domains(&self) -> bool {
        self.members.top_level_domains != 0
    }

    #[inline]
    pub(super) fn may_hold(&self, group: Group, hash: u64) -> bool {
        self.older.filters.may_hold(group, hash) | self.newer.filters.may_hold(group, hash)
    }

    /// Whether some prefix may contain the address.
    #[inline]
    pub(super) fn may_contain(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => {
                let number = u32::from(v4);
                self.older.v4.may_contain(number) | self.newer.v4.may_contain(number)
            }
            IpAddr::V6(v6) => {
                let number = u128::from(v6);
                self.older.v6.may_contain(number) | self.newer.v6.may_contain(number)
            }
        }
    }

    /// Asks both layers, and passes on what counts.
    #[inline]
    pub(super) fn each_layer(
        &self,
        found: &mut impl FnMut(IndicatorId),
        ask: impl Fn(&Layer, &mut dyn FnMut(u32)),
    ) {
        ask(&self.older, &mut |at| self.pass_on(IndicatorId(at), found));
        if self.newer.len() != 0 {
            ask(&self.newer, &mut |at| {
                self.pass_on(IndicatorId(at | NEWER), found)
            });
        }
    }

    fn pass_on(&self, id: IndicatorId, found: &mut impl FnMut(IndicatorId)) {
        if !self.removed.contains(&id) {
            found(id);
        }
    }

    fn layer(&self, id: IndicatorId) -> &Layer {
        if id.0 & NEWER == 0 {
            &self.older
        } else {
            &self.newer
        }
    }

    fn live(&self) -> impl Iterator<Item = (IndicatorId, Coded<'_>)> {
        let older = self.older.iter().map(|(at, entry)| (IndicatorId(at), entry));
        let newer = self
            .newer
            .iter()
            .map(|(at, entry)| (IndicatorId(at | NEWER), entry));
        older
            .chain(newer)
            .filter(|(id, _)| !self.removed.contains(id))
            .filter_map(|(id, entry)| Some((id, self.layer(id).coded(&entry)?)))
    }
}

/// The place of an equal indicator, whether it counts or not; else how many are about the same value.
fn place(older: &Layer, newer: &Layer, hash: u64, coded: &Coded<'_>) -> Result<IndicatorId, usize> {
    let others = match older.find(hash, coded) {
        Held::At(at) => return Ok(IndicatorId(at)),
        Held::Others(others) => others,
    };
    match newer.find(hash, coded) {
        Held::At(at) => Ok(IndicatorId(at | NEWER)),
        Held::Others(more) => Err(others + more),
    }
}
