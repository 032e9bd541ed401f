//! Incidents that are part of others, and the alerts of one, one by one.

use alerting_incident::{Incident, IncidentId, Portion, span};
use detect_alert::{Alert, Severity};
use ingest_event::{EventId, Timestamp};
use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, Row};

use super::{
    DbRow, Store, Stored, Write,
    incidents::{COLUMNS, stored},
    sql::{Sql, storable},
};

/// Characters of a thing that are kept with an alert, as with members.
const ENTITY_CHARS_MAX: usize = 512;

/// An alert as a list shows it.
#[derive(Clone, Debug)]
pub(crate) struct AlertRow {
    /// Its id.
    pub(crate) id: String,
    /// What it was about; none of this is known of what an older version took in.
    pub(crate) entity: Option<String>,
    /// How grave.
    pub(crate) severity: Option<Severity>,
    /// Time of its last event.
    pub(crate) at: Option<Timestamp>,
}

impl Store {
    /// Notes that an alert was taken in, and by which incident: the one of its key, also where that is part of another.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_taken(write: &mut Write, alert: &Alert, home: &IncidentId) -> sqlx::Result<()> {
        let (first, last) = span(alert);
        sqlx::query(
            "INSERT INTO alert (id, incident, entity, event, severity, first_at, last_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(alert.id.as_str())
        .bind(home.as_str())
        .bind(storable(&short(&alert.entity.value)))
        .bind(alert.events.first().map(|event| event.id.as_str()))
        .bind(i64::from(alert.severity.number()))
        .bind(first.as_nanos())
        .bind(last.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// What a search looks in, of an incident.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn search_of(write: &mut Write, id: &IncidentId) -> sqlx::Result<String> {
        let row = sqlx::query("SELECT search FROM incident WHERE id = $1")
            .bind(id.as_str())
            .fetch_one(&mut **write)
            .await?;
        row.try_get(0)
    }

    /// Those that are part of an incident, by id.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn parts_in(write: &mut Write, of: &IncidentId) -> sqlx::Result<Vec<Stored>> {
        let text = format!("SELECT {COLUMNS} FROM incident WHERE merged_into = $1 ORDER BY id");
        let rows = sqlx::query(AssertSqlSafe(text))
            .bind(of.as_str())
            .fetch_all(&mut **write)
            .await?;
        rows.iter().map(stored).collect()
    }

    /// The ids of those that are part of an incident, of its owner.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn part_ids(&self, of: &Stored) -> sqlx::Result<Vec<String>> {
        let rows = sqlx::query("SELECT id FROM incident WHERE merged_into = $1 AND owner = $2 ORDER BY id")
            .bind(of.incident.id.as_str())
            .bind(of.owner.as_str())
            .fetch_all(&self.reader)
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// What was remarked for all who see an incident, the oldest first, the newest if there are more than `limit`.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn shared_remarks(&self, of: &Stored, limit: u32) -> sqlx::Result<Vec<Json>> {
        let rows = sqlx::query(
            "SELECT at, actor, text FROM timeline WHERE incident = $1 AND kind = 'shared' ORDER BY number DESC LIMIT $2",
        )
        .bind(of.incident.id.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        let remark = |row: &DbRow| {
            serde_json::json!({ "at": Timestamp::from_nanos(row.get(0)).to_string(), "by": row.get::<String, _>(1),
                "text": row.get::<String, _>(2) })
        };
        Ok(rows.iter().rev().map(remark).collect())
    }

    /// An incident takes no alerts of its key: those are another's.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn keep_key_from(write: &mut Write, id: &IncidentId) -> sqlx::Result<()> {
        sqlx::query("UPDATE incident SET dedup = $1 WHERE id = $1")
            .bind(id.as_str())
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// The newest alerts of an incident, without those of its parts.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn alerts_of(&self, of: &Stored, limit: u32) -> sqlx::Result<Vec<AlertRow>> {
        let rows = sqlx::query(
            "SELECT id, entity, severity, last_at FROM alert WHERE incident = $1
             ORDER BY CASE WHEN last_at IS NULL THEN 1 ELSE 0 END, last_at DESC, id LIMIT $2",
        )
        .bind(of.incident.id.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        let row = |row: &DbRow| AlertRow {
            id: row.get(0),
            entity: row.get(1),
            severity: row.get::<Option<i64>, _>(2).and_then(severity),
            at: row.get::<Option<i64>, _>(3).map(Timestamp::from_nanos),
        };
        Ok(rows.iter().map(row).collect())
    }

