//! Each test runs on both stores: on SQLite, and on a database of its own in the PostgreSQL that `VARDE_TEST_POSTGRES`
//! names (`scripts/postgres start` prints it). Without that it says that it was passed over; where `CI` is `true` it fails.

use std::{future::Future, path::Path};

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

tokio::task_local! {
    /// The address of the test's own database; `None` is SQLite.
    static DATABASE: Option<String>;
}

/// Makes two tests of an `async fn`.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                crate::stores::on_sqlite(super::$test()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                crate::stores::on_postgres(super::$test()).await;
            }
        }
    )+};
}
pub(crate) use on_both;

pub(crate) async fn on_sqlite(test: impl Future<Output = ()>) {
    DATABASE.scope(None, test).await;
}

pub(crate) async fn on_postgres(test: impl Future<Output = ()> + Send + 'static) {
    let Some(server) = server() else { return };
    let (name, url) = create(&server).await;
    let done = tokio::spawn(on_database(url, test)).await;
    drop_database(&server, &name).await;
    if let Err(error) = done {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// On a database that somebody else ends.
pub(crate) async fn on_database(url: String, test: impl Future<Output = ()>) {
    DATABASE.scope(Some(url), test).await;
}

/// What this test adds to a configuration; the address lies in the folder.
pub(crate) fn settings(folder: &Path) -> String {
    let Some(url) = database() else {
        return String::new();
    };
    let file = folder.join("store.url");
    std::fs::write(&file, url).expect("written");
    format!("store: {{ postgres: {{ url_file: {} }} }}\n", file.display())
}

/// The address of this test's own database.
pub(crate) fn database() -> Option<String> {
    DATABASE.try_with(Clone::clone).ok().flatten()
}

/// Changes this test's store beside the service, which keeps its data in a folder.
pub(crate) async fn by_hand(data: &Path, text: &'static str) {
    match database() {
        Some(url) => {
            let mut connection = PgConnection::connect(&url).await.expect("connected");
            sqlx::query(text).execute(&mut connection).await.expect("changed");
        }
        None => {
            let file = format!("sqlite:{}", data.join("alerting.sqlite").display());
            let mut connection = SqliteConnection::connect(&file).await.expect("connected");
            sqlx::query(text).execute(&mut connection).await.expect("changed");
        }
    }
}

/// Counts in this test's store beside the service.
pub(crate) async fn count_by_hand(data: &Path, text: &'static str) -> i64 {
    match database() {
        Some(url) => {
            let mut connection = PgConnection::connect(&url).await.expect("connected");
            sqlx::query_scalar(text)
                .fetch_one(&mut connection)
                .await
                .expect("counted")
        }
        None => {
            let file = format!("sqlite:{}", data.join("alerting.sqlite").display());
            let mut connection = SqliteConnection::connect(&file).await.expect("connected");
            sqlx::query_scalar(text)
                .fetch_one(&mut connection)
                .await
                .expect("counted")
        }
    }
}

/// The server to test against.
#[expect(
    clippy::print_stdout,
    reason = "who runs the tests reads that half of them did not run"
)]
pub(crate) fn server() -> Option<String> {
    let server = std::env::var("VARDE_TEST_POSTGRES").ok();
    let is_wanted = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(
        server.is_some() || !is_wanted,
        "VARDE_TEST_POSTGRES is not set: scripts/postgres start prints it"
    );
    if server.is_none() {
        println!("passed over: VARDE_TEST_POSTGRES is not set (scripts/postgres start prints it)");
    }
    server
}

async fn create(server: &str) -> (String, String) {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("random bytes");
    let name = format!("test_{}", hex::encode(bytes));
    let mut connection = PgConnection::connect(server).await.expect("connected");
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .expect("made");
    connection.close().await.expect("closed");
    let (start, _) = server.rsplit_once('/').expect("a database");
    let url = format!("{start}/{name}");
    (name, url)
}

async fn drop_database(server: &str, name: &str) {
    let mut connection = PgConnection::connect(server).await.expect("connected");
    sqlx::query(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)")))
        .execute(&mut connection)
        .await
        .expect("dropped");
    connection.close().await.expect("closed");
}
