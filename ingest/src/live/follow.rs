//! A text file that grows, is truncated, or is rotated away under its name.
//!
//! A file is known by its inode and by its first record, since inodes are given again. Its place is kept with its
//! events; after a restart reading goes on there. Only whole lines are read, except the last one of a file that was
//! rotated away. Polling, because notification does not reach across network file systems.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use ingest_event::{QuarantineReason, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::agent::Intake;
use crate::config::FileSource;
use crate::normalize::{Normalizer, NormalizerOptions, YearRule};
use crate::record::{Record, Refusal};
use crate::source::{Format, LINE_BYTES_MAX, identity_of, recognize};
use crate::spool::Progress;
use crate::stamp::SourceIdentity;

/// Between looks at a file that has not grown.
const POLL: Duration = Duration::from_millis(250);

/// Lines put into one transaction of the spool.
const LINES_PER_BATCH: usize = 1_000;

/// Bytes looked at to recognise the format.
const HEAD_BYTES: u64 = 64 * 1024;

/// One file under the followed name, until it is rotated away.
struct Followed {
    input: BufReader<File>,
    inode: u64,
    identity: SourceIdentity,
    key: String,
    format: Format,
    normalizer: Normalizer,
    progress: Progress,
    partial: Vec<u8>,
    partial_bytes: u64,
}

