//! Incidents, their alerts and their timeline.

use alerting_incident::{
    Actor, Change, DedupKey, Escalation, Incident, IncidentId, Rung, SilenceId, TimelineEntry,
};
use detect_alert::AlertId;
use ingest_event::{OrganizationNumber, Timestamp};
use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, Pool, Row};

use super::{
    Db, DbConnection, DbRow, Store, Write,
    sql::{Sql, storable},
    tally::Standing,
    work,
};
use crate::access::Seen;

/// An incident with what routing added.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// The incident.
    pub(crate) incident: Incident,
    /// Whose it is, after routing.
    pub(crate) owner: OrganizationNumber,
    /// The steps of the explanation, as JSON.
    pub(crate) route: Json,
    /// Grows with every change of any incident.
    pub(crate) change: i64,
}

pub(super) const COLUMNS: &str = "id, relapse_of, lead, owner, count, first_seen, last_seen, state, verdict, priority, \
                       opened_at, updated_at, version, route, change, silence, told_up_to, answer_due, \
                       reminders, inhibited_by, assignee, merged_into, work";

impl Store {
    /// Whether this alert was applied.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn is_applied(write: &mut Write, alert: &AlertId) -> sqlx::Result<bool> {
        let row = sqlx::query("SELECT 1 FROM alert WHERE id = $1")
            .bind(alert.as_str())
            .fetch_optional(&mut **write)
            .await?;
        Ok(row.is_some())
    }

    /// The newest incident of a key, one that is open, or part of an open one, before one that is closed: clocks are set back.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn latest(write: &mut Write, key: &DedupKey) -> sqlx::Result<Option<Stored>> {
        let text = format!(
            "SELECT {COLUMNS} FROM incident WHERE id = (SELECT one.id FROM incident AS one
                     LEFT JOIN incident AS whole ON whole.id = one.merged_into WHERE one.dedup = $1
                 ORDER BY CASE WHEN coalesce(whole.state, one.state) = 'closed' THEN 1 ELSE 0 END,
                     one.opened_at DESC, one.change DESC LIMIT 1)"
        );
        let row = sqlx::query(AssertSqlSafe(text))
            .bind(key.digest())
            .fetch_optional(&mut **write)
            .await?;
        row.as_ref().map(stored).transpose()
    }

    /// An incident, inside a change.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn incident_in(
        write: &mut Write,
        seen: &Seen,
        id: &IncidentId,
    ) -> sqlx::Result<Option<Stored>> {
        by_id(&mut *write, seen, id).await
    }

    /// An incident; one that is not seen is found no more than one that is not there, by the same query.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn incident(&self, seen: &Seen, id: &IncidentId) -> sqlx::Result<Option<Stored>> {
        by_id(&mut *self.reader.acquire().await?, seen, id).await
    }

    /// Writes a change of an incident; `alert` is the one that made it, `search` what a search looks in.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_change(
        write: &mut Write,
        change: &Change,
        owner: OrganizationNumber,
        route: &Json,
        search: &str,
    ) -> sqlx::Result<()> {
        let incident = &change.incident;
        let escalation = incident.escalation;
        let search = storable(search);
        let standing = Standing::of(incident, owner);
        let before = Self::standing_of(write, &incident.id).await?;
        let number = match &before {
            Some(before) => before.number,
            None => Self::next_number(write).await?,
        };
        sqlx::query(
            "INSERT INTO incident (id, dedup, relapse_of, lead, organization, owner, severity, count, first_seen,
                 last_seen, state, verdict, priority, opened_at, updated_at, version, route, search, silence, told_up_to, answer_due, reminders, kin,
                 inhibited_by, assignee, merged_into, work, number, change)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                 $20, $21, $22, $23, $24, $25, $26, $27, $28, (SELECT coalesce(max(change), 0) + 1 FROM incident))
             ON CONFLICT (id) DO UPDATE SET lead = excluded.lead, owner = excluded.owner,
                 severity = excluded.severity, count = excluded.count, first_seen = excluded.first_seen,
                 last_seen = excluded.last_seen, state = excluded.state, verdict = excluded.verdict,
                 priority = excluded.priority, updated_at = excluded.updated_at, version = excluded.version,
                 route = excluded.route, search = excluded.search, change = excluded.change,
                 silence = excluded.silence, told_up_to = excluded.told_up_to, answer_due = excluded.answer_due,
                 reminders = excluded.reminders, inhibited_by = excluded.inhibited_by, assignee = excluded.assignee,
                 merged_into = excluded.merged_into, work = excluded.work",
        )
        .bind(incident.id.as_str())
        .bind(incident.key.digest())
        .bind(incident.relapse_of.as_ref().map(IncidentId::as_str))
        .bind(String::from_utf8_lossy(&detect_alert::encode(&incident.lead)).into_owned())
        .bind(incident.key.organization.as_str())
        .bind(owner.as_str())
        .bind(i64::from(incident.severity().number()))
        .bind(incident.count.cast_signed())
        .bind(incident.first_seen.as_nanos())
        .bind(incident.last_seen.as_nanos())
        .bind(incident.state.as_str())
        .bind(incident.verdict.map(alerting_incident::Verdict::as_str))
        .bind(incident.priority.as_str())
        .bind(incident.opened_at.as_nanos())
        .bind(incident.updated_at.as_nanos())
        .bind(incident.version.cast_signed())
        .bind(route.to_string())
        .bind(search.as_str())
        .bind(incident.silence.as_ref().map(SilenceId::as_str))
        .bind(escalation.map(|escalation| i64::from(escalation.rung.number())))
        .bind(escalation.and_then(|escalation| escalation.due).map(Timestamp::as_nanos))
        .bind(escalation.map_or(0, |escalation| i64::from(escalation.reminders)))
        .bind(incident.key.kin())
        .bind(incident.inhibited_by.as_ref().map(IncidentId::as_str))
        .bind(incident.assignee.as_ref().map(|assignee| assignee.account.as_str()))
        .bind(incident.merged_into.as_ref().map(IncidentId::as_str))
        .bind(work::written(incident))
        .bind(number)
        .execute(&mut **write)
        .await?;
        Self::keep_in_step(write, number, before.as_ref(), &standing, &search).await?;
        for entry in &change.timeline {
            Self::add_to_timeline(write, &incident.id, entry).await?;
        }
        Ok(())
    }

    /// Notes that an alert was applied.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_alert(
        write: &mut Write,
        alert: &AlertId,
        incident: &IncidentId,
    ) -> sqlx::Result<()> {
        sqlx::query("INSERT INTO alert (id, incident) VALUES ($1, $2)")
            .bind(alert.as_str())
            .bind(incident.as_str())
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// Adds a line to an incident's timeline.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn add_to_timeline(
        write: &mut Write,
        id: &IncidentId,
        entry: &TimelineEntry,
    ) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO timeline (incident, number, at, kind, actor, text, account) VALUES ($1,
                 (SELECT coalesce(max(number), 0) + 1 FROM timeline WHERE incident = $1), $2, $3, $4, $5, $6)",
        )
        .bind(id.as_str())
        .bind(entry.at.as_nanos())
        .bind(entry.kind.as_str())
        .bind(storable(entry.actor.name()))
        .bind(storable(&entry.text))
        .bind(entry.actor.account())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Whether this actor's remark is on the timeline already, alone or after a verdict: a request sent twice is one.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn has_remark(
        write: &mut Write,
        id: &IncidentId,
        actor: &Actor,
        note: &str,
    ) -> sqlx::Result<bool> {
        let row = sqlx::query(
            "SELECT 1 FROM timeline WHERE incident = $1 AND (account = $4 OR ($4 = '' AND account IS NULL AND actor = $2))
                 AND (text = $3 OR (kind = 'verdict' AND substr(text, length(text) - length($3) - 1) = ': ' || $3)) LIMIT 1",
        )
        .bind(id.as_str())
        .bind(storable(actor.name()))
        .bind(storable(note))
        // Nobody's account has an empty id.
        .bind(actor.account().unwrap_or_default())
        .fetch_optional(&mut **write)
        .await?;
        Ok(row.is_some())
    }

    /// An incident's timeline as JSON, the oldest first, at most `limit` lines, the newest if there are more.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn timeline(&self, of: &Stored, limit: u32) -> sqlx::Result<Vec<Json>> {
        let rows = sqlx::query(
            "SELECT at, kind, actor, text FROM timeline WHERE incident = $1 ORDER BY number DESC LIMIT $2",
        )
        .bind(of.incident.id.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        let entry = |row: &DbRow| {
            serde_json::json!({
                "at": Timestamp::from_nanos(row.get(0)).to_string(), "kind": row.get::<String, _>(1),
                "actor": row.get::<String, _>(2), "text": row.get::<String, _>(3),
            })
        };
        Ok(rows.iter().rev().map(entry).collect())
    }

    /// Incidents that changed after a point, in the order of change.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn changed_since(
        &self,
        seen: &Seen,
        change: i64,
        limit: u32,
    ) -> sqlx::Result<Vec<Stored>> {
        let mut query = Sql::new(format!("SELECT {COLUMNS} FROM incident WHERE change > "));
        query.bind(change);
        seen.narrow(&mut query);
        query.push(" ORDER BY change LIMIT ").bind(i64::from(limit));
        query
            .query()
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(stored)
            .collect()
    }

    /// The newest point of change.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn last_change(&self) -> sqlx::Result<i64> {
        last_change(&self.reader).await
    }
}

