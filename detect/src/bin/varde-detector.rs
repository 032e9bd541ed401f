//! `varde-detector run --config FILE`: the detector as a process of its own.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use detect::{config::Config, service};
use ingest_bus::Bus;
use tokio_util::sync::CancellationToken;

/// An event that matches allocates for each of its fields, and for each of the alert's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Matches events against Sigma rules, correlations and indicators.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs until told to stop (SIGINT, SIGTERM).
    Run {
        /// The configuration, YAML.
        #[arg(long)]
        config: PathBuf,
    },
    /// Says whether the configuration can be used.
    Check {
        /// The configuration, YAML.
        #[arg(long)]
        config: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_env_filter(filter())
        .init();
    let (Command::Run { config: path } | Command::Check { config: path }) = &arguments.command;
    let config = match Config::read(path) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!("{:#}", anyhow::Error::from(error));
            return ExitCode::from(78);
        }
    };
    if matches!(arguments.command, Command::Check { .. }) {
        return ExitCode::SUCCESS;
    }
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    let bus = Bus::open(&config.bus.clone().named("varde-detector")).await?;
    let stop = CancellationToken::new();
    tokio::spawn(detect::service::cancel_on_signal(stop.clone()));
    service::run(config, bus, stop).await
}

fn filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_env("VARDE_LOG").unwrap_or_else(|_| "info".into())
}
