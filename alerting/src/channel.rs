//! The ways out: mail and webhook.

mod email;
mod webhook;

use thiserror::Error;

pub(crate) use email::Email;
pub(crate) use webhook::Webhook;

/// Why a notification was not handed over. The text is shown to analysts: it names no password and no key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum DeliveryError {
    /// It may pass later.
    #[error("{0}")]
    Transient(String),
    /// It will not pass until someone changes something.
    #[error("{0}")]
    Permanent(String),
}
