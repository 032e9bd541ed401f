//! The configuration: one YAML file; unknown keys are refused with file and line.

mod access;
mod channels;
mod escalation;
mod grouping;
mod incidents;
mod inhibitions;
mod letters;
mod passkeys;
mod provider;
mod reveal;
mod store;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use alerting_incident::Language;
use ingest_bus::BusConfig;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

pub use access::AccessSettings;
pub use channels::{
    ChatFormat, ChatSettings, PgpSigningSettings, SyslogSettings, SyslogTransport, WhenUnsealable,
};
pub(crate) use channels::{beside, chat_url};
pub use escalation::{BeyondSettings, EscalationSettings};
pub use grouping::{GroupingSettings, TogetherSettings};
pub use incidents::IncidentSettings;
pub(crate) use inhibitions::inhibitions;
pub use inhibitions::{DescribedSettings, EqualSettings, InhibitionSettings};
pub use letters::{BounceSettings, DigestSettings};
pub use passkeys::PasskeySettings;
pub(crate) use provider::is_safe;
pub use provider::{Profile, ProviderSettings, RoleRule, RuleOrganization, SecretIn};
pub use reveal::RevealSettings;
pub(crate) use store::PostgresUrl;
pub use store::{PostgresSettings, StoreSettings};

/// A lease that a slow disk outlasts would send twice; one of more than an hour delays what a dead instance left.
const LEASE_SECS: std::ops::RangeInclusive<u64> = 3..=3_600;

/// Everything the service can be told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where alerts come from.
    pub bus: BusConfig,
    /// The consumer group.
    #[serde(default = "default_group")]
    pub group: String,
    /// The folder for the store and the key of the links; made when it is not there.
    pub data: PathBuf,
    /// Where incidents are kept; without it in `data`.
    #[serde(default)]
    pub store: StoreSettings,
    /// Where the console, the API and the metrics are served; port 0 takes any free one.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Where responders reach the console, without a slash at the end; links in mails start with it.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Who owns which network and who answers for it.
    pub registry: RegistrySettings,
    /// How mail leaves; without it, responders with only a mail address are not reached, which shows as failed.
    #[serde(default)]
    pub mail: Option<MailSettings>,
    /// Chats that contacts name, by name.
    #[serde(default)]
    pub chat: BTreeMap<String, ChatSettings>,
    /// Collectors of syslog that contacts name, by name.
    #[serde(default)]
    pub syslog: BTreeMap<String, SyslogSettings>,
    /// The CERT's own contact, told when nobody else is.
    pub cert: CertSettings,
    /// How often, and how far apart, delivery is tried.
    #[serde(default)]
    pub retry: RetrySettings,
    /// What happens when nobody answers.
    #[serde(default)]
    pub escalation: EscalationSettings,
    /// What is not told of while what explains it is open.
    #[serde(default)]
    pub inhibitions: Vec<InhibitionSettings>,
    /// What is gathered for business days, and when it leaves.
    #[serde(default)]
    pub digest: DigestSettings,
    /// What belongs together leaves as one notice.
    #[serde(default)]
    pub grouping: GroupingSettings,
    /// A folder with texts of notices that take the place of ours.
    #[serde(default)]
    pub templates: Option<PathBuf>,
    /// How people work on incidents.
    #[serde(default)]
    pub incidents: IncidentSettings,
    /// Shows the mails that left at `/api/v1/demo/mailbox`. Never for real incidents.
    #[serde(default)]
    pub demo: bool,
    /// Serves to other machines without a login.
    #[serde(default)]
    pub allow_unauthenticated: bool,
    /// Who logs in, and how; without it nobody does.
    #[serde(default)]
    pub access: Option<AccessSettings>,
    /// How sites are asked what pseudonyms stand for; without it they are not.
    #[serde(default)]
    pub reveal: Option<RevealSettings>,
}

/// The registry's files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrySettings {
    /// Municipalities, as `rulesets/routing/municipalities.csv`.
    pub municipalities: PathBuf,
    /// What became of them, as `rulesets/routing/changes.csv`; without it nothing is known of that.
    #[serde(default)]
    pub changes: Option<PathBuf>,
    /// Networks, sensors, operators and responders, as `rulesets/routing/responders.example.yml`.
    pub responders: PathBuf,
}

/// How mail leaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// The sender, for example `Varde <varde@cert.example>`.
    pub from: String,
    /// By which way.
    pub transport: MailTransport,
    /// With what it is signed; without it it is not.
    #[serde(default)]
    pub signing: Option<SigningSettings>,
    /// With what it is signed where it is encrypted with OpenPGP.
    #[serde(default)]
    pub pgp_signing: Option<PgpSigningSettings>,
    /// What becomes of mail whose receiver has a key that can't be used.
    #[serde(default)]
    pub when_unsealable: WhenUnsealable,
    /// What is done about mail that comes back.
    #[serde(default)]
    pub bounces: BounceSettings,
}

