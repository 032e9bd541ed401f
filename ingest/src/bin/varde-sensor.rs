//! The sensor as a program: reads its configuration, runs until told to stop.

#[path = "varde-sensor/check.rs"]
mod check;
#[path = "varde-sensor/questions.rs"]
mod questions;
#[path = "varde-sensor/site.rs"]
mod site;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use ingest::clock::Clock;
use ingest::config::Plan;
use ingest::control::enrol::EnrolError;
use ingest::control::{self, ControlError, Pace};
use ingest::metrics::Metrics;
use ingest::rights::{self, Needs};
use tokio_util::sync::CancellationToken;

/// Varde's sensor: reads captures and logs, sends events.
#[derive(Parser)]
#[command(name = "varde-sensor", version = ingest::VERSION)]
enum Command {
    /// Read and send until stopped.
    Run(Options),
    /// Check the configuration, what it names, and the way to the centre; change nothing.
    Check(Options),
    /// Take a control bundle that was brought by hand: its signed list and its files, or a folder of them.
    Import {
        #[command(flatten)]
        options: Options,
        /// Files and folders.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Print what was refused, as it was: it never left the site.
    Quarantine(Options),
    /// Print what matched while the centre was away: it is told on site only.
    Alerts(Options),
    /// Print what leaves the building, field by field, under this configuration.
    Privacy {
        #[command(flatten)]
        options: Options,
        /// Datasets that begin so.
        #[arg(long, value_name = "START", default_value = "")]
        dataset: String,
    },
    /// Answer what pseudonyms stand for, after a person on site said yes; it is written down.
    Reveal(questions::RevealOptions),
    /// Make a new key of pseudonyms, for the sensor's next start.
    Rotate(Options),
}

impl Command {
    fn config(&self) -> &Path {
        match self {
            Self::Run(options)
            | Self::Check(options)
            | Self::Quarantine(options)
            | Self::Alerts(options)
            | Self::Privacy { options, .. }
            | Self::Import { options, .. }
            | Self::Rotate(options) => &options.config,
            Self::Reveal(options) => options.config(),
        }
    }
}

#[derive(clap::Args)]
struct Options {
    /// The configuration, YAML.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Wrong usage, wrong configuration (sysexits.h).
const EXIT_FAILURE: u8 = 1;
const EXIT_USAGE: u8 = 64;
const EXIT_CONFIG: u8 = 78;

/// The centre refuses the sensor (sysexits.h).
const EXIT_REFUSED: u8 = 77;

/// How long work that can't be interrupted may take at the end.
const SHUTDOWN_MAX: std::time::Duration = std::time::Duration::from_secs(5);

fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("VARDE_LOG").unwrap_or_else(|_| "info".into());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if matches!(command, Command::Run(_)) {
        log.init();
    } else {
        // For whoever stands before it: only what there is to say.
        log.without_time().with_target(false).init();
    }
    let result = match command {
        Command::Run(options) => Plan::load(&options.config)
            .map_err(ControlError::Config)
            .and_then(run),
        Command::Check(options) => Plan::load(&options.config)
            .map_err(ControlError::Config)
            .and_then(|plan| Ok(check::check(&plan)?)),
        Command::Import { options, files } => Plan::load(&options.config)
            .map_err(ControlError::Config)
            .and_then(|plan| Ok(check::import(&plan, &files)?)),
        other => on_site(other),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            let code = match &error {
                ControlError::Config(_) | ControlError::Enrol(EnrolError::OtherCentre(_)) => EXIT_CONFIG,
                ControlError::Enrol(EnrolError::Refused(_)) => EXIT_REFUSED,
                ControlError::Enrol(EnrolError::Stopped) => return ExitCode::SUCCESS,
                ControlError::Enrol(EnrolError::Trust(_) | EnrolError::OpenSsl(_))
                | ControlError::Other(_) => EXIT_FAILURE,
            };
            tracing::error!("{:#}", anyhow::Error::new(error));
            ExitCode::from(code)
        }
    }
}

/// The commands that need a configuration, whole.
fn on_site(command: Command) -> Result<ExitCode, ControlError> {
    let plan = Plan::load(command.config())?;
    // With what a bundle adds: networks that are ours decide what is turned back, and how.
    let config = plan.config(plan.kept_identity()?.as_ref(), &control::check::overlay_of(&plan))?;
    Ok(match command {
        Command::Quarantine(_) => site::quarantine(&config),
        Command::Alerts(_) => site::alerts(&config),
        Command::Privacy { dataset, .. } => site::privacy(&config, &dataset),
        Command::Reveal(options) => questions::reveal(&config, options),
        Command::Rotate(_) => site::rotate(&config),
        // Those that need less have been answered.
        Command::Run(_) | Command::Check(_) | Command::Import { .. } => Ok(ExitCode::SUCCESS),
    }?)
}

/// Runs with no more rights than it needs, and ends also where a disk does not answer any more.
fn run(plan: Plan) -> Result<ExitCode, ControlError> {
    let left = rights::give_up(&Needs::of(&plan)).context("start")?;
    tracing::info!("what is left of the sensor's rights: {left}");
    let runtime = tokio::runtime::Runtime::new().context("start")?;
    let ended = runtime.block_on(serve(plan));
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    ended
}

async fn serve(plan: Plan) -> Result<ExitCode, ControlError> {
    let stop = CancellationToken::new();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("listen for signals")?;
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        stopping.cancel();
    });
    let metrics = Metrics::new().context("count")?;
    let summary = control::run(plan, Clock::System, metrics, Pace::default(), stop).await?;
    tracing::info!(
        read = summary.records_read,
        published = summary.events_published,
        refused = summary.records_refused,
        "done"
    );
    Ok(if summary.sources_failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
