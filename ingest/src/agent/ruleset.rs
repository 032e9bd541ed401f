//! Rules and indicators of a running sensor: loaded before anything is read, and again when another bundle runs.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Bundles, Intake};
use crate::config::Config;
use crate::control;
use crate::scan::load::{self, Files};
use crate::scan::ours::Ours;

/// Where they come from, and which are loaded.
#[derive(Debug)]
pub(super) struct Held {
    state: PathBuf,
    /// Those of the configuration.
    configured: Files,
    /// Without a centre there is no bundle.
    bundles: Option<watch::Receiver<Bundles>>,
    /// What was loaded last.
    files: Files,
    /// What no indicator is about.
    ours: Ours,
}

impl Held {
    /// The files of the configuration, and those of the bundle that runs. A bundle's are in a folder of its version.
    fn wanted(&self) -> Files {
        let configured = self.configured.clone();
        if self.bundles.is_none() {
            return configured;
        }
        match control::current(&self.state) {
            Ok(Some(current)) => configured.and_of_bundle(&current.folder),
            Ok(None) => configured,
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::error!(
                    error,
                    "find the bundle that runs; its rules and indicators are not used"
                );
                configured
            }
        }
    }
}

/// Loads what there is.
pub(super) async fn load(
    config: &Config,
    mut bundles: Option<watch::Receiver<Bundles>>,
    intake: &Arc<Intake>,
) -> anyhow::Result<Held> {
    // What changes from here on is news.
    if let Some(bundles) = &mut bundles {
        bundles.mark_unchanged();
    }
    let mut held = Held {
        state: config.state.clone(),
        configured: config.detect.files(),
        bundles,
        files: Files::default(),
        ours: Ours::of(config),
    };
    held.files = held.wanted();
    renew(&held, &held.files, intake).await?;
    Ok(held)
}

/// Loads again whenever another bundle runs, until told to stop.
pub(super) async fn follow(
    mut held: Held,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    while let Some(bundles) = &mut held.bundles {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = bundles.changed() => if changed.is_err() { return Ok(()) },
        }
        let wanted = held.wanted();
        if held.files != wanted {
            renew(&held, &wanted, &intake).await?;
            held.files = wanted;
        }
    }
    Ok(())
}

async fn renew(held: &Held, files: &Files, intake: &Arc<Intake>) -> anyhow::Result<()> {
    let (files, ours, scan) = (files.clone(), held.ours.clone(), Arc::clone(intake.scan()));
    if files.is_empty() {
        scan.put(None);
        return Ok(());
    }
    let renewing = tokio::task::spawn_blocking(move || load::renew(&scan, &files, &ours));
    renewing.await.context("load rules and indicators")
}
