//! A sensor's key, made on site, and its request for a certificate (PKCS #10, RFC 2986), which proves that who asks has
//! the key.

use std::fmt;

use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private, Public};
use openssl::x509::{X509NameBuilder, X509Req, X509ReqBuilder};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The most that is read of a request; one takes some 400 bytes.
pub const REQUEST_BYTES_MAX: usize = 8 << 10;

/// SHA-256 of a public key (its SubjectPublicKeyInfo in DER), in hexadecimal digits: names a key for good, whatever
/// certificate it has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

/// The private key of a sensor: P-256.
pub struct SensorKey(PKey<Private>);

/// A request whose signature fits its key.
pub struct Request {
    public: PKey<Public>,
    fingerprint: Fingerprint,
}

/// Why a key or a request can't be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// OpenSSL's reason.
    #[error("use a key")]
    OpenSsl(#[from] ErrorStack),
    /// More than [`REQUEST_BYTES_MAX`].
    #[error("the request has {0} bytes, {REQUEST_BYTES_MAX} are the most")]
    TooLong(usize),
    /// It was not signed by the key that it is for.
    #[error("the request is not signed by its own key")]
    Unsigned,
    /// A key of a kind that is not taken.
    #[error("the key is none of P-256; sensors make such a key")]
    Kind,
}

impl Fingerprint {
    /// Of a public key.
    ///
    /// # Errors
    /// OpenSSL's, if the key can't be written down.
    pub fn of<T: HasPublic>(key: &PKeyRef<T>) -> Result<Self, ErrorStack> {
        Ok(Self(hex::encode(Sha256::digest(key.public_key_to_der()?))))
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 16 digits in fours: what a person compares over the telephone.
    #[must_use]
    pub fn spoken(&self) -> String {
        let digits: Vec<char> = self.0.chars().take(16).collect();
        let fours: Vec<String> = digits.chunks(4).map(|four| four.iter().collect()).collect();
        fours.join("-")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SensorKey {
    /// A key nobody else has.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn generate() -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        PKey::from_ec_key(EcKey::generate(&group)?).map(Self)
    }

    /// Reads a key (PKCS #8, PEM).
    ///
    /// # Errors
    /// OpenSSL's, and [`KeyError::Kind`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let key = PKey::private_key_from_pem(pem)?;
        is_p256(&key)?;
        Ok(Self(key))
    }

    /// The key as PKCS #8, PEM, for a file that only the sensor reads.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn to_pem(&self) -> Result<Vec<u8>, ErrorStack> {
        self.0.private_key_to_pem_pkcs8()
    }

    /// Its name.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn fingerprint(&self) -> Result<Fingerprint, ErrorStack> {
        Fingerprint::of(&self.0)
    }

    /// A request for a certificate, PEM. It has no subject: who the sensor is, the centre decides.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn request(&self) -> Result<String, ErrorStack> {
        let mut builder = X509ReqBuilder::new()?;
        builder.set_version(0)?;
        builder.set_subject_name(&X509NameBuilder::new()?.build())?;
        builder.set_pubkey(&self.0)?;
        builder.sign(&self.0, MessageDigest::sha256())?;
        Ok(String::from_utf8_lossy(&builder.build().to_pem()?).into_owned())
    }

    pub(crate) fn as_pkey(&self) -> &PKeyRef<Private> {
        &self.0
    }
}

impl Request {
    /// Reads a request and checks that it was signed by its own key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(pem: &str) -> Result<Self, KeyError> {
        if REQUEST_BYTES_MAX < pem.len() {
            return Err(KeyError::TooLong(pem.len()));
        }
        let request = X509Req::from_pem(pem.as_bytes())?;
        let public = request.public_key()?;
        is_p256(&public)?;
        if !request.verify(&public).unwrap_or(false) {
            return Err(KeyError::Unsigned);
        }
        let fingerprint = Fingerprint::of(&public)?;
        Ok(Self { public, fingerprint })
    }

    /// The name of the key that it is for.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    pub(crate) fn public(&self) -> &PKeyRef<Public> {
        &self.public
    }
}

fn is_p256<T: HasPublic>(key: &PKeyRef<T>) -> Result<(), KeyError> {
    let curve = (key.id() == Id::EC)
        .then(|| key.ec_key().ok()?.group().curve_name())
        .flatten();
    (curve == Some(Nid::X9_62_PRIME256V1))
        .then_some(())
        .ok_or(KeyError::Kind)
}

#[cfg(test)]
mod tests {
    use openssl::rsa::Rsa;

    use super::*;

    #[test]
    fn a_request_is_its_keys() {
        let key = SensorKey::generate().expect("a key");
        let again = SensorKey::from_pem(&key.to_pem().expect("PEM")).expect("a key");
        let request = Request::parse(&again.request().expect("a request")).expect("good");
        assert_eq!(request.fingerprint(), &key.fingerprint().expect("a name"));
        assert_eq!(request.fingerprint().as_str().len(), 64);
        assert_eq!(request.fingerprint().spoken().len(), 19);
    }

    #[test]
    fn a_request_for_anothers_key_is_refused() {
        let (mine, theirs) = (
            SensorKey::generate().expect("a key"),
            SensorKey::generate().expect("a key"),
        );
        let mut builder = X509ReqBuilder::new().expect("a request");
        builder.set_pubkey(theirs.as_pkey()).expect("a key");
        builder
            .sign(mine.as_pkey(), MessageDigest::sha256())
            .expect("signs");
        let pem = String::from_utf8(builder.build().to_pem().expect("PEM")).expect("ASCII");
        assert!(matches!(Request::parse(&pem), Err(KeyError::Unsigned)));
    }

    #[test]
    fn other_kinds_and_rubbish_are_refused() {
        let rsa = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
        let mut builder = X509ReqBuilder::new().expect("a request");
        builder.set_pubkey(&rsa).expect("a key");
        builder.sign(&rsa, MessageDigest::sha256()).expect("signs");
        let pem = String::from_utf8(builder.build().to_pem().expect("PEM")).expect("ASCII");
        assert!(matches!(Request::parse(&pem), Err(KeyError::Kind)));
        assert!(matches!(Request::parse("hello"), Err(KeyError::OpenSsl(_))));
        let long = "x".repeat(REQUEST_BYTES_MAX + 1);
        assert!(matches!(Request::parse(&long), Err(KeyError::TooLong(_))));
        let pem = rsa.private_key_to_pem_pkcs8().expect("PEM");
        assert!(matches!(SensorKey::from_pem(&pem), Err(KeyError::Kind)));
    }
}
