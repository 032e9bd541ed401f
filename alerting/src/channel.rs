//! The ways out: mail, webhook, chat and syslog.

mod chat;
mod email;
mod http;
mod protected;
mod seal;
mod smime;
mod syslog;
mod webhook;

use std::time::Duration;

use thiserror::Error;

pub(crate) use chat::Chats;
pub(crate) use email::{Email, Letter};
pub(crate) use seal::{Seal, Signers};
pub(crate) use syslog::{Collectors, message};
pub(crate) use webhook::Webhook;

/// What a receiver said when it took a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Its words.
    pub(crate) text: String,
    /// Why what left was a mail without data, if it was.
    pub(crate) unsealed: Option<String>,
}

impl From<String> for Receipt {
    fn from(text: String) -> Self {
        Self { text, unsealed: None }
    }
}

/// Why a notification was not handed over. The text is shown to analysts: it names no password and no key. It may
/// hold a responder's address, as servers repeat it: logs say [`DeliveryError::class`] instead.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum DeliveryError {
    /// It may pass later.
    #[error("{0}")]
    Transient(String),
    /// It will not pass until someone changes something.
    #[error("{0}")]
    Permanent(String),
    /// The receiver asks to be left alone for a while.
    #[error("{text}")]
    Later {
        /// How long.
        after: Duration,
        /// What it said.
        text: String,
    },
    /// It waits, as it must not leave in clear and can't be encrypted.
    #[error("held, as it can't be encrypted: {0}")]
    Unsealable(String),
    /// A server answered with a status code.
    #[error("{text}")]
    Refused {
        /// Of SMTP (RFC 5321, section 4.2) or HTTP (RFC 9110, section 15).
        code: u16,
        /// Whether it may pass later.
        is_transient: bool,
        /// What it said.
        text: String,
    },
}

impl DeliveryError {
    /// How long to wait at least.
    pub(crate) fn not_before(&self) -> Duration {
        match self {
            Self::Later { after, .. } => *after,
            Self::Transient(_) | Self::Permanent(_) | Self::Unsealable(_) | Self::Refused { .. } => {
                Duration::ZERO
            }
        }
    }

    /// Whether it may pass later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Transient(_) | Self::Later { .. } | Self::Unsealable(_) => true,
            Self::Permanent(_) => false,
            Self::Refused { is_transient, .. } => *is_transient,
        }
    }

    /// What happened, in words of ours only, and the server's code.
    pub(crate) fn class(&self) -> String {
        match self {
            Self::Transient(_) => "not handed over".to_owned(),
            Self::Later { .. } => "the receiver asks for a pause".to_owned(),
            Self::Unsealable(_) => "held, as it can't be encrypted".to_owned(),
            Self::Permanent(_) => "can't be handed over".to_owned(),
            Self::Refused { code, .. } => format!("the receiver answered {code}"),
        }
    }
}
