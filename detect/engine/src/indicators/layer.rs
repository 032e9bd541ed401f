//! A set of indicators that does not change, found by value.
//!
//! The entries lie one after the other; a hash table holds their places, and a filter in front of it knows most of
//! the values that are in no entry. A [`super::IndicatorTable`] is two layers: a large one, and a small one with
//! what came later.

use std::net::IpAddr;

use detect_alert::{Indicator, IndicatorKind};
use hashbrown::HashTable;
use ingest_event::Timestamp;

use super::{
    address::spell,
    arena::Arena,
    blocks::Blocks,
    build::Added,
    entry::{self, DIGITS_TOLD, Entry, IS_GONE},
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
    /// How many entries were taken out again; their bytes are still there.
    gone: usize,
    pub(super) filters: Filters,
    /// Where addresses, hosts of URLs and prefixes are.
    pub(super) blocks: Blocks,
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
pub(super) struct Held {
    /// Where.
    pub(super) at: Option<u32>,
    /// How many others about the same value are held and count.
    pub(super) others: usize,
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

    /// How many entries there are.
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

    /// How many entries were taken out again.
    pub(super) fn gone(&self) -> usize {
        self.gone
    }

    /// Takes an entry out, as if it had never been there.
    pub(super) fn take_out(&mut self, hash: u64, at: u32) {
        if let Ok(held) = self.table.find_entry(hash, |held| *held == at) {
            held.remove();
            self.gone += 1;
            if let Some(head) = self.entries.byte_mut(at) {
                *head |= IS_GONE;
            }
        }
    }

    /// Whether an indicator is held, equal in everything, and how many others about the same value count.
    pub(super) fn find(&self, hash: u64, coded: &Coded<'_>, counts: impl Fn(u32) -> bool) -> Held {
        let mut held = Held { at: None, others: 0 };
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
                held.at = Some(*at);
            } else {
                held.others += usize::from(counts(*at));
            }
        }
        held
    }

    /// Makes the entries fit for look-ups.
    pub(super) fn finish(&mut self, seed: Seed) {
        let mut room = [0; 4];
        for (_, entry) in self.iter() {
            for group in groups(&entry) {
                if let Some(room) = room.get_mut(*group as usize) {
                    *room += 1;
                }
            }
        }
        let mut filters = Filters::with_room(room);
        let mut blocks = Blocks::default();
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for (_, entry) in self.iter() {
            keys(seed, &entry, |group, hash| filters.insert(group, hash));
            match about(&entry) {
                Some((address, None)) => blocks.mark(address),
                Some((start, Some(length))) => {
                    blocks.mark_prefix(start, length);
                    match start {
                        IpAddr::V4(start) => v4.push((u32::from(start), length)),
                        IpAddr::V6(start) => v6.push((u128::from(start), length)),
                    }
                }
                None => {}
            }
        }
        self.filters = filters;
        self.blocks = blocks;
        self.v4 = Nets::build(v4);
        self.v6 = Nets::build(v6);
        self.entries.shrink_to_fit();
        self.provenances.shrink_to_fit();
    }

    /// Every entry with its place, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Entry<'_>)> {
        self.entries.chunks().flat_map(|(first, chunk)| {
            let mut offset = 0;
            std::iter::from_fn(move || {
                loop {
                    let rest = chunk.get(offset..)?;
                    let (entry, length) = entry::decode(rest)?;
                    let at = first + offset as u32;
                    offset += length;
                    if rest.first().is_some_and(|head| head & IS_GONE == 0) {
                        return Some((at, entry));
                    }
                }
            })
        })
    }

    /// The entries about a value.
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
            + self.blocks.bytes()
            + self.v4.bytes()
            + self.v6.bytes()
    }
}

/// What the entry at a place is found by.
fn place_hash(entries: &Arena, seed: Seed, at: u32) -> u64 {
    entry::decode(entries.at(at)).map_or(0, |(entry, _)| entry.hash(seed))
}

