//! A text file that grows, is truncated, or is rotated away under its name.
//!
//! Where reading stands is known by the bytes before it ([`place`]), and kept with the events: after a restart reading
//! goes on there, under whatever name the file has now, and then with those that were begun and rotated away meanwhile.
//! Only whole lines are read, except the last one of a file that was rotated away. Polling, because notification does
//! not reach across network file systems. All of it runs on threads that may wait for a disk.

mod place;

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ingest_event::{QuarantineReason, Timestamp};
use tokio_util::sync::CancellationToken;

use self::place::{Found, Input, Trail};
use crate::agent::Intake;
use crate::config::FileSource;
use crate::normalize::{Normalizer, NormalizerOptions, YearRule};
use crate::record::{Record, Refusal};
use crate::source::{Format, LINE_BYTES_MAX, identity_of, recognize};
use crate::spool::Progress;
use crate::stamp::SourceIdentity;

/// Between looks at a file that has not grown.
const POLL: Duration = Duration::from_millis(250);

/// Lines put into one append to the spool.
const LINES_PER_BATCH: u64 = 1_000;

/// Bytes after which an append is full: one more line at most, so that long lines stay few in memory.
const BYTES_PER_BATCH: u64 = 1 << 20;

/// Bytes looked at to recognise the format.
const HEAD_BYTES: u64 = 64 * 1024;

/// One file that has or had the followed name.
struct Followed {
    input: Input,
    /// Unless it is compressed.
    plain: Option<File>,
    path: PathBuf,
    inode: u64,
    /// Whether it was found under another name: then nobody begins it anew.
    is_rotated: bool,
    identity: SourceIdentity,
    format: Format,
    normalizer: Normalizer,
    progress: Progress,
    /// Files read to their end before this one.
    done: Vec<String>,
    /// Up to the last whole line.
    settled: Trail,
    /// Up to the last byte read.
    trail: Trail,
    partial: Vec<u8>,
    partial_bytes: u64,
}

/// What a look at a file brought.
enum Look {
    /// Records up to a new place.
    More(Box<Bite>),
    /// Nothing for now.
    Nothing,
    /// It is read to its end, and another one is there.
    Ended,
    /// It was cut, or written anew, under our hands: what was read last is not what follows what was read before.
    Cut,
}

/// What was read at once.
struct Bite {
    records: Vec<Record>,
    format: Format,
    identity: SourceIdentity,
    progress: Progress,
}

/// Follows one name.
struct Follower {
    source: FileSource,
    intake: Arc<Intake>,
    current: Option<Followed>,
    /// Whether the file before was read to its end by us.
    is_ended: bool,
    told: bool,
}

/// Reads until told to stop. A file that is not there yet is waited for.
///
/// # Errors
/// If the spool or the file fails.
pub async fn follow(source: FileSource, intake: Arc<Intake>, stop: CancellationToken) -> anyhow::Result<()> {
    let key = key(&source.path);
    let mut follower = Follower {
        source,
        intake: Arc::clone(&intake),
        current: None,
        is_ended: false,
        told: false,
    };
    while !stop.is_cancelled() {
        let looked;
        (follower, looked) = tokio::task::spawn_blocking(move || {
            let looked = follower.look();
            (follower, looked)
        })
        .await?;
        match looked? {
            Look::More(bite) => {
                let place = Some((key.clone(), bite.progress));
                intake
                    .hand_in(bite.format.as_str(), &bite.identity, bite.records, place)
                    .await?;
            }
            Look::Ended | Look::Cut => {}
            Look::Nothing => tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            },
        }
    }
    Ok(())
}

/// Of the place in the spool.
pub(super) fn key(path: &Path) -> String {
    format!("follow:{}", path.display())
}

impl Follower {
    /// Opens what is to be read next, if nothing is open, and reads on.
    fn look(&mut self) -> anyhow::Result<Look> {
        if self.current.is_none() {
            if self.source.path.is_dir() {
                // It was not there when this began; whoever started it follows what is in it.
                anyhow::bail!("{} is a folder", self.source.path.display());
            }
            match self.next() {
                Ok(Some(found)) => (self.current, self.told) = (Some(found), false),
                Ok(None) => return Ok(Look::Nothing),
                Err(error) if self.told => tracing::trace!(%error, "followed file"),
                Err(error) => {
                    self.told = true;
                    let path = self.source.path.display();
                    tracing::warn!(error = format!("{error:#}"), %path, "wait for a file");
                }
            }
        }
        let Some(file) = &mut self.current else {
            return Ok(Look::Nothing);
        };
        // Asked before reading to the end: what was written before the rotation is in the old file.
        let look = match file.replaced(&self.source) {
            None => Look::Cut,
            Some(replaced) => file.read(replaced)?,
        };
        if let Look::Ended | Look::Cut = look {
            self.is_ended = matches!(look, Look::Ended);
            self.current = None;
        }
        Ok(look)
    }