/// With what mail is signed (S/MIME).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningSettings {
    /// The certificate, then those between it and its authority, in PEM.
    pub certificate_file: PathBuf,
    /// Its key, in PEM.
    pub key_file: PathBuf,
}

/// By which way mail leaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum MailTransport {
    /// To a mail server.
    Smtp(SmtpSettings),
    /// As `.eml` files in a folder, for a demo.
    Directory {
        /// The folder; made when it is not there.
        path: PathBuf,
    },
}

/// A mail server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// The login, if it wants one.
    #[serde(default)]
    pub user: Option<String>,
    /// A file with the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// An environment variable with the password.
    #[serde(default)]
    pub password_env: Option<String>,
    /// Seconds until an attempt is given up.
    #[serde(default = "default_timeout_secs")]
    pub timeout_secs: u64,
}

/// How an SMTP connection is protected.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    /// Not at all: only for a server on this machine.
    None,
    /// Upgraded (RFC 3207); refused if the server can't.
    Starttls,
    /// From the first byte (RFC 8314).
    Tls,
}

/// The CERT's own contact: in every mail, and told when nobody else is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertSettings {
    /// Its name.
    pub name: String,
    /// Its phone number, as to be dialled.
    pub phone: String,
    /// Its duty officer's mail address.
    pub email: String,
    /// A file with the certificate that mail to it is encrypted with (S/MIME).
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// A file with the OpenPGP key that mail to it is encrypted with.
    #[serde(default)]
    pub pgp_key_file: Option<PathBuf>,
    /// A chat of `chat` that is told too.
    #[serde(default)]
    pub chat: Option<String>,
    /// A collector of `syslog` that is told too.
    #[serde(default)]
    pub syslog: Option<String>,
    /// Its language.
    #[serde(default = "default_language", deserialize_with = "language")]
    pub language: Language,
}

/// How often, and how far apart, delivery is tried.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrySettings {
    /// Milliseconds before the second attempt; doubles from there.
    pub base_ms: u64,
    /// The most milliseconds between two attempts.
    pub ceiling_ms: u64,
    /// Attempts before a notification is given up and shown as failed.
    pub attempts: u32,
    /// Seconds for which a notification is one instance's to send. An attempt is cut short at two thirds of it, so that what
    /// became of it is noted before another instance takes it over.
    pub lease_secs: u64,
}

