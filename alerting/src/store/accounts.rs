//! Accounts, their grants and recovery codes, and attempts to log in.

use alerting_incident::access::Grant;
use ingest_event::{OrganizationNumber, Timestamp};
use sqlx::Row;

use super::{DbRow, Store, Write, sql::Sql};

/// What kind of account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountKind {
    /// A person's, with password and code.
    Local,
    /// The one for when nothing else works.
    BreakGlass,
    /// A machine's, which has tokens.
    Machine,
    /// A person's whom an identity provider vouches for.
    Federated,
}

/// Someone who may log in.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// 32 hexadecimal digits.
    pub(crate) id: String,
    /// What they log in as.
    pub(crate) login: String,
    /// As shown.
    pub(crate) name: String,
    /// What kind.
    pub(crate) kind: AccountKind,
    /// Argon2id.
    pub(crate) password: Option<String>,
    /// The sealed key of the codes.
    pub(crate) totp: Option<String>,
    /// Since when it is nobody's.
    pub(crate) revoked_at: Option<Timestamp>,
}

pub(super) const COLUMNS: &str = "account.id, account.login, account.name, account.kind, account.password, account.totp, account.revoked_at";

impl AccountKind {
    /// As in the store.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::BreakGlass => "break_glass",
            Self::Machine => "machine",
            Self::Federated => "federated",
        }
    }

    fn read(code: &str) -> Option<Self> {
        [Self::Local, Self::BreakGlass, Self::Machine, Self::Federated]
            .into_iter()
            .find(|kind| kind.as_str() == code)
    }
}