    /// The file to read next: the one that was read last, if there is more of it; else what was rotated away since;
    /// else the one that has the name. `None` while there is no whole line to know it by.
    fn next(&self) -> anyhow::Result<Option<Followed>> {
        let path = &self.source.path;
        let progress = self.intake.progress(&key(path));
        if progress.mark.is_none() {
            // A place that a version before 0.2 kept is found by inode and first record.
            return self.open(place::start(path)?, Place::Legacy);
        }
        if let Ok(Some(found)) = place::resume(path, &progress) {
            return self.open(found, Place::At(progress));
        }
        let since = progress.mark.as_ref().map_or(0, |mark| mark.modified);
        let siblings = place::rotated(path, since);
        let mut ours = None;
        for (sibling, _) in siblings.iter().rev() {
            // One that can't be read is not the one.
            if let Ok(Some(found)) = place::resume(sibling, &progress) {
                ours = Some(found);
                break;
            }
        }
        let is_known = ours.is_some() || self.is_ended;
        let our_path = ours.as_ref().map(|found| found.path.clone());
        if let Some(found) = ours.filter(|found| !found.is_at_end) {
            return self.open(found, Place::At(progress));
        }
        let mark = progress.mark.unwrap_or_default();
        let mut done = mark.done;
        if let Some(remembered) = our_path.as_deref().and_then(place::remembered) {
            place::remember(&mut done, remembered);
        }
        let unread = siblings.iter().find(|(sibling, metadata)| {
            mark.modified <= place::modified(metadata)
                && Some(sibling) != our_path.as_ref()
                && place::remembered(sibling).is_some_and(|known| !done.contains(&known))
        });
        let next = unread.map_or(path, |(sibling, _)| sibling);
        let opened = self.open(place::start(next)?, Place::Start(done))?;
        if opened.is_some() && !is_known {
            self.intake.metrics().followed_gaps.inc();
            tracing::warn!(path = %path.display(), "the file that was read last is gone or cut: what was not read of it is lost");
        }
        Ok(opened)
    }

    fn open(&self, mut found: Found, place: Place) -> anyhow::Result<Option<Followed>> {
        let mut start = place::start(&found.path)?;
        let mut head = Vec::new();
        start.input.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
        let is_rotated = found.path != self.source.path;
        let whole = match head.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => head.get(..=end).unwrap_or_default(),
            None if HEAD_BYTES <= head.len() as u64 || is_rotated => head.as_slice(),
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
        let name = self.source.path.display().to_string();
        let (mut progress, mut done) = (Progress::default(), Vec::new());
        match place {
            Place::At(at) => {
                done = at.mark.as_ref().map(|mark| mark.done.clone()).unwrap_or_default();
                progress = at;
            }
            Place::Start(before) => done = before,
            Place::Legacy => {
                let (inode, record) = (found.metadata.ino(), String::from_utf8_lossy(&content));
                let at = self.intake.progress(&format!("follow:{name}#{inode}#{record}"));
                if at.offset <= found.metadata.len() && found.plain.is_some() {
                    found = place::seek(found, at.offset)?;
                    progress = at;
                }
            }
        }
        let mut normalizer = self.normalizer(format);
        if format == Format::ZeekTsv {
            pass_over(
                &mut place::start(&found.path)?.input,
                &mut normalizer,
                progress.offset,
            )?;
        }
        normalizer.resume(progress.last.map(Timestamp::from_nanos));
        Ok(Some(Followed {
            input: found.input,
            plain: found.plain,
            path: found.path,
            inode: found.metadata.ino(),
            is_rotated,
            identity: SourceIdentity {
                name: name.clone(),
                content,
                path: Some(name),
            },
            format,
            normalizer,
            progress,
            done,
            settled: found.trail.clone(),
            trail: found.trail,
            partial: Vec::new(),
            partial_bytes: 0,
        }))
    }

