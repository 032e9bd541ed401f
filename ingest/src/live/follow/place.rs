//! Where reading stands in a file that may be renamed, copied, cut or compressed meanwhile: known by the bytes before it.
//!
//! Neither name nor inode tell: names move on at each rotation, and inodes are given again. A file is the one that was
//! read when it begins with the same bytes and has the same ones before the place.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use ingest_event::Timestamp;
use sha2::{Digest, Sha256};

use crate::live::folder::is_day;
use crate::source::{is_compressed, peel};
use crate::spool::{Mark, Progress};

/// Bytes of the start that are compared: enough for the first lines with their times.
const HEAD_BYTES: usize = 1_024;

/// Bytes before the place that are compared.
const TAIL_BYTES: usize = 256;

/// Files read to their end that are remembered, for those that were written in the same tick of the file system's
/// clock.
const DONE_MAX: usize = 8;

/// What a file is read through: itself, or its decompressor.
pub(super) type Input = BufReader<Box<dyn Read + Send>>;

/// The bytes by which a place is known again.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    head: Vec<u8>,
    tail: Vec<u8>,
}

/// A file opened at a place.
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Set unless it is compressed.
    pub(super) plain: Option<File>,
    pub(super) input: Input,
    pub(super) metadata: Metadata,
    pub(super) trail: Trail,
    pub(super) is_at_end: bool,
}

impl Trail {
    /// Goes on over these bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let room = HEAD_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(bytes.get(..room).unwrap_or_default());
        let kept = bytes
            .get(bytes.len().saturating_sub(TAIL_BYTES)..)
            .unwrap_or_default();
        let over = (self.tail.len() + kept.len()).saturating_sub(TAIL_BYTES);
        self.tail.drain(..over.min(self.tail.len()));
        self.tail.extend_from_slice(kept);
    }

    /// The same place as that of another trail, which went on from this one.
    pub(super) fn settle(&mut self, at: &Self) {
        if self.head.len() < HEAD_BYTES {
            self.head.clone_from(&at.head);
        }
        self.tail.clone_from(&at.tail);
    }

    /// As it is stored.
    pub(super) fn mark(&self, modified: i64, done: Vec<String>) -> Mark {
        Mark {
            head: digest(&self.head),
            tail: digest(&self.tail),
            modified,
            done,
        }
    }

    fn is(&self, mark: &Mark) -> bool {
        digest(&self.tail) == mark.tail && digest(&self.head) == mark.head
    }
}

fn digest(bytes: &[u8]) -> String {
    let whole = Sha256::digest(bytes);
    hex::encode(whole.get(..16).unwrap_or_default())
}

/// The time of a file's last change, in nanoseconds since 1970.
pub(super) fn modified(metadata: &Metadata) -> i64 {
    metadata
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.mtime_nsec())
}

/// Opens a file from its start.
pub(super) fn start(path: &Path) -> io::Result<Found> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let (plain, input) = input(file)?;
    Ok(Found {
        path: path.to_path_buf(),
        is_at_end: metadata.len() == 0,
        plain,
        input,
        metadata,
        trail: Trail::default(),
    })
}

/// Opens a file at a place, if it is the one that was read up to there.
pub(super) fn resume(path: &Path, progress: &Progress) -> io::Result<Option<Found>> {
    let Some(mark) = &progress.mark else {
        return Ok(None);
    };
    let mut found = start(path)?;
    found.trail = match &found.plain {
        Some(_) if found.metadata.len() < progress.offset => return Ok(None),
        Some(plain) => stored(plain, progress.offset)?,
        None => passed(&mut found.input, progress.offset)?,
    };
    if !found.trail.is(mark) {
        return Ok(None);
    }
    if found.plain.is_some() {
        return seek(found, progress.offset).map(Some);
    }
    found.is_at_end = io::BufRead::fill_buf(&mut found.input)?.is_empty();
    Ok(Some(found))
}

