//! Where incidents, notifications and positions are kept: SQL, in one SQLite file or in a PostgreSQL that instances share.
//!
//! One text of SQL for both, through sqlx's driver for any database: values as `$1` (`sql`), whole numbers of 64 bits,
//! text without NUL. Every read-decide-write is alone: each instance has one connection that writes, and in PostgreSQL
//! that of one instance waits for those of the others; readers beside it see the last commit. What one instance commits
//! wakes the others (`elsewhere`).

mod accounts;
mod arrange;
mod aside;
mod audit;
mod bounces;
mod checks;
mod claims;
mod conclusions;
mod connect;
mod deadlines;
mod elsewhere;
mod failures;
mod groups;
mod identities;
mod incidents;
mod inhibitions;
mod letters;
mod lists;
mod members;
mod notifications;
pub(crate) mod once;
mod passkeys;
mod positions;
mod registry;
mod reveals;
mod search;
mod secrets;
mod sessions;
mod silences;
mod sql;
mod statutory;
mod tally;
mod undo;
mod work;

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use sqlx::{Any, AnyConnection, Pool, Transaction, any::AnyRow};
use tokio::sync::watch;

use crate::config::StoreSettings;
pub(crate) use accounts::{Account, AccountKind};
pub(crate) use arrange::Few;
pub(crate) use aside::{ASIDE_MAX, Aside};
pub(crate) use audit::AuditFilter;
pub(crate) use bounces::GivenUp;
pub(crate) use checks::{Answered, ContactCheck};
pub(crate) use conclusions::Fared;
use connect::Dialect;
pub(crate) use groups::Group;
pub(crate) use incidents::Stored;
pub(crate) use letters::StoredLetter;
pub(crate) use lists::{Filter, Place, Total};
pub(crate) use notifications::{Outcome, Readable, StoredNotification};
pub(crate) use passkeys::StoredPasskey;
pub(crate) use reveals::{OnBus, StoredReveal, StoredStep};
pub(crate) use sessions::Session;
pub(crate) use silences::SILENCES_MAX;
pub(crate) use sql::Sql;
pub(crate) use statutory::{Declaration, Entered, Running, Sent};
pub(crate) use undo::Done;

/// The lock that a write of any instance holds; the number means nothing, and nobody else in this database takes it.
const WRITE_LOCK: i64 = 0x7661_7264_6500;

/// The store; clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    dialect: Dialect,
    writer: Pool<Db>,
    reader: Pool<Db>,
    /// The name of this instance, which no other has, nor this one after a restart.
    me: String,
    changes: watch::Sender<u64>,
    elsewhere: watch::Receiver<u64>,
    _listening: Option<Arc<elsewhere::Listening>>,
}

/// The database that all SQL here is written against.
pub(crate) type Db = Any;
/// A row of it.
pub(crate) type DbRow = AnyRow;
/// A connection to it.
pub(crate) type DbConnection = AnyConnection;
/// A change to the store that is not durable until [`Store::commit`].
pub(crate) type Write = Transaction<'static, Db>;

impl Store {
    /// Opens the store, in a folder or where the settings say, and brings it to this version.
    ///
    /// # Errors
    /// If it can't be opened or was written by a newer version.
    pub(crate) async fn open(settings: &StoreSettings, folder: &Path) -> anyhow::Result<Self> {
        let url = match settings {
            StoreSettings::Sqlite => None,
            StoreSettings::Postgres(postgres) => Some(postgres.url()?),
        };
        let (dialect, pools) = match &url {
            None => (Dialect::Sqlite, connect::sqlite(folder).await?),
            Some(url) => (Dialect::Postgres, connect::postgres(url).await?),
        };
        let (others, elsewhere) = watch::channel(0);
        let mut store = Self {
            dialect,
            writer: pools.writer,
            reader: pools.reader,
            me: secrets::random_name()?,
            changes: watch::Sender::new(0),
            elsewhere,
            _listening: None,
        };
        store
            .seal_what_is_full()
            .await
            .context("make the store ready to be searched")?;
        match url {
            // Nobody else uses the file: what is claimed was claimed by a process that is gone.
            None => store.release_all().await?,
            Some(url) => store._listening = Some(elsewhere::listen(&store, url, others)),
        }
        Ok(store)
    }

