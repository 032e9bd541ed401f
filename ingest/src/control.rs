//! The sensor's side of trust: it enrols, renews its certificate, takes signed bundles of the centre and goes back from
//! those it fares worse with, and says so (decision 0013).
//!
//! [`run`] is a loop around [`agent`]: a bundle that says something else of the configuration is applied by ending the
//! agent's inside and starting it again; the spool stays. What a bundle brings beside its configuration lies in a folder that [`current`] names. Data comes from the
//! gateway and goes to `state/trust` and `state/control`.

pub mod bundle;
pub mod check;
pub mod enrol;
pub(crate) mod files;
pub mod gateway;
pub mod identity;
pub mod import;
mod keeper;
pub mod overlay;
pub mod renew;
mod reveals;
pub mod standing;
pub mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use ingest_bus::Bus;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::agent::{self, AgentSummary};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Plan};
use crate::metrics::Metrics;
use bundle::Store;
use enrol::EnrolError;
use identity::Trust;
use keeper::{Change, Keeper};
use standing::{Standing, StandingError};

/// How often the sensor does what.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between looks at its own figures and its certificate.
    pub look: Duration,
    /// Between questions for a bundle, and reports.
    pub ask: Duration,
    /// How long it runs before a bundle is applied: what fails without it has failed by then.
    pub settle: Duration,
    /// How long a bundle is watched.
    pub watch: Duration,
    /// Between questions of a sensor that was revoked.
    pub revoked: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(1),
            ask: Duration::from_secs(30),
            settle: Duration::from_secs(10),
            watch: Duration::from_secs(5 * 60),
            revoked: enrol::REVOKED_PAUSE,
        }
    }
}

/// Why a sensor can't run under a centre's control.
#[derive(Debug, Error)]
pub enum ControlError {
    /// It has no certificate.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// The configuration can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// All else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// The bundle that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// Its version.
    pub version: u64,
    /// Where its files are: `rules/`, `indicators/`.
    pub folder: PathBuf,
}

/// The bundle that the sensor of a state runs; `None` for none.
///
/// # Errors
/// If it can't be known.
pub fn current(state: &Path) -> Result<Option<Current>, StandingError> {
    let store = Store::at(state);
    let version = Standing::load(store.folder())?.current;
    Ok((version != 0).then(|| Current {
        version,
        folder: store.bundle(version),
    }))
}

/// Runs a sensor with an enrolment code until told to stop, or as [`agent::run`] ends.
///
/// # Errors
/// [`ControlError`]. That the centre is away is none.
pub async fn run(
    plan: Plan,
    clock: Clock,
    metrics: Metrics,
    pace: Pace,
    stop: CancellationToken,
) -> Result<AgentSummary, ControlError> {
    let trust = Trust::at(plan.state());
    let Some(code) = plan.enrolment() else {
        let config = plan.config(None, &overlay::Overlay::default())?;
        let bus = Bus::open(&config.bus).await.context("open the bus")?;
        return Ok(agent::run_with(config, bus, clock, metrics, stop).await?);
    };
    let enrolled = enrol::enrol(code, &trust, &stop).await?;
    let mut keeper = Keeper::start(plan, enrolled, clock.clone(), metrics.clone(), pace)?;
    loop {
        let config = keeper.config()?;
        let inner = stop.child_token();
        let running = inside(
            config.clone(),
            clock.clone(),
            metrics.clone(),
            keeper.steered(),
            inner.clone(),
        );
        tokio::pin!(running);
        let ended = tokio::select! {
            ended = &mut running => Some(ended),
            change = keeper.until_changed(&config) => match change {
                Change::Again => None,
            },
        };
        let (ended, is_ours) = match ended {
            Some(ended) => (ended, false),
            None => {
                inner.cancel();
                (running.await, true)
            }
        };
        match ended {
            Ok(_) if is_ours && !stop.is_cancelled() => {}
            Ok(summary) => {
                keeper.stopped();
                return Ok(summary);
            }
            Err(error) if stop.is_cancelled() => {
                keeper.stopped();
                return Err(error.into());
            }
            // Also an inside that can't end: the process has to, and the next one starts where this one was told to.
            Err(error) if is_ours || !keeper.has_worsened(&error) => {
                keeper.stopped();
                return Err(error.into());
            }
            Err(_) => {}
        }
    }
}

async fn inside(
    config: Config,
    clock: Clock,
    metrics: Metrics,
    steered: agent::Steered,
    stop: CancellationToken,
) -> anyhow::Result<AgentSummary> {
    let bus = Bus::open(&config.bus).await.context("open the bus")?;
    agent::run_steered(config, bus, clock, metrics, Some(steered), stop).await
}
