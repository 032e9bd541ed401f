//! What is known of a chunk of incidents, as the store keeps it: which have some three characters, and of each whose it is, how grave
//! and in which state. Pure.

use std::collections::BTreeSet;

use alerting_incident::State;
use ingest_event::OrganizationNumber;

use super::{super::tally::Standing, CHUNK, Filter};

const WORDS: usize = CHUNK.div_ceil(64);
/// A list of places takes two bytes each: a bit for each place of the chunk takes less from here on.
const LISTED_MAX: usize = CHUNK / 16 - 1;
/// Four of the owner, one of severity and state.
const FACET_BYTES: usize = 5;

/// Some places of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Members([u64; WORDS]);

/// Owner, severity and state of each place of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facets(Vec<u8>);

/// Whose incidents are looked for, how grave and in which states; `None` is any.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    owners: Option<BTreeSet<u32>>,
    states: Option<BTreeSet<u8>>,
    severities: Option<BTreeSet<u8>>,
    called: BTreeSet<u32>,
}

impl Members {
    pub(super) const fn none() -> Self {
        Self([0; WORDS])
    }

    pub(super) const fn all() -> Self {
        Self([u64::MAX >> 64_usize.saturating_sub(CHUNK); WORDS])
    }

    pub(super) fn add(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    pub(super) fn has(&self, place: usize) -> bool {
        self.0
            .get(place / 64)
            .is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for (word, other) in both.0.iter_mut().zip(other.0) {
            *word &= other;
        }
        both
    }

    /// From what the store has.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut members = Self::none();
        if bytes.len() == WORDS * 8 {
            let (words, _) = bytes.as_chunks::<8>();
            for (word, bytes) in members.0.iter_mut().zip(words) {
                *word = u64::from_le_bytes(*bytes);
            }
        } else {
            for place in bytes.as_chunks::<2>().0 {
                members.add(usize::from(u16::from_le_bytes(*place)));
            }
        }
        members
    }

    /// As the store has it, in the shorter form.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let count: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        if usize::try_from(count).is_ok_and(|count| LISTED_MAX < count) {
            return self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        }
        let places = (0..CHUNK).filter(|place| self.has(*place));
        let places = places.filter_map(|place| u16::try_from(place).ok());
        places.flat_map(u16::to_le_bytes).collect()
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = i64> + '_ {
        let words = self.0.iter().enumerate().rev().filter(|(_, word)| **word != 0);
        words.flat_map(|(index, word)| {
            let bits = (0..64).rev().filter(move |bit| word >> bit & 1 == 1);
            bits.filter_map(move |bit| i64::try_from(index * 64 + bit).ok())
        })
    }
}

impl Facets {
    pub(super) fn nobody() -> Self {
        Self(vec![0; CHUNK * FACET_BYTES])
    }

    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn set(&mut self, place: usize, standing: &Standing) {
        let owner = standing.owner.parse::<u32>().unwrap_or(0).to_le_bytes();
        let state = standing.state.parse().map_or(0, state_code);
        let severity = u8::try_from(standing.severity).unwrap_or(0);
        let start = place * FACET_BYTES;
        if let Some(facet) = self.0.get_mut(start..start + FACET_BYTES) {
            let [a, b, c, d] = owner;
            facet.copy_from_slice(&[a, b, c, d, severity << 4 | state]);
        }
    }

    /// Those of some that are wanted; and those whom the text means, whether they are among them or not.
    pub(super) fn that_are(&self, wanted: &Wanted, among: &Members) -> Members {
        let mut are = Members::none();
        for (place, facet) in self.0.as_chunks::<FACET_BYTES>().0.iter().enumerate() {
            let [a, b, c, d, standing] = *facet;
            let owner = u32::from_le_bytes([a, b, c, d]);
            if !among.has(place) && !wanted.called.contains(&owner) {
                continue;
            }
            if is_in(wanted.owners.as_ref(), &owner)
                && is_in(wanted.states.as_ref(), &(standing & 0xf))
                && is_in(wanted.severities.as_ref(), &(standing >> 4))
            {
                are.add(place);
            }
        }
        are
    }
}

impl Wanted {
    pub(super) fn of(owners: Option<&BTreeSet<OrganizationNumber>>, filter: &Filter) -> Self {
        let codes = |some: &BTreeSet<OrganizationNumber>| -> BTreeSet<u32> {
            let codes = some.iter().filter_map(|number| number.as_str().parse().ok());
            codes.collect()
        };
        let states = filter.states.iter().copied().map(state_code);
        let severities = filter.severities.iter().map(|severity| severity.number());
        Self {
            owners: owners.map(codes),
            states: (!filter.states.is_empty()).then(|| states.collect()),
            severities: (!filter.severities.is_empty()).then(|| severities.collect()),
            called: codes(&filter.called),
        }
    }

    /// Whether more is asked than the text.
    pub(super) fn is_narrow(&self) -> bool {
        self.owners.is_some() || self.states.is_some() || self.severities.is_some() || !self.called.is_empty()
    }
}

fn is_in<T: Ord>(some: Option<&BTreeSet<T>>, one: &T) -> bool {
    some.is_none_or(|some| some.contains(one))
}

/// 1, 2, …; 0 is none that this version knows.
fn state_code(state: State) -> u8 {
    let place = State::ALL.iter().position(|known| *known == state);
    place.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(0)
}

/// Each three characters of a text, once, in order.
pub(super) fn grams_of(text: &str) -> BTreeSet<i64> {
    let mut last = (0_i64, 0_i64);
    let mut grams = BTreeSet::new();
    for (index, character) in text.chars().enumerate() {
        let code = i64::from(u32::from(character));
        if 2 <= index {
            grams.insert(last.0 << 42 | last.1 << 21 | code);
        }
        last = (last.1, code);
    }
    grams
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_as_they_were_written_in_either_form() {
        for every in [1, 2, 3, 5, 7, CHUNK - 1, CHUNK + 1] {
            let mut members = Members::none();
            let places: Vec<usize> = (0..CHUNK).filter(|place| (place + 1) % every == 0).collect();
            for place in &places {
                members.add(*place);
            }
            let bytes = members.bytes();
            assert!(bytes.len() <= WORDS * 8, "{every}: {}", bytes.len());
            assert_eq!(Members::read(&bytes), members, "{every}");
            let newest = members
                .newest_first()
                .map(|place| usize::try_from(place).expect("a place"));
            assert!(newest.eq(places.iter().rev().copied()), "{every}");
        }
    }

    #[test]
    fn threes_of_characters_are_told_apart_whatever_they_are() {
        assert!(grams_of("ab").is_empty());
        assert_eq!(grams_of("aaaa").len(), 1);
        assert_eq!(grams_of("abcd").intersection(&grams_of("bcde")).count(), 1);
        assert_eq!(
            grams_of("\u{10ffff}\u{10ffff}\u{10ffff}").first(),
            Some(&(0x10_ffff << 42 | 0x10_ffff << 21 | 0x10_ffff))
        );
    }
}
