//! The things that an incident about many is about.

use alerting_incident::{CROWD_MIN, CROWD_WINDOW, DedupKey, Incident, IncidentId};
use detect_alert::Alert;
use ingest_event::Timestamp;
use sqlx::Row;

use super::{Store, Stored, Write, sql::storable};

/// Things that are kept of one incident: those of its first alerts, more than anyone looks into one by one.
const MEMBERS_MAX: u64 = 10_000;

/// Characters of a value that are kept: an index of PostgreSQL takes 2,704 bytes, and nobody reads so many.
const VALUE_CHARS_MAX: usize = 512;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its value.
    pub(crate) value: String,
    /// How many alerts.
    pub(crate) count: i64,
    /// Time of the first.
    pub(crate) first_seen: Timestamp,
    /// Time of the last.
    pub(crate) last_seen: Timestamp,
}

impl Store {
    /// How many incidents of the same rule and organisation began near an alert, up to [`CROWD_MIN`].
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn near(write: &mut Write, key: &DedupKey, alert: &Alert) -> sqlx::Result<u64> {
        let row = sqlx::query(
            "SELECT count(*) FROM (SELECT 1 AS one FROM incident WHERE kin = $1 AND first_seen >= $2
                 AND first_seen <= $3 LIMIT $4) AS near",
        )
        .bind(key.kin())
        .bind(alert.timestamp.saturating_sub(CROWD_WINDOW).as_nanos())
        .bind(alert.timestamp.saturating_add(CROWD_WINDOW).as_nanos())
        .bind(CROWD_MIN.cast_signed())
        .fetch_one(&mut **write)
        .await?;
        Ok(row.get::<i64, _>(0).cast_unsigned())
    }

    /// Notes which thing an alert of an incident about many was about.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn add_member(
        write: &mut Write,
        incident: &Incident,
        alert: &Alert,
    ) -> sqlx::Result<()> {
        if MEMBERS_MAX < incident.count {
            return Ok(());
        }
        let value: String = alert.entity.value.chars().take(VALUE_CHARS_MAX).collect();
        sqlx::query(
            "INSERT INTO member (incident, value, count, first_seen, last_seen) VALUES ($1, $2, 1, $3, $3)
             ON CONFLICT (incident, value) DO UPDATE SET count = member.count + 1,
                 first_seen = CASE WHEN excluded.first_seen < member.first_seen THEN excluded.first_seen
                     ELSE member.first_seen END,
                 last_seen = CASE WHEN member.last_seen < excluded.last_seen THEN excluded.last_seen
                     ELSE member.last_seen END",
        )
        .bind(incident.id.as_str())
        .bind(storable(&value))
        .bind(alert.timestamp.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// One alert more about a thing that is among those of an incident and has one of its own, which is part of it.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn grow_member(
        write: &mut Write,
        incident: &IncidentId,
        alert: &Alert,
    ) -> sqlx::Result<()> {
        let value: String = alert.entity.value.chars().take(VALUE_CHARS_MAX).collect();
        sqlx::query(
            "UPDATE member SET count = count + 1,
                 first_seen = CASE WHEN $3 < first_seen THEN $3 ELSE first_seen END,
                 last_seen = CASE WHEN last_seen < $3 THEN $3 ELSE last_seen END
             WHERE incident = $1 AND value = $2",
        )
        .bind(incident.as_str())
        .bind(storable(&value))
        .bind(alert.timestamp.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Counts anew what an incident about many says of a thing that has an incident of its own: what it took in itself and, where that one
    /// is part of it, what that one did.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn recount_member(
        write: &mut Write,
        incident: &IncidentId,
        own: &Incident,
    ) -> sqlx::Result<()> {
        let value: String = own.key.entity.value.chars().take(VALUE_CHARS_MAX).collect();
        let value = storable(&value);
        sqlx::query("DELETE FROM member WHERE incident = $1 AND value = $2")
            .bind(incident.as_str())
            .bind(&value)
            .execute(&mut **write)
            .await?;
        sqlx::query(
            "INSERT INTO member (incident, value, count, first_seen, last_seen)
             SELECT $1, $2, count(*), min(last_at), max(last_at) FROM alert
             WHERE entity = $2 AND last_at IS NOT NULL AND (incident = $1
                 OR incident = (SELECT id FROM incident WHERE id = $3 AND merged_into = $1))
             HAVING count(*) > 0",
        )
        .bind(incident.as_str())
        .bind(&value)
        .bind(own.id.as_str())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// The things of an incident, those with the most alerts first, and how many there are.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn members(&self, stored: &Stored, limit: u32) -> sqlx::Result<(Vec<Member>, i64)> {
        let incident = &stored.incident.id;
        let rows = sqlx::query(
            "SELECT value, count, first_seen, last_seen FROM member WHERE incident = $1
             ORDER BY count DESC, value LIMIT $2",
        )
        .bind(incident.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        let members = rows.iter().map(|row| Member {
            value: row.get(0),
            count: row.get(1),
            first_seen: Timestamp::from_nanos(row.get(2)),
            last_seen: Timestamp::from_nanos(row.get(3)),
        });
        let total = sqlx::query("SELECT count(*) FROM member WHERE incident = $1")
            .bind(incident.as_str())
            .fetch_one(&self.reader)
            .await?;
        Ok((members.collect(), total.get(0)))
    }
}
