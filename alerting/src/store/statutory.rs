//! Which authority must be told of an incident by when, what a person wrote for it, and what was sent.

use alerting_incident::{IncidentId, Obligation, Regime, Stage, Warning};
use ingest_event::Timestamp;
use serde_json::{Map, Value as Json};
use sqlx::Row;

use super::{DbRow, Store, Stored, Write, sql::storable};

/// That an authority must be told.
#[derive(Clone, Debug)]
pub(crate) struct Declaration {
    /// Under which rules.
    pub(crate) regime: Regime,
    /// Since when somebody knew.
    pub(crate) aware_at: Timestamp,
    /// When it was said.
    pub(crate) declared_at: Timestamp,
    /// By whom.
    pub(crate) declared_by: String,
    /// When it was taken back.
    pub(crate) withdrawn_at: Option<Timestamp>,
}

/// A notice that must be sent, and whether it was.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    /// Under which rules.
    pub(crate) regime: Regime,
    /// Which.
    pub(crate) stage: Stage,
    /// By when.
    pub(crate) due_at: Timestamp,
    /// The last warning that was given.
    pub(crate) warned: Option<Warning>,
    /// What became of it.
    pub(crate) sent: Option<Sent>,
}

/// That a notice was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// When.
    pub(crate) at: Timestamp,
    /// Who says so.
    pub(crate) by: String,
    /// The authority's name for it.
    pub(crate) reference: String,
}

/// What a person wrote.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entered {
    /// Grows by one with each change; 0 where nothing is written.
    pub(crate) version: u64,
    /// By name.
    pub(crate) fields: Map<String, Json>,
}

