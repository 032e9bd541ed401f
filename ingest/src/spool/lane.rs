//! One stream's records on disk: segments of frames, written at one end and read and deleted at the other.
//!
//! What is kept in memory is one small entry a segment, however much waits.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::frame::{self, HEADER_BYTES, Header};
use super::{BATCH_BYTES, BATCH_RECORDS, Cause, Entry, Held, Loss, Progress, Stream};

/// Ends the names of segments.
const EXTENSION: &str = ".segment";

/// A segment that is read to its end and still written to is deleted from this size on: not for every canary anew.
const SPENT_BYTES: u64 = 256 << 10;

/// Bytes looked at at once for the next frame behind damage.
const SEARCH_BYTES: usize = 64 << 10;

/// One file of frames.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// The number of its first record; also in its name.
    pub(super) first: u64,
    /// The number behind its last record.
    pub(super) end: u64,
    pub(super) bytes: u64,
    /// First and last sequence number of its events; none for an empty one.
    pub(super) sequences: Option<(u64, u64)>,
    /// The earliest and the latest event.
    pub(super) times: Option<(i64, i64)>,
}

/// A stream.
#[derive(Debug)]
pub(super) struct Lane {
    folder: PathBuf,
    stream: Stream,
    segments: VecDeque<Segment>,
    /// Of the last segment; none where the next append begins a new one.
    writer: Option<File>,
    reader: Option<(u64, File)>,
    /// The next record's number.
    pub(super) next: u64,
    /// The sequence number given last.
    pub(super) sequence: u64,
    /// The first record that the bus does not have.
    pub(super) acknowledged: u64,
    /// Where its frame begins in the first segment.
    offset: u64,
    flight: Option<Flight>,
    /// Segments that are read to their end or shed, to be deleted once the places in them are kept elsewhere.
    spent: Vec<PathBuf>,
    /// The frame written last, for undoing it at the start.
    last: Option<(Header, u64)>,
    /// Whether bytes behind it were no frame, and were as many as one has.
    pub(super) is_tail_damaged: bool,
}

/// What was read and not yet acknowledged.
#[derive(Clone, Debug)]
struct Flight {
    /// The segment in which reading goes on, and where.
    segment: u64,
    offset: u64,
    /// The next record.
    number: u64,
    /// What lies in between and is damaged.
    losses: Vec<Loss>,
}

/// A frame, or what is in its place.
enum Found {
    Frame(Header),
    /// Damage, up to the next frame.
    Damage(u64),
    /// Damage up to the end.
    End,
}

impl Lane {
    /// Opens what is there. Never fails: what can't be read is passed over and told.
    pub(super) fn open(folder: &Path, stream: Stream, next: u64, sequence: u64, acknowledged: u64) -> Self {
        let mut lane = Self {
            folder: folder.to_path_buf(),
            stream,
            segments: VecDeque::new(),
            writer: None,
            reader: None,
            next: next.max(1),
            sequence,
            acknowledged: acknowledged.max(1),
            offset: 0,
            flight: None,
            spent: Vec::new(),
            last: None,
            is_tail_damaged: false,
        };
        let files = segments(folder, stream);
        let last = files.last().cloned();
        for (first, path) in files {
            let is_last = last.as_ref().is_some_and(|(number, _)| *number == first);
            if let Err(error) = lane.scan(first, &path, is_last) {
                tracing::error!(%error, path = %path.display(), "a segment of the spool can't be read; it is passed over");
            }
        }
        // A tail that was torn off behind what the bus has: its numbers are on the bus, and nobody else gets them.
        lane.sequence += lane.acknowledged.saturating_sub(lane.next);
        lane.next = lane.next.max(lane.acknowledged);
        lane.find_place();
        lane
    }

