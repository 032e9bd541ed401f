//! Literals by their rarest grams, in plain Rust.
//!
//! A literal of length `n` has, wherever it stands, one of any `s` neighbouring grams of four bytes at a
//! position that a walk in steps of `s` visits. So each literal lends the walk its rarest `s` grams, and the walk
//! looks at every `s`-th position only: one multiplication and one bit. What the bits let through is
//! looked up and compared. Literals shorter than a gram are found by their first two bytes, at every position.

use memchr::memmem;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{LiteralId, few::Few};

/// Bytes of a gram.
pub(super) const GRAM: usize = 4;

/// Literals from this length on are found in steps of four.
const WIDE_MIN: usize = 2 * GRAM - 1;

/// From this length of a haystack on a packed search is worth its start.
const LONG: usize = 64;

/// Bits of the first table for each gram in it: how often a gram that is not there is let through.
const BITS_PER_GRAM: usize = 48;

/// The first table is at least this large, and fits the processor's first cache.
const BITS_MIN: usize = 1 << 15;

/// How often grams occur in ordinary events.
#[derive(Clone, Debug, Default)]
pub(crate) struct GramCounts(FxHashMap<u32, u32>);

/// Compiled literals.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Grams {
    texts: Box<[Box<[u8]>]>,
    wide: Walk,
    narrow: Walk,
    every: Walk,
    pairs: Pairs,
    single: Box<[(Short, LiteralId)]>,
    /// The literals of all but the first walk, for long haystacks, if they are few.
    few: Option<Few>,
}

/// The literals that one walk looks for.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Walk {
    bits: Box<[u64]>,
    shift: u32,
    /// Open addressing: a gram, and where its places begin and end.
    slots: Box<[(u32, u32, u32)]>,
    places: Box<[(LiteralId, u32)]>,
}

/// Literals of two and three bytes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Pairs {
    /// One bit for each two bytes.
    bits: Box<[u64]>,
    /// By their first two bytes, ascending.
    texts: Box<[PairText]>,
}

/// The first two bytes of a text as a number, and the text.
type PairText = (u16, Box<[u8]>, LiteralId);

/// A literal of one byte, with its searcher.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Box<[u8]>", into = "Box<[u8]>")]
struct Short(memmem::Finder<'static>);

impl From<Box<[u8]>> for Short {
    fn from(text: Box<[u8]>) -> Self {
        Self(memmem::Finder::new(&text).into_owned())
    }
}

impl From<Short> for Box<[u8]> {
    fn from(short: Short) -> Self {
        short.0.needle().into()
    }
}

impl GramCounts {
    /// Counts the grams of an event's haystack, each once.
    pub(crate) fn add(&mut self, haystack: &[u8]) {
        for gram in haystack.windows(GRAM) {
            *self.0.entry(value(gram)).or_default() += 1;
        }
    }

    /// The rarest part of a text that is so long, and where it is; `None` if the text is too short to have one.
    pub(super) fn rarest<'t>(&self, text: &'t [u8], length: usize) -> Option<(usize, &'t [u8])> {
        text.windows(length).enumerate().min_by_key(|(_, part)| {
            let common: u32 = part.iter().copied().map(commonness).sum();
            if length < GRAM {
                common
            } else {
                self.weight(value(part))
            }
        })
    }

    /// How common the grams of a text are; the last of them counts most.
    #[cfg(feature = "hyperscan")]
    pub(super) fn weight_of(&self, text: &[u8]) -> u64 {
        text.windows(GRAM)
            .zip(1_u64..)
            .map(|(gram, place)| u64::from(self.weight(value(gram))) * place)
            .sum()
    }

    fn weight(&self, gram: u32) -> u32 {
        let seen = self.0.get(&gram).copied().unwrap_or(0);
        seen.saturating_mul(16) + gram.to_le_bytes().into_iter().map(commonness).sum::<u32>()
    }
}

/// How common a byte is in folded texts of logs, roughly.
const fn commonness(byte: u8) -> u32 {
    match byte {
        b'\\' | b's' | b'e' | b't' | b'.' | b' ' | b'i' | b'n' | b'o' | b'r' | b'a' | 1 => 3,
        b'z' | b'q' | b'x' | b'j' | b'k' | b'v' | b'0'..=b'9' | b'%' | b'$' | b'{' | b'(' => 1,
        _ => 2,
    }
}

