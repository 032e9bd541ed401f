//! One append: records for any of the streams, and the places of the sources that they came from, all or nothing.

use std::io;

use ingest_event::Timestamp;

use super::frame::{self, Header};
use super::packing::Pace;
use super::{Cause, Destination, Progress, Room, STREAMS, Spool, SpoolError, Stream};

/// Records that may wait while the bus still counts as keeping pace: some batches, a few megabytes.
const PACE_RECORDS_MAX: u64 = 8_192;

/// One append under way; dropped without [`Append::commit`], nothing of it happened.
#[derive(Debug)]
pub struct Append<'a> {
    spool: &'a mut Spool,
    room: Room,
    parts: [Part; STREAMS],
    places: Vec<(String, Progress)>,
}

/// An append's records in one stream.
#[derive(Debug, Default)]
struct Part {
    records: Vec<u8>,
    count: u32,
    events: u64,
    times: Option<(i64, i64)>,
}

impl<'a> Append<'a> {
    pub(super) fn new(spool: &'a mut Spool, room: Room) -> Self {
        let parts = spool.packing.rooms().map(|records| Part {
            records,
            ..Part::default()
        });
        Self {
            spool,
            room,
            parts,
            places: Vec::new(),
        }
    }
}

impl Append<'_> {
    /// Adds an event of a stream and time. `make` gets its sequence number and gives key and value of its record.
    pub fn event(&mut self, stream: Stream, at: Timestamp, make: impl FnOnce(u64) -> (Vec<u8>, Vec<u8>)) {
        let before = self.spool.sequence(stream);
        let Some(part) = self.parts.get_mut(stream.index()) else {
            return;
        };
        part.events += 1;
        let (key, value) = make(before + part.events);
        part.add(Destination::Events, at, &key, |out| out.extend_from_slice(&value));
    }

    /// Adds an event of a stream and time whose key is known. `write` gets its sequence number and appends its record's value.
    pub fn write(
        &mut self,
        stream: Stream,
        at: Timestamp,
        key: &[u8],
        write: impl FnOnce(u64, &mut Vec<u8>),
    ) {
        let before = self.spool.sequence(stream);
        if let Some(part) = self.parts.get_mut(stream.index()) {
            part.events += 1;
            let sequence = before + part.events;
            part.add(Destination::Events, at, key, |out| write(sequence, out));
        }
    }

    /// Adds a record for quarantine, put aside at a time.
    pub fn quarantine(&mut self, at: Timestamp, key: &[u8], value: &[u8]) {
        self.record(Stream::Quarantine, Destination::Quarantine, at, key, value);
    }

    /// Adds a record that has its number, or needs none.
    pub(super) fn record(
        &mut self,
        stream: Stream,
        destination: Destination,
        at: Timestamp,
        key: &[u8],
        value: &[u8],
    ) {
        if let Some(part) = self.parts.get_mut(stream.index()) {
            part.add(destination, at, key, |out| out.extend_from_slice(value));
        }
    }

    /// Notes how far a source is read once this append is committed.
    pub fn progress(&mut self, source: &str, progress: Progress) {
        self.places.push((source.to_owned(), progress));
    }

    /// Makes all of it durable.
    ///
    /// # Errors
    /// If the spool can't be written; then nothing of it happened.
    pub fn commit(self) -> Result<(), SpoolError> {
        let Self {
            spool,
            room,
            mut parts,
            places,
        } = self;
        let commit = spool.commit + 1;
        let mut used: Vec<Stream> = Stream::ALL
            .into_iter()
            .filter(|stream| parts.get(stream.index()).is_some_and(|part| part.count != 0))
            .collect();
        if used.is_empty() {
            if places.is_empty() {
                return Ok(());
            }
            used.push(Stream::Quarantine);
        }
        let streams = used
            .iter()
            .fold(0, |streams, stream| streams | 1 << stream.index());
        let pace = match waiting(spool) {
            0..=PACE_RECORDS_MAX => Pace::Kept,
            _ => Pace::Behind,
        };
        let mut frames = Vec::with_capacity(used.len());
        for stream in &used {
            let (Some(part), Some(lane)) = (parts.get_mut(stream.index()), spool.lanes.get(stream.index()))
            else {
                continue;
            };
            let (earliest, latest) = part.times.unwrap_or((1, 0));
            let header = Header {
                count: part.count,
                streams,
                commit,
                first: lane.next,
                sequence: lane.sequence + 1,
                events: part.events,
                earliest,
                latest,
                ..Header::default()
            };
            // The last one written says that all are.
            let places = if used.last() == Some(stream) {
                places.as_slice()
            } else {
                &[]
            };
            let records = std::mem::take(&mut part.records);
            let (header, frame) = frame::encode(header, places, &records, &mut spool.packing, pace)
                .map_err(SpoolError::Write)?;
            spool.packing.keep(*stream, header, records);
            frames.push((*stream, header, frame));
        }
        let most_important = used.first().copied().unwrap_or(Stream::Quarantine);
        // Also if it fails: what can't be taken back is then told from what counts.
        spool.commit = commit;
        loop {
            match spool.write(&frames) {
                Ok(()) => break,
                Err(error) if !is_full(&error) => return Err(SpoolError::Write(error)),
                Err(_) if room == Room::Make && spool.shed(most_important, Cause::Disk) => {
                    // What was shed may have been behind what was to be written.
                }
                Err(_) => return Err(SpoolError::NoRoom),
            }
        }
        for (source, place) in places {
            spool.places.insert(source, (commit, place));
        }
        spool.whole = commit;
        spool.try_note();
        Ok(())
    }
}

