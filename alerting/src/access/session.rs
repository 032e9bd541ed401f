//! From a cookie or a token to a principal, anew at each request: what was taken back is gone at the next.

use std::time::Duration;

use alerting_incident::access::{Grant, Login, Principal, Role};
use ingest_event::Timestamp;

use super::{Secret, oidc};
use crate::{
    config::AccessSettings,
    state::State,
    store::{Account, Store, Write},
};

/// How often at most a session's use is written down: idle times are minutes.
const TOUCH_EVERY: Duration = Duration::from_mins(1);
/// How long a session of the break-glass account lasts: an outage longer than that logs in again, and is heard of again.
const BREAK_GLASS_MAX: Duration = Duration::from_hours(4);

/// What someone holds, as a request sends it.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// A browser's cookie.
    Session(Secret),
    /// A machine's token.
    Token(Secret),
}

/// Who asks. Without `access` in the configuration, whoever reaches the service is the CERT, and a credential says
/// nothing. `None` for what is no credential, or has ended.
///
/// # Errors
/// If the store is away.
pub(crate) async fn principal(
    state: &State,
    credential: Option<&Credential>,
) -> sqlx::Result<Option<Principal>> {
    let now = state.now();
    let Some(settings) = &state.access else {
        return Ok(Some(the_cert(state, now)));
    };
    match credential {
        None => Ok(None),
        Some(Credential::Session(secret)) => {
            let Some(session) = state.store.session(&secret.digest()).await? else {
                return Ok(None);
            };
            if session.ends_at <= now || idle(settings) <= now.since(session.seen_at) {
                return Ok(None);
            }
            if session.login != Login::Oidc {
                return named(state, &session.account, session.login, now).await.map(Some);
            }
            // Who has no role left is not someone to whom nothing is shown, but no longer someone who is let in.
            let Some(by_rule) = oidc::granted(state, &session) else {
                return Ok(None);
            };
            let mut grants = state.store.grants(&session.account.id).await?;
            grants.extend(by_rule);
            let Account { id, name, .. } = session.account;
            let has_role = grants.iter().any(|grant| grant.holds(now));
            Ok(has_role.then(|| trusted(state, name, session.login, &grants, now).of_account(id)))
        }
        Some(Credential::Token(secret)) => {
            let Some(token) = state.store.token(&secret.digest()).await? else {
                return Ok(None);
            };
            if token.ends_at <= now {
                return Ok(None);
            }
            let principal = named(state, &token.account, Login::Token, now).await?;
            Ok(Some(principal.narrowed(token.actions)))
        }
    }
}

/// Notes that a session is used. What only listens, as an open stream does, is no use.
///
/// # Errors
/// If the store is away.
pub(crate) async fn touch(state: &State, credential: &Credential) -> sqlx::Result<()> {
    let Credential::Session(secret) = credential else {
        return Ok(());
    };
    let (digest, now) = (secret.digest(), state.now());
    let session = state.store.session(&digest).await?;
    if session.is_some_and(|session| TOUCH_EVERY <= now.since(session.seen_at)) {
        let mut write = state.store.begin().await?;
        Store::touch_session(&mut write, &digest, now).await?;
        write.commit().await?;
    }
    Ok(())
}

/// Opens a session for someone who showed who they are, in the transaction of what is noted of it.
///
/// # Errors
/// If the store is away, or the machine gives no random bytes.
pub(crate) async fn open(
    state: &State,
    settings: &AccessSettings,
    write: &mut Write,
    account: &Account,
    login: Login,
) -> anyhow::Result<Secret> {
    let (secret, now) = (Secret::draw()?, state.now());
    let mut longest = Duration::from_hours(u64::from(settings.session_hours));
    if login == Login::BreakGlass {
        longest = longest.min(BREAK_GLASS_MAX);
    }
    let nanos = i64::try_from(longest.as_nanos()).unwrap_or(i64::MAX);
    let ends_at = Timestamp::from_nanos(now.as_nanos().saturating_add(nanos));
    Store::open_session(write, &secret.digest(), &account.id, login, now, ends_at).await?;
    Ok(secret)
}

fn idle(settings: &AccessSettings) -> Duration {
    Duration::from_mins(u64::from(settings.idle_minutes))
}

async fn named(state: &State, account: &Account, login: Login, now: Timestamp) -> sqlx::Result<Principal> {
    let grants = state.store.grants(&account.id).await?;
    Ok(trusted(state, account.name.clone(), login, &grants, now).of_account(account.id.clone()))
}

fn the_cert(state: &State, now: Timestamp) -> Principal {
    let grants = [Role::Analyst, Role::DutyOfficer, Role::RuleAuthor, Role::Auditor].map(Grant::of_all);
    trusted(state, state.cert.name.clone(), Login::Nobody, &grants, now)
}

fn trusted(state: &State, name: String, login: Login, grants: &[Grant], now: Timestamp) -> Principal {
    let loaded = state.registry.load();
    let registry = loaded.routes.registry();
    Principal::new(name, login, grants, now, |number| registry.lineage(number, now))
}
