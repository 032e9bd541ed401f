//! Requests that are carried out once: the key is claimed before, noted in the transaction of the effect, and has the answer after.
//! Whatever dies between leaves a key that says how far it came, so that nothing is done twice.

use std::time::Duration;

use ingest_event::Timestamp;
use sqlx::Row;

use super::{Store, Write, sql::storable};

/// How long a key is known.
pub(crate) const KEPT_FOR: Duration = Duration::from_hours(24);
/// Keys of one asker that are known at once: with answers of [`BODY_BYTES_MAX`] some hundred megabytes, from one who means harm.
pub(crate) const KEYS_MAX: i64 = 5_000;
/// Keys that are deleted at once: with the longest answers some megabytes, and others wait for no longer than for a batch of alerts.
const SWEPT_MAX: i64 = 256;
/// Longer answers are not kept: a repeat is told that it took effect.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// A claim that is older belongs to a process that is gone: no request lives longer than its timeout of 30 seconds.
const CLAIM_AGE_MAX: Duration = Duration::from_secs(40);

tokio::task_local! {
    /// The claim of the request that is being answered: [`Store::commit`] notes with the effect that it took effect.
    pub(crate) static CLAIM: Claim;
}

/// An attempt to carry a request out; digests, all of them.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// Of the account or the link.
    pub(crate) who: String,
    /// Of the key.
    pub(crate) key: String,
    /// Of method, address and body.
    pub(crate) request: String,
    /// Of what the asker may see and do.
    pub(crate) reach: String,
    /// Of the attempt.
    pub(crate) attempt: String,
}

/// An answer that is given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptAnswer {
    /// The status.
    pub(crate) status: u16,
    /// Headers, as JSON.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

/// What a key says of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// It is new: carry it out.
    Ours,
    /// The key was for another request.
    Another,
    /// It is being carried out.
    Running,
    /// It took effect, and the answer is not there, or no longer the asker's to see.
    Unanswered,
    /// It was answered.
    Answered(KeptAnswer),
    /// Too many keys.
    TooMany,
}

