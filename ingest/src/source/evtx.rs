//! Windows event logs: chunk by chunk, each record as a line of JSON for [`crate::normalize`].
//!
//! A log is a header of 4096 bytes and chunks of 65,536 that each hold all that their records need ("Windows XML Event
//! Log (EVTX) format", libyal), so that it can be read as a stream, compressed or not. Records come in the order of the
//! file; a log that went round begins in the middle. What can't be read of a chunk is put aside, and the next one read.

use std::io::{self, Read};
use std::sync::Arc;

use evtx::{EvtxChunkData, ParserSettings};
use ingest_event::QuarantineReason;

use super::{Normalizer, Record, Refusal};

/// The file's header.
const HEADER_BYTES: usize = 4096;

/// A chunk.
const CHUNK_BYTES: usize = 65_536;

/// What the records of one chunk may become: a hundred times the chunk. Templates that are used over and over make more of
/// less, and a chunk that was made for it fills the memory.
const CHUNK_LINES_BYTES_MAX: usize = 100 * CHUNK_BYTES;

/// How a chunk that was written to begins.
const CHUNK: &[u8] = b"ElfChnk\0";

/// A Windows event log in reading.
pub(super) struct EvtxReader<R> {
    input: R,
    settings: Arc<ParserSettings>,
    normalizer: Normalizer,
    /// Chunks read.
    chunks: u64,
    has_header: bool,
    /// What the records of one chunk may become.
    lines_bytes_max: usize,
}

impl<R: Read> EvtxReader<R> {
    pub(super) fn new(input: R, normalizer: Normalizer) -> Self {
        Self {
            input,
            settings: Arc::new(ParserSettings::new()),
            normalizer,
            chunks: 0,
            has_header: false,
            lines_bytes_max: CHUNK_LINES_BYTES_MAX,
        }
    }

    /// Appends the records of the next chunk. False at the end.
    ///
    /// # Errors
    /// If the system can't read on.
    pub(super) fn read(&mut self, out: &mut Vec<Record>) -> io::Result<bool> {
        if !self.has_header {
            self.has_header = true;
            let mut header = vec![0; HEADER_BYTES];
            let read = fill(&mut self.input, &mut header)?;
            if read < HEADER_BYTES {
                out.push(cut(0, header.get(..read).unwrap_or(&header)));
                return Ok(true);
            }
        }
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let read = fill(&mut self.input, &mut chunk)?;
            if read == 0 {
                return Ok(false);
            }
            self.chunks += 1;
            // Windows makes logs longer before it writes to them.
            let is_unused = chunk
                .get(..read)
                .is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0));
            if is_unused {
                continue;
            }
            if read < CHUNK_BYTES {
                out.push(cut(self.chunks, chunk.get(..read).unwrap_or(&chunk)));
                return Ok(true);
            }
            let before = out.len();
            self.take(chunk, out);
            if before < out.len() {
                return Ok(true);
            }
        }
    }

    fn take(&mut self, chunk: Vec<u8>, out: &mut Vec<Record>) {
        let number = self.chunks;
        let broken = |what: &str| {
            let detail = format!(
                "chunk {number} of the event log {what}; its other records were read, export the log again"
            );
            // What is kept aside is what the reason says of it: a chunk's bytes are no line to look at.
            Record::Refused(Refusal::new(QuarantineReason::Malformed, detail, number, CHUNK))
        };
        if !chunk.starts_with(CHUNK) {
            out.push(broken("is none"));
            return;
        }
        let mut chunk = match EvtxChunkData::new(chunk, false) {
            Ok(chunk) => chunk,
            Err(error) => return out.push(broken(&format!("can't be read ({error})"))),
        };
        let mut parsed = match chunk.parse(Arc::clone(&self.settings)) {
            Ok(parsed) => parsed,
            Err(error) => return out.push(broken(&format!("can't be read ({error})"))),
        };
        let mut bytes = 0;
        // Once there is too much of it: what comes then is refused one by one, so that it is counted.
        let mut is_over = false;
        for record in parsed.iter() {
            if is_over {
                let id = record.map_or(number, |record| record.event_record_id);
                out.push(too_large(id));
                continue;
            }
            let json = record.and_then(|record| {
                let id = record.event_record_id;
                Ok((id, record.into_json_bytes()?.data))
            });
            match json {
                Ok((id, line)) => {
                    bytes += line.len();
                    if self.lines_bytes_max < bytes {
                        is_over = true;
                        out.push(too_large(id));
                        continue;
                    }
                    self.normalizer.line(&line, id, out);
                }
                Err(error) => out.push(broken(&format!("has a record that can't be read ({error})"))),
            }
        }
    }
}

/// Fills the buffer as far as the input goes; how many bytes that were.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn too_large(id: u64) -> Record {
    let detail = "a chunk of an event log becomes more than a hundred times its size; this record of it was left out, \
                  look at the log on site";
    Record::Refused(Refusal::new(QuarantineReason::TooLarge, detail, id, CHUNK))
}

fn cut(number: u64, raw: &[u8]) -> Record {
    let detail =
        format!("the event log ends in the middle of chunk {number}, copy it again; all before it was read");
    Record::Refused(Refusal::new(QuarantineReason::Truncated, detail, number, raw))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    use super::*;
    use crate::normalize::{NormalizerOptions, YearRule};
    use crate::source::Format;

    fn first_log(folder: &Path) -> Option<PathBuf> {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)
            .ok()?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        paths.sort();
        paths.iter().find_map(|path| match path.is_dir() {
            true => first_log(path),
            false => path
                .extension()
                .is_some_and(|end| end == "evtx")
                .then(|| path.clone()),
        })
    }

    #[test]
    fn a_chunk_becomes_no_more_than_its_room() {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
        let root = env::var_os("VARDE_CAPTURES").map_or_else(beside, PathBuf::from);
        let Some(path) = first_log(&root.join("sigma")) else {
            println!("skipped: captures not found at {}", root.display());
            return;
        };
        let options = NormalizerOptions {
            dataset: None,
            home_networks: Vec::new(),
            year: YearRule::Unknown,
            utc_offset_secs: 0,
        };
        let read = |lines_bytes_max| {
            let input = fs::File::open(&path).expect("opens");
            let mut reader = EvtxReader::new(input, Normalizer::new(Format::Evtx, options.clone()));
            reader.lines_bytes_max = lines_bytes_max;
            let mut out = Vec::new();
            while reader.read(&mut out).expect("reads") {}
            out
        };
        let out = read(100);
        let whole = read(CHUNK_LINES_BYTES_MAX);
        assert_eq!(
            out.len(),
            whole.len(),
            "each that is left out counts: {}",
            path.display()
        );
        let is_too_large = |record: &Record| matches!(record, Record::Refused(refusal) if refusal.reason == QuarantineReason::TooLarge);
        assert!(out.iter().all(is_too_large), "{out:?}");
    }
}
