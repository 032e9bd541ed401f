//! The third adapter: a producer whose records go to `varde-gateway` over HTTPS, for sensors (decision 0013).
//!
//! It publishes and nothing else: a sensor reads no topic. The gateway decides what a certificate may write; here a topic's
//! name only says which of its two ways a record takes. Records come from the sensor's spool and go to
//! `POST /v1/records/{events|quarantine}`; the gateway reads them with [`decode`].

mod client;
mod codec;
mod pace;
mod producer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Url;
use thiserror::Error;

use crate::error::{ErrorClass, OpenError, TopicError};
use crate::topic::TopicSpec;

pub use codec::{BODY_BYTES_MAX, CodecError, RAW_BYTES_MAX, RECORDS_MAX, decode, encode, raw_bytes};
pub use producer::{RECORD_BYTES_MAX, UplinkProducer};

/// The sensor's key in its directory: PKCS #8, PEM.
pub const KEY_FILE: &str = "sensor.key";

/// Its certificate, PEM.
pub const CERTIFICATE_FILE: &str = "sensor.crt";

/// The certificate of the one authority that is believed, PEM.
pub const AUTHORITY_FILE: &str = "authority.crt";

/// Path of the requests that carry records; `events` or `quarantine` follows.
pub const RECORDS_PATH: &str = "/v1/records/";

/// An open way to a gateway; clones share its connections.
#[derive(Clone, Debug)]
pub struct UplinkBus {
    uplink: Arc<client::Uplink>,
}

/// Why the gateway did not take something, or was not asked.
#[derive(Debug, Error)]
pub enum UplinkError {
    /// The sensor has no certificate yet.
    #[error("{} is not there yet; the sensor gets it when the centre has approved it", file.display())]
    NotEnrolled {
        /// What is missing.
        file: PathBuf,
    },
    /// A file can't be read.
    #[error("read {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The files are there and no identity.
    #[error("use key, certificate and authority in {}; enrol the sensor again", directory.display())]
    Identity {
        /// Where they are.
        directory: PathBuf,
        /// The TLS library's reason.
        #[source]
        source: reqwest::Error,
    },
    /// The gateway could not be asked, or its answer did not come.
    #[error("reach the gateway")]
    Request(#[source] reqwest::Error),
    /// It said no.
    #[error("the gateway refuses ({reason}): {detail}")]
    Refused {
        /// Its word, as in `docs/gateway.md`.
        reason: String,
        /// For people.
        detail: String,
    },
    /// A record that the sensor may not write: its key is not what the certificate says, today.
    #[error("the gateway does not let the sensor write record {index}: {detail}")]
    Forbidden {
        /// Which of the call, from 0.
        index: usize,
        /// For people.
        detail: String,
    },
    /// An answer that no gateway gives.
    #[error("the gateway answers with status {0} and no reason; check the address")]
    Answer(u16),
    /// A record that can't go this way.
    #[error("record {index} can't go through a gateway: {what}")]
    Record {
        /// Which of the call, from 0.
        index: usize,
        /// What it has or lacks.
        what: &'static str,
    },
    /// A topic that can't.
    #[error("{topic} is nothing that is written through a gateway")]
    Topic {
        /// Its name.
        topic: String,
    },
    /// Something else than publishing.
    #[error("{0} is not possible through a gateway; use kafka or embedded")]
    NotThrough(&'static str),
}

impl UplinkBus {
    /// Prepares the way to a gateway. The files need not be there yet, nor the gateway be up: publishing tells.
    ///
    /// # Errors
    /// [`OpenError::Gateway`] if `url` is not `https://host[:port]`.
    pub fn open(url: &str, directory: &Path) -> Result<UplinkBus, OpenError> {
        let bad = || OpenError::Gateway { url: url.to_owned() };
        let parsed = Url::parse(url).map_err(|_| bad())?;
        let is_bare = matches!(parsed.path(), "" | "/")
            && parsed.query().is_none()
            && parsed.fragment().is_none()
            && parsed.username().is_empty()
            && parsed.password().is_none();
        if parsed.scheme() != "https" || parsed.host().is_none() || !is_bare {
            return Err(bad());
        }
        let uplink = client::Uplink::new(url.trim_end_matches('/').to_owned(), directory.to_owned());
        Ok(UplinkBus {
            uplink: Arc::new(uplink),
        })
    }

    /// See [`crate::Bus::ensure_topics`]: the gateway makes them itself.
    ///
    /// # Errors
    /// None.
    pub fn ensure_topics(&self, _: &[TopicSpec]) -> Result<(), TopicError> {
        Ok(())
    }

    /// See [`crate::Bus::producer`].
    #[must_use]
    pub fn producer(&self) -> UplinkProducer {
        UplinkProducer::new(Arc::clone(&self.uplink))
    }
}

impl UplinkError {
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            UplinkError::NotEnrolled { .. } | UplinkError::Read { .. } | UplinkError::Request(_) => {
                ErrorClass::Transient
            }
            UplinkError::Refused { reason, .. } if matches!(reason.as_str(), "busy" | "away") => {
                ErrorClass::Transient
            }
            // Which record it is, the bus did not say: it is looked for by halves.
            UplinkError::Refused { reason, .. } if reason == "too_large" => ErrorClass::Poison,
            UplinkError::Forbidden { .. } => ErrorClass::Poison,
            UplinkError::Answer(status) if 500 <= *status || matches!(status, 408 | 429) => {
                ErrorClass::Transient
            }
            UplinkError::Identity { .. }
            | UplinkError::Refused { .. }
            | UplinkError::Answer(_)
            | UplinkError::Record { .. }
            | UplinkError::Topic { .. }
            | UplinkError::NotThrough(_) => ErrorClass::Permanent,
        }
    }
}

#[cfg(test)]
mod tests;
