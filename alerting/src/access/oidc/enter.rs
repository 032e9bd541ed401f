//! What a provider's word makes someone: the account that they are bound to, by hand or by a rule, and a session; or nobody
//! yet, with a code to ask for access with.

use alerting_incident::access::{Grant, Login};
use hmac::Mac;
use ingest_event::Timestamp;

use super::{
    Entered, Provider, Reason, Refused, count, refuse,
    started::Started,
    token::{Claimed, Claims},
};
use crate::{
    access::{note_about, note_of, secret, session},
    config::AccessSettings,
    link::{LinkKey, keyed},
    state::State,
    store::{Account, AccountKind, Session, Store, Write},
};

/// Days in which a code that asks for access can be used.
const REQUEST_DAYS: i64 = 7;
/// 40 bits: told on the phone, and of use to nobody but whoever keeps the accounts.
const REQUEST_BYTES: usize = 5;
/// What the key over identities is derived for.
const IDENTIFIED_BY: &str = "varde:identity";

/// Finds or makes the account, and opens a session for it.
pub(super) async fn enter(
    state: &State,
    settings: &AccessSettings,
    provider: &Provider,
    started: Started,
    claims: &Claims,
) -> anyhow::Result<Result<Entered, Refused>> {
    let now = state.now();
    let subject = claims.subject().unwrap_or_default();
    let identity = identity(&state.key, &provider.settings.issuer(), subject);
    let claimed = known_here(state, claims.claimed(&provider.settings));
    let by_rule = claimed.grants(&provider.settings);
    let account = state.store.identified(&identity).await?;
    let mut write = state.store.begin().await?;
    let refuse_as = async |account: Option<&Account>, reason, code| {
        refuse(state, provider, account, reason, code, started.back.clone())
            .await
            .map(Err)
    };
    let account = match account {
        Some(account) if account.revoked_at.is_some() => {
            drop(write);
            return refuse_as(Some(&account), Reason::Closed, None).await;
        }
        Some(account) => {
            let by_hand = state.store.grants(&account.id).await?;
            if !by_hand.iter().chain(&by_rule).any(|grant| grant.holds(now)) {
                drop(write);
                return refuse_as(Some(&account), Reason::NoRole, None).await;
            }
            account
        }
        None if by_rule.is_empty() => {
            let code = request(&mut write, &identity, &provider.settings.id, now).await?;
            write.commit().await?;
            return refuse_as(None, Reason::Unknown, code).await;
        }
        None => {
            let account = new_account(provider, &identity, claims)?;
            Store::add_account(&mut write, &account, now).await?;
            Store::bind_identity(&mut write, &identity, &account.id, &provider.settings.id, now).await?;
            let added = format!("{} {}", account.name, account.kind.as_str());
            let about = (account.id.as_str(), added.as_str());
            note_about(&mut write, now, &provider.settings.id, "account.added", about).await?;
            account
        }
    };
    let session = session::open(state, settings, &mut write, &account, Login::Oidc).await?;
    let claimed = serde_json::to_string(&claimed)?;
    Store::set_claimed(&mut write, &session.digest(), &provider.settings.id, &claimed).await?;
    Store::keep_claimed(&mut write, &identity, &claimed, now).await?;
    let how = format!("{} {}", Login::Oidc, provider.settings.id);
    let whose = (account.id.as_str(), account.name.as_str());
    note_of(&mut write, now, whose, "login.succeeded", &how).await?;
    state.store.commit(write).await?;
    state.providers.gate.let_in();
    count(state, Login::Oidc.as_str());
    Ok(Ok(Entered {
        session,
        back: started.back,
    }))
}

/// What a session has by its provider's word, as the configuration's rules are now; `None` if the provider is no longer
/// trusted.
pub(crate) fn granted(state: &State, session: &Session) -> Option<Vec<Grant>> {
    let (id, claimed) = session.vouched.as_ref()?;
    by_rule(state, id, claimed)
}

/// What a provider's word gives, as the configuration's rules are now; `None` if the provider is no longer trusted.
pub(crate) fn by_rule(state: &State, provider: &str, claimed: &str) -> Option<Vec<Grant>> {
    let provider = state.providers.find(provider)?;
    let claimed: Claimed = serde_json::from_str(claimed).ok()?;
    Some(claimed.grants(&provider.settings))
}

/// Who somebody is at a provider, as it is kept.
fn identity(key: &LinkKey, issuer: &str, subject: &str) -> String {
    let mut mac = keyed(&key.derived(IDENTIFIED_BY), b"");
    // With its length in front, so that no other pair gives the same bytes.
    mac.update(&u64::try_from(issuer.len()).unwrap_or(u64::MAX).to_be_bytes());
    mac.update(issuer.as_bytes());
    mac.update(subject.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Of the organisations that a provider names those that are in the registry: all others have nothing here to be seen.
fn known_here(state: &State, mut claimed: Claimed) -> Claimed {
    claimed
        .organizations
        .retain(|number| state.organization(*number).is_some());
    claimed
}

/// Remembers who asks for access; what they are told to tell.
async fn request(
    write: &mut Write,
    identity: &str,
    provider: &str,
    now: Timestamp,
) -> anyhow::Result<Option<String>> {
    let code = secret::base32(&secret::random::<REQUEST_BYTES>()?);
    let ends_at = now
        .as_nanos()
        .saturating_add(REQUEST_DAYS * 24 * 3_600 * 1_000_000_000);
    let ends_at = Timestamp::from_nanos(ends_at);
    let digest = request_digest(&code);
    let has_room = Store::request_identity(write, &digest, identity, provider, now, ends_at).await?;
    Ok(has_room.then(|| {
        let (first, rest) = code.split_at(code.len() / 2);
        format!("{first}-{rest}")
    }))
}

/// A code that asks for access, as it is kept: people leave out the dash.
pub(crate) fn request_digest(code: &str) -> String {
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    secret::digest(letters.to_ascii_uppercase().as_bytes())
}

fn new_account(provider: &Provider, identity: &str, claims: &Claims) -> anyhow::Result<Account> {
    let short: String = identity.chars().take(12).collect();
    let name = claims.name();
    Ok(Account {
        id: hex::encode(secret::random::<16>()?),
        login: format!("{}-{short}", provider.settings.id),
        name: name.unwrap_or_else(|| format!("{} {short}", provider.settings.name())),
        kind: AccountKind::Federated,
        password: None,
        totp: None,
        revoked_at: None,
    })
}
