//! What stays on site, in the sensor's `state`: the keys of pseudonyms, what they stand for, what was refused, and who
//! asked for what.
//!
//! Nothing of it is ever put on the bus; it is for whoever may read the sensor's own disk.

pub mod keys;
pub mod known;
pub mod questions;
pub mod reveal;
pub(crate) mod turns;

use std::path::Path;

use ingest_event::Zone;
use thiserror::Error;

use crate::config::Config;
use crate::disclose::Disclosure;
use crate::quarantine::Quarantine;
use keys::{KeyError, SiteKey};
use known::KnownNames;
pub use turns::TurnsError;

/// What stays on site.
#[derive(Debug)]
pub struct Site {
    /// What was refused.
    pub quarantine: Quarantine,
    /// What may leave, with the pseudonyms of the newest key.
    pub disclosure: Disclosure,
    known: KnownNames,
    quarantine_key: [u8; 32],
}

/// Why it can't be opened.
#[derive(Debug, Error)]
pub enum SiteError {
    /// The keys.
    #[error("open the keys of the site")]
    Keys(#[from] KeyError),
    /// What was refused, or what pseudonyms stand for.
    #[error("open what stays on site")]
    Files(#[from] TurnsError),
}

impl Site {
    /// Opens that of a sensor, and makes what is missing.
    ///
    /// # Errors
    /// If the disk refuses, or others may read a key.
    pub fn of(config: &Config) -> Result<Self, SiteError> {
        Self::in_state(&config.state, config)
    }

    /// The same, in another place than the configuration says.
    ///
    /// # Errors
    /// As [`Site::of`].
    pub fn in_state(state: &Path, config: &Config) -> Result<Self, SiteError> {
        Self::begin(state, |key| config.disclosure(key))
    }

    /// Opens one with the default disclosure in the zone of offices, without networks or domains of its own.
    ///
    /// # Errors
    /// As [`Site::of`].
    pub fn open(state: &Path) -> Result<Self, SiteError> {
        Self::begin(state, |key| {
            Disclosure::new(Zone::Administration, &[], key, &[], &[])
        })
    }

    fn begin(state: &Path, disclosure: impl FnOnce(&SiteKey) -> Disclosure) -> Result<Self, SiteError> {
        let keys = keys::open(state)?;
        let key = match keys.last() {
            Some(key) => key.clone(),
            None => keys::rotate(state)?,
        };
        Ok(Self {
            quarantine: Quarantine::open(state)?,
            disclosure: disclosure(&key),
            known: KnownNames::open(state, key.id())?,
            quarantine_key: key.derive("varde 2026 digests of what was refused"),
        })
    }

    /// Writes down what new pseudonyms stand for.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn remember(&mut self) -> Result<(), TurnsError> {
        known::remember(&mut self.known, self.disclosure.pseudonyms())
    }

    /// The key of the digests of what was refused.
    #[must_use]
    pub fn quarantine_key(&self) -> &[u8; 32] {
        &self.quarantine_key
    }
}
