//! Keeps what was read until the bus has it: a bounded, durable queue in a folder of the sensor's state directory.
//!
//! Records wait in four streams ([`Stream`]), the most important leaves first, and the oldest of the least important is
//! shed first where something must go. Each stream is a series of segments of frames (`frame`, `lane`); an append
//! writes a frame in each stream that it has records for, and has the disk take them before it returns: a source may
//! forget what it handed in. Frames carry the places up to which sources were read, so that after a crash reading goes on
//! exactly where the spool ends; before a segment is deleted they are written elsewhere (`slots`). Sequence numbers are
//! given here, from 1 in each stream without gaps, and stay with their events.
//!
//! Damage costs the frame that it is in, which is counted and told, and a torn end is cut: the spool always opens. One
//! fdatasync per append and stream; what the bus has acknowledged is noted without one, since at the worst it is
//! published again with the same ids.

mod append;
mod drain;
mod frame;
mod lane;
mod slots;
mod stream;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use frame::Header;
use lane::Lane;
use slots::Slots;

pub use append::Append;
pub use stream::{STREAMS, Stream};

/// The spool's folder in the state directory.
pub const FOLDER: &str = "spool";

/// Records taken out at once to be published: one round trip to the bus, and a few megabytes at most.
pub const BATCH_RECORDS: usize = 2_000;

/// Bytes after which a batch is full.
pub const BATCH_BYTES: usize = 4 << 20;

/// Bounds of a segment's size, which is what is shed at once: a share of the spool, and no more than is quickly gone
/// through at a start.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 64 << 10..=16 << 20;

/// Segments that a full spool has, at least.
const SEGMENTS_MIN: u64 = 64;

/// Sources whose places are kept: far more than a sensor has. The one that was moved longest ago goes.
const PLACES_MAX: usize = 4_096;

/// One batch in so many is of the least important stream that waits, so that none starves.
const SHARE: u32 = 16;

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
    pub key: Vec<u8>,
    /// The record.
    pub value: Vec<u8>,
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

/// Why records are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The spool had reached `spool_bytes_max`.
    Full,
    /// The spool had reached `spool_bytes_max`, and nothing in it was less important: it was not let in.
    TurnedAway,
    /// The disk had no room.
    Disk,
    /// What the disk gave back was not what had been written.
    Damaged,
}

/// Records that are gone without having been published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Which.
    pub stream: Stream,
    /// Why.
    pub cause: Cause,
    /// How many.
    pub records: u64,
    /// Of which time, in nanoseconds since 1970, where it is known.
    pub times: Option<(i64, i64)>,
    /// First and last sequence number, where they were given.
    pub sequences: Option<(u64, u64)>,
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
    /// The disk is full, and nothing that is less important can go.
    #[error("write the spool: the disk is full")]
    NoRoom,
    /// Writing failed.
    #[error("write the spool")]
    Write(#[source] io::Error),
}

/// The spool.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    lanes: [Lane; STREAMS],
    bytes_max: u64,
    segment_bytes: u64,
    /// The last append's number.
    commit: u64,
    /// By source, with the append that moved it.
    places: BTreeMap<String, (u64, Progress)>,
    place_slots: Slots,
    acknowledged_slots: Slots,
    /// Not told yet: one for each stream and cause.
    losses: Vec<Loss>,
    /// Not counted yet.
    fresh: Vec<Loss>,
    turns: u32,
    set_aside: Option<PathBuf>,
}

/// What is written before segments are deleted.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    commit: u64,
    /// Next record and last sequence number of each stream.
    streams: [(u64, u64); STREAMS],
    places: Vec<(String, u64, Progress)>,
    /// Not told yet.
    #[serde(default)]
    losses: Vec<Loss>,
}

