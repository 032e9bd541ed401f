//! Prefixes: which of them an address is in.
//!
//! The address space is cut at every place where a prefix begins or ends; each piece knows the smallest prefix
//! that it is in, and each prefix the next larger one. A look-up finds the piece by binary search, for IPv4
//! inside the few pieces that an index over the first 16 bits leaves.

/// No prefix.
const NONE: u32 = u32::MAX;

/// For fewer pieces the index would cost more memory than it saves time.
const INDEXED_MIN: usize = 64;

/// How many values the first 16 bits have.
const TOPS: usize = 1 << 16;

/// An address as a number.
pub(super) trait Number: Copy + Ord {
    /// The lowest address.
    const ZERO: Self;
    /// The last address of a prefix.
    fn last(self, length: u8) -> Self;
    /// The next address, unless this is the last of all.
    fn next(self) -> Option<Self>;
    /// The first 16 bits.
    fn top(self) -> usize;
}

impl Number for u32 {
    const ZERO: Self = 0;
    fn last(self, length: u8) -> Self {
        self | Self::MAX.checked_shr(u32::from(length)).unwrap_or(0)
    }
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn top(self) -> usize {
        (self >> 16) as usize
    }
}

impl Number for u128 {
    const ZERO: Self = 0;
    fn last(self, length: u8) -> Self {
        self | Self::MAX.checked_shr(u32::from(length)).unwrap_or(0)
    }
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn top(self) -> usize {
        (self >> 112) as usize
    }
}

/// The prefixes of one family.
#[derive(Clone, Debug)]
pub(super) struct Nets<N> {
    /// Where pieces begin, ascending; the first is the lowest address of all.
    starts: Vec<N>,
    /// The smallest prefix that each piece is in.
    inner: Vec<u32>,
    nets: Vec<Net<N>>,
    /// For each value of the first 16 bits how many pieces begin before; empty if there are few pieces.
    index: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Net<N> {
    start: N,
    length: u8,
    /// The next larger one.
    outer: u32,
}

impl<N> Default for Nets<N> {
    fn default() -> Self {
        Self {
            starts: Vec::new(),
            inner: Vec::new(),
            nets: Vec::new(),
            index: Vec::new(),
        }
    }
}

impl<N: Number> Nets<N> {
    /// From prefixes (first address and length) in any order; ones given twice are held once.
    pub(super) fn build(mut prefixes: Vec<(N, u8)>) -> Self {
        // Larger ones first, so that what is inside comes after what it is in.
        prefixes.sort_unstable();
        prefixes.dedup();
        let mut nets = Self::default();
        // Those that are open at the place that is reached, from large to small.
        let mut open: Vec<u32> = Vec::new();
        for (start, length) in prefixes {
            nets.close(&mut open, Some(start));
            let outer = open.last().copied().unwrap_or(NONE);
            let at = u32::try_from(nets.nets.len()).unwrap_or(NONE);
            nets.nets.push(Net { start, length, outer });
            nets.begin(start, at);
            open.push(at);
        }
        nets.close(&mut open, None);
        if nets.starts.first().is_some_and(|first| *first != N::ZERO) {
            nets.starts.insert(0, N::ZERO);
            nets.inner.insert(0, NONE);
        }
        nets.starts.shrink_to_fit();
        nets.inner.shrink_to_fit();
        nets.nets.shrink_to_fit();
        if INDEXED_MIN <= nets.starts.len() {
            nets.index = (0..=TOPS)
                .map(|top| {
                    let before = nets.starts.partition_point(|start| start.top() < top);
                    u32::try_from(before).unwrap_or(NONE)
                })
                .collect();
        }
        nets
    }

    /// Ends the open prefixes that end before `start`, or all.
    fn close(&mut self, open: &mut Vec<u32>, start: Option<N>) {
        while let Some(net) = open.last().and_then(|at| self.nets.get(*at as usize)).copied() {
            let last = net.start.last(net.length);
            if start.is_some_and(|start| start <= last) {
                return;
            }
            open.pop();
            if let Some(next) = last.next() {
                self.begin(next, net.outer);
            }
        }
    }

