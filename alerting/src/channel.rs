//! The ways out: mail and webhook.

mod email;
mod smime;
mod webhook;

use thiserror::Error;

pub(crate) use email::{Email, Letter};
pub(crate) use webhook::Webhook;

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
    /// Whether it may pass later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Transient(_) => true,
            Self::Permanent(_) => false,
            Self::Refused { is_transient, .. } => *is_transient,
        }
    }

    /// What happened, in words of ours only, and the server's code.
    pub(crate) fn class(&self) -> String {
        match self {
            Self::Transient(_) => "not handed over".to_owned(),
            Self::Permanent(_) => "can't be handed over".to_owned(),
            Self::Refused { code, .. } => format!("the receiver answered {code}"),
        }
    }
}