pub(super) async fn last_change(reader: &Pool<Db>) -> sqlx::Result<i64> {
    let row = sqlx::query("SELECT coalesce(max(change), 0) FROM incident")
        .fetch_one(reader)
        .await?;
    row.try_get(0)
}

async fn by_id(connection: &mut DbConnection, seen: &Seen, id: &IncidentId) -> sqlx::Result<Option<Stored>> {
    let mut query = Sql::new(format!("SELECT {COLUMNS} FROM incident WHERE id = "));
    query.bind(id.as_str());
    seen.narrow(&mut query);
    query
        .query()
        .fetch_optional(connection)
        .await?
        .as_ref()
        .map(stored)
        .transpose()
}

pub(super) fn stored(row: &DbRow) -> sqlx::Result<Stored> {
    let unreadable =
        |column: &str, source: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::ColumnDecode {
            index: column.to_owned(),
            source,
        };
    let lead = detect_alert::decode(row.try_get::<&str, _>("lead")?.as_bytes())
        .map_err(|error| unreadable("lead", Box::new(error)))?;
    let id = |column: &str, text: &str| {
        IncidentId::parse(text).ok_or_else(|| unreadable(column, "no incident id".into()))
    };
    let time = |column: &str| row.try_get::<i64, _>(column).map(Timestamp::from_nanos);
    let code = |column: &'static str| row.try_get::<String, _>(column);
    Ok(Stored {
        incident: Incident {
            id: id("id", row.try_get("id")?)?,
            key: DedupKey::of(&lead),
            relapse_of: match row.try_get::<Option<&str>, _>("relapse_of")? {
                Some(text) => Some(id("relapse_of", text)?),
                None => None,
            },
            lead,
            count: row.try_get::<i64, _>("count")?.cast_unsigned(),
            first_seen: time("first_seen")?,
            last_seen: time("last_seen")?,
            state: code("state")?
                .parse()
                .map_err(|error| unreadable("state", Box::new(error)))?,
            verdict: match row.try_get::<Option<String>, _>("verdict")? {
                Some(text) => Some(
                    text.parse()
                        .map_err(|error| unreadable("verdict", Box::new(error)))?,
                ),
                None => None,
            },
            priority: code("priority")?
                .parse()
                .map_err(|error| unreadable("priority", Box::new(error)))?,
            silence: match row.try_get::<Option<&str>, _>("silence")? {
                Some(text) => SilenceId::parse(text),
                None => None,
            },
            inhibited_by: match row.try_get::<Option<&str>, _>("inhibited_by")? {
                Some(text) => Some(id("inhibited_by", text)?),
                None => None,
            },
            escalation: escalation(row)?,
            assignee: work::assignee(row)?,
            merged_into: match row.try_get::<Option<&str>, _>("merged_into")? {
                Some(text) => Some(id("merged_into", text)?),
                None => None,
            },
            own: work::own(row)?,
            grows_from: work::grows_from(row)?,
            opened_at: time("opened_at")?,
            updated_at: time("updated_at")?,
            version: row.try_get::<i64, _>("version")?.cast_unsigned(),
        },
        owner: code("owner")?
            .parse()
            .map_err(|error| unreadable("owner", Box::new(error)))?,
        route: serde_json::from_str(row.try_get("route")?)
            .map_err(|error| unreadable("route", Box::new(error)))?,
        change: row.try_get("change")?,
    })
}

/// What happens if nobody answers; nothing where a newer version stored a rung that this one does not know.
fn escalation(row: &DbRow) -> sqlx::Result<Option<Escalation>> {
    let rung = row.try_get::<Option<i64>, _>("told_up_to")?;
    let rung = rung
        .and_then(|rung| u16::try_from(rung).ok())
        .and_then(Rung::of_number);
    let due = row
        .try_get::<Option<i64>, _>("answer_due")?
        .map(Timestamp::from_nanos);
    let reminders = u32::try_from(row.try_get::<i64, _>("reminders")?).unwrap_or(u32::MAX);
    Ok(rung.map(|rung| Escalation { rung, due, reminders }))
}
