//! The detector's configuration: one YAML file, every key documented in `docs/operating.md`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use detect_rules::{LoadOptions, WarningModes};
use ingest_bus::BusConfig;
use ingest_event::OrganizationNumber;
use serde::Deserialize;
use thiserror::Error;

use crate::load::Sources;

/// Everything the detector can be told. Unknown keys are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where events come from and alerts go to.
    pub bus: BusConfig,
    /// Folders or files with Sigma rules and correlations.
    pub rules: Vec<PathBuf>,
    /// Processing pipelines: names of bundled ones, or files.
    #[serde(default)]
    pub pipelines: Vec<String>,
    /// Files with lists for placeholders, besides those among the rules.
    #[serde(default)]
    pub placeholders: Vec<PathBuf>,
    /// Feeds of indicators: files, or folders with them.
    #[serde(default)]
    pub indicators: Vec<PathBuf>,
    /// Warning lists: files, or folders with them.
    #[serde(default)]
    pub warning_lists: Vec<PathBuf>,
    /// Files with keys of restricted indicators, as `varde sensors publish` makes them: what sensors found by a hash is
    /// told apart with them.
    #[serde(default)]
    pub restricted_keys: Vec<PathBuf>,
    /// What each warning list comes to: whether it blocks, informs or is off.
    #[serde(default)]
    pub warning_modes: WarningModes,
    /// Models that rules of type `dga` and `flow` ask; without them these rules are silent.
    #[serde(default)]
    pub models: Vec<PathBuf>,
    /// The file in which checked rules wait for the next start; none if it is not named.
    #[serde(default)]
    pub rules_cache: Option<PathBuf>,
    /// The CERT's own organisation number: alerts about what was seen in several organisations are its own. Without it
    /// they are of the organisation where it was seen last, and name no other.
    #[serde(default)]
    pub cert_organization: Option<OrganizationNumber>,
    /// The consumer group: detectors with the same name share the work.
    #[serde(default = "default_group")]
    pub group: String,
    /// Where `/metrics`, `/healthz` and `/readyz` are served.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Milliseconds between checkpoints, at least: what is scanned again after a crash. Longer where one takes more
    /// than a tenth of it.
    #[serde(default = "default_checkpoint_interval_ms")]
    pub checkpoint_interval_ms: u64,
    /// How many partitions the topic of the signals gets when it is made: so many detectors can share what is held together.
    #[serde(default = "default_signals_partitions")]
    pub signals_partitions: u32,
    /// Milliseconds between looks at the files of rules and indicators; 0 looks only when told to (SIGHUP).
    #[serde(default = "default_reload_interval_ms")]
    pub reload_interval_ms: u64,
}

/// Enough for four detectors to share; each costs a small record a second and busy event partition.
pub const SIGNALS_PARTITIONS: u32 = 4;

/// A change is noticed within this, unless the configuration says otherwise.
pub const RELOAD_INTERVAL_MS: u64 = 1_000;

/// Why a configuration can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file does not say what a detector needs; the message has line and key.
    #[error("understand the configuration {}: {detail}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, key and mend.
        detail: String,
    },
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// If it can't be read, has an unknown key, or lacks a key.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        serde_saphyr::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            detail: said(&error),
        })
    }

    /// What is loaded, now and whenever it changes.
    #[must_use]
    pub fn sources(&self) -> Sources {
        Sources {
            rules: self.rules.clone(),
            options: LoadOptions {
                pipelines: self.pipelines.clone(),
                placeholders: self.placeholders.clone(),
            },
            indicators: self.indicators.clone(),
            warning_lists: self.warning_lists.clone(),
            restricted_keys: self.restricted_keys.clone(),
            warning_modes: self.warning_modes.clone(),
            models: self.models.clone(),
            cache: self.rules_cache.clone(),
            cert: self.cert_organization,
        }
    }
}

fn default_group() -> String {
    "varde-detector".to_owned()
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9465))
}

fn default_checkpoint_interval_ms() -> u64 {
    1_000
}

fn default_signals_partitions() -> u32 {
    SIGNALS_PARTITIONS
}

fn default_reload_interval_ms() -> u64 {
    RELOAD_INTERVAL_MS
}

/// What a parser says, once, with its place first: its own text repeats itself and calls every file `<input>`.
fn said(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    match error.location() {
        Some(place) => {
            let (line, column) = (place.line(), place.column());
            let what = text
                .strip_suffix(&format!(" at line {line}, column {column}"))
                .unwrap_or(&text);
            format!("line {line} column {column}: {what}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_with_file_line_and_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("detector.yml");
        std::fs::write(
            &path,
            "bus: { embedded: { directory: /tmp/x } }\nrules: []\ngruop: x\n",
        )
        .expect("written");
        let error = Config::read(&path).expect_err("refused").to_string();
        for part in ["detector.yml", "gruop", "line 3", "group"] {
            assert!(error.contains(part), "{part} in: {error}");
        }
        assert!(!error.contains("<input>") && !error.contains('\n'), "{error}");
    }
}