/// Why a configuration can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file can't be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file does not say what it should; the detail has line, key and mend.
    #[error("understand {}: {detail}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, key and mend.
        detail: String,
    },
    /// A value that can't be.
    #[error("use {}: `{key}`: {mend}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong and what to write instead.
        mend: String,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// If it can't be read, has an unknown key, lacks one, or a value can't be.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read_text(path)?;
        let config: Self = serde_saphyr::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
        config.check(path)?;
        Ok(config)
    }

    /// Checks what the types don't; `path` is named in the error.
    ///
    /// # Errors
    /// If a value can't be.
    pub fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let refuse = |key, mend: String| {
            Err(ConfigError::Value {
                path: path.to_owned(),
                key,
                mend,
            })
        };
        if !self.listen.ip().is_loopback() && !self.allow_unauthenticated && self.access.is_none() {
            return refuse(
                "listen",
                format!(
                    "{} can be reached from other machines and nobody logs in; write `access`, or listen on 127.0.0.1 \
                     or [::1], or set `allow_unauthenticated: true` if the network is closed",
                    self.listen
                ),
            );
        }
        if let Some((key, mend)) = self.access_wrong() {
            return refuse(key, mend);
        }
        if let Some(url) = &self.public_url
            && !(url.starts_with("https://") || url.starts_with("http://"))
        {
            return refuse(
                "public_url",
                "write it with https://, as responders open it".to_owned(),
            );
        }
        if self.public_url.is_none() && !self.listen.ip().is_loopback() {
            return refuse(
                "public_url",
                "set it to the address that responders can open".to_owned(),
            );
        }
        if let Some((key, mend)) = channels::wrong(&self.chat, &self.syslog) {
            return refuse(key, mend);
        }
        if let Some(folder) = &self.templates
            && let Err(error) = crate::notice::check(folder)
        {
            return refuse("templates", error.to_string());
        }
        if self.retry.attempts == 0 {
            return refuse("retry.attempts", "it must be at least 1".to_owned());
        }
        if let Err((key, mend)) = self.digest.check(&self.escalation) {
            return refuse(key, mend);
        }
        if let Err((key, mend)) = self.grouping.check(&self.escalation) {
            return refuse(key, mend);
        }
        if let Some((key, mend)) = self.reveal.as_ref().and_then(RevealSettings::wrong) {
            return refuse(key, mend);
        }
        if let Some(Err((key, mend))) = self.mail.as_ref().map(|mail| mail.bounces.check()) {
            return refuse(key, mend);
        }
        if let Err((key, mend)) = self.escalation.check() {
            return refuse(key, mend);
        }
        if let Err((key, mend)) = inhibitions(&self.inhibitions) {
            return refuse(key, mend);
        }
        if let Err((key, mend)) = self.incidents.check() {
            return refuse(key, mend);
        }
        if !LEASE_SECS.contains(&self.retry.lease_secs) {
            return refuse(
                "retry.lease_secs",
                format!("it must be from {} to {}", LEASE_SECS.start(), LEASE_SECS.end()),
            );
        }
        if let Some(mail) = &self.mail {
            if mail.from.parse::<lettre::message::Mailbox>().is_err() {
                return refuse("mail.from", "write it as `Varde <varde@cert.example>`".to_owned());
            }
            if let MailTransport::Smtp(smtp) = &mail.transport
                && smtp.user.is_some() != (smtp.password_file.is_some() || smtp.password_env.is_some())
            {
                return refuse(
                    "mail.transport.smtp",
                    "`user` and one of `password_file` and `password_env` go together".to_owned(),
                );
            }
        }
        if self.cert.email.parse::<lettre::Address>().is_err() {
            return refuse("cert.email", "write it as `vakt@cert.example`".to_owned());
        }
        Ok(())
    }

    fn access_wrong(&self) -> Option<(&'static str, String)> {
        let access = self.access.as_ref()?;
        if self.allow_unauthenticated {
            let mend = "it contradicts `access`: take one of them away".to_owned();
            return Some(("allow_unauthenticated", mend));
        }
        let is_clear = !self
            .public_url
            .as_ref()
            .is_some_and(|url| url.starts_with("https://"));
        if is_clear && !self.listen.ip().is_loopback() {
            let mend = "write it with https://: passwords and sessions must not go in clear".to_owned();
            return Some(("public_url", mend));
        }
        access
            .wrong()
            .or_else(|| access.passkeys_wrong(self.public_url.as_deref()))
    }
}

impl SmtpSettings {
    /// The password from its file or variable.
    ///
    /// # Errors
    /// If the file or the variable can't be read.
    pub fn password(&self) -> Result<Option<String>, ConfigError> {
        if let Some(path) = &self.password_file {
            return Ok(Some(read_text(path)?.trim_end_matches(['\r', '\n']).to_owned()));
        }
        let Some(name) = &self.password_env else {
            return Ok(None);
        };
        std::env::var(name).map(Some).map_err(|_| ConfigError::Value {
            path: PathBuf::from("the environment"),
            key: "mail.transport.smtp.password_env",
            mend: format!("set the variable {name}"),
        })
    }
}

impl Default for RetrySettings {
    fn default() -> Self {
        // From 2 s, doubled up to 15 min, 600 attempts last three days even if every wait is shortened by half:
        // longer than a mail server's weekend.
        Self {
            base_ms: 2_000,
            ceiling_ms: 900_000,
            attempts: 600,
            // An attempt by mail is several exchanges of at most 20 s, of which most take less than one.
            lease_secs: 90,
        }
    }
}

impl RetrySettings {
    /// How long one attempt may take.
    #[must_use]
    pub fn attempt_max(&self) -> Duration {
        Duration::from_secs(self.lease_secs) * 2 / 3
    }

    /// The wait after `attempts` attempts that failed: doubled each time, shortened by up to half by `spread`
    /// (any number), so that what failed together does not come back together.
    #[must_use]
    pub fn wait(&self, attempts: u32, spread: u64) -> Duration {
        let doubled = self
            .base_ms
            .saturating_mul(1_u64 << attempts.saturating_sub(1).min(30));
        let full = doubled.min(self.ceiling_ms).max(1);
        Duration::from_millis(full - spread % (full / 2 + 1))
    }
}

/// A language code as `nb`, `nn`, `en`.
pub(crate) fn language<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Language, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

pub(crate) fn read_text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })
}

fn default_group() -> String {
    "varde-alerting".to_owned()
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn default_timeout_secs() -> u64 {
    20
}

pub(crate) fn default_language() -> Language {
    Language::Nb
}
