//! Many patterns about one value, any of which is enough: lists of names, of parts, of ends of paths.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use detect_rules::TextOp;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::pattern::Matcher;

/// From so many patterns on, one look for all is cheaper than one for each.
const PATTERNS_MIN: usize = 6;

/// What divides a path.
const DIVIDERS: [char; 2] = ['\\', '/'];

/// A list that is looked at as a whole.
#[derive(Debug)]
pub(crate) enum PatternList {
    /// Texts anywhere.
    Parts(AhoCorasick),
    /// Whole values, and ends of values by what follows their last divider.
    Tails {
        whole: FxHashSet<Box<str>>,
        ends: FxHashMap<Box<str>, Box<[Box<str>]>>,
    },
}

impl PatternList {
    /// For patterns without regard to case that all look for the same kind of thing.
    pub(crate) fn build(patterns: &[Matcher]) -> Option<Self> {
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
        let mut ends: FxHashMap<Box<str>, Vec<Box<str>>> = FxHashMap::default();
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
        }
    }

    /// Whether any pattern matches a folded value.
    pub(crate) fn matches(&self, folded: &str) -> bool {
        match self {
            Self::Parts(parts) => parts.is_match(folded),
            Self::Tails { whole, ends } => {
                whole.contains(folded)
                    || !ends.is_empty()
                        && after_divider(folded)
                            .and_then(|key| ends.get(key))
                            .is_some_and(|texts| texts.iter().any(|text| folded.ends_with(&**text)))
            }
        }
    }
}

/// What follows the last divider, if there is one.
fn after_divider(text: &str) -> Option<&str> {
    text.rfind(DIVIDERS).and_then(|at| text.get(at + 1..))
}
