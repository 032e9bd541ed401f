//! Takes over what a version before 0.2 left in `spool.sqlite`, once.

use std::path::{Path, PathBuf};

use ingest_event::{Timestamp, codec, field};
use rusqlite::Connection;

use super::{Destination, OLD_FILE, Progress, Room, Spool, SpoolError, Stream};

/// Rows taken over in one append.
const ROWS: i64 = 500;

/// Why it could not be taken over.
#[derive(Debug, thiserror::Error)]
enum DrainError {
    #[error("read the old spool")]
    Read(#[from] rusqlite::Error),
    #[error(transparent)]
    Write(#[from] SpoolError),
}

/// Takes the old spool over and deletes it. One that can't be read to its end is kept beside, under a name that is given
/// back; what could be read of it is taken over. A failure to write leaves it for the next start: what is then there
/// twice has the same ids.
pub(super) fn drain(directory: &Path, spool: &mut Spool) -> Option<PathBuf> {
    let path = directory.join(OLD_FILE);
    if !path.is_file() {
        return None;
    }
    match take_over(&path, spool) {
        Ok(records) => {
            tracing::info!(records, "what waited in the old spool is taken over");
            for suffix in ["", "-wal", "-shm"] {
                // The log files need not be there.
                let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
            }
            None
        }
        Err(DrainError::Read(error)) => {
            tracing::error!(%error, "the old spool is damaged");
            put_aside(&path)
        }
        Err(DrainError::Write(error)) => {
            tracing::error!(
                error = format!("{:#}", anyhow::Error::new(error)),
                "take over the old spool"
            );
            None
        }
    }
}

fn take_over(path: &Path, spool: &mut Spool) -> Result<u64, DrainError> {
    let connection = Connection::open(path)?;
    let (mut after, mut taken) = (-1, 0);
    loop {
        let mut statement = connection.prepare_cached(
            "SELECT number, destination, key, value FROM entry WHERE ?1 < number ORDER BY number LIMIT ?2",
        )?;
        let mut rows = statement.query([after, ROWS])?;
        let mut append = spool.append(Room::Make);
        let before = taken;
        while let Some(row) = rows.next()? {
            after = row.get(0)?;
            let (key, value): (Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?);
            let fields = codec::flatten(&value).ok();
            let text = |name| fields.as_ref().and_then(|fields| fields.text(name));
            let at = text(field::TIMESTAMP)
                .and_then(|text| text.parse().ok())
                .unwrap_or(Timestamp::EPOCH);
            let (stream, destination) = if row.get::<_, i64>(1)? == 0 {
                let stream = text(field::EVENT_DATASET).map_or(Stream::Log, Stream::of_dataset);
                (stream, Destination::Events)
            } else {
                (Stream::Quarantine, Destination::Quarantine)
            };
            append.record(stream, destination, at, &key, &value);
            taken += 1;
        }
        if taken == before {
            break;
        }
        append.commit()?;
    }
    places(&connection, spool)?;
    Ok(taken)
}

/// How far sources were read.
fn places(connection: &Connection, spool: &mut Spool) -> Result<(), DrainError> {
    let has_marks = connection.prepare("SELECT mark FROM progress").is_ok();
    let mark = if has_marks { "mark" } else { "NULL" };
    let mut statement = connection.prepare(&format!(
        "SELECT source, records, lines, offset, last, {mark} FROM progress"
    ))?;
    let mut rows = statement.query([])?;
    let mut append = spool.append(Room::Make);
    while let Some(row) = rows.next()? {
        let count = |index| row.get::<_, i64>(index).map(i64::unsigned_abs);
        let mark: Option<String> = row.get(5)?;
        let progress = Progress {
            records: count(1)?,
            lines: count(2)?,
            offset: count(3)?,
            last: row.get(4)?,
            mark: mark.and_then(|mark| serde_json::from_str(&mark).ok()),
        };
        append.progress(&row.get::<_, String>(0)?, progress);
    }
    append.commit()?;
    Ok(())
}

/// Renames a damaged spool and its log to the first free `.corrupt-N`.
fn put_aside(path: &Path) -> Option<PathBuf> {
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    let mut number = 1_u32;
    while beside(&format!(".corrupt-{number}")).exists() {
        number += 1;
    }
    let aside = beside(&format!(".corrupt-{number}"));
    if let Err(error) = std::fs::rename(path, &aside) {
        tracing::error!(%error, "put the damaged spool aside");
        return None;
    }
    for log in ["-wal", "-shm"] {
        // The log may not exist.
        let _ = std::fs::rename(beside(log), format!("{}{log}", aside.display()));
    }
    Some(aside)
}
