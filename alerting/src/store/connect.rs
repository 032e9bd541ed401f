//! Connections to the one database or the other, and its schema brought to this version.

use std::{os::unix::ffi::OsStrExt, path::Path, str::FromStr, time::Duration};

use anyhow::Context;
use sqlx::{
    Connection, Row,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::MigrateError,
};

use super::{Db, DbConnection};
use crate::config::PostgresUrl;

/// Readers: the API's queries are short, and more would only wait for the same disk.
const READERS_MAX: u32 = 4;
/// A connection that is not to be had in this time is told of as a store that is away: long enough for a server that
/// restarts, short enough that a request, which may need both, is answered.
const READ_WAIT_MAX: Duration = Duration::from_secs(5);
/// The same for the one connection that writes, for which writes also wait in turn.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Which database it is: few words differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// One connection that writes, so that those of this process queue here, and some that read beside it.
pub(super) struct Pools {
    pub(super) writer: sqlx::Pool<Db>,
    pub(super) reader: sqlx::Pool<Db>,
}

/// A position is committed to the bus after the commit here: it must not be lost to a power cut.
const SQLITE_WRITER: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                             PRAGMA busy_timeout = 10000";
const SQLITE_READER: &str = "PRAGMA busy_timeout = 10000";

/// A write waits for the ones of other instances, of which each is short; a statement that takes longer than a request
/// helps nobody; and who stopped in the middle of a write must not keep the others waiting. `synchronous_commit` may be
/// stricter than `on`, not weaker.
const POSTGRES: &str = "SET application_name = 'varde-alerting'; SET lock_timeout = '20s'; \
     SET statement_timeout = '25s'; SET idle_in_transaction_session_timeout = '30s'; SET tcp_keepalives_idle = 10; \
     SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 20000; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')";

/// Opens the SQLite file in a folder.
pub(super) async fn sqlite(folder: &Path) -> anyhow::Result<Pools> {
    let folder = folder
        .canonicalize()
        .with_context(|| format!("open the folder {}", folder.display()))?;
    let file = folder.join("alerting.sqlite");
    let named = || format!("open the store {}", file.display());
    let options = |mode: &str| {
        AnyConnectOptions::from_str(&format!("sqlite:{}?mode={mode}", percent_encoded(&file)))
            .with_context(named)
    };
    sqlx::any::install_default_drivers();
    let writer = pool(1, WRITE_WAIT_MAX, SQLITE_WRITER)
        .connect_with(options("rwc")?)
        .await
        .with_context(named)?;
    migrate(&mut *writer.acquire().await.with_context(named)?)
        .await
        .with_context(|| format!("bring the store {} to this version", file.display()))?;
    let reader = pool(READERS_MAX, READ_WAIT_MAX, SQLITE_READER)
        .connect_with(options("ro")?)
        .await
        .with_context(|| format!("open the store {} for reading", file.display()))?;
    Ok(Pools { writer, reader })
}

/// Opens the SQLite file in a folder, only to be read: it is not made, nor brought to this version.
pub(super) async fn sqlite_to_read(folder: &Path) -> anyhow::Result<Pools> {
    let file = folder.join("alerting.sqlite");
    let named = || format!("open the store {} for reading", file.display());
    let file = file
        .canonicalize()
        .map_err(|error| anyhow::anyhow!("{}: {error}", named()))?;
    sqlx::any::install_default_drivers();
    let options = AnyConnectOptions::from_str(&format!("sqlite:{}?mode=ro", percent_encoded(&file)));
    let reader = pool(1, READ_WAIT_MAX, SQLITE_READER)
        .connect_with(options.with_context(named)?)
        .await
        .with_context(named)?;
    Ok(Pools {
        writer: reader.clone(),
        reader,
    })
}

/// Connects to a PostgreSQL only to read; it is not brought to this version. No error holds the address.
pub(super) async fn postgres_to_read(url: &PostgresUrl) -> anyhow::Result<Pools> {
    sqlx::any::install_default_drivers();
    let options = AnyConnectOptions::from_str(url.reveal())
        .map_err(|_| anyhow::anyhow!("understand the address of the PostgreSQL"))?;
    let reader = pool(1, READ_WAIT_MAX, POSTGRES).connect_with(options).await;
    let reader = reader.context("connect to the PostgreSQL")?;
    Ok(Pools {
        writer: reader.clone(),
        reader,
    })
}

/// Connects to a PostgreSQL. No error holds the address, as a password is in it.
pub(super) async fn postgres(url: &PostgresUrl) -> anyhow::Result<Pools> {
    sqlx::any::install_default_drivers();
    let options = AnyConnectOptions::from_str(url.reveal())
        .map_err(|_| anyhow::anyhow!("understand the address of the PostgreSQL"))?;
    // Without the limits of time: a new index may take a while, and so may the instance that makes it meanwhile.
    let mut connection = DbConnection::connect_with(&options)
        .await
        .context("connect to the PostgreSQL")?;
    let encoding: String = sqlx::query("SELECT current_setting('server_encoding')")
        .fetch_one(&mut connection)
        .await
        .and_then(|row| row.try_get(0))
        .context("ask the PostgreSQL for its encoding")?;
    anyhow::ensure!(
        encoding == "UTF8",
        "use the PostgreSQL: its database is encoded in {encoding}; make one with ENCODING 'UTF8' TEMPLATE template0"
    );
    migrate(&mut connection)
        .await
        .context("bring the PostgreSQL to this version")?;
    connection
        .close()
        .await
        .context("close a connection to the PostgreSQL")?;
    let writer = pool(1, WRITE_WAIT_MAX, POSTGRES)
        .connect_with(options.clone())
        .await;
    let reader = pool(READERS_MAX, READ_WAIT_MAX, POSTGRES)
        .connect_with(options)
        .await;
    Ok(Pools {
        writer: writer.context("connect to the PostgreSQL")?,
        reader: reader.context("connect to the PostgreSQL")?,
    })
}

fn pool(size: u32, wait: Duration, first: &'static str) -> sqlx::pool::PoolOptions<Db> {
    AnyPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(wait)
        .after_connect(move |connection, _| {
            Box::pin(async move { sqlx::raw_sql(first).execute(connection).await.map(|_| ()) })
        })
}

/// Applies the migrations that the database does not have; instances that start at once wait for each other.
async fn migrate(connection: &mut DbConnection) -> anyhow::Result<()> {
    // Not `run`, whose future the compiler does not let change threads here.
    match sqlx::migrate!("./migrations")
        .run_direct(None, connection, false)
        .await
    {
        Err(MigrateError::VersionMissing(version)) => anyhow::bail!(
            "it has change {version}, which this version of Varde does not know: a newer one wrote it; run that, or \
             restore the copy from before the upgrade"
        ),
        Err(MigrateError::VersionMismatch(version)) => anyhow::bail!(
            "its change {version} is not this version's: it was made by Varde before its first release; begin with an empty store"
        ),
        done => Ok(done?),
    }
}

/// A path as part of a `sqlite:` address: everything but letters, digits and slashes as `%20`.
fn percent_encoded(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
