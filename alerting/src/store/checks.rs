//! Contacts, and whether they have said that they are still right.

use ingest_event::Timestamp;
use sqlx::Row;

use super::{Store, Write};

/// A contact's address, and how it was asked.
#[derive(Clone, Debug)]
pub(crate) struct ContactCheck {
    /// Its name: 32 hexadecimal digits.
    pub(crate) id: String,
    /// When to ask next.
    pub(crate) due_at: Timestamp,
    /// When it was asked last.
    pub(crate) asked_at: Option<Timestamp>,
    /// When it was asked once more.
    pub(crate) reminded_at: Option<Timestamp>,
    /// What it said to that: `right`, `not_me`.
    pub(crate) answer: Option<String>,
}

/// Answers to one question that are noted: said, mistaken, corrected, and once more. Each is in the audit log.
const ANSWERS_MAX: i64 = 4;

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// It is noted.
    New,
    /// It was said before, or nobody asks any more.
    Known,
    /// It was changed too often; the one before stays.
    TooOften,
}

impl Store {
    /// All of them.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn checks(&self) -> sqlx::Result<Vec<ContactCheck>> {
        let rows = sqlx::query("SELECT id, due_at, asked_at, reminded_at, answer FROM contact_check")
            .fetch_all(&self.reader)
            .await?;
        let each = rows.iter().map(|row| ContactCheck {
            id: row.get(0),
            due_at: Timestamp::from_nanos(row.get(1)),
            asked_at: row.get::<Option<i64>, _>(2).map(Timestamp::from_nanos),
            reminded_at: row.get::<Option<i64>, _>(3).map(Timestamp::from_nanos),
            answer: row.get(4),
        });
        Ok(each.collect())
    }

    /// Puts a new contact on the list.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn add_check(
        write: &mut Write,
        id: &str,
        (responder, address): (&str, &str),
        due_at: Timestamp,
    ) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO contact_check (id, responder, address, due_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
        )
        .bind(id)
        .bind(responder)
        .bind(address)
        .bind(due_at.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Asks a contact that is due, and next at another time; `false` if another instance did.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn ask(
        write: &mut Write,
        id: &str,
        now: Timestamp,
        next: Timestamp,
    ) -> sqlx::Result<bool> {
        let asked = sqlx::query(
            "UPDATE contact_check SET asked_at = $2, due_at = $3, reminded_at = NULL, answered_at = NULL, answer = NULL,
                 changes = 0
             WHERE id = $1 AND due_at <= $2",
        )
        .bind(id)
        .bind(now.as_nanos())
        .bind(next.as_nanos());
        Ok(0 < asked.execute(&mut **write).await?.rows_affected())
    }

    /// Asks once more; `false` if it was, or has answered.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn remind(write: &mut Write, id: &str, now: Timestamp) -> sqlx::Result<bool> {
        let reminded = sqlx::query(
            "UPDATE contact_check SET reminded_at = $2 WHERE id = $1 AND reminded_at IS NULL AND answer IS NULL",
        )
        .bind(id)
        .bind(now.as_nanos());
        Ok(0 < reminded.execute(&mut **write).await?.rows_affected())
    }

    /// Notes what a contact said, if it is new and was not changed too often since it was asked.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn answer_check(
        write: &mut Write,
        id: &str,
        answer: &str,
        now: Timestamp,
    ) -> sqlx::Result<Answered> {
        let noted = sqlx::query(
            "UPDATE contact_check SET answered_at = $3, answer = $2, changes = changes + 1
             WHERE id = $1 AND (answer IS NULL OR answer <> $2) AND changes < $4",
        )
        .bind(id)
        .bind(answer)
        .bind(now.as_nanos())
        .bind(ANSWERS_MAX);
        if 0 < noted.execute(&mut **write).await?.rows_affected() {
            return Ok(Answered::New);
        }
        let row =
            sqlx::query("SELECT 1 FROM contact_check WHERE id = $1 AND answer IS NOT NULL AND answer <> $2")
                .bind(id)
                .bind(answer)
                .fetch_optional(&mut **write)
                .await?;
        Ok(if row.is_some() {
            Answered::TooOften
        } else {
            Answered::Known
        })
    }
}
