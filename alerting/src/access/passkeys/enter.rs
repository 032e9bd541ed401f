//! Logging in with a passkey. No name is typed: the authenticator says which passkey it is, and by which account it was made.
//!
//! A passkey that is not there, is refused, or is of an account that is closed is held to a key that is nobody's: the
//! answer, and what is done to find it, are those of a wrong signature.

use alerting_incident::access::Login;
use anyhow::Context;
use ingest_event::Timestamp;
use serde_json::Value;
use webauthn_rs::prelude::{
    AuthenticationResult, Credential, DiscoverableAuthentication, DiscoverableKey, Passkey,
    PublicKeyCredential, WebauthnError,
};

use super::{RelyingParty, answered, copied, end, kept};
use crate::{
    access::{Secret, failures::note_failure, login::Refused, note_of, secret, session},
    config::AccessSettings,
    state::State,
    store::{Account, AccountKind, Store, StoredPasskey},
};

/// Where the flags are in what an authenticator signs, and which of them says that a passkey may be on several devices
/// (section 6.1).
const FLAGS_AT: usize = 32;
const BACKUP_ELIGIBLE: u8 = 1 << 3;

/// Begins a login: what the browser asks authenticators (`PublicKeyCredentialRequestOptionsJSON`, section 5.10), and what it holds
/// until the answer; the same for several at once.
///
/// # Errors
/// [`Refused::Guarded`] if very many were begun lately; if the store is away.
pub(crate) async fn options(
    state: &State,
    party: &RelyingParty,
    browser: Option<Secret>,
) -> Result<(Value, Secret), Refused> {
    if !party.begun.lets(state.now()) {
        return Err(Refused::Guarded);
    }
    let browser = browser.map_or_else(Secret::draw, Ok).map_err(Refused::Failed)?;
    let options = begin(state, party, &browser).await.map_err(Refused::Failed)?;
    Ok((options, browser))
}

async fn begin(state: &State, party: &RelyingParty, browser: &Secret) -> anyhow::Result<Value> {
    let now = state.now();
    let (asked, begun) = party.webauthn.start_discoverable_authentication()?;
    let mut options = serde_json::to_value(asked.public_key)?;
    let challenge = options.get("challenge").and_then(Value::as_str);
    let digest = kept(challenge.context("a challenge")?, Some(browser));
    if let Some(options) = options.as_object_mut() {
        // Nothing here looks at them.
        options.remove("extensions");
    }
    let mut write = state.store.begin().await?;
    let begun = serde_json::to_string(&begun)?;
    Store::add_challenge(&mut write, &digest, None, &begun, now, end(now)).await?;
    write.commit().await?;
    Ok(options)
}

/// Lets someone in, or not.
///
/// # Errors
/// [`Refused`].
pub(crate) async fn log_in(
    state: &State,
    settings: &AccessSettings,
    party: &RelyingParty,
    browser: Option<&Secret>,
    given: &PublicKeyCredential,
) -> Result<Secret, Refused> {
    let now = state.now();
    let found = state.store.passkey(&secret::digest(&given.raw_id)).await?;
    let owner = found.as_ref().map(|(account, _)| account);
    let Some((begun, begun_at)) = begun(state, browser, given, now).await? else {
        // Whoever has seen the id of a passkey writes nothing on its owner.
        return Err(refused(state, party, None, now).await?);
    };
    let known = found
        .as_ref()
        .filter(|(account, passkey)| may(account, passkey, given));
    let held_to = known
        .and_then(|(_, passkey)| credential(passkey))
        .unwrap_or_else(|| as_if(&party.nobodys, given));
    let key = DiscoverableKey::from(Passkey::from(held_to.clone()));
    let checked = party
        .webauthn
        .finish_discoverable_authentication(given, begun, &[key]);
    match (checked, known) {
        (Ok(result), Some((account, passkey))) => {
            match open(state, settings, account, passkey, held_to, &result).await? {
                Some(session) => {
                    party.gate.let_in();
                    Ok(session)
                }
                None => Err(refused(state, party, owner, now).await?),
            }
        }
        (Err(WebauthnError::CredentialPossibleCompromise), Some((account, passkey))) => {
            // Two that were asked for at once, answered in the other order, count down as well.
            if passkey.used_at.is_none_or(|used| used <= begun_at) {
                copied::refuse(state, settings, account, passkey).await?;
            }
            Err(refused(state, party, owner, now).await?)
        }
        (_, _) => Err(refused(state, party, owner, now).await?),
    }
}

