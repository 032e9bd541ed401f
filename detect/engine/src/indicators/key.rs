//! What a value is looked up by: its kind and its bytes, hashed with a seed.
//!
//! Texts are hashed without regard to ASCII case, so that an event's value need not be copied to be looked up.
//! The seed keeps a feed or a sender of events from choosing values that collide.

use std::hash::{BuildHasher, RandomState};

use detect_alert::IndicatorKind;

use super::address::Spelled;

/// Odd numbers without pattern (fractional digits of pi), to keep kinds and lengths apart.
const KIND: u64 = 0x243f_6a88_85a3_08d3;
const LENGTH: u64 = 0x1319_8a2e_0370_7344;

/// Keeps addresses by their spelling apart from everything else.
const SPELLED: u64 = 0xa409_3822_299f_31d0;

/// The bit that no ASCII character has.
const NOT_ASCII: u64 = 0x8080_8080_8080_8080;

/// Sets the bit that tells an upper-case from a lower-case ASCII letter. Some other characters fall together as
/// well; whoever finds an entry by its hash compares the bytes.
const ANY_CASE: u64 = 0x2020_2020_2020_2020;

/// What values are hashed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seed(u64, u64);

/// What is looked up, apart from the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// Values of indicators of one kind.
    Kind(IndicatorKind),
    /// Hosts of URLs: known to the filter only.
    UrlHost,
    /// Anything else that is kept once.
    Other,
}

impl Space {
    fn number(self) -> u64 {
        match self {
            Self::Kind(kind) => kind as u64,
            Self::UrlHost => 0x100,
            Self::Other => 0x101,
        }
    }
}

impl Seed {
    /// A seed that is different in every process. What is found does not depend on it, only how fast.
    pub(super) fn random() -> Self {
        let state = RandomState::new();
        Self(state.hash_one(0_u8), state.hash_one(1_u8))
    }

    /// Hash of a text, the same for each ASCII case of it.
    pub(super) fn text(self, space: Space, bytes: &[u8]) -> u64 {
        self.hash::<ANY_CASE>(space, bytes)
    }

    /// Hash of bytes.
    pub(super) fn bytes(self, space: Space, bytes: &[u8]) -> u64 {
        self.hash::<0>(space, bytes)
    }

    /// Hash of a text as [`Seed::text`] makes it, and whether the text is ASCII.
    #[inline]
    pub(super) fn ascii_text(self, space: Space, bytes: &[u8]) -> (u64, bool) {
        let (hash, any) = self.hash_and_any::<ANY_CASE>(space, bytes);
        (hash, any & NOT_ASCII == 0)
    }

    /// Hash of an IPv4 address by its spelling.
    #[inline]
    pub(super) fn spelled(self, address: Spelled) -> u64 {
        let state = fold(address.low ^ self.1, address.high ^ self.0);
        fold(state ^ SPELLED, LENGTH ^ self.1)
    }

    /// Hash of bytes that are no indicator's.
    pub(super) fn plain(self, bytes: &[u8]) -> u64 {
        self.bytes(Space::Other, bytes)
    }

    /// As wyhash: the two halves of a 128-bit product, folded, for every 16 bytes.
    #[inline]
    fn hash<const SET: u64>(self, space: Space, bytes: &[u8]) -> u64 {
        self.hash_and_any::<SET>(space, bytes).0
    }

    /// Also the bits that any byte has.
    #[inline]
    fn hash_and_any<const SET: u64>(self, space: Space, bytes: &[u8]) -> (u64, u64) {
        let mut any = 0;
        let mut state = self.0 ^ space.number().wrapping_mul(KIND);
        let mut rest = bytes;
        while let Some((head, tail)) = rest.split_first_chunk::<16>()
            && !tail.is_empty()
        {
            let (low, high) = halves(head);
            any |= low | high;
            state = fold((low | SET) ^ self.1, (high | SET) ^ state);
            rest = tail;
        }
        // Of more than sixteen bytes the last sixteen, some of them again.
        let (low, high) = bytes.last_chunk::<16>().map_or_else(|| few(bytes), halves);
        any |= low | high;
        state = fold((low | SET) ^ self.1, (high | SET) ^ state);
        (fold(state ^ bytes.len() as u64, LENGTH ^ self.1), any)
    }
}

fn halves(bytes: &[u8; 16]) -> (u64, u64) {
    let all = u128::from_le_bytes(*bytes);
    (all as u64, (all >> 64) as u64)
}

/// Fewer than 16 bytes in two words, which overlap.
#[inline]
fn few(bytes: &[u8]) -> (u64, u64) {
    if let (Some(low), Some(high)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return (u64::from_le_bytes(*low), u64::from_le_bytes(*high));
    }
    if let (Some(low), Some(high)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return (
            u64::from(u32::from_le_bytes(*low)),
            u64::from(u32::from_le_bytes(*high)),
        );
    }
    let word = match *bytes {
        [] => 0,
        [a] => u64::from(a),
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a, b, c, ..] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
    };
    (word, 0)
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: Space = Space::Kind(IndicatorKind::Domain);

    #[test]
    fn ascii_case_does_not_matter_to_texts_and_does_to_bytes() {
        let seed = Seed(1, 2);
        for text in ["a", "Ab1", "bad.example", "a-very.long-name.of-some.bad.EXAMPLE"] {
            let upper = text.to_ascii_uppercase();
            assert_eq!(
                seed.text(DOMAIN, text.as_bytes()),
                seed.text(DOMAIN, upper.as_bytes()),
                "{text}"
            );
            assert_ne!(
                seed.bytes(DOMAIN, text.as_bytes()),
                seed.bytes(DOMAIN, upper.as_bytes())
            );
        }
    }

    #[test]
    fn kind_length_seed_and_every_byte_count() {
        let seed = Seed(3, 4);
        let long = "abcdefghijklmnopqrstuvwxyz0123456789abcdefgh";
        let mut seen = std::collections::BTreeSet::new();
        for length in 0..=long.len() {
            assert!(
                seen.insert(seed.text(DOMAIN, &long.as_bytes()[..length])),
                "{length}"
            );
            for at in 0..length {
                let mut other = long.as_bytes()[..length].to_vec();
                other[at] = b'~';
                assert!(seen.insert(seed.text(DOMAIN, &other)), "{length} {at}");
            }
        }
        assert!(seen.insert(seed.text(Space::Kind(IndicatorKind::Email), long.as_bytes())));
        assert!(seen.insert(seed.text(Space::UrlHost, long.as_bytes())));
        assert!(seen.insert(Seed(3, 5).text(DOMAIN, long.as_bytes())));
    }

    #[test]
    fn neighbouring_addresses_spread_over_all_buckets() {
        let seed = Seed(5, 6);
        let mut buckets = [0_u32; 256];
        for address in 0..65_536_u32 {
            let hash = seed.bytes(Space::Kind(IndicatorKind::Address), &address.to_be_bytes());
            buckets[(hash >> 56) as usize] += 1;
            buckets[(hash & 255) as usize] += 1;
        }
        // 512 are expected in each; six deviations are 136.
        assert!(
            buckets.iter().all(|count| (376..=648).contains(count)),
            "{buckets:?}"
        );
    }
}
