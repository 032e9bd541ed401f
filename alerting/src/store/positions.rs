//! Positions on the bus, and single values.

use ingest_bus::Position;
use ingest_event::Timestamp;
use sqlx::Row;

use super::{DbConnection, Store, Write};

/// The mark under which the last canary is kept.
const CANARY: &str = "canary";

impl Store {
    /// The next offset to read of a partition, as of the effects in this store.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn next_offset(write: &mut Write, topic: &str, partition: u32) -> sqlx::Result<u64> {
        next_offset(&mut *write, topic, partition).await
    }

    /// As [`Store::next_offset`], as of the last commit.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn committed_offset(&self, topic: &str, partition: u32) -> sqlx::Result<u64> {
        next_offset(&mut *self.reader.acquire().await?, topic, partition).await
    }

    /// Notes how far a partition has been applied.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_position(write: &mut Write, next: &Position) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO position (topic, partition, next) VALUES ($1, $2, $3)
             ON CONFLICT (topic, partition) DO UPDATE SET next = excluded.next",
        )
        .bind(next.topic.as_str())
        .bind(i64::from(next.partition))
        .bind(next.offset.cast_signed())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Notes that a canary came out.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_canary(write: &mut Write, at: Timestamp) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO mark (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value =
                 CASE WHEN mark.value < excluded.value THEN excluded.value ELSE mark.value END",
        )
        .bind(CANARY)
        .bind(at.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// When the last canary came out.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn last_canary(&self) -> sqlx::Result<Option<Timestamp>> {
        let row = sqlx::query("SELECT value FROM mark WHERE name = $1")
            .bind(CANARY)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.map(|row| Timestamp::from_nanos(row.get(0))))
    }
}

async fn next_offset(connection: &mut DbConnection, topic: &str, partition: u32) -> sqlx::Result<u64> {
    let row = sqlx::query("SELECT next FROM position WHERE topic = $1 AND partition = $2")
        .bind(topic)
        .bind(i64::from(partition))
        .fetch_optional(connection)
        .await?;
    Ok(row.map_or(0, |row| row.get::<i64, _>(0).cast_unsigned()))
}
