//! Notifications: the outbox, and what came back.

use alerting_incident::{
    Channel, Gathering, IncidentId, Language, Notification, NotificationId, NotifyReason, ResponderId,
    Verdict,
};
use detect_alert::Severity;
use ingest_event::Timestamp;
use sqlx::{AssertSqlSafe, Row};

use super::{
    DbRow, Store, Write,
    sql::{Sql, storable},
};

/// A notification and how it fared.
#[derive(Clone, Debug)]
pub(crate) struct StoredNotification {
    /// Its name.
    pub(crate) id: NotificationId,
    /// About which incident.
    pub(crate) incident: IncidentId,
    /// To whom.
    pub(crate) responder: ResponderId,
    /// As they were called then.
    pub(crate) responder_name: String,
    /// How, and where to.
    pub(crate) channel: Channel,
    /// In which language.
    pub(crate) language: Language,
    /// Why.
    pub(crate) reason: NotifyReason,
    /// When it was decided.
    pub(crate) created_at: Timestamp,
    /// `pending`, `sent` or `failed`.
    pub(crate) state: String,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// When it was handed over.
    pub(crate) sent_at: Option<Timestamp>,
    /// Why it was not, last.
    pub(crate) error: Option<String>,
    /// When the link was opened.
    pub(crate) seen_at: Option<Timestamp>,
    /// When this responder took it.
    pub(crate) acknowledged_at: Option<Timestamp>,
    /// What this responder concluded.
    pub(crate) verdict: Option<Verdict>,
    /// When the alert was put on the bus, in milliseconds since 1970; 0 if no alert caused it.
    pub(crate) appended_ms: i64,
    /// Whether the responder had a key for mail when it was decided.
    pub(crate) is_sealed: bool,
    /// Whose the incident was when it was decided; `None` of what an older version decided.
    pub(crate) owner: Option<String>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was handed over; the text is the receipt.
    Sent(String),
    /// It will be tried again at a time.
    Again(Timestamp, String),
    /// It was given up.
    Failed(String),
}

pub(super) const COLUMNS: &str = "id, incident, responder, responder_name, channel, address, language, reason, created_at, state, \
                       attempts, sent_at, error, seen_at, acknowledged_at, verdict, appended_ms, sealed, owner";

/// A wait that is longer than any that is given was counted by a clock that has been set back since.
pub(super) const WAIT_MAX: std::time::Duration = std::time::Duration::from_hours(24);

/// Rows of which some may be of a newer version: those hold up no others.
#[derive(Debug, Default)]
pub(crate) struct Readable {
    /// Those that can be read.
    pub(crate) rows: Vec<StoredNotification>,
    /// The ids of the others.
    pub(crate) unreadable: Vec<String>,
}