impl Store {
    /// The account that logs in as this, revoked or not.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn account(&self, login: &str) -> sqlx::Result<Option<Account>> {
        let mut query = Sql::new(format!("SELECT {COLUMNS} FROM account WHERE login = "));
        query.bind(login);
        let row = query.query().fetch_optional(&self.reader).await?;
        row.as_ref().map(account).transpose()
    }

    /// All of them, in order.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn accounts(&self) -> sqlx::Result<Vec<Account>> {
        let query = format!("SELECT {COLUMNS} FROM account ORDER BY login");
        let rows = Sql::new(query).query().fetch_all(&self.reader).await?;
        rows.iter().map(account).collect()
    }

    /// Adds one, without grants.
    ///
    /// # Errors
    /// If the store is away, or someone logs in as that already.
    pub(crate) async fn add_account(
        write: &mut Write,
        account: &Account,
        now: Timestamp,
    ) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO account (id, login, name, kind, password, totp, totp_step, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7)",
        )
        .bind(&account.id)
        .bind(&account.login)
        .bind(&account.name)
        .bind(account.kind.as_str())
        .bind(account.password.as_deref())
        .bind(account.totp.as_deref())
        .bind(now.as_nanos())
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Gives an account other secrets, in place of its passkeys too; it is nobody's no longer.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn set_secrets(
        write: &mut Write,
        id: &str,
        password: &str,
        totp: &str,
    ) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE account SET password = $2, totp = $3, totp_step = 0, revoked_at = NULL WHERE id = $1",
        )
        .bind(id)
        .bind(password)
        .bind(totp)
        .execute(&mut **write)
        .await?;
        sqlx::query("DELETE FROM recovery_code WHERE account = $1")
            .bind(id)
            .execute(&mut **write)
            .await?;
        Self::remove_passkeys(write, id).await?;
        Self::end_sessions(write, id).await
    }

    /// Adds a recovery code, by its digest.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn add_recovery_code(write: &mut Write, id: &str, digest: &str) -> sqlx::Result<()> {
        sqlx::query("INSERT INTO recovery_code (account, digest) VALUES ($1, $2)")
            .bind(id)
            .bind(digest)
            .execute(&mut **write)
            .await?;
        Ok(())
    }

    /// Lets nobody log in with an account any more; its sessions and tokens end, its grants and passkeys go.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn revoke_account(write: &mut Write, id: &str, now: Timestamp) -> sqlx::Result<()> {
        sqlx::query("UPDATE account SET revoked_at = $2 WHERE id = $1")
            .bind(id)
            .bind(now.as_nanos())
            .execute(&mut **write)
            .await?;
        for gone in [
            "DELETE FROM account_grant WHERE account = $1",
            "DELETE FROM api_token WHERE account = $1",
        ] {
            sqlx::query(gone).bind(id).execute(&mut **write).await?;
        }
        Self::remove_passkeys(write, id).await?;
        Self::end_sessions(write, id).await
    }

    /// What an account is trusted with, whether it holds now or not. A role that this version does not know is none.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn grants(&self, id: &str) -> sqlx::Result<Vec<Grant>> {
        let rows = sqlx::query(
            "SELECT role, organization, until FROM account_grant WHERE account = $1 ORDER BY role, organization",
        )
        .bind(id)
        .fetch_all(&self.reader)
        .await?;
        let grant = |row: &DbRow| {
            let organization: String = row.get(1);
            // What can't be read is no grant for all.
            let organization: Option<OrganizationNumber> = match organization.as_str() {
                "" => None,
                text => Some(text.parse().ok()?),
            };
            Some(Grant {
                role: row.get::<String, _>(0).parse().ok()?,
                organization,
                until: row.get::<Option<i64>, _>(2).map(Timestamp::from_nanos),
            })
        };
        Ok(rows.iter().filter_map(grant).collect())
    }

    /// Trusts an account with a role; the same again moves the end.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn grant(write: &mut Write, id: &str, grant: &Grant) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO account_grant (account, role, organization, until) VALUES ($1, $2, $3, $4)
             ON CONFLICT (account, role, organization) DO UPDATE SET until = excluded.until",
        )
        .bind(id)
        .bind(grant.role.as_str())
        .bind(organization_text(grant))
        .bind(grant.until.map(Timestamp::as_nanos))
        .execute(&mut **write)
        .await?;
        Ok(())
    }

    /// Takes a role back; whether it was there.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn take_back(write: &mut Write, id: &str, grant: &Grant) -> sqlx::Result<bool> {
        let gone =
            sqlx::query("DELETE FROM account_grant WHERE account = $1 AND role = $2 AND organization = $3")
                .bind(id)
                .bind(grant.role.as_str())
                .bind(organization_text(grant))
                .execute(&mut **write)
                .await?;
        Ok(0 < gone.rows_affected())
    }

    /// Uses up the code of a time step; whether it, or a later one, had not been used.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn use_step(write: &mut Write, id: &str, step: i64) -> sqlx::Result<bool> {
        let used = sqlx::query("UPDATE account SET totp_step = $2 WHERE id = $1 AND totp_step < $2")
            .bind(id)
            .bind(step)
            .execute(&mut **write)
            .await?;
        Ok(used.rows_affected() == 1)
    }

    /// Uses up a recovery code; whether there was such a one.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn use_recovery_code(write: &mut Write, id: &str, digest: &str) -> sqlx::Result<bool> {
        let used = sqlx::query("DELETE FROM recovery_code WHERE account = $1 AND digest = $2")
            .bind(id)
            .bind(digest)
            .execute(&mut **write)
            .await?;
        Ok(used.rows_affected() == 1)
    }

    /// Counts an attempt to log in before it is looked at, so that a hundred at once are a hundred; how many there
    /// were since `since`, with this one. Older ones are forgotten.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn count_attempt(
        write: &mut Write,
        login: &str,
        since: Timestamp,
        now: Timestamp,
    ) -> sqlx::Result<i64> {
        sqlx::query("DELETE FROM login_attempt WHERE last_at < $1")
            .bind(since.as_nanos())
            .execute(&mut **write)
            .await?;
        sqlx::query_scalar(
            "INSERT INTO login_attempt (login, attempts, last_at) VALUES ($1, 1, $2)
             ON CONFLICT (login) DO UPDATE SET attempts = login_attempt.attempts + 1, last_at = excluded.last_at
             RETURNING attempts",
        )
        .bind(login)
        .bind(now.as_nanos())
        .fetch_one(&mut **write)
        .await
    }

    /// Forgets the attempts, after one that succeeded.
    ///
    /// # Errors
    /// If the store is away.
    pub(crate) async fn forget_attempts(write: &mut Write, login: &str) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM login_attempt WHERE login = $1")
            .bind(login)
            .execute(&mut **write)
            .await?;
        Ok(())
    }
}

fn organization_text(grant: &Grant) -> String {
    grant
        .organization
        .map_or_else(String::new, |number| number.to_string())
}

pub(super) fn account(row: &DbRow) -> sqlx::Result<Account> {
    let kind: String = row.try_get("kind")?;
    Ok(Account {
        id: row.try_get("id")?,
        login: row.try_get("login")?,
        name: row.try_get("name")?,
        kind: AccountKind::read(&kind).ok_or_else(|| sqlx::Error::ColumnDecode {
            index: "kind".to_owned(),
            source: "a kind that this version does not know".into(),
        })?,
        password: row.try_get("password")?,
        totp: row.try_get("totp")?,
        revoked_at: row
            .try_get::<Option<i64>, _>("revoked_at")?
            .map(Timestamp::from_nanos),
    })
}
