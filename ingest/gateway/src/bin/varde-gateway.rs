//! `varde-gateway run|check --config FILE`: reads the configuration, runs the service, turns errors into exit codes.
#![forbid(unsafe_code)]

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use ingest_bus::Bus;
use ingest_gateway::config::{BUNDLE_SIGNING_KEY, Config};
use ingest_gateway::door::Door;
use ingest_gateway::metrics::Metrics;
use ingest_gateway::{clock, service};
use tokio_util::sync::CancellationToken;

/// Wrong usage, and wrong configuration (sysexits.h).
const USAGE: u8 = 64;
const CONFIG: u8 = 78;

/// How long what runs on threads of its own may hold up the end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Parser)]
#[command(
    name = "varde-gateway",
    version,
    about = "Enrols sensors, takes their records to the bus, hands out what they are to run"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the service.
    Run {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Checks the configuration and the files it names, and ends.
    Check {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("VARDE_LOG").unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let (path, runs) = match arguments.command {
        Command::Run { config } => (config, true),
        Command::Check { config } => (config, false),
    };
    let config = match Config::read(&path).map_err(anyhow::Error::new).and_then(checked) {
        Ok(config) => config,
        Err(error) => return fail(&error, CONFIG),
    };
    if !runs {
        return ExitCode::SUCCESS;
    }
    let ran = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let ran = runtime.block_on(run(config));
            // What a bus that does not answer holds up must not hold up the end.
            runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
            ran
        }
        Err(error) => Err(error.into()),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

/// The configuration, if the files that it names will do.
fn checked(config: Config) -> anyhow::Result<Config> {
    Door::new(&config.files()?, Metrics::new()?)?;
    if config.has_signing_key() {
        tracing::warn!(
            "{BUNDLE_SIGNING_KEY} lies beside the gateway's files; keep it where bundles are made and nowhere else"
        );
    }
    Ok(config)
}

async fn run(config: Config) -> anyhow::Result<()> {
    let bus = Bus::open(&config.bus.clone().named("varde-gateway")).await?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok()?;
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        stopping.cancel();
        Some(())
    });
    service::run(config, bus, clock::machine(), stop, |running| {
        let metrics = running
            .metrics
            .map(|address| address.to_string())
            .unwrap_or_default();
        tracing::info!(address = %running.address, metrics, "varde-gateway takes requests");
    })
    .await
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where a person reads why it did not start"
)]
fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("varde-gateway: failed to {error:#}");
    ExitCode::from(code)
}
