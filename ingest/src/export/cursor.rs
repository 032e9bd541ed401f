//! Reads numbers in network byte order from the front of a slice; `None` where it ends.

/// What is left of a datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }
}

/// A number of any length up to eight bytes, as reduced-size encoding has it (RFC 7011 section 6.2); of a longer one
/// the last eight bytes.
#[inline]
pub(super) fn number(bytes: &[u8]) -> u64 {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return u64::from(u32::from_be_bytes(four));
    }
    if let Ok(two) = <[u8; 2]>::try_from(bytes) {
        return u64::from(u16::from_be_bytes(two));
    }
    if let Ok(eight) = <[u8; 8]>::try_from(bytes) {
        return u64::from_be_bytes(eight);
    }
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read() {
        for (bytes, expected) in [
            (&[][..], 0),
            (&[7], 7),
            (&[1, 2], 0x0102),
            (&[1, 2, 3], 0x01_0203),
            (&[1, 2, 3, 4], 0x0102_0304),
            (&[1, 2, 3, 4, 5, 6], 0x0102_0304_0506),
            (&[0xff; 8], u64::MAX),
            (&[9, 0, 0, 0, 0, 0, 0, 0, 5], 5),
        ] {
            assert_eq!(number(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn nothing_is_taken_past_the_end() {
        let mut cursor = Cursor::new(&[0, 1, 2]);
        assert_eq!(cursor.u32(), None);
        assert_eq!(cursor.u16(), Some(1));
        assert_eq!(cursor.take(2), None);
        assert_eq!((cursor.u8(), cursor.left()), (Some(2), 0));
    }
}