/// The filters that know an entry.
fn groups(entry: &Entry<'_>) -> &'static [Group] {
    match entry.kind {
        IndicatorKind::Address | IndicatorKind::Asn => &[Group::Numbers],
        IndicatorKind::Certificate
        | IndicatorKind::Ja3
        | IndicatorKind::Ja4
        | IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256 => &[Group::Digests],
        // Found by the addresses in it.
        IndicatorKind::Cidr => &[],
        IndicatorKind::Domain => &[Group::Names, Group::Texts],
        IndicatorKind::Email | IndicatorKind::FileName => &[Group::Texts],
        IndicatorKind::Url => match about(entry) {
            Some(_) => &[Group::Numbers, Group::Texts],
            None => &[Group::Names, Group::Texts],
        },
    }
}

/// The keys by which the filters know an entry.
fn keys(seed: Seed, entry: &Entry<'_>, mut key: impl FnMut(Group, u64)) {
    match entry.kind {
        IndicatorKind::Address => {
            if let Some((address, _)) = about(entry) {
                key(Group::Numbers, address_key(seed, address));
            }
        }
        IndicatorKind::Asn => key(Group::Numbers, entry.hash(seed)),
        IndicatorKind::Certificate
        | IndicatorKind::Ja3
        | IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256 => {
            let digits = entry::first_digits(entry.value);
            key(Group::Digests, digest_key(seed, entry.kind, &digits));
        }
        IndicatorKind::Ja4 => key(Group::Digests, digest_key(seed, entry.kind, entry.value)),
        IndicatorKind::Cidr => {}
        IndicatorKind::Domain => {
            key(Group::Names, name_key(seed, entry.value));
            key(Group::Texts, entry.hash(seed));
        }
        IndicatorKind::Email | IndicatorKind::FileName => key(Group::Texts, entry.hash(seed)),
        // An event's URL is brought to its normal form only if its host is known.
        IndicatorKind::Url => {
            if let Some(authority) = Authority::of_url(entry.value) {
                match authority.address() {
                    Some(host) => key(Group::Numbers, address_key(seed, host)),
                    None => key(Group::Names, name_key(seed, authority.host)),
                }
                key(Group::Texts, authority.hash(seed));
            }
        }
    }
}

/// What the filter knows an address by.
pub(super) fn address_key(seed: Seed, address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => spell(v4).map_or(0, |spelled| seed.spelled(spelled)),
        IpAddr::V6(v6) => entry::hash(seed, IndicatorKind::Address, &v6.octets()),
    }
}

/// What the filter knows a digest by: the first of its digits are enough to tell it from others. A JA4 is not all digest.
#[inline]
pub(super) fn digest_key(seed: Seed, kind: IndicatorKind, text: &[u8]) -> u64 {
    let start = match text.get(..DIGITS_TOLD) {
        Some(start) if kind != IndicatorKind::Ja4 => start,
        _ => text,
    };
    seed.text(Space::Kind(kind), start)
}

fn name_key(seed: Seed, host: &[u8]) -> u64 {
    seed.text(Space::Kind(IndicatorKind::Domain), last_two_labels(host))
}

/// The address that an entry is about, itself or as a URL's host, or the prefix with its length.
fn about(entry: &Entry<'_>) -> Option<(IpAddr, Option<u8>)> {
    let read = |octets: &[u8]| {
        Some(if entry.is_wide {
            IpAddr::from(*octets.first_chunk::<16>()?)
        } else {
            IpAddr::from(*octets.first_chunk::<4>()?)
        })
    };
    match entry.kind {
        IndicatorKind::Address => Some((read(entry.value)?, None)),
        IndicatorKind::Cidr => {
            let (length, start) = entry.value.split_last()?;
            Some((read(start)?, Some(*length)))
        }
        IndicatorKind::Url => Some((Authority::of_url(entry.value)?.address()?, None)),
        IndicatorKind::Asn
        | IndicatorKind::Certificate
        | IndicatorKind::Domain
        | IndicatorKind::Email
        | IndicatorKind::FileName
        | IndicatorKind::Ja3
        | IndicatorKind::Ja4
        | IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256 => None,
    }
}
