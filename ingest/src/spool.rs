//! Keeps what was read until the bus has it: a bounded, durable queue in a folder of the sensor's state directory.
//!
//! Records wait in four streams ([`Stream`]). Alerts leave first, then logs and flows in the order in which they came, and
//! the oldest of the least important is shed first where something must go. Each stream is a series of segments of frames (`frame`, `lane`); an append
//! writes a frame in each stream that it has records for, and has the disk take them before it returns: a source may
//! forget what it handed in. Frames carry the places up to which sources were read, so that after a crash reading goes on
//! exactly where the spool ends; before a segment is deleted they are written elsewhere (`slots`). Sequence numbers are
//! given here, from 1 in each stream without gaps, and stay with their events.
//!
//! Damage costs the frame that it is in, which is counted and told, and a torn end is cut: the spool always opens. One
//! fdatasync per append and stream; what the bus has acknowledged is noted without one, since at the worst it is
//! published again with the same ids.

mod append;
#[cfg(feature = "embedded")]
mod drain;
mod frame;
mod kept;
mod lane;
mod leaving;
mod loss;
mod packing;
mod recover;
mod slots;
mod stream;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use frame::Header;
use kept::{Kept, Note, Remembered};
use lane::Lane;
use packing::Packing;
use slots::Slots;

pub use append::Append;
pub use leaving::{BATCH_BYTES, BATCH_RECORDS};
pub use loss::{Cause, Loss};
pub use stream::{STREAMS, Stream};

/// The spool's folder in the state directory.
pub const FOLDER: &str = "spool";

/// Bounds of a segment's size, which is what is shed at once: a share of the spool, and no more than is quickly gone
/// through at a start.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 64 << 10..=16 << 20;

/// Segments that a full spool has, at least.
const SEGMENTS_MIN: u64 = 64;

/// Sources whose places are kept: far more than a sensor has. The one that was moved longest ago goes.
const PLACES_MAX: usize = 4_096;

/// Numbers that are left out where it is not known which were given: more than a sensor reads between two times that it
/// writes them down.
const JUMP: u64 = 1 << 32;

/// Where a record of the spool goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The organisation's event topic.
    Events,
    /// Quarantine.
    Quarantine,
}

/// One record on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in its stream.
    pub number: u64,
    /// The stream that it waits in.
    pub stream: Stream,
    /// Where it goes.
    pub destination: Destination,
    /// The key of its record on the bus.
    pub key: Bytes,
    /// The record. Both are parts of their frame, which stays in memory as long as one of its entries does.
    pub value: Bytes,
}

/// How far a source was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Records made of it.
    pub records: u64,
    /// Lines read of it.
    pub lines: u64,
    /// Bytes up to the end of the last line.
    pub offset: u64,
    /// Time of the last event, in nanoseconds since 1970, which lines without a time go by.
    pub last: Option<i64>,
    /// By what the file is known again, for one that is followed.
    pub mark: Option<Mark>,
}

/// By what a followed file and the place in it are known again, whatever its name is then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Digest of its first bytes, up to the place.
    pub head: String,
    /// Digest of the bytes before the place.
    pub tail: String,
    /// When it was changed last, in nanoseconds since 1970.
    pub modified: i64,
    /// Digests of the first bytes of files that were read to their end before.
    pub done: Vec<String>,
}

/// What waits in a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Records.
    pub records: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Time of the earliest event in the oldest segment, in nanoseconds since 1970.
    pub oldest: Option<i64>,
}

/// What an append may do where there is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Fail: its source can wait, or it can be missed.
    Wait,
    /// Shed what is no more important, the oldest of it.
    Make,
}