/// Whether a file still has the bytes before this place that were read there.
pub(super) fn still(plain: &File, offset: u64, trail: &Trail) -> bool {
    let mut bytes = vec![0; trail.tail.len()];
    let at = offset.saturating_sub(bytes.len() as u64);
    plain.read_exact_at(&mut bytes, at).is_ok() && bytes == trail.tail
}

/// Moves a file that was just opened to a place.
pub(super) fn seek(mut found: Found, offset: u64) -> io::Result<Found> {
    if let Some(plain) = &mut found.plain {
        found.trail = stored(plain, offset)?;
        // The input reads the same open file, and has read nothing of it yet.
        plain.seek(SeekFrom::Start(offset))?;
        found.is_at_end = found.metadata.len() == offset;
    }
    Ok(found)
}

fn input(file: File) -> io::Result<(Option<File>, Input)> {
    let mut magic = [0; 4];
    let looked = file.read_at(&mut magic, 0)?;
    if is_compressed(magic.get(..looked).unwrap_or_default()) {
        return Ok((None, BufReader::new(peel(Box::new(file))?)));
    }
    let plain = file.try_clone()?;
    Ok((Some(plain), BufReader::new(Box::new(file))))
}

/// The trail of a place in a file that can be read anywhere.
fn stored(plain: &File, offset: u64) -> io::Result<Trail> {
    let part = |bytes: usize| vec![0; usize::try_from(offset).unwrap_or(bytes).min(bytes)];
    let (mut head, mut tail) = (part(HEAD_BYTES), part(TAIL_BYTES));
    plain.read_exact_at(&mut head, 0)?;
    let before = offset - tail.len() as u64;
    plain.read_exact_at(&mut tail, before)?;
    Ok(Trail { head, tail })
}

/// Reads on to a place. That of a shorter file is its end, and so no place that was ever marked.
fn passed(input: &mut impl Read, offset: u64) -> io::Result<Trail> {
    let (mut trail, mut left) = (Trail::default(), offset);
    let mut buffer = vec![0; 64 * 1024];
    while 0 < left {
        let most = usize::try_from(left).unwrap_or(buffer.len()).min(buffer.len());
        let count = input.read(buffer.get_mut(..most).unwrap_or_default())?;
        if count == 0 {
            return Ok(Trail::default());
        }
        trail.take(buffer.get(..count).unwrap_or_default());
        left -= count as u64;
    }
    Ok(trail)
}

/// Files beside a followed one, or in folders by the day beside its folder, that have its name and a number or a date, as
/// rotation makes them, the one changed longest ago first: `eve.json.1`, `eve.json-20260302.gz`, `eve-2026-03-02.json`.
/// Folders of days before `since`, in nanoseconds since 1970, are left out.
pub(super) fn rotated(path: &Path, since: i64) -> Vec<(PathBuf, Metadata)> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let mut found: Vec<_> = std::iter::once(folder.to_path_buf())
        .chain(days_beside(folder, since))
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let is_one = entry
                .file_name()
                .to_str()
                .is_some_and(|other| is_rotation_of(name, other));
            let metadata = entry.metadata().ok().filter(|metadata| metadata.is_file())?;
            (is_one && metadata.len() != 0).then(|| (entry.path(), metadata))
        })
        .collect();
    // Of two that were changed in one tick the one with the higher number is older.
    found.sort_by(|(one, older), (other, newer)| (modified(older), other).cmp(&(modified(newer), one)));
    found
}

/// Folders by the day beside a folder, into which ZeekControl moves what was rotated, from a time on: the place of a file
/// that was read last is in one of them, however long the sensor was away.
fn days_beside(folder: &Path, since: i64) -> Vec<PathBuf> {
    // Days are named by local time, and hours by when they began.
    const DAYS: usize = 3;
    const SLACK: i64 = 2 * 86_400 * 1_000_000_000;
    let first = Timestamp::from_nanos(since.saturating_sub(SLACK)).to_string();
    let first = first.get(..10).unwrap_or_default();
    let beside = folder.parent().and_then(|parent| std::fs::read_dir(parent).ok());
    let mut days: Vec<PathBuf> = beside
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_day))
        .map(|entry| entry.path())
        .filter(|path| path != folder)
        .collect();
    days.sort();
    // The newest in any case: clocks are set, too.
    let newest = days.len().saturating_sub(DAYS);
    let is_since = |day: &PathBuf| {
        day.file_name()
            .is_some_and(|name| name.to_str().is_some_and(|name| first <= name))
    };
    let from = days.iter().position(is_since).unwrap_or(newest).min(newest);
    days.split_off(from)
}

