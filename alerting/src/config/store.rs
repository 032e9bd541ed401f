//! Where incidents are kept: a file of this machine's, or a PostgreSQL that several instances share.

use std::{net::IpAddr, path::PathBuf, str::FromStr};

use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::{ConfigError, read_text};

/// What an address may have after the question mark; `host` names the folder of a socket.
const PARAMETERS: [&str; 5] = ["sslmode", "sslrootcert", "sslcert", "sslkey", "host"];

/// Where incidents are kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum StoreSettings {
    /// One SQLite file in `data`, for one instance.
    #[default]
    Sqlite,
    /// A PostgreSQL, for one instance or several.
    Postgres(PostgresSettings),
}

/// Where a PostgreSQL is. Exactly one of both is given, as the address holds a password.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresSettings {
    /// A file with the address, as `postgres://user:password@host:5432/database?sslmode=verify-full`.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// An environment variable with it.
    #[serde(default)]
    pub url_env: Option<String>,
}

/// The address of a PostgreSQL. It holds a password: it is not shown.
#[derive(Clone)]
pub(crate) struct PostgresUrl(String);

impl PostgresSettings {
    /// The address from its file or variable.
    ///
    /// # Errors
    /// If it can't be read, is none, or would cross a network without the server proving who it is. No error holds a part of
    /// the address.
    pub(crate) fn url(&self) -> Result<PostgresUrl, ConfigError> {
        let (origin, key, text) = match (&self.url_file, &self.url_env) {
            (Some(path), None) => (path.clone(), "store.postgres.url_file", read_text(path)?),
            (None, Some(name)) => {
                let origin = PathBuf::from("the environment");
                let key = "store.postgres.url_env";
                let Ok(text) = std::env::var(name) else {
                    let mend = format!("set the variable {name}");
                    return Err(ConfigError::Value {
                        path: origin,
                        key,
                        mend,
                    });
                };
                (origin, key, text)
            }
            _ => {
                return Err(ConfigError::Value {
                    path: PathBuf::from("the configuration"),
                    key: "store.postgres",
                    mend: "give one of `url_file` and `url_env`".to_owned(),
                });
            }
        };
        PostgresUrl::parse(text.trim()).map_err(|mend| ConfigError::Value {
            path: origin,
            key,
            mend: mend.to_owned(),
        })
    }
}

impl PostgresUrl {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "write it as postgres://user:password@host:5432/database, with special characters of the \
                             password as %20 and so on";
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err(SHAPE);
        }
        let url = reqwest::Url::parse(text).map_err(|_| SHAPE)?;
        // The driver logs what it does not know, with its value.
        if url.query_pairs().any(|(name, _)| !PARAMETERS.contains(&&*name)) {
            return Err("after ? it may have sslmode, sslrootcert, sslcert, sslkey, host, and no other");
        }
        let options = PgConnectOptions::from_str(text).map_err(|_| SHAPE)?;
        let is_verified = matches!(
            options.get_ssl_mode(),
            PgSslMode::VerifyCa | PgSslMode::VerifyFull
        );
        let host = options.get_host();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_here = options.get_socket().is_some()
            || host.starts_with('/')
            || host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !is_verified && !is_here {
            return Err(
                "the server is on another machine: add ?sslmode=verify-full (and &sslrootcert=FILE if its \
                 certificate is of your own authority)",
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// For a driver, and nobody else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresUrl(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crosses_a_network_must_be_verified_and_no_refusal_says_a_part_of_it() {
        for (text, is_taken) in [
            ("postgres://varde:hemmelig@127.0.0.1:5432/varde", true),
            ("postgresql://varde:hemmelig@localhost/varde", true),
            ("postgres://varde:hemmelig@[::1]:5432/varde", true),
            (
                "postgres://varde:hemmelig@10.0.0.1/varde?sslmode=verify-full",
                true,
            ),
            (
                "postgres://varde:hemmelig@[2001:db8::1]/varde?sslmode=verify-ca",
                true,
            ),
            ("postgres://varde:hemmelig@10.0.0.1/varde", false),
            (
                "postgres://varde:hemmelig@[2001:db8::1]/varde?sslmode=require",
                false,
            ),
            (
                "postgres://varde:hemmelig@db.cert.example/varde?sslmode=prefer",
                false,
            ),
            ("host=127.0.0.1 user=varde password=hemmelig", false),
            ("mysql://varde:hemmelig@127.0.0.1/varde", false),
            ("postgres://varde:hemme lig@127.0.0.1:port/varde", false),
            (
                "postgres://varde:hemmelig@127.0.0.1/varde?sslmode=hemmelig",
                false,
            ),
            ("postgres://varde@127.0.0.1/varde?passwd=hemmelig", false),
            ("postgres:///varde?host=/run/postgresql", true),
            ("", false),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("store.url");
            std::fs::write(&file, format!("{text}\n")).expect("written");
            let settings = PostgresSettings {
                url_file: Some(file),
                url_env: None,
            };
            match settings.url() {
                Ok(url) => {
                    assert!(is_taken, "{text}");
                    assert!(!format!("{url:?}").contains("hemmelig"));
                }
                Err(error) => {
                    assert!(!is_taken, "{text}: {error}");
                    let said = format!("{:#}", anyhow::Error::from(error));
                    assert!(!said.contains("hemme") && said.contains("store.url"), "{said}");
                }
            }
        }
    }

    #[test]
    fn one_of_file_and_variable_is_given() {
        let variable = |name: &str| Some(name.to_owned());
        for settings in [
            PostgresSettings {
                url_file: None,
                url_env: None,
            },
            PostgresSettings {
                url_file: Some("x".into()),
                url_env: variable("X"),
            },
            PostgresSettings {
                url_file: None,
                url_env: variable("VARDE_NOT_SET_ANYWHERE"),
            },
        ] {
            assert!(settings.url().is_err(), "{settings:?}");
        }
    }
}
