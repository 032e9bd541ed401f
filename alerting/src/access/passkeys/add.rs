//! Adding a passkey to one's own account, soon after one showed who one is; calling it something else, and removing it.

use std::time::Duration;

use alerting_incident::access::Login;
use anyhow::Context;
use serde_json::{Value, json};
use thiserror::Error;
use webauthn_rs::prelude::{Credential, Passkey, PasskeyRegistration, RegisterPublicKeyCredential, Uuid};

use super::{RelyingParty, answered, end, kept};
use crate::{
    access::{Secret, note_of, secret},
    audit::Deed,
    state::State,
    store::{Account, AccountKind, Session, Store, StoredPasskey},
};

/// Passkeys of an account: a phone, a computer, two security keys, and as many again.
pub(crate) const PASSKEYS_MAX: i64 = 8;
/// Characters of a name.
pub(crate) const NAME_CHARS_MAX: usize = 64;
/// How long after a login a passkey can be added: who finds an open console, or got hold of a cookie, gets no lasting way in.
const FRESH: Duration = Duration::from_mins(10);

/// Why a passkey is not added or changed.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// They are somebody else's: a machine's, of who logs in by an identity provider, the break-glass account's.
    #[error("passkeys are for whoever logged in with an account of this service")]
    NotTheirs,
    /// The login is too long ago.
    #[error("your login is more than ten minutes ago: log out, log in again, and add the passkey then")]
    NotFresh,
    /// There are many.
    #[error("there are {PASSKEYS_MAX} passkeys already: remove one that you no longer use")]
    TooMany,
    /// A name that is none.
    #[error("`name`: write 1 to {NAME_CHARS_MAX} characters")]
    Name,
    /// Nobody asked for it, or that was long ago.
    #[error("this was begun more than five minutes ago, or was ended before: begin again")]
    NotBegun,
    /// It does not say what was asked.
    #[error("the authenticator's answer is not as asked: begin again, or take another authenticator")]
    Wrong,
    /// It is there already.
    #[error("this passkey is there already, or there are {PASSKEYS_MAX}")]
    There,
    /// There is none with this id, of the asker's.
    #[error("you have no such passkey")]
    None,
    /// The store is away.
    #[error("the store is away")]
    Store(#[from] sqlx::Error),
    /// The service can't.
    #[error("passkeys do not work just now")]
    Failed(#[from] anyhow::Error),
}

/// Somebody who may have passkeys, by their session.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) account: Account,
    /// Of their session.
    digest: String,
    /// Whether they showed who they are just now.
    pub(crate) is_fresh: bool,
}

/// Whether who logged in like this may have passkeys: not the break-glass account, whose secrets lie in a safe.
pub(crate) fn may_have(session: &Session) -> bool {
    matches!(session.login, Login::Local | Login::Passkey) && session.account.kind == AccountKind::Local
}

impl Owner {
    /// Whoever holds a session.
    ///
    /// # Errors
    /// If they are not of this service's accounts, or the store is away.
    pub(crate) async fn of(state: &State, secret: &Secret) -> Result<Self, Refusal> {
        let digest = secret.digest();
        let session = state.store.session(&digest).await?.filter(may_have);
        let session = session.ok_or(Refusal::NotTheirs)?;
        let began = state.store.session_began(&digest).await?;
        let now = state.now();
        Ok(Self {
            account: session.account,
            digest,
            // A clock that was set back makes nothing fresh.
            is_fresh: began.is_some_and(|began| began <= now && now.since(began) < FRESH),
        })
    }

