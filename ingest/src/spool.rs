//! Keeps what was read until the bus has it: a bounded, durable queue in one SQLite file of the sensor's state directory.
//!
//! Events, quarantine records and the place up to which each source was read are written in one transaction, so that
//! after a crash reading goes on exactly where the spool ends. Sequence numbers are given here, from 1 without gaps, and
//! stay with their events: what is published twice after a crash is the same event with the same id and number.
//!
//! Every append is synced to disk before it returns (WAL, `synchronous=FULL`): a source may forget what it handed in.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The spool's file in the state directory.
pub const FILE: &str = "spool.sqlite";

/// Records taken out at once to be published: one round trip to the bus, and a few megabytes at most.
pub const BATCH_RECORDS: usize = 2_000;

/// Bytes that one batch may have before it is cut.
pub const BATCH_BYTES: usize = 4 << 20;

/// What an entry costs beside its own bytes: row, index and page overhead in SQLite, measured at 40 to 70 bytes.
const ENTRY_OVERHEAD_BYTES: u64 = 64;

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
    /// Its place in the spool.
    pub number: u64,
    /// Where it goes.
    pub destination: Destination,
    /// The key of its record on the bus.
    pub key: Vec<u8>,
    /// The record.
    pub value: Vec<u8>,
}

/// How far a source was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// Why the spool can't be used.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// The directory or file can't be made or opened.
    #[error("open the spool {}: check that its directory exists, may be written and has room", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// SQLite's reason.
        #[source]
        source: rusqlite::Error,
    },
    /// The directory can't be made.
    #[error("make the state directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A damaged file that can't be put aside.
    #[error("put the damaged spool {} aside", path.display())]
    PutAside {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Reading or writing failed.
    #[error("use the spool")]
    Use(#[from] rusqlite::Error),
}

/// The spool.
#[derive(Debug)]
pub struct Spool {
    connection: Connection,
    bytes: u64,
    bytes_max: u64,
    sequence: u64,
    set_aside: Option<PathBuf>,
}

/// One append under way; dropped without [`Append::commit`], nothing of it happened.
#[derive(Debug)]
pub struct Append<'a> {
    transaction: Transaction<'a>,
    sequence: &'a mut u64,
    bytes: &'a mut u64,
    next: u64,
    added: u64,
}

impl Spool {
    /// Opens the spool in a directory, or makes one.
    ///
    /// A file that SQLite finds damaged is kept beside it as `spool.sqlite.corrupt-N`, for a person to look at, and a
    /// new one is begun; [`Spool::set_aside`] says so.
    ///
    /// # Errors
    /// If it can't be opened or made.
    pub fn open(directory: &Path, bytes_max: u64) -> Result<Self, SpoolError> {
        // What waits is telemetry of people: nobody else on the machine is to read it.
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory);
        made.map_err(|source| SpoolError::Directory {
            path: directory.to_path_buf(),
            source,
        })?;
        let path = directory.join(FILE);
        match Self::connect(&path, bytes_max) {
            Err(error) if is_damage(&error) => {
                let aside = put_aside(&path)?;
                let mut spool = Self::connect(&path, bytes_max).map_err(|source| SpoolError::Open {
                    path: path.clone(),
                    source,
                })?;
                spool.set_aside = Some(aside);
                Ok(spool)
            }
            Err(source) => Err(SpoolError::Open { path, source }),
            Ok(spool) => Ok(spool),
        }
    }

    fn connect(path: &Path, bytes_max: u64) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let checked: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if checked != "ok" {
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
                Some(checked),
            ));
        }
        connection.execute_batch(SCHEMA)?;
        // Of a version before 0.2.
        if connection.prepare("SELECT mark FROM progress").is_err() {
            connection.execute_batch("ALTER TABLE progress ADD COLUMN mark TEXT")?;
        }
        let bytes: i64 = connection.query_row(
            "SELECT coalesce(sum(length(key) + length(value) + ?1), 0) FROM entry",
            [ENTRY_OVERHEAD_BYTES as i64],
            |row| row.get(0),
        )?;
        let sequence: i64 = connection.query_row("SELECT sequence FROM counter", [], |row| row.get(0))?;
        Ok(Self {
            connection,
            bytes: bytes.unsigned_abs(),
            bytes_max,
            sequence: sequence.unsigned_abs(),
            set_aside: None,
        })
    }

    /// Where a damaged spool was put when this one was opened.
    #[must_use]
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether no more should be handed in until some of it is published. The batch that crosses the limit is still
    /// taken: the limit may be passed by one batch.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes_max <= self.bytes
    }

    /// The sequence number given last; 0 before the first.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How far a source was read.
    ///
    /// # Errors
    /// If the spool can't be read.
    pub fn progress(&self, source: &str) -> Result<Progress, SpoolError> {
        let row = self.connection.query_row(
            "SELECT records, lines, offset, last, mark FROM progress WHERE source = ?1",
            [source],
            |row| {
                let count = |index| row.get::<_, i64>(index).map(i64::unsigned_abs);
                Ok(Progress {
                    records: count(0)?,
                    lines: count(1)?,
                    offset: count(2)?,
                    last: row.get(3)?,
                    mark: row
                        .get::<_, Option<String>>(4)?
                        .and_then(|mark| serde_json::from_str(&mark).ok()),
                })
            },
        );
        Ok(row.optional()?.unwrap_or_default())
    }

    /// Begins an append.
    ///
    /// # Errors
    /// If the spool can't be written.
    pub fn append(&mut self) -> Result<Append<'_>, SpoolError> {
        let transaction = self.connection.transaction()?;
        let next = self.sequence;
        Ok(Append {
            transaction,
            sequence: &mut self.sequence,
            bytes: &mut self.bytes,
            next,
            added: 0,
        })
    }

    /// The oldest records, at most [`BATCH_RECORDS`] and about [`BATCH_BYTES`].
    ///
    /// # Errors
    /// If the spool can't be read.
    pub fn oldest(&self) -> Result<Vec<Entry>, SpoolError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT number, destination, key, value FROM entry ORDER BY number LIMIT ?1")?;
        let mut rows = statement.query([BATCH_RECORDS as i64])?;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let entry = Entry {
                number: row.get::<_, i64>(0)?.unsigned_abs(),
                destination: if row.get::<_, i64>(1)? == 0 {
                    Destination::Events
                } else {
                    Destination::Quarantine
                },
                key: row.get(2)?,
                value: row.get(3)?,
            };
            bytes += entry.value.len();
            batch.push(entry);
            if BATCH_BYTES <= bytes {
                break;
            }
        }
        Ok(batch)
    }

    /// Deletes what the bus has: everything up to and including this number.
    ///
    /// # Errors
    /// If the spool can't be written; the records then stay and are published again.
    pub fn delete_through(&mut self, number: u64, entries: &[Entry]) -> Result<(), SpoolError> {
        self.connection
            .execute("DELETE FROM entry WHERE number <= ?1", [number as i64])?;
        let freed: u64 = entries.iter().map(|entry| cost(&entry.key, &entry.value)).sum();
        self.bytes = self.bytes.saturating_sub(freed);
        Ok(())
    }
}

