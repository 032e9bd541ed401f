//! The indicators of one moment: a large layer, a small one with what came since, and what was removed.

use std::{net::IpAddr, sync::Arc};

use detect_alert::{Indicator, IndicatorKind};
use rustc_hash::FxHashSet;

use super::{
    blocks::Inside,
    build::{AddCounts, Added, IndicatorTableBuilder, Members},
    entry::Entry,
    filter::Group,
    key::Seed,
    layer::{Coded, Layer, PER_VALUE_MAX},
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
    /// Entries of the older layer that do not count any more; the newer one lets go of its own.
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

impl IndicatorId {
    /// Whether it is in the newer layer.
    const fn is_newer(self) -> bool {
        self.0 & NEWER != 0
    }

    /// Its place in its layer.
    const fn at(self) -> u32 {
        self.0 & !NEWER
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

    /// Of every indicator that counts, in no particular order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = IndicatorId> {
        self.live().map(|(id, _)| id)
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
            let is_removed = coded.is_some_and(|coded| {
                let hash = coded.hash(self.seed);
                match self.place(&newer, &gone, hash, &coded).0 {
                    Some(id) if id.is_newer() => {
                        newer.take_out(hash, id.at());
                        true
                    }
                    Some(id) => gone.insert(id),
                    None => false,
                }
            });
            if let Some(coded) = coded.filter(|_| is_removed) {
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
            let outcome = match self.place(&newer, &gone, hash, &coded) {
                (Some(id), _) if !gone.contains(&id) => Added::Duplicate,
                (Some(_), others) if PER_VALUE_MAX <= others => Added::TooManyForValue,
                (Some(id), _) => {
                    gone.remove(&id);
                    Added::New
                }
                (None, others) => newer.push(self.seed, hash, &coded, others, &mut buffer),
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
        let changes = self.newer.len() + self.newer.gone() + self.removed.len();
        CHANGES_MIN.max(self.older.len() / 8) < changes
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
        layer.coded(&layer.entry(id.at())?)
    }

    pub(super) fn entry(&self, id: IndicatorId) -> Option<Entry<'_>> {
        self.layer(id).entry(id.at())
    }

    pub(super) fn has_top_level_domains(&self) -> bool {
        self.members.top_level_domains != 0
    }

    #[inline]
    pub(super) fn may_hold(&self, group: Group, hash: u64) -> bool {
        self.older.filters.may_hold(group, hash) | self.newer.filters.may_hold(group, hash)
    }

    /// What is among the addresses with these first 16 bits.
    #[inline]
    pub(super) fn inside_v4(&self, block: u16) -> Inside {
        self.older.blocks.v4(block).or(self.newer.blocks.v4(block))
    }

    /// What may be among the addresses with these first 32 bits.
    #[inline]
    pub(super) fn inside_v6(&self, block: u32) -> Inside {
        self.older.blocks.v6(block).or(self.newer.blocks.v6(block))
    }

    /// What may be where an address is.
    pub(super) fn inside(&self, address: IpAddr) -> Inside {
        let older = self.older.blocks.around(address);
        older.or(self.newer.blocks.around(address))
    }

    /// Whether some prefix contains the address, removed ones included.
    pub(super) fn is_in_a_prefix(&self, address: IpAddr) -> bool {
        [&self.older, &self.newer].into_iter().any(|layer| match address {
            IpAddr::V4(v4) => layer.v4.contains(u32::from(v4)),
            IpAddr::V6(v6) => layer.v6.contains(u128::from(v6)),
        })
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

    /// The place of an equal indicator, whether it counts or not, and how many others that count are about the same
    /// value.
    fn place(
        &self,
        newer: &Layer,
        gone: &FxHashSet<IndicatorId>,
        hash: u64,
        coded: &Coded<'_>,
    ) -> (Option<IndicatorId>, usize) {
        let counts = |at| !gone.contains(&IndicatorId(at));
        let older = self.older.find(hash, coded, counts);
        let newer = newer.find(hash, coded, |_| true);
        let newer_id = newer.at.map(|at| IndicatorId(at | NEWER));
        let id = older.at.map(IndicatorId).or(newer_id);
        (id, older.others + newer.others)
    }

    fn pass_on(&self, id: IndicatorId, found: &mut impl FnMut(IndicatorId)) {
        if !self.removed.contains(&id) {
            found(id);
        }
    }

    fn layer(&self, id: IndicatorId) -> &Layer {
        if id.is_newer() { &self.newer } else { &self.older }
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
