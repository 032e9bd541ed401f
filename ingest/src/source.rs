//! Where telemetry comes from: files here, sockets and growing files in [`crate::live`].
//!
//! A file's format is recognised by its content, never by its name; gzip and Zstandard are read directly. Reading
//! streams: memory does not grow with the file. What a line or packet means is not decided here but in
//! [`crate::normalize`] and [`crate::capture`]. Each read hands on a bounded bite of [`Record`]s.

mod compression;
mod evtx;
mod lines;
mod recognize;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ingest_event::{QuarantineReason, Timestamp};
use ipnet::IpNet;
use thiserror::Error;

use crate::capture::{CaptureError, CaptureOptions, CaptureReader, Counts};
use crate::normalize::{Normalizer, NormalizerOptions, YearRule};
use crate::record::{Record, Refusal};

use compression::Counted;
pub(crate) use compression::{is_compressed, peel};
use evtx::EvtxReader;
pub use lines::LINE_BYTES_MAX;
use lines::{Line, LineReader};
pub use recognize::{Format, identity as identity_of, recognize};

/// Named by this, standard input is read.
pub const STDIN: &str = "-";

/// Records that one [`FileSource::read`] hands on before it returns: enough to make a batch worth the sync of its
/// transaction, few enough to keep a progress bar moving.
pub const RECORDS_PER_READ: usize = 2_000;

/// Bites of a capture after which one [`FileSource::read`] returns: 16,384 packets, which may say nothing.
const BITES_PER_READ: usize = 64;

/// Input bytes after which one [`FileSource::read`] returns, so that a bite of long lines stays small in memory.
const LINE_BYTES_PER_READ: u64 = 1 << 20;

/// How much of the start of a file is looked at to recognise its format: dozens of ordinary lines, and room for one
/// long one.
const HEAD_BYTES: usize = 64 * 1024;

/// What is known about a file beside its content.
#[derive(Clone, Debug, Default)]
pub struct FileOptions {
    /// The dataset of records that do not say theirs, for example `windows.security`. Zeek JSON without a path may be
    /// told here too: `zeek.conn`.
    pub dataset: Option<String>,
    /// The networks that are ours, for `network.direction`.
    pub home_networks: Vec<IpNet>,
    /// The year of RFC 3164 times, which have none. Without it the file's modification time decides.
    pub year: Option<i16>,
    /// Seconds east of UTC of times that don't say.
    pub utc_offset_secs: i32,
}

/// Why a file can't be read at all.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Missing, or no permission.
    #[error("open {path}: check that it exists and may be read")]
    Open {
        /// As it was named.
        path: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A directory instead of a file.
    #[error("read {path}: it is a directory, name the files in it")]
    Directory {
        /// As it was named.
        path: String,
    },
    /// Nothing in it.
    #[error("read {path}: it is empty")]
    Empty {
        /// As it was named.
        path: String,
    },
    /// No format that we know.
    #[error(
        "recognise the format of {path}: it is neither pcap, pcapng, EVTX, Suricata EVE JSON, Zeek TSV or JSON, syslog, \
         an access log, an audit log, nor one JSON object a line; {hint}"
    )]
    UnknownFormat {
        /// As it was named.
        path: String,
        /// What it looks like, and what would mend it.
        hint: String,
    },
    /// A capture that can't be taken apart, such as one of an unknown link type.
    #[error("read the capture {path}")]
    Capture {
        /// As it was named.
        path: String,
        /// What is wrong with it.
        #[source]
        source: CaptureError,
    },
    /// The start of it could not be read.
    #[error("read the start of {path}")]
    Read {
        /// As it was named.
        path: String,
        /// The system's or the decompressor's reason.
        #[source]
        source: io::Error,
    },
}

/// Why reading stopped before the end.
#[derive(Debug, Error)]
#[error("read {path} after {bytes} bytes")]
pub struct ReadError {
    /// As it was named.
    pub path: String,
    /// How far it came, in bytes of the file.
    pub bytes: u64,
    /// The system's reason.
    #[source]
    pub source: io::Error,
}

