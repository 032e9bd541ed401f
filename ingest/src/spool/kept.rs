//! What is known of the spool besides its segments: written in full before segments begin and are deleted, and noted
//! in short after each append.
//!
//! A note is not waited for: a process that is killed loses none, a power cut may lose the latest. What both say is the
//! more recent of it. If the newest of what was written is damaged, and no note is as recent as the segments, numbers go
//! on far behind those that may have been given.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::lane::Known;
use super::slots::Slots;
use super::{Loss, Progress, STREAMS, Stream};

/// What is written before a segment begins or is deleted.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) places: Vec<(String, u64, Progress)>,
    #[serde(flatten)]
    pub(super) note: Note,
}

/// What is noted after each append.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Note {
    /// The last append that is whole.
    pub(super) commit: u64,
    /// Next record and last sequence number of each stream.
    pub(super) streams: [(u64, u64); STREAMS],
    /// The first record of each that the bus does not have.
    #[serde(default)]
    pub(super) acknowledged: [u64; STREAMS],
    /// Numbers between segments that were given up or left out.
    #[serde(default)]
    pub(super) gaps: [Vec<(u64, u64)>; STREAMS],
    /// Not told yet.
    #[serde(default)]
    pub(super) losses: Vec<Loss>,
    /// How often that has changed.
    #[serde(default)]
    pub(super) changes: u64,
}

/// All of it, as it is found.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) place_slots: Slots,
    pub(super) note_slots: Slots,
    pub(super) kept: Kept,
    pub(super) note: Note,
    /// How many of both were damaged.
    pub(super) damaged: u64,
    is_kept_damaged: bool,
    is_note_damaged: bool,
}

impl Remembered {
    /// What is in a folder.
    pub(super) fn read(folder: &Path) -> Self {
        let (place_slots, kept, is_kept_damaged) = Slots::open(folder, "places");
        let (note_slots, note, is_note_damaged) = Slots::open(folder, "acknowledged");
        let kept: Option<Kept> = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let note = note.and_then(|bytes| read_note(&bytes));
        // It is written before the first segment is.
        let has_segments = Stream::ALL
            .into_iter()
            .any(|stream| !super::lane::segments(folder, stream).is_empty());
        let is_kept_damaged = is_kept_damaged || kept.is_none() && has_segments;
        let is_note_damaged = is_note_damaged || note.is_none() && has_segments;
        for (is_damaged, what) in [(is_kept_damaged, "places"), (is_note_damaged, "notes")] {
            if is_damaged {
                tracing::error!(
                    what,
                    "of what the spool remembers the newest is damaged; the one before holds"
                );
            }
        }
        Self {
            place_slots,
            note_slots,
            kept: kept.unwrap_or_default(),
            note: note.unwrap_or_default(),
            damaged: u64::from(is_kept_damaged) + u64::from(is_note_damaged),
            is_kept_damaged,
            is_note_damaged,
        }
    }

    /// What is known of a stream.
    pub(super) fn of(&self, stream: Stream) -> Known {
        let at = stream.index();
        let (kept, note) = (&self.kept.note, &self.note);
        let streams = |note: &Note| note.streams.get(at).copied().unwrap_or_default();
        let acknowledged = |note: &Note| note.acknowledged.get(at).copied().unwrap_or_default();
        let ((next, sequence), (noted, noted_sequence)) = (streams(kept), streams(note));
        Known {
            next: next.max(noted),
            sequence: sequence.max(noted_sequence),
            acknowledged: acknowledged(kept).max(acknowledged(note)),
            is_sure: !(self.is_kept_damaged && self.is_note_damaged),
            gaps: [kept, note]
                .into_iter()
                .filter_map(|note| note.gaps.get(at))
                .flatten()
                .copied()
                .collect(),
            claims: [(kept.commit, next), (note.commit, noted)],
        }
    }

    /// Whether numbers may have been given that neither this nor a segment shows; `commit` is the last append that a
    /// segment shows.
    pub(super) fn is_behind(&self, commit: u64) -> bool {
        let is_stale = self.note.commit < commit.max(self.kept.note.commit);
        self.is_kept_damaged && (self.is_note_damaged || is_stale)
    }

    /// What was not told yet.
    pub(super) fn losses(&self) -> (u64, Vec<Loss>) {
        let newest = if self.kept.note.changes < self.note.changes {
            &self.note
        } else {
            &self.kept.note
        };
        (newest.changes, newest.losses.clone())
    }
}

/// Versions before had in it only what the bus had acknowledged.
fn read_note(bytes: &[u8]) -> Option<Note> {
    let read = serde_json::from_slice(bytes).ok();
    read.or_else(|| {
        let acknowledged = serde_json::from_slice(bytes).ok()?;
        Some(Note {
            acknowledged,
            ..Note::default()
        })
    })
}
