//! Takes gzip and Zstandard off an input, by magic bytes, and looks at a start without losing it.
//!
//! Members or frames that follow each other are read as one input, as `cat a.gz b.gz` makes them.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

/// RFC 1952 section 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// RFC 8878 section 3.1.1.
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A skippable frame (RFC 8878 section 3.1.2) starts with 50 to 5F and this; `pzstd` writes one first.
const ZSTANDARD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// Read buffer of the file: large enough to keep system calls few.
const BUFFER_BYTES: usize = 128 * 1024;

/// Counts what passes.
pub(super) struct Counted<R> {
    input: R,
    bytes: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    pub(super) fn new(input: R, bytes: Arc<AtomicU64>) -> Self {
        Self { input, bytes }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// An input whose start has been looked at. An error met while looking comes after the start, where it belongs.
struct Primed<R> {
    head: Cursor<Vec<u8>>,
    error: Option<io::Error>,
    rest: R,
}

impl<R: Read> Read for Primed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.head.read(buffer)? {
            0 => match self.error.take() {
                Some(error) => Err(error),
                None => self.rest.read(buffer),
            },
            count => Ok(count),
        }
    }
}

/// Reads up to `bytes` of the start, and gives them and an input that still begins with them.
///
/// # Errors
/// If nothing could be read.
pub(super) fn prime(
    mut input: Box<dyn Read + Send>,
    bytes: usize,
) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut head = Vec::with_capacity(bytes);
    let error = input.by_ref().take(bytes as u64).read_to_end(&mut head).err();
    match error {
        Some(error) if head.is_empty() => Err(error),
        error => {
            let primed = Primed {
                head: Cursor::new(head.clone()),
                error,
                rest: input,
            };
            Ok((head, Box::new(primed)))
        }
    }
}

/// The input without its compression, if it has one.
///
/// # Errors
/// If the start can't be read or the decompressor can't be made.
pub(crate) fn peel(input: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let (magic, input) = prime(input, ZSTANDARD.len())?;
    let buffered = BufReader::with_capacity(BUFFER_BYTES, input);
    if magic.starts_with(&GZIP) {
        return Ok(Box::new(MultiGzDecoder::new(buffered)));
    }
    if is_compressed(&magic) {
        return Ok(Box::new(zstd::stream::read::Decoder::with_buffer(buffered)?));
    }
    Ok(Box::new(buffered))
}

/// Whether an input that begins with these four bytes is compressed.
pub(crate) fn is_compressed(magic: &[u8]) -> bool {
    let skippable = magic.first().is_some_and(|byte| byte & 0xf0 == 0x50)
        && magic.get(1..) == Some(ZSTANDARD_SKIPPABLE.as_slice());
    magic.starts_with(&GZIP) || magic.starts_with(&ZSTANDARD) || skippable
}