impl Append<'_> {
    /// Adds an event. `make` gets its sequence number and gives key and value of its record.
    ///
    /// # Errors
    /// If the spool can't be written.
    pub fn event(&mut self, make: impl FnOnce(u64) -> (Vec<u8>, Vec<u8>)) -> Result<(), SpoolError> {
        self.next += 1;
        let (key, value) = make(self.next);
        self.insert(0, &key, &value)
    }

    /// Adds a record for quarantine.
    ///
    /// # Errors
    /// If the spool can't be written.
    pub fn quarantine(&mut self, key: &[u8], value: &[u8]) -> Result<(), SpoolError> {
        self.insert(1, key, value)
    }

    /// Notes how far a source is read once this append is committed.
    ///
    /// # Errors
    /// If the spool can't be written.
    pub fn progress(&mut self, source: &str, progress: Progress) -> Result<(), SpoolError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO progress (source, records, lines, offset, last, mark) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (source) DO UPDATE SET
                 records = excluded.records, lines = excluded.lines, offset = excluded.offset, last = excluded.last,
                 mark = excluded.mark",
            )?
            .execute(params![
                source,
                progress.records as i64,
                progress.lines as i64,
                progress.offset as i64,
                progress.last,
                progress.mark.and_then(|mark| serde_json::to_string(&mark).ok()),
            ])?;
        Ok(())
    }

    /// Makes all of it durable.
    ///
    /// # Errors
    /// If the spool can't be written; then nothing of it happened.
    pub fn commit(self) -> Result<(), SpoolError> {
        self.transaction
            .execute("UPDATE counter SET sequence = ?1", [self.next as i64])?;
        self.transaction.commit()?;
        *self.sequence = self.next;
        *self.bytes += self.added;
        Ok(())
    }

    fn insert(&mut self, destination: i64, key: &[u8], value: &[u8]) -> Result<(), SpoolError> {
        self.transaction
            .prepare_cached("INSERT INTO entry (destination, key, value) VALUES (?1, ?2, ?3)")?
            .execute(params![destination, key, value])?;
        self.added += cost(key, value);
        Ok(())
    }
}

fn cost(key: &[u8], value: &[u8]) -> u64 {
    key.len() as u64 + value.len() as u64 + ENTRY_OVERHEAD_BYTES
}

/// `AUTOINCREMENT`: numbers of published entries are not given again, so that "up to this number" stays true.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entry (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        destination INTEGER NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL
    );
    CREATE TABLE IF NOT EXISTS progress (
        source TEXT PRIMARY KEY,
        records INTEGER NOT NULL,
        lines INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        last INTEGER,
        mark TEXT
    );
    CREATE TABLE IF NOT EXISTS counter (only INTEGER PRIMARY KEY CHECK (only = 1), sequence INTEGER NOT NULL);
    INSERT OR IGNORE INTO counter VALUES (1, 0);
";

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
    )
}

/// Renames a damaged spool and its log to the first free `.corrupt-N`.
fn put_aside(path: &Path) -> Result<PathBuf, SpoolError> {
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    let mut number = 1_u32;
    while beside(&format!(".corrupt-{number}")).exists() {
        number += 1;
    }
    let aside = beside(&format!(".corrupt-{number}"));
    std::fs::rename(path, &aside).map_err(|source| SpoolError::PutAside {
        path: path.to_path_buf(),
        source,
    })?;
    for log in ["-wal", "-shm"] {
        let kept = PathBuf::from(format!("{}{log}", aside.display()));
        // The log may not exist; a stale one beside a new file would be refused by SQLite and reported then.
        let _ = std::fs::rename(beside(log), kept);
    }
    Ok(aside)
}

#[cfg(test)]
mod tests;
