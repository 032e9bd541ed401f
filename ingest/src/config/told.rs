//! `island` and `notify`: what is told on site while the way out is cut.

use serde::Deserialize;

/// Island mode.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Island {
    /// How long nothing may be taken of what waits.
    pub after_secs: u64,
}

impl Default for Island {
    fn default() -> Self {
        Self {
            after_secs: crate::island::AFTER_SECS,
        }
    }
}

/// Who is told on site while the way out is cut.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// By mail.
    #[serde(default)]
    pub mail: Option<Mail>,
}

/// Mail over the site's own relay.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Host and port.
    relay: String,
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
    /// The language of the mails.
    #[serde(default)]
    pub language: Language,
}

/// A language of what is told on site.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Norwegian bokmål.
    #[default]
    Nb,
    /// Norwegian nynorsk.
    Nn,
    /// English.
    En,
}

impl Mail {
    /// The port of SMTP where none is said (RFC 5321, section 4.5.4.2).
    const PORT: u16 = 25;

    /// The relay's host and port.
    #[must_use]
    pub fn relay(&self) -> (&str, u16) {
        let parts = self.relay.rsplit_once(':');
        match parts.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
            // Without a port, the colons of an IPv6 address are its own.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host.trim_start_matches('[').trim_end_matches(']'), port)
            }
            _ => (
                self.relay.trim_start_matches('[').trim_end_matches(']'),
                Self::PORT,
            ),
        }
    }
}
