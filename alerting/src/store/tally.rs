//! How many incidents there are of each owner, state and severity, counted with each change: a list tells how long it is without
//! counting, and what nobody has is not walked.

use alerting_incident::{Incident, IncidentId};
use ingest_event::OrganizationNumber;
use sqlx::Row;

use super::{Store, Write};
use crate::access::Seen;
use crate::store::{lists::Filter, sql::Sql};

/// What lists are narrowed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) owner: String,
    pub(super) state: String,
    pub(super) severity: i64,
}

/// What the store says of an incident before a change.
#[derive(Clone, Debug)]
pub(super) struct Before {
    pub(super) number: i64,
    pub(super) standing: Standing,
    pub(super) search: String,
}

impl Standing {
    pub(super) fn of(incident: &Incident, owner: OrganizationNumber) -> Self {
        Self {
            owner: owner.as_str().to_owned(),
            state: incident.state.as_str().to_owned(),
            severity: i64::from(incident.severity().number()),
        }
    }
}

impl Store {
    pub(super) async fn standing_of(write: &mut Write, id: &IncidentId) -> sqlx::Result<Option<Before>> {
        let row = sqlx::query("SELECT number, owner, state, severity, search FROM incident WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&mut **write)
            .await?;
        let before = |row: sqlx::any::AnyRow| {
            Ok(Before {
                number: row.try_get(0)?,
                standing: Standing {
                    owner: row.try_get(1)?,
                    state: row.try_get(2)?,
                    severity: row.try_get(3)?,
                },
                search: row.try_get(4)?,
            })
        };
        row.map(before).transpose()
    }

    /// The number of an incident that is opened in this change.
    pub(super) async fn next_number(write: &mut Write) -> sqlx::Result<i64> {
        let query = sqlx::query("SELECT coalesce(max(number), 0) + 1 FROM incident");
        query.fetch_one(&mut **write).await?.try_get(0)
    }

    /// Brings what is counted and what is searched in step with an incident that was just written.
    pub(super) async fn keep_in_step(
        write: &mut Write,
        number: i64,
        before: Option<&Before>,
        standing: &Standing,
        search: &str,
    ) -> sqlx::Result<()> {
        if before.is_none_or(|before| before.standing != *standing) {
            if let Some(before) = before {
                count(write, &before.standing, -1).await?;
            }
            count(write, standing, 1).await?;
        }
        match before {
            Some(before) => Self::follow(write, before, standing, search).await,
            None => Self::seal_before(write, number).await,
        }
    }

    /// How many incidents there are that are not closed.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn open_incidents(&self) -> sqlx::Result<i64> {
        let query = sqlx::query(
            "SELECT CAST(coalesce(sum(count), 0) AS BIGINT) FROM incident_tally WHERE state <> 'closed'",
        );
        query.fetch_one(&self.reader).await?.try_get(0)
    }

    /// Organisations that have incidents.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn owners(&self, seen: &Seen) -> sqlx::Result<Vec<OrganizationNumber>> {
        let mut query = Sql::new("SELECT DISTINCT owner FROM incident_tally WHERE 0 < count");
        seen.narrow_owners(&mut query);
        query.push(" ORDER BY owner");
        let rows = query.query().fetch_all(&self.reader).await?;
        Ok(rows
            .iter()
            .filter_map(|row| row.get::<String, _>(0).parse().ok())
            .collect())
    }

    /// How many there are of what is seen and asked for, apart from its text.
    pub(super) async fn how_many(&self, seen: &Seen, filter: &Filter) -> sqlx::Result<u64> {
        let mut query =
            Sql::new("SELECT CAST(coalesce(sum(count), 0) AS BIGINT) FROM incident_tally WHERE 0 < count");
        seen.narrow_owners(&mut query);
        filter.narrow_standing(&mut query);
        let row = query.query().fetch_one(&self.reader).await?;
        Ok(row.try_get::<i64, _>(0)?.cast_unsigned())
    }
}

async fn count(write: &mut Write, standing: &Standing, by: i64) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO incident_tally (owner, state, severity, count) VALUES ($1, $2, $3, $4)
         ON CONFLICT (owner, state, severity) DO UPDATE SET count = incident_tally.count + excluded.count",
    )
    .bind(standing.owner.as_str())
    .bind(standing.state.as_str())
    .bind(standing.severity)
    .bind(by)
    .execute(&mut **write)
    .await?;
    Ok(())
}