/// Why the spool can't be used.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// The directory can't be made.
    #[error("make the state directory {}: check that it may be written", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// An older version left its spool, and this build can't read it.
    #[cfg(not(feature = "embedded"))]
    #[error(
        "take over the old spool {}: this build can't read it, and what waits in it would be lost; start the sensor once \
         with a build that has the feature `embedded`, or remove the file", path.display()
    )]
    Old {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full, and nothing that is less important can go.
    #[error("write the spool: the disk is full")]
    NoRoom,
    /// Writing failed.
    #[error("write the spool")]
    Write(#[source] io::Error),
}

/// The file of a version before 0.2 in the state directory.
const OLD_FILE: &str = "spool.sqlite";

/// The spool.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    lanes: [Lane; STREAMS],
    bytes_max: u64,
    segment_bytes: u64,
    /// The last append's number, also of one that failed.
    commit: u64,
    /// That of the last one that is whole.
    whole: u64,
    /// By source, with the append that moved it.
    places: BTreeMap<String, (u64, Progress)>,
    place_slots: Slots,
    note_slots: Slots,
    /// Not told yet: one for each stream and cause.
    losses: Vec<Loss>,
    /// Being told.
    telling: Vec<Loss>,
    /// How often these two have changed.
    changes: u64,
    /// Not counted yet.
    fresh: Vec<Loss>,
    turns: u32,
    packing: Packing,
    set_aside: Option<PathBuf>,
    damaged: u64,
}

