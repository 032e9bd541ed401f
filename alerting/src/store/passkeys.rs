//! Passkeys, and the challenges that were given out and not answered.

use ingest_event::Timestamp;
use sqlx::Row;

use super::{
    DbRow, Store, Write,
    accounts::{self, Account},
    sql::{Sql, storable},
};

/// Logins by a passkey that are begun at once. Beyond that the oldest are forgotten, so that who begins many shortens the
/// time that others have, and fills no store.
const LOGINS_MAX: i64 = 4_096;

/// A passkey.
#[derive(Clone, Debug)]
pub(crate) struct StoredPasskey {
    /// 32 hexadecimal digits.
    pub(crate) id: String,
    /// As its owner calls it.
    pub(crate) name: String,
    /// The key, and what the authenticator said of itself, as JSON.
    pub(crate) public_key: String,
    /// Signatures that the authenticator had counted when it was last used.
    pub(crate) counter: i64,
    /// Since when it is there.
    pub(crate) created_at: Timestamp,
    /// When somebody last logged in with it.
    pub(crate) used_at: Option<Timestamp>,
    /// Since when it is refused, as its counter went back.
    pub(crate) copied_at: Option<Timestamp>,
}

const COLUMNS: &str =
    "passkey.id AS passkey_id, passkey.name AS passkey_name, passkey.public_key, passkey.counter,
    passkey.created_at AS passkey_created_at, passkey.used_at, passkey.copied_at";

impl Store {
    /// The passkeys of an account, the oldest first.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn passkeys(&self, account: &str) -> sqlx::Result<Vec<StoredPasskey>> {
        let mut query = Sql::new(format!("SELECT {COLUMNS} FROM passkey WHERE account = "));
        query
            .bind(account)
            .push(" ORDER BY passkey.created_at, passkey.id");
        let rows = query.query().fetch_all(&self.reader).await?;
        rows.iter().map(passkey).collect()
    }

    /// The passkey with a credential, by the digest of its id, and whose it is, closed or not.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn passkey(&self, credential: &str) -> sqlx::Result<Option<(Account, StoredPasskey)>> {
        let mut query = Sql::new(format!(
            "SELECT {COLUMNS}, {} FROM passkey JOIN account ON account.id = passkey.account WHERE passkey.credential = ",
            accounts::COLUMNS
        ));
        query.bind(credential);
        let Some(row) = query.query().fetch_optional(&self.reader).await? else {
            return Ok(None);
        };
        Ok(Some((accounts::account(&row)?, passkey(&row)?)))
    }

    /// Adds one; whether there is no such credential yet, and its account, which is not closed, has room for it, and the
    /// session that asks, by its digest, has not ended since.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn add_passkey(
        write: &mut Write,
        (account, session): (&str, &str),
        credential: &str,
        passkey: &StoredPasskey,
        most: i64,
    ) -> sqlx::Result<bool> {
        let added = sqlx::query(
            "INSERT INTO passkey (id, account, credential, public_key, counter, name, created_at)
             SELECT $1, $2, $3, $4, $5, $6, $7
             FROM (SELECT COUNT(*) AS held FROM passkey WHERE account = $2) AS room, account
             WHERE room.held < $8 AND account.id = $2 AND account.revoked_at IS NULL
                 AND EXISTS (SELECT 1 FROM session WHERE digest = $9 AND account = $2)
             ON CONFLICT (credential) DO NOTHING",
        )
        .bind(&passkey.id)
        .bind(account)
        .bind(credential)
        .bind(&passkey.public_key)
        .bind(passkey.counter)
        .bind(storable(&passkey.name))
        .bind(passkey.created_at.as_nanos())
        .bind(most)
        .bind(session)
        .execute(&mut **write)
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// Calls one of an account's something else; what it was called, if there is one.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn rename_passkey(
        write: &mut Write,
        account: &str,
        id: &str,
        name: &str,
    ) -> sqlx::Result<Option<String>> {
        let former: Option<String> =
            sqlx::query_scalar("SELECT name FROM passkey WHERE id = $1 AND account = $2")
                .bind(storable(id))
                .bind(account)
                .fetch_optional(&mut **write)
                .await?;
        sqlx::query("UPDATE passkey SET name = $3 WHERE id = $1 AND account = $2")
            .bind(storable(id))
            .bind(account)
            .bind(storable(name))
            .execute(&mut **write)
            .await?;
        Ok(former)
    }

    /// Takes one from an account; what it was called, if there was one.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn remove_passkey(
        write: &mut Write,
        account: &str,
        id: &str,
    ) -> sqlx::Result<Option<String>> {
        sqlx::query_scalar("DELETE FROM passkey WHERE id = $1 AND account = $2 RETURNING name")
            .bind(storable(id))
            .bind(account)
            .fetch_optional(&mut **write)
            .await
    }

    /// Takes all from an account.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn remove_passkeys(write: &mut Write, account: &str) -> sqlx::Result<()> {
        for gone in [
            "DELETE FROM passkey WHERE account = $1",
            "DELETE FROM passkey_challenge WHERE account = $1",
        ] {
            sqlx::query(gone).bind(account).execute(&mut **write).await?;
        }
        Ok(())
    }

    /// Notes that one was used; whether it is still as it was read, may be used, and is of an account that is not closed.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn use_passkey(
        write: &mut Write,
        former: &StoredPasskey,
        counter: i64,
        public_key: &str,
        now: Timestamp,
    ) -> sqlx::Result<bool> {
        let used = sqlx::query(
            "UPDATE passkey SET counter = $3, public_key = $4, used_at = $5
             WHERE id = $1 AND counter = $2 AND copied_at IS NULL
                 AND account IN (SELECT id FROM account WHERE revoked_at IS NULL)",
        )
        .bind(&former.id)
        .bind(former.counter)
        .bind(counter)
        .bind(public_key)
        .bind(now.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(used.rows_affected() == 1)
    }

    /// Lets one not be used any more, as there are two of it; whether it could be till now.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn refuse_passkey(write: &mut Write, id: &str, now: Timestamp) -> sqlx::Result<bool> {
        let refused = sqlx::query("UPDATE passkey SET copied_at = $2 WHERE id = $1 AND copied_at IS NULL")
            .bind(id)
            .bind(now.as_nanos())
            .execute(&mut **write)
            .await?;
        Ok(refused.rows_affected() == 1)
    }

    /// Remembers a challenge, by its digest: of who adds a passkey the newest one, of logins as many as there is room for.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn add_challenge(
        write: &mut Write,
        digest: &str,
        account: Option<&str>,
        state: &str,
        now: Timestamp,
        ends_at: Timestamp,
    ) -> sqlx::Result<()> {
        let most = if account.is_some() { 0 } else { LOGINS_MAX - 1 };
        // SQLite takes no offset without a limit.
        sqlx::query(
            "DELETE FROM passkey_challenge WHERE ends_at <= $1 OR digest IN
             (SELECT digest FROM passkey_challenge WHERE account = $2 ORDER BY ends_at DESC, digest LIMIT $3 OFFSET $4)",
        )
        .bind(now.as_nanos())
        .bind(account.unwrap_or_default())
        .bind(i64::MAX)
        .bind(most)
        .execute(&mut **write)
        .await?;
        sqlx::query(
            "INSERT INTO passkey_challenge (digest, account, state, ends_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(digest)
        .bind(account.unwrap_or_default())
        .bind(state)
        .bind(ends_at.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Uses up a challenge, whatever becomes of the answer; what the answer is held to, if it was given out for this and
    /// is not too old.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn use_challenge(
        write: &mut Write,
        digest: &str,
        account: Option<&str>,
        now: Timestamp,
    ) -> sqlx::Result<Option<String>> {
        sqlx::query_scalar(
            "DELETE FROM passkey_challenge WHERE digest = $1 AND account = $2 AND ends_at > $3 RETURNING state",
        )
        .bind(digest)
        .bind(account.unwrap_or_default())
        .bind(now.as_nanos())
        .fetch_optional(&mut **write)
        .await
    }

    /// When a challenge ends, if it is known, whether that is over or not.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn challenge_ends(&self, digest: &str) -> sqlx::Result<Option<Timestamp>> {
        let ends: Option<i64> = sqlx::query_scalar("SELECT ends_at FROM passkey_challenge WHERE digest = $1")
            .bind(digest)
            .fetch_optional(&self.reader)
            .await?;
        Ok(ends.map(Timestamp::from_nanos))
    }

    /// When a session began.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn session_began(&self, digest: &str) -> sqlx::Result<Option<Timestamp>> {
        let began: Option<i64> = sqlx::query_scalar("SELECT created_at FROM session WHERE digest = $1")
            .bind(digest)
            .fetch_optional(&self.reader)
            .await?;
        Ok(began.map(Timestamp::from_nanos))
    }
}

