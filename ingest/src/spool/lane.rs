//! One stream's records on disk: segments of frames, written at one end and read and deleted at the other.
//!
//! What is kept in memory is one small entry a segment, however much waits.

mod scan;

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::frame::{self, Header};
use super::packing::Packing;
use super::{Cause, Entry, Held, Loss, Stream};
use scan::{Found, body, found};

pub(super) use scan::{Known, end_of, segments};

/// Ends the names of segments.
const EXTENSION: &str = ".segment";

/// A segment that is read to its end and still written to is deleted from this size on: not for every canary anew.
const SPENT_BYTES: u64 = 256 << 10;

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
    pub(super) stream: Stream,
    segments: VecDeque<Segment>,
    /// Of the last segment; none where the next append begins a new one.
    pub(super) writer: Option<File>,
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
    /// Whether reading failed last, which is told once.
    is_stuck: bool,
    /// Segments that are read to their end or shed, to be deleted once the places in them are kept elsewhere.
    spent: Vec<(PathBuf, u64)>,
    /// Numbers that nobody has and that are accounted for: first, and behind the last.
    pub(super) gaps: Vec<(u64, u64)>,
    /// The frame written last, for undoing it at the start.
    last: Option<(Header, u64)>,
    /// Whether bytes behind it were no frame, and were as many as one has.
    pub(super) is_tail_damaged: bool,
}

/// What was read and not yet acknowledged.
#[derive(Clone, Debug)]
struct Flight {
    /// The segment in which reading goes on: its place among the others, its first number, and where in it.
    index: usize,
    segment: u64,
    offset: u64,
    /// The next record.
    number: u64,
    /// The frame there, once it was looked for.
    upcoming: Option<Header>,
    /// What lies in between and is damaged.
    losses: Vec<Loss>,
}

impl Lane {
    fn empty(folder: &Path, stream: Stream) -> Self {
        Self {
            folder: folder.to_path_buf(),
            stream,
            segments: VecDeque::new(),
            writer: None,
            reader: None,
            next: 1,
            sequence: 0,
            acknowledged: 1,
            offset: 0,
            flight: None,
            is_stuck: false,
            spent: Vec::new(),
            gaps: Vec::new(),
            last: None,
            is_tail_damaged: false,
        }
    }

    fn path_of(&self, first: u64) -> PathBuf {
        self.folder
            .join(format!("{}-{first:020}{EXTENSION}", self.stream.as_str()))
    }

    /// Leaves out so many numbers, which may have been given already; the first and the last sequence number of them.
    pub(super) fn jump(&mut self, numbers: u64) -> (u64, u64) {
        let (first, sequence) = (self.next, self.sequence);
        self.next += numbers;
        self.sequence += numbers;
        self.gap(first, self.next);
        self.writer = None;
        (sequence + 1, self.sequence)
    }

