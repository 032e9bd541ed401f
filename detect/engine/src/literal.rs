//! Many literals at once: which of them are in a haystack, and where.
//!
//! Two machines do the same: Vectorscan (Hyperscan's FDR and Teddy) where the build has it, and [`Grams`] in
//! plain Rust. Both may be asked about any bytes and report every place of every literal.

mod grams;
#[cfg(feature = "hyperscan")]
mod vectorscan;

use serde::{Deserialize, Serialize};

pub(crate) use grams::{GramCounts, Grams};

/// A literal's number in its set.
pub(crate) type LiteralId = u32;

/// A compiled set of literals.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) enum Literals {
    /// None.
    #[default]
    Empty,
    Grams(Grams),
    #[cfg(feature = "hyperscan")]
    Vectorscan(vectorscan::Database),
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

/// Which machine to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    /// The fastest to scan, which takes longer to build.
    Fastest,
    /// The one in plain Rust, which is built at once.
    Plain,
}

impl Literals {
    /// Compiles literals, each at least one byte.
    pub(crate) fn build(texts: &[Box<str>], machine: Machine, counts: &GramCounts) -> Self {
        if texts.is_empty() {
            return Self::Empty;
        }
        #[cfg(feature = "hyperscan")]
        if machine == Machine::Fastest
            && let Some(database) = vectorscan::Database::build(texts, counts)
        {
            return Self::Vectorscan(database);
        }
        let _ = machine;
        Self::Grams(Grams::build(texts, counts))
    }

    /// Whether the fastest machine is fast enough for whole lines, without regard to case in ASCII.
    pub(crate) const fn reads_lines() -> bool {
        cfg!(feature = "hyperscan")
    }

    /// Makes the scratch large enough.
    pub(crate) fn prepare(&self, scratch: &mut Scratch) {
        #[cfg(feature = "hyperscan")]
        if let Self::Vectorscan(database) = self {
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
            Self::Grams(grams) => grams.scan(haystack, &mut found),
            #[cfg(feature = "hyperscan")]
            Self::Vectorscan(database) => database.scan(haystack, &scratch.vectorscan, &mut found),
        }
        let _ = scratch;
    }
}