    /// Opens the store beside a service or without one, to look at it or, with `changes`, for a change by hand; what a service
    /// has claimed stays its own.
    ///
    /// # Errors
    /// If it is not there or can't be opened.
    pub(crate) async fn open_beside(
        settings: &StoreSettings,
        folder: &Path,
        changes: bool,
    ) -> anyhow::Result<Self> {
        let url = match settings {
            StoreSettings::Sqlite => None,
            StoreSettings::Postgres(postgres) => Some(postgres.url()?),
        };
        let (dialect, pools) = match &url {
            None if changes => (Dialect::Sqlite, connect::sqlite(folder).await?),
            None => (Dialect::Sqlite, connect::sqlite_to_read(folder).await?),
            Some(url) if changes => (Dialect::Postgres, connect::postgres(url).await?),
            Some(url) => (Dialect::Postgres, connect::postgres_to_read(url).await?),
        };
        let store = Self {
            dialect,
            writer: pools.writer,
            reader: pools.reader,
            me: secrets::random_name()?,
            changes: watch::Sender::new(0),
            elsewhere: watch::channel(0).1,
            _listening: None,
        };
        if changes {
            store
                .seal_what_is_full()
                .await
                .context("make the store ready to be searched")?;
        }
        Ok(store)
    }

    /// Starts a change; waits for the one before, of other instances too.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn begin(&self) -> sqlx::Result<Write> {
        let mut write = self.writer.begin().await?;
        if self.dialect == Dialect::Postgres {
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind(WRITE_LOCK)
                .execute(&mut *write)
                .await?;
        }
        Ok(write)
    }

    /// Makes a change durable and tells those who wait for changes, in other instances too.
    ///
    /// # Errors
    /// If the store did not take it, or did not say so; if it did not, nothing of it holds.
    pub(crate) async fn commit(&self, mut write: Write) -> sqlx::Result<()> {
        if let Ok(claim) = once::CLAIM.try_with(Clone::clone) {
            Self::effect_once(&mut write, &claim).await?;
        }
        if self.dialect == Dialect::Postgres {
            sqlx::query("SELECT pg_notify($1, $2)")
                .bind(elsewhere::CHANNEL)
                .bind(self.me.as_str())
                .execute(&mut *write)
                .await?;
        }
        write.commit().await?;
        self.changes
            .send_modify(|changes| *changes = changes.wrapping_add(1));
        Ok(())
    }

    /// The name of this instance, and whether no other can use this store beside it.
    #[must_use]
    pub(crate) fn instance(&self) -> (String, bool) {
        (self.me.clone(), self.dialect == Dialect::Sqlite)
    }

    /// Wakes whenever something was committed.
    #[must_use]
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Wakes whenever another instance committed something.
    #[must_use]
    pub(crate) fn elsewhere(&self) -> watch::Receiver<u64> {
        self.elsewhere.clone()
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

/// Whether an error says that the store is away or busy, rather than that it refuses what was asked.
#[must_use]
pub(crate) fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            // SQLSTATE: connection, resources, limits of time, shutdown, and a standby that is not writable; SQLite's own
            // numbers for busy, locked, no memory, I/O error and full.
            let code = error.code().unwrap_or_default();
            let states = ["08", "25", "40", "53", "55", "57", "58"];
            let is_sqlites = code
                .parse::<i64>()
                .is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 7 | 10 | 13));
            if code.len() == 5 {
                states.iter().any(|class| code.starts_with(class))
            } else {
                is_sqlites
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        _ => false,
    }
}

/// Whether an error says that the store will never take these very values, or can't read what it has of them.
///
/// A missing table or right is none of that: it is mended, and then everything is taken.
#[must_use]
pub(crate) fn is_refused(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            // SQLSTATE: values, constraints, limits of the program, raised by a trigger; SQLite's numbers for too big,
            // constraint, mismatch and range.
            let code = error.code().unwrap_or_default();
            if code.len() == 5 {
                return ["22", "23", "54", "P0"]
                    .iter()
                    .any(|class| code.starts_with(class));
            }
            code.parse::<i64>()
                .is_ok_and(|code| matches!(code & 0xff, 18 | 19 | 20 | 25))
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => true,
        _ => false,
    }
}
