//! What was refused, as it was: lines of JSON in `state/quarantine`, for whoever is on site, never for the bus.
//!
//! Two files take turns, so that a flood of broken input costs a bounded room and the newest is there. It helps a person
//! to mend a source; nothing depends on it, so it is not synced.

use std::io;
use std::path::Path;

use ingest_event::KeptRecord;

use crate::site::turns::{self, Turns, TurnsError};

/// The folder in the sensor's state.
const FOLDER: &str = "quarantine";

/// What one of the two files may take: some thousand of the largest records.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Where the refused is kept.
#[derive(Debug)]
pub struct Quarantine(Turns);

impl Quarantine {
    /// Opens it, and makes what is missing; nobody but the sensor's own user may read it.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn open(state: &Path) -> Result<Self, TurnsError> {
        Turns::open(state.join(FOLDER), FILE_BYTES_MAX).map(Self)
    }

    /// Keeps one record; the oldest go when there is no room.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn keep(&mut self, record: &KeptRecord) -> Result<(), TurnsError> {
        let mut line = serde_json::to_vec(record).unwrap_or_default();
        line.push(b'\n');
        self.0.add(&line).map(drop)
    }
}

/// Hands each record that is kept to `take`, the oldest first; lines that a crash tore are passed over.
///
/// # Errors
/// If a file is there and can't be read, or what `take` says.
pub fn read(state: &Path, mut take: impl FnMut(KeptRecord) -> io::Result<()>) -> io::Result<()> {
    turns::read(&state.join(FOLDER), |line| match serde_json::from_slice(line) {
        Ok(record) => take(record),
        Err(_) => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use ingest_event::{EventId, QuarantineReason, QuarantineRecord, Timestamp};

    use super::*;

    fn record(position: u64, raw: &str) -> KeptRecord {
        KeptRecord {
            record: QuarantineRecord {
                id: EventId::derive(&[&position.to_le_bytes()]),
                reason: QuarantineReason::Malformed,
                detail: "it is `10.0.0.1`".to_owned(),
                organization: None,
                sensor: None,
                source: "udp:[::]:514".to_owned(),
                position,
                observed: Timestamp::EPOCH,
                length: raw.len() as u64,
                digest: "00".to_owned(),
            },
            raw: raw.to_owned(),
        }
    }

    fn all(state: &Path) -> Vec<KeptRecord> {
        let mut found = Vec::new();
        read(state, |record| {
            found.push(record);
            Ok(())
        })
        .expect("read");
        found
    }

    #[test]
    fn what_is_kept_is_read_again_after_a_restart_and_by_nobody_else() {
        let state = tempfile::tempdir().expect("a folder");
        assert_eq!(all(state.path()), []);
        let kept = [record(1, "10.0.0.1 said \"x\"\n"), record(2, "2001:db8::1")];
        for one in &kept {
            let mut quarantine = Quarantine::open(state.path()).expect("opens");
            quarantine.keep(one).expect("kept");
        }
        assert_eq!(all(state.path()), kept);
        let path = state.path().join(FOLDER).join("newer.ndjson");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0);
        let torn = fs::read(&path).expect("read");
        fs::write(&path, &torn[..torn.len() - 20]).expect("written");
        assert_eq!(all(state.path()), kept[..1]);
    }

    #[test]
    fn a_flood_takes_a_bounded_room_and_leaves_the_newest() {
        let state = tempfile::tempdir().expect("a folder");
        let mut quarantine = Quarantine::open(state.path()).expect("opens");
        let raw = "x".repeat(ingest_event::RAW_BYTES_MAX);
        let flood = 3 * FILE_BYTES_MAX / raw.len() as u64;
        for position in 1..=flood {
            quarantine.keep(&record(position, &raw)).expect("kept");
        }
        let left = all(state.path());
        assert_eq!(left.last().map(|kept| kept.record.position), Some(flood));
        for file in ["older.ndjson", "newer.ndjson"] {
            let bytes = fs::metadata(state.path().join(FOLDER).join(file))
                .expect("there")
                .len();
            assert!(0 < bytes && bytes <= FILE_BYTES_MAX, "{file}: {bytes}");
        }
    }
}
