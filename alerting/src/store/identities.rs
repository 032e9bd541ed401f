//! Who people are at identity providers, and the accounts that this makes them; all of it by digests.

use ingest_event::Timestamp;

use super::{
    Store, Write,
    accounts::{self, Account},
    sql::Sql,
};

/// Who is nobody here yet and may still be let in: beyond that many, further ones are told to come back later.
const REQUESTS_MAX: i64 = 1_000;

impl Store {
    /// The account that an identity is bound to, closed or not.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn identified(&self, identity: &str) -> sqlx::Result<Option<Account>> {
        let mut query = Sql::new(format!(
            "SELECT {} FROM identity JOIN account ON account.id = identity.account WHERE identity.digest = ",
            accounts::COLUMNS
        ));
        query.bind(identity);
        let row = query.query().fetch_optional(&self.reader).await?;
        row.as_ref().map(accounts::account).transpose()
    }

    /// Binds an identity to an account.
    ///
    /// # Errors
    /// If the store is away, or it is somebody's already.
    pub(crate) async fn bind_identity(
        write: &mut Write,
        identity: &str,
        account: &str,
        provider: &str,
        now: Timestamp,
    ) -> sqlx::Result<()> {
        sqlx::query("INSERT INTO identity (digest, account, provider, created_at) VALUES ($1, $2, $3, $4)")
            .bind(identity)
            .bind(account)
            .bind(provider)
            .bind(now.as_nanos())
            .execute(&mut **write)
            .await?;
        sqlx::query("DELETE FROM identity_request WHERE identity = $1")
            .bind(identity)
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// Takes all identities from an account and ends its sessions; whether there were any.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn unbind_identities(write: &mut Write, account: &str) -> sqlx::Result<bool> {
        let gone = sqlx::query("DELETE FROM identity WHERE account = $1")
            .bind(account)
            .execute(&mut **write)
            .await?;
        Self::end_sessions(write, account).await?;
        Ok(0 < gone.rows_affected())
    }

    /// Remembers who asked for access, by the digest of the code that they were told, in place of an earlier one; whether
    /// there was room.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn request_identity(
        write: &mut Write,
        code: &str,
        identity: &str,
        provider: &str,
        now: Timestamp,
        ends_at: Timestamp,
    ) -> sqlx::Result<bool> {
        sqlx::query("DELETE FROM identity_request WHERE ends_at <= $1 OR identity = $2")
            .bind(now.as_nanos())
            .bind(identity)
            .execute(&mut **write)
            .await?;
        let added = sqlx::query(
            "INSERT INTO identity_request (code, identity, provider, ends_at)
             SELECT $1, $2, $3, $4 FROM (SELECT COUNT(*) AS held FROM identity_request) AS room WHERE room.held < $5",
        )
        .bind(code)
        .bind(identity)
        .bind(provider)
        .bind(ends_at.as_nanos())
        .bind(REQUESTS_MAX)
        .execute(&mut **write)
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// Who was told this code, and by which provider they showed who they are.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn requested_identity(
        &self,
        code: &str,
        now: Timestamp,
    ) -> sqlx::Result<Option<(String, String)>> {
        sqlx::query_as("SELECT identity, provider FROM identity_request WHERE code = $1 AND ends_at > $2")
            .bind(code)
            .bind(now.as_nanos())
            .fetch_optional(&self.reader)
            .await
    }

    /// Uses up the state of a login that came back; whether it had not come back before.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn use_state(
        write: &mut Write,
        state: &str,
        now: Timestamp,
        ends_at: Timestamp,
    ) -> sqlx::Result<bool> {
        sqlx::query("DELETE FROM login_returned WHERE ends_at <= $1")
            .bind(now.as_nanos())
            .execute(&mut **write)
            .await?;
        let used = sqlx::query(
            "INSERT INTO login_returned (state, ends_at) VALUES ($1, $2) ON CONFLICT (state) DO NOTHING",
        )
        .bind(state)
        .bind(ends_at.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(used.rows_affected() == 1)
    }

    /// Notes of a session by which provider it was opened, and what of its word counts.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn set_claimed(
        write: &mut Write,
        session: &str,
        provider: &str,
        claimed: &str,
    ) -> sqlx::Result<()> {
        sqlx::query("UPDATE session SET provider = $2, claimed = $3 WHERE digest = $1")
            .bind(session)
            .bind(provider)
            .bind(claimed)
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// Keeps with an identity what of its provider's word counts, until the next login.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn keep_claimed(
        write: &mut Write,
        identity: &str,
        claimed: &str,
        now: Timestamp,
    ) -> sqlx::Result<()> {
        sqlx::query("UPDATE identity SET claimed = $2, claimed_at = $3 WHERE digest = $1")
            .bind(identity)
            .bind(claimed)
            .bind(now.as_nanos())
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// What providers said of whoever has an account at their last logins after a moment: provider and JSON.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn claimed_since(
        &self,
        account: &str,
        since: Timestamp,
    ) -> sqlx::Result<Vec<(String, String)>> {
        let text = "SELECT provider, claimed FROM identity WHERE account = $1 AND claimed_at > $2 AND claimed IS NOT NULL
             ORDER BY digest";
        sqlx::query_as(text)
            .bind(account)
            .bind(since.as_nanos())
            .fetch_all(&self.reader)
            .await
    }
}