    /// Takes stock of a segment: headers only.
    fn scan(&mut self, first: u64, path: &Path, is_last: bool) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = file.metadata()?.len();
        let mut segment = Segment::new(path.to_path_buf(), first);
        let mut offset = 0;
        while offset < length {
            match found(&file, offset, length)? {
                // Not one of ours: numbers go on. What lay on the disk before may show behind a torn write.
                Found::Frame(header) if header.first < segment.end || self.is_older(&header) => break,
                Found::Frame(header) => {
                    segment.add(&header);
                    self.last = Some((header, offset));
                    offset += header.bytes();
                }
                Found::Damage(next) => offset = next,
                Found::End => break,
            }
        }
        if is_last && offset < length {
            // Torn while it was written, so nobody was told that it is safe; or damaged later, which can't be told apart.
            tracing::warn!(bytes = length - offset, path = %path.display(), "the torn end of a spool's segment is cut");
            self.is_tail_damaged = HEADER_BYTES as u64 <= length - offset;
            file.set_len(offset)?;
        }
        segment.bytes = offset;
        self.next = self.next.max(segment.end);
        if let Some((_, last)) = segment.sequences {
            self.sequence = self.sequence.max(last);
        }
        if is_last {
            self.writer = Some(file);
        }
        self.segments.push_back(segment);
        Ok(())
    }

    fn is_older(&self, header: &Header) -> bool {
        self.last.is_some_and(|(last, _)| header.commit <= last.commit)
    }

    /// The append of its last frame and the streams that it is in.
    pub(super) fn last_commit(&self) -> Option<(u64, u32)> {
        self.last.map(|(header, _)| (header.commit, header.streams))
    }

    /// Takes back the last frame, whose append is not whole.
    pub(super) fn undo_last(&mut self) {
        let Some((header, offset)) = self.last.take() else {
            return;
        };
        let (Some(segment), Some(writer)) = (self.segments.back_mut(), &self.writer) else {
            return;
        };
        if segment.bytes != offset + header.bytes() || writer.set_len(offset).is_err() {
            return;
        }
        segment.bytes = offset;
        segment.end = header.first;
        self.next = header.first.max(self.acknowledged);
        self.sequence = header.sequence.saturating_sub(1);
        self.find_place();
    }

    /// Finds the frame of the first record that was not acknowledged.
    fn find_place(&mut self) {
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
    pub(super) fn places(&self, commit: u64, mut take: impl FnMut(u64, Vec<(String, Progress)>)) {
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

    /// What waits.
    pub(super) fn held(&self) -> Held {
        let bytes: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        let records = self
            .segments
            .iter()
            .map(|segment| segment.waiting(self.acknowledged))
            .sum();
        let oldest = self.segments.iter().find_map(|segment| segment.times);
        Held {
            records,
            bytes: bytes.saturating_sub(self.offset),
            oldest: oldest.map(|(earliest, _)| earliest).filter(|_| records != 0),
        }
    }

    /// Whether the next frame begins a new segment.
    pub(super) fn needs_segment(&self, bytes_max: u64) -> bool {
        self.writer.is_none()
            || self
                .segments
                .back()
                .is_none_or(|segment| bytes_max <= segment.bytes)
    }

    /// Begins a new segment.
    pub(super) fn begin_segment(&mut self) -> io::Result<()> {
        let name = format!("{}-{:020}{EXTENSION}", self.stream.as_str(), self.next);
        let path = self.folder.join(name);
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600);
        let file = options.open(&path)?;
        // Else a power cut may forget the file, whatever was synced in it.
        File::open(&self.folder)?.sync_all()?;
        self.segments.retain(|segment| segment.first != self.next);
        self.segments.push_back(Segment::new(path, self.next));
        self.writer = Some(file);
        Ok(())
    }

    /// Writes a frame behind the others; it counts only once [`Lane::written`] says so.
    pub(super) fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        match (&self.writer, self.segments.back()) {
            (Some(writer), Some(segment)) => writer.write_all_at(frame, segment.bytes),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Has the disk take what was written.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.writer.as_ref().map_or(Ok(()), File::sync_data)
    }

    /// Takes back what was written since [`Lane::written`].
    pub(super) fn undo(&mut self) {
        if let (Some(writer), Some(segment)) = (&self.writer, self.segments.back())
            && writer.set_len(segment.bytes).is_err()
        {
            // A new segment then: its name says which numbers of this one don't count.
            self.writer = None;
        }
    }

    /// A frame counts.
    pub(super) fn written(&mut self, header: &Header) {
        if let Some(segment) = self.segments.back_mut() {
            self.last = Some((*header, segment.bytes));
            segment.add(header);
            segment.bytes += header.bytes();
        }
        self.next = header.end();
        if header.events != 0 {
            self.sequence = header.sequence + header.events - 1;
        }
    }

    /// The oldest records, about a batch. They are on their way until [`Lane::acknowledge`].
    pub(super) fn oldest(&mut self) -> Vec<Entry> {
        let (mut out, mut losses) = (Vec::new(), Vec::new());
        let (mut index, mut offset) = (0, self.offset);
        let (mut number, mut bytes) = (self.acknowledged, 0);
        while out.len() < BATCH_RECORDS && bytes < BATCH_BYTES {
            let Some(segment) = self.segments.get(index).cloned() else {
                break;
            };
            // What is missing between two segments was shed.
            number = number.max(segment.first);
            if segment.bytes <= offset {
                losses.extend(self.lost(&segment, number, segment.end));
                number = number.max(segment.end);
                if self.segments.len() <= index + 1 {
                    break;
                }
                (index, offset) = (index + 1, 0);
                continue;
            }
            match self.frame(&segment, offset) {
                Ok((header, body)) => {
                    losses.extend(self.lost(&segment, number, header.first));
                    number = number.max(header.first);
                    let before = out.len();
                    if frame::records(&header, &body, self.stream, number, &mut out).is_none() {
                        losses.extend(self.lost(&segment, number, header.end()));
                    }
                    bytes += out
                        .iter()
                        .skip(before)
                        .map(|entry| entry.value.len())
                        .sum::<usize>();
                    number = number.max(header.end());
                    offset += header.bytes();
                }
                Err(next) => offset = next.unwrap_or(segment.bytes),
            }
        }
        let segment = self
            .segments
            .get(index)
            .map_or(self.next, |segment| segment.first);
        self.flight = Some(Flight {
            segment,
            offset,
            number,
            losses,
        });
        out
    }

    /// The frame at a place; else where the next one is, if there is one.
    fn frame(&mut self, segment: &Segment, offset: u64) -> Result<(Header, Vec<u8>), Option<u64>> {
        if self
            .reader
            .as_ref()
            .is_none_or(|(first, _)| *first != segment.first)
        {
            let file = File::open(&segment.path).map_err(|_| None)?;
            self.reader = Some((segment.first, file));
        }
        let Some((_, file)) = &self.reader else {
            return Err(None);
        };
        match found(file, offset, segment.bytes) {
            Ok(Found::Frame(header)) => body(file, offset, &header)
                .map(|body| (header, body))
                .map_err(|_| Some(offset + header.bytes())),
            Ok(Found::Damage(next)) => Err(Some(next)),
            Ok(Found::End) | Err(_) => Err(None),
        }
    }

    /// These records are lost to damage, if they are any.
    fn lost(&self, segment: &Segment, from: u64, to: u64) -> Option<Loss> {
        (from < to).then(|| Loss {
            stream: self.stream,
            cause: Cause::Damaged,
            records: to - from,
            times: segment.times,
            sequences: None,
        })
    }

    /// The bus has what was read last; what of it was damaged.
    pub(super) fn acknowledge(&mut self) -> Vec<Loss> {
        let Some(flight) = self.flight.take() else {
            return Vec::new();
        };
        self.acknowledged = self.acknowledged.max(flight.number);
        self.offset = flight.offset;
        while self
            .segments
            .front()
            .is_some_and(|front| front.first < flight.segment)
        {
            self.spend_front();
        }
        let is_read = |segment: &Segment| segment.bytes <= self.offset && SPENT_BYTES <= segment.bytes;
        if self.segments.front().is_some_and(is_read) {
            self.spend_front();
            self.offset = 0;
        }
        flight.losses
    }

    fn spend_front(&mut self) {
        if let Some(segment) = self.segments.pop_front() {
            self.spent.push(segment.path);
        }
        if self.segments.is_empty() {
            self.writer = None;
        }
    }

    /// Gives up the oldest segment that is not on its way to the bus.
    pub(super) fn shed(&mut self, cause: Cause) -> Option<Loss> {
        let busy = self.flight.as_ref().map(|flight| flight.segment);
        let index = self.segments.iter().position(|segment| {
            busy.is_none_or(|busy| busy < segment.first) && segment.waiting(self.acknowledged) != 0
        })?;
        let segment = self.segments.remove(index)?;
        let records = segment.waiting(self.acknowledged);
        if index == 0 {
            self.acknowledged = self.acknowledged.max(segment.end);
            self.offset = 0;
        }
        if self.segments.len() == index {
            self.writer = None;
        }
        self.spent.push(segment.path);
        Some(Loss {
            stream: self.stream,
            cause,
            records,
            times: segment.times,
            sequences: segment.sequences,
        })
    }

    /// Whether there is something to delete.
    pub(super) fn has_spent(&self) -> bool {
        !self.spent.is_empty()
    }

    /// Deletes what is spent.
    pub(super) fn delete_spent(&mut self) {
        self.reader = None;
        for path in self.spent.drain(..) {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(%error, path = %path.display(), "delete a segment of the spool");
            }
        }
    }
}