impl Store {
    /// Puts a notification into the outbox, unless it was there before.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn add_notification(
        write: &mut Write,
        notification: &Notification,
        severity: Severity,
        appended_ms: i64,
    ) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO notification (id, incident, responder, responder_name, channel, address, language, reason,
                 severity, created_at, state, attempts, next_at, appended_ms, claimed_until, sealed, owner)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'pending', 0, $10, $11, 0, $12,
                 (SELECT owner FROM incident WHERE id = $2)) ON CONFLICT (id) DO NOTHING",
        )
        .bind(notification.id.as_str())
        .bind(notification.incident.as_str())
        .bind(notification.responder.as_str())
        .bind(&notification.responder_name)
        .bind(notification.channel.kind())
        .bind(notification.channel.address())
        .bind(notification.language.as_str())
        .bind(notification.reason.as_str())
        .bind(i64::from(severity.number()))
        .bind(notification.created_at.as_nanos())
        .bind(appended_ms)
        .bind(i64::from(notification.is_sealed))
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Notifications of a channel that are due and nobody's, the gravest first, at most `per_address` for one address; without
    /// those that are gathered, or held for their group.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn due(
        &self,
        channel: &str,
        now: Timestamp,
        gathering: &Gathering,
        per_address: u32,
        limit: u32,
    ) -> sqlx::Result<Readable> {
        let text = format!(
            "SELECT {COLUMNS} FROM (SELECT *, row_number() OVER (PARTITION BY address
                 ORDER BY severity DESC, created_at, id) AS place FROM notification
             WHERE state = 'pending' AND held_until IS NULL AND channel = $1 AND claimed_until <= {clock}
                 AND (next_at <= $2 OR next_at > $5) AND NOT ({gathered})) AS ranked
             WHERE place <= $3 ORDER BY severity DESC, created_at, id LIMIT $4",
            clock = self.clock(),
            gathered = gathered(gathering),
        );
        let rows = sqlx::query(AssertSqlSafe(text))
            .bind(channel)
            .bind(now.as_nanos())
            .bind(i64::from(per_address))
            .bind(i64::from(limit))
            .bind(now.saturating_add(WAIT_MAX).as_nanos())
            .fetch_all(&self.reader)
            .await?;
        Ok(readable(&rows))
    }

    /// Looks at rows no sooner than at a moment: others have their places until then.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn put_off(&self, ids: &[String], until: Timestamp) -> sqlx::Result<()> {
        let mut sql = Sql::new("UPDATE notification SET next_at = ");
        sql.bind(until.as_nanos())
            .push(&format!(
                " WHERE state = 'pending' AND claimed_until <= {} AND id IN ",
                self.clock()
            ))
            .list(ids.iter().map(String::as_str));
        let mut write = self.begin().await?;
        sql.query().execute(&mut *write).await?;
        self.commit(write).await
    }

    /// When the next notification of a channel is due.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn next_due(
        &self,
        channel: &str,
        after: Timestamp,
        gathering: &Gathering,
    ) -> sqlx::Result<Option<Timestamp>> {
        let text = format!(
            "SELECT min(next_at) FROM notification WHERE state = 'pending' AND held_until IS NULL AND channel = $1 AND next_at > $2 AND NOT ({})",
            gathered(gathering)
        );
        let row = sqlx::query(AssertSqlSafe(text))
            .bind(channel)
            .bind(after.as_nanos())
            .fetch_one(&self.reader)
            .await?;
        Ok(row.get::<Option<i64>, _>(0).map(Timestamp::from_nanos))
    }

    /// How many notifications wait to leave.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn pending(&self) -> sqlx::Result<i64> {
        let query = sqlx::query("SELECT count(*) FROM notification WHERE state = 'pending'");
        Ok(query.fetch_one(&self.reader).await?.get(0))
    }

    /// Notes what became of an attempt of this instance's, and lets go of the notification. `false` if that no longer
    /// matters: it was handed over, which another instance noted before, or failed, and is another's to send by now.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_outcome(
        &self,
        write: &mut Write,
        id: &NotificationId,
        outcome: &Outcome,
        now: Timestamp,
    ) -> sqlx::Result<bool> {
        let (state, next, sent, receipt, error) = match outcome {
            Outcome::Sent(receipt) => ("sent", now, Some(now.as_nanos()), Some(storable(receipt)), None),
            Outcome::Again(at, reason) => ("pending", *at, None, None, Some(storable(reason))),
            Outcome::Failed(reason) => ("failed", now, None, None, Some(storable(reason))),
        };
        let noted = sqlx::query(
            "UPDATE notification SET state = $2, attempts = attempts + 1, next_at = $3, sent_at = $4, receipt = $5,
                 error = $6, claimed_by = NULL, claimed_until = 0
             WHERE id = $1 AND state = 'pending' AND (claimed_by = $7 OR $2 = 'sent')",
        )
        .bind(id.as_str())
        .bind(state)
        .bind(next.as_nanos())
        .bind(sent)
        .bind(receipt)
        .bind(error)
        .bind(self.me.as_str())
        .execute(&mut **write)
        .await?;
        Ok(0 < noted.rows_affected())
    }

    /// Notes what a responder did: the first opening, the first acknowledgement, the last verdict.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_answer(
        write: &mut Write,
        id: &NotificationId,
        has_acknowledged: bool,
        verdict: Option<Verdict>,
        now: Timestamp,
    ) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE notification SET seen_at = coalesce(seen_at, $2),
                 acknowledged_at = coalesce(acknowledged_at, $3), verdict = coalesce($4, verdict) WHERE id = $1",
        )
        .bind(id.as_str())
        .bind(now.as_nanos())
        .bind(has_acknowledged.then(|| now.as_nanos()))
        .bind(verdict.map(Verdict::as_str))
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// A notification.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn notification(&self, id: &NotificationId) -> sqlx::Result<Option<StoredNotification>> {
        let text = format!("SELECT {COLUMNS} FROM notification WHERE id = $1");
        sqlx::query(AssertSqlSafe(text))
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?
            .as_ref()
            .map(stored)
            .transpose()
    }

    /// The notifications about an incident, the oldest first.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn notifications_of(&self, of: &super::Stored) -> sqlx::Result<Vec<StoredNotification>> {
        let text = format!("SELECT {COLUMNS} FROM notification WHERE incident = $1 ORDER BY created_at, id");
        sqlx::query(AssertSqlSafe(text))
            .bind(of.incident.id.as_str())
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(stored)
            .collect()
    }
}

