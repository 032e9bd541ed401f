//! One first look at an event's bytes, 64 at a time: where texts end, where escapes are, and all of it in lower case.

use wide::u8x32;

/// Bytes looked at together.
const BLOCK: usize = 64;

/// One bit for each byte, and the bytes themselves without regard to case. Used again for the next event.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Quotes that end or begin a text, and control characters; of an event that is not [`Marks::is_usual`]
    /// every quote, backslash and control character.
    ends: Vec<u64>,
    /// In ASCII only; at least as long as the event.
    lower: Vec<u8>,
    length: usize,
    is_ascii: bool,
    is_usual: bool,
    has_backslashes: bool,
}

/// What is in 64 bytes, one bit for each.
#[derive(Clone, Copy, Default)]
struct Block {
    quotes: u64,
    backslashes: u64,
    controls: u64,
    beyond_ascii: u64,
}

impl Marks {
    /// Marks the bytes of an event; what was held is gone.
    pub(crate) fn mark(&mut self, bytes: &[u8]) {
        self.length = bytes.len();
        self.ends.clear();
        let room = bytes.len().next_multiple_of(BLOCK);
        if self.lower.len() < room {
            self.lower.resize(room, 0);
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        let mut last = [b' '; BLOCK];
        if let Some(room) = last.get_mut(..rest.len()) {
            room.copy_from_slice(rest);
        }
        let (lower, _) = self.lower.as_chunks_mut::<BLOCK>();
        let (mut beyond_ascii, mut backslashes, mut unusual, mut carry) = (0, 0, 0, 0);
        let last = (!rest.is_empty()).then_some(&last);
        for (bytes, lower) in blocks.iter().chain(last).zip(lower) {
            let block = Block::of(bytes, lower);
            let escaped = escaped(block.backslashes, &mut carry);
            if escaped != 0 {
                unusual |= escaped & !Block::usual(bytes, block);
            }
            beyond_ascii |= block.beyond_ascii;
            backslashes |= block.backslashes;
            self.ends.push(block.quotes & !escaped | block.controls);
        }
        self.is_ascii = beyond_ascii == 0;
        self.is_usual = unusual == 0;
        self.has_backslashes = backslashes != 0;
        if !self.is_usual {
            self.mark_all(bytes);
        }
    }

    /// Marks escaped quotes and backslashes too.
    #[cold]
    fn mark_all(&mut self, bytes: &[u8]) {
        let is_marked = |byte: &u8| matches!(byte, b'"' | b'\\');
        for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| is_marked(byte)) {
            if let Some(word) = self.ends.get_mut(at / BLOCK) {
                *word |= 1 << (at % BLOCK);
            }
        }
    }

    /// Whether the event is in ASCII.
    pub(crate) fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    /// Whether every backslash begins an escape of the one short form that JSON asks for, such as `\\` and `\n`.
    #[inline]
    pub(crate) fn is_usual(&self) -> bool {
        self.is_usual
    }

    /// Whether there is any backslash.
    #[inline]
    pub(crate) fn has_backslashes(&self) -> bool {
        self.has_backslashes
    }

    /// The event with its ASCII letters in lower case.
    #[inline]
    pub(crate) fn lower(&self) -> &[u8] {
        self.lower.get(..self.length).unwrap_or_default()
    }

    /// The first marked byte from `at` on; the event's length if there is none.
    #[inline]
    pub(crate) fn next(&self, at: usize) -> usize {
        let mut block = at / BLOCK;
        let Some(word) = self.ends.get(block) else {
            return self.length;
        };
        let mut word = word & (u64::MAX << (at % BLOCK));
        while word == 0 {
            block += 1;
            match self.ends.get(block) {
                Some(next) => word = *next,
                None => return self.length,
            }
        }
        block * BLOCK + word.trailing_zeros() as usize
    }
}

