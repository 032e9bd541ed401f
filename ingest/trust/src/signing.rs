//! Signatures under texts of the centre: Ed25519 (RFC 8032) in a DSSE envelope (Dead Simple Signing Envelope 1.0.2,
//! <https://github.com/secure-systems-lab/dsse>), whose kind is signed together with the text.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::sign::{Signer, Verifier};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::code::{PIN_BYTES, Pin};

/// The most signatures that are looked at: two while keys change, and some for other readers.
const SIGNATURES_MAX: usize = 8;

/// A text with its kind and signatures, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    #[serde(rename = "payloadType")]
    kind: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Signature {
    /// The key's id: a hint, which is not believed.
    keyid: String,
    sig: String,
}

/// A key that signs; it lies where bundles are made, not at the gateway.
pub struct SigningKey(PKey<Private>);

/// A key that is believed: 32 bytes, written in base64.
#[derive(Clone)]
pub struct VerifyingKey(PKey<Public>);

/// Why a signature is not believed, or can't be made.
#[derive(Debug, Error)]
pub enum SigningError {
    /// OpenSSL's reason.
    #[error("use a key for signatures")]
    OpenSsl(#[from] ErrorStack),
    /// It is no envelope.
    #[error("read the envelope: {0}")]
    Envelope(String),
    /// It is a text of another kind.
    #[error("it is a `{0}`, which is not asked for here")]
    Kind(String),
    /// None of the signatures is by a key that is believed.
    #[error("it is not signed by a key that this sensor believes")]
    Untrusted,
    /// A key of another kind.
    #[error("the key is none of Ed25519; make one with `varde sensors authority`")]
    Key,
}

impl SigningKey {
    /// A new one.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn generate() -> Result<Self, SigningError> {
        Ok(Self(PKey::generate_ed25519()?))
    }

    /// Reads one (PKCS #8, PEM).
    ///
    /// # Errors
    /// OpenSSL's, and [`SigningError::Key`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, SigningError> {
        let key = PKey::private_key_from_pem(pem)?;
        (key.id() == Id::ED25519)
            .then_some(Self(key))
            .ok_or(SigningError::Key)
    }

    /// The key as PKCS #8, PEM.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn to_pem(&self) -> Result<Vec<u8>, SigningError> {
        Ok(self.0.private_key_to_pem_pkcs8()?)
    }

    /// The half that others get.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn verifying(&self) -> Result<VerifyingKey, SigningError> {
        VerifyingKey::from_raw(&self.0.raw_public_key()?)
    }

    /// Puts a text of a kind into an envelope, signed.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn seal(&self, kind: &str, payload: &[u8]) -> Result<Envelope, SigningError> {
        let signature = Signer::new_without_digest(&self.0)?.sign_oneshot_to_vec(&covered(kind, payload))?;
        Ok(Envelope {
            kind: kind.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![Signature {
                keyid: self.verifying()?.id()?,
                sig: STANDARD.encode(signature),
            }],
        })
    }
}

impl VerifyingKey {
    /// Reads one as it is written.
    ///
    /// # Errors
    /// [`SigningError::Key`].
    pub fn parse(text: &str) -> Result<Self, SigningError> {
        Self::from_raw(&STANDARD.decode(text.trim()).map_err(|_| SigningError::Key)?)
    }

    fn from_raw(bytes: &[u8]) -> Result<Self, SigningError> {
        let key = PKey::public_key_from_raw_bytes(bytes, Id::ED25519);
        key.map(Self).map_err(|_| SigningError::Key)
    }

    /// 16 hexadecimal digits that tell keys apart.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn id(&self) -> Result<String, SigningError> {
        let digest = Sha256::digest(self.0.raw_public_key()?);
        Ok(hex::encode(digest.get(..8).unwrap_or_default()))
    }

    fn signed(&self, covered: &[u8], signature: &[u8]) -> bool {
        Verifier::new_without_digest(&self.0)
            .and_then(|mut verifier| verifier.verify_oneshot(signature, covered))
            .unwrap_or(false)
    }
}

