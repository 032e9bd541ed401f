//! Notifications that wait for others of their group, and when a group was told of last.

use std::time::Duration;

use alerting_incident::{INTERVAL_MAX, IncidentId, NotificationId, ResponderId};
use ingest_event::Timestamp;
use sqlx::{AssertSqlSafe, Row};

use super::{
    Store, StoredNotification, Write,
    notifications::{COLUMNS, stored},
};

/// Whom something is held for, and what it has in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// The contact.
    pub(crate) responder: String,
    /// Where to.
    pub(crate) address: String,
    /// As [`alerting_incident::Grouping::key`] gives it.
    pub(crate) key: String,
}

impl Store {
    /// Holds a notification that was just added until a moment of the clock of deadlines.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn hold(
        write: &mut Write,
        id: &NotificationId,
        group: &Group,
        until: Timestamp,
    ) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE notification SET grouped = $2, held_until = $3 WHERE id = $1 AND state = 'pending'
                 AND attempts = 0 AND grouped IS NULL",
        )
        .bind(id.as_str())
        .bind(&group.key)
        .bind(until.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// When a group was told of last.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn left_at(write: &mut Write, group: &Group) -> sqlx::Result<Option<Timestamp>> {
        let row = sqlx::query(
            "SELECT left_at FROM notice_group WHERE responder = $1 AND address = $2 AND grouped = $3",
        )
        .bind(&group.responder)
        .bind(&group.address)
        .bind(&group.key)
        .fetch_optional(&mut **write)
        .await?;
        Ok(row.map(|row| Timestamp::from_nanos(row.get(0))))
    }

    /// Groups of which something need not wait any longer. What waits for longer than anything does was held by a clock that was
    /// replaced.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn groups_due(&self, steady: Timestamp, limit: u32) -> sqlx::Result<Vec<Group>> {
        let rows = sqlx::query(
            "SELECT responder, address, grouped FROM notification WHERE held_until IS NOT NULL
                 AND (held_until <= $1 OR $2 < held_until) AND state = 'pending'
             GROUP BY responder, address, grouped ORDER BY min(held_until), grouped LIMIT $3",
        )
        .bind(steady.as_nanos())
        .bind(steady.saturating_add(INTERVAL_MAX).as_nanos())
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        let group = |row: &super::DbRow| Group {
            responder: row.get(0),
            address: row.get(1),
            key: row.get(2),
        };
        Ok(rows.iter().map(group).collect())
    }

    /// What is held of a group, whatever it waits for yet, the gravest first.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn held_in(
        write: &mut Write,
        group: &Group,
        limit: u32,
    ) -> sqlx::Result<Vec<StoredNotification>> {
        let text = format!(
            "SELECT {COLUMNS} FROM notification WHERE held_until IS NOT NULL AND state = 'pending' AND responder = $1
                 AND address = $2 AND grouped = $3 ORDER BY severity DESC, created_at, id LIMIT $4"
        );
        let rows = sqlx::query(AssertSqlSafe(text))
            .bind(&group.responder)
            .bind(&group.address)
            .bind(&group.key)
            .bind(i64::from(limit))
            .fetch_all(&mut **write)
            .await?;
        rows.iter().map(stored).collect()
    }

    /// Whether whoever a notification is for was told of the incident by itself after it was decided: it became graver, or woke.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn is_told_since(write: &mut Write, held: &StoredNotification) -> sqlx::Result<bool> {
        let row = sqlx::query(
            "SELECT 1 FROM notification WHERE incident = $1 AND responder = $2 AND address = $3
                 AND id <> $4 AND created_at >= $5 AND reason IN ('opened', 'relapsed', 'raised') AND held_until IS NULL
                 AND state NOT IN ('failed', 'withdrawn', 'digested') LIMIT 1",
        )
        .bind(held.incident.as_str())
        .bind(held.responder.as_str())
        .bind(held.channel.address())
        .bind(held.id.as_str())
        .bind(held.created_at.as_nanos())
        .fetch_optional(&mut **write)
        .await?;
        Ok(row.is_some())
    }

    /// Lets a notification leave by itself, now: also where the machine's clock was set back since it was decided.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn release(write: &mut Write, id: &NotificationId, now: Timestamp) -> sqlx::Result<()> {
        sqlx::query("UPDATE notification SET held_until = NULL, next_at = $2 WHERE id = $1")
            .bind(id.as_str())
            .bind(now.as_nanos())
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// Lets all that is held of a group leave, each by itself.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn release_group(write: &mut Write, group: &Group, now: Timestamp) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE notification SET held_until = NULL, next_at = $4 WHERE held_until IS NOT NULL AND state = 'pending'
                 AND responder = $1 AND address = $2 AND grouped = $3",
        )
        .bind(&group.responder)
        .bind(&group.address)
        .bind(&group.key)
        .bind(now.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Notes that a group was told of, and forgets those that nothing waits for any more.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn note_left(write: &mut Write, group: &Group, steady: Timestamp) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO notice_group (responder, address, grouped, left_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (responder, address, grouped) DO UPDATE SET left_at = excluded.left_at",
        )
        .bind(&group.responder)
        .bind(&group.address)
        .bind(&group.key)
        .bind(steady.as_nanos())
        .execute(&mut **write)
        .await?;
        let long_ago = steady.saturating_sub(INTERVAL_MAX.saturating_add(Duration::from_hours(1)));
        sqlx::query("DELETE FROM notice_group WHERE left_at < $1")
            .bind(long_ago.as_nanos())
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// The responders who took an incident, or a part of it, by their link.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn takers(write: &mut Write, incident: &IncidentId) -> sqlx::Result<Vec<ResponderId>> {
        let rows = sqlx::query(
            "SELECT DISTINCT responder FROM notification WHERE acknowledged_at IS NOT NULL AND (incident = $1
                 OR incident IN (SELECT id FROM incident WHERE merged_into = $1))",
        )
        .bind(incident.as_str())
        .fetch_all(&mut **write)
        .await?;
        Ok(rows.iter().map(|row| ResponderId::stored(row.get(0))).collect())
    }

    /// Takes a notification out of the letter that tells it: nobody is told by it.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn take_out(write: &mut Write, id: &NotificationId, why: &str) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE notification SET state = 'withdrawn', letter = NULL, error = $2 WHERE id = $1 AND state = 'digested'",
        )
        .bind(id.as_str())
        .bind(why)
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Takes back a letter of which nothing is left; `false` if something is.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn withdraw_empty(write: &mut Write, letter: &str) -> sqlx::Result<bool> {
        let done = sqlx::query(
            "UPDATE letter SET state = 'withdrawn', claimed_by = NULL, claimed_until = 0 WHERE id = $1
                 AND state = 'pending' AND NOT EXISTS (SELECT 1 FROM notification WHERE letter = $1)",
        )
        .bind(letter)
        .execute(&mut **write)
        .await?;
        Ok(0 < done.rows_affected())
    }
}
