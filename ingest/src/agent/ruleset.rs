//! Rules and indicators of a running sensor: loaded before anything is read, and again when another bundle runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Bundles, Intake};
use crate::config::Config;
use crate::control;
use crate::scan::load::{self, Files};
use crate::scan::ours::Ours;

/// Until what could not be read is tried again; doubled each time.
const PAUSE_MIN: Duration = Duration::from_secs(60);

/// The longest of these pauses: compiling rules is work.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);

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
    /// Whether all of it could be read.
    is_whole: bool,
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
        is_whole: true,
        ours: Ours::of(config),
    };
    held.files = held.wanted();
    held.is_whole = renew(&held, &held.files, intake).await?;
    Ok(held)
}

/// Loads again whenever another bundle runs, and after a while what could not be read, until told to stop.
pub(super) async fn follow(
    mut held: Held,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut pause = PAUSE_MIN;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = another(&mut held.bundles) => pause = PAUSE_MIN,
            () = tokio::time::sleep(pause), if !held.is_whole => pause = longer(pause),
        }
        let wanted = held.wanted();
        if held.files != wanted || !held.is_whole {
            held.is_whole = renew(&held, &wanted, &intake).await?;
            held.files = wanted;
        }
    }
}

/// The pause after one that brought nothing.
fn longer(pause: Duration) -> Duration {
    PAUSE_MAX.min(pause * 2)
}

/// Waits until another bundle runs; for ever where there are none.
async fn another(bundles: &mut Option<watch::Receiver<Bundles>>) {
    if let Some(receiver) = bundles
        && receiver.changed().await.is_ok()
    {
        return;
    }
    *bundles = None;
    std::future::pending().await
}

/// Whether all of it could be read.
async fn renew(held: &Held, files: &Files, intake: &Arc<Intake>) -> anyhow::Result<bool> {
    let (files, former, ours) = (files.clone(), held.files.clone(), held.ours.clone());
    let scan = Arc::clone(intake.scan());
    if files.is_empty() {
        scan.put(None);
        return Ok(true);
    }
    let renewing = tokio::task::spawn_blocking(move || load::renew(&scan, &files, &former, &ours));
    renewing.await.context("load rules and indicators")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_read_is_tried_after_a_minute_and_then_ever_more_seldom_up_to_an_hour() {
        let pauses = std::iter::successors(Some(PAUSE_MIN), |pause| Some(longer(*pause)));
        let minutes: Vec<u64> = pauses.take(8).map(|pause| pause.as_secs() / 60).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
