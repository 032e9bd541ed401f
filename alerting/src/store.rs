//! Where incidents, notifications and positions are kept: SQL, SQLite today.
//!
//! One writer connection, so that every read-decide-write is alone; readers beside it see the last commit (WAL). All
//! SQL of the service is in this folder, in words that PostgreSQL knows too.

mod deadlines;
mod incidents;
mod notifications;
mod positions;
mod silences;

use std::{path::Path, time::Duration};

use anyhow::Context;
use sqlx::{
    Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use tokio::sync::watch;

pub(crate) use incidents::{Filter, Stored};
pub(crate) use notifications::{Outcome, StoredNotification};
pub(crate) use silences::SILENCES_MAX;

/// Readers: the API's queries are short, and more would only wait for the same disk.
const READERS_MAX: u32 = 4;

/// The store; clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    writer: SqlitePool,
    reader: SqlitePool,
    changes: watch::Sender<u64>,
}

/// The database that all SQL here is written against.
pub(crate) type Db = Sqlite;
/// A row of it.
pub(crate) type DbRow = SqliteRow;
/// A connection to it.
pub(crate) type DbConnection = SqliteConnection;
/// A change to the store that is not durable until [`Store::commit`].
pub(crate) type Write = Transaction<'static, Db>;

impl Store {
    /// Opens the store in a folder, and brings it to this version.
    ///
    /// # Errors
    /// If the file can't be opened or was written by a newer version.
    pub(crate) async fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("alerting.sqlite");
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A position is committed to the bus after the commit here: it must not be lost to a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .with_context(|| format!("open the store {}", file.display()))?;
        sqlx::migrate!("./migrations")
            .run(&writer)
            .await
            .with_context(|| format!("bring the store {} to this version", file.display()))?;
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_with(options.read_only(true))
            .await
            .with_context(|| format!("open the store {} for reading", file.display()))?;
        Ok(Self {
            writer,
            reader,
            changes: watch::Sender::new(0),
        })
    }

    /// Starts a change; waits for the one before.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn begin(&self) -> sqlx::Result<Write> {
        self.writer.begin().await
    }

    /// Makes a change durable and tells those who wait for changes.
    ///
    /// # Errors
    /// If the store did not take it; then nothing of it holds.
    pub(crate) async fn commit(&self, write: Write) -> sqlx::Result<()> {
        write.commit().await?;
        self.changes
            .send_modify(|changes| *changes = changes.wrapping_add(1));
        Ok(())
    }

    /// Wakes whenever something was committed.
    #[must_use]
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether the store takes writes.
    ///
    /// # Errors
    /// If it does not.
    pub(crate) async fn probe(&self) -> sqlx::Result<()> {
        let mut write = self.begin().await?;
        sqlx::query("INSERT INTO mark (name, value) VALUES ('probe', 1) ON CONFLICT (name) DO UPDATE SET value = 1 - mark.value")
            .execute(&mut *write)
            .await?;
        write.commit().await
    }
}
