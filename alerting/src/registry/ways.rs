//! What contacts' channels refer to: keys of webhooks, chats and collectors of the configuration, and keys for mail.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use alerting_incident::{Channel, MailKeys};

use super::mail_keys::{self, KeyFlaw};
use crate::config::{Config, ConfigError, beside, read_text};

/// Bytes of a webhook's key: fewer can be tried out.
const KEY_BYTES_MIN: usize = 16;

/// What channels may refer to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ways {
    /// For each webhook its URL and keys.
    pub(crate) webhooks: BTreeMap<String, WebhookKeys>,
    chats: BTreeSet<String>,
    collectors: BTreeSet<String>,
}

/// The keys that a webhook's requests are signed with: two while its receiver changes from one to the other.
#[derive(Clone)]
pub(crate) struct WebhookKeys {
    /// The one that stays.
    pub(crate) current: Vec<u8>,
    /// The one that goes.
    pub(crate) former: Option<Vec<u8>>,
}

impl std::fmt::Debug for WebhookKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookKeys(…)")
    }
}

impl Ways {
    /// Those that a configuration names; webhooks are the responders' file's.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            webhooks: BTreeMap::new(),
            chats: config.chat.keys().cloned().collect(),
            collectors: config.syslog.keys().cloned().collect(),
        }
    }

    /// Whether a channel leads anywhere.
    ///
    /// # Errors
    /// With the mend, if not.
    pub(crate) fn known(&self, channel: &Channel) -> Result<(), String> {
        let among = |name: &String, all: &BTreeSet<String>, key: &str| {
            if all.contains(name) {
                return Ok(());
            }
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            let known = if all.is_empty() {
                "none".to_owned()
            } else {
                all.join(", ")
            };
            Err(format!(
                "the configuration has no `{key}` of this name; known: {known}"
            ))
        };
        match channel {
            Channel::Email(_) => Ok(()),
            Channel::Webhook(url) if self.webhooks.contains_key(url) => Ok(()),
            Channel::Webhook(_) => {
                let mend = "no key is known for it: name it with its key file in the responders' file first";
                Err(mend.to_owned())
            }
            Channel::Chat(name) => among(name, &self.chats, "chat"),
            Channel::Syslog(name) => among(name, &self.collectors, "syslog"),
        }
    }
}

/// Reads a webhook's key, which lies beside the file that names it.
pub(super) fn webhook_key(of: &Path, file: &Path) -> Result<Result<Vec<u8>, String>, ConfigError> {
    let text = read_text(&beside(of, file))?;
    let key = text.trim_end_matches(['\r', '\n']).as_bytes().to_vec();
    let mend = "the webhook's key has fewer than 16 bytes: make a longer one";
    Ok(if KEY_BYTES_MIN <= key.len() {
        Ok(key)
    } else {
        Err(mend.to_owned())
    })
}

/// A contact's keys for mail, brought into their one way of being written. What time makes of them is not looked at: a service must
/// start the day after a certificate ended.
pub(super) fn keys(
    certificate: Option<String>,
    pgp_key: Option<String>,
    email: Option<&str>,
) -> Result<MailKeys, String> {
    let canonical = |text: Option<String>, read: fn(&str) -> Result<String, KeyFlaw>, key: &str| {
        let text = text.map(|text| read(&text)).transpose();
        text.map_err(|flaw| format!("`{key}`: {flaw}"))
    };
    let keys = MailKeys {
        certificate: canonical(certificate, mail_keys::canonical_certificate, "certificate_file")?,
        pgp_key: canonical(pgp_key, mail_keys::canonical_pgp_key, "pgp_key_file")?,
    };
    for (key, flaw) in mail_keys::flaws(&keys, email, mail_keys::now()) {
        if !flaw.is_of_time() {
            return Err(format!("`{key}`: {flaw}"));
        }
    }
    Ok(keys)
}
