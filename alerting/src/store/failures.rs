//! Logins that failed lately, by whose, what and why; gathered until they are summed up.

use ingest_event::Timestamp;
use sqlx::Row;

use super::{DbRow, Store, Write, sql::storable};

/// Failures of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Failures {
    /// The id of the account; empty where there is none with that name.
    pub(crate) account: String,
    /// As in the audit log.
    pub(crate) name: String,
    pub(crate) action: String,
    pub(crate) subject: String,
    /// The first.
    pub(crate) since: Timestamp,
    /// The last.
    pub(crate) last_at: Timestamp,
    /// How many.
    pub(crate) attempts: i64,
}

/// Their time is over; also where the clock was set back before they began.
const OVER: &str = "(since <= $1 OR since > $2)";

impl Store {
    /// Counts a failure; how many of its kind there are now.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn count_failure(
        write: &mut Write,
        (account, name): (&str, &str),
        action: &str,
        subject: &str,
        now: Timestamp,
    ) -> sqlx::Result<i64> {
        sqlx::query_scalar(
            "INSERT INTO login_failure (account, name, action, subject, since, last_at, attempts) VALUES ($1, $2, $3, $4, $5, $5, 1)
             ON CONFLICT (account, action, subject) DO UPDATE SET attempts = login_failure.attempts + 1, last_at = excluded.last_at
             RETURNING attempts",
        )
        .bind(account)
        .bind(storable(name))
        .bind(action)
        .bind(storable(subject))
        .bind(now.as_nanos())
        .fetch_one(&mut **write)
        .await
    }

    /// Whether there are some that began up to a moment.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn has_failures(&self, until: Timestamp, now: Timestamp) -> sqlx::Result<bool> {
        let text = format!("SELECT 1 FROM login_failure WHERE {OVER} LIMIT 1");
        let row = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(until.as_nanos())
            .bind(now.as_nanos())
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.is_some())
    }

    /// Takes those that began up to a moment; some of them.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn take_failures(
        write: &mut Write,
        until: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> sqlx::Result<Vec<Failures>> {
        let text = format!(
            "DELETE FROM login_failure WHERE (account, action, subject) IN
                 (SELECT account, action, subject FROM login_failure WHERE {OVER} ORDER BY since LIMIT $3)
             RETURNING account, name, action, subject, since, last_at, attempts"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(until.as_nanos())
            .bind(now.as_nanos())
            .bind(i64::from(limit))
            .fetch_all(&mut **write)
            .await?;
        rows.iter().map(failures).collect()
    }
}

fn failures(row: &DbRow) -> sqlx::Result<Failures> {
    Ok(Failures {
        account: row.try_get("account")?,
        name: row.try_get("name")?,
        action: row.try_get("action")?,
        subject: row.try_get("subject")?,
        since: Timestamp::from_nanos(row.try_get("since")?),
        last_at: Timestamp::from_nanos(row.try_get("last_at")?),
        attempts: row.try_get("attempts")?,
    })
}