fn is_rotation_of(name: &str, other: &str) -> bool {
    let other = [".gz", ".zst"]
        .iter()
        .find_map(|end| other.strip_suffix(end))
        .unwrap_or(other);
    let is_number = |text: &str| {
        let digits = text.strip_prefix(['.', '-', '_']).unwrap_or("");
        digits.starts_with(|c: char| c.is_ascii_digit())
            && digits
                .chars()
                .all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | ':' | 'T'))
    };
    if other.strip_prefix(name).is_some_and(is_number) {
        return true;
    }
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return false;
    };
    other
        .strip_prefix(stem)
        .and_then(|rest| rest.strip_suffix(extension)?.strip_suffix('.'))
        .is_some_and(is_number)
}

/// By what a file that was read to its end is remembered.
pub(super) fn remembered(path: &Path) -> Option<String> {
    let mut found = start(path).ok()?;
    let mut head = Vec::new();
    found
        .input
        .by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .ok()?;
    Some(digest(&head))
}

/// Adds one that was read to its end.
pub(super) fn remember(done: &mut Vec<String>, one: String) {
    if !done.contains(&one) {
        done.push(one);
    }
    done.drain(..done.len().saturating_sub(DONE_MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rotated_files_are_known() {
        for (name, other, is_one) in [
            ("eve.json", "eve.json.1", true),
            ("eve.json", "eve.json.12.gz", true),
            ("eve.json", "eve.json-20260302", true),
            ("eve.json", "eve.json-20260302.zst", true),
            ("eve.json", "eve-2026-03-02.json", true),
            ("conn.log", "conn.08:00:00-09:00:00.log.gz", true),
            ("log", "log.1", true),
            ("log", "log", false),
            ("eve.json", "eve.json", false),
            ("eve.json", "eve.json.bak", false),
            ("eve.json", "eve.json.1.swp", false),
            ("eve.json", "eve.json.", false),
            ("eve.json", "even.json.1", false),
            ("log", "log1", false),
        ] {
            assert_eq!(is_rotation_of(name, other), is_one, "{name} {other}");
        }
    }

    #[test]
    fn days_from_the_last_change_on_are_looked_at() {
        let root = tempfile::tempdir().expect("a folder");
        let days = [
            "2025-12-01",
            "2026-03-02",
            "2026-03-03",
            "2026-03-04",
            "2026-03-05",
            "2026-03-06",
        ];
        for day in days {
            std::fs::create_dir(root.path().join(day)).expect("made");
            std::fs::write(root.path().join(day).join("conn.08:00:00-09:00:00.log"), "x").expect("written");
        }
        std::fs::create_dir(root.path().join("current")).expect("made");
        let since: Timestamp = "2026-03-02T08:30:00Z".parse().expect("a time");
        let found = rotated(&root.path().join("current/conn.log"), since.as_nanos());
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn a_trail_is_that_of_the_whole_whatever_the_steps() {
        let bytes: Vec<u8> = (0..3_000_u32).map(|number| (number % 251) as u8).collect();
        let mut whole = Trail::default();
        whole.take(&bytes);
        for step in [1, 7, 300, 2_999] {
            let mut trail = Trail::default();
            bytes.chunks(step).for_each(|chunk| trail.take(chunk));
            assert_eq!((&trail.head, &trail.tail), (&whole.head, &whole.tail), "{step}");
        }
        let read = passed(&mut bytes.as_slice(), 2_000).expect("reads");
        assert_eq!(read.tail, bytes[2_000 - TAIL_BYTES..2_000]);
        assert!(
            passed(&mut bytes.as_slice(), 9_000)
                .expect("reads")
                .tail
                .is_empty()
        );
    }
}
