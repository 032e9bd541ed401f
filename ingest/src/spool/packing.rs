//! Compressing and decompressing, with what that takes kept from one frame to the next: making it anew costs as much as a
//! batch of events does.

use std::fmt;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

use super::frame::Header;
use super::{STREAMS, Stream};

/// 9 to 1 on events. Negative levels are faster and give 7 to 1 at best: how long an outage may last goes before.
const LEVEL: i32 = 1;

/// Room that is kept for the next time: of a few thousand events. What had more is given back.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// What one spool compresses with.
#[derive(Default)]
pub(super) struct Packing {
    compressor: Option<Compressor<'static>>,
    packed: Vec<u8>,
    decompressor: Option<Decompressor<'static>>,
    raw: Vec<u8>,
    /// Records of the last append's frames, by stream: the bus is as a rule quick enough to want them at once. Their room is
    /// the next append's.
    last: [Last; STREAMS],
}

/// The frame written last in a stream.
#[derive(Default)]
struct Last {
    /// None for what can't be handed on.
    header: Option<Header>,
    records: Vec<u8>,
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
    pub(super) fn pack(&mut self, raw: &[u8]) -> io::Result<&[u8]> {
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(LEVEL)?),
        };
        bound(&mut self.packed);
        self.packed.reserve(zstd::zstd_safe::compress_bound(raw.len()));
        compressor.compress_to_buffer(raw, &mut self.packed)?;
        Ok(&self.packed)
    }

    /// Decompresses to at most so many bytes; the answer is there until the next one.
    ///
    /// # Errors
    /// If it is damaged or has more bytes.
    pub(super) fn unpack(&mut self, packed: &[u8], raw_bytes: usize) -> io::Result<&[u8]> {
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new()?),
        };
        bound(&mut self.raw);
        self.raw.reserve(raw_bytes);
        let bytes = decompressor.decompress_to_buffer(packed, &mut self.raw)?;
        if raw_bytes < bytes {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(&self.raw)
    }

    /// The records of the frame with this header, if it is the one that was written last.
    pub(super) fn at_hand(&self, stream: Stream, header: &Header) -> Option<&[u8]> {
        let last = self.last.get(stream.index())?;
        (last.header.as_ref() == Some(header)).then_some(last.records.as_slice())
    }

    /// Empty rooms for records, one for each stream.
    pub(super) fn rooms(&mut self) -> [Vec<u8>; STREAMS] {
        std::mem::take(&mut self.last).map(|mut last| {
            bound(&mut last.records);
            last.records
        })
    }

    /// Takes a frame's records back; what is small enough stays at hand.
    pub(super) fn keep(&mut self, stream: Stream, header: Header, records: Vec<u8>) {
        if records.len() <= KEPT_BYTES_MAX
            && let Some(last) = self.last.get_mut(stream.index())
        {
            *last = Last {
                header: Some(header),
                records,
            };
        }
    }
}

/// Empties a buffer for the next time, and gives back one that is too large to be kept.
fn bound(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEPT_BYTES_MAX);
}