    /// What some alerts of an incident say together, and what the others do. Of those that are not known well it is what the incident says.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn portions(
        write: &mut Write,
        of: &Incident,
        some: &Few,
    ) -> sqlx::Result<(Portion, Portion)> {
        let mut query = Sql::new("SELECT CASE WHEN ");
        some.narrow(&mut query);
        query.push(
            " THEN 1 ELSE 0 END AS chosen, count(*), min(first_at), max(last_at), max(severity),
                 sum(CASE WHEN last_at IS NULL THEN 1 ELSE 0 END) FROM alert WHERE incident = ",
        );
        query.bind(of.id.as_str()).push(" GROUP BY 1");
        let none = Portion {
            count: 0,
            first_seen: of.first_seen,
            last_seen: of.last_seen,
            severity: of.severity(),
        };
        let (mut chosen, mut rest) = (none, none);
        for row in &query.query().fetch_all(&mut **write).await? {
            let to = if row.get::<i64, _>(0) == 1 {
                &mut chosen
            } else {
                &mut rest
            };
            to.count = row.get::<i64, _>(1).cast_unsigned();
            if row.get::<i64, _>(5) == 0 {
                let time = |place: usize| row.get::<Option<i64>, _>(place).map(Timestamp::from_nanos);
                to.first_seen = time(2).unwrap_or(of.first_seen);
                to.last_seen = time(3).unwrap_or(of.last_seen);
                let gravest = row.get::<Option<i64>, _>(4).and_then(severity);
                to.severity = gravest.unwrap_or(of.severity());
            }
        }
        Ok((chosen, rest))
    }

    /// Alerts that are of another incident from now on, and what of the things that it is about changes.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn move_alerts(
        write: &mut Write,
        from: &IncidentId,
        to: &IncidentId,
        some: &Few,
    ) -> sqlx::Result<()> {
        let mut query = Sql::new("UPDATE alert SET incident = ");
        query
            .bind(to.as_str())
            .push(" WHERE incident = ")
            .bind(from.as_str());
        query.push(" AND ");
        some.narrow(&mut query);
        query.query().execute(&mut **write).await?;
        if let Few::About(entity) = some {
            sqlx::query("DELETE FROM member WHERE incident = $1 AND value = $2")
                .bind(from.as_str())
                .bind(storable(&short(entity)))
                .execute(&mut **write)
                .await?;
        }
        Ok(())
    }

    /// The first samples of alerts.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn events_of(write: &mut Write, some: &Few) -> sqlx::Result<Vec<EventId>> {
        let mut query = Sql::new("SELECT event FROM alert WHERE event IS NOT NULL AND ");
        some.narrow(&mut query);
        let rows = query.query().fetch_all(&mut **write).await?;
        Ok(rows
            .iter()
            .filter_map(|row| EventId::parse(row.get::<&str, _>(0)).ok())
            .collect())
    }

    /// Whether another incident of the key of this one is open, or part of an open one.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn has_come_back(write: &mut Write, incident: &Incident) -> sqlx::Result<bool> {
        let row = sqlx::query(
            // Of one that takes no alerts of its key there is no other.
            "SELECT 1 FROM incident AS one LEFT JOIN incident AS whole ON whole.id = one.merged_into
             WHERE one.dedup = (SELECT dedup FROM incident WHERE id = $1) AND one.id <> $1
                 AND coalesce(whole.state, one.state) <> 'closed' LIMIT 1",
        )
        .bind(incident.id.as_str())
        .fetch_optional(&mut **write)
        .await?;
        Ok(row.is_some())
    }
}

/// Which alerts of an incident.
#[derive(Clone, Debug)]
pub(crate) enum Few {
    /// Those about a thing.
    About(String),
    /// These.
    These(Vec<String>),
}

impl Few {
    /// Adds the condition.
    fn narrow(&self, query: &mut Sql) {
        match self {
            Self::About(entity) => {
                query.push("coalesce(entity, '') = ").bind(short(entity));
            }
            Self::These(ids) => {
                query.push("id IN ").list(ids.iter().map(String::as_str));
            }
        }
    }
}

fn short(entity: &str) -> String {
    entity.chars().take(ENTITY_CHARS_MAX).collect()
}

fn severity(number: i64) -> Option<Severity> {
    Severity::ALL
        .iter()
        .copied()
        .find(|one| i64::from(one.number()) == number)
}
