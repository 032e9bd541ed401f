//! Bytes one after the other, found by their place. Appended to; nothing moves.

/// Bytes are kept in pieces of this size, so that growing copies nothing and wastes at most one piece.
const CHUNK_BYTES: usize = 1 << 20;

const CHUNK_BITS: u32 = CHUNK_BYTES.trailing_zeros();

/// At most 2 GiB, so that one bit of a place is free.
const CHUNKS_MAX: usize = 2048;

/// The bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Arena {
    chunks: Vec<Vec<u8>>,
}

impl Arena {
    /// Appends bytes, which stay together, and says where they are; nothing if it is full.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<u32> {
        let fits = |chunk: &Vec<u8>| chunk.len() + bytes.len() <= CHUNK_BYTES;
        if !self.chunks.last().is_some_and(fits) {
            if self.chunks.len() == CHUNKS_MAX || CHUNK_BYTES < bytes.len() {
                return None;
            }
            // The first grows as needed: most sets are small.
            let room = if self.chunks.is_empty() { 0 } else { CHUNK_BYTES };
            self.chunks.push(Vec::with_capacity(room));
        }
        let chunk_index = self.chunks.len() - 1;
        let chunk = self.chunks.last_mut()?;
        let at = chunk_index << CHUNK_BITS | chunk.len();
        chunk.extend_from_slice(bytes);
        u32::try_from(at).ok()
    }

    /// The bytes from a place to the end of their piece; none if there is no such place.
    #[inline]
    pub(super) fn at(&self, at: u32) -> &[u8] {
        let (chunk, start) = (at as usize >> CHUNK_BITS, at as usize & (CHUNK_BYTES - 1));
        self.chunks
            .get(chunk)
            .and_then(|chunk| chunk.get(start..))
            .unwrap_or_default()
    }

    /// The byte at a place.
    pub(super) fn byte_mut(&mut self, at: u32) -> Option<&mut u8> {
        let (chunk, start) = (at as usize >> CHUNK_BITS, at as usize & (CHUNK_BYTES - 1));
        self.chunks.get_mut(chunk)?.get_mut(start)
    }

    /// The pieces, each with the place of its first byte.
    pub(super) fn chunks(&self) -> impl Iterator<Item = (u32, &[u8])> {
        (0_u32..)
            .map(|index| index << CHUNK_BITS)
            .zip(self.chunks.iter().map(Vec::as_slice))
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum()
    }

    pub(super) fn shrink_to_fit(&mut self) {
        if let Some(last) = self.chunks.last_mut() {
            last.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_where_they_were_put_across_pieces() {
        let mut arena = Arena::default();
        let long = vec![7_u8; CHUNK_BYTES / 3];
        let places: Vec<u32> = (0..7)
            .flat_map(|number| [arena.push(&long), arena.push(&[number; 5])])
            .map(|place| place.expect("room"))
            .collect();
        for (number, pair) in places.chunks(2).enumerate() {
            assert!(arena.at(pair[0]).starts_with(&long));
            assert_eq!(arena.at(pair[1])[..5], [number as u8; 5]);
        }
        assert_eq!(
            arena.chunks().map(|(_, bytes)| bytes.len()).sum::<usize>(),
            7 * (long.len() + 5)
        );
        assert_eq!(arena.push(&vec![0; CHUNK_BYTES + 1]), None);
        assert!(arena.at(u32::MAX).is_empty());
    }
}
