//! What waits for an answer, and the clock that it goes by.

use alerting_incident::{IncidentId, Steady};
use ingest_event::Timestamp;
use sqlx::Row;

use super::{DbRow, Store, Write};

impl Store {
    /// Incidents whose answer is due, the longest overdue first.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn overdue(&self, steady: Timestamp, limit: u32) -> sqlx::Result<Vec<IncidentId>> {
        let rows =
            sqlx::query("SELECT id FROM incident WHERE answer_due <= $1 ORDER BY answer_due, id LIMIT $2")
                .bind(steady.as_nanos())
                .bind(i64::from(limit))
                .fetch_all(&self.reader)
                .await?;
        Ok(rows
            .iter()
            .filter_map(|row| IncidentId::parse(row.get(0)))
            .collect())
    }

    /// The clock as it was stored last.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn steady(&self) -> sqlx::Result<Option<Steady>> {
        let row = sqlx::query(STEADY).fetch_optional(&self.reader).await?;
        Ok(row.as_ref().map(steady))
    }

    /// The same, inside a change.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn steady_in(write: &mut Write) -> sqlx::Result<Option<Steady>> {
        let row = sqlx::query(STEADY).fetch_optional(&mut **write).await?;
        Ok(row.as_ref().map(steady))
    }

    /// Stores the clock.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_steady(write: &mut Write, steady: &Steady) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO steady (id, at, wall, holder, beat) VALUES (1, $1, $2, $3, $4)
             ON CONFLICT (id) DO UPDATE SET at = excluded.at, wall = excluded.wall, holder = excluded.holder,
                 beat = excluded.beat",
        )
        .bind(steady.at.as_nanos())
        .bind(steady.wall.as_nanos())
        .bind(&steady.holder)
        .bind(steady.beat.cast_signed())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Whether everybody who was told of an incident last could not be reached.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn is_unreached(write: &mut Write, incident: &IncidentId) -> sqlx::Result<bool> {
        let row = sqlx::query(
            // Warnings of the law's deadlines, corrections, and word to who has it, are no rungs.
            "SELECT count(*) FROM notification WHERE incident = $1 AND state <> 'failed'
                 AND created_at = (SELECT max(created_at) FROM notification WHERE incident = $1
                     AND reason NOT IN ('deadline', 'corrected', 'grown'))",
        )
        .bind(incident.as_str())
        .fetch_one(&mut **write)
        .await?;
        Ok(row.get::<i64, _>(0) == 0)
    }
}

const STEADY: &str = "SELECT at, wall, holder, beat FROM steady WHERE id = 1";

fn steady(row: &DbRow) -> Steady {
    Steady {
        at: Timestamp::from_nanos(row.get(0)),
        wall: Timestamp::from_nanos(row.get(1)),
        holder: row.get(2),
        beat: row.get::<i64, _>(3).cast_unsigned(),
    }
}
