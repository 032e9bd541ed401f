//! Signatures of identity providers' tokens, and our own (RFC 7515, 7517, 7518), by the one TLS library (decision 0021).
//!
//! Signatures of RS256, PS256 and ES256, which are what providers of OpenID Connect sign with; never `none`, and none with a
//! shared secret.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use openssl::{
    bn::BigNum,
    ec::{EcGroup, EcKey},
    ecdsa::EcdsaSig,
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, Private, Public},
    rsa::{Padding, Rsa},
    sha::sha256,
    sign::{RsaPssSaltlen, Signer, Verifier},
    x509::X509,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// A shorter RSA key is nobody's to rely on (RFC 7518 section 3.3).
const RSA_BITS_MIN: u32 = 2_048;
/// Half a signature of ES256.
const HALF_BYTES: usize = 32;
/// Keys of one provider: it has one or two, and some more while it changes them.
const KEYS_MAX: usize = 64;

/// The public keys of a provider.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Vec<Key>);

/// A public key with what it may be used for.
#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    key: PublicKey,
}

#[derive(Clone, Debug)]
enum PublicKey {
    Rsa(PKey<Public>),
    P256(EcKey<Public>),
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// A member of a key set (RFC 7517 section 4), as far as it is looked at.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The head of a token (RFC 7515 section 4.1), as far as it is looked at.
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// What became of looking at a signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// It is right; what was signed.
    Rightly(Vec<u8>),
    /// It is by a key that is not among these: there may be a newer one.
    ByUnknownKey,
    /// It is wrong, or no token at all.
    Wrongly,
}

impl Keys {
    /// Reads a key set. A key that is of no use here is passed over.
    ///
    /// # Errors
    /// If it is no key set.
    pub(super) fn read(bytes: &[u8]) -> serde_json::Result<Self> {
        let set: KeySet = serde_json::from_slice(bytes)?;
        let keys = set.keys.into_iter().take(KEYS_MAX);
        Ok(Self(
            keys.filter_map(|key| serde_json::from_value(key).ok())
                .filter_map(Key::of)
                .collect(),
        ))
    }

    /// Looks at a token's signature.
    pub(super) fn verify(&self, token: &str) -> Signed {
        let Some((signed, signature)) = token.rsplit_once('.') else {
            return Signed::Wrongly;
        };
        let Some((head, body)) = signed.split_once('.') else {
            return Signed::Wrongly;
        };
        let decoded = (
            decode(head).and_then(|head| serde_json::from_slice::<Head>(&head).ok()),
            decode(body),
            decode(signature),
        );
        let (Some(head), Some(body), Some(signature)) = decoded else {
            return Signed::Wrongly;
        };
        // What must be understood and isn't (RFC 7515 section 4.1.11).
        if head.crit.is_some() || !["RS256", "PS256", "ES256"].contains(&head.alg.as_str()) {
            return Signed::Wrongly;
        }
        let fitting: Vec<&Key> = self.0.iter().filter(|key| key.fits(&head)).collect();
        // Without an id there must be no choice (OpenID Connect Core 1.0 section 10.1).
        let [key] = fitting.as_slice() else {
            return Signed::ByUnknownKey;
        };
        match key.key.verify(&head.alg, signed.as_bytes(), &signature) {
            Ok(true) => Signed::Rightly(body),
            Ok(false) | Err(_) => Signed::Wrongly,
        }
    }
}