/// Reads until told to stop. A file that is not there yet is waited for.
///
/// # Errors
/// If the spool fails.
pub async fn follow(source: FileSource, intake: Arc<Intake>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut current: Option<Followed> = None;
    let mut told = false;
    while !stop.is_cancelled() {
        if current.is_none() {
            match Followed::open(&source, &intake) {
                Ok(opened) => current = opened,
                Err(error) if told => tracing::trace!(%error, "followed file"),
                Err(error) => {
                    told = true;
                    tracing::warn!(error = format!("{error:#}"), path = %source.path.display(), "wait for a file");
                }
            }
        }
        let mut grew = false;
        if let Some(file) = &mut current {
            told = false;
            // Asked before reading to the end: what was written before the rotation is in the old file.
            let replaced = file.replaced(&source);
            grew = file.read(&intake, replaced).await?;
            if replaced && !grew {
                current = None;
                continue;
            }
        }
        if !grew {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
    Ok(())
}

impl Followed {
    /// `None` while there is no whole line to know the file by.
    fn open(source: &FileSource, intake: &Intake) -> anyhow::Result<Option<Self>> {
        let mut file = File::open(&source.path)?;
        let metadata = file.metadata()?;
        let mut head = Vec::new();
        file.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
        let whole = match head.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => head.get(..=end).unwrap_or_default(),
            None if HEAD_BYTES <= head.len() as u64 => head.as_slice(),
            None => return Ok(None),
        };
        if !whole
            .split(|byte| *byte == b'\n')
            .any(|line| !line.trim_ascii().is_empty() && !line.starts_with(b"#"))
        {
            return Ok(None);
        }
        let format = match recognize(whole) {
            Ok(Format::Pcap | Format::Pcapng) => {
                anyhow::bail!("a capture can't be followed, leave `follow` out")
            }
            Ok(format) => format,
            Err(hint) => anyhow::bail!("its format is not known: {hint}"),
        };
        let content = identity_of(format, whole);
        let path = source.path.display().to_string();
        let key = format!(
            "follow:{path}#{}#{}",
            metadata.ino(),
            String::from_utf8_lossy(&content)
        );
        let mut progress = intake.progress(&key)?;
        if metadata.len() < progress.offset {
            // Cut shorter than what was read, and begun again with the same record.
            progress = Progress::default();
        }
        let mut normalizer = Normalizer::new(
            format,
            NormalizerOptions {
                dataset: source.dataset.clone(),
                home_networks: intake.home_networks().to_vec(),
                year: source
                    .year
                    .map_or_else(|| YearRule::Before(intake.clock().now()), YearRule::Fixed),
                utc_offset_secs: source.utc_offset_secs,
            },
        );
        file.seek(SeekFrom::Start(0))?;
        let mut input = BufReader::new(file);
        pass_over(&mut input, &mut normalizer, progress.offset)?;
        normalizer.resume(progress.last.map(Timestamp::from_nanos));
        Ok(Some(Self {
            input,
            inode: metadata.ino(),
            identity: SourceIdentity {
                name: path.clone(),
                content,
                path: Some(path),
            },
            key,
            format,
            normalizer,
            progress,
            partial: Vec::new(),
            partial_bytes: 0,
        }))
    }

    /// Whether another file has the name now, or this one was cut shorter than what was read of it.
    fn replaced(&self, source: &FileSource) -> bool {
        match std::fs::metadata(&source.path) {
            Ok(metadata) => {
                metadata.ino() != self.inode || metadata.len() < self.progress.offset + self.partial_bytes
            }
            // Between the rename and the new file; look again.
            Err(_) => false,
        }
    }

    /// Reads what has come. False at the end. `last` says that no more will come: a line without an end is whole.
    async fn read(&mut self, intake: &Arc<Intake>, last: bool) -> anyhow::Result<bool> {
        let mut records = Vec::new();
        let before = self.progress;
        while self.progress.lines - before.lines < LINES_PER_BATCH as u64 {
            let room = (LINE_BYTES_MAX as u64 + 1)
                .saturating_sub(self.partial.len() as u64)
                .max(1);
            let start = self.partial.len();
            let count = self
                .input
                .by_ref()
                .take(room)
                .read_until(b'\n', &mut self.partial)? as u64;
            self.partial_bytes += count;
            if count == 0 && (!last || self.partial.is_empty()) {
                break;
            }
            let ended = self.partial.last() == Some(&b'\n') || count == 0;
            if LINE_BYTES_MAX < self.partial.len() && !ended {
                // Keep the start only; the rest of the line is passed over as it comes.
                self.partial.truncate(start.max(LINE_BYTES_MAX));
                continue;
            }
            if ended {
                self.line(&mut records);
            }
        }
        if before == self.progress {
            return Ok(false);
        }
        self.progress.records += records.len() as u64;
        self.progress.last = self.normalizer.last().map(Timestamp::as_nanos);
        let progress = Some((self.key.clone(), self.progress));
        intake
            .hand_in(self.format.as_str(), &self.identity, records, progress)
            .await?;
        Ok(true)
    }

    fn line(&mut self, records: &mut Vec<Record>) {
        self.progress.lines += 1;
        self.progress.offset += self.partial_bytes;
        let line = self.partial.strip_suffix(b"\n").unwrap_or(&self.partial);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if (LINE_BYTES_MAX as u64) < self.partial_bytes.saturating_sub(1) {
            let detail = format!(
                "a line of {} bytes; {LINE_BYTES_MAX} is the most, split it",
                self.partial_bytes
            );
            let mut refusal = Refusal::new(QuarantineReason::TooLarge, detail, self.progress.lines, line);
            refusal.raw_bytes = self.partial_bytes;
            records.push(Record::Refused(refusal));
        } else {
            self.normalizer.line(line, self.progress.lines, records);
        }
        self.partial.clear();
        self.partial_bytes = 0;
    }
}

/// Goes to `offset`, taking note of the headers on the way.
fn pass_over(input: &mut BufReader<File>, normalizer: &mut Normalizer, offset: u64) -> std::io::Result<()> {
    let (mut line, mut read) = (Vec::new(), 0);
    while read < offset {
        line.clear();
        let count = input.by_ref().take(offset - read).read_until(b'\n', &mut line)? as u64;
        if count == 0 {
            break;
        }
        read += count;
        normalizer.pass_over(line.trim_ascii_end());
    }
    Ok(())
}
