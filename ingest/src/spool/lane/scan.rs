//! What is on disk of a stream: taken stock of at the start, and read frame by frame.
//!
//! Numbers that should be there and are not are kept as a segment without bytes, so that they are counted in their place
//! and told as damage.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::{EXTENSION, Lane, Segment};
use crate::spool::frame::{self, HEADER_BYTES, Header};
use crate::spool::{Progress, Stream};

/// Bytes looked at at once for the next frame behind damage.
const SEARCH_BYTES: usize = 64 << 10;

/// Names for one segment that can't be read, before the next one is written over.
const ASIDE_MAX: u32 = 100;

/// A frame, or what is in its place.
pub(super) enum Found {
    Frame(Header),
    /// Damage, up to the next frame.
    Damage(u64),
    /// Damage up to the end.
    End,
}

/// What is known of a stream without its segments.
#[derive(Clone, Debug, Default)]
pub(in crate::spool) struct Known {
    /// The next record's number.
    pub(in crate::spool) next: u64,
    /// The sequence number given last.
    pub(in crate::spool) sequence: u64,
    /// The first record that the bus does not have.
    pub(in crate::spool) acknowledged: u64,
    /// Whether that is so: else nothing is known of what was before the first segment, and between segments.
    pub(in crate::spool) is_sure: bool,
    /// Numbers that nobody has and that are accounted for: first, and behind the last.
    pub(in crate::spool) gaps: Vec<(u64, u64)>,
    /// After the append of this number, this was the next record: an earlier append with a later record has failed.
    pub(in crate::spool) claims: [(u64, u64); 2],
}

impl Lane {
    /// Opens what is there. Never fails: what can't be read is passed over and told.
    pub(in crate::spool) fn open(folder: &Path, stream: Stream, known: Known) -> Self {
        let mut lane = Self::empty(folder, stream);
        lane.next = known.next.max(1);
        lane.sequence = known.sequence;
        lane.acknowledged = known.acknowledged.max(1);
        lane.gaps.clone_from(&known.gaps);
        lane.gaps.sort_unstable();
        lane.gaps.dedup();
        let files = segments(folder, stream);
        if let Some((first, _)) = files.first().filter(|_| !known.is_sure) {
            lane.acknowledged = lane.acknowledged.max(*first);
        }
        let behind = files.iter().skip(1).map(|(first, _)| Some(*first)).chain([None]);
        for ((first, path), behind) in files.iter().zip(behind) {
            if let Err(error) = lane.scan(*first, path, behind, &known) {
                let aside = put_aside(path);
                tracing::error!(%error, path = %path.display(), aside = ?aside, "a segment of the spool can't be read; it is kept aside, what was in it is lost and counted");
            }
        }
        // A tail that was torn off behind what the bus has: its numbers are on the bus, and nobody else gets them.
        lane.sequence += lane.acknowledged.saturating_sub(lane.next);
        lane.next = lane.next.max(lane.acknowledged);
        if known.is_sure {
            lane.mark_holes();
        }
        lane.find_place();
        lane
    }

    /// Takes stock of a segment: headers only. `behind` is the first number of the next one.
    fn scan(&mut self, first: u64, path: &Path, behind: Option<u64>, known: &Known) -> io::Result<()> {
        let is_last = behind.is_none();
        let file = OpenOptions::new().read(true).write(is_last).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let length = metadata.len();
        let mut segment = Segment::new(path.to_path_buf(), first);
        let mut offset = 0;
        let mut is_failed = false;
        while offset < length {
            match found(&file, offset, length) {
                Ok(Found::Frame(header)) => {
                    // An append that failed and could not be taken back: its numbers were given again.
                    is_failed = behind.is_some_and(|behind| behind < header.end())
                        || known
                            .claims
                            .iter()
                            .any(|(commit, next)| header.commit <= *commit && *next < header.end());
                    // Not one of ours: numbers go on. What lay on the disk before may show behind a torn write.
                    let is_older = offset != 0 && self.is_older(&header);
                    if is_failed || is_older || header.first < segment.end {
                        break;
                    }
                    segment.add(&header);
                    self.last = Some((header, offset));
                    offset += header.bytes();
                }
                Ok(Found::Damage(next)) => offset = next,
                Ok(Found::End) => break,
                Err(error) => {
                    tracing::error!(%error, path = %path.display(), "read a segment of the spool; its rest is passed over");
                    break;
                }
            }
        }
        segment.bytes = offset;
        self.next = self.next.max(segment.end);
        if let Some((_, last)) = segment.sequences {
            self.sequence = self.sequence.max(last);
        }
        self.segments.push_back(segment);
        if is_last {
            self.writer = self.cut(file, offset, length, is_failed);
        }
        Ok(())
    }

    /// Cuts what is torn off the last segment; the file, if it can be written on.
    fn cut(&mut self, file: File, offset: u64, length: u64, is_failed: bool) -> Option<File> {
        if offset == length {
            return Some(file);
        }
        // Torn while it was written, so nobody was told that it is safe; or damaged later, and then notes tell.
        tracing::warn!(
            bytes = length - offset,
            stream = self.stream.as_str(),
            "the torn end of a spool's segment is cut"
        );
        self.is_tail_damaged = !is_failed && HEADER_BYTES as u64 <= length - offset;
        file.set_len(offset).ok().map(|()| file)
    }

    fn is_older(&self, header: &Header) -> bool {
        self.last.is_some_and(|(last, _)| header.commit <= last.commit)
    }