fn passkey(row: &DbRow) -> sqlx::Result<StoredPasskey> {
    let time = |name: &str| {
        let nanos: Option<i64> = row.try_get(name)?;
        Ok::<_, sqlx::Error>(nanos.map(Timestamp::from_nanos))
    };
    Ok(StoredPasskey {
        id: row.try_get("passkey_id")?,
        name: row.try_get("passkey_name")?,
        public_key: row.try_get("public_key")?,
        counter: row.try_get("counter")?,
        created_at: Timestamp::from_nanos(row.try_get("passkey_created_at")?),
        used_at: time("used_at")?,
        copied_at: time("copied_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StoreSettings;

    #[tokio::test]
    async fn who_begins_many_logins_fills_no_store() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&StoreSettings::default(), folder.path())
            .await
            .expect("opened");
        let at = Timestamp::from_millis;
        let mut write = store.begin().await.expect("begun");
        Store::add_challenge(&mut write, "kari's", Some("kari"), "{}", at(0), at(1))
            .await
            .expect("added");
        for place in 0..LOGINS_MAX + 2 {
            let digest = format!("{place}");
            Store::add_challenge(&mut write, &digest, None, "{}", at(0), at(1 + place))
                .await
                .expect("added");
        }
        let held: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM passkey_challenge WHERE account = ''")
            .fetch_one(&mut *write)
            .await
            .expect("counted");
        assert_eq!(held, LOGINS_MAX);
        for (digest, account, is_there) in [
            ("1", None, false),
            ("2", None, true),
            ("2", None, false),
            ("kari's", None, false),
            ("kari's", Some("ola"), false),
            ("kari's", Some("kari"), true),
        ] {
            let used = Store::use_challenge(&mut write, digest, account, at(0))
                .await
                .expect("read");
            assert_eq!(used.is_some(), is_there, "{digest} {account:?}");
        }
    }
}
