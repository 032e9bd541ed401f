//! Many patterns about one value, any of which is enough: lists of names, of parts, of ends of paths.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use detect_rules::TextOp;
use memchr::memrchr2;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    pattern::{Matcher, ends_with, number},
    record::{Entry, Payload, Record, is_aligned},
};

/// From so many patterns on, one look for all is cheaper than one for each.
const PATTERNS_MIN: usize = 6;

/// From so many numbers on, the value is read once for all of them.
const NUMBERS_MIN: usize = 2;

/// What divides a path.
const DIVIDERS: [u8; 2] = *b"\\/";

/// A text as JSON spells it, in lower case.
type Bytes = Box<[u8]>;

/// A list that is looked at as a whole.
#[derive(Debug)]
pub(crate) enum PatternList {
    /// Texts anywhere.
    Parts(AhoCorasick),
    /// Whole values, and ends of values by what follows their last divider.
    Tails {
        whole: FxHashSet<Bytes>,
        ends: FxHashMap<Bytes, Box<[Bytes]>>,
    },
    /// Numbers that are equal.
    Numbers(Box<[f64]>),
}

impl PatternList {
    /// For patterns without regard to case that all look for the same kind of thing.
    pub(crate) fn build(patterns: &[Matcher]) -> Option<Self> {
        if NUMBERS_MIN <= patterns.len()
            && let Some(numbers) = patterns.iter().map(Matcher::equal_number).collect()
        {
            return Some(Self::Numbers(numbers));
        }
        if patterns.len() < PATTERNS_MIN {
            return None;
        }
        if let Some(parts) = patterns.iter().map(Matcher::part).collect::<Option<Vec<_>>>() {
            let machine = AhoCorasick::builder()
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(parts);
            return machine.ok().map(Self::Parts);
        }
        let tails = patterns.iter().map(Matcher::tail).collect::<Option<Vec<_>>>()?;
        let mut whole = FxHashSet::default();
        let mut ends: FxHashMap<Bytes, Vec<Bytes>> = FxHashMap::default();
        for (op, text) in tails {
            if op == TextOp::Equals {
                whole.insert(text.into());
            } else {
                ends.entry(after_divider(text)?.into())
                    .or_default()
                    .push(text.into());
            }
        }
        let ends = ends.into_iter().map(|(key, texts)| (key, texts.into())).collect();
        Some(Self::Tails { whole, ends })
    }

    /// As [`Matcher::cost`].
    pub(crate) const fn cost(&self) -> u32 {
        match self {
            Self::Parts(_) => 40,
            Self::Tails { .. } => 6,
            Self::Numbers(_) => 2,
        }
    }

    /// Whether any pattern matches a value that is not null. It is respelled, and settled if a pattern asks for text.
    pub(crate) fn matches(&self, record: &Record, payload: Payload<'_>, entry: &Entry) -> bool {
        match self {
            Self::Parts(parts) => {
                let value = record.lower(entry, payload);
                parts.find(value).is_some_and(|first| {
                    is_aligned(value, first.start())
                        || parts
                            .find_overlapping_iter(value)
                            .any(|part| is_aligned(value, part.start()))
                })
            }
            Self::Tails { whole, ends } => {
                let value = record.lower(entry, payload);
                whole.contains(value)
                    || !ends.is_empty()
                        && after_divider(value)
                            .and_then(|key| ends.get(key))
                            .is_some_and(|texts| texts.iter().any(|text| ends_with(value, text)))
            }
            Self::Numbers(numbers) => {
                let number = number(entry, record.text(entry, payload.text));
                number.is_some_and(|number| numbers.contains(&number))
            }
        }
    }
}

/// What follows the last divider, if there is one.
fn after_divider(text: &[u8]) -> Option<&[u8]> {
    let [one, other] = DIVIDERS;
    memrchr2(one, other, text).and_then(|at| text.get(at + 1..))
}
