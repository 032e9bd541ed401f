//! A passkey whose counter went back: there are two of it, and nobody knows which of them is whose. It is refused from then
//! on, all sessions of its account end, and the CERT is told.

use super::super::{
    alarm::{self, Alarm},
    note_of,
};
use crate::{
    config::AccessSettings,
    state::State,
    store::{Account, Store, StoredPasskey},
};

/// The rule that the incident says it is of, and its words.
const ALARM: Alarm = Alarm {
    rule: "varde:passkey-copied",
    name: "Passkey copied",
    description: "Someone tried to log in to Varde with a passkey that has counted fewer signatures than before: there seem to be two of it (WebAuthn section 6.1.1).",
    summary: [
        "En passnøkkel til Varde ser ut til å være kopiert",
        "Ein passnøkkel til Varde ser ut til å vere kopiert",
        "A passkey to Varde seems to have been copied",
    ],
    first_step: [
        "Spør eieren av kontoen hvem som har hatt sikkerhetsnøkkelen. Se i revisjonsloggen hvem som har logget inn. Gi kontoen nye hemmeligheter med varde-alerting accounts reset.",
        "Spør eigaren av kontoen kven som har hatt tryggleiksnøkkelen. Sjå i revisjonsloggen kven som har logga inn. Gi kontoen nye løyndomar med varde-alerting accounts reset.",
        "Ask whose account it is who has had the security key. See in the audit log who logged in. Give the account new secrets with varde-alerting accounts reset.",
    ],
};

/// Does all of it at once; the first time, and not again for the same passkey.
pub(super) async fn refuse(
    state: &State,
    settings: &AccessSettings,
    account: &Account,
    passkey: &StoredPasskey,
) -> sqlx::Result<()> {
    let now = state.now();
    let mut write = state.store.begin().await?;
    if !Store::refuse_passkey(&mut write, &passkey.id, now).await? {
        return Ok(());
    }
    Store::end_sessions(&mut write, &account.id).await?;
    note_of(
        &mut write,
        now,
        (&account.id, &account.name),
        "passkey.copied",
        &passkey.name,
    )
    .await?;
    alarm::raise(state, settings, &mut write, &ALARM, &account.name, &passkey.id).await?;
    state.store.commit(write).await?;
    state.decided.all();
    Ok(())
}