impl Key {
    fn of(jwk: Jwk) -> Option<Self> {
        if jwk.used_for.as_deref().is_some_and(|used_for| used_for != "sig") {
            return None;
        }
        let number = |text: Option<String>| BigNum::from_slice(&decode(&text?)?).ok();
        let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => {
                let rsa = Rsa::from_public_components(number(jwk.n)?, number(jwk.e)?).ok()?;
                if rsa.size().saturating_mul(8) < RSA_BITS_MIN {
                    return None;
                }
                PublicKey::Rsa(PKey::from_rsa(rsa).ok()?)
            }
            ("EC", Some("P-256")) => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).ok()?;
                let (x, y) = (number(jwk.x)?, number(jwk.y)?);
                let key = EcKey::from_public_key_affine_coordinates(&group, &x, &y).ok()?;
                PublicKey::P256(key)
            }
            _ => return None,
        };
        Some(Self {
            id: jwk.kid,
            algorithm: jwk.alg,
            key,
        })
    }

    fn fits(&self, head: &Head) -> bool {
        let is_kind = matches!(
            (&self.key, head.alg.as_str()),
            (PublicKey::Rsa(_), "RS256" | "PS256") | (PublicKey::P256(_), "ES256")
        );
        let is_named = head.kid.is_none() || self.id == head.kid;
        is_kind && is_named && self.algorithm.as_ref().is_none_or(|own| *own == head.alg)
    }
}

impl PublicKey {
    fn verify(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        match self {
            Self::Rsa(key) => {
                let mut verifier = Verifier::new(MessageDigest::sha256(), key)?;
                if algorithm == "PS256" {
                    verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
                    verifier.set_rsa_mgf1_md(MessageDigest::sha256())?;
                    verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
                }
                verifier.verify_oneshot(signature, signed)
            }
            Self::P256(key) => {
                let Some((r, s)) = signature.split_at_checked(HALF_BYTES) else {
                    return Ok(false);
                };
                if s.len() != HALF_BYTES {
                    return Ok(false);
                }
                let signature =
                    EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
                signature.verify(&sha256(signed), key)
            }
        }
    }
}

/// The key that this service shows by which client it is.
#[derive(Clone)]
pub(crate) struct SigningKey {
    key: PKey<Private>,
    id: Option<String>,
    certificates: Vec<X509>,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// Reads a key, and the certificates that go with it, if any.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn read(key: &[u8], id: Option<String>, certificates: &[u8]) -> Result<Self, &'static str> {
        let key =
            PKey::private_key_from_pem(key).map_err(|_| "it is no private key in PEM without a password")?;
        let is_p256 = key
            .ec_key()
            .is_ok_and(|key| key.group().curve_name() == Some(Nid::X9_62_PRIME256V1));
        if !(is_p256 || key.id() == Id::RSA && RSA_BITS_MIN <= key.bits()) {
            return Err("it must be an RSA key of 2048 bits or more, or one on the curve P-256");
        }
        let certificates =
            X509::stack_from_pem(certificates).map_err(|_| "its certificates are not in PEM")?;
        if let Some(first) = certificates.first()
            && !first.public_key().is_ok_and(|public| public.public_eq(&key))
        {
            return Err("the first certificate is of another key");
        }
        Ok(Self {
            key,
            id,
            certificates,
        })
    }

    /// A signed token.
    ///
    /// # Errors
    /// If OpenSSL fails.
    pub(super) fn sign(&self, body: &Value) -> Result<String, ErrorStack> {
        let is_rsa = self.key.id() == Id::RSA;
        let mut head = json!({ "typ": "JWT", "alg": if is_rsa { "RS256" } else { "ES256" } });
        if let Some(members) = head.as_object_mut() {
            if let Some(id) = &self.id {
                members.insert("kid".to_owned(), json!(id));
            }
            if !self.certificates.is_empty() {
                let chain = self
                    .certificates
                    .iter()
                    .map(|one| one.to_der().map(|der| STANDARD.encode(der)));
                members.insert("x5c".to_owned(), json!(chain.collect::<Result<Vec<_>, _>>()?));
            }
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(body));
        let signature = if is_rsa {
            Signer::new(MessageDigest::sha256(), &self.key)?.sign_oneshot_to_vec(signed.as_bytes())?
        } else {
            let signature = EcdsaSig::sign(&sha256(signed.as_bytes()), &*self.key.ec_key()?)?;
            let half = i32::try_from(HALF_BYTES).unwrap_or_default();
            [
                signature.r().to_vec_padded(half)?,
                signature.s().to_vec_padded(half)?,
            ]
            .concat()
        };
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests;
