//! Texts that a field's value is, or begins or ends with: a look at its first and last bytes decides.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::Call;
use crate::record::is_aligned;

/// The longest piece of a value that is looked up.
const PIECE: usize = 8;

/// A shorter one for shorter texts.
const SHORT: usize = 4;

/// Bits of the first table for each text in it.
const BITS_PER_TEXT: usize = 16;

/// Where in a value a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Edge {
    Whole,
    Start,
    End,
}

/// Texts of one field, and the rules that each of them calls.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Edges {
    table: Arc<Table>,
    calls: Box<[Call]>,
}

/// The texts; shared with other rulesets.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Table {
    texts: Box<[Text]>,
    /// One bit for each hash of a piece.
    bits: Box<[u64]>,
    /// Open addressing: a hash, and where its texts begin and end.
    slots: Box<[(u64, u32, u32)]>,
    pieces: Box<[Piece]>,
    /// Texts with no piece: to be compared with each value. They are few.
    tiny: Box<[u32]>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Text {
    edge: Edge,
    bytes: Box<[u8]>,
    /// Where its calls begin and end.
    calls: (u32, u32),
}

/// The piece of a value by which a text is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Piece {
    LastLong,
    LastShort,
    FirstLong,
    FirstShort,
    /// All of a value that is shorter than a long piece.
    All,
}

impl Edges {
    pub(super) fn build(called: BTreeMap<(Edge, String), Vec<Call>>) -> Self {
        let mut found: BTreeMap<u64, Vec<Text>> = BTreeMap::new();
        let (mut pieces, mut tiny, mut all_calls) = (Vec::new(), Vec::new(), Vec::new());
        for ((edge, text), mut calls) in called {
            calls.sort_unstable();
            calls.dedup();
            let start = position(all_calls.len());
            all_calls.extend(calls);
            let text = Text {
                edge,
                bytes: text.into_bytes().into(),
                calls: (start, position(all_calls.len())),
            };
            match Piece::of(edge, text.bytes.len()) {
                Some(piece) => {
                    pieces.push(piece);
                    let key = piece.key(&text.bytes).unwrap_or(0);
                    found.entry(key).or_default().push(text);
                }
                None => tiny.push(text),
            }
        }
        pieces.sort_unstable();
        pieces.dedup();
        let mut table = Table {
            pieces: pieces.into(),
            bits: vec![0; (found.len() * BITS_PER_TEXT).next_power_of_two().max(64) / 64].into(),
            slots: vec![(0, 0, 0); (found.len() * 2).next_power_of_two()].into(),
            ..Table::default()
        };
        let mut texts = Vec::new();
        for (key, of_key) in found {
            let start = position(texts.len());
            texts.extend(of_key);
            table.insert(key, start, position(texts.len()));
        }
        table.tiny = (position(texts.len())..).take(tiny.len()).collect();
        texts.extend(tiny);
        table.texts = texts.into();
        Self {
            table: Arc::new(table),
            calls: all_calls.into(),
        }
    }