impl Store {
    /// Starts the clocks of a declaration. `false` if they run already; one that was withdrawn starts anew.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn declare(
        write: &mut Write,
        incident: &IncidentId,
        declaration: &Declaration,
        obligations: &[Obligation],
    ) -> sqlx::Result<bool> {
        let declared = sqlx::query(
            "INSERT INTO declaration (incident, regime, aware_at, declared_at, declared_by, withdrawn_at)
             VALUES ($1, $2, $3, $4, $5, NULL) ON CONFLICT (incident, regime) DO UPDATE SET
                 aware_at = excluded.aware_at, declared_at = excluded.declared_at,
                 declared_by = excluded.declared_by, withdrawn_at = NULL
             WHERE declaration.withdrawn_at IS NOT NULL",
        )
        .bind(incident.as_str())
        .bind(declaration.regime.as_str())
        .bind(declaration.aware_at.as_nanos())
        .bind(declaration.declared_at.as_nanos())
        .bind(storable(&declaration.declared_by))
        .execute(&mut **write)
        .await?;
        if declared.rows_affected() == 0 {
            return Ok(false);
        }
        for obligation in obligations {
            let next = Warning::next(declaration.aware_at, obligation.due_at, None);
            // What was sent stays sent, whatever is declared anew.
            sqlx::query(
                "INSERT INTO statutory (incident, regime, stage, due_at, warned, next_at) VALUES ($1, $2, $3, $4, NULL, $5)
                 ON CONFLICT (incident, regime, stage) DO UPDATE SET due_at = excluded.due_at, warned = NULL,
                     next_at = CASE WHEN statutory.sent_at IS NULL THEN excluded.next_at ELSE NULL END",
            )
            .bind(incident.as_str())
            .bind(declaration.regime.as_str())
            .bind(obligation.stage.as_str())
            .bind(obligation.due_at.as_nanos())
            .bind(next.map(Timestamp::as_nanos))
            .execute(&mut **write)
            .await?;
        }
        Ok(true)
    }

    /// Stops the clocks of a declaration. `false` if none run.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn withdraw_declaration(
        write: &mut Write,
        incident: &IncidentId,
        regime: Regime,
        now: Timestamp,
    ) -> sqlx::Result<bool> {
        let done = sqlx::query(
            "UPDATE declaration SET withdrawn_at = $3 WHERE incident = $1 AND regime = $2 AND withdrawn_at IS NULL",
        )
        .bind(incident.as_str())
        .bind(regime.as_str())
        .bind(now.as_nanos())
        .execute(&mut **write)
        .await?;
        sqlx::query("UPDATE statutory SET next_at = NULL WHERE incident = $1 AND regime = $2")
            .bind(incident.as_str())
            .bind(regime.as_str())
            .execute(&mut **write)
            .await?;
        Ok(0 < done.rows_affected())
    }

    /// Notes that a notice was sent, with its text. `false` if it was before, or need not be.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_sent(
        write: &mut Write,
        incident: &IncidentId,
        (regime, stage): (Regime, Stage),
        sent: &Sent,
        document: &str,
    ) -> sqlx::Result<bool> {
        let done = sqlx::query(
            "UPDATE statutory SET sent_at = $4, sent_by = $5, reference = $6, document = $7, next_at = NULL
             WHERE incident = $1 AND regime = $2 AND stage = $3 AND sent_at IS NULL",
        )
        .bind(incident.as_str())
        .bind(regime.as_str())
        .bind(stage.as_str())
        .bind(sent.at.as_nanos())
        .bind(storable(&sent.by))
        .bind(storable(&sent.reference))
        .bind(storable(document))
        .execute(&mut **write)
        .await?;
        Ok(0 < done.rows_affected())
    }

    /// The notice as it was sent.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn sent_document(
        &self,
        of: &Stored,
        regime: Regime,
        stage: Stage,
    ) -> sqlx::Result<Option<String>> {
        let row = sqlx::query(
            "SELECT document FROM statutory WHERE incident = $1 AND regime = $2 AND stage = $3 AND sent_at IS NOT NULL",
        )
        .bind(of.incident.id.as_str())
        .bind(regime.as_str())
        .bind(stage.as_str())
        .fetch_optional(&self.reader)
        .await?;
        row.map_or(Ok(None), |row| row.try_get(0))
    }

    /// What is declared of an incident, and how far its notices are.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn declared(
        write: &mut Write,
        incident: &IncidentId,
    ) -> sqlx::Result<(Vec<Declaration>, Vec<Running>)> {
        let rows = sqlx::query(
            "SELECT regime, aware_at, declared_at, declared_by, withdrawn_at FROM declaration
             WHERE incident = $1 ORDER BY declared_at, regime",
        )
        .bind(incident.as_str())
        .fetch_all(&mut **write)
        .await?;
        let declaration = |row: &DbRow| {
            Some(Declaration {
                regime: row.get::<&str, _>(0).parse().ok()?,
                aware_at: Timestamp::from_nanos(row.get(1)),
                declared_at: Timestamp::from_nanos(row.get(2)),
                declared_by: row.get(3),
                withdrawn_at: row.get::<Option<i64>, _>(4).map(Timestamp::from_nanos),
            })
        };
        let declarations = rows.iter().filter_map(declaration).collect();
        let rows = sqlx::query(
            "SELECT regime, stage, due_at, warned, sent_at, sent_by, reference FROM statutory
             WHERE incident = $1 ORDER BY due_at, regime",
        )
        .bind(incident.as_str())
        .fetch_all(&mut **write)
        .await?;
        Ok((declarations, rows.iter().filter_map(running).collect()))
    }

    /// Incidents of which a warning is due, the longest waiting first.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn warnings_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> sqlx::Result<Vec<(IncidentId, Regime, Stage)>> {
        let rows = sqlx::query(
            "SELECT incident, regime, stage FROM statutory WHERE next_at <= $1 ORDER BY next_at, incident LIMIT $2",
        )
        .bind(now.as_nanos())
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        let due = |row: &DbRow| {
            Some((
                IncidentId::parse(row.get(0))?,
                row.get::<&str, _>(1).parse().ok()?,
                row.get::<&str, _>(2).parse().ok()?,
            ))
        };
        Ok(rows.iter().filter_map(due).collect())
    }

    /// Notes that a warning was given, and when the next is.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_warning(
        write: &mut Write,
        incident: &IncidentId,
        (regime, stage): (Regime, Stage),
        warning: Option<Warning>,
        next: Option<Timestamp>,
    ) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE statutory SET warned = coalesce($4, warned), next_at = $5
             WHERE incident = $1 AND regime = $2 AND stage = $3",
        )
        .bind(incident.as_str())
        .bind(regime.as_str())
        .bind(stage.as_str())
        .bind(warning.map(Warning::as_str))
        .bind(next.map(Timestamp::as_nanos))
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// What a person wrote of an incident.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn entered(write: &mut Write, incident: &IncidentId) -> sqlx::Result<Entered> {
        let row = sqlx::query("SELECT version, fields FROM report_entry WHERE incident = $1")
            .bind(incident.as_str())
            .fetch_optional(&mut **write)
            .await?;
        let Some(row) = row else {
            return Ok(Entered::default());
        };
        let fields = serde_json::from_str(row.get(1)).map_err(|error| sqlx::Error::ColumnDecode {
            index: "fields".to_owned(),
            source: Box::new(error),
        })?;
        Ok(Entered {
            version: row.get::<i64, _>(0).cast_unsigned(),
            fields,
        })
    }

    /// Writes what a person wrote over what was there.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_entered(
        write: &mut Write,
        incident: &IncidentId,
        entered: &Entered,
        by: &str,
        now: Timestamp,
    ) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO report_entry (incident, version, fields, by_whom, at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (incident) DO UPDATE SET version = excluded.version, fields = excluded.fields,
                 by_whom = excluded.by_whom, at = excluded.at",
        )
        .bind(incident.as_str())
        .bind(entered.version.cast_signed())
        .bind(storable(&Json::Object(entered.fields.clone()).to_string()))
        .bind(storable(by))
        .bind(now.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(())
    }
}

/// `None` for what a newer version wrote.
fn running(row: &DbRow) -> Option<Running> {
    let sent_at = row.get::<Option<i64>, _>(4);
    Some(Running {
        regime: row.get::<&str, _>(0).parse().ok()?,
        stage: row.get::<&str, _>(1).parse().ok()?,
        due_at: Timestamp::from_nanos(row.get(2)),
        warned: row.get::<Option<&str>, _>(3).and_then(|code| code.parse().ok()),
        sent: sent_at.map(|at| Sent {
            at: Timestamp::from_nanos(at),
            by: row.get::<Option<String>, _>(5).unwrap_or_default(),
            reference: row.get::<Option<String>, _>(6).unwrap_or_default(),
        }),
    })
}
