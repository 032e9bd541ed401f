//! The bytes of an event at which a text can end or be interrupted.

use wide::u8x32;

/// Bytes looked at together.
const BLOCK: usize = 64;

/// One bit for each byte: quotes, backslashes and control characters. Used again for the next event.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    words: Vec<u64>,
    length: usize,
    is_ascii: bool,
}

impl Marks {
    /// Marks the bytes of an event; what was held is gone.
    pub(crate) fn mark(&mut self, bytes: &[u8]) {
        self.length = bytes.len();
        self.words.clear();
        self.is_ascii = bytes.is_ascii();
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        self.words.extend(blocks.iter().map(word));
        if !rest.is_empty() {
            let mut last = [b' '; BLOCK];
            if let Some(room) = last.get_mut(..rest.len()) {
                room.copy_from_slice(rest);
            }
            self.words.push(word(&last));
        }
    }

    /// Whether the event is in ASCII.
    pub(crate) fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    /// The first marked byte from `at` on; the event's length if there is none.
    #[inline]
    pub(crate) fn next(&self, at: usize) -> usize {
        let mut block = at / BLOCK;
        let Some(word) = self.words.get(block) else {
            return self.length;
        };
        let mut word = word & (u64::MAX << (at % BLOCK));
        while word == 0 {
            block += 1;
            match self.words.get(block) {
                Some(next) => word = *next,
                None => return self.length,
            }
        }
        block * BLOCK + word.trailing_zeros() as usize
    }
}

#[inline]
fn word(block: &[u8; BLOCK]) -> u64 {
    let (halves, _) = block.as_chunks::<32>();
    let [low, high] = halves else { return u64::MAX };
    u64::from(half(low)) | u64::from(half(high)) << 32
}

#[inline]
fn half(bytes: &[u8; 32]) -> u32 {
    let bytes = u8x32::new(*bytes);
    let is_quote = bytes.simd_eq(u8x32::splat(b'"'));
    let is_backslash = bytes.simd_eq(u8x32::splat(b'\\'));
    let is_control = bytes.simd_le(u8x32::splat(0x1f));
    (is_quote | is_backslash | is_control).to_bitmask()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_where_a_loop_finds_them() {
        let mut marks = Marks::default();
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length)
                .map(|at: usize| (at.wrapping_mul(at).wrapping_mul(37) % 251) as u8)
                .collect();
            marks.mark(&bytes);
            for at in 0..=length {
                let expected = (at..length)
                    .find(|at| matches!(bytes[*at], b'"' | b'\\' | 0..=0x1f))
                    .unwrap_or(length);
                assert_eq!(marks.next(at), expected, "{length} {at}");
            }
        }
    }
}
