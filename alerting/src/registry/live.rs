//! The registry that holds now: the files of this process, and the rows of the store, which another instance may change.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::{Loaded, load};
use crate::{config::Config, state::State, store::Store};

/// How often the store is asked whether another instance changed something: one row by its key.
const LOOK: Duration = Duration::from_secs(2);

/// The files and the store's rows over them.
///
/// # Errors
/// If a file or the store can't be read, or the files contradict each other.
pub(crate) async fn open(config: &Config, store: &Store) -> anyhow::Result<Loaded> {
    let files = load(config)?;
    // The version first: rows of a later one are read again with it.
    let version = store
        .registry_version()
        .await
        .context("read the registry's version")?;
    let rows = store.registry_rows().await.context("read the registry's rows")?;
    let (loaded, flaws) = files.with_rows_that_fit(rows, version);
    if !flaws.is_empty() {
        tracing::error!(
            rows = flaws.len(),
            "left rows of the registry out that the files contradict: mend the files, or change the rows"
        );
        for flaw in &flaws {
            tracing::debug!(%flaw, "why a row was left out");
        }
    }
    Ok(loaded)
}

/// Takes what other instances change, until told to stop.
pub(crate) async fn follow(state: Arc<State>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if let Err(error) = look(&state).await {
            tracing::warn!(
                error = &*error,
                "look for changes of the registry; the one before holds"
            );
        }
    }
}

async fn look(state: &State) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let known = state.registry.load_full();
    let version = state.store.registry_version().await?;
    if version == known.version {
        return Ok(());
    }
    let rows = state.store.registry_rows().await?;
    let (changed, flaws) = known.with_rows_that_fit(rows, version);
    if !flaws.is_empty() {
        tracing::error!(
            rows = flaws.len(),
            "left rows of the registry out that this instance's files contradict"
        );
    }
    take(state, changed);
    Ok(())
}

/// Lets a registry hold, unless a later one does already.
pub(crate) fn take(state: &State, changed: Loaded) {
    let changed = Arc::new(changed);
    state.registry.rcu(|held| {
        if changed.version < held.version {
            Arc::clone(held)
        } else {
            Arc::clone(&changed)
        }
    });
}