impl Grams {
    pub(crate) fn build(texts: &[Box<str>], counts: &GramCounts) -> Self {
        let mut walks: [Vec<(u32, LiteralId, u32)>; 3] = Default::default();
        let (mut pairs, mut single) = (Vec::new(), Vec::new());
        for (id, text) in texts.iter().enumerate() {
            let (bytes, id) = (text.as_bytes(), id as LiteralId);
            let (walk, step) = match bytes.len() {
                WIDE_MIN.. => (0, 4),
                5.. => (1, 2),
                4 => (2, 1),
                2.. => {
                    pairs.push((pair(bytes), bytes.into(), id));
                    continue;
                }
                _ => {
                    single.push((Short::from(Box::from(bytes)), id));
                    continue;
                }
            };
            if let Some(walk) = walks.get_mut(walk) {
                walk.extend(rarest(bytes, step, counts).map(|(gram, offset)| (gram, id, offset)));
            }
        }
        let [wide, narrow, every] = walks.map(Walk::build);
        let few: Vec<(LiteralId, &[u8])> = (0..)
            .zip(texts.iter().map(|text| text.as_bytes()))
            .filter(|(_, text)| text.len() < WIDE_MIN)
            .collect();
        Self {
            texts: texts.iter().map(|text| text.as_bytes().into()).collect(),
            wide,
            narrow,
            every,
            pairs: Pairs::build(pairs),
            single: single.into(),
            few: Few::build(&few, counts),
        }
    }

    #[inline]
    pub(crate) fn scan(&self, haystack: &[u8], found: &mut impl FnMut(LiteralId, usize)) {
        self.walk::<4>(&self.wide, haystack, found);
        if let Some(few) = &self.few
            && LONG <= haystack.len()
        {
            return few.scan(haystack, found);
        }
        self.walk::<2>(&self.narrow, haystack, found);
        self.walk::<1>(&self.every, haystack, found);
        self.pairs.scan(haystack, found);
        for (Short(finder), id) in &self.single {
            let mut from = 0;
            while let Some(at) = haystack.get(from..).and_then(|rest| finder.find(rest)) {
                found(*id, from + at + finder.needle().len());
                from += at + 1;
            }
        }
    }

    #[inline]
    fn walk<const STEP: usize>(
        &self,
        walk: &Walk,
        haystack: &[u8],
        found: &mut impl FnMut(LiteralId, usize),
    ) {
        if walk.bits.is_empty() {
            return;
        }
        for (step, window) in haystack.windows(GRAM).step_by(STEP).enumerate() {
            let gram = value(window);
            let bit = hash(gram) >> walk.shift;
            let word = walk.bits.get((bit / 64) as usize).copied().unwrap_or(0);
            if word >> (bit % 64) & 1 == 0 {
                continue;
            }
            self.compare(walk, haystack, gram, step * STEP, found);
        }
    }

    #[inline(never)]
    fn compare(
        &self,
        walk: &Walk,
        haystack: &[u8],
        gram: u32,
        at: usize,
        found: &mut impl FnMut(LiteralId, usize),
    ) {
        for (id, offset) in walk.places(gram) {
            let Some(text) = self.texts.get(*id as usize) else {
                continue;
            };
            let Some(start) = at.checked_sub(*offset as usize) else {
                continue;
            };
            let end = start + text.len();
            if haystack.get(start..end) == Some(text) {
                found(*id, end);
            }
        }
    }
}

impl Pairs {
    fn build(mut texts: Vec<PairText>) -> Self {
        if texts.is_empty() {
            return Self::default();
        }
        texts.sort_unstable();
        let mut bits = vec![0_u64; (1 << 16) / 64];
        for (pair, _, _) in &texts {
            if let Some(word) = bits.get_mut(*pair as usize / 64) {
                *word |= 1 << (pair % 64);
            }
        }
        Self {
            bits: bits.into(),
            texts: texts.into(),
        }
    }

    #[inline]
    fn scan(&self, haystack: &[u8], found: &mut impl FnMut(LiteralId, usize)) {
        if self.texts.is_empty() {
            return;
        }
        for (at, window) in haystack.windows(2).enumerate() {
            let pair = pair(window);
            let word = self.bits.get(pair as usize / 64).copied().unwrap_or(0);
            if word >> (pair % 64) & 1 == 1 {
                self.compare(pair, haystack, at, found);
            }
        }
    }