impl Store {
    /// Claims a key, unless it is taken.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn claim_once(&self, claim: &Claim, now: Timestamp) -> sqlx::Result<Claimed> {
        let mut write = self.begin().await?;
        // What is known no longer counts for nothing, whether it was swept up yet or not.
        let known = now.saturating_sub(KEPT_FOR).as_nanos();
        sqlx::query("DELETE FROM request_once WHERE who = $1 AND once_key = $2 AND claimed_at <= $3")
            .bind(claim.who.as_str())
            .bind(claim.key.as_str())
            .bind(known)
            .execute(&mut *write)
            .await?;
        let row = sqlx::query(
            "SELECT request, reach, claimed_at, effected, status, head, body FROM request_once WHERE who = $1 AND once_key = $2",
        )
        .bind(claim.who.as_str())
        .bind(claim.key.as_str())
        .fetch_optional(&mut *write)
        .await?;
        let claimed = match row {
            Some(row) if row.get::<String, _>(0) != claim.request => Claimed::Another,
            Some(row) if row.get::<i64, _>(3) == 0 => {
                let age = now.since(Timestamp::from_nanos(row.get(2)));
                if age < CLAIM_AGE_MAX {
                    Claimed::Running
                } else {
                    Claimed::Ours
                }
            }
            Some(row) if row.get::<String, _>(1) != claim.reach => Claimed::Unanswered,
            Some(row) => match row.get::<Option<i64>, _>(4) {
                None => Claimed::Unanswered,
                Some(status) => Claimed::Answered(KeptAnswer {
                    status: u16::try_from(status).unwrap_or_default(),
                    head: row.get::<Option<String>, _>(5).unwrap_or_default(),
                    body: row.get::<Option<String>, _>(6).unwrap_or_default(),
                }),
            },
            None => {
                let row = sqlx::query("SELECT count(*) FROM request_once WHERE who = $1 AND claimed_at > $2")
                    .bind(claim.who.as_str())
                    .bind(known)
                    .fetch_one(&mut *write)
                    .await?;
                if KEYS_MAX <= row.get::<i64, _>(0) {
                    Claimed::TooMany
                } else {
                    Claimed::Ours
                }
            }
        };
        if claimed == Claimed::Ours {
            sqlx::query(
                "INSERT INTO request_once (who, once_key, request, reach, claim, claimed_at, effected) VALUES ($1, $2, $3, $4, $5, $6, 0)
                 ON CONFLICT (who, once_key) DO UPDATE SET reach = $4, claim = $5, claimed_at = $6",
            )
            .bind(claim.who.as_str())
            .bind(claim.key.as_str())
            .bind(claim.request.as_str())
            .bind(claim.reach.as_str())
            .bind(claim.attempt.as_str())
            .bind(now.as_nanos())
            .execute(&mut *write)
            .await?;
        }
        write.commit().await?;
        Ok(claimed)
    }

    /// Deletes keys that are known no longer, with their answers; some of them. How many.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn sweep_once(&self, now: Timestamp) -> sqlx::Result<u64> {
        let known = now.saturating_sub(KEPT_FOR).as_nanos();
        let row = sqlx::query("SELECT 1 FROM request_once WHERE claimed_at <= $1 LIMIT 1")
            .bind(known)
            .fetch_optional(&self.reader)
            .await?;
        // Nobody waits for a writer that has nothing to write.
        if row.is_none() {
            return Ok(0);
        }
        let mut write = self.begin().await?;
        let swept = sqlx::query(
            "DELETE FROM request_once WHERE (who, once_key) IN
                 (SELECT who, once_key FROM request_once WHERE claimed_at <= $1 ORDER BY claimed_at LIMIT $2)",
        )
        .bind(known)
        .bind(SWEPT_MAX)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(swept.rows_affected())
    }

    /// Notes in the transaction of an effect that it took effect; fails if another attempt has claimed the key meanwhile.
    pub(super) async fn effect_once(write: &mut Write, claim: &Claim) -> sqlx::Result<()> {
        let noted = sqlx::query(
            "UPDATE request_once SET effected = 1 WHERE who = $1 AND once_key = $2 AND claim = $3",
        )
        .bind(claim.who.as_str())
        .bind(claim.key.as_str())
        .bind(claim.attempt.as_str())
        .execute(&mut **write)
        .await?;
        if noted.rows_affected() == 0 {
            return Err(sqlx::Error::RowNotFound);
        }
        Ok(())
    }

    /// Whether a request took effect.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn took_effect(&self, claim: &Claim) -> sqlx::Result<bool> {
        let row =
            sqlx::query("SELECT effected FROM request_once WHERE who = $1 AND once_key = $2 AND claim = $3")
                .bind(claim.who.as_str())
                .bind(claim.key.as_str())
                .bind(claim.attempt.as_str())
                .fetch_optional(&self.reader)
                .await?;
        Ok(row.is_some_and(|row| row.get::<i64, _>(0) != 0))
    }

    /// Keeps the answer of a request that took effect.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn answer_once(&self, claim: &Claim, answer: &KeptAnswer) -> sqlx::Result<()> {
        let mut write = self.begin().await?;
        sqlx::query(
            "UPDATE request_once SET status = $4, head = $5, body = $6 WHERE who = $1 AND once_key = $2 AND claim = $3 AND effected = 1",
        )
        .bind(claim.who.as_str())
        .bind(claim.key.as_str())
        .bind(claim.attempt.as_str())
        .bind(i64::from(answer.status))
        .bind(storable(&answer.head))
        .bind(storable(&answer.body))
        .execute(&mut *write)
        .await?;
        write.commit().await
    }

    /// Gives a key back that did nothing: the next one with it is carried out.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn release_once(&self, claim: &Claim) -> sqlx::Result<()> {
        let mut write = self.begin().await?;
        sqlx::query(
            "DELETE FROM request_once WHERE who = $1 AND once_key = $2 AND claim = $3 AND effected = 0",
        )
        .bind(claim.who.as_str())
        .bind(claim.key.as_str())
        .bind(claim.attempt.as_str())
        .execute(&mut *write)
        .await?;
        write.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StoreSettings;

    const NOW: Timestamp = Timestamp::from_millis(1_772_438_400_000);

    fn claim(key: &str, attempt: &str) -> Claim {
        let text = str::to_owned;
        Claim {
            who: text("who"),
            key: text(key),
            request: text("request"),
            reach: String::new(),
            attempt: text(attempt),
        }
    }

    #[tokio::test]
    async fn an_attempt_whose_claim_was_taken_over_takes_no_effect() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&StoreSettings::Sqlite, folder.path());
        let store = store.await.expect("a store");
        let (first, second) = (claim("k", "1"), claim("k", "2"));
        assert_eq!(store.claim_once(&first, NOW).await.expect("asked"), Claimed::Ours);
        let running = store.claim_once(&second, NOW).await.expect("asked");
        assert_eq!(running, Claimed::Running);
        let later = NOW.saturating_add(CLAIM_AGE_MAX);
        assert_eq!(
            store.claim_once(&second, later).await.expect("asked"),
            Claimed::Ours
        );
        let mut write = store.begin().await.expect("begun");
        assert!(Store::effect_once(&mut write, &first).await.is_err());
        assert!(Store::effect_once(&mut write, &second).await.is_ok());
    }

    #[tokio::test]
    async fn who_sends_very_many_keys_is_told_to_wait_and_nobody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&StoreSettings::Sqlite, folder.path());
        let store = store.await.expect("a store");
        assert_eq!(
            store.claim_once(&claim("k", "1"), NOW).await.expect("asked"),
            Claimed::Ours
        );
        sqlx::query(
            "INSERT INTO request_once (who, once_key, request, reach, claim, claimed_at, effected)
             WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < $1 - 1)
             SELECT who, 'many-' || n, request, reach, claim, claimed_at, effected FROM request_once, counted",
        )
        .bind(KEYS_MAX)
        .execute(&store.writer)
        .await
        .expect("filled");
        let full = store.claim_once(&claim("another", "1"), NOW).await;
        assert_eq!(full.expect("asked"), Claimed::TooMany);
        let somebody = Claim {
            who: "somebody".to_owned(),
            ..claim("k", "1")
        };
        assert_eq!(
            store.claim_once(&somebody, NOW).await.expect("asked"),
            Claimed::Ours
        );
    }
}