/// The login that is answered, which is used up by that, and when it was begun.
async fn begun(
    state: &State,
    browser: Option<&Secret>,
    given: &PublicKeyCredential,
    now: Timestamp,
) -> Result<Option<(DiscoverableAuthentication, Timestamp)>, Refused> {
    // Whose browser holds nothing began nothing.
    let digest = browser.and_then(|held| answered(&given.response.client_data_json, Some(held)));
    let Some(digest) = digest else {
        return Ok(None);
    };
    // Who answers what nobody asked holds up no write.
    let Some(ends_at) = state.store.challenge_ends(&digest).await? else {
        return Ok(None);
    };
    let mut write = state.store.begin().await?;
    let begun = Store::use_challenge(&mut write, &digest, None, now).await?;
    write.commit().await?;
    // What another version began can't be ended.
    let begun = begun.and_then(|begun| serde_json::from_str(&begun).ok());
    Ok(begun.map(|begun| (begun, super::beginning(ends_at))))
}

/// Whether somebody may log in with a passkey, and the authenticator made it for that account.
fn may(account: &Account, passkey: &StoredPasskey, given: &PublicKeyCredential) -> bool {
    account.kind == AccountKind::Local
        && account.revoked_at.is_none()
        && passkey.copied_at.is_none()
        && given
            .get_user_unique_id()
            .is_some_and(|handle| hex::encode(handle) == account.id)
}

/// A passkey as it is held to. One that a newer version wrote is as one that is not there.
fn credential(passkey: &StoredPasskey) -> Option<Credential> {
    match serde_json::from_str::<Passkey>(&passkey.public_key) {
        Ok(kept) => Some(Credential::from(kept)),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "read a passkey in the store"
            );
            None
        }
    }
}

/// A key that is nobody's, as if it were the one that is given: nothing is wrong but the signature.
fn as_if(nobodys: &Credential, given: &PublicKeyCredential) -> Credential {
    let flags = given.response.authenticator_data.get(FLAGS_AT);
    let mut credential = nobodys.clone();
    credential.cred_id = given.raw_id.clone().into();
    credential.backup_eligible = flags.is_some_and(|flags| flags & BACKUP_ELIGIBLE != 0);
    credential
}

async fn open(
    state: &State,
    settings: &AccessSettings,
    account: &Account,
    former: &StoredPasskey,
    credential: Credential,
    result: &AuthenticationResult,
) -> Result<Option<Secret>, Refused> {
    let now = state.now();
    let mut passkey = Passkey::from(credential);
    passkey.update_credential(result);
    let kept = serde_json::to_string(&passkey).map_err(|error| Refused::Failed(error.into()))?;
    let mut write = state.store.begin().await?;
    // It may have been removed, used, or its account closed since it was read.
    if !Store::use_passkey(&mut write, former, result.counter().into(), &kept, now).await? {
        return Ok(None);
    }
    let session = session::open(state, settings, &mut write, account, Login::Passkey)
        .await
        .map_err(Refused::Failed)?;
    let how = format!("{} {}", Login::Passkey, former.name);
    note_of(
        &mut write,
        now,
        (&account.id, &account.name),
        "login.succeeded",
        &how,
    )
    .await?;
    state.store.commit(write).await?;
    let how = Login::Passkey.as_str();
    state.metrics.logins.with_label_values(&[how]).inc();
    Ok(Some(session))
}

/// Counts and notes a failure, as of a password; after very many it is counted only. There is nothing to guess here, so that
/// nobody is slowed.
async fn refused(
    state: &State,
    party: &RelyingParty,
    account: Option<&Account>,
    now: Timestamp,
) -> Result<Refused, Refused> {
    let is_noted = party.gate.lets(now);
    let how = if is_noted { "wrong" } else { "guarded" };
    state.metrics.logins.with_label_values(&[how]).inc();
    if is_noted {
        let mut write = state.store.begin().await?;
        note_failure(&mut write, account, "login.failed", Login::Passkey.as_str(), now).await?;
        write.commit().await?;
    }
    Ok(Refused::Wrong)
}