impl Envelope {
    /// Reads an envelope; nothing in it is believed yet.
    ///
    /// # Errors
    /// [`SigningError::Envelope`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SigningError> {
        serde_json::from_slice(bytes).map_err(|error| SigningError::Envelope(error.to_string()))
    }

    /// As it travels.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The text, if it is of the kind and one of `keys` signed it.
    ///
    /// # Errors
    /// [`SigningError`].
    pub fn open(&self, kind: &str, keys: &[VerifyingKey]) -> Result<Vec<u8>, SigningError> {
        if self.kind != kind {
            return Err(SigningError::Kind(self.kind.chars().take(128).collect()));
        }
        let payload = self.payload()?;
        let covered = covered(kind, &payload);
        let believed = self.signatures.iter().take(SIGNATURES_MAX).any(|signature| {
            let bytes = STANDARD.decode(&signature.sig).unwrap_or_default();
            keys.iter().any(|key| key.signed(&covered, &bytes))
        });
        believed.then_some(payload).ok_or(SigningError::Untrusted)
    }

    /// The text, believed by nobody: for those who only pass it on.
    ///
    /// # Errors
    /// [`SigningError::Envelope`].
    pub fn payload(&self) -> Result<Vec<u8>, SigningError> {
        STANDARD
            .decode(&self.payload)
            .map_err(|error| SigningError::Envelope(error.to_string()))
    }
}

/// What codes say of the keys under bundles, in whatever order: the beginning of the SHA-256 of all, sorted, 32 bytes each.
///
/// # Errors
/// OpenSSL's.
pub fn pin(keys: &[VerifyingKey]) -> Result<Pin, ErrorStack> {
    let raw: Result<BTreeSet<Vec<u8>>, ErrorStack> = keys.iter().map(|key| key.0.raw_public_key()).collect();
    let mut digest = Sha256::new();
    for key in raw? {
        digest.update(key);
    }
    let mut pin = [0; PIN_BYTES];
    for (to, from) in pin.iter_mut().zip(digest.finalize()) {
        *to = from;
    }
    Ok(pin)
}

/// What a signature covers: DSSE's pre-authentication encoding.
fn covered(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.public_eq(&other.0)
    }
}

impl Eq for VerifyingKey {}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0.raw_public_key().unwrap_or_default()))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

impl Serialize for VerifyingKey {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifyingKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "application/vnd.varde.test";

    #[test]
    fn a_sealed_text_is_read_by_whoever_believes_the_key() {
        let key = SigningKey::generate().expect("a key");
        let again = SigningKey::from_pem(&key.to_pem().expect("PEM")).expect("a key");
        let known = VerifyingKey::parse(&again.verifying().expect("a key").to_string()).expect("a key");
        let sealed = key.seal(KIND, b"hello").expect("sealed").to_bytes();
        let read = Envelope::parse(&sealed).expect("an envelope");
        let other = SigningKey::generate().expect("a key").verifying().expect("a key");
        assert_eq!(
            read.open(KIND, &[other.clone(), known]).expect("believed"),
            b"hello"
        );
        assert!(matches!(read.open(KIND, &[other]), Err(SigningError::Untrusted)));
        assert!(matches!(read.open(KIND, &[]), Err(SigningError::Untrusted)));
    }

    #[test]
    fn a_pin_is_of_these_keys_in_any_order() {
        let [one, two] = [(); 2].map(|()| {
            let key = SigningKey::generate().expect("a key");
            key.verifying().expect("a key")
        });
        let of = |keys: &[&VerifyingKey]| {
            let keys: Vec<VerifyingKey> = keys.iter().copied().cloned().collect();
            pin(&keys).expect("a pin")
        };
        assert_eq!(of(&[&one, &two]), of(&[&two, &one]));
        let different = [of(&[]), of(&[&one]), of(&[&two]), of(&[&one, &two])];
        assert_eq!(different.iter().collect::<BTreeSet<_>>().len(), 4);
    }

    #[test]
    fn no_byte_of_a_sealed_text_may_change() {
        let key = SigningKey::generate().expect("a key");
        let known = [key.verifying().expect("a key")];
        let sealed = key.seal(KIND, b"hello, sensor").expect("sealed").to_bytes();
        for place in 0..sealed.len() {
            for bit in [1, 32] {
                let mut bytes = sealed.clone();
                bytes[place] ^= bit;
                let opened = Envelope::parse(&bytes).and_then(|envelope| envelope.open(KIND, &known));
                if let Ok(text) = opened {
                    // The hint for the key's name is the only thing that is not covered.
                    assert_eq!(text, b"hello, sensor", "{place}");
                    let hint = Envelope::parse(&bytes).expect("an envelope").signatures[0]
                        .keyid
                        .clone();
                    assert_ne!(hint, known[0].id().expect("an id"), "{place}");
                }
            }
        }
        let otherwise = key.seal("application/vnd.varde.other", b"hello").expect("sealed");
        assert!(matches!(otherwise.open(KIND, &known), Err(SigningError::Kind(_))));
    }
}
