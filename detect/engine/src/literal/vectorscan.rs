//! Literals by Vectorscan, through the `hyperscan` crate.

use std::sync::Arc;

use hyperscan::{BlockDatabase, Builder as _, Literal, LiteralFlags, Literals, Matching};

use super::LiteralId;

/// A compiled database. Immutable and shared.
#[derive(Clone)]
pub(crate) struct Database(Arc<BlockDatabase>);

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

/// Vectorscan's scratch space, large enough for every database it was prepared for.
#[derive(Default)]
pub(crate) struct Scratch(Option<hyperscan::Scratch>);

impl Database {
    /// `None` on a processor that Vectorscan does not know.
    pub(crate) fn build(texts: &[Box<str>]) -> Option<Self> {
        let literals: Vec<Literal> = texts
            .iter()
            .enumerate()
            .map(|(id, text)| Literal {
                expression: text.to_string(),
                flags: LiteralFlags::empty(),
                id: Some(id),
                som: None,
            })
            .collect();
        let database = Literals::from(literals).build().ok()?;
        Some(Self(Arc::new(database)))
    }

    pub(crate) fn prepare(&self, scratch: &mut Scratch) {
        match &mut scratch.0 {
            None => scratch.0 = self.0.alloc_scratch().ok(),
            Some(held) => {
                if self.0.realloc_scratch(held).is_err() {
                    scratch.0 = None;
                }
            }
        }
    }

    #[inline]
    pub(crate) fn scan(&self, haystack: &[u8], scratch: &Scratch, found: &mut impl FnMut(LiteralId, usize)) {
        let Some(scratch) = &scratch.0 else { return };
        // A scan fails only if its arguments are wrong; the callback never ends it.
        let _scanned = self
            .0
            .scan(haystack, scratch, |id: u32, _from: u64, to: u64, _flags: u32| {
                found(id, to as usize);
                Matching::Continue
            });
    }
}
