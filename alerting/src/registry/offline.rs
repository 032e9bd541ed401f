//! The registry from the command line: the files and the store of a configuration, beside a service or without one.

use std::time::Duration;

use alerting_incident::Actor;
use anyhow::Context as _;
use ingest_event::Timestamp;

use super::coverage::{Coverage, coverage};
use super::desk::{self, Hand, ImportChanges, Refused};
use super::form::{Flaw, json::Forms};
use super::{Layer, Loaded, live};
use crate::{config::Config, store::Store};

/// Deliveries that were given up within this time are told of.
const LATELY: Duration = Duration::from_hours(24 * 30);

/// A registry and its store.
#[derive(Debug)]
pub struct Offline {
    store: Store,
    /// What holds.
    pub loaded: Loaded,
}

/// Why an import is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It can't be.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Flaws(Vec<Flaw>),
    /// The store, or what was imported meanwhile.
    #[error("{0:#}")]
    Store(anyhow::Error),
}

impl Offline {
    /// Opens a configuration's files and store, only to be read.
    ///
    /// # Errors
    /// If one can't be read, or they contradict each other.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        Self::with(
            config,
            Store::open_beside(&config.store, &config.data, false).await?,
        )
        .await
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// As [`Offline::open`].
    pub async fn open_to_change(config: &Config) -> anyhow::Result<Self> {
        Self::with(
            config,
            Store::open_beside(&config.store, &config.data, true).await?,
        )
        .await
    }

    async fn with(config: &Config, store: Store) -> anyhow::Result<Self> {
        let loaded = live::open(config, &store).await?;
        Ok(Self { store, loaded })
    }

    /// What an import would change.
    ///
    /// # Errors
    /// If it can't be, beside the files and the manual rows.
    pub fn preview(&self, forms: &Forms) -> Result<ImportChanges, Vec<Flaw>> {
        let manual = self.loaded.rows.iter().filter(|row| row.layer == Layer::Manual);
        let rows = manual.cloned().chain(desk::as_rows(forms)).collect();
        self.loaded.with_rows(rows, self.loaded.version)?;
        Ok(desk::compare(&self.loaded, forms))
    }

    /// Takes an import that was looked at.
    ///
    /// # Errors
    /// If it can't be, another one was taken meanwhile, or the store is away.
    pub async fn import(
        &self,
        forms: &Forms,
        preview: &str,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<ImportChanges, ImportError> {
        let reason = desk::reason(Some(reason)).map_err(|flaw| ImportError::Flaws(vec![flaw]))?;
        let actor = Actor::Analyst {
            name: by.to_owned(),
            account: None,
        };
        let hand = Hand {
            actor: &actor,
            now,
            reason: &reason,
        };
        match desk::import(&self.store, &self.loaded, forms, preview, &hand).await {
            Ok((_, changes)) => Ok(changes),
            Err(Refused::Flaws(flaws)) => Err(ImportError::Flaws(flaws)),
            Err(other) => Err(ImportError::Store(other.into())),
        }
    }

    /// Who would receive nothing.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn coverage(&self, now: Timestamp) -> anyhow::Result<Coverage> {
        let failed = self.store.failed_since(now.saturating_sub(LATELY)).await;
        let failed = failed.context("read which deliveries were given up")?;
        let given_up: Vec<_> = failed
            .into_iter()
            .map(|failed| (failed.responder, failed.channel, failed.count, failed.last))
            .collect();
        Ok(coverage(&self.loaded, &given_up, now))
    }
}