impl Spool {
    /// Opens the spool in a directory, or makes one. What an older version left in `spool.sqlite` is taken over.
    ///
    /// # Errors
    /// If the directory can't be made, or a build without SQLite meets an old spool. Damage is none: what can't be read is passed over, counted and told.
    pub fn open(directory: &Path, bytes_max: u64) -> Result<Self, SpoolError> {
        let folder = directory.join(FOLDER);
        // What waits is telemetry of people: nobody else on the machine is to read it.
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        made.map_err(|source| SpoolError::Directory {
            path: folder.clone(),
            source,
        })?;
        // A folder is there after a power cut only if what it lies in was written too.
        for made in [folder.as_path(), directory].iter().chain(&directory.parent()) {
            let above = if made.as_os_str().is_empty() {
                Path::new(".")
            } else {
                made
            };
            File::open(above)
                .and_then(|above| above.sync_all())
                .map_err(|source| SpoolError::Directory {
                    path: above.to_path_buf(),
                    source,
                })?;
        }
        #[cfg(not(feature = "embedded"))]
        refuse_old(directory)?;
        let remembered = Remembered::read(&folder);
        let lanes = Stream::ALL.map(|stream| Lane::open(&folder, stream, remembered.of(stream)));
        let last = lanes
            .iter()
            .filter_map(Lane::last_commit)
            .map(|(commit, _)| commit);
        let is_behind = remembered.is_behind(last.max().unwrap_or(0));
        let (changes, losses) = remembered.losses();
        let Remembered {
            place_slots,
            note_slots,
            kept,
            note,
            damaged,
            ..
        } = remembered;
        let mut spool = Self {
            directory: directory.to_path_buf(),
            lanes,
            bytes_max,
            segment_bytes: (bytes_max / SEGMENTS_MIN).clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end()),
            commit: kept.note.commit,
            whole: kept.note.commit.max(note.commit),
            places: kept
                .places
                .into_iter()
                .map(|(source, commit, place)| (source, (commit, place)))
                .collect(),
            place_slots,
            note_slots,
            losses,
            telling: Vec::new(),
            changes,
            fresh: Vec::new(),
            turns: 0,
            packing: Packing::default(),
            set_aside: None,
            damaged,
        };
        spool.recover(kept.note.commit);
        if is_behind {
            spool.jump();
        }
        #[cfg(feature = "embedded")]
        {
            spool.set_aside = drain::drain(directory, &mut spool);
        }
        Ok(spool)
    }

    /// The state directory that it is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.directory
    }

    /// Where a damaged spool of an older version was put when this one was opened.
    #[must_use]
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// How many of the things that it remembers besides what waits were found damaged when it was opened.
    #[must_use]
    pub const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Bytes that wait on disk, and those that should be gone and can't be deleted.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let of = |lane: &Lane| lane.held().bytes + lane.spent_bytes();
        self.lanes.iter().map(of).sum()
    }

    /// What waits in a stream.
    #[must_use]
    pub fn held(&self, stream: Stream) -> Held {
        self.lanes.get(stream.index()).map(Lane::held).unwrap_or_default()
    }

    /// Whether no more should be handed in until some of it is published or shed. The append that crosses the limit is
    /// still taken: the limit may be passed by one.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes_max <= self.bytes()
    }

    /// Whether so many bytes more than the limit wait.
    #[must_use]
    pub fn is_over_by(&self, bytes: u64) -> bool {
        self.bytes_max.saturating_add(bytes) <= self.bytes()
    }

    /// The sequence number given last in a stream; 0 before the first.
    #[must_use]
    pub fn sequence(&self, stream: Stream) -> u64 {
        self.lanes.get(stream.index()).map_or(0, |lane| lane.sequence)
    }

    /// How far a source was read.
    #[must_use]
    pub fn progress(&self, source: &str) -> Progress {
        self.places
            .get(source)
            .map(|(_, place)| place.clone())
            .unwrap_or_default()
    }

    /// Begins an append.
    pub fn append(&mut self, room: Room) -> Append<'_> {
        Append::new(self, room)
    }

    /// Gives up the oldest segment of the least important stream that is no more important than `than`. Whether that made
    /// room. Nothing is given up while what was given up before still takes its room.
    pub fn shed(&mut self, than: Stream, cause: Cause) -> bool {
        if self.lanes.iter().any(Lane::has_spent) {
            return self.has_deleted();
        }
        for stream in Stream::ALL.into_iter().rev() {
            let lane = self.lanes.get_mut(stream.index()).filter(|_| than <= stream);
            if let Some(loss) = lane.and_then(|lane| lane.shed(cause)) {
                self.lose(loss);
                return self.has_deleted();
            }
        }
        false
    }

    fn has_deleted(&mut self) -> bool {
        self.delete_spent().unwrap_or_else(|error| {
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::error!(error, "make room in the spool");
            false
        })
    }

    /// What was lost and not told yet; whoever asks tells it, and says so by [`Spool::losses_told`].
    pub fn losses(&mut self) -> Vec<Loss> {
        let losses = std::mem::take(&mut self.losses);
        self.telling.extend_from_slice(&losses);
        losses
    }

    /// What was asked for is told: it is not told again after a crash.
    pub fn losses_told(&mut self) {
        self.telling.clear();
        self.changes += 1;
        self.try_note();
    }

    /// What was asked for could not be told; it is told the next time.
    pub fn losses_untold(&mut self, losses: Vec<Loss>) {
        self.telling.clear();
        for loss in losses {
            self.remember(loss);
        }
    }

    /// Remembers what was not let in, until it is told.
    pub fn turned_away(&mut self, losses: Vec<Loss>) {
        if losses.is_empty() {
            return;
        }
        for loss in losses {
            self.remember(loss);
        }
        self.try_note();
    }

    /// What was lost since this was asked last, for counting.
    pub fn fresh_losses(&mut self) -> Vec<Loss> {
        std::mem::take(&mut self.fresh)
    }

    fn lose(&mut self, loss: Loss) {
        self.fresh.push(loss);
        self.remember(loss);
    }

    fn remember(&mut self, loss: Loss) {
        self.changes += 1;
        let alike = |other: &&mut Loss| (other.stream, other.cause) == (loss.stream, loss.cause);
        match self.losses.iter_mut().find(alike) {
            Some(other) => other.add(loss),
            None => self.losses.push(loss),
        }
    }

    /// Deletes segments that are read or shed, once what is known from them only is written elsewhere. Whether all are gone.
    fn delete_spent(&mut self) -> Result<bool, SpoolError> {
        let mut is_gone = true;
        if self.lanes.iter().any(Lane::has_spent) {
            self.keep().map_err(SpoolError::Write)?;
            for lane in &mut self.lanes {
                is_gone &= lane.delete_spent();
            }
        }
        Ok(is_gone)
    }

    /// Writes places and numbers to where no segment is needed for them.
    fn keep(&mut self) -> io::Result<()> {
        while PLACES_MAX < self.places.len() {
            let oldest = self.places.iter().min_by_key(|(_, (commit, _))| *commit);
            let Some(source) = oldest.map(|(source, _)| source.clone()) else {
                break;
            };
            self.places.remove(&source);
        }
        let kept = Kept {
            note: self.note(),
            places: self
                .places
                .iter()
                .map(|(source, (commit, place))| (source.clone(), *commit, place.clone()))
                .collect(),
        };
        self.place_slots.write(&serde_json::to_vec(&kept)?)
    }

    fn note(&self) -> Note {
        let of = |stream: Stream| self.lanes.get(stream.index());
        let mut losses = self.telling.clone();
        losses.extend_from_slice(&self.losses);
        Note {
            commit: self.whole,
            streams: Stream::ALL.map(|stream| of(stream).map_or((0, 0), |lane| (lane.next, lane.sequence))),
            acknowledged: Stream::ALL.map(|stream| of(stream).map_or(0, |lane| lane.acknowledged)),
            gaps: Stream::ALL.map(|stream| of(stream).map_or_else(Vec::new, |lane| lane.gaps.clone())),
            losses,
            changes: self.changes,
        }
    }

    /// Without waiting for the disk.
    fn write_note(&mut self) -> io::Result<()> {
        let note = serde_json::to_vec(&self.note())?;
        self.note_slots.note(&note)
    }

    /// The same where it is no failure if it can't be noted: damage that comes later is then told from a torn write no more.
    fn try_note(&mut self) {
        if let Err(error) = self.write_note() {
            tracing::warn!(%error, "note how far the spool is written");
        }
    }

    /// Writes the frames of an append, all or none.
    fn write(&mut self, frames: &[(Stream, Header, Vec<u8>)]) -> io::Result<()> {
        let segment_bytes = self.segment_bytes;
        for (stream, _, _) in frames {
            let needs = |lane: &Lane| lane.needs_segment(segment_bytes);
            if self.lanes.get(stream.index()).is_some_and(needs) {
                // So that a start has little to go through.
                self.keep()?;
                if let Some(lane) = self.lanes.get_mut(stream.index()) {
                    lane.begin_segment()?;
                }
            }
        }
        let mut written = Ok(());
        for (stream, _, frame) in frames {
            if let Some(lane) = self.lanes.get_mut(stream.index()) {
                written = written.and_then(|()| lane.write(frame));
            }
        }
        for (stream, _, _) in frames {
            if let Some(lane) = self.lanes.get_mut(stream.index()) {
                written = written.and_then(|()| lane.sync());
            }
        }
        for (stream, header, _) in frames {
            if let Some(lane) = self.lanes.get_mut(stream.index()) {
                if written.is_ok() {
                    lane.written(header);
                } else {
                    lane.undo();
                }
            }
        }
        written
    }
}

/// What waits there is not forgotten in silence.
#[cfg(not(feature = "embedded"))]
fn refuse_old(directory: &Path) -> Result<(), SpoolError> {
    old(directory).map_or(Ok(()), |path| Err(SpoolError::Old { path }))
}

/// The spool that a version before 0.2 left in a state directory, if it is still there.
#[must_use]
pub fn old(directory: &Path) -> Option<PathBuf> {
    Some(directory.join(OLD_FILE)).filter(|path| path.is_file())
}

/// How many records a spool has been given so far, in all streams: looked at from outside, while a sensor writes it.
#[must_use]
pub fn records_given(directory: &Path) -> u64 {
    let folder = directory.join(FOLDER);
    let remembered = Remembered::read(&folder);
    Stream::ALL
        .into_iter()
        .map(|stream| {
            let end = lane::segments(&folder, stream)
                .pop()
                .map_or(1, |(first, path)| lane::end_of(first, &path));
            remembered.of(stream).next.max(end).saturating_sub(1)
        })
        .sum()
}

#[cfg(test)]
mod tests;