impl Spool {
    /// Opens the spool in a directory, or makes one. What an older version left in `spool.sqlite` is taken over.
    ///
    /// # Errors
    /// If the directory can't be made. Damage is none: what can't be read is passed over, counted and told.
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
        let (place_slots, kept) = Slots::open(&folder, "places");
        let (acknowledged_slots, acknowledged) = Slots::open(&folder, "acknowledged");
        let kept: Kept = kept
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let acknowledged: [u64; STREAMS] = acknowledged
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let lanes = Stream::ALL.map(|stream| {
            let (next, sequence) = kept.streams.get(stream.index()).copied().unwrap_or_default();
            let acknowledged = acknowledged.get(stream.index()).copied().unwrap_or_default();
            Lane::open(&folder, stream, next, sequence, acknowledged)
        });
        let mut spool = Self {
            directory: directory.to_path_buf(),
            lanes,
            bytes_max,
            segment_bytes: (bytes_max / SEGMENTS_MIN).clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end()),
            commit: kept.commit,
            places: kept
                .places
                .into_iter()
                .map(|(source, commit, place)| (source, (commit, place)))
                .collect(),
            place_slots,
            acknowledged_slots,
            losses: kept.losses,
            fresh: Vec::new(),
            turns: 0,
            set_aside: None,
        };
        spool.recover();
        spool.set_aside = drain::drain(directory, &mut spool);
        Ok(spool)
    }

    /// Takes back an append of which only some frames were written, and takes over the places in the others.
    fn recover(&mut self) {
        let kept = self.commit;
        let last = self
            .lanes
            .iter()
            .filter_map(Lane::last_commit)
            .map(|(commit, _)| commit)
            .max();
        self.commit = self.commit.max(last.unwrap_or(0));
        let has = |lane: &Lane| {
            lane.last_commit()
                .is_some_and(|(commit, _)| commit == self.commit)
        };
        let streams = self
            .lanes
            .iter()
            .filter(|lane| has(lane))
            .filter_map(Lane::last_commit)
            .next();
        let is_whole = Stream::ALL.iter().zip(&self.lanes).all(|(stream, lane)| {
            let is_in = streams.is_some_and(|(_, streams)| streams >> stream.index() & 1 == 1);
            // Behind damage it may have been whole and acknowledged: rather twice than never.
            !is_in || has(lane) || lane.is_tail_damaged
        });
        if kept < self.commit && !is_whole {
            let commit = self.commit;
            for lane in &mut self.lanes {
                if lane.last_commit().is_some_and(|(last, _)| last == commit) {
                    lane.undo_last();
                }
            }
        }
        let Self { lanes, places, .. } = self;
        for lane in lanes.iter() {
            lane.places(kept, |commit, moved| {
                for (source, place) in moved {
                    if places.get(&source).is_none_or(|(before, _)| *before < commit) {
                        places.insert(source, (commit, place));
                    }
                }
            });
        }
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

    /// Bytes that wait on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.held().bytes).sum()
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

    /// The oldest records of the most important stream that has some, at most about [`BATCH_RECORDS`] and
    /// [`BATCH_BYTES`]; now and then of the least important one. They are on their way until [`Spool::published`].
    pub fn oldest(&mut self) -> Vec<Entry> {
        self.turns = self.turns.wrapping_add(1);
        let mut order = Stream::ALL;
        if self.turns.is_multiple_of(SHARE) {
            order.reverse();
        }
        for stream in order {
            let Some(lane) = self
                .lanes
                .get_mut(stream.index())
                .filter(|lane| lane.held().bytes != 0)
            else {
                continue;
            };
            let batch = lane.oldest();
            if !batch.is_empty() {
                return batch;
            }
            // Places and damage only: nothing that anybody would acknowledge.
            let losses = lane.acknowledge();
            losses.into_iter().for_each(|loss| self.lose(loss));
        }
        Vec::new()
    }

    /// The bus has what [`Spool::oldest`] gave last of this stream.
    ///
    /// # Errors
    /// If it can't be noted; it is then published again after a crash.
    pub fn published(&mut self, stream: Stream) -> Result<(), SpoolError> {
        if let Some(lane) = self.lanes.get_mut(stream.index()) {
            let losses = lane.acknowledge();
            losses.into_iter().for_each(|loss| self.lose(loss));
        }
        let acknowledged: Vec<_> = self.lanes.iter().map(|lane| lane.acknowledged).collect();
        let noted = serde_json::to_vec(&acknowledged).map_err(io::Error::from);
        let noted = noted.and_then(|bytes| self.acknowledged_slots.note(&bytes));
        self.delete_spent()?;
        noted.map_err(SpoolError::Write)
    }

    /// Gives up the oldest segment of the least important stream that is no more important than `than`. Whether there was
    /// one.
    pub fn shed(&mut self, than: Stream, cause: Cause) -> bool {
        for stream in Stream::ALL.into_iter().rev() {
            let lane = self.lanes.get_mut(stream.index()).filter(|_| than <= stream);
            if let Some(loss) = lane.and_then(|lane| lane.shed(cause)) {
                self.lose(loss);
                if let Err(error) = self.delete_spent() {
                    tracing::error!(
                        error = format!("{:#}", anyhow::Error::new(error)),
                        "make room in the spool"
                    );
                    return false;
                }
                return true;
            }
        }
        false
    }

    /// What was lost and not told yet; whoever asks tells it.
    pub fn losses(&mut self) -> Vec<Loss> {
        std::mem::take(&mut self.losses)
    }

    /// What was asked for could not be told; it is told the next time.
    pub fn losses_untold(&mut self, losses: Vec<Loss>) {
        for loss in losses {
            self.remember(loss);
        }
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
        let alike = |other: &&mut Loss| (other.stream, other.cause) == (loss.stream, loss.cause);
        match self.losses.iter_mut().find(alike) {
            Some(other) => other.add(loss),
            None => self.losses.push(loss),
        }
    }

    /// Deletes segments that are read or shed, once what is known from them only is written elsewhere.
    fn delete_spent(&mut self) -> Result<(), SpoolError> {
        if self.lanes.iter().any(Lane::has_spent) {
            self.keep().map_err(SpoolError::Write)?;
            self.lanes.iter_mut().for_each(Lane::delete_spent);
        }
        Ok(())
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
            commit: self.commit,
            streams: Stream::ALL.map(|stream| {
                let lane = self.lanes.get(stream.index());
                lane.map_or((0, 0), |lane| (lane.next, lane.sequence))
            }),
            losses: self.losses.clone(),
            places: self
                .places
                .iter()
                .map(|(source, (commit, place))| (source.clone(), *commit, place.clone()))
                .collect(),
        };
        self.place_slots.write(&serde_json::to_vec(&kept)?)
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

impl Loss {
    /// Adds another one of the same stream and cause.
    pub fn add(&mut self, other: Self) {
        fn span<T: Ord + Copy>(one: Option<(T, T)>, other: Option<(T, T)>) -> Option<(T, T)> {
            match (one, other) {
                (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
                (one, other) => one.or(other),
            }
        }
        self.records += other.records;
        self.times = span(self.times, other.times);
        self.sequences = span(self.sequences, other.sequences);
    }
}

impl Cause {
    /// In events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::TurnedAway => "turned_away",
            Self::Disk => "disk",
            Self::Damaged => "damaged",
        }
    }
}

/// How many records a spool has been given so far, in all streams: looked at from outside, while a sensor writes it.
#[must_use]
pub fn records_given(directory: &Path) -> u64 {
    let folder = directory.join(FOLDER);
    let (_, kept) = Slots::open(&folder, "places");
    let kept: Kept = kept
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    Stream::ALL
        .into_iter()
        .map(|stream| {
            let (next, _) = kept.streams.get(stream.index()).copied().unwrap_or_default();
            let end = lane::segments(&folder, stream)
                .pop()
                .map_or(1, |(first, path)| lane::end_of(first, &path));
            next.max(end).saturating_sub(1)
        })
        .sum()
}

#[cfg(test)]
mod tests;