impl Segment {
    const fn new(path: PathBuf, first: u64) -> Self {
        Self {
            path,
            first,
            end: first,
            bytes: 0,
            sequences: None,
            times: None,
        }
    }

    /// Records that the bus does not have, damaged ones included.
    fn waiting(&self, acknowledged: u64) -> u64 {
        self.end.saturating_sub(self.first.max(acknowledged))
    }

    fn add(&mut self, header: &Header) {
        self.end = self.end.max(header.end());
        if header.events != 0 {
            let last = header.sequence + header.events - 1;
            let (first, _) = self.sequences.unwrap_or((header.sequence, last));
            self.sequences = Some((first, last));
        }
        if header.count != 0 && header.earliest <= header.latest {
            let (earliest, latest) = self.times.unwrap_or((header.earliest, header.latest));
            self.times = Some((earliest.min(header.earliest), latest.max(header.latest)));
        }
    }
}

/// The segments of a stream in a folder, by their first number.
pub(super) fn segments(folder: &Path, stream: Stream) -> Vec<(u64, PathBuf)> {
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
pub(super) fn end_of(first: u64, path: &Path) -> u64 {
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
fn found(file: &File, offset: u64, length: u64) -> io::Result<Found> {
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

fn body(file: &File, offset: u64, header: &Header) -> io::Result<Vec<u8>> {
    let mut body = vec![0; usize::try_from(header.body_bytes()).unwrap_or_default()];
    file.read_exact_at(&mut body, offset + HEADER_BYTES as u64)?;
    Ok(body)
}
