//! Who has been here a few times: most pairs of machines meet once, and are not worth a group.
//!
//! A doorkeeper in the sense of Einziger, Friedman and Manes (TinyLFU, 2017): a small table of fingerprints in front of a
//! large one. A key is let in when it knocks for the [`Door::new`]-th time. Two keys in the same place take turns and are
//! let in later; none is ever kept out for good that keeps knocking while the other does not.

use serde::{Deserialize, Serialize};

/// Places: a quarter of a megabyte, so that it stays in the cache.
const PLACES: usize = 1 << 15;

/// Fingerprints of 24 bits and how often each knocked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Door {
    places: Vec<(u32, u32)>,
    knocks: u32,
}

impl Door {
    /// Lets a key in when it knocks for the `knocks`-th time; 0 and 1 let everybody in.
    pub(super) const fn new(knocks: u32) -> Self {
        Self {
            places: Vec::new(),
            knocks,
        }
    }

    /// Whether nobody knocked yet.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// A key knocks, by a hash that is the same on every machine; whether it is let in. `within` is how long a knock
    /// counts and `at` when it was, both in seconds.
    pub(super) fn knock(&mut self, hash: u64, at: u32, within: u32) -> bool {
        if self.knocks <= 1 {
            return true;
        }
        if self.places.is_empty() {
            self.places = vec![(0, 0); PLACES];
        }
        let index = usize::try_from(hash % PLACES as u64).unwrap_or(0);
        let Some((seen, last)) = self.places.get_mut(index) else {
            return true;
        };
        let fingerprint = u32::try_from(hash >> 40).unwrap_or(0) << 8;
        let is_same = *seen & !0xff == fingerprint && at.saturating_sub(*last) <= within && 0 < *seen & 0xff;
        let count = if is_same { (*seen & 0xff) + 1 } else { 1 };
        *last = at;
        if self.knocks <= count {
            *seen = 0;
            return true;
        }
        *seen = fingerprint | count;
        false
    }
}
