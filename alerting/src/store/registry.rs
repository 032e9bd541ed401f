//! The registry's rows that are no file's, and the counter by which instances learn of a change.

use ingest_event::Timestamp;
use sqlx::Row;

use super::{DbRow, Store, Write};
use crate::registry::{Layer, StoredRow};

const COLUMNS: &str =
    "SELECT layer, number, version, form, actor, at, reason FROM registry_row ORDER BY layer, number";

impl Store {
    /// How often the registry was changed.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn registry_version(&self) -> sqlx::Result<u64> {
        let row = sqlx::query("SELECT version FROM registry_version WHERE id = 1")
            .fetch_one(&self.reader)
            .await?;
        Ok(row.try_get::<i64, _>(0)?.cast_unsigned())
    }

    /// All rows. Read after the version they are of, or a later one.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn registry_rows(&self) -> sqlx::Result<Vec<StoredRow>> {
        let rows = sqlx::query(COLUMNS).fetch_all(&self.reader).await?;
        rows.iter().map(stored).collect()
    }

    /// The next version of the registry, and all rows of the one before; whoever else changes it waits.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn change_registry(write: &mut Write) -> sqlx::Result<(u64, Vec<StoredRow>)> {
        let row =
            sqlx::query("UPDATE registry_version SET version = version + 1 WHERE id = 1 RETURNING version")
                .fetch_one(&mut **write)
                .await?;
        let rows = sqlx::query(COLUMNS).fetch_all(&mut **write).await?;
        let rows = rows.iter().map(stored).collect::<sqlx::Result<_>>()?;
        Ok((row.try_get::<i64, _>(0)?.cast_unsigned(), rows))
    }

    /// Writes a row over the one of its layer and body.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_registry_row(write: &mut Write, row: &StoredRow) -> sqlx::Result<()> {
        let form = serde_json::to_string(&row.form).map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query(
            "INSERT INTO registry_row (layer, number, version, form, actor, at, reason)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (layer, number) DO UPDATE SET version = excluded.version, form = excluded.form,
                 actor = excluded.actor, at = excluded.at, reason = excluded.reason",
        )
        .bind(row.layer.as_str())
        .bind(row.form.number.as_str())
        .bind(row.version.cast_signed())
        .bind(form)
        .bind(row.actor.as_str())
        .bind(row.at.as_nanos())
        .bind(row.reason.as_str())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Takes a row away.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn remove_registry_row(
        write: &mut Write,
        layer: Layer,
        number: &str,
    ) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM registry_row WHERE layer = $1 AND number = $2")
            .bind(layer.as_str())
            .bind(number)
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// Notifications that were given up since a moment, by responder: how many, and when the last was decided.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn failed_since(&self, since: Timestamp) -> sqlx::Result<Vec<Failed>> {
        let rows = sqlx::query(
            "SELECT responder, channel, count(*) AS failed, max(created_at) AS last FROM notification
             WHERE state = 'failed' AND created_at >= $1 GROUP BY responder, channel ORDER BY responder, channel",
        )
        .bind(since.as_nanos())
        .fetch_all(&self.reader)
        .await?;
        let read = |row: &DbRow| {
            Ok(Failed {
                responder: row.try_get("responder")?,
                channel: row.try_get("channel")?,
                count: row.try_get::<i64, _>("failed")?,
                last: Timestamp::from_nanos(row.try_get("last")?),
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Deliveries to one responder by one channel that were given up.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    /// The responder's id.
    pub(crate) responder: String,
    /// The kind of channel.
    pub(crate) channel: String,
    /// How many.
    pub(crate) count: i64,
    /// When the last of them was decided.
    pub(crate) last: Timestamp,
}

fn stored(row: &DbRow) -> sqlx::Result<StoredRow> {
    let unreadable = |column: &str| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: "a value that this version does not know".into(),
    };
    let form: String = row.try_get("form")?;
    Ok(StoredRow {
        layer: row
            .try_get::<String, _>("layer")?
            .parse()
            .map_err(|_| unreadable("layer"))?,
        version: row.try_get::<i64, _>("version")?.cast_unsigned(),
        form: serde_json::from_str(&form).map_err(|_| unreadable("form"))?,
        actor: row.try_get("actor")?,
        at: Timestamp::from_nanos(row.try_get("at")?),
        reason: row.try_get("reason")?,
    })
}
