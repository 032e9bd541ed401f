//! A set of indicators that does not change, found by value.
//!
//! The entries lie one after the other; a hash table holds their places, and a filter in front of it knows most of
//! the values that are in no entry. A [`super::IndicatorTable`] is two layers: a large one, and a small one with
//! what came later.

use detect_alert::{Indicator, IndicatorKind};
use hashbrown::HashTable;
use ingest_event::Timestamp;

use super::{
    arena::Arena,
    build::Added,
    entry::{self, Entry},
    filter::{Filters, Group},
    key::{Seed, Space},
    nets::Nets,
    provenance::{Provenance, Provenances},
    text::{Authority, last_two_labels},
};

/// So many indicators about one value are held; a feed that repeats a value without end is stopped here.
pub(super) const PER_VALUE_MAX: usize = 64;

/// The set.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    entries: Arena,
    provenances: Provenances,
    table: HashTable<u32>,
    pub(super) filters: Filters,
    pub(super) v4: Nets<u32>,
    pub(super) v6: Nets<u128>,
}

/// One indicator on its way into or out of a layer: its value in binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coded<'a> {
    pub(super) kind: IndicatorKind,
    pub(super) is_wide: bool,
    pub(super) value: &'a [u8],
    pub(super) provenance: Provenance<'a>,
    pub(super) valid_from: Option<Timestamp>,
    pub(super) valid_until: Option<Timestamp>,
}

/// Whether an indicator is held.
pub(super) enum Held {
    /// At this place.
    At(u32),
    /// It is not, and so many others about the same value are.
    Others(usize),
}

impl<'a> Coded<'a> {
    /// Writes the value into the buffer; `None` if it is not in the normal form of its kind.
    pub(super) fn of(indicator: &'a Indicator, value: &'a mut Vec<u8>) -> Option<Self> {
        let is_wide = entry::encode_value(indicator.kind, &indicator.value, value)?;
        Some(Self {
            kind: indicator.kind,
            is_wide,
            value,
            provenance: Provenance::of(indicator),
            valid_from: indicator.valid_from,
            valid_until: indicator.valid_until,
        })
    }

    pub(super) fn hash(&self, seed: Seed) -> u64 {
        entry::hash(seed, self.kind, self.value)
    }

    /// In words.
    pub(super) fn indicator(&self) -> Indicator {
        Indicator {
            kind: self.kind,
            value: entry::text(self.kind, self.is_wide, self.value),
            source: self.provenance.source.to_owned(),
            confidence: self.provenance.confidence,
            tlp: self.provenance.tlp,
            pap: self.provenance.pap,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            description: self.provenance.description.to_owned(),
        }
    }

    /// Whether two are about the same, apart from their validity and provenance.
    fn is_about(&self, other: &Entry<'_>) -> bool {
        other.kind == self.kind && other.has_value(self.is_wide, self.value)
    }
}

impl Layer {
    /// With room for so many entries.
    pub(super) fn with_room(entries: usize) -> Self {
        Self {
            table: HashTable::with_capacity(entries),
            ..Self::default()
        }
    }

    /// How many entries there are, removed ones included.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Appends an entry, which is not held yet, beside so many others about the same value. It is found by look-ups
    /// after [`Layer::finish`].
    pub(super) fn push(
        &mut self,
        seed: Seed,
        hash: u64,
        coded: &Coded<'_>,
        others: usize,
        buffer: &mut Vec<u8>,
    ) -> Added {
        if PER_VALUE_MAX <= others {
            return Added::TooManyForValue;
        }
        match self.append(seed, hash, coded, buffer) {
            Some(()) => Added::New,
            None => Added::Full,
        }
    }

    /// `None` if there is no room.
    fn append(&mut self, seed: Seed, hash: u64, coded: &Coded<'_>, buffer: &mut Vec<u8>) -> Option<()> {
        let provenance = self.provenances.intern(seed, &coded.provenance)?;
        buffer.clear();
        Entry {
            kind: coded.kind,
            is_wide: coded.is_wide,
            provenance,
            value: coded.value,
            valid_from: coded.valid_from,
            valid_until: coded.valid_until,
        }
        .encode(buffer);
        if self.table.len() == self.table.capacity() {
            self.grow(seed);
        }
        let at = self.entries.push(buffer)?;
        let entries = &self.entries;
        self.table
            .insert_unique(hash, at, |at| place_hash(entries, seed, *at));
        Some(())
    }

    /// Makes room in the table. It would do so by itself, but by going from entry to entry in its own order; in
    /// theirs it is several times faster.
    fn grow(&mut self, seed: Seed) {
        let mut table = HashTable::with_capacity(2 * self.table.len());
        for (at, entry) in self.iter() {
            table.insert_unique(entry.hash(seed), at, |at| place_hash(&self.entries, seed, *at));
        }
        self.table = table;
    }

