//! A filter in front of the table: most values of most events are in no feed, and this says so with one cache
//! line.
//!
//! One filter for each group of keys ([`Group`]), since an event asks for few of them: what is asked stays in the
//! processor's cache. A Bloom filter in blocks of one cache line: a key's bits are all in one block. Larger than a binary fuse filter for
//! the same rate of false answers, and faster: one line instead of three; and it needs no list of all keys to
//! be made.

/// Bits of the filter for each key. 12 give 0.5 % of false answers (14 give 0.3 %, 10 give 1.1 %), each of which
/// costs a look into the table.
const BITS_PER_KEY: usize = 12;

const BLOCK_BITS: usize = 512;

/// Keys that are asked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Addresses and autonomous systems.
    Numbers,
    /// The last two labels of domains and of hosts of URLs.
    Names,
    /// Digests and fingerprints.
    Digests,
    /// Everything else.
    Texts,
}

/// A filter for each group.
#[derive(Clone, Debug, Default)]
pub(super) struct Filters([Filter; 4]);

/// Which keys may be held.
#[derive(Clone, Debug, Default)]
struct Filter {
    blocks: Vec<Block>,
}

/// One cache line.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
struct Block([u64; 8]);

impl Filters {
    /// Empty ones, with room for so many keys each.
    pub(super) fn with_room(keys: [usize; 4]) -> Self {
        Self(keys.map(Filter::with_room))
    }

    pub(super) fn insert(&mut self, group: Group, hash: u64) {
        if let Some(filter) = self.0.get_mut(group as usize) {
            filter.insert(hash);
        }
    }

    /// Whether the key may have been inserted.
    #[inline]
    pub(super) fn may_hold(&self, group: Group, hash: u64) -> bool {
        self.0
            .get(group as usize)
            .is_some_and(|filter| filter.may_hold(hash))
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(Filter::bytes).sum()
    }
}

impl Filter {
    /// An empty filter, with room for so many keys.
    fn with_room(keys: usize) -> Self {
        let blocks = (keys * BITS_PER_KEY).div_ceil(BLOCK_BITS);
        Self {
            blocks: vec![Block::default(); blocks],
        }
    }

    #[expect(clippy::indexing_slicing, reason = "three bits choose one of eight words")]
    fn insert(&mut self, hash: u64) {
        let index = self.index(hash);
        if let Some(Block(words)) = self.blocks.get_mut(index) {
            for (word, mask) in probes(hash) {
                words[word] |= mask;
            }
        }
    }

    /// Whether the key may have been inserted. A filter without blocks holds nothing.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "three bits choose one of eight words")]
    fn may_hold(&self, hash: u64) -> bool {
        let Some(Block(words)) = self.blocks.get(self.index(hash)) else {
            return false;
        };
        let [(first, first_mask), (second, second_mask)] = probes(hash);
        (words[first] & first_mask == first_mask) & (words[second] & second_mask == second_mask)
    }

    fn bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>()
    }

    /// The upper half of the hash chooses the block.
    #[inline]
    fn index(&self, hash: u64) -> usize {
        (((hash >> 32) * self.blocks.len() as u64) >> 32) as usize
    }
}

/// The lower half of the hash chooses two words of the block and three bits in each.
#[inline]
fn probes(hash: u64) -> [(usize, u64); 2] {
    // Spread over 64 bits: the table uses the lowest ones as they are.
    let bits = (hash & 0xffff_ffff).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bit = |at: u32| 1_u64 << (bits >> at & 63);
    let first = (bits >> 61) as usize;
    // Another word than the first.
    let second = (first + 1 + (bits >> 58 & 7) as usize % 7) & 7;
    [
        (first, bit(52) | bit(46) | bit(40)),
        (second, bit(34) | bit(28) | bit(22)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> u64 {
        // splitmix64
        let mut x = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    #[test]
    fn holds_what_was_inserted_and_little_else() {
        const KEYS: u64 = 100_000;
        let mut filter = Filter::with_room(KEYS as usize);
        (0..KEYS).for_each(|number| filter.insert(key(number)));
        assert!((0..KEYS).all(|number| filter.may_hold(key(number))));
        let wrong = (KEYS..11 * KEYS)
            .filter(|number| filter.may_hold(key(*number)))
            .count();
        println!("false answers: {} of 1,000,000", wrong);
        assert!(wrong < 7_000, "{wrong} of 1,000,000");
    }

    #[test]
    fn an_empty_filter_holds_nothing() {
        assert!(!Filter::default().may_hold(0));
        assert!(!Filter::with_room(0).may_hold(u64::MAX));
    }
}
