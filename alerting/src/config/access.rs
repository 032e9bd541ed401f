//! `access`: who logs in, and how.

use ingest_event::OrganizationNumber;
use serde::Deserialize;

use super::{
    passkeys::PasskeySettings,
    provider::{self, ProviderSettings},
};

/// Who logs in, and how. Without it, whoever reaches the service is the CERT.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
    /// The CERT's own organisation number: what is noticed about logins is its incident.
    pub organization: OrganizationNumber,
    /// Whom to ask for access, as shown to who has none; without it, the CERT's name and phone number.
    #[serde(default)]
    pub ask: Option<String>,
    /// Whether people log in with an account of this service. The break-glass account always does.
    #[serde(default = "yes")]
    pub local_accounts: bool,
    /// Minutes without a request after which a session ends.
    #[serde(default = "default_idle_minutes")]
    pub idle_minutes: u32,
    /// Hours after which a session ends whatever it does.
    #[serde(default = "default_session_hours")]
    pub session_hours: u32,
    /// Who vouches for people who log in.
    #[serde(default)]
    pub providers: Vec<ProviderSettings>,
    /// For which name people have passkeys; without it nobody has any.
    #[serde(default)]
    pub passkeys: Option<PasskeySettings>,
}

fn yes() -> bool {
    true
}

/// A meeting, not a lunch and a meeting.
fn default_idle_minutes() -> u32 {
    60
}

/// A watch.
fn default_session_hours() -> u32 {
    12
}

impl AccessSettings {
    /// Which key can't be as it is, and what to write instead.
    pub(super) fn wrong(&self) -> Option<(&'static str, String)> {
        if !(1..=1_440).contains(&self.idle_minutes) {
            return Some(("access.idle_minutes", "write 1 to 1440".to_owned()));
        }
        if !(1..=168).contains(&self.session_hours) {
            return Some(("access.session_hours", "write 1 to 168".to_owned()));
        }
        provider::wrong(&self.providers).map(|mend| ("access.providers", mend))
    }
}
