//! What a sensor keeps of who it is, in `state/trust`: its key, its certificate, the authority that it believes, and what
//! the centre said of it.
//!
//! | file | what |
//! |---|---|
//! | `sensor.key` | made once, on site, and never sent |
//! | `authority.crt` | the only authority that is believed, since the first time |
//! | `identity.json` | name, organisation, zone, the keys under bundles |
//! | `sensor.crt` | written last: with it the sensor is enrolled |

use std::io;
use std::path::{Path, PathBuf};

use ingest_bus::uplink;
use ingest_event::{OrganizationNumber, SensorId, Timestamp, Zone};
use ingest_trust::code::Pin;
use ingest_trust::signing::{self, VerifyingKey};
use ingest_trust::wire::Certified;
use ingest_trust::{AuthorityError, KeyError, SensorKey, Subject, authority};
use openssl::error::ErrorStack;
use openssl::x509::X509;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::files;

/// The folder in the sensor's state.
const FOLDER: &str = "trust";

const IDENTITY: &str = "identity.json";

/// Who the sensor is, as the centre said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub sensor: SensorId,
    /// Whose it is.
    pub organization: OrganizationNumber,
    /// Where it listens, if the centre said.
    pub zone: Option<Zone>,
    /// The keys under bundles, as they were at enrolment; a bundle may have changed them since.
    pub keys: Vec<VerifyingKey>,
}

/// What is believed before an answer comes.
#[derive(Clone, Debug)]
pub enum Before {
    /// Who the sensor was enrolled as.
    Enrolled(Identity),
    /// What the code says of the keys under bundles, the first time.
    Code(Pin),
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Trust {
    folder: PathBuf,
}

/// Why what is kept can't be used.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The disk.
    #[error("use {path}; check the disk, and that it belongs to the sensor's user")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The key is none.
    #[error("read the key {path}; if it is damaged, remove it and have the sensor approved as new hardware")]
    Key {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// A certificate is none.
    #[error("read the certificate {path}; if it is damaged, remove it: the sensor asks for another")]
    Certificate {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: AuthorityError,
    },
    /// What the centre said is not understood.
    #[error("read {path}; if it is damaged, remove it: the sensor asks again")]
    Identity {
        /// The file.
        path: String,
        /// Why.
        detail: String,
    },
    /// OpenSSL's.
    #[error("use a key")]
    OpenSsl(#[from] ErrorStack),
}

/// Why an answer with a certificate is not believed.
#[derive(Debug, Error)]
pub enum Unbelieved {
    /// No certificate.
    #[error("the certificate can't be read")]
    Certificate(#[from] AuthorityError),
    /// OpenSSL's.
    #[error("check the certificate")]
    OpenSsl(#[from] ErrorStack),
    /// Not by the authority that is believed.
    #[error("the certificate is not signed by the authority of the enrolment code")]
    Signature,
    /// For another key.
    #[error("the certificate is for another key")]
    Key,
    /// Not the keys that the code tells of.
    #[error(
        "the keys under bundles are not those of the enrolment code; if the centre has changed them since, ask it for a new \
         code"
    )]
    Keys,
    /// The certificate and what stands beside it differ.
    #[error("the certificate says of the sensor something else than the answer")]
    Subject,
    /// Another sensor or organisation than the first time.
    #[error(
        "the certificate is for another sensor than this one was enrolled as; if the centre means it, stop the sensor and \
         remove the folder `trust` of its state"
    )]
    Other,
}

#[derive(Serialize, Deserialize)]
struct Written {
    sensor: String,
    organization: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<Zone>,
    keys: Vec<VerifyingKey>,
}

impl Trust {
    /// That of a sensor's state; nothing is made yet.
    #[must_use]
    pub fn at(state: &Path) -> Self {
        Self {
            folder: state.join(FOLDER),
        }
    }

    /// Where it is; the way to the gateway reads key and certificate there.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The key; made if there is none.
    ///
    /// # Errors
    /// [`TrustError`]. A key that can't be read is never replaced.
    pub fn key(&self) -> Result<SensorKey, TrustError> {
        files::make_folder(&self.folder).map_err(|source| TrustError::File {
            path: self.folder.display().to_string(),
            source,
        })?;
        if let Some(key) = self.kept_key()? {
            return Ok(key);
        }
        let key = SensorKey::generate()?;
        self.write(uplink::KEY_FILE, &key.to_pem()?)?;
        Ok(key)
    }