    #[inline(never)]
    fn compare(&self, pair: u16, haystack: &[u8], at: usize, found: &mut impl FnMut(LiteralId, usize)) {
        let first = self.texts.partition_point(|(of, _, _)| *of < pair);
        let rest = haystack.get(at..).unwrap_or_default();
        let of_pair = self.texts.get(first..).unwrap_or_default();
        for (_, text, id) in of_pair.iter().take_while(|(of, _, _)| *of == pair) {
            if rest.starts_with(text) {
                found(*id, at + text.len());
            }
        }
    }
}

impl Walk {
    fn build(mut grams: Vec<(u32, LiteralId, u32)>) -> Self {
        if grams.is_empty() {
            return Self::default();
        }
        grams.sort_unstable();
        let distinct = grams.chunk_by(|a, b| a.0 == b.0).count();
        let bit_count = (distinct * BITS_PER_GRAM).next_power_of_two().max(BITS_MIN);
        let shift = 32 - bit_count.trailing_zeros().min(31);
        let mut bits = vec![0_u64; bit_count / 64];
        let slot_count = (distinct * 2).next_power_of_two();
        let mut slots = vec![(0, 0, 0); slot_count];
        let mut places = Vec::with_capacity(grams.len());
        for chunk in grams.chunk_by(|a, b| a.0 == b.0) {
            let Some((gram, _, _)) = chunk.first() else {
                continue;
            };
            let bit = hash(*gram) >> shift;
            if let Some(word) = bits.get_mut((bit / 64) as usize) {
                *word |= 1 << (bit % 64);
            }
            let start = places.len() as u32;
            places.extend(chunk.iter().map(|(_, id, offset)| (*id, *offset)));
            let mut at = slot(*gram, slot_count);
            while slots.get(at).is_some_and(|(_, from, to)| from != to) {
                at = (at + 1) % slot_count;
            }
            if let Some(slot) = slots.get_mut(at) {
                *slot = (*gram, start, places.len() as u32);
            }
        }
        Self {
            bits: bits.into(),
            shift,
            slots: slots.into(),
            places: places.into(),
        }
    }

    fn places(&self, gram: u32) -> &[(LiteralId, u32)] {
        let mut at = slot(gram, self.slots.len());
        loop {
            match self.slots.get(at) {
                Some((known, from, to)) if from != to => {
                    if *known == gram {
                        return self.places.get(*from as usize..*to as usize).unwrap_or_default();
                    }
                }
                _ => return &[],
            }
            at = (at + 1) % self.slots.len();
        }
    }
}

/// The `step` neighbouring grams of a literal that are the least common together, and where they are.
fn rarest(bytes: &[u8], step: usize, counts: &GramCounts) -> impl Iterator<Item = (u32, u32)> {
    let grams: Vec<u32> = bytes.windows(GRAM).map(value).collect();
    let weight = |window: &[u32]| {
        window
            .iter()
            .map(|gram| u64::from(counts.weight(*gram)))
            .sum::<u64>()
    };
    let best = grams
        .windows(step)
        .enumerate()
        .min_by_key(|(_, window)| weight(window))
        .map_or(0, |(at, _)| at);
    grams.into_iter().zip(0..).skip(best).take(step)
}

#[inline]
fn pair(bytes: &[u8]) -> u16 {
    bytes.first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

#[inline]
fn value(gram: &[u8]) -> u32 {
    gram.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[inline]
const fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1)
}

/// Other bits of the hash than the first table uses.
#[inline]
fn slot(gram: u32, count: usize) -> usize {
    (gram.wrapping_mul(0x85eb_ca6b) >> 7) as usize & (count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_every_literal_is_found() {
        let texts: Vec<Box<str>> = [
            "\u{1}x\u{1}",
            "aa",
            "aaaa",
            "aaaaa",
            "aaaaaaaa",
            "bcd",
            "cde",
            "abcdefgh",
        ]
        .map(Box::from)
        .into();
        let grams = Grams::build(&texts, &GramCounts::default());
        let haystack = "\u{1}x\u{1}x\u{1}z\u{1}aaaaaaaaaaaaabcdefghcdebcde\u{1}x\u{1}";
        let mut found: Vec<(LiteralId, usize)> = Vec::new();
        grams.scan(haystack.as_bytes(), &mut |id, end| found.push((id, end)));
        found.sort_unstable();
        let expected: Vec<(LiteralId, usize)> = (0..)
            .zip(&texts)
            .flat_map(|(id, text)| {
                (0..haystack.len())
                    .filter(move |at| haystack[*at..].starts_with(&**text))
                    .map(move |at| (id, at + text.len()))
            })
            .collect();
        assert_eq!(found, expected);
    }
}
