//! Mails that are not about one incident: digests, and what the CERT and contacts are asked or told besides.

use std::time::Duration;

use alerting_incident::{Gathering, Language, NotificationId};
use detect_alert::Severity;
use ingest_event::Timestamp;
use sqlx::{AssertSqlSafe, Row, Transaction};

use super::{
    Db, DbRow, Outcome, Store, StoredNotification, Write,
    notifications::{COLUMNS, Readable, WAIT_MAX, readable, stored},
    sql::{Sql, storable},
};

/// A mail that is not about one incident, and how it fared.
#[derive(Clone, Debug)]
pub(crate) struct StoredLetter {
    /// Its name: 32 hexadecimal digits.
    pub(crate) id: String,
    /// What it is: `digest`, `group`, `given_up`, `address_off`, `check`, `not_me`.
    pub(crate) kind: String,
    /// To whom.
    pub(crate) responder: String,
    /// As they are called.
    pub(crate) name: String,
    /// Where to.
    pub(crate) address: String,
    /// In which language.
    pub(crate) language: Language,
    /// Whether it is about exercises.
    pub(crate) exercise: bool,
    /// What the kind needs, as JSON.
    pub(crate) about: String,
    /// When it was decided.
    pub(crate) created_at: Timestamp,
    /// How often it was tried.
    pub(crate) attempts: u32,
}

const LETTER: &str = "id, kind, responder, name, address, language, exercise, about, created_at, attempts";

