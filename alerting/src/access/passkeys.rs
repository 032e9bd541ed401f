//! Passkeys (WebAuthn Level 3) of accounts of this service: kept by an authenticator that asks for a finger or a code before
//! it signs, so that one stands for password and code together. `webauthn-rs` reads and checks what authenticators say
//! (decision 0023); who may, when, and what is kept and noted is here.
//!
//! A challenge is kept in the store by its digest, for [`MINUTES`], and is used up by the first answer to it, right or wrong.

pub(crate) mod add;
mod copied;
pub(crate) mod enter;

use anyhow::Context;
use ingest_event::Timestamp;
use openssl::{
    bn::{BigNum, BigNumContext},
    ec::{EcGroup, EcKey},
    nid::Nid,
};
use serde::Deserialize;
use webauthn_rs::{
    Webauthn,
    prelude::{
        AttestationFormat, COSEAlgorithm, COSEEC2Key, COSEKey, COSEKeyType, Credential, ECDSACurve,
        ParsedAttestation,
    },
};

use super::{Secret, login::Gate, secret};
use crate::config::Config;

/// Minutes to answer a challenge: what the authenticator is given, too.
pub(crate) const MINUTES: i64 = 5;
/// Logins that are begun in a minute, in one process: each is a write, and alerts wait for the same pen. In the time of a
/// challenge they are fewer than the store has room for.
const BEGUN_MAX: u32 = 600;
/// Bytes of a coordinate on P-256.
const COORDINATE_BYTES: i32 = 32;

/// What answers of authenticators are held to.
#[derive(Debug)]
pub(crate) struct RelyingParty {
    webauthn: Webauthn,
    /// What an answer by a passkey that is not there is held to, so that it takes as long as a wrong one.
    nobodys: Credential,
    /// Whether so many failed lately that they are counted only.
    gate: Gate,
    /// Whether so many logins were begun lately that no more are.
    begun: Gate,
}

impl RelyingParty {
    /// As the configuration says; `None` where nobody has passkeys.
    ///
    /// # Errors
    /// If the configuration can't be, or there are no random bytes.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(settings) = config.access.as_ref().and_then(|access| access.passkeys.as_ref()) else {
            return Ok(None);
        };
        let name = format!("Varde {}", config.cert.name);
        let webauthn = settings
            .relying_party(&name, config.public_url.as_deref())
            .map_err(|(key, mend)| anyhow::anyhow!("{key}: {mend}"))?;
        Ok(Some(Self {
            webauthn,
            nobodys: nobodys().context("make a key that is nobody's")?,
            gate: Gate::default(),
            begun: Gate::of(BEGUN_MAX),
        }))
    }
}

/// What a browser says that it was asked (section 5.8.1), as far as it finds the challenge.
#[derive(Deserialize)]
struct ClientData {
    challenge: String,
}

/// As what the challenge that is answered is kept; `None` for what is no answer.
fn answered(client_data: &[u8], browser: Option<&Secret>) -> Option<String> {
    let data: ClientData = serde_json::from_slice(client_data).ok()?;
    Some(kept(&data.challenge, browser))
}

/// As what a challenge is kept: a digest of it, and of what the browser holds in which a login was begun, so that nobody ends in
/// another's browser what they began in theirs. Characters, not bytes: other characters for the same bytes find nothing.
fn kept(challenge: &str, browser: Option<&Secret>) -> String {
    let browser = browser.map_or("", Secret::as_str);
    // No secret has a full stop in it.
    secret::digest(format!("{challenge}.{browser}").as_bytes())
}

/// When a challenge that is given out now can't be answered any more.
fn end(now: Timestamp) -> Timestamp {
    Timestamp::from_nanos(now.as_nanos().saturating_add(MINUTES * 60_000_000_000))
}

/// When a challenge that ends then was given out.
fn beginning(end: Timestamp) -> Timestamp {
    Timestamp::from_nanos(end.as_nanos().saturating_sub(MINUTES * 60_000_000_000))
}

/// A credential whose private key is nowhere.
fn nobodys() -> anyhow::Result<Credential> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = EcKey::generate(&group)?;
    let (mut x, mut y, mut context) = (BigNum::new()?, BigNum::new()?, BigNumContext::new()?);
    key.public_key()
        .affine_coordinates(&group, &mut x, &mut y, &mut context)?;
    Ok(Credential {
        cred_id: vec![].into(),
        cred: COSEKey {
            type_: COSEAlgorithm::ES256,
            key: COSEKeyType::EC_EC2(COSEEC2Key {
                curve: ECDSACurve::SECP256R1,
                x: x.to_vec_padded(COORDINATE_BYTES)?.into(),
                y: y.to_vec_padded(COORDINATE_BYTES)?.into(),
            }),
        },
        counter: 0,
        transports: None,
        user_verified: true,
        backup_eligible: false,
        backup_state: false,
        registration_policy: Default::default(),
        extensions: Default::default(),
        attestation: ParsedAttestation::default(),
        attestation_format: AttestationFormat::None,
    })
}
