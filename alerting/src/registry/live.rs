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
/// If a file or the store can't be read, or they contradict each other.
pub(crate) async fn open(config: &Config, store: &Store) -> anyhow::Result<Loaded> {
    let files = load(config)?;
    // The version first: rows of a later one are read again with it.
    let version = store
        .registry_version()
        .await
        .context("read the registry's version")?;
    let rows = store.registry_rows().await.context("read the registry's rows")?;
    files.with_rows(rows, version).map_err(|flaws| {
        let flaws: Vec<String> = flaws.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(
            "lay what was imported and entered over the registry's files: {}; mend the files, or take the row back on another \
             instance or with the files as they were",
            flaws.join("; ")
        )
    })
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
    let changed = known
        .with_rows(rows, version)
        .map_err(|flaws| flaws.first().map_or_else(String::new, ToString::to_string))?;
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
