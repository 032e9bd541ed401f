//! In which parts of the address space indicators are.
//!
//! Most addresses of most events are in parts that no indicator is in: an organisation's own, those of its peers.
//! They are settled here, by one or two bits that stay in the nearest cache. IPv4 is told by the first 16 bits, IPv6
//! by the first 32: what one operator has.

use std::net::{IpAddr, Ipv6Addr};

/// Parts that are told apart, of either family.
const BLOCKS: usize = 1 << 16;

/// A prefix that is in more blocks than this is taken to be in all: it is nearly everything anyway. A /19, the largest
/// that an operator of IPv6 has, is in this many.
const SPREAD_MAX: u32 = 1 << 13;

/// What is in a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inside(u8);

impl Inside {
    pub(super) const NOTHING: Self = Self(0);
    /// An address.
    pub(super) const ADDRESS: Self = Self(1);
    /// A prefix or a part of one.
    pub(super) const PREFIX: Self = Self(2);

    /// Whether some prefix is.
    #[inline]
    pub(super) const fn has_prefix(self) -> bool {
        self.0 & Self::PREFIX.0 != 0
    }

    #[inline]
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What is in each part.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    v4: Marks,
    /// By the first 16 bits.
    v6_wide: Marks,
    /// By a hash of the first 32 bits.
    v6: Marks,
}

/// Two bits for each block; none at all if nothing is marked.
#[derive(Clone, Debug, Default)]
struct Marks(Vec<u64>);

impl Blocks {
    /// Notes an address.
    pub(super) fn mark(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => self.v4.mark((u32::from(v4) >> 16) as u16, Inside::ADDRESS),
            IpAddr::V6(v6) => self.mark_v6(first_32(v6), Inside::ADDRESS),
        }
    }

    /// Notes a prefix.
    pub(super) fn mark_prefix(&mut self, start: IpAddr, length: u8) {
        match start {
            IpAddr::V4(v4) => {
                let first = u32::from(v4) >> 16;
                for block in first..first.saturating_add(spread(16, length)).min(BLOCKS as u32) {
                    self.v4.mark(block as u16, Inside::PREFIX);
                }
            }
            IpAddr::V6(v6) => {
                let first = first_32(v6);
                let count = spread(32, length);
                if SPREAD_MAX < count {
                    self.v6_wide.mark_all(Inside::PREFIX);
                    self.v6.mark_all(Inside::PREFIX);
                } else {
                    for block in first..=first.saturating_add(count - 1) {
                        self.mark_v6(block, Inside::PREFIX);
                    }
                }
            }
        }
    }

    /// What is in the part with these first 16 bits.
    #[inline]
    pub(super) fn v4(&self, block: u16) -> Inside {
        self.v4.at(block)
    }

    /// What may be in the part with these first 32 bits.
    #[inline]
    pub(super) fn v6(&self, block: u32) -> Inside {
        Inside(self.v6_wide.at((block >> 16) as u16).0 & self.v6.at(hash(block)).0)
    }

    /// What may be where an address is.
    pub(super) fn around(&self, address: IpAddr) -> Inside {
        match address {
            IpAddr::V4(v4) => self.v4((u32::from(v4) >> 16) as u16),
            IpAddr::V6(v6) => self.v6(first_32(v6)),
        }
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        [&self.v4, &self.v6_wide, &self.v6]
            .into_iter()
            .map(|marks| marks.0.capacity() * size_of::<u64>())
            .sum()
    }

    fn mark_v6(&mut self, block: u32, inside: Inside) {
        self.v6_wide.mark((block >> 16) as u16, inside);
        self.v6.mark(hash(block), inside);
    }
}

impl Marks {
    fn mark(&mut self, block: u16, inside: Inside) {
        let (word, shift) = place(block);
        self.make_room();
        if let Some(word) = self.0.get_mut(word) {
            *word |= u64::from(inside.0) << shift;
        }
    }

    fn mark_all(&mut self, inside: Inside) {
        self.make_room();
        for word in &mut self.0 {
            *word |= u64::from(inside.0) * 0x5555_5555_5555_5555;
        }
    }

    fn make_room(&mut self) {
        if self.0.is_empty() {
            self.0 = vec![0; 2 * BLOCKS / 64];
        }
    }

    #[inline]
    fn at(&self, block: u16) -> Inside {
        let (word, shift) = place(block);
        let word = self.0.get(word).copied().unwrap_or_default();
        Inside((word >> shift & 3) as u8)
    }
}

/// In how many blocks of a length a prefix is.
fn spread(block_length: u8, length: u8) -> u32 {
    match block_length.checked_sub(length) {
        Some(bits @ 1..) => 1_u32.checked_shl(u32::from(bits)).unwrap_or(u32::MAX),
        Some(0) | None => 1,
    }
}

#[inline]
const fn place(block: u16) -> (usize, u32) {
    (block as usize >> 5, 2 * (block as u32 & 31))
}

#[inline]
const fn hash(block: u32) -> u16 {
    (block.wrapping_mul(0x9e37_79b1) >> 16) as u16
}

fn first_32(address: Ipv6Addr) -> u32 {
    (u128::from(address) >> 96) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_is_known_and_little_else() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let mut blocks = Blocks::default();
        assert_eq!(blocks.around(address("192.0.2.1")), Inside::NOTHING);
        assert_eq!(blocks.around(address("2001:db8::1")), Inside::NOTHING);
        blocks.mark(address("192.0.2.1"));
        blocks.mark(address("2001:db8::1"));
        for (start, length) in [
            ("10.0.0.0", 8),
            ("198.51.100.0", 24),
            ("2a00::", 19),
            ("fd00:1:2::", 48),
        ] {
            blocks.mark_prefix(address(start), length);
        }
        let both = Inside::ADDRESS.or(Inside::PREFIX);
        blocks.mark(address("198.51.7.7"));
        for (text, inside) in [
            ("192.0.2.1", Inside::ADDRESS),
            ("192.0.255.1", Inside::ADDRESS),
            ("192.1.2.1", Inside::NOTHING),
            ("10.0.0.0", Inside::PREFIX),
            ("10.255.255.255", Inside::PREFIX),
            ("11.0.0.0", Inside::NOTHING),
            ("9.255.255.255", Inside::NOTHING),
            ("198.51.0.1", both),
            ("2001:db8:ffff::", Inside::ADDRESS),
            ("2002:db8::", Inside::NOTHING),
            ("2a00::", Inside::PREFIX),
            ("2a00:1fff:ffff::", Inside::PREFIX),
            ("2a01::", Inside::NOTHING),
            ("fd00:1::", Inside::PREFIX),
        ] {
            assert_eq!(blocks.around(address(text)), inside, "{text}");
        }
        assert!(!blocks.around(address("2001:db9::")).has_prefix());
    }

    #[test]
    fn a_prefix_of_everything_is_everywhere() {
        for (start, length) in [("0.0.0.0", 0), ("::", 0)] {
            let mut blocks = Blocks::default();
            blocks.mark_prefix(start.parse().expect("an address"), length);
            let is_v4 = start.contains('.');
            for text in ["0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff::"] {
                let address: IpAddr = text.parse().expect("an address");
                let expected = address.is_ipv4() == is_v4;
                assert_eq!(blocks.around(address).has_prefix(), expected, "{text}");
            }
        }
    }
}
