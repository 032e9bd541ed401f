//! Login and what it lets one do: the store's and the network's side of `alerting_incident::access`.
//!
//! `seen` is the one place where queries are narrowed to what someone may see; `session` turns a cookie or a token
//! into a principal, anew at each request; `login` is password and code; `break_glass` is the account for when
//! nothing else works; `oidc` is the word of an identity provider; `passkeys` is WebAuthn; [`accounts`] is what
//! `varde-alerting accounts` does; `alarm` is what the CERT is told of logins.

pub mod accounts;

pub(crate) mod acting;
mod alarm;
pub(crate) mod break_glass;
pub(crate) mod failures;
pub(crate) mod login;
mod noted;
pub mod oidc;
pub(crate) mod passkeys;
mod password;
pub(crate) mod secret;
mod seen;
pub(crate) mod session;
mod totp;

pub(crate) use noted::{note_about, note_of};
pub(crate) use secret::{Secret, random};
pub(crate) use seen::Seen;