    /// These numbers are accounted for, though nobody has them.
    fn gap(&mut self, first: u64, end: u64) {
        let acknowledged = self.acknowledged;
        self.gaps.retain(|(_, end)| acknowledged < *end);
        match self.gaps.last_mut() {
            Some((_, before)) if *before == first => *before = end,
            Some(_) | None => self.gaps.push((first, end)),
        }
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

    /// Whether something waits, be it only places.
    pub(super) fn has_some(&self) -> bool {
        let held = self.held();
        held.bytes != 0 || held.records != 0
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
        let path = self.path_of(self.next);
        // One of that name has no records, and its places are kept; or nobody knows what it is.
        let is_known = self.segments.iter().any(|segment| segment.path == path)
            || self.spent.iter().any(|(spent, _)| *spent == path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        if is_known {
            options.create(true).truncate(true);
        } else {
            options.create_new(true);
        }
        let file = options.open(&path)?;
        // Else a power cut may forget the file, whatever was synced in it.
        File::open(&self.folder)?.sync_all()?;
        let next = self.next;
        self.spent.retain(|(spent, _)| *spent != path);
        if self.segments.front().is_some_and(|segment| segment.first == next) {
            self.offset = 0;
        }
        if let Some(flight) = self.flight.as_mut().filter(|flight| flight.segment == next) {
            flight.offset = 0;
        }
        self.reader = None;
        self.segments.retain(|segment| segment.first != next);
        self.segments.push_back(Segment::new(path, next));
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

    /// Begins to take out the oldest records; they are on their way until [`Lane::acknowledge`].
    pub(super) fn start(&mut self) {
        self.flight = Some(Flight {
            index: 0,
            segment: self.segments.front().map_or(self.next, |segment| segment.first),
            offset: self.offset,
            number: self.acknowledged,
            upcoming: None,
            losses: Vec::new(),
        });
    }

    /// Nothing is on its way.
    pub(super) fn stop(&mut self) {
        self.flight = None;
    }

    /// The header of the next frame to be taken out; none at the end.
    ///
    /// # Errors
    /// If the system can't read it now.
    pub(super) fn upcoming(&mut self) -> io::Result<Option<Header>> {
        let Some(mut flight) = self.flight.take() else {
            return Ok(None);
        };
        let upcoming = self.find(&mut flight);
        self.flight = Some(flight);
        upcoming
    }

    fn find(&mut self, flight: &mut Flight) -> io::Result<Option<Header>> {
        while flight.upcoming.is_none() {
            let Some(segment) = self.segments.get(flight.index).cloned() else {
                break;
            };
            flight.segment = segment.first;
            // What is missing between two segments was shed.
            flight.number = flight.number.max(segment.first);
            if segment.bytes <= flight.offset {
                flight
                    .losses
                    .extend(self.lost(&segment, flight.number, segment.end));
                flight.number = flight.number.max(segment.end);
                if self.segments.len() <= flight.index + 1 {
                    break;
                }
                (flight.index, flight.offset) = (flight.index + 1, 0);
                continue;
            }
            match self.read(&segment, |file| found(file, flight.offset, segment.bytes)) {
                Ok(Some(Found::Frame(header))) => flight.upcoming = Some(header),
                Ok(Some(Found::Damage(next))) => flight.offset = next,
                Ok(Some(Found::End) | None) => flight.offset = segment.bytes,
                Err(error) => return Err(error),
            }
        }
        Ok(flight.upcoming)
    }

    /// Takes out the frame that [`Lane::upcoming`] told of; the bytes of its records.
    ///
    /// # Errors
    /// If the system can't read it now; it is then still the next one.
    pub(super) fn take(&mut self, packing: &mut Packing, out: &mut Vec<Entry>) -> io::Result<usize> {
        let Some(mut flight) = self.flight.take() else {
            return Ok(0);
        };
        let taken = self.take_into(&mut flight, packing, out);
        self.flight = Some(flight);
        taken
    }

    fn take_into(
        &mut self,
        flight: &mut Flight,
        packing: &mut Packing,
        out: &mut Vec<Entry>,
    ) -> io::Result<usize> {
        let (Some(header), Some(segment)) = (flight.upcoming, self.segments.get(flight.index).cloned())
        else {
            return Ok(0);
        };
        // What was just written need not be read.
        let body = match packing.at_hand(self.stream, &header) {
            Some(_) => Some(Vec::new()),
            None => self.read(&segment, |file| body(file, flight.offset, &header))?,
        };
        flight.upcoming = None;
        let Some(body) = body else {
            flight.offset = segment.bytes;
            return Ok(0);
        };
        flight
            .losses
            .extend(self.lost(&segment, flight.number, header.first));
        flight.number = flight.number.max(header.first);
        let before = out.len();
        if frame::records(&header, &body, self.stream, flight.number, packing, out).is_none() {
            flight
                .losses
                .extend(self.lost(&segment, flight.number, header.end()));
        }
        flight.number = flight.number.max(header.end());
        flight.offset += header.bytes();
        Ok(out.iter().skip(before).map(|entry| entry.value.len()).sum())
    }

    /// Reads in a segment; nothing if its file is gone or cut, which is damage. Any other failure is none, and may pass.
    fn read<T>(
        &mut self,
        segment: &Segment,
        read: impl FnOnce(&File) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let error = match self.file(segment).and_then(read) {
            Ok(read) => {
                self.is_stuck = false;
                return Ok(Some(read));
            }
            Err(error) => error,
        };
        self.reader = None;
        if matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
        ) {
            return Ok(None);
        }
        if !std::mem::replace(&mut self.is_stuck, true) {
            tracing::error!(%error, path = %segment.path.display(), "read the spool; it is tried again");
        }
        Err(error)
    }

    fn file(&mut self, segment: &Segment) -> io::Result<&File> {
        if self
            .reader
            .as_ref()
            .is_none_or(|(first, _)| *first != segment.first)
        {
            self.reader = Some((segment.first, File::open(&segment.path)?));
        }
        match &self.reader {
            Some((_, file)) => Ok(file),
            None => Err(io::ErrorKind::NotFound.into()),
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
            self.spent.push((segment.path, segment.bytes));
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
        self.gap(segment.first, segment.end);
        self.spent.push((segment.path, segment.bytes));
        Some(Loss {
            stream: self.stream,
            // A segment without bytes is what damage left of one.
            cause: if segment.bytes == 0 { Cause::Damaged } else { cause },
            records,
            times: segment.times,
            sequences: segment.sequences,
        })
    }

    /// Whether there is something to delete.
    pub(super) fn has_spent(&self) -> bool {
        !self.spent.is_empty()
    }

    /// Bytes of what is to be deleted.
    pub(super) fn spent_bytes(&self) -> u64 {
        self.spent.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Deletes what is spent; whether all of it is gone. What can't be deleted stays on the account.
    pub(super) fn delete_spent(&mut self) -> bool {
        self.reader = None;
        self.spent.retain(|(path, _)| match std::fs::remove_file(path) {
            Ok(()) => false,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "delete a segment of the spool");
                true
            }
        });
        self.spent.is_empty()
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
