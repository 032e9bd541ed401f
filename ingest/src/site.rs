//! What stays on site, in the sensor's `state`: the keys of pseudonyms and what was refused.
//!
//! Nothing of it is ever put on the bus; it is for whoever may read the sensor's own disk.

pub mod keys;

use std::path::Path;

use thiserror::Error;

use crate::quarantine::{Quarantine, QuarantineError};
use keys::{KeyError, SiteKey};

/// What stays on site.
#[derive(Debug)]
pub struct Site {
    /// What was refused.
    pub quarantine: Quarantine,
    key: SiteKey,
    quarantine_key: [u8; 32],
}

/// Why it can't be opened.
#[derive(Debug, Error)]
pub enum SiteError {
    /// The keys.
    #[error("open the keys of the site")]
    Keys(#[from] KeyError),
    /// What was refused.
    #[error("open what was refused")]
    Quarantine(#[from] QuarantineError),
}

impl Site {
    /// Opens it, and makes what is missing.
    ///
    /// # Errors
    /// If the disk refuses, or others may read a key.
    pub fn open(state: &Path) -> Result<Self, SiteError> {
        let keys = keys::open(state)?;
        let key = match keys.last() {
            Some(key) => key.clone(),
            None => keys::rotate(state)?,
        };
        Ok(Self {
            quarantine: Quarantine::open(state)?,
            quarantine_key: key.derive("varde 2026 digests of what was refused"),
            key,
        })
    }

    /// The key of this epoch.
    #[must_use]
    pub fn key(&self) -> &SiteKey {
        &self.key
    }

    /// The key of the digests of what was refused.
    #[must_use]
    pub fn quarantine_key(&self) -> &[u8; 32] {
        &self.quarantine_key
    }
}
