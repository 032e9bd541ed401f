//! Which account acts, and who may be given an incident.

use std::time::Duration;

use alerting_incident::{
    Assignee,
    access::{Action, Login, Principal, may},
};
use ingest_event::OrganizationNumber;

use super::{login::canonical, oidc, session::Credential};
use crate::{
    state::State,
    store::{Account, AccountKind},
};

/// For how long after a login it counts what a provider said of somebody, for who may be given an incident: who was not there for a month
/// is not at work. It lets nobody in.
const VOUCHED_FOR: Duration = Duration::from_hours(31 * 24);

/// The account behind a credential that was let in; `None` where nobody logs in.
///
/// # Errors
/// If the store is away.
pub(crate) async fn account(state: &State, credential: Option<&Credential>) -> sqlx::Result<Option<Account>> {
    Ok(match credential {
        None => None,
        Some(Credential::Session(secret)) => {
            let session = state.store.session(&secret.digest()).await?;
            session.map(|session| session.account)
        }
        Some(Credential::Token(secret)) => {
            let token = state.store.token(&secret.digest()).await?;
            token.map(|token| token.account)
        }
    })
}

/// The person who logs in as this, if they see incidents of `owner`.
///
/// # Errors
/// If the store is away.
pub(crate) async fn assignee(
    state: &State,
    login: &str,
    owner: OrganizationNumber,
) -> sqlx::Result<Option<Assignee>> {
    let account = state.store.account(&canonical(login)).await?;
    match account {
        Some(account) if sees(state, &account, owner).await? => Ok(Some(as_assignee(&account))),
        _ => Ok(None),
    }
}

/// Everybody who sees incidents of `owner` and may be given one: login and name.
///
/// # Errors
/// If the store is away.
pub(crate) async fn assignees(
    state: &State,
    owner: OrganizationNumber,
) -> sqlx::Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for account in state.store.accounts().await? {
        if sees(state, &account, owner).await? {
            all.push((account.login, account.name));
        }
    }
    Ok(all)
}

/// As an incident names them.
pub(crate) fn as_assignee(account: &Account) -> Assignee {
    Assignee {
        account: account.id.clone(),
        name: account.name.clone(),
    }
}

/// Whether a person's account sees incidents of `owner` and may do something with them, whoever vouches for the person; machines and the
/// account for emergencies work on nothing.
async fn sees(state: &State, account: &Account, owner: OrganizationNumber) -> sqlx::Result<bool> {
    let is_person = matches!(account.kind, AccountKind::Local | AccountKind::Federated);
    if account.revoked_at.is_some() || !is_person {
        return Ok(false);
    }
    let mut grants = state.store.grants(&account.id).await?;
    let (loaded, now) = (state.registry.load(), state.now());
    let since = now.saturating_sub(VOUCHED_FOR);
    for (provider, claimed) in state.store.claimed_since(&account.id, since).await? {
        grants.extend(oidc::by_rule(state, &provider, &claimed).unwrap_or_default());
    }
    let registry = loaded.routes.registry();
    let principal = Principal::new(account.name.clone(), Login::Local, &grants, now, |number| {
        registry.lineage(number, now)
    });
    Ok(may(&principal, Action::Acknowledge, Some(owner)))
}
