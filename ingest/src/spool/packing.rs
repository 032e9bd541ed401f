//! Compressing and decompressing, with what that takes kept from one frame to the next: making it anew costs as much as a
//! batch of events does.

use std::fmt;
use std::io;

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};

use super::frame::Header;
use super::{STREAMS, Stream};

/// 9 to 1 on events: how long an outage may last is decided by it.
const LEVEL: i32 = 1;

/// 1.7 times as fast for 1.7 times the room, while the bus keeps pace: what is deleted in a moment need not be small.
const QUICK_LEVEL: i32 = -7;

/// Room that is kept for the next time: of a few thousand events. What had more is given back.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// What one spool compresses with.
#[derive(Default)]
pub(super) struct Packing {
    compressor: Option<(Pace, Compressor<'static>)>,
    packed: Vec<u8>,
    decompressor: Option<Decompressor<'static>>,
    /// Records of the last append's frames, by stream: the bus is as a rule quick enough to want them at once. Their room is
    /// the next append's.
    last: [Last; STREAMS],
}

/// The frame written last in a stream.
#[derive(Default)]
struct Last {
    /// None for what can't be handed on.
    header: Option<Header>,
    records: Bytes,
}

/// Whether the bus takes what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// As a rule at once.
    Kept,
    /// More waits than that.
    Behind,
}

impl fmt::Debug for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packing").finish_non_exhaustive()
    }
}

impl Packing {
    /// Compresses; the answer is there until the next one.
    ///
    /// # Errors
    /// If the compressor has no memory.
    pub(super) fn pack(&mut self, raw: &[u8], pace: Pace) -> io::Result<&[u8]> {
        let level = match pace {
            Pace::Kept => QUICK_LEVEL,
            Pace::Behind => LEVEL,
        };
        let (set, compressor) = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert((pace, Compressor::new(level)?)),
        };
        if *set != pace {
            compressor.set_compression_level(level)?;
            *set = pace;
        }
        bound(&mut self.packed);
        self.packed.reserve(zstd::zstd_safe::compress_bound(raw.len()));
        compressor.compress_to_buffer(raw, &mut self.packed)?;
        Ok(&self.packed)
    }

    /// Decompresses to at most so many bytes.
    ///
    /// # Errors
    /// If it is damaged or has more bytes.
    pub(super) fn unpack(&mut self, packed: &[u8], raw_bytes: usize) -> io::Result<Bytes> {
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new()?),
        };
        Ok(decompressor.decompress(packed, raw_bytes)?.into())
    }

    /// The records of the frame with this header, if it is the one that was written last.
    pub(super) fn at_hand(&self, stream: Stream, header: &Header) -> Option<Bytes> {
        let last = self.last.get(stream.index())?;
        (last.header.as_ref() == Some(header)).then(|| last.records.clone())
    }

    /// Empty rooms for records, one for each stream: those of before, where nobody has their records any more.
    pub(super) fn rooms(&mut self) -> [Vec<u8>; STREAMS] {
        std::mem::take(&mut self.last).map(|last| {
            let mut room = last.records.try_into_mut().map(Vec::from).unwrap_or_default();
            bound(&mut room);
            room
        })
    }

    /// Takes a frame's records back; what is small enough stays at hand.
    pub(super) fn keep(&mut self, stream: Stream, header: Header, records: Vec<u8>) {
        if records.len() <= KEPT_BYTES_MAX
            && let Some(last) = self.last.get_mut(stream.index())
        {
            *last = Last {
                header: Some(header),
                records: records.into(),
            };
        }
    }
}

/// Empties a buffer for the next time, and gives back one that is too large to be kept.
fn bound(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEPT_BYTES_MAX);
}
