//! What was refused, as it was: lines of JSON in `state/quarantine`, for whoever is on site, never for the bus.
//!
//! Two files take turns, so that a flood of broken input costs a bounded room and the newest is there. It helps a person
//! to mend a source; nothing depends on it, so it is not synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ingest_event::KeptRecord;
use thiserror::Error;

/// The directory in the sensor's state.
const FOLDER: &str = "quarantine";

/// What one of the two files may take: some thousand of the largest records.
pub const FILE_BYTES_MAX: u64 = 8 << 20;

/// The files, the older one first.
const FILES: [&str; 2] = ["older.ndjson", "newer.ndjson"];

/// Why it can't be used.
#[derive(Debug, Error)]
#[error("use {path}: check who owns it and that the disk has room")]
pub struct QuarantineError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Where the refused is kept.
#[derive(Debug)]
pub struct Quarantine {
    folder: PathBuf,
    file: File,
    bytes: u64,
}

impl Quarantine {
    /// Opens it, and makes what is missing; nobody but the sensor's own user may read it.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn open(state: &Path) -> Result<Self, QuarantineError> {
        let folder = state.join(FOLDER);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|source| QuarantineError {
                path: folder.clone(),
                source,
            })?;
        let (file, bytes) = append(&folder)?;
        Ok(Self { folder, file, bytes })
    }

    /// Keeps one record; the oldest go when there is no room.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn keep(&mut self, record: &KeptRecord) -> Result<(), QuarantineError> {
        let mut line = serde_json::to_vec(record).unwrap_or_default();
        line.push(b'\n');
        let [older, newer] = FILES.map(|name| self.folder.join(name));
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| QuarantineError { path, source }
        };
        if 0 < self.bytes && FILE_BYTES_MAX < self.bytes + line.len() as u64 {
            fs::rename(&newer, older).map_err(failed(&newer))?;
            (self.file, self.bytes) = append(&self.folder)?;
        }
        // One write, so that a line is whole or missing.
        self.file.write_all(&line).map_err(failed(&newer))?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

fn append(folder: &Path) -> Result<(File, u64), QuarantineError> {
    let path = folder.join(FILES[1]);
    let opened = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .and_then(|file| Ok((file.metadata()?.len(), file)));
    match opened {
        Ok((bytes, file)) => Ok((file, bytes)),
        Err(source) => Err(QuarantineError { path, source }),
    }
}

/// Hands each record that is kept to `take`, the oldest first; lines that a crash tore are passed over.
///
/// # Errors
/// If a file is there and can't be read, or what `take` says.
pub fn read(state: &Path, mut take: impl FnMut(KeptRecord) -> io::Result<()>) -> io::Result<()> {
    for name in FILES {
        let file = match File::open(state.join(FOLDER).join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).split(b'\n') {
            if let Ok(record) = serde_json::from_slice(&line?) {
                take(record)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
        let path = state.path().join(FOLDER).join(FILES[1]);
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
        for file in FILES {
            let bytes = fs::metadata(state.path().join(FOLDER).join(file))
                .expect("there")
                .len();
            assert!(0 < bytes && bytes <= FILE_BYTES_MAX, "{file}: {bytes}");
        }
    }
}
