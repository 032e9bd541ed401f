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