    /// The key, if there is one.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn kept_key(&self) -> Result<Option<SensorKey>, TrustError> {
        let Some(pem) = self.read(uplink::KEY_FILE)? else {
            return Ok(None);
        };
        let key = SensorKey::from_pem(&pem).map_err(|source| TrustError::Key {
            path: self.path(uplink::KEY_FILE),
            source,
        })?;
        Ok(Some(key))
    }

    /// The authority that is believed, if one is kept. A damaged one counts as none: it is fetched again, and compared
    /// with the code again.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn authority(&self) -> Result<Option<X509>, TrustError> {
        self.certificate_in(uplink::AUTHORITY_FILE)
    }

    /// Keeps the authority for good.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn keep_authority(&self, authority: &X509) -> Result<(), TrustError> {
        self.write(uplink::AUTHORITY_FILE, &authority.to_pem()?)
    }

    /// The certificate, if one is kept. A damaged one counts as none: the key is still ours, so another is asked for.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn certificate(&self) -> Result<Option<X509>, TrustError> {
        self.certificate_in(uplink::CERTIFICATE_FILE)
    }

    /// From when to when the certificate is good, if one is kept.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn validity(&self) -> Result<Option<(Timestamp, Timestamp)>, TrustError> {
        let Some(certificate) = self.certificate()? else {
            return Ok(None);
        };
        let times = authority::validity(&certificate).map_err(|source| TrustError::Certificate {
            path: self.path(uplink::CERTIFICATE_FILE),
            source,
        })?;
        Ok(Some(times))
    }

    /// Who the sensor is, if it is enrolled: if all files are there, and are about the same sensor and key. What a crash
    /// left half is asked for again.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn identity(&self) -> Result<Option<Identity>, TrustError> {
        let (Some(key), Some(_), Some(certificate), Some(identity)) = (
            self.kept_key()?,
            self.authority()?,
            self.certificate()?,
            self.enrolled_as()?,
        ) else {
            return Ok(None);
        };
        let Ok((subject, fingerprint)) = authority::subject(&certificate) else {
            return Ok(None);
        };
        let is_ours = fingerprint == key.fingerprint()? && subject == identity.subject();
        Ok(is_ours.then_some(identity))
    }

    /// Who the sensor was enrolled as, whatever became of its certificate since.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn enrolled_as(&self) -> Result<Option<Identity>, TrustError> {
        let text = self.read(IDENTITY)?;
        text.map(|text| self.understood(&text)).transpose()
    }

    /// Keeps what the centre answered, checked: first who the sensor is, then the certificate.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn keep(&self, identity: Identity, certificate: &str) -> Result<Identity, TrustError> {
        let written = Written {
            sensor: identity.sensor.to_string(),
            organization: identity.organization.to_string(),
            zone: identity.zone,
            keys: identity.keys.clone(),
        };
        self.write(IDENTITY, &serde_json::to_vec(&written).unwrap_or_default())?;
        self.write(uplink::CERTIFICATE_FILE, certificate.as_bytes())?;
        Ok(identity)
    }

    fn understood(&self, text: &[u8]) -> Result<Identity, TrustError> {
        let bad = |detail: String| TrustError::Identity {
            path: self.path(IDENTITY),
            detail,
        };
        let written: Written = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
        Ok(Identity {
            sensor: SensorId::parse(&written.sensor).map_err(|error| bad(error.to_string()))?,
            organization: OrganizationNumber::parse(&written.organization)
                .map_err(|error| bad(error.to_string()))?,
            zone: written.zone,
            keys: written.keys,
        })
    }

    fn certificate_in(&self, name: &str) -> Result<Option<X509>, TrustError> {
        let Some(pem) = self.read(name)? else {
            return Ok(None);
        };
        match X509::from_pem(&pem) {
            Ok(certificate) => Ok(Some(certificate)),
            Err(error) => {
                tracing::warn!(%error, path = self.path(name), "a certificate is damaged; asking for another");
                Ok(None)
            }
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, TrustError> {
        files::read(&self.folder.join(name)).map_err(|source| TrustError::File {
            path: self.path(name),
            source,
        })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrustError> {
        files::write(&self.folder.join(name), bytes).map_err(|source| TrustError::File {
            path: self.path(name),
            source,
        })
    }
}

impl Identity {
    /// As a certificate says it.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject {
            organization: self.organization,
            sensor: self.sensor.clone(),
        }
    }

    /// Checks an answer: by the authority that is believed, for our key, of one mind with itself, and for the sensor
    /// that it was enrolled as. The keys under bundles are those of the code, and kept from then on: a gateway does not
    /// sign bundles, so it must not name who does.
    ///
    /// # Errors
    /// [`Unbelieved`].
    pub fn checked(
        certified: &Certified,
        key: &SensorKey,
        authority: &X509,
        before: Before,
    ) -> Result<Self, Unbelieved> {
        let certificate = X509::from_pem(certified.certificate.as_bytes())?;
        let vouched = authority.public_key()?;
        if !certificate.verify(&vouched).unwrap_or(false) {
            return Err(Unbelieved::Signature);
        }
        let (subject, fingerprint) = authority::subject(&certificate)?;
        if fingerprint != key.fingerprint()? {
            return Err(Unbelieved::Key);
        }
        let is_same = subject.sensor.as_str() == certified.sensor
            && subject.organization.to_string() == certified.organization;
        if !is_same {
            return Err(Unbelieved::Subject);
        }
        let keys = match before {
            Before::Enrolled(kept) if kept.subject() != subject => return Err(Unbelieved::Other),
            Before::Enrolled(kept) => kept.keys,
            Before::Code(pin) if signing::pin(&certified.keys)? != pin => return Err(Unbelieved::Keys),
            Before::Code(_) => certified.keys.clone(),
        };
        Ok(Self {
            sensor: subject.sensor,
            organization: subject.organization,
            zone: certified.zone,
            keys,
        })
    }
}

/// Whether a certificate is the authority of a code.
///
/// # Errors
/// OpenSSL's.
pub(crate) fn is_pinned(certificate: &X509, pin: Pin) -> Result<bool, AuthorityError> {
    Ok(authority::pin(certificate)? == pin)
}