    /// Puts a segment without bytes wherever numbers are missing.
    fn mark_holes(&mut self) {
        let mut number = self.acknowledged;
        let mut whole = std::collections::VecDeque::with_capacity(self.segments.len());
        let segments = std::mem::take(&mut self.segments);
        for segment in segments {
            let is_shed = |gap: &(u64, u64)| gap.0 <= segment.first && segment.end <= gap.1;
            if segment.first < segment.end && self.gaps.iter().any(is_shed) {
                // It was given up before, and could not be deleted.
                self.spent.push((segment.path, segment.bytes));
                continue;
            }
            self.push_holes(&mut whole, number, segment.first);
            number = number.max(segment.end);
            whole.push_back(segment);
        }
        let before = whole.len();
        self.push_holes(&mut whole, number, self.next);
        let is_last = whole.len() == before && whole.back().is_some_and(|last| last.end == self.next);
        self.segments = whole;
        if !is_last {
            // The next append begins a segment, whose name says where numbers go on.
            self.writer = None;
        }
    }

    fn push_holes(&self, into: &mut std::collections::VecDeque<Segment>, from: u64, to: u64) {
        let mut from = from;
        for (start, end) in self.gaps.iter().copied().chain([(to, to)]) {
            let until = start.min(to);
            if from < until {
                let mut hole = Segment::new(self.path_of(from), from);
                hole.end = until;
                tracing::error!(
                    stream = self.stream.as_str(),
                    records = until - from,
                    "records are missing in the spool; they are counted as lost"
                );
                into.push_back(hole);
            }
            from = from.max(end);
        }
    }

    /// Finds the frame of the first record that was not acknowledged.
    pub(super) fn find_place(&mut self) {
        self.offset = 0;
        if let Some(segment) = self.segments.front()
            && segment.first < self.acknowledged
            && let Ok(file) = File::open(&segment.path)
        {
            while let Ok(Found::Frame(header)) = found(&file, self.offset, segment.bytes)
                && header.end() <= self.acknowledged
            {
                self.offset += header.bytes();
            }
        }
    }

    /// Hands out the places of sources in frames of appends after `commit`.
    pub(in crate::spool) fn places(&self, commit: u64, mut take: impl FnMut(u64, Vec<(String, Progress)>)) {
        for segment in &self.segments {
            let Ok(file) = File::open(&segment.path) else {
                continue;
            };
            let mut offset = 0;
            while let Ok(found) = found(&file, offset, segment.bytes) {
                offset = match found {
                    Found::Frame(header) => {
                        if commit < header.commit
                            && header.places_bytes != 0
                            && let Ok(body) = body(&file, offset, &header)
                            && let Some(places) = frame::places(&header, &body)
                        {
                            take(header.commit, places);
                        }
                        offset + header.bytes()
                    }
                    Found::Damage(next) => next,
                    Found::End => break,
                };
            }
        }
    }
}

/// Gives what can't be read another name, so that nothing is written over it.
fn put_aside(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".unreadable");
    for number in 1..ASIDE_MAX {
        let mut name = name.clone();
        name.push(format!("-{number}"));
        let aside = PathBuf::from(name);
        if !aside.exists() {
            return std::fs::rename(path, &aside).map(|()| aside);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The segments of a stream in a folder, by their first number.
pub(in crate::spool) fn segments(folder: &Path, stream: Stream) -> Vec<(u64, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.strip_suffix(EXTENSION)?;
            let number = name
                .strip_prefix(stream.as_str())?
                .strip_prefix('-')?
                .parse()
                .ok()?;
            Some((number, path))
        })
        .collect();
    found.sort();
    found
}

/// The number behind the last record in a segment that somebody else may be writing.
pub(in crate::spool) fn end_of(first: u64, path: &Path) -> u64 {
    let mut end = first;
    if let Ok(file) = File::open(path)
        && let Ok(metadata) = file.metadata()
    {
        let mut offset = 0;
        while let Ok(Found::Frame(header)) = found(&file, offset, metadata.len()) {
            end = header.end();
            offset += header.bytes();
        }
    }
    end
}

/// What is at a place of a segment.
pub(super) fn found(file: &File, offset: u64, length: u64) -> io::Result<Found> {
    if let Some(header) = header(file, offset, length)? {
        return Ok(Found::Frame(header));
    }
    let mut at = offset + 1;
    let mut bytes = vec![0; SEARCH_BYTES];
    while at < length {
        let most = usize::try_from(length - at)
            .unwrap_or(SEARCH_BYTES)
            .min(SEARCH_BYTES);
        let chunk = bytes.get_mut(..most).unwrap_or_default();
        file.read_exact_at(chunk, at)?;
        match frame::find(chunk) {
            Some(place) => {
                at += place as u64;
                if header(file, at, length)?.is_some() {
                    return Ok(Found::Damage(at));
                }
                at += 1;
            }
            // The mark may lie across two chunks.
            None if most < SEARCH_BYTES => break,
            None => at += most as u64 - 3,
        }
    }
    Ok(Found::End)
}

/// The header at a place, if there is a whole one and its body has room before the end.
fn header(file: &File, offset: u64, length: u64) -> io::Result<Option<Header>> {
    if length < offset + HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(Header::decode(&bytes).filter(|header| offset + header.bytes() <= length))
}

pub(super) fn body(file: &File, offset: u64, header: &Header) -> io::Result<Vec<u8>> {
    let mut body = vec![0; usize::try_from(header.body_bytes()).unwrap_or_default()];
    file.read_exact_at(&mut body, offset + HEADER_BYTES as u64)?;
    Ok(body)
}
