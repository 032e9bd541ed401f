//! The log in a service's store, opened only to be read, beside the service or without it.

use anyhow::Context as _;

use super::{Entry, Head};
use crate::{config::Config, store::Store};

/// Entries that are read at once.
const PAGE: u32 = 1_000;

/// The log of a service.
#[derive(Debug)]
pub struct Log {
    store: Store,
}

impl Log {
    /// Opens the store that a configuration names, for reading.
    ///
    /// # Errors
    /// If it is not there or can't be read.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let store = Store::open_beside(&config.store, &config.data, false).await?;
        Ok(Self { store })
    }

    /// How far the store says that the log goes.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn head(&self) -> anyhow::Result<Head> {
        self.store
            .audit_head()
            .await
            .context("read the head of the audit log")
    }

    /// The entries after one, in their order: the first thousand of them.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn after(&self, seq: u64) -> anyhow::Result<Vec<Entry>> {
        self.store
            .audit_after(seq, PAGE)
            .await
            .context("read the audit log")
    }
}