/// An open file of telemetry.
#[derive(Debug)]
pub struct FileSource {
    path: String,
    format: Format,
    identity: Vec<u8>,
    bytes_read: Arc<AtomicU64>,
    bytes_total: Option<u64>,
    counts: Counts,
    body: Body,
}

enum Body {
    Lines(Box<LineBody>),
    Capture(Box<CaptureReader<Box<dyn Read + Send>>>),
    Evtx(Box<EvtxReader<Box<dyn Read + Send>>>),
    Ended,
}

struct LineBody {
    lines: LineReader<Box<dyn Read + Send>>,
    normalizer: Normalizer,
    line: Vec<u8>,
}

/// Opens a file, or standard input when `path` is `-`, and recognises what is in it.
///
/// # Errors
/// If it can't be opened, is a directory, is empty, or its format is not known.
pub fn open(path: &Path, options: &FileOptions) -> Result<FileSource, OpenError> {
    let named = path.display().to_string();
    let fail = |source| OpenError::Open {
        path: named.clone(),
        source,
    };
    if path == Path::new(STDIN) {
        let origin = Origin {
            path: named,
            bytes_total: None,
            modified: None,
        };
        return from_reader(Box::new(io::stdin()), origin, options);
    }
    let file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.is_dir() {
        return Err(OpenError::Directory { path: named });
    }
    let modified = metadata.modified().ok().and_then(|time| {
        let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Timestamp::EPOCH.saturating_add(since))
    });
    let bytes_total = metadata.is_file().then_some(metadata.len());
    from_reader(
        Box::new(file),
        Origin {
            path: named,
            bytes_total,
            modified,
        },
        options,
    )
}

/// What is known about an input before it is read.
struct Origin {
    path: String,
    bytes_total: Option<u64>,
    modified: Option<Timestamp>,
}

fn from_reader(
    input: Box<dyn Read + Send>,
    origin: Origin,
    options: &FileOptions,
) -> Result<FileSource, OpenError> {
    let Origin {
        path,
        bytes_total,
        modified,
    } = origin;
    let bytes_read = Arc::new(AtomicU64::new(0));
    let counted = Counted::new(input, Arc::clone(&bytes_read));
    let plain = match compression::peel(Box::new(counted)) {
        Ok(plain) => plain,
        Err(source) => return Err(OpenError::Read { path, source }),
    };
    let (head, input) = match compression::prime(plain, HEAD_BYTES) {
        Ok(primed) => primed,
        Err(source) => return Err(OpenError::Read { path, source }),
    };
    if head.is_empty() {
        return Err(OpenError::Empty { path });
    }
    let format = match recognize(&head) {
        Ok(format) => format,
        Err(hint) => return Err(OpenError::UnknownFormat { path, hint }),
    };
    let year = match (options.year, modified) {
        (Some(year), _) => YearRule::Fixed(year),
        (None, Some(modified)) => YearRule::Before(modified),
        (None, None) => YearRule::Unknown,
    };
    let normalizer = Normalizer::new(
        format,
        NormalizerOptions {
            dataset: options.dataset.clone(),
            home_networks: options.home_networks.clone(),
            year,
            utc_offset_secs: options.utc_offset_secs,
        },
    );
    let body = match format {
        Format::Pcap | Format::Pcapng => {
            let options = CaptureOptions {
                home_networks: options.home_networks.clone(),
                ..CaptureOptions::default()
            };
            match CaptureReader::new(input, options) {
                Ok(reader) => Body::Capture(Box::new(reader)),
                Err(source) => return Err(OpenError::Capture { path, source }),
            }
        }
        Format::Evtx => Body::Evtx(Box::new(EvtxReader::new(input, normalizer))),
        Format::Eve
        | Format::ZeekTsv
        | Format::ZeekJson
        | Format::Ecs
        | Format::Ndjson
        | Format::Syslog
        | Format::Access
        | Format::Auditd => Body::Lines(Box::new(LineBody {
            lines: LineReader::new(input),
            normalizer,
            line: Vec::new(),
        })),
    };
    Ok(FileSource {
        identity: recognize::identity(format, &head),
        path,
        format,
        bytes_read,
        bytes_total,
        counts: Counts::default(),
        body,
    })
}

