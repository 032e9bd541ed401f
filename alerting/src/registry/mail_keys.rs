//! What mail to contacts is encrypted with: whether a certificate or a key can be used, in words for who enters it.
//!
//! Who enters it vouches for it, as for the address beside it: no authority and no web of trust is asked.

mod openpgp;
mod x509;

use alerting_incident::{Channel, MailKeys, Responder};
use ingest_event::Timestamp;
use thiserror::Error;

pub(crate) use openpgp::{PgpKey, PgpSigner};
pub(crate) use x509::Certificate;

/// Characters of one: a certificate has some 2,000, a key with many names and photographs more than anybody needs.
const CHARS_MAX: usize = 64 * 1024;

/// Why a certificate or a key can't be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum KeyFlaw {
    /// It is none.
    #[error("it can't be read: {0}")]
    Unreadable(&'static str),
    /// It is longer than one is.
    #[error(
        "it has more than {CHARS_MAX} characters: give the one that is meant, without pictures and others' signatures"
    )]
    Long,
    /// It holds what is its owner's alone.
    #[error("it holds a secret key: give the public part only, and let its owner make a new one")]
    Secret,
    /// It is of somebody else.
    #[error("it is not for {address}: it names {named}")]
    Address {
        /// The contact's.
        address: String,
        /// Those in it.
        named: String,
    },
    /// There is no address to send to.
    #[error("it needs the contact's `email` beside it")]
    NoAddress,
    /// It is for signatures or servers alone.
    #[error("it is not for encrypting mail: ask for one that is")]
    NoEncryption,
    /// It can be broken.
    #[error("its key is too weak ({0}): RSA from 2048 bits, or an elliptic curve of NIST's from P-256")]
    Weak(String),
    /// Its time is over.
    #[error("it ended on {0}: ask for the next one")]
    Ended(String),
    /// Its time has not come.
    #[error("it holds only from {0}")]
    Early(String),
    /// Its owner called it back.
    #[error("its owner called it back: ask for the next one")]
    Revoked,
}

impl KeyFlaw {
    /// Whether it could be used at another time.
    pub(crate) const fn is_of_time(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::Early(_))
    }
}

/// A certificate as it is kept.
pub(crate) fn canonical_certificate(text: &str) -> Result<String, KeyFlaw> {
    Certificate::read(text)?.canonical()
}

/// An OpenPGP key as it is kept.
pub(crate) fn canonical_pgp_key(text: &str) -> Result<String, KeyFlaw> {
    PgpKey::read(text)?.canonical()
}

/// What keeps each of a contact's keys from being used at a moment.
pub(crate) fn flaws(keys: &MailKeys, email: Option<&str>, now: Timestamp) -> Vec<(&'static str, KeyFlaw)> {
    let mut flaws = Vec::new();
    if let Some(text) = &keys.certificate {
        let usable = Certificate::read(text).and_then(|one| one.usable(address(email)?, now));
        flaws.extend(usable.err().map(|flaw| ("certificate", flaw)));
    }
    if let Some(text) = &keys.pgp_key {
        let usable = PgpKey::read(text).and_then(|one| one.usable(address(email)?, now));
        flaws.extend(usable.err().map(|flaw| ("pgp_key", flaw)));
    }
    flaws
}

/// When each of a contact's keys ends, of those that do and can be read.
pub(crate) fn ends(keys: &MailKeys, now: Timestamp) -> Vec<(&'static str, Timestamp)> {
    let certificate = keys.certificate.as_deref();
    let certificate = certificate.and_then(|text| Certificate::read(text).ok()?.until());
    let pgp_key = keys.pgp_key.as_deref();
    let pgp_key = pgp_key.and_then(|text| PgpKey::read(text).ok()?.until(now));
    let both = [("certificate", certificate), ("pgp_key", pgp_key)];
    both.into_iter()
        .filter_map(|(key, until)| Some((key, until?)))
        .collect()
}

/// The address that mail to a contact goes to.
pub(crate) fn email(contact: &Responder) -> Option<&str> {
    let mut channels = contact.channels.iter();
    channels
        .find(|channel| channel.kind() == "email")
        .map(Channel::address)
}

fn address(email: Option<&str>) -> Result<&str, KeyFlaw> {
    email.ok_or(KeyFlaw::NoAddress)
}

/// Whether one of those named is the address. No server that is in use tells `Vakt@` from `vakt@`.
fn names(address: &str, named: &[String]) -> Result<(), KeyFlaw> {
    let lower = address.to_lowercase();
    if named.iter().any(|one| one.to_lowercase() == lower) {
        return Ok(());
    }
    Err(KeyFlaw::Address {
        address: address.to_owned(),
        named: match named {
            [] => "none".to_owned(),
            some => some.iter().take(5).cloned().collect::<Vec<_>>().join(", "),
        },
    })
}

fn checked_length(text: &str) -> Result<(), KeyFlaw> {
    if CHARS_MAX < text.len() {
        return Err(KeyFlaw::Long);
    }
    Ok(())
}

/// By the machine's clock, for where nobody gives one: the files are read at the start.
pub(super) fn now() -> Timestamp {
    crate::clock::machine().now()
}

/// A moment to the day, as people read it.
fn day(moment: Timestamp) -> String {
    moment.to_string().chars().take(10).collect()
}

#[cfg(test)]
mod tests;
