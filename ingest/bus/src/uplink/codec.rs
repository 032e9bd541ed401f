//! How records travel in the body of one request: a byte for the format, then of each record the lengths of key and
//! value (32 bits each, little endian) and both; all of it one Zstandard frame (RFC 8878) that says its size.
//!
//! Bytes from the network are bounded before they are unpacked, and nothing in them makes a reader panic.

use thiserror::Error;

use crate::record::Record;

/// Bytes of all records of a request, unpacked.
pub const RAW_BYTES_MAX: usize = 16 << 20;

/// Bytes of a request's body: what can't be compressed grows by some bytes in each block of 128 KiB.
pub const BODY_BYTES_MAX: usize = RAW_BYTES_MAX + (64 << 10);

/// Records of a request.
pub const RECORDS_MAX: usize = 20_000;

/// The format that is written and read here.
const FORMAT: u8 = 1;

/// Bytes before each record: two lengths.
pub(super) const RECORD_HEAD_BYTES: usize = 8;

/// Fast, and already a sixth of JSON: the sensor has one small core.
const LEVEL: i32 = 1;

/// Why a body is none, or records make none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// Something that only Kafka carries.
    #[error("record {index} has {what}, which does not travel this way")]
    Record {
        /// Which, from 0.
        index: usize,
        /// What.
        what: &'static str,
    },
    /// Above [`RAW_BYTES_MAX`] or [`RECORDS_MAX`].
    #[error("a request takes {RECORDS_MAX} records of {RAW_BYTES_MAX} bytes together")]
    TooMuch,
    /// It is no Zstandard frame, or none that says its size.
    #[error("the body is no Zstandard frame that says its size")]
    Frame,
    /// The format is another.
    #[error("the body has format {0}, {FORMAT} is known")]
    Format(u8),
    /// It ends in the middle of a record.
    #[error("the body ends within record {0}")]
    Cut(usize),
}

/// A request's body of these records.
///
/// # Errors
/// [`CodecError::Record`] for headers, tombstones and records without a key; [`CodecError::TooMuch`].
pub fn encode(records: &[Record]) -> Result<Vec<u8>, CodecError> {
    let bytes: usize = records
        .iter()
        .map(|record| RECORD_HEAD_BYTES + record.bytes())
        .sum();
    if RAW_BYTES_MAX <= bytes || RECORDS_MAX < records.len() {
        return Err(CodecError::TooMuch);
    }
    let mut raw = Vec::with_capacity(1 + bytes);
    raw.push(FORMAT);
    for (index, record) in records.iter().enumerate() {
        let cant = |what| CodecError::Record { index, what };
        let key = record.key.as_deref().ok_or_else(|| cant("no key"))?;
        if record.tombstone {
            return Err(cant("a tombstone"));
        }
        if !record.headers.is_empty() {
            return Err(cant("headers"));
        }
        for part in [key, &record.value] {
            let length = u32::try_from(part.len()).map_err(|_| CodecError::TooMuch)?;
            raw.extend_from_slice(&length.to_le_bytes());
        }
        raw.extend_from_slice(key);
        raw.extend_from_slice(&record.value);
    }
    zstd::bulk::compress(&raw, LEVEL).map_err(|_| CodecError::Frame)
}

/// How many bytes a body says that it will be unpacked; [`decode`] unpacks no more.
///
/// # Errors
/// [`CodecError::Frame`] and [`CodecError::TooMuch`].
pub fn raw_bytes(body: &[u8]) -> Result<usize, CodecError> {
    let bytes = zstd::zstd_safe::get_frame_content_size(body)
        .ok()
        .flatten()
        .ok_or(CodecError::Frame)?;
    usize::try_from(bytes)
        .ok()
        .filter(|bytes| *bytes <= RAW_BYTES_MAX)
        .ok_or(CodecError::TooMuch)
}

/// The records of a request's body.
///
/// # Errors
/// [`CodecError`]; nothing is taken of a body that is not whole.
pub fn decode(body: &[u8]) -> Result<Vec<Record>, CodecError> {
    let bytes = raw_bytes(body)?;
    let raw = zstd::bulk::decompress(body, bytes).map_err(|_| CodecError::Frame)?;
    let (format, mut rest) = raw.split_first().ok_or(CodecError::Cut(0))?;
    if *format != FORMAT {
        return Err(CodecError::Format(*format));
    }
    let mut records = Vec::new();
    while !rest.is_empty() {
        if RECORDS_MAX <= records.len() {
            return Err(CodecError::TooMuch);
        }
        let (record, after) = one(rest).ok_or(CodecError::Cut(records.len()))?;
        records.push(record);
        rest = after;
    }
    Ok(records)
}

fn one(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (key, rest) = bytes.split_first_chunk()?;
    let (value, rest) = rest.split_first_chunk()?;
    let length = |bytes: &[u8; 4]| usize::try_from(u32::from_le_bytes(*bytes)).ok();
    let (key, rest) = rest.split_at_checked(length(key)?)?;
    let (value, rest) = rest.split_at_checked(length(value)?)?;
    Some((Record::new(value).with_key(key), rest))
}
