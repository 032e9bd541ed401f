//! Indicators one by one to a table, so that a feed of any size is read as a stream.

use detect_alert::{Indicator, IndicatorKind};

use super::{
    digest::Digest,
    entry::kind_number,
    key::Seed,
    layer::{Coded, Layer},
    table::IndicatorTable,
};

/// Collects indicators.
#[derive(Debug)]
pub struct IndicatorTableBuilder {
    seed: Seed,
    layer: Layer,
    members: Members,
    counts: AddCounts,
    value: Vec<u8>,
    buffer: Vec<u8>,
}

/// What became of an indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is held.
    New,
    /// An equal one is held.
    Duplicate,
    /// Its value is not in the normal form of its kind, or too long.
    NotNormal,
    /// So many others are about the same value that it would slow look-ups down.
    TooManyForValue,
    /// There is no room for it.
    Full,
}

/// What became of indicators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddCounts {
    /// Held.
    pub new: u64,
    /// An equal one was held.
    pub duplicate: u64,
    /// Not in the normal form of its kind, or too long.
    pub not_normal: u64,
    /// Too many others about the same value.
    pub too_many_for_value: u64,
    /// No room.
    pub full: u64,
}

/// What is known of all members of a set together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Members {
    pub(super) counts: [u64; IndicatorKind::ALL.len()],
    pub(super) digest: Digest,
    /// Domains without a full stop.
    pub(super) top_level_domains: u64,
}

impl Default for IndicatorTableBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl IndicatorTableBuilder {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_room(0)
    }

    /// With room for so many; more may come.
    #[must_use]
    pub fn with_room(indicators: usize) -> Self {
        Self {
            seed: Seed::random(),
            layer: Layer::with_room(indicators),
            members: Members::default(),
            counts: AddCounts::default(),
            value: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Takes one more.
    pub fn add(&mut self, indicator: &Indicator) -> Added {
        let mut value = std::mem::take(&mut self.value);
        let added = match Coded::of(indicator, &mut value) {
            Some(coded) => self.add_coded(&coded),
            None => Added::NotNormal,
        };
        self.value = value;
        self.counts.count(added);
        added
    }

    /// What became of those that were added.
    #[must_use]
    pub fn counts(&self) -> AddCounts {
        self.counts
    }

    /// Makes the table.
    #[must_use]
    pub fn build(mut self) -> IndicatorTable {
        self.layer.finish(self.seed);
        IndicatorTable::of_layer(self.seed, self.layer, self.members)
    }

    pub(super) fn add_coded(&mut self, coded: &Coded<'_>) -> Added {
        let hash = coded.hash(self.seed);
        let held = self.layer.find(hash, coded, |_| true);
        let added = if held.at.is_some() {
            Added::Duplicate
        } else {
            let seed = self.seed;
            self.layer.push(seed, hash, coded, held.others, &mut self.buffer)
        };
        if added == Added::New {
            self.members.add(coded);
        }
        added
    }
}

impl AddCounts {
    pub(super) fn count(&mut self, added: Added) {
        let count = match added {
            Added::New => &mut self.new,
            Added::Duplicate => &mut self.duplicate,
            Added::NotNormal => &mut self.not_normal,
            Added::TooManyForValue => &mut self.too_many_for_value,
            Added::Full => &mut self.full,
        };
        *count += 1;
    }
}

impl Members {
    pub(super) fn add(&mut self, coded: &Coded<'_>) {
        self.digest.add(coded);
        if let Some(count) = self.counts.get_mut(usize::from(kind_number(coded.kind))) {
            *count += 1;
        }
        self.top_level_domains += u64::from(is_top_level(coded));
    }

    pub(super) fn remove(&mut self, coded: &Coded<'_>) {
        self.digest.remove(coded);
        if let Some(count) = self.counts.get_mut(usize::from(kind_number(coded.kind))) {
            *count = count.saturating_sub(1);
        }
        self.top_level_domains = self
            .top_level_domains
            .saturating_sub(u64::from(is_top_level(coded)));
    }

    pub(super) fn count(&self, kind: IndicatorKind) -> u64 {
        self.counts
            .get(usize::from(kind_number(kind)))
            .copied()
            .unwrap_or_default()
    }
}

fn is_top_level(coded: &Coded<'_>) -> bool {
    coded.kind == IndicatorKind::Domain && !coded.value.contains(&b'.')
}
