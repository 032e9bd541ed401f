//! The sensor as a program: reads its configuration, runs until told to stop.

#[path = "varde-sensor/site.rs"]
mod site;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use ingest::{agent, clock::Clock, config, live, source};
use tokio_util::sync::CancellationToken;

/// Varde's sensor: reads captures and logs, sends events.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Read and send until stopped.
    Run(Options),
    /// Check the configuration and the files it names.
    Check(Options),
    /// Print what was refused, as it was: it never left the site.
    Quarantine(Options),
    /// Print what leaves the building, field by field, under this configuration.
    Privacy {
        #[command(flatten)]
        options: Options,
        /// Datasets that begin so.
        #[arg(long, value_name = "START", default_value = "")]
        dataset: String,
    },
    /// Answer what pseudonyms stand for, after a person on site said yes; it is written down.
    Reveal(site::RevealOptions),
    /// Make a new key of pseudonyms, for the sensor's next start.
    Rotate(Options),
}

impl Command {
    fn config(&self) -> &Path {
        match self {
            Self::Run(options)
            | Self::Check(options)
            | Self::Quarantine(options)
            | Self::Privacy { options, .. }
            | Self::Rotate(options) => &options.config,
            Self::Reveal(options) => &options.config,
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
const EXIT_USAGE: u8 = 64;
const EXIT_CONFIG: u8 = 78;

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
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let config = match config::load(command.config()) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!("{:#}", anyhow::Error::new(error));
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let result = match command {
        Command::Run(_) => run(config),
        Command::Check(_) => check(&config),
        Command::Quarantine(_) => site::quarantine(&config),
        Command::Privacy { dataset, .. } => site::privacy(&config, &dataset),
        Command::Reveal(options) => site::answer(&config, options),
        Command::Rotate(_) => site::rotate(&config),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs, and ends also where a disk does not answer any more.
fn run(config: config::Config) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("start")?;
    let ended = runtime.block_on(serve(config));
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    ended
}

async fn serve(config: config::Config) -> anyhow::Result<ExitCode> {
    let bus = ingest_bus::Bus::open(&config.bus).await.context("open the bus")?;
    let stop = CancellationToken::new();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        stopping.cancel();
    });
    let summary = agent::run(config, bus, Clock::System, stop).await?;
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

fn check(config: &config::Config) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for source in &config.sources {
        if let config::Source::Capture(capture) = source {
            match live::interface_of(capture).and_then(|name| live::open_rings(capture).map(|_| name)) {
                Ok(interface) => tracing::info!(interface, "can be listened to"),
                Err(error) => {
                    tracing::error!("{error:#}");
                    code = ExitCode::FAILURE;
                }
            }
        }
        if let config::Source::SyslogTls(syslog) = source
            && let Err(error) = live::check_tls(syslog)
        {
            tracing::error!("{error:#}");
            code = ExitCode::FAILURE;
        }
        let config::Source::File(file) = source else {
            continue;
        };
        if file.follow && file.path.is_dir() {
            tracing::info!(path = %file.path.display(), "is a folder; its logs are followed");
            continue;
        }
        match source::open(&file.path, &source::FileOptions::default()) {
            Ok(open) => tracing::info!(path = open.path(), format = open.format().as_str(), "readable"),
            Err(error) => {
                tracing::error!("{:#}", anyhow::Error::new(error));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