/// Records of all streams that the bus does not have.
fn waiting(spool: &Spool) -> u64 {
    spool.lanes.iter().map(|lane| lane.held().records).sum()
}

/// Whether others may make room: on the disk, or in what one user may have of it.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl Part {
    fn add(&mut self, destination: Destination, at: Timestamp, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        frame::push(&mut self.records, destination, key, write);
        self.count += 1;
        let at = at.as_nanos();
        let (earliest, latest) = self.times.unwrap_or((at, at));
        self.times = Some((earliest.min(at), latest.max(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::SpoolError;
    use super::*;

    /// What one append of the same records takes on the disk.
    fn taken(spool: &mut Spool) -> u64 {
        let before = spool.bytes();
        let mut append = spool.append(Room::Wait);
        for number in 0..512_u32 {
            let mixed = number.wrapping_mul(2_654_435_761);
            let value = format!(
                "{{\"source.ip\":\"10.0.{}.7\",\"event.id\":\"{mixed:x}\"}}",
                number % 200
            );
            append.event(Stream::Log, Timestamp::EPOCH, |_| {
                (b"key".to_vec(), value.into_bytes())
            });
        }
        append.commit().expect("commits");
        spool.bytes() - before
    }

    /// How long an outage may last goes before speed, and the other way round while there is none.
    #[test]
    fn what_waits_is_packed_small_and_what_leaves_at_once_is_packed_quickly() -> Result<(), SpoolError> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::open(folder.path(), 1 << 30)?;
        let quick = taken(&mut spool);
        while waiting(&spool) <= PACE_RECORDS_MAX {
            assert!(
                taken(&mut spool).abs_diff(quick) < 100,
                "a few batches are no outage"
            );
        }
        let small = taken(&mut spool);
        assert!(small * 10 < quick * 9, "{small} of {quick} bytes");
        let mut out = 0;
        loop {
            let batch = spool.oldest();
            if batch.is_empty() {
                break;
            }
            out += batch.len() as u64;
            spool.published()?;
        }
        assert_eq!(out, PACE_RECORDS_MAX + 1_024, "both kinds are read");
        assert!(
            taken(&mut spool).abs_diff(quick) < 100,
            "the bus keeps pace again"
        );
        Ok(())
    }
}
