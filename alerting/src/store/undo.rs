//! What a person did with an incident last, and how it was before: one row for each incident.

use alerting_incident::{Actor, Before, Escalation, IncidentId, Rung, Undoable};
use ingest_event::{Timestamp, derive_id};
use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::{Store, Write};
use crate::audit::{is_by, named};

/// What was done.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// What.
    pub(crate) what: Undoable,
    /// When.
    pub(crate) at: Timestamp,
    /// How the incident was.
    pub(crate) before: Before,
    /// Of a merge what became part of it, how that was, and what was part of that; of a split the part.
    pub(crate) others: Vec<(IncidentId, Before, Vec<IncidentId>)>,
}

/// As it is written: codes, and times in nanoseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    state: String,
    verdict: Option<String>,
    priority: String,
    /// Rung, due, reminders.
    escalation: Option<(u16, Option<i64>, u32)>,
    /// Account and name.
    assignee: Option<(String, String)>,
    severity: String,
    #[serde(default)]
    inhibited_by: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    incident: Written,
    others: Vec<(String, Written, Vec<String>)>,
}

impl Store {
    /// Notes what a person did; it takes the place of what was done before.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_done(
        write: &mut Write,
        incident: &IncidentId,
        actor: &Actor,
        done: &Done,
    ) -> sqlx::Result<()> {
        let others = done.others.iter().map(|(id, before, theirs)| {
            let theirs = theirs.iter().map(ToString::to_string).collect();
            (id.to_string(), written(before), theirs)
        });
        let row = Kept {
            incident: written(&done.before),
            others: others.collect(),
        };
        let before = serde_json::to_string(&row).map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query(
            "INSERT INTO undo (incident, actor, what, at, before, account) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (incident) DO UPDATE SET actor = excluded.actor, what = excluded.what,
                 at = excluded.at, before = excluded.before, account = excluded.account",
        )
        .bind(incident.as_str())
        .bind(named(actor))
        .bind(done.what.as_str())
        .bind(done.at.as_nanos())
        .bind(before)
        .bind(actor.account())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Nothing that was done with an incident can be taken back any more.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn forget_done(write: &mut Write, incident: &IncidentId) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM undo WHERE incident = $1")
            .bind(incident.as_str())
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// What was done last, if it was they who did it. Nothing, where a newer version wrote it.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn done(
        write: &mut Write,
        incident: &IncidentId,
        actor: &Actor,
    ) -> sqlx::Result<Option<Done>> {
        let row = sqlx::query("SELECT actor, what, at, before, account FROM undo WHERE incident = $1")
            .bind(incident.as_str())
            .fetch_optional(&mut **write)
            .await?;
        let theirs = row.filter(|row| is_by(actor, row.get(4), row.get(0)));
        Ok(theirs.and_then(|row| {
            let read: Kept = serde_json::from_str(row.get(3)).ok()?;
            let others = read.others.iter().map(|(id, before, theirs)| {
                let theirs = theirs.iter().map(|id| IncidentId::parse(id));
                Some((
                    IncidentId::parse(id)?,
                    before.read()?,
                    theirs.collect::<Option<_>>()?,
                ))
            });
            Some(Done {
                what: row.get::<String, _>(1).parse().ok()?,
                at: Timestamp::from_nanos(row.get(2)),
                before: read.incident.read()?,
                others: others.collect::<Option<_>>()?,
            })
        }))
    }

    /// Until when, and what, someone may take back.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn undoable(
        &self,
        of: &super::Stored,
        actor: &Actor,
    ) -> sqlx::Result<Option<(String, Timestamp)>> {
        let row = sqlx::query("SELECT what, at, actor, account FROM undo WHERE incident = $1")
            .bind(of.incident.id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        let theirs = row.filter(|row| is_by(actor, row.get(3), row.get(2)));
        Ok(theirs.map(|row| (row.get(0), Timestamp::from_nanos(row.get(1)))))
    }

    /// Tells those who were told that help is needed, or that nobody answered, since a moment, that it was taken back: who was not told yet is
    /// not told at all. How many are told.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn correct(
        &self,
        write: &mut Write,
        incident: &IncidentId,
        since: Timestamp,
        now: Timestamp,
    ) -> sqlx::Result<u64> {
        let told = "incident = $1 AND created_at >= $2 AND reason IN ('help_needed', 'escalated')";
        let text = format!(
            "UPDATE notification SET state = 'withdrawn', error = 'taken back' WHERE {told} AND state = 'pending'
                 AND attempts = 0 AND claimed_until <= {clock}",
            clock = self.clock()
        );
        sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(incident.as_str())
            .bind(since.as_nanos())
            .execute(&mut **write)
            .await?;
        let text = format!(
            "SELECT id FROM notification WHERE {told} AND state NOT IN ('failed', 'withdrawn') ORDER BY id"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(incident.as_str())
            .bind(since.as_nanos())
            .fetch_all(&mut **write)
            .await?;
        let mut corrected = 0;
        for row in &rows {
            let told: &str = row.get(0);
            let id = derive_id(&[b"correction", told.as_bytes()]);
            corrected += sqlx::query(
                "INSERT INTO notification (id, incident, responder, responder_name, channel, address, language, reason,
                     severity, created_at, state, attempts, next_at, appended_ms, claimed_until, sealed, owner)
                 SELECT $2, incident, responder, responder_name, channel, address, language, 'corrected',
                     severity, $3, 'pending', 0, $3, 0, 0, sealed, owner FROM notification WHERE id = $1
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(told)
            .bind(id)
            .bind(now.as_nanos())
            .execute(&mut **write)
            .await?
            .rows_affected();
        }
        Ok(corrected)
    }
}

fn written(before: &Before) -> Written {
    Written {
        state: before.state.to_string(),
        verdict: before.verdict.map(|verdict| verdict.to_string()),
        priority: before.priority.to_string(),
        escalation: before
            .escalation
            .map(|one| (one.rung.number(), one.due.map(Timestamp::as_nanos), one.reminders)),
        assignee: before
            .assignee
            .as_ref()
            .map(|one| (one.account.clone(), one.name.clone())),
        severity: before.severity.as_str().to_owned(),
        inhibited_by: before.inhibited_by.as_ref().map(ToString::to_string),
    }
}

impl Written {
    fn read(&self) -> Option<Before> {
        let escalation = match self.escalation {
            Some((rung, due, reminders)) => Some(Escalation {
                rung: Rung::of_number(rung)?,
                due: due.map(Timestamp::from_nanos),
                reminders,
            }),
            None => None,
        };
        let verdict = match &self.verdict {
            Some(text) => Some(text.parse().ok()?),
            None => None,
        };
        Some(Before {
            state: self.state.parse().ok()?,
            verdict,
            priority: self.priority.parse().ok()?,
            escalation,
            assignee: self
                .assignee
                .clone()
                .map(|(account, name)| alerting_incident::Assignee { account, name }),
            severity: self.severity.parse().ok()?,
            inhibited_by: self.inhibited_by.as_deref().and_then(IncidentId::parse),
        })
    }
}
