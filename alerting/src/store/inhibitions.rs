//! What explains another, and what waits for its explanation to be over.

use alerting_incident::{Incident, IncidentId, State};
use ingest_event::{OrganizationNumber, Timestamp};
use sqlx::{AssertSqlSafe, Row};

use super::{
    Store, Write,
    incidents::{COLUMNS, stored},
};

/// Open incidents of one organisation that are looked at as explanations: those heard of last.
const SOURCES_MAX: i64 = 50;

impl Store {
    /// Notes that an incident explains others.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn mark_source(write: &mut Write, incident: &IncidentId) -> sqlx::Result<()> {
        sqlx::query("UPDATE incident SET is_source = 1 WHERE id = $1")
            .bind(incident.as_str())
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// Open incidents of an organisation that explain others of the same owner: an operator's sensor sees those of several. What explains and
    /// became part of another does so as long as that one is open and told of.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn sources(
        write: &mut Write,
        organization: OrganizationNumber,
        owner: OrganizationNumber,
    ) -> sqlx::Result<Vec<Incident>> {
        let text = format!(
            "SELECT {COLUMNS} FROM incident WHERE organization = $1 AND owner = $3 AND is_source = 1 AND state <> 'closed'
             ORDER BY last_seen DESC, id LIMIT $2"
        );
        let rows = sqlx::query(AssertSqlSafe(text))
            .bind(organization.as_str())
            .bind(SOURCES_MAX)
            .bind(owner.as_str())
            .fetch_all(&mut **write)
            .await?;
        let mut sources: Vec<Incident> = rows
            .iter()
            .map(|row| stored(row).map(|stored| stored.incident))
            .collect::<sqlx::Result<_>>()?;
        let text = format!(
            "SELECT {COLUMNS} FROM incident WHERE organization = $1 AND owner = $3 AND is_source = 1
                 AND merged_into IS NOT NULL AND EXISTS (SELECT 1 FROM incident AS whole
                     WHERE whole.id = incident.merged_into AND whole.state <> 'closed' AND whole.owner = incident.owner
                         AND whole.silence IS NULL AND whole.inhibited_by IS NULL)
             ORDER BY last_seen DESC, id LIMIT $2"
        );
        let rows = sqlx::query(AssertSqlSafe(text))
            .bind(organization.as_str())
            .bind(SOURCES_MAX)
            .bind(owner.as_str())
            .fetch_all(&mut **write)
            .await?;
        for row in &rows {
            let part = stored(row)?.incident;
            sources.push(Incident {
                // As far as what it is part of is.
                state: State::Notified,
                silence: None,
                inhibited_by: None,
                ..part
            });
        }
        Ok(sources)
    }

    /// Open incidents that are kept back: those whose explanation is closed and not part of an open one, or that were opened before a moment, or `all`; those
    /// `after` a name.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn kept_back(
        &self,
        before: Timestamp,
        all: bool,
        after: &str,
        limit: u32,
    ) -> sqlx::Result<Vec<IncidentId>> {
        let rows = sqlx::query(
            "SELECT held.id FROM incident AS held LEFT JOIN incident AS source ON source.id = held.inhibited_by
                 LEFT JOIN incident AS whole ON whole.id = source.merged_into
             WHERE held.inhibited_by IS NOT NULL AND held.state <> 'closed' AND held.id > $1
                 AND ($4 = 1 OR held.opened_at < $2 OR source.id IS NULL
                     OR coalesce(whole.state, source.state) = 'closed')
             ORDER BY held.id LIMIT $3",
        )
        .bind(after)
        .bind(before.as_nanos())
        .bind(i64::from(limit))
        .bind(i64::from(all))
        .fetch_all(&self.reader)
        .await?;
        Ok(rows
            .iter()
            .filter_map(|row| IncidentId::parse(row.get(0)))
            .collect())
    }
}
