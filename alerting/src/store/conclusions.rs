//! What people concluded, by what found it.

use alerting_incident::{Incident, Verdict};
use sqlx::Row;

use super::{Store, Write, sql::storable};

/// Rules and feeds in one answer: more than anyone keeps.
const NAMES_MAX: i64 = 10_000;

/// Characters of a name that are kept; an index holds no more than some hundred.
const NAME_CHARS_MAX: usize = 256;

/// How one rule or feed fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fared {
    /// `rule` or `feed`.
    pub(crate) source: String,
    /// The rule's id, the feed's name.
    pub(crate) name: String,
    /// Incidents that were what it says.
    pub(crate) right: i64,
    /// Incidents that were harmless.
    pub(crate) wrong: i64,
}

impl Store {
    /// Notes what was concluded of an incident last; a call for help concludes nothing, and an exercise teaches nothing of rules.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn conclude(write: &mut Write, incident: &Incident) -> sqlx::Result<()> {
        let concluded = incident.verdict.filter(|verdict| *verdict != Verdict::NeedHelp);
        let Some(verdict) = concluded.filter(|_| !incident.key.exercise) else {
            sqlx::query("DELETE FROM conclusion WHERE incident = $1")
                .bind(incident.id.as_str())
                .execute(&mut **write)
                .await?;
            return Ok(());
        };
        let (source, name) = match &incident.lead.indicator {
            Some(indicator) => ("feed", &indicator.source),
            None => ("rule", &incident.lead.producer.id.0),
        };
        sqlx::query(
            "INSERT INTO conclusion (incident, source, name, verdict, at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (incident) DO UPDATE SET source = excluded.source, name = excluded.name,
                 verdict = excluded.verdict, at = excluded.at",
        )
        .bind(incident.id.as_str())
        .bind(source)
        .bind(storable(&name.chars().take(NAME_CHARS_MAX).collect::<String>()))
        .bind(verdict.as_str())
        .bind(incident.updated_at.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// How each rule and feed fared, those with the most conclusions first.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn fared(&self) -> sqlx::Result<Vec<Fared>> {
        let rows = sqlx::query(
            "SELECT source, name, sum(CASE WHEN verdict = 'true_positive' THEN 1 ELSE 0 END),
                 sum(CASE WHEN verdict = 'false_positive' THEN 1 ELSE 0 END)
             FROM conclusion GROUP BY source, name ORDER BY count(*) DESC, source, name LIMIT $1",
        )
        .bind(NAMES_MAX)
        .fetch_all(&self.reader)
        .await?;
        let fared = rows.iter().map(|row| Fared {
            source: row.get(0),
            name: row.get(1),
            right: row.get(2),
            wrong: row.get(3),
        });
        Ok(fared.collect())
    }
}
