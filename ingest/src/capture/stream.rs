//! One direction of a TCP connection: segments put in order, within bounds.
//!
//! What was delivered once is not delivered again, whatever a retransmission says. A segment that is missing is waited
//! for until [`HELD_MAX`] later ones have come; then it counts as lost.

/// Segments kept while one before them is missing: what a burst of reordering takes.
const HELD_MAX: usize = 16;
/// Bytes so kept.
const HELD_BYTES_MAX: usize = 32 * 1024;
/// Sequence numbers further ahead than this belong to something else: no receive window of the first bytes is larger.
const AHEAD_MAX: u32 = 1 << 24;

/// The state of one direction.
#[derive(Debug, Default)]
pub(super) struct Stream {
    next: Option<u32>,
    held: Vec<(u32, Vec<u8>)>,
    held_bytes: usize,
}

/// What to do with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Deliver it without its first bytes, which were delivered before.
    Ready { known: usize },
    /// Nothing new in it.
    Old,
    /// Kept until what is before it comes.
    Held,
    /// Kept, and what is before it is given up: ask [`Stream::skip_gap`].
    GivenUp,
}

impl Stream {
    /// A stream whose first byte has this sequence number, if the beginning was seen.
    pub(super) fn new(start: Option<u32>) -> Self {
        Self {
            next: start,
            ..Self::default()
        }
    }

    /// Takes a segment in.
    pub(super) fn take(&mut self, sequence: u32, bytes: &[u8]) -> Arrival {
        let next = *self.next.get_or_insert(sequence);
        let ahead = sequence.wrapping_sub(next);
        if ahead == 0 {
            return Arrival::Ready { known: 0 };
        }
        if ahead < AHEAD_MAX {
            return self.hold(sequence, bytes);
        }
        let known = next.wrapping_sub(sequence) as usize;
        if known < bytes.len() {
            Arrival::Ready { known }
        } else {
            Arrival::Old
        }
    }

    /// Counts bytes as delivered, or as lost.
    pub(super) fn advance(&mut self, bytes: usize) {
        // Sequence numbers wrap at 32 bits by design (RFC 9293 section 3.4).
        self.next = self.next.map(|next| next.wrapping_add(bytes as u32));
    }

    /// The next kept segment, if its turn has come. It is not yet counted.
    pub(super) fn next_ready(&mut self) -> Option<Vec<u8>> {
        let next = self.next?;
        loop {
            // At or before what comes next: within half the sequence space.
            let due = |sequence: u32| next.wrapping_sub(sequence) < 1 << 31;
            let index = self.held.iter().position(|(sequence, _)| due(*sequence))?;
            let (sequence, mut bytes) = self.held.remove(index);
            self.held_bytes -= bytes.len();
            let known = next.wrapping_sub(sequence) as usize;
            if known < bytes.len() {
                bytes.drain(..known);
                return Some(bytes);
            }
        }
    }

    /// Gives up what is missing before the first kept segment; returns how many bytes that is.
    pub(super) fn skip_gap(&mut self) -> usize {
        let Some(next) = self.next else { return 0 };
        let ahead = self
            .held
            .iter()
            .map(|(sequence, _)| sequence.wrapping_sub(next))
            .min()
            .unwrap_or(0);
        self.next = Some(next.wrapping_add(ahead));
        ahead as usize
    }

    /// Bytes kept.
    pub(super) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Whether anything is kept.
    pub(super) const fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether this number is behind all that was heard, delivered or kept: there the sender ends. Where nothing was heard
    /// and its beginning is not known, it may be.
    pub(super) fn ends_at(&self, sequence: u32) -> bool {
        self.next.is_none_or(|next| {
            let kept = self
                .held
                .iter()
                .map(|(start, bytes)| start.wrapping_sub(next).wrapping_add(bytes.len() as u32))
                .max();
            let ahead = sequence.wrapping_sub(next);
            ahead == 0 || kept == Some(ahead)
        })
    }

    fn hold(&mut self, sequence: u32, bytes: &[u8]) -> Arrival {
        if self
            .held
            .iter()
            .any(|(held, kept)| *held == sequence && bytes.len() <= kept.len())
        {
            return Arrival::Held;
        }
        self.held.push((sequence, bytes.to_vec()));
        self.held_bytes += bytes.len();
        if HELD_MAX <= self.held.len() || HELD_BYTES_MAX <= self.held_bytes {
            Arrival::GivenUp
        } else {
            Arrival::Held
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes segments of a text in, and returns what came out in order.
    fn check(start: u32, text: &str, segments: &[(usize, usize)], expected: &str) {
        let mut stream = Stream::new(Some(start));
        let mut heard = String::new();
        for &(from, to) in segments {
            let bytes = &text.as_bytes()[from..to];
            let sequence = start.wrapping_add(from as u32);
            if let Arrival::Ready { known } = stream.take(sequence, bytes) {
                stream.advance(bytes.len() - known);
                heard.push_str(&text[from + known..to]);
            }
            while let Some(bytes) = stream.next_ready() {
                stream.advance(bytes.len());
                heard.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        }
        assert_eq!(heard, expected, "{segments:?} from {start}");
    }

    #[test]
    fn every_byte_is_heard_once_and_in_order() {
        for start in [0, 1_000, u32::MAX - 3] {
            check(start, "abcdefgh", &[(0, 4), (4, 8)], "abcdefgh");
            check(start, "abcdefgh", &[(4, 8), (0, 4)], "abcdefgh");
            check(start, "abcdefgh", &[(0, 4), (0, 4), (2, 6), (4, 8)], "abcdefgh");
            check(start, "abcdefgh", &[(6, 8), (3, 6), (0, 3)], "abcdefgh");
            check(start, "abcdefgh", &[(0, 3), (5, 8)], "abc");
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_gap_is_then_given_up() {
        let mut stream = Stream::new(Some(0));
        let mut arrival = Arrival::Held;
        for number in 1..=HELD_MAX as u32 {
            assert_eq!(arrival, Arrival::Held);
            arrival = stream.take(number * 10, b"0123456789");
        }
        assert_eq!(arrival, Arrival::GivenUp);
        let end = HELD_MAX as u32 * 10 + 10;
        for (sequence, is_end) in [
            (0, true),
            (10, false),
            (end, true),
            (end + 1, false),
            (u32::MAX, false),
        ] {
            assert_eq!(stream.ends_at(sequence), is_end, "{sequence}");
        }
        assert_eq!(stream.skip_gap(), 10);
        assert_eq!(stream.next_ready().as_deref(), Some(&b"0123456789"[..]));
    }
}