    /// Whether an indicator is held, equal in everything.
    pub(super) fn find(&self, hash: u64, coded: &Coded<'_>) -> Held {
        let mut others = 0;
        for at in self.table.iter_hash(hash) {
            let Some((entry, _)) = entry::decode(self.entries.at(*at)) else {
                continue;
            };
            if !coded.is_about(&entry) {
                continue;
            }
            let is_equal = entry.value == coded.value
                && entry.valid_from == coded.valid_from
                && entry.valid_until == coded.valid_until
                && self.provenances.get(entry.provenance) == Some(coded.provenance);
            if is_equal {
                return Held::At(*at);
            }
            others += 1;
        }
        Held::Others(others)
    }

    /// Makes the entries fit for look-ups.
    pub(super) fn finish(&mut self, seed: Seed) {
        let mut room = [0; 4];
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for (_, entry) in self.iter() {
            keys(seed, &entry, |group, _| {
                if let Some(room) = room.get_mut(group as usize) {
                    *room += 1;
                }
            });
            if entry.kind == IndicatorKind::Cidr
                && let Some((length, start)) = entry.value.split_last()
            {
                if entry.is_wide {
                    let start = start.first_chunk().map(|start| u128::from_be_bytes(*start));
                    v6.extend(start.map(|start| (start, *length)));
                } else {
                    let start = start.first_chunk().map(|start| u32::from_be_bytes(*start));
                    v4.extend(start.map(|start| (start, *length)));
                }
            }
        }
        self.v4 = Nets::build(v4);
        self.v6 = Nets::build(v6);
        let mut filters = Filters::with_room(room);
        for (_, entry) in self.iter() {
            keys(seed, &entry, |group, hash| filters.insert(group, hash));
        }
        self.filters = filters;
        self.entries.shrink_to_fit();
        self.provenances.shrink_to_fit();
    }

    /// Every entry with its place, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Entry<'_>)> {
        self.entries.chunks().flat_map(|(first, chunk)| {
            let mut offset = 0;
            std::iter::from_fn(move || {
                let (entry, length) = entry::decode(chunk.get(offset..)?)?;
                let at = first + offset as u32;
                offset += length;
                Some((at, entry))
            })
        })
    }

    /// The entries about a value, removed ones included.
    pub(super) fn exact(
        &self,
        hash: u64,
        kind: IndicatorKind,
        is_wide: bool,
        value: &[u8],
        found: &mut dyn FnMut(u32),
    ) {
        for at in self.table.iter_hash(hash) {
            if let Some((entry, _)) = entry::decode(self.entries.at(*at))
                && entry.kind == kind
                && entry.has_value(is_wide, value)
            {
                found(*at);
            }
        }
    }

    /// The entry at a place.
    pub(super) fn entry(&self, at: u32) -> Option<Entry<'_>> {
        entry::decode(self.entries.at(at)).map(|(entry, _)| entry)
    }

    /// An entry with its provenance.
    pub(super) fn coded<'a>(&'a self, entry: &Entry<'a>) -> Option<Coded<'a>> {
        Some(Coded {
            kind: entry.kind,
            is_wide: entry.is_wide,
            value: entry.value,
            provenance: self.provenances.get(entry.provenance)?,
            valid_from: entry.valid_from,
            valid_until: entry.valid_until,
        })
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.entries.bytes()
            + self.provenances.bytes()
            + self.table.allocation_size()
            + self.filters.bytes()
            + self.v4.bytes()
            + self.v6.bytes()
    }
}

/// What the entry at a place is found by.
fn place_hash(entries: &Arena, seed: Seed, at: u32) -> u64 {
    entry::decode(entries.at(at)).map_or(0, |(entry, _)| entry.hash(seed))
}

/// The keys by which the filters know an entry.
fn keys(seed: Seed, entry: &Entry<'_>, mut key: impl FnMut(Group, u64)) {
    let mut name = |host: &[u8]| {
        let two = last_two_labels(host);
        key(Group::Names, seed.text(Space::Kind(IndicatorKind::Domain), two));
    };
    match entry.kind {
        IndicatorKind::Address | IndicatorKind::Asn => key(Group::Numbers, entry.hash(seed)),
        IndicatorKind::Certificate
        | IndicatorKind::Ja3
        | IndicatorKind::Ja4
        | IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256 => key(Group::Digests, entry.hash(seed)),
        // Found by the addresses in it.
        IndicatorKind::Cidr => {}
        IndicatorKind::Domain => {
            name(entry.value);
            key(Group::Texts, entry.hash(seed));
        }
        IndicatorKind::Email | IndicatorKind::FileName => key(Group::Texts, entry.hash(seed)),
        // An event's URL is brought to its normal form only if its host is known.
        IndicatorKind::Url => {
            if let Some(authority) = Authority::of_url(entry.value) {
                name(authority.host);
                key(Group::Texts, authority.hash(seed));
            }
        }
    }
}