    /// A piece begins; of two at one place the later says what is there.
    fn begin(&mut self, start: N, net: u32) {
        if self.starts.last() == Some(&start) {
            if let Some(inner) = self.inner.last_mut() {
                *inner = net;
            }
        } else {
            self.starts.push(start);
            self.inner.push(net);
        }
    }

    /// The prefixes that an address is in, from small to large.
    #[inline]
    pub(super) fn containing(&self, address: N) -> impl Iterator<Item = (N, u8)> {
        let mut at = self.piece(address);
        std::iter::from_fn(move || {
            let net = self.nets.get(at as usize)?;
            at = net.outer;
            Some((net.start, net.length))
        })
    }

    /// Whether some prefix contains the address.
    pub(super) fn contains(&self, address: N) -> bool {
        self.piece(address) != NONE
    }

    fn piece(&self, address: N) -> u32 {
        let top = address.top();
        let (from, to) = match (self.index.get(top), self.index.get(top + 1)) {
            (Some(from), Some(to)) => (*from as usize, *to as usize),
            _ => (0, self.starts.len()),
        };
        let starts = self.starts.get(from..to).unwrap_or_default();
        let after = from + starts.partition_point(|start| *start <= address);
        after
            .checked_sub(1)
            .and_then(|piece| self.inner.get(piece))
            .copied()
            .unwrap_or(NONE)
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.starts.capacity() * size_of::<N>()
            + (self.inner.capacity() + self.index.capacity()) * size_of::<u32>()
            + self.nets.capacity() * size_of::<Net<N>>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All prefixes that contain an address, one by one.
    fn naive<N: Number>(prefixes: &[(N, u8)], address: N) -> Vec<(N, u8)> {
        let mut all: Vec<(N, u8)> = prefixes
            .iter()
            .copied()
            .filter(|(start, length)| (*start..=start.last(*length)).contains(&address))
            .collect();
        all.sort_unstable_by_key(|(_, length)| std::cmp::Reverse(*length));
        all.dedup();
        all
    }

    #[test]
    fn the_ends_of_the_address_space() {
        for prefixes in [
            vec![],
            vec![(0, 0)],
            vec![(0, 0), (0, 1), (1 << 31, 1), (u32::MAX, 32), (0, 32)],
        ] {
            let nets = Nets::build(prefixes.clone());
            for address in [0, 1, (1 << 31) - 1, 1 << 31, u32::MAX - 1, u32::MAX] {
                let found: Vec<(u32, u8)> = nets.containing(address).collect();
                assert_eq!(found, naive(&prefixes, address), "{prefixes:?} {address}");
            }
        }
    }

    fn check<N: Number + std::fmt::Debug>(prefixes: &[(N, u8)], addresses: &[N]) {
        let nets = Nets::build(prefixes.to_vec());
        let ends = prefixes.iter().flat_map(|(start, length)| {
            let last = start.last(*length);
            [Some(*start), Some(last), last.next()].into_iter().flatten()
        });
        for address in ends.chain(addresses.iter().copied()) {
            let found: Vec<(N, u8)> = nets.containing(address).collect();
            assert_eq!(found, naive(prefixes, address), "{address:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn finds_what_one_by_one_finds_in_ipv4(
            prefixes in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..150),
            addresses in prop::collection::vec(any::<u32>(), 20),
        ) {
            // Most in one /16, so that they overlap.
            let prefixes: Vec<(u32, u8)> = prefixes
                .into_iter()
                .map(|(start, length)| {
                    let start = if start % 4 == 0 { start } else { 0xc000_0000 | start & 0xffff };
                    (start & !0_u32.last(length), length)
                })
                .collect();
            check(&prefixes, &addresses);
        }

        #[test]
        fn finds_what_one_by_one_finds_in_ipv6(
            prefixes in prop::collection::vec((any::<u128>(), 0_u8..=128), 0..150),
            addresses in prop::collection::vec(any::<u128>(), 20),
        ) {
            let prefixes: Vec<(u128, u8)> = prefixes
                .into_iter()
                .map(|(start, length)| {
                    let start = if start % 4 == 0 { start } else { 0x2001 << 112 | start & 0xffff << 96 };
                    (start & !0_u128.last(length), length)
                })
                .collect();
            check(&prefixes, &addresses);
        }
    }
}
