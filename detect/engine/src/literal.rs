//! Many literals at once: which of them are in a haystack, and where.
//!
//! Two machines do the same: Vectorscan (Hyperscan's FDR and Teddy) where the build has it, and [`Grams`] in
//! plain Rust. Both may be asked about any bytes and report every place of every literal.

mod few;
mod grams;
#[cfg(feature = "hyperscan")]
mod vectorscan;

use serde::{Deserialize, Serialize};

pub(crate) use grams::{GramCounts, Grams};

/// From so many literals on Vectorscan is worth its call.
#[cfg(feature = "hyperscan")]
const VECTORSCAN_MIN: usize = 512;

/// From so many bytes of a haystack on Vectorscan is worth its call.
#[cfg(feature = "hyperscan")]
const LONG: usize = 4096;

/// A literal's number in its set.
pub(crate) type LiteralId = u32;

/// A compiled set of literals.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) enum Literals {
    /// None.
    #[default]
    Empty,
    Few(few::Few),
    Grams(Box<Grams>),
    /// The first for long haystacks, the second for short ones.
    #[cfg(feature = "hyperscan")]
    Vectorscan(vectorscan::Database, Box<Grams>),
}

/// What a scan needs to write to; one per thread.
#[derive(Default)]
pub(crate) struct Scratch {
    #[cfg(feature = "hyperscan")]
    vectorscan: vectorscan::Scratch,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scratch")
    }
}

/// What literals are looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    /// Whole events: each byte counts.
    Line,
    /// Values, which may be long; takes longer to build.
    Value,
    /// Values, and is built at once.
    Quick,
}

impl Literals {
    /// Compiles literals, each at least one byte.
    pub(crate) fn build(texts: &[Box<str>], machine: Machine, counts: &GramCounts) -> Self {
        if texts.is_empty() {
            return Self::Empty;
        }
        let each: Vec<(LiteralId, &[u8])> = (0..).zip(texts.iter().map(|text| text.as_bytes())).collect();
        if machine == Machine::Line
            && let Some(few) = few::Few::build(&each, counts)
        {
            return Self::Few(few);
        }
        #[cfg(feature = "hyperscan")]
        if machine != Machine::Quick
            && VECTORSCAN_MIN <= texts.len()
            && let Some(database) = vectorscan::Database::build(texts, counts)
        {
            return Self::Vectorscan(database, Box::new(Grams::build(texts, counts)));
        }
        Self::Grams(Box::new(Grams::build(texts, counts)))
    }

    /// Makes the scratch large enough.
    pub(crate) fn prepare(&self, scratch: &mut Scratch) {
        #[cfg(feature = "hyperscan")]
        if let Self::Vectorscan(database, _) = self {
            database.prepare(&mut scratch.vectorscan);
        }
        let _ = scratch;
    }

    /// Calls `found` with each literal that is in the haystack and the position after it.
    #[inline]
    pub(crate) fn scan(
        &self,
        haystack: &[u8],
        scratch: &mut Scratch,
        mut found: impl FnMut(LiteralId, usize),
    ) {
        match self {
            Self::Empty => {}
            Self::Few(few) => few.scan(haystack, &mut found),
            Self::Grams(grams) => grams.scan(haystack, &mut found),
            #[cfg(feature = "hyperscan")]
            Self::Vectorscan(database, grams) => {
                let is_done =
                    LONG <= haystack.len() && database.scan(haystack, &scratch.vectorscan, &mut found);
                if !is_done {
                    grams.scan(haystack, &mut found);
                }
            }
        }
        let _ = scratch;
    }
}