    fn normalizer(&self, format: Format) -> Normalizer {
        let now = self.intake.clock().now();
        let year = self.source.year;
        Normalizer::new(
            format,
            NormalizerOptions {
                dataset: self.source.dataset.clone(),
                home_networks: self.intake.home_networks().to_vec(),
                year: year.map_or_else(|| YearRule::Before(now), YearRule::Fixed),
                utc_offset_secs: self.source.utc_offset_secs,
            },
        )
    }
}

/// Where reading begins.
enum Place {
    /// Where it stood.
    At(Progress),
    /// At the start; these were read to their end before.
    Start(Vec<String>),
    /// Where an older version stood, if it did.
    Legacy,
}

impl Followed {
    /// Whether another file is to be read once this one is at its end; `None` if it was cut shorter than what was read
    /// of it.
    fn replaced(&self, source: &FileSource) -> Option<bool> {
        let read = self.progress.offset + self.partial_bytes;
        let length = self
            .plain
            .as_ref()
            .and_then(|plain| plain.metadata().ok())
            .map(|file| file.len());
        if length.is_some_and(|length| length < read) {
            return None;
        }
        // An empty one is not written to yet: whoever writes may still have the old one open.
        let has_another = std::fs::metadata(&source.path)
            .is_ok_and(|metadata| metadata.ino() != self.inode && metadata.len() != 0);
        let has_newer = || {
            let mine = std::fs::metadata(&self.path).ok();
            let mine = mine.map_or(i64::MAX, |metadata| place::modified(&metadata));
            let newest = place::rotated(&source.path, mine).pop();
            newest.is_some_and(|(path, metadata)| path != self.path && mine <= place::modified(&metadata))
        };
        Some(has_another || self.is_rotated && (self.plain.is_none() || has_newer()))
    }

    /// Reads what has come. `last` says that no more will come: a line without an end is whole.
    fn read(&mut self, last: bool) -> io::Result<Look> {
        let mut records = Vec::new();
        let before = self.progress.clone();
        let start = self.settled.clone();
        while self.progress.lines - before.lines < LINES_PER_BATCH
            && self.progress.offset - before.offset < BYTES_PER_BATCH
        {
            let room = (LINE_BYTES_MAX as u64 + 1)
                .saturating_sub(self.partial.len() as u64)
                .max(1);
            let held = self.partial.len();
            let count = self
                .input
                .by_ref()
                .take(room)
                .read_until(b'\n', &mut self.partial)? as u64;
            self.trail.take(self.partial.get(held..).unwrap_or_default());
            self.partial_bytes += count;
            if count == 0 && (!last || self.partial.is_empty()) {
                break;
            }
            let ended = self.partial.last() == Some(&b'\n') || count == 0;
            if LINE_BYTES_MAX < self.partial.len() && !ended {
                // Keep the start only; the rest of the line is passed over as it comes.
                self.partial.truncate(held.max(LINE_BYTES_MAX));
                continue;
            }
            if ended {
                self.line(&mut records);
            }
        }
        let mut modified = 0;
        if let Some(plain) = &self.plain {
            // Asked after reading: then what was read is what followed these bytes.
            let metadata = plain.metadata()?;
            let read = self.progress.offset + self.partial_bytes;
            if metadata.len() < read || !place::still(plain, before.offset, &start) {
                return Ok(Look::Cut);
            }
            modified = place::modified(&metadata);
        } else if let Ok(metadata) = std::fs::metadata(&self.path) {
            modified = place::modified(&metadata);
        }
        if before == self.progress {
            return Ok(if last { Look::Ended } else { Look::Nothing });
        }
        self.progress.records += records.len() as u64;
        self.progress.last = self.normalizer.last().map(Timestamp::as_nanos);
        self.progress.mark = Some(self.settled.mark(modified, self.done.clone()));
        Ok(Look::More(Box::new(Bite {
            records,
            format: self.format,
            identity: self.identity.clone(),
            progress: self.progress.clone(),
        })))
    }

    fn line(&mut self, records: &mut Vec<Record>) {
        self.settled.settle(&self.trail);
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

/// Takes note of the headers before `offset`.
fn pass_over(input: &mut impl BufRead, normalizer: &mut Normalizer, offset: u64) -> io::Result<()> {
    let (mut line, mut read) = (Vec::new(), 0);
    while read < offset {
        line.clear();
        let count = input.take(offset - read).read_until(b'\n', &mut line)? as u64;
        if count == 0 {
            break;
        }
        read += count;
        normalizer.pass_over(line.trim_ascii_end());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