impl Store {
    /// Those for whom something is gathered that was decided before a moment: responder and address.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn gathered_for(
        &self,
        up_to: Severity,
        before: Timestamp,
        limit: u32,
    ) -> sqlx::Result<Vec<(String, String)>> {
        let mut sql = Sql::new("SELECT DISTINCT responder, address FROM notification");
        self.gathered(&mut sql, up_to, before);
        sql.push(" LIMIT ").bind(i64::from(limit));
        let rows = sql.query().fetch_all(&self.reader).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// What is gathered for one of them, the gravest first.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn gathered_in(
        &self,
        write: &mut Write,
        (responder, address): (&str, &str),
        up_to: Severity,
        before: Timestamp,
        limit: u32,
    ) -> sqlx::Result<Readable> {
        let mut sql = Sql::new(format!("SELECT {COLUMNS} FROM notification"));
        self.gathered(&mut sql, up_to, before);
        sql.push(" AND responder = ").bind(responder);
        sql.push(" AND address = ").bind(address);
        sql.push(" ORDER BY severity DESC, created_at, id LIMIT ")
            .bind(i64::from(limit));
        let rows = sql.query().fetch_all(&mut **write).await?;
        Ok(readable(&rows))
    }

    fn gathered(&self, sql: &mut Sql, up_to: Severity, before: Timestamp) {
        sql.push(" WHERE state = 'pending' AND channel = 'email' AND severity <= ")
            .bind(i64::from(up_to.number()));
        sql.push(" AND created_at < ").bind(before.as_nanos());
        sql.push(&format!(" AND claimed_until <= {} AND reason IN ", self.clock()));
        sql.list(Gathering::reasons().map(|reason| reason.as_str()));
    }

    /// Takes a gathered notification out of the outbox: nobody is told by it.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn withdraw(write: &mut Write, id: &NotificationId, why: &str) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE notification SET state = 'withdrawn', held_until = NULL, error = $2 WHERE id = $1 AND state = 'pending'",
        )
        .bind(id.as_str())
        .bind(why)
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Puts gathered notifications into a letter.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn put_into(
        write: &mut Write,
        ids: impl IntoIterator<Item = &NotificationId>,
        letter: &str,
    ) -> sqlx::Result<()> {
        let mut sql = Sql::new("UPDATE notification SET state = 'digested', held_until = NULL, letter = ");
        sql.bind(letter);
        sql.push(" WHERE state = 'pending' AND id IN ")
            .list(ids.into_iter().map(NotificationId::as_str));
        sql.query().execute(&mut **write).await?;
        Ok(())
    }

    /// The notifications that a letter tells, the gravest first.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn told_by(&self, letter: &str) -> sqlx::Result<Vec<StoredNotification>> {
        let text = format!(
            "SELECT {COLUMNS} FROM notification WHERE letter = $1 ORDER BY severity DESC, created_at, id"
        );
        let rows = sqlx::query(AssertSqlSafe(text))
            .bind(letter)
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(stored).collect()
    }

    /// Puts a letter into the outbox, unless it was there before; says whether it is new.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn add_letter(write: &mut Write, letter: &StoredLetter) -> sqlx::Result<bool> {
        let added = sqlx::query(
            "INSERT INTO letter (id, kind, responder, name, address, language, exercise, about, created_at, state,
                 attempts, next_at, claimed_until)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', 0, $9, 0) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&letter.id)
        .bind(&letter.kind)
        .bind(&letter.responder)
        .bind(storable(&letter.name))
        .bind(&letter.address)
        .bind(letter.language.as_str())
        .bind(i64::from(letter.exercise))
        .bind(storable(&letter.about))
        .bind(letter.created_at.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(0 < added.rows_affected())
    }

    /// Claims letters that are due and nobody's; those that this version can read, and how many others there are.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn claim_letters(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> sqlx::Result<(Vec<StoredLetter>, usize)> {
        let clock = self.clock();
        // What waits for longer than anything does was written by a clock that was set back since.
        let far = now.saturating_add(WAIT_MAX).as_nanos();
        let due =
            format!("state = 'pending' AND (next_at <= $1 OR next_at > {far}) AND claimed_until <= {clock}");
        // Mostly there is nothing, and nothing is written then.
        let text = format!("SELECT count(*) FROM letter WHERE {due}");
        let waiting = sqlx::query(AssertSqlSafe(text)).bind(now.as_nanos());
        if waiting.fetch_one(&self.reader).await?.get::<i64, _>(0) == 0 {
            return Ok((Vec::new(), 0));
        }
        let text = format!(
            "UPDATE letter SET claimed_by = $2, claimed_until = {clock} + $3
             WHERE id IN (SELECT id FROM letter WHERE {due} ORDER BY CASE kind WHEN 'group' THEN 0 ELSE 1 END,
                 next_at, id LIMIT $4) RETURNING {LETTER}"
        );
        let mut write = self.begin().await?;
        let rows = sqlx::query(AssertSqlSafe(text))
            .bind(now.as_nanos())
            .bind(self.instance().0)
            .bind(i64::try_from(lease.as_nanos()).unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(&mut *write)
            .await?;
        Transaction::<Db>::commit(write).await?;
        // One of a newer version holds up no other.
        let letters: Vec<_> = rows.iter().filter_map(|row| letter(row).ok()).collect();
        let unreadable = rows.len() - letters.len();
        Ok((letters, unreadable))
    }

    /// Lets go of all claims on letters: of a file that only this process uses.
    pub(super) async fn release_letters(write: &mut Write) -> sqlx::Result<()> {
        sqlx::query("UPDATE letter SET claimed_until = 0 WHERE state = 'pending' AND claimed_until <> 0")
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// Notes what became of an attempt, of the notifications that it tells too. `false` if it was noted before.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn save_letter(
        &self,
        write: &mut Write,
        id: &str,
        outcome: &Outcome,
        now: Timestamp,
    ) -> sqlx::Result<bool> {
        let (state, next, sent, receipt, error) = match outcome {
            Outcome::Sent(receipt) => ("sent", now, Some(now.as_nanos()), Some(storable(receipt)), None),
            Outcome::Again(at, reason) => ("pending", *at, None, None, Some(storable(reason))),
            Outcome::Failed(reason) => ("failed", now, None, None, Some(storable(reason))),
        };
        let noted = sqlx::query(
            "UPDATE letter SET state = $2, attempts = attempts + 1, next_at = $3, sent_at = $4, receipt = $5,
                 error = $6, claimed_by = NULL, claimed_until = 0
             WHERE id = $1 AND state = 'pending' AND (claimed_by = $7 OR $2 = 'sent')",
        )
        .bind(id)
        .bind(state)
        .bind(next.as_nanos())
        .bind(sent)
        .bind(receipt.as_deref())
        .bind(error.as_deref())
        .bind(self.instance().0)
        .execute(&mut **write)
        .await?;
        if noted.rows_affected() == 0 {
            return Ok(false);
        }
        if state != "pending" {
            sqlx::query(
                "UPDATE notification SET state = $2, attempts = attempts + 1, next_at = $3, sent_at = $4, receipt = $5,
                     error = $6 WHERE letter = $1 AND state = 'digested'",
            )
            .bind(id)
            .bind(state)
            .bind(now.as_nanos())
            .bind(sent)
            .bind(receipt.as_deref())
            .bind(error.as_deref())
            .execute(&mut **write)
            .await?;
        }
        Ok(true)
    }

    /// A letter.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn letter(&self, id: &str) -> sqlx::Result<Option<StoredLetter>> {
        let text = format!("SELECT {LETTER} FROM letter WHERE id = $1");
        let row = sqlx::query(AssertSqlSafe(text)).bind(id);
        row.fetch_optional(&self.reader)
            .await?
            .as_ref()
            .map(letter)
            .transpose()
    }
}

pub(super) fn letter(row: &DbRow) -> sqlx::Result<StoredLetter> {
    let language: String = row.try_get("language")?;
    Ok(StoredLetter {
        id: row.try_get("id")?,
        kind: row.try_get("kind")?,
        responder: row.try_get("responder")?,
        name: row.try_get("name")?,
        address: row.try_get("address")?,
        // One that this version does not know is read in Bokmål.
        language: language.parse().unwrap_or(Language::Nb),
        exercise: row.try_get::<i64, _>("exercise")? != 0,
        about: row.try_get("about")?,
        created_at: Timestamp::from_nanos(row.try_get("created_at")?),
        attempts: u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or(u32::MAX),
    })
}
