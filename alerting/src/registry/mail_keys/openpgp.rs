//! OpenPGP keys for mail (RFC 9580).

use std::{
    io::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ingest_event::Timestamp;
use sequoia_openpgp::{
    Cert,
    cert::ValidCert,
    crypto::KeyPair,
    parse::Parse as _,
    policy::StandardPolicy,
    serialize::{
        SerializeInto as _,
        stream::{Armorer, Encryptor, LiteralWriter, Message, Signer},
    },
    types::{RevocationStatus, SymmetricAlgorithm},
};

use super::{KeyFlaw, checked_length, day, names};

/// A contact's key.
#[derive(Clone, Debug)]
pub(crate) struct PgpKey(Cert);

impl PgpKey {
    /// Reads one in ASCII armor.
    pub(crate) fn read(text: &str) -> Result<Self, KeyFlaw> {
        checked_length(text)?;
        let words = "write it in ASCII armor, from -----BEGIN PGP PUBLIC KEY BLOCK----- on";
        let cert = Cert::from_bytes(text.as_bytes()).map_err(|_| KeyFlaw::Unreadable(words))?;
        if cert.is_tsk() {
            return Err(KeyFlaw::Secret);
        }
        Ok(Self(cert))
    }

    /// As it is kept.
    pub(super) fn canonical(&self) -> Result<String, KeyFlaw> {
        let armored = self.0.armored().to_vec().ok();
        let armored = armored.and_then(|bytes| String::from_utf8(bytes).ok());
        let armored = armored.ok_or(KeyFlaw::Unreadable("it can't be written"))?;
        // What an armor's comments say is nobody's word: the fingerprint stands there otherwise.
        Ok(armored.trim_end().to_owned())
    }

    /// Whether mail to an address can be encrypted with it at a moment.
    pub(crate) fn usable(&self, address: &str, now: Timestamp) -> Result<(), KeyFlaw> {
        let policy = StandardPolicy::new();
        let at = system_time(now);
        let valid = self.valid(&policy, at, now)?;
        if matches!(valid.revocation_status(), RevocationStatus::Revoked(_)) {
            return Err(KeyFlaw::Revoked);
        }
        let named = valid
            .userids()
            .filter_map(|one| one.userid().email().ok().flatten().map(str::to_owned));
        let named: Vec<String> = named.collect();
        names(address, &named)?;
        if valid.alive().is_err() {
            return Err(ended(&valid, now));
        }
        let encrypting = || valid.keys().supported().for_transport_encryption();
        if encrypting().next().is_none() {
            return Err(KeyFlaw::NoEncryption);
        }
        match encrypting().alive().revoked(false).next() {
            Some(_) => Ok(()),
            None => match self.until(now) {
                Some(until) if until <= now => Err(KeyFlaw::Ended(day(until))),
                Some(_) | None => Err(KeyFlaw::Revoked),
            },
        }
    }

    /// When it ends, if it does: the last of those that can be encrypted for, or all of it.
    pub(crate) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let policy = StandardPolicy::new();
        let valid = self.0.with_policy(&policy, system_time(now)).ok()?;
        let whole = valid.primary_key().key_expiration_time();
        let keys = valid.keys().for_transport_encryption().revoked(false);
        let each: Vec<Option<SystemTime>> = keys.map(|key| key.key_expiration_time()).collect();
        let last = each.iter().copied().collect::<Option<Vec<_>>>();
        let last = last.and_then(|all| all.into_iter().max());
        let first = [whole, last].into_iter().flatten().min()?;
        let since = first.duration_since(UNIX_EPOCH).ok()?;
        Some(Timestamp::EPOCH.saturating_add(since))
    }

    /// Encrypts a MIME entity for its owner, signed inside where there is a signer: an armored message.
    pub(crate) fn encrypt(
        &self,
        entity: &[u8],
        signer: Option<&PgpSigner>,
        now: Timestamp,
    ) -> anyhow::Result<Vec<u8>> {
        let policy = StandardPolicy::new();
        let valid = self.0.with_policy(&policy, system_time(now))?;
        let keys = valid
            .keys()
            .supported()
            .alive()
            .revoked(false)
            .for_transport_encryption();
        let readers: Vec<_> = keys.collect();
        anyhow::ensure!(!readers.is_empty(), "the key has none for encrypting");
        let mut sealed = Vec::new();
        let message = Armorer::new(Message::new(&mut sealed)).build()?;
        let message = Encryptor::for_recipients(message, readers)
            .symmetric_algo(SymmetricAlgorithm::AES256)
            .build()?;
        let message = match signer {
            Some(signer) => Signer::new(message, signer.pair()?)?.build()?,
            None => message,
        };
        let mut content = LiteralWriter::new(message).build()?;
        content.write_all(entity)?;
        content.finalize()?;
        Ok(sealed)
    }

    fn valid<'a>(
        &'a self,
        policy: &'a StandardPolicy<'a>,
        at: SystemTime,
        now: Timestamp,
    ) -> Result<ValidCert<'a>, KeyFlaw> {
        if let Ok(valid) = self.0.with_policy(policy, at) {
            return Ok(valid);
        }
        let made = self.0.primary_key().key().creation_time();
        if let Ok(since) = made.duration_since(UNIX_EPOCH) {
            let made = Timestamp::EPOCH.saturating_add(since);
            if now < made {
                return Err(KeyFlaw::Early(day(made)));
            }
        }
        let size = self.0.primary_key().key().mpis().bits().unwrap_or(0);
        Err(KeyFlaw::Weak(format!(
            "{} {size}, or what its owner signed it with",
            self.0.primary_key().key().pk_algo()
        )))
    }
}

fn ended(valid: &ValidCert<'_>, now: Timestamp) -> KeyFlaw {
    let end = valid.primary_key().key_expiration_time();
    let end = end.and_then(|end| end.duration_since(UNIX_EPOCH).ok());
    let end = end.map_or(now, |since| Timestamp::EPOCH.saturating_add(since));
    KeyFlaw::Ended(day(end))
}

fn system_time(now: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(now.as_nanos()).unwrap_or_default())
}

/// Signs what is encrypted with OpenPGP.
pub(crate) struct PgpSigner(Cert);

impl std::fmt::Debug for PgpSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PgpSigner(…)")
    }
}

impl PgpSigner {
    /// Reads a secret key without a password.
    ///
    /// # Errors
    /// If it is none, or none for signing.
    pub(crate) fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        let signer = Self(Cert::from_bytes(bytes)?);
        signer.pair()?;
        Ok(signer)
    }

    /// The key that signs now.
    fn pair(&self) -> anyhow::Result<KeyPair> {
        let policy = StandardPolicy::new();
        let mut keys = self
            .0
            .keys()
            .with_policy(&policy, None)
            .supported()
            .alive()
            .revoked(false)
            .for_signing()
            .unencrypted_secret();
        let Some(key) = keys.next() else {
            anyhow::bail!("it holds no secret key for signing without a password that can be used now");
        };
        key.key().clone().into_keypair()
    }
}
