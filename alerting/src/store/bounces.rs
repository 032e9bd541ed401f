//! What was refused for good or came back, addresses that are switched off, and what was given up.

use ingest_event::Timestamp;
use sqlx::{AssertSqlSafe, Row};

use super::{DbRow, Store, Write};

/// A notification or letter that was given up, and that nobody has set aside.
#[derive(Clone, Debug)]
pub(crate) struct GivenUp {
    /// Its name.
    pub(crate) id: String,
    /// `notification`, or the letter's kind.
    pub(crate) kind: String,
    /// About which incident, if about one.
    pub(crate) incident: Option<String>,
    /// Whom it should have told.
    pub(crate) name: String,
    /// By which kind of channel.
    pub(crate) channel: String,
    /// Where to.
    pub(crate) address: String,
    /// How often it was tried.
    pub(crate) attempts: i64,
    /// Why it was not sent, last.
    pub(crate) error: String,
    /// When it was decided.
    pub(crate) created_at: Timestamp,
    /// When it was given up.
    pub(crate) given_up_at: Timestamp,
}

/// An address that nothing is sent to.
#[derive(Clone, Debug)]
pub(crate) struct AddressOff {
    /// In lower case.
    pub(crate) address: String,
    /// Since when.
    pub(crate) at: Timestamp,
    /// How often mail to it came back.
    pub(crate) bounces: i64,
}

/// What is given up, in both tables; those that a digest tells are that digest's.
const GIVEN_UP: &str = "SELECT id, 'notification' AS kind, incident, responder_name AS name, channel, address, attempts, error,
        created_at, next_at FROM notification WHERE state = 'failed' AND aside_at IS NULL AND letter IS NULL
    UNION ALL SELECT id, kind, NULL AS incident, name, 'email' AS channel, address, attempts, error, created_at, next_at
        FROM letter WHERE state = 'failed' AND aside_at IS NULL";