impl Block {
    #[inline]
    fn of(bytes: &[u8; BLOCK], lower: &mut [u8; BLOCK]) -> Self {
        let mut block = Self::default();
        let (halves, _) = bytes.as_chunks::<32>();
        let (lower, _) = lower.as_chunks_mut::<32>();
        for (index, (half, lower)) in halves.iter().zip(lower).enumerate() {
            let half = u8x32::new(*half);
            let bits = |mask: u8x32| u64::from(mask.to_bitmask()) << (32 * index);
            block.quotes |= bits(half.simd_eq(u8x32::splat(b'"')));
            block.backslashes |= bits(half.simd_eq(u8x32::splat(b'\\')));
            block.controls |= bits(half.simd_le(u8x32::splat(0x1f)));
            block.beyond_ascii |= bits(half);
            let is_upper = half.simd_ge(u8x32::splat(b'A')) & half.simd_le(u8x32::splat(b'Z'));
            *lower = (half | is_upper & u8x32::splat(0x20)).to_array();
        }
        block
    }

    /// The bytes that, after a backslash, are an escape in its usual form.
    #[inline]
    fn usual(bytes: &[u8; BLOCK], block: Self) -> u64 {
        let mut usual = block.quotes | block.backslashes;
        let (halves, _) = bytes.as_chunks::<32>();
        for (index, half) in halves.iter().enumerate() {
            let half = u8x32::new(*half);
            let letters = b"bfnrt".map(|letter| half.simd_eq(u8x32::splat(letter)));
            let [b, f, n, r, t] = letters;
            usual |= u64::from((b | f | n | r | t).to_bitmask()) << (32 * index);
        }
        usual
    }
}

/// The bytes that backslashes escape. After Langdale and Lemire, "Parsing gigabytes of JSON per second" (2019),
/// section 3.1.1: in a run of backslashes every second one is escaped itself.
#[inline]
fn escaped(backslashes: u64, carry: &mut u64) -> u64 {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    if backslashes == 0 {
        return std::mem::take(carry);
    }
    let backslashes = backslashes & !*carry;
    let follows = backslashes << 1 | *carry;
    let odd_starts = backslashes & !EVEN & !follows;
    let (sum, overflows) = odd_starts.overflowing_add(backslashes);
    *carry = u64::from(overflows);
    (EVEN ^ (sum << 1)) & follows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text with runs of backslashes of every length and some of everything else.
    fn bytes(length: usize, salt: usize) -> Vec<u8> {
        (0..length)
            .map(|at| match (at * at * 37 + at * salt) % 23 {
                0..9 => b'\\',
                9..12 => b'"',
                12 => b'\n',
                13 => 0xc3,
                14 => b'/',
                15..18 => b'n',
                rest => b'A' + rest as u8,
            })
            .collect()
    }

    #[test]
    fn marks_are_where_a_loop_finds_them() {
        let mut marks = Marks::default();
        for length in 0..200 {
            for salt in 0..7 {
                let bytes = bytes(length, salt);
                marks.mark(&bytes);
                let (mut is_escaped, mut ends, mut is_usual) = (false, Vec::new(), true);
                for (at, byte) in bytes.iter().enumerate() {
                    let was_escaped = std::mem::take(&mut is_escaped);
                    is_usual &= !was_escaped || matches!(byte, b'"' | b'\\' | b'n');
                    is_escaped = *byte == b'\\' && !was_escaped;
                    if *byte == b'"' && !was_escaped || *byte < b' ' {
                        ends.push(at);
                    }
                }
                assert_eq!(marks.is_ascii(), bytes.is_ascii());
                assert_eq!(marks.has_backslashes(), bytes.contains(&b'\\'));
                assert_eq!(marks.lower(), bytes.to_ascii_lowercase());
                // The blank after the last byte is escaped by it, if it is a backslash.
                assert_eq!(
                    marks.is_usual(),
                    is_usual && !(is_escaped && length % 64 != 0),
                    "{length} {salt}"
                );
                if !marks.is_usual() {
                    ends = (0..length)
                        .filter(|at| matches!(bytes[*at], b'"' | b'\\' | 0..=0x1f))
                        .collect();
                }
                for at in 0..=length {
                    let expected = ends.iter().copied().find(|end| at <= *end).unwrap_or(length);
                    assert_eq!(marks.next(at), expected, "{length} {at}");
                }
            }
        }
    }
}