    /// Begins: what the browser asks authenticators (`PublicKeyCredentialCreationOptionsJSON`, section 5.10).
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) async fn options(&self, state: &State, party: &RelyingParty) -> Result<Value, Refusal> {
        self.may_add()?;
        let now = state.now();
        let account = &self.account;
        let held = state.store.passkeys(&account.id).await?;
        if PASSKEYS_MAX <= i64::try_from(held.len()).unwrap_or(i64::MAX) {
            return Err(Refusal::TooMany);
        }
        let known = held
            .iter()
            .filter_map(|passkey| serde_json::from_str::<Passkey>(&passkey.public_key).ok())
            .map(|passkey| passkey.cred_id().clone())
            .collect();
        let handle = hex::decode(&account.id).context("read the account's id")?;
        let handle = Uuid::from_slice(&handle).context("read the account's id")?;
        let (asked, begun) = party
            .webauthn
            .start_passkey_registration(handle, &account.login, &account.name, Some(known))
            .context("begin to add a passkey")?;
        let mut options = serde_json::to_value(asked.public_key).context("write a challenge")?;
        // To be found without a name being typed (section 6.2.2); the library asks authenticators not to bother.
        if let Some(wanted) = options
            .get_mut("authenticatorSelection")
            .and_then(Value::as_object_mut)
        {
            wanted.insert("residentKey".to_owned(), "required".into());
            wanted.insert("requireResidentKey".to_owned(), true.into());
        }
        let challenge = options.get("challenge").and_then(Value::as_str);
        let digest = kept(challenge.context("a challenge")?, None);
        let begun = serde_json::to_string(&begun).context("write a challenge")?;
        let mut write = state.store.begin().await?;
        Store::add_challenge(&mut write, &digest, Some(&account.id), &begun, now, end(now)).await?;
        write.commit().await?;
        Ok(options)
    }

    /// Adds a passkey that an authenticator made.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) async fn add(
        &self,
        state: &State,
        party: &RelyingParty,
        name: &str,
        given: &RegisterPublicKeyCredential,
    ) -> Result<StoredPasskey, Refusal> {
        self.may_add()?;
        let name = read_name(name)?;
        let now = state.now();
        let digest = answered(&given.response.client_data_json, None).ok_or(Refusal::Wrong)?;
        let mut write = state.store.begin().await?;
        let begun = Store::use_challenge(&mut write, &digest, Some(&self.account.id), now).await?;
        write.commit().await?;
        let begun = begun.and_then(|begun| serde_json::from_str::<PasskeyRegistration>(&begun).ok());
        let begun = begun.ok_or(Refusal::NotBegun)?;
        // One that is not found without a name would never be asked for.
        let is_kept = given.extensions.cred_props.as_ref().and_then(|said| said.rk) != Some(false);
        let made = party.webauthn.finish_passkey_registration(given, &begun);
        let made = made.ok().filter(|_| is_kept).ok_or(Refusal::Wrong)?;
        let passkey = StoredPasskey {
            id: hex::encode(secret::random::<16>()?),
            name,
            public_key: serde_json::to_string(&made).context("write a passkey")?,
            counter: Credential::from(made.clone()).counter.into(),
            created_at: now,
            used_at: None,
            copied_at: None,
        };
        let credential = secret::digest(made.cred_id());
        let mut write = state.store.begin().await?;
        let owner = (self.account.id.as_str(), self.digest.as_str());
        if !Store::add_passkey(&mut write, owner, &credential, &passkey, PASSKEYS_MAX).await? {
            return Err(Refusal::There);
        }
        note_of(
            &mut write,
            now,
            (&self.account.id, &self.account.name),
            "passkey.added",
            &passkey.name,
        )
        .await?;
        state.store.commit(write).await?;
        Ok(passkey)
    }

    /// Calls one something else.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) async fn rename(&self, state: &State, id: &str, name: &str) -> Result<(), Refusal> {
        let name = read_name(name)?;
        let mut write = state.store.begin().await?;
        let former = Store::rename_passkey(&mut write, &self.account.id, id, &name).await?;
        let former = former.ok_or(Refusal::None)?;
        let deed = Deed {
            at: state.now(),
            actor: self.account.name.clone(),
            account: Some(self.account.id.clone()),
            action: "passkey.renamed".to_owned(),
            subject: name.clone(),
            before: Some(json!({ "name": former }).to_string()),
            after: Some(json!({ "name": name }).to_string()),
        };
        Store::audit(&mut write, deed).await?;
        state.store.commit(write).await?;
        Ok(())
    }

    /// Removes one, and ends the account's other sessions: whoever removes a passkey that somebody took wants them gone.
    /// Password and code stay, so that it is never the last way in.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) async fn remove(&self, state: &State, id: &str) -> Result<(), Refusal> {
        let mut write = state.store.begin().await?;
        let name = Store::remove_passkey(&mut write, &self.account.id, id).await?;
        let name = name.ok_or(Refusal::None)?;
        Store::end_other_sessions(&mut write, &self.account.id, &self.digest).await?;
        note_of(
            &mut write,
            state.now(),
            (&self.account.id, &self.account.name),
            "passkey.removed",
            &name,
        )
        .await?;
        state.store.commit(write).await?;
        Ok(())
    }

    fn may_add(&self) -> Result<(), Refusal> {
        if self.is_fresh {
            Ok(())
        } else {
            Err(Refusal::NotFresh)
        }
    }
}

fn read_name(name: &str) -> Result<String, Refusal> {
    let name = name.trim();
    let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    fits.then(|| name.to_owned()).ok_or(Refusal::Name)
}
