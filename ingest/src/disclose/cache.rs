//! What was worked out for a text before, in a bounded room: two generations, of which the older one goes as a whole.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use smallvec::SmallVec;

/// Texts of one generation: machines, names and accounts of a large municipality, in some 10 MiB.
const GENERATION_MAX: usize = 32_768;

/// Texts longer than this are worked out each time: no flood of long ones fills the memory.
const TEXT_BYTES_MAX: usize = 256;

/// A text; addresses and most names stand where they are looked for, not behind a pointer.
type Text = SmallVec<[u8; 40]>;

/// Answers by text. The hash is seeded: others choose the texts.
#[derive(Debug)]
pub(super) struct Cache<V> {
    newer: HashMap<Text, V, RandomState>,
    older: HashMap<Text, V, RandomState>,
}

impl<V> Default for Cache<V> {
    fn default() -> Self {
        Self {
            newer: HashMap::default(),
            older: HashMap::default(),
        }
    }
}

impl<V: Clone> Cache<V> {
    /// The answer for a text, worked out if it is not at hand.
    pub(super) fn get_or(&mut self, text: &str, work: impl FnOnce() -> V) -> V {
        let bytes = text.as_bytes();
        if let Some(value) = self.newer.get(bytes) {
            return value.clone();
        }
        let value = match self.older.remove(bytes) {
            Some(value) => value,
            None => work(),
        };
        if text.len() <= TEXT_BYTES_MAX {
            if GENERATION_MAX <= self.newer.len() {
                self.older = std::mem::take(&mut self.newer);
            }
            self.newer.insert(Text::from_slice(bytes), value.clone());
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_and_stays_bounded() {
        let mut cache = Cache::default();
        assert_eq!(cache.get_or("a", || 1), 1);
        assert_eq!(cache.get_or("a", || 2), 1);
        for number in 0..3 * GENERATION_MAX {
            cache.get_or(&number.to_string(), || 0);
            cache.get_or("a", || 3);
        }
        assert_eq!(cache.get_or("a", || 4), 1, "what is asked for stays");
        assert!(cache.newer.len() + cache.older.len() <= 2 * GENERATION_MAX);
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        assert_eq!((cache.get_or(&long, || 1), cache.get_or(&long, || 2)), (1, 2));
    }
}