impl FileSource {
    /// Appends the next records to `out`. False at the end of the input, when nothing was appended.
    ///
    /// # Errors
    /// If the system can't read on. What is damaged in the input itself is no error but a [`Refusal`] in `out`.
    pub fn read(&mut self, out: &mut Vec<Record>) -> Result<bool, ReadError> {
        let more = match &mut self.body {
            Body::Lines(body) => body.read(out),
            Body::Capture(reader) => {
                let more = read_capture(reader, out);
                self.counts = reader.counts();
                more
            }
            Body::Evtx(reader) => reader.read(out),
            Body::Ended => Ok(false),
        };
        match more {
            Ok(true) => Ok(true),
            Ok(false) => {
                self.body = Body::Ended;
                Ok(false)
            }
            Err(source) => {
                self.body = Body::Ended;
                Err(ReadError {
                    path: self.path.clone(),
                    bytes: self.bytes_read(),
                    source,
                })
            }
        }
    }

    /// The file as it was named.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What it was recognised as.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Names the content, whatever the file is called and however it is compressed: a digest of its start.
    #[must_use]
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// What became of a capture's frames; all zero for other formats.
    #[must_use]
    pub fn capture_counts(&self) -> Counts {
        self.counts
    }

    /// Bytes read of the file as it is on disk, compressed or not.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// The size of the file on disk; `None` for standard input and pipes.
    #[must_use]
    pub fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }
}

fn read_capture<R: Read>(reader: &mut CaptureReader<R>, out: &mut Vec<Record>) -> io::Result<bool> {
    let start = out.len();
    for _ in 0..BITES_PER_READ {
        match reader.read(out) {
            Ok(true) if out.len() - start < RECORDS_PER_READ => {}
            Ok(more) => return Ok(more || start < out.len()),
            Err(CaptureError::Read { source }) => {
                let refusal = damaged(&source, reader.packets() + 1, &[]).ok_or(source)?;
                out.push(Record::Refused(refusal));
                // The reader hands out the flows that are still open next.
                return Ok(true);
            }
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
    Ok(true)
}

impl LineBody {
    fn read(&mut self, out: &mut Vec<Record>) -> io::Result<bool> {
        let (start, until) = (out.len(), self.lines.offset() + LINE_BYTES_PER_READ);
        while out.len() - start < RECORDS_PER_READ && self.lines.offset() < until {
            match self.lines.next(&mut self.line) {
                Ok(Line::Whole) => self.normalizer.line(&self.line, self.lines.number(), out),
                Ok(Line::TooLong { bytes }) => {
                    let detail = format!("a line of {bytes} bytes; {LINE_BYTES_MAX} is the most, split it");
                    let mut refusal = Refusal::new(
                        QuarantineReason::TooLarge,
                        detail,
                        self.lines.number(),
                        &self.line,
                    );
                    refusal.raw_bytes = bytes;
                    out.push(Record::Refused(refusal));
                }
                Ok(Line::End) => return Ok(start < out.len()),
                Err(error) => {
                    let Some(refusal) = damaged(&error, self.lines.number() + 1, &self.line) else {
                        return Err(error);
                    };
                    out.push(Record::Refused(refusal));
                    self.lines.stop();
                    return Ok(true);
                }
            }
        }
        Ok(true)
    }
}

/// A compressed input that ends early or is damaged: nothing after it can be read, and that is told.
fn damaged(error: &io::Error, position: u64, raw: &[u8]) -> Option<Refusal> {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Some(Refusal::new(
            QuarantineReason::Truncated,
            "the compressed file ends in the middle, copy it again; all before it was read",
            position,
            raw,
        )),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            Some(Refusal::new(
                QuarantineReason::Malformed,
                format!("the compressed file is damaged ({error}), copy it again; all before it was read"),
                position,
                raw,
            ))
        }
        _ => None,
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Lines(_) => "Lines",
            Self::Capture(_) => "Capture",
            Self::Evtx(_) => "Evtx",
            Self::Ended => "Ended",
        })
    }
}
