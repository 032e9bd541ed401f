//! Byte strings, each held once and found by its content or its place.

use hashbrown::HashTable;

use super::{
    arena::Arena,
    entry::{put_number, take_number},
    key::Seed,
};

/// The strings.
#[derive(Clone, Debug, Default)]
pub(super) struct Interned {
    bytes: Arena,
    table: HashTable<u32>,
    /// Buffer.
    framed: Vec<u8>,
}

impl Interned {
    /// The place of a string, which is new or was held; nothing if there is no room.
    pub(super) fn intern(&mut self, seed: Seed, bytes: &[u8]) -> Option<u32> {
        let hash = seed.plain(bytes);
        if let Some(at) = self.find(hash, bytes) {
            return Some(at);
        }
        self.framed.clear();
        put_number(bytes.len() as u64, &mut self.framed);
        self.framed.extend_from_slice(bytes);
        let at = self.bytes.push(&self.framed)?;
        let arena = &self.bytes;
        self.table
            .insert_unique(hash, at, |at| seed.plain(framed(arena, *at)));
        Some(at)
    }

    pub(super) fn contains(&self, seed: Seed, bytes: &[u8]) -> bool {
        self.find(seed.plain(bytes), bytes).is_some()
    }

    /// The string at a place; empty if there is none.
    pub(super) fn get(&self, at: u32) -> &[u8] {
        framed(&self.bytes, at)
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.bytes() + self.table.allocation_size()
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.bytes.shrink_to_fit();
        self.framed = Vec::new();
    }

    fn find(&self, hash: u64, bytes: &[u8]) -> Option<u32> {
        self.table.find(hash, |at| self.get(*at) == bytes).copied()
    }
}

fn framed(arena: &Arena, at: u32) -> &[u8] {
    let mut rest = arena.at(at);
    take_number(&mut rest)
        .and_then(|length| rest.get(..usize::try_from(length).ok()?))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_string_has_one_place() {
        let seed = Seed::random();
        let mut strings = Interned::default();
        let texts: Vec<String> = (0..5000)
            .map(|number| "x".repeat(number % 300) + &number.to_string())
            .collect();
        let places: Vec<u32> = texts
            .iter()
            .map(|text| strings.intern(seed, text.as_bytes()).expect("room"))
            .collect();
        for (text, place) in texts.iter().zip(places) {
            assert_eq!(strings.intern(seed, text.as_bytes()), Some(place));
            assert_eq!(strings.get(place), text.as_bytes());
        }
        assert!(strings.contains(seed, b"0"));
        assert!(!strings.contains(seed, b"5000"));
    }
}
