//! Sessions of people and tokens of machines, by the digests of their secrets.

use std::collections::BTreeSet;

use alerting_incident::access::{Action, Login};
use ingest_event::Timestamp;
use sqlx::Row;

use super::{
    Store, Write,
    accounts::{self, Account},
    sql::Sql,
};

/// Someone who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// As whom.
    pub(crate) account: Account,
    /// How.
    pub(crate) login: Login,
    /// When it was last used.
    pub(crate) seen_at: Timestamp,
    /// When it ends whatever it does.
    pub(crate) ends_at: Timestamp,
    /// By which identity provider, and what of its word counts (JSON).
    pub(crate) vouched: Option<(String, String)>,
}

/// What a machine holds.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// As whom.
    pub(crate) account: Account,
    /// For what.
    pub(crate) actions: BTreeSet<Action>,
    /// Until when.
    pub(crate) ends_at: Timestamp,
}

impl Store {
    /// The session with a digest, ended or not; none of an account that is revoked.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn session(&self, digest: &str) -> sqlx::Result<Option<Session>> {
        let mut query = Sql::new(format!(
            "SELECT {}, session.login AS how, session.seen_at, session.ends_at, session.provider, session.claimed FROM session
             JOIN account ON account.id = session.account
             WHERE account.revoked_at IS NULL AND session.digest = ",
            accounts::COLUMNS
        ));
        query.bind(digest);
        let Some(row) = query.query().fetch_optional(&self.reader).await? else {
            return Ok(None);
        };
        let how: String = row.try_get("how")?;
        let Ok(login) = how.parse() else { return Ok(None) };
        Ok(Some(Session {
            account: accounts::account(&row)?,
            login,
            seen_at: Timestamp::from_nanos(row.try_get("seen_at")?),
            ends_at: Timestamp::from_nanos(row.try_get("ends_at")?),
            vouched: row
                .try_get::<Option<String>, _>("provider")?
                .zip(row.try_get::<Option<String>, _>("claimed")?),
        }))
    }

    /// Opens one; what has ended meanwhile goes.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn open_session(
        write: &mut Write,
        digest: &str,
        account: &str,
        login: Login,
        now: Timestamp,
        ends_at: Timestamp,
    ) -> sqlx::Result<()> {
        for gone in [
            "DELETE FROM session WHERE ends_at <= $1",
            "DELETE FROM api_token WHERE ends_at <= $1",
        ] {
            sqlx::query(gone)
                .bind(now.as_nanos())
                .execute(&mut **write)
                .await?;
        }
        sqlx::query(
            "INSERT INTO session (digest, account, login, created_at, seen_at, ends_at) VALUES ($1, $2, $3, $4, $4, $5)",
        )
        .bind(digest)
        .bind(account)
        .bind(login.as_str())
        .bind(now.as_nanos())
        .bind(ends_at.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Notes that one was used.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn touch_session(write: &mut Write, digest: &str, now: Timestamp) -> sqlx::Result<()> {
        sqlx::query("UPDATE session SET seen_at = $2 WHERE digest = $1")
            .bind(digest)
            .bind(now.as_nanos())
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// Ends one.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn end_session(write: &mut Write, digest: &str) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM session WHERE digest = $1")
            .bind(digest)
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// Ends all of an account.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn end_sessions(write: &mut Write, account: &str) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM session WHERE account = $1")
            .bind(account)
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// Ends all of an account but one, by its digest.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn end_other_sessions(
        write: &mut Write,
        account: &str,
        digest: &str,
    ) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM session WHERE account = $1 AND digest <> $2")
            .bind(account)
            .bind(digest)
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// The token with a digest, ended or not; none of an account that is revoked.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn token(&self, digest: &str) -> sqlx::Result<Option<Token>> {
        let mut query = Sql::new(format!(
            "SELECT {}, api_token.actions, api_token.ends_at FROM api_token
             JOIN account ON account.id = api_token.account
             WHERE account.revoked_at IS NULL AND api_token.digest = ",
            accounts::COLUMNS
        ));
        query.bind(digest);
        let Some(row) = query.query().fetch_optional(&self.reader).await? else {
            return Ok(None);
        };
        let actions: String = row.try_get("actions")?;
        Ok(Some(Token {
            account: accounts::account(&row)?,
            actions: actions.split(',').filter_map(|code| code.parse().ok()).collect(),
            ends_at: Timestamp::from_nanos(row.try_get("ends_at")?),
        }))
    }

    /// Adds a token.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn add_token(
        write: &mut Write,
        digest: &str,
        account: &str,
        actions: &BTreeSet<Action>,
        now: Timestamp,
        ends_at: Timestamp,
    ) -> sqlx::Result<()> {
        let actions: Vec<_> = actions.iter().map(|action| action.as_str()).collect();
        sqlx::query(
            "INSERT INTO api_token (digest, account, actions, created_at, ends_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(digest)
        .bind(account)
        .bind(actions.join(","))
        .bind(now.as_nanos())
        .bind(ends_at.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(())
    }
}