impl Store {
    /// Notes that a mail was refused or came back; `false` if that was known.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn add_bounce(
        write: &mut Write,
        message: &str,
        address: &str,
        status: &str,
        state: &str,
        now: Timestamp,
    ) -> sqlx::Result<bool> {
        let added = sqlx::query(
            "INSERT INTO bounce (message, address, at, status, state) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (message) DO NOTHING",
        )
        .bind(message)
        .bind(address.to_lowercase())
        .bind(now.as_nanos())
        .bind(status)
        .bind(state)
        .execute(&mut **write)
        .await?;
        Ok(0 < added.rows_affected())
    }

    /// What came back and was not looked at: message and status.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn new_bounces(&self, limit: u32) -> sqlx::Result<Vec<(String, String)>> {
        let query = sqlx::query(
            "SELECT message, status FROM bounce WHERE state = 'new' ORDER BY at, message LIMIT $1",
        );
        let rows = query.bind(i64::from(limit)).fetch_all(&self.reader).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Says whose it was and whether it counts; `false` if another instance has.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn settle_bounce(
        write: &mut Write,
        message: &str,
        address: &str,
        state: &str,
    ) -> sqlx::Result<bool> {
        let query =
            sqlx::query("UPDATE bounce SET address = $2, state = $3 WHERE message = $1 AND state = 'new'");
        let settled = query
            .bind(message)
            .bind(address.to_lowercase())
            .bind(state)
            .execute(&mut **write)
            .await?;
        Ok(0 < settled.rows_affected())
    }

    /// How often mail to an address came back since a moment.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn bounces(write: &mut Write, address: &str, since: Timestamp) -> sqlx::Result<i64> {
        let query =
            sqlx::query("SELECT count(*) FROM bounce WHERE address = $1 AND state = 'counted' AND at > $2");
        let row = query.bind(address.to_lowercase()).bind(since.as_nanos());
        Ok(row.fetch_one(&mut **write).await?.get(0))
    }

    /// Switches an address off; `false` if it was.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn switch_off(
        write: &mut Write,
        address: &str,
        bounces: i64,
        now: Timestamp,
    ) -> sqlx::Result<bool> {
        let query = sqlx::query(
            "INSERT INTO address_off (address, at, bounces) VALUES ($1, $2, $3) ON CONFLICT (address) DO NOTHING",
        );
        let done = query
            .bind(address.to_lowercase())
            .bind(now.as_nanos())
            .bind(bounces)
            .execute(&mut **write)
            .await?;
        Ok(0 < done.rows_affected())
    }

    /// Switches an address on, and forgives what came back; `false` if it was on.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn switch_on(write: &mut Write, address: &str) -> sqlx::Result<bool> {
        let address = address.to_lowercase();
        sqlx::query("UPDATE bounce SET state = 'forgiven' WHERE address = $1 AND state = 'counted'")
            .bind(&address)
            .execute(&mut **write)
            .await?;
        let gone = sqlx::query("DELETE FROM address_off WHERE address = $1").bind(&address);
        Ok(0 < gone.execute(&mut **write).await?.rows_affected())
    }

    /// Whether an address is switched off.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn is_off(&self, address: &str) -> sqlx::Result<bool> {
        let query = sqlx::query("SELECT count(*) FROM address_off WHERE address = $1");
        let row = query.bind(address.to_lowercase()).fetch_one(&self.reader).await?;
        Ok(0 < row.get::<i64, _>(0))
    }

    /// The addresses that are switched off, the last first.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn addresses_off(&self, limit: u32) -> sqlx::Result<Vec<AddressOff>> {
        let query =
            sqlx::query("SELECT address, at, bounces FROM address_off ORDER BY at DESC, address LIMIT $1");
        let rows = query.bind(i64::from(limit)).fetch_all(&self.reader).await?;
        let each = rows.iter().map(|row| AddressOff {
            address: row.get(0),
            at: Timestamp::from_nanos(row.get(1)),
            bounces: row.get(2),
        });
        Ok(each.collect())
    }

    /// What was given up and not set aside, the last first; at most `limit`, with the number of all.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn given_up(&self, limit: u32) -> sqlx::Result<(i64, Vec<GivenUp>)> {
        let text = format!("SELECT * FROM ({GIVEN_UP}) AS given_up ORDER BY next_at DESC, id LIMIT $1");
        let query = sqlx::query(AssertSqlSafe(text)).bind(i64::from(limit));
        let rows = query.fetch_all(&self.reader).await?;
        let each: sqlx::Result<Vec<_>> = rows.iter().map(given_up).collect();
        Ok((self.given_up_since(Timestamp::EPOCH).await?, each?))
    }

    /// One of them.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn one_given_up(&self, id: &str) -> sqlx::Result<Option<GivenUp>> {
        let text = format!("SELECT * FROM ({GIVEN_UP}) AS given_up WHERE id = $1");
        let query = sqlx::query(AssertSqlSafe(text)).bind(id);
        let row = query.fetch_optional(&self.reader).await?;
        row.as_ref().map(given_up).transpose()
    }

    /// How many were given up after a moment, and not set aside.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn given_up_since(&self, since: Timestamp) -> sqlx::Result<i64> {
        let text = format!("SELECT count(*) FROM ({GIVEN_UP}) AS given_up WHERE next_at > $1");
        let query = sqlx::query(AssertSqlSafe(text)).bind(since.as_nanos());
        Ok(query.fetch_one(&self.reader).await?.get(0))
    }

    /// Puts what was given up back into the outbox; `false` if it is no longer there to be.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn try_again(write: &mut Write, id: &str, now: Timestamp) -> sqlx::Result<bool> {
        let mut done = 0;
        for table in ["notification", "letter"] {
            let text = format!(
                "UPDATE {table} SET state = 'pending', attempts = 0, next_at = $2, claimed_by = NULL, claimed_until = 0
                 WHERE id = $1 AND state = 'failed' AND aside_at IS NULL{}",
                if table == "notification" { " AND letter IS NULL" } else { "" }
            );
            let query = sqlx::query(AssertSqlSafe(text)).bind(id).bind(now.as_nanos());
            done += query.execute(&mut **write).await?.rows_affected();
        }
        sqlx::query("UPDATE notification SET state = 'digested' WHERE letter = $1 AND state = 'failed'")
            .bind(id)
            .execute(&mut **write)
            .await?;
        // What came back may come back again.
        sqlx::query("UPDATE bounce SET state = 'forgiven', message = message || ':' || CAST(at AS TEXT) WHERE message = $1")
            .bind(id)
            .execute(&mut **write)
            .await?;
        Ok(0 < done)
    }

    /// Sets aside what was given up; `false` if it is no longer there to be.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn set_aside(write: &mut Write, id: &str, now: Timestamp) -> sqlx::Result<bool> {
        let mut done = 0;
        for table in ["notification", "letter"] {
            let text = format!(
                "UPDATE {table} SET aside_at = $2 WHERE id = $1 AND state = 'failed' AND aside_at IS NULL"
            );
            let query = sqlx::query(AssertSqlSafe(text)).bind(id).bind(now.as_nanos());
            done += query.execute(&mut **write).await?.rows_affected();
        }
        Ok(0 < done)
    }

    /// Marks what had been handed over as given up: it came back. `false` if it was not handed over.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn came_back(
        write: &mut Write,
        id: &str,
        why: &str,
        now: Timestamp,
    ) -> sqlx::Result<bool> {
        let mut done = 0;
        for table in ["notification", "letter"] {
            let text = format!(
                "UPDATE {table} SET state = 'failed', error = $2, next_at = $3 WHERE id = $1 AND state = 'sent'"
            );
            let query = sqlx::query(AssertSqlSafe(text))
                .bind(id)
                .bind(why)
                .bind(now.as_nanos());
            done += query.execute(&mut **write).await?.rows_affected();
        }
        // Who was to be told by a digest was not.
        sqlx::query("UPDATE notification SET state = 'failed', error = $2, next_at = $3 WHERE letter = $1 AND state = 'sent'")
            .bind(id)
            .bind(why)
            .bind(now.as_nanos())
            .execute(&mut **write)
            .await?;
        Ok(0 < done)
    }

    /// A single value.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn mark_in(write: &mut Write, name: &str) -> sqlx::Result<Option<i64>> {
        let query = sqlx::query("SELECT value FROM mark WHERE name = $1").bind(name);
        let row = query.fetch_optional(&mut **write).await?;
        Ok(row.map(|row| row.get(0)))
    }

    /// Stores a single value.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_mark(write: &mut Write, name: &str, value: i64) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO mark (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(&mut **write)
        .await?;
        Ok(())
    }
}

fn given_up(row: &DbRow) -> sqlx::Result<GivenUp> {
    Ok(GivenUp {
        id: row.try_get("id")?,
        kind: row.try_get("kind")?,
        incident: row.try_get("incident")?,
        name: row.try_get("name")?,
        channel: row.try_get("channel")?,
        address: row.try_get("address")?,
        attempts: row.try_get("attempts")?,
        error: row.try_get::<Option<String>, _>("error")?.unwrap_or_default(),
        created_at: Timestamp::from_nanos(row.try_get("created_at")?),
        given_up_at: Timestamp::from_nanos(row.try_get("next_at")?),
    })
}
