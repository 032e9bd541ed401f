//! `varde-alerting accounts passkeys`: what somebody has, and taking away what they lost.

use anyhow::bail;

use super::{Desk, OPERATOR};
use crate::{access::note_about, store::Store};

impl Desk {
    /// Lists passkeys.
    pub(super) async fn passkeys(&self, login: &str) -> anyhow::Result<String> {
        let account = self.find(login).await?;
        let mut text = String::new();
        for passkey in self.store.passkeys(&account.id).await? {
            let used = passkey
                .used_at
                .map_or_else(|| "never used".to_owned(), |at| format!("used {at}"));
            let copied = if passkey.copied_at.is_some() {
                "\tcopied, refused"
            } else {
                ""
            };
            text += &format!(
                "{}\t{}\tadded {}\t{used}{copied}\n",
                passkey.id, passkey.name, passkey.created_at
            );
        }
        Ok(text)
    }

    /// Removes one, and ends the sessions of the account: whoever has it may be logged in.
    pub(super) async fn remove_passkey(&self, login: &str, id: &str) -> anyhow::Result<String> {
        let account = self.find(login).await?;
        let mut write = self.store.begin().await?;
        let Some(name) = Store::remove_passkey(&mut write, &account.id, id).await? else {
            bail!(
                "remove the passkey `{id}` of `{login}`: there is none; `passkeys {login}` shows those that are"
            );
        };
        Store::end_sessions(&mut write, &account.id).await?;
        let removed = format!("{} {name}", account.name);
        note_about(
            &mut write,
            self.now,
            OPERATOR,
            "passkey.removed",
            (&account.id, &removed),
        )
        .await?;
        self.store.commit(write).await?;
        Ok(String::new())
    }
}
