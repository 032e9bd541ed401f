//! Frames of a segment: a header with a checksum of its own, the places of sources, and the records, compressed.
//!
//! All numbers are little endian. Both checksums are CRC-32C (RFC 3720 section 12.1), which finds every error of a few
//! bits. That the header has one of its own makes frames countable without reading them, and says after damage how many
//! records were lost.

use crc::{CRC_32_ISCSI, Crc, Table};

use super::packing::{Pace, Packing};
use super::{BATCH_RECORDS, Destination, Entry, Progress, Stream};

/// `VSF1`: a frame of version 1.
const MAGIC: [u8; 4] = *b"VSF1";

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 80;

/// The most that a frame's records may take uncompressed: far more than any append has, so that damage can't ask for
/// memory.
const RECORDS_BYTES_MAX: usize = 1 << 28;

/// The most that running numbers come to: a million a second for a hundred thousand years. Above it is damage, and sums of
/// what is below are numbers.
const NUMBER_MAX: u64 = 1 << 62;

const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// The checksum of bytes.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

/// What stands before a frame's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of the places.
    pub(super) places_bytes: u32,
    /// Bytes of the records, compressed.
    pub(super) records_bytes: u32,
    /// And uncompressed.
    pub(super) raw_bytes: u32,
    /// Of both parts of the body.
    pub(super) body_crc: u32,
    /// Records.
    pub(super) count: u32,
    /// The streams that this append has frames in, a bit each.
    pub(super) streams: u32,
    /// The append's number.
    pub(super) commit: u64,
    /// The first record's number in its stream.
    pub(super) first: u64,
    /// The first event's sequence number.
    pub(super) sequence: u64,
    /// How many are events.
    pub(super) events: u64,
    /// The earliest and the latest event, in nanoseconds since 1970.
    pub(super) earliest: i64,
    pub(super) latest: i64,
}

impl Header {
    pub(super) const fn body_bytes(&self) -> u64 {
        self.places_bytes as u64 + self.records_bytes as u64
    }

    pub(super) const fn bytes(&self) -> u64 {
        HEADER_BYTES as u64 + self.body_bytes()
    }

    /// The number behind its last record.
    pub(super) const fn end(&self) -> u64 {
        self.first + self.count as u64
    }

    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        for number in [
            self.places_bytes,
            self.records_bytes,
            self.raw_bytes,
            self.body_crc,
            self.count,
            self.streams,
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.commit, self.first, self.sequence, self.events] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.earliest.to_le_bytes());
        bytes.extend_from_slice(&self.latest.to_le_bytes());
        let crc = checksum(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&bytes);
        header
    }

    /// Whether an append can have written it.
    const fn is_possible(&self) -> bool {
        self.commit <= NUMBER_MAX
            && self.first <= NUMBER_MAX
            && self.sequence <= NUMBER_MAX
            && self.events <= self.count as u64
    }

    /// `None` if this is no header, or a damaged one.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (said, crc) = bytes.get(..HEADER_BYTES)?.split_at_checked(HEADER_BYTES - 4)?;
        if !said.starts_with(&MAGIC) || checksum(said).to_le_bytes() != crc {
            return None;
        }
        let mut reader = Reader(said.get(4..)?);
        let header = Self {
            places_bytes: reader.u32()?,
            records_bytes: reader.u32()?,
            raw_bytes: reader.u32()?,
            body_crc: reader.u32()?,
            count: reader.u32()?,
            streams: reader.u32()?,
            commit: reader.u64()?,
            first: reader.u64()?,
            sequence: reader.u64()?,
            events: reader.u64()?,
            earliest: reader.u64()?.cast_signed(),
            latest: reader.u64()?.cast_signed(),
        };
        header.is_possible().then_some(header)
    }
}

/// Where a header may begin in these bytes, after damage; `None` if nowhere.
pub(super) fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MAGIC.len()).position(|window| window == MAGIC)
}

/// Appends one record to the records of a frame; `write` appends its value.
pub(super) fn push(
    records: &mut Vec<u8>,
    destination: Destination,
    key: &[u8],
    write: impl FnOnce(&mut Vec<u8>),
) {
    records.push(match destination {
        Destination::Events => 0,
        Destination::Quarantine => 1,
    });
    records.extend_from_slice(&(key.len() as u32).to_le_bytes());
    records.extend_from_slice(key);
    let at = records.len();
    records.extend_from_slice(&[0; 4]);
    write(records);
    // Known only now.
    let length = (records.len() - at - 4) as u32;
    if let Some(place) = records.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

/// Makes a frame; lengths and checksums are put into the header.
///
/// # Errors
/// If the compressor has no memory, or there is more than a frame takes.
pub(super) fn encode(
    mut header: Header,
    places: &[(String, Progress)],
    records: &[u8],
    packing: &mut Packing,
    pace: Pace,
) -> std::io::Result<(Header, Vec<u8>)> {
    if RECORDS_BYTES_MAX < records.len() {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    let places = if places.is_empty() {
        Vec::new()
    } else {
        serde_json::to_vec(places)?
    };
    let packed = packing.pack(records, pace)?;
    header.places_bytes = places.len() as u32;
    header.records_bytes = packed.len() as u32;
    header.raw_bytes = records.len() as u32;
    let mut frame = Vec::with_capacity(HEADER_BYTES + places.len() + packed.len());
    frame.resize(HEADER_BYTES, 0);
    frame.extend_from_slice(&places);
    frame.extend_from_slice(packed);
    if let Some((head, body)) = frame.split_at_mut_checked(HEADER_BYTES) {
        header.body_crc = checksum(body);
        head.copy_from_slice(&header.encode());
    }
    Ok((header, frame))
}

/// The places in a frame's body; `None` if it is damaged.
pub(super) fn places(header: &Header, body: &[u8]) -> Option<Vec<(String, Progress)>> {
    if checksum(body) != header.body_crc {
        return None;
    }
    let places = body.get(..header.places_bytes as usize)?;
    if places.is_empty() {
        return Some(Vec::new());
    }
    serde_json::from_slice(places).ok()
}

/// Appends the records of a frame, whose body may be missing where it is at hand; `None` if it is damaged, and then nothing
/// is appended.
pub(super) fn records(
    header: &Header,
    body: &[u8],
    stream: Stream,
    from: u64,
    packing: &mut Packing,
    out: &mut Vec<Entry>,
) -> Option<()> {
    let raw = if let Some(records) = packing.at_hand(stream, header) {
        records
    } else {
        let raw_bytes = header.raw_bytes as usize;
        if checksum(body) != header.body_crc || RECORDS_BYTES_MAX < raw_bytes {
            return None;
        }
        let packed = body.get(header.places_bytes as usize..)?;
        packing.unpack(packed, raw_bytes).ok()?
    };
    let (mut reader, before) = (Reader(&raw), out.len());
    out.reserve(header.count.min(BATCH_RECORDS as u32) as usize);
    for number in header.first..header.end() {
        let Some((destination, key, value)) = reader.record() else {
            out.truncate(before);
            return None;
        };
        if from <= number {
            out.push(Entry {
                number,
                stream,
                destination,
                key: raw.slice_ref(key),
                value: raw.slice_ref(value),
            });
        }
    }
    Some(())
}

/// Takes numbers and parts off bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn record(&mut self) -> Option<(Destination, &'a [u8], &'a [u8])> {
        let destination = match self.take(1)? {
            [0] => Destination::Events,
            [1] => Destination::Quarantine,
            _ => return None,
        };
        let key = self.u32()? as usize;
        let key = self.take(key)?;
        let value = self.u32()? as usize;
        Some((destination, key, self.take(value)?))
    }
}