    pub(super) fn again(&self, new: impl Fn(u32) -> u32) -> Self {
        Self {
            table: Arc::clone(&self.table),
            calls: self.calls.iter().map(|call| call.again(&new)).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Calls `call` with the rules whose texts are at the edges of a value.
    #[inline]
    pub(super) fn look(&self, value: &[u8], call: &mut impl FnMut(Call)) {
        self.table.look(value, &mut |text| {
            let calls = text.calls.0 as usize..text.calls.1 as usize;
            for one in self.calls.get(calls).unwrap_or_default() {
                if !one.closes() || text.is_aligned_in(value) {
                    call(*one);
                }
            }
        });
    }
}

impl Table {
    fn insert(&mut self, key: u64, start: u32, end: u32) {
        let (word, bit) = self.bit(key);
        if let Some(word) = self.bits.get_mut(word) {
            *word |= bit;
        }
        let mut at = self.slot(key);
        while self.slots.get(at).is_some_and(|(_, from, to)| from != to) {
            at = (at + 1) % self.slots.len();
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = (key, start, end);
        }
    }

    /// Calls `found` with the texts at the edges of a value.
    #[inline]
    fn look(&self, value: &[u8], found: &mut impl FnMut(&Text)) {
        for piece in &self.pieces {
            let Some(key) = piece.key(value) else { continue };
            let (word, bit) = self.bit(key);
            if self.bits.get(word).is_some_and(|word| word & bit != 0) {
                self.compare(key, value, found);
            }
        }
        for text in &self.tiny {
            if let Some(text) = self.texts.get(*text as usize).filter(|text| text.is_in(value)) {
                found(text);
            }
        }
    }

    #[inline(never)]
    fn compare(&self, key: u64, value: &[u8], found: &mut impl FnMut(&Text)) {
        let mut at = self.slot(key);
        loop {
            match self.slots.get(at) {
                Some((known, from, to)) if from != to => {
                    if *known == key {
                        let texts = self.texts.get(*from as usize..*to as usize);
                        let texts = texts.unwrap_or_default().iter();
                        return texts.filter(|text| text.is_in(value)).for_each(found);
                    }
                }
                _ => return,
            }
            at = (at + 1) % self.slots.len();
        }
    }

    #[inline]
    fn bit(&self, key: u64) -> (usize, u64) {
        let hash = hash(key);
        ((hash >> 6) as usize & (self.bits.len() - 1), 1 << (hash & 63))
    }

    #[inline]
    fn slot(&self, key: u64) -> usize {
        (hash(key) >> 20) as usize & (self.slots.len() - 1)
    }
}

impl Text {
    #[inline]
    fn is_in(&self, value: &[u8]) -> bool {
        match self.edge {
            Edge::Whole => value == &*self.bytes,
            Edge::Start => value.starts_with(&self.bytes),
            Edge::End => value.ends_with(&self.bytes),
        }
    }

    /// Whether it, which is in the value, is so as a text: an end inside an escape is none.
    fn is_aligned_in(&self, value: &[u8]) -> bool {
        self.edge != Edge::End || is_aligned(value, value.len() - self.bytes.len())
    }
}

impl Piece {
    /// The piece of a value that a text of this length shares with it.
    fn of(edge: Edge, length: usize) -> Option<Self> {
        match (edge, length) {
            (Edge::Whole, 0..PIECE) => Some(Self::All),
            (Edge::Whole | Edge::End, PIECE..) => Some(Self::LastLong),
            (Edge::Start, PIECE..) => Some(Self::FirstLong),
            (Edge::End, SHORT..) => Some(Self::LastShort),
            (Edge::Start, SHORT..) => Some(Self::FirstShort),
            (Edge::Start | Edge::End, _) => None,
        }
    }

    /// Of a value, as a number; `None` if the value is too short, or too long for [`Piece::All`].
    #[inline]
    fn key(self, value: &[u8]) -> Option<u64> {
        let long = |bytes: &[u8; PIECE]| u64::from_le_bytes(*bytes);
        let short = |bytes: &[u8; SHORT]| u64::from(u32::from_le_bytes(*bytes));
        Some(match self {
            Self::LastLong => long(value.last_chunk()?),
            Self::LastShort => short(value.last_chunk()?) ^ 1 << 40,
            Self::FirstLong => long(value.first_chunk()?) ^ 1 << 63,
            Self::FirstShort => short(value.first_chunk()?) ^ 1 << 41,
            Self::All => {
                if PIECE <= value.len() {
                    return None;
                }
                let packed = value
                    .iter()
                    .rev()
                    .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                packed ^ (value.len() as u64 + 1) << 60
            }
        })
    }
}

#[inline]
const fn hash(key: u64) -> u64 {
    let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_at_the_edges_of_a_value_wake_their_rules() {
        let texts = [
            (Edge::Whole, ""),
            (Edge::Whole, "4688"),
            (Edge::Whole, "\\\\cmd.exe"),
            (Edge::Whole, "12345678"),
            (Edge::Start, "c:\\\\users\\\\"),
            (Edge::Start, "hklm"),
            (Edge::Start, "x"),
            (Edge::End, "\\\\cmd.exe"),
            (Edge::End, ".dll"),
            (Edge::End, "md.exe"),
            (Edge::End, "z"),
        ];
        let called = texts
            .iter()
            .zip(0..)
            .map(|((edge, text), rule)| {
                let call = Call {
                    rule,
                    gate: 0,
                    gates: 1,
                };
                ((*edge, (*text).to_owned()), vec![call])
            })
            .collect();
        let edges = Edges::build(called);
        for value in [
            "",
            "4688",
            "46881",
            "\\\\cmd.exe",
            "c:\\\\users\\\\cmd.exe",
            "hklm",
            "hklm\\\\x.dll",
            "x",
            "z",
            "xyz",
            "12345678",
            "123456789",
            "a.dllx",
            "md.exe",
        ] {
            let mut found = Vec::new();
            edges.look(value.as_bytes(), &mut |call| found.push(call.rule));
            found.sort_unstable();
            let expected: Vec<u32> = texts
                .iter()
                .zip(0..)
                .filter(|((edge, text), _)| match edge {
                    Edge::Whole => value == *text,
                    Edge::Start => value.starts_with(text),
                    Edge::End => value.ends_with(text),
                })
                .map(|(_, rule)| rule)
                .collect();
            assert_eq!(found, expected, "{value}");
        }
    }
}
