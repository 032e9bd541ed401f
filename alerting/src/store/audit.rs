//! The audit log's rows: appended in the transaction of what they tell, read page by page.

use ingest_event::Timestamp;
use sqlx::Row;

use super::{DbRow, Store, Write, sql::storable};
use crate::audit::{Deed, Digest, Entry, Head};

/// Entries, as far as the rest of the text says.
macro_rules! entries {
    ($rest:literal) => {
        concat!(
            "SELECT seq, at, actor, account, action, subject, before, after, digest FROM audit ",
            $rest
        )
    };
}

/// What of the log is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditFilter {
    /// Of exactly this subject.
    pub(crate) subject: Option<String>,
    /// Of exactly this action.
    pub(crate) action: Option<String>,
    /// Before this one.
    pub(crate) before: Option<u64>,
}

impl Store {
    /// Appends to the audit log, in the transaction of the change itself: neither is there without the other.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn audit(write: &mut Write, deed: Deed) -> sqlx::Result<Head> {
        // The row is locked by changing it before it is read: two instances at once would both follow the same entry.
        let row =
            sqlx::query("UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq - 1 AS seq, digest")
                .fetch_one(&mut **write)
                .await?;
        let deed = Deed {
            at: deed.at,
            actor: storable(&deed.actor),
            account: deed.account.as_deref().map(storable),
            action: storable(&deed.action),
            subject: storable(&deed.subject),
            before: deed.before.as_deref().map(storable),
            after: deed.after.as_deref().map(storable),
        };
        let entry = head(&row)?.append(deed);
        let Entry { seq, deed, digest } = &entry;
        sqlx::query(
            "INSERT INTO audit (seq, at, actor, action, subject, before, after, digest, account)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(seq.cast_signed())
        .bind(deed.at.as_nanos())
        .bind(deed.actor.as_str())
        .bind(deed.action.as_str())
        .bind(deed.subject.as_str())
        .bind(deed.before.as_deref())
        .bind(deed.after.as_deref())
        .bind(digest.to_string())
        .bind(deed.account.as_deref())
        .execute(&mut **write)
        .await?;
        sqlx::query("UPDATE audit_head SET digest = $1 WHERE id = 1")
            .bind(digest.to_string())
            .execute(&mut **write)
            .await?;
        Ok(entry.head())
    }

    /// How far the log goes.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn audit_head(&self) -> sqlx::Result<Head> {
        let row = sqlx::query("SELECT seq, digest FROM audit_head WHERE id = 1")
            .fetch_one(&self.reader)
            .await?;
        head(&row)
    }

    /// Entries after one, the oldest first.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn audit_after(&self, seq: u64, limit: u32) -> sqlx::Result<Vec<Entry>> {
        let rows = sqlx::query(entries!("WHERE seq > $1 ORDER BY seq LIMIT $2"))
            .bind(seq.cast_signed())
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(entry).collect()
    }

    /// Entries, the newest first.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn audit_page(&self, filter: &AuditFilter, limit: u32) -> sqlx::Result<Vec<Entry>> {
        let before = filter.before.map_or(i64::MAX, u64::cast_signed);
        // Each has its own text, so that each finds its index.
        let (text, values) = match (&filter.subject, &filter.action) {
            (None, None) => (entries!("WHERE seq < $1 ORDER BY seq DESC LIMIT $2"), vec![]),
            (Some(subject), None) => (
                entries!("WHERE seq < $1 AND subject = $3 ORDER BY seq DESC LIMIT $2"),
                vec![subject],
            ),
            (None, Some(action)) => (
                entries!("WHERE seq < $1 AND action = $3 ORDER BY seq DESC LIMIT $2"),
                vec![action],
            ),
            (Some(subject), Some(action)) => (
                entries!("WHERE seq < $1 AND subject = $3 AND action = $4 ORDER BY seq DESC LIMIT $2"),
                vec![subject, action],
            ),
        };
        let query = sqlx::query(text).bind(before).bind(i64::from(limit));
        let query = values
            .into_iter()
            .fold(query, |query, value| query.bind(storable(value)));
        let rows = query.fetch_all(&self.reader).await?;
        rows.iter().map(entry).collect()
    }
}

fn head(row: &DbRow) -> sqlx::Result<Head> {
    Ok(Head {
        seq: row.try_get::<i64, _>("seq")?.cast_unsigned(),
        digest: digest(row)?,
    })
}

fn entry(row: &DbRow) -> sqlx::Result<Entry> {
    Ok(Entry {
        seq: row.try_get::<i64, _>("seq")?.cast_unsigned(),
        deed: Deed {
            at: Timestamp::from_nanos(row.try_get("at")?),
            actor: row.try_get("actor")?,
            account: row.try_get("account")?,
            action: row.try_get("action")?,
            subject: row.try_get("subject")?,
            before: row.try_get("before")?,
            after: row.try_get("after")?,
        },
        digest: digest(row)?,
    })
}

fn digest(row: &DbRow) -> sqlx::Result<Digest> {
    // What is no digest at all is a changed one: no entry has it.
    Ok(row
        .try_get::<String, _>("digest")?
        .parse()
        .unwrap_or(Digest::BEGINNING))
}
