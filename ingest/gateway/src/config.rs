//! The configuration: one YAML file, unknown keys refused with file and line; and the files of the authority it names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ingest_bus::BusConfig;
use ingest_trust::signing::{SigningError, VerifyingKey};
use ingest_trust::{Authority, AuthorityError};
use serde::Deserialize;
use thiserror::Error;

/// The authority's certificate in the directory, PEM; `varde sensors authority` makes these files.
pub const AUTHORITY_CERTIFICATE: &str = "authority.crt";
/// Its key, PKCS #8, PEM.
pub const AUTHORITY_KEY: &str = "authority.key";
/// The gateway's certificate, PEM.
pub const GATEWAY_CERTIFICATE: &str = "gateway.crt";
/// Its key.
pub const GATEWAY_KEY: &str = "gateway.key";
/// The keys under bundles that sensors are told at enrolment, one a line in base64.
pub const BUNDLE_KEYS: &str = "bundles.pub";
/// The key that signs bundles. It does not belong to the gateway.
pub const BUNDLE_SIGNING_KEY: &str = "bundles.key";

/// Everything the service can be told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where records go, and where who is who stands.
    pub bus: BusConfig,
    /// The folder with authority, certificate and keys, as `varde sensors authority` makes it.
    pub directory: PathBuf,
    /// Where sensors come to; port 0 takes any free one.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Where `/metrics`, `/healthz` and `/readyz` are served; nowhere without it.
    #[serde(default)]
    pub listen_metrics: Option<SocketAddr>,
}

/// What the directory holds.
pub struct Files {
    /// Who vouches for sensors.
    pub authority: Authority,
    /// Its certificate, PEM.
    pub authority_pem: String,
    /// The gateway's certificate, PEM.
    pub certificate: Vec<u8>,
    /// Its key, PEM.
    pub key: Vec<u8>,
    /// The keys under bundles.
    pub bundle_keys: Vec<VerifyingKey>,
}

/// Why a configuration can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file can't be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file does not say what it should; the detail has line, key and mend.
    #[error("understand {}: {detail}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, key and mend.
        detail: String,
    },
    /// A gateway behind a gateway.
    #[error("use {}: `bus`: a gateway writes to `kafka` or `embedded`, not to a gateway", path.display())]
    Bus {
        /// The file.
        path: PathBuf,
    },
    /// The authority's files.
    #[error("use {AUTHORITY_CERTIFICATE} and {AUTHORITY_KEY} in {}", directory.display())]
    Authority {
        /// Where they are.
        directory: PathBuf,
        /// What is wrong.
        #[source]
        source: AuthorityError,
    },
    /// The keys under bundles.
    #[error("use {}", path.display())]
    BundleKeys {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: SigningError,
    },
    /// There are none: sensors would keep that they believe nobody.
    #[error("{} has no key; write the public keys under bundles into it, one a line", path.display())]
    NoBundleKeys {
        /// The file.
        path: PathBuf,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// If it can't be read, has an unknown key, lacks one, or a value can't be.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = String::from_utf8_lossy(&read(path.to_owned())?).into_owned();
        let config: Self = serde_saphyr::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
        if matches!(config.bus, BusConfig::Gateway { .. }) {
            return Err(ConfigError::Bus {
                path: path.to_owned(),
            });
        }
        Ok(config)
    }

    /// Reads the files of the directory.
    ///
    /// # Errors
    /// If one is missing, or not what it should be.
    pub fn files(&self) -> Result<Files, ConfigError> {
        let file = |name| read(self.directory.join(name));
        let certificate = file(AUTHORITY_CERTIFICATE)?;
        let wrong = |source| ConfigError::Authority {
            directory: self.directory.clone(),
            source,
        };
        let authority = Authority::from_pem(&certificate, &file(AUTHORITY_KEY)?).map_err(wrong)?;
        let authority_pem = authority.certificate_pem().map_err(wrong)?;
        let text = String::from_utf8_lossy(&file(BUNDLE_KEYS)?).into_owned();
        let bundle_keys: Vec<_> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(VerifyingKey::parse)
            .collect::<Result<_, _>>()
            .map_err(|source| ConfigError::BundleKeys {
                path: self.directory.join(BUNDLE_KEYS),
                source,
            })?;
        if bundle_keys.is_empty() {
            let path = self.directory.join(BUNDLE_KEYS);
            return Err(ConfigError::NoBundleKeys { path });
        }
        Ok(Files {
            authority,
            authority_pem,
            certificate: file(GATEWAY_CERTIFICATE)?,
            key: file(GATEWAY_KEY)?,
            bundle_keys,
        })
    }

    /// Whether the key that signs bundles lies where the gateway reads: whoever takes the gateway over could then tell
    /// all sensors what to run.
    #[must_use]
    pub fn has_signing_key(&self) -> bool {
        self.directory.join(BUNDLE_SIGNING_KEY).exists()
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 0], 8443))
}

fn read(path: PathBuf) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(&path).map_err(|source| ConfigError::Read { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_and_a_gateway_behind_it_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        for (text, part) in [
            ("bus: { embedded: { directory: b } }\ndirectory: d\n", None),
            (
                "bus: { embedded: { directory: b } }\ndirectory: d\nlisten: \"[::1]:0\"\n",
                None,
            ),
            (
                "bus: { embedded: { directory: b } }\ndirectory: d\nport: 1\n",
                Some("port"),
            ),
            (
                "bus: { gateway: { url: \"https://a:1\", directory: b } }\ndirectory: d\n",
                Some("not to a gateway"),
            ),
        ] {
            let path = folder.path().join("gateway.yml");
            std::fs::write(&path, text).expect("written");
            let said = Config::read(&path).err().map(|error| error.to_string());
            match part {
                None => assert_eq!(said, None, "{text}"),
                Some(part) => assert!(
                    said.as_deref().is_some_and(|said| said.contains(part)),
                    "{said:?}"
                ),
            }
        }
    }
}