/// What waits for its digest, in SQL of words and numbers of ours only.
fn gathered(gathering: &Gathering) -> String {
    let most = gathering.up_to.map_or(0, |severity| i64::from(severity.number()));
    let reasons: Vec<String> = Gathering::reasons().map(|reason| format!("'{reason}'")).collect();
    format!(
        "channel = 'email' AND severity <= {most} AND reason IN ({})",
        reasons.join(", ")
    )
}

/// Rows as far as this version can read them.
pub(super) fn readable(rows: &[DbRow]) -> Readable {
    let mut found = Readable::default();
    for row in rows {
        match (stored(row), row.try_get("id")) {
            (Ok(one), _) => found.rows.push(one),
            (Err(_), Ok(id)) => found.unreadable.push(id),
            (Err(_), Err(_)) => {}
        }
    }
    found
}

pub(super) fn stored(row: &DbRow) -> sqlx::Result<StoredNotification> {
    let unreadable = |column: &str| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: "a value that this version does not know".into(),
    };
    let text = |column: &'static str| row.try_get::<String, _>(column);
    let time = |column: &'static str| {
        row.try_get::<Option<i64>, _>(column)
            .map(|nanos| nanos.map(Timestamp::from_nanos))
    };
    let address = text("address")?;
    Ok(StoredNotification {
        id: NotificationId::parse(row.try_get("id")?).ok_or_else(|| unreadable("id"))?,
        incident: IncidentId::parse(row.try_get("incident")?).ok_or_else(|| unreadable("incident"))?,
        responder_name: text("responder_name")?,
        channel: Channel::stored(&text("channel")?, address).ok_or_else(|| unreadable("channel"))?,
        responder: ResponderId::stored(text("responder")?),
        is_sealed: row.try_get::<i64, _>("sealed")? != 0,
        owner: row.try_get("owner")?,
        language: text("language")?.parse().map_err(|_| unreadable("language"))?,
        reason: text("reason")?.parse().map_err(|_| unreadable("reason"))?,
        created_at: Timestamp::from_nanos(row.try_get("created_at")?),
        state: text("state")?,
        attempts: u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or(u32::MAX),
        sent_at: time("sent_at")?,
        error: row.try_get("error")?,
        seen_at: time("seen_at")?,
        acknowledged_at: time("acknowledged_at")?,
        verdict: match row.try_get::<Option<String>, _>("verdict")? {
            Some(code) => Some(code.parse().map_err(|_| unreadable("verdict"))?),
            None => None,
        },
        appended_ms: row.try_get("appended_ms")?,
    })
}
