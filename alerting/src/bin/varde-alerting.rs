//! `varde-alerting run|check|accounts|reveal-key --config FILE`: reads the configuration, runs the service, turns errors into
//! exit codes. `varde-alerting openapi` describes the HTTP API.
#![forbid(unsafe_code)]

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use alerting::{
    access::accounts::{self, Verb},
    clock,
    config::Config,
    registry, reveal, service,
};
use clap::{Parser, Subcommand};
use ingest_bus::Bus;
use tokio_util::sync::CancellationToken;

/// Wrong usage, and wrong configuration (sysexits.h).
const USAGE: u8 = 64;
const CONFIG: u8 = 78;

#[derive(Parser)]
#[command(
    name = "varde-alerting",
    version,
    about = "Turns alerts into incidents and tells the right responder"
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
    /// Checks the configuration and the registry, and ends.
    Check {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Prints the key that sensors have to believe questions about pseudonyms under (`reveal_keys` of a control bundle);
    /// makes it the first time.
    RevealKey {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Says who may log in, and what they may do.
    Accounts {
        /// The configuration file.
        #[arg(long, global = true, default_value = "/etc/varde/alerting.yml")]
        config: PathBuf,
        /// What to do.
        #[command(subcommand)]
        verb: Verb,
    },
    /// Writes the description of the HTTP API (OpenAPI 3.1) to standard output.
    Openapi,
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
    let (path, runs, verb, prints_key) = match arguments.command {
        Command::Run { config } => (config, true, None, false),
        Command::Check { config } => (config, false, None, false),
        Command::RevealKey { config } => (config, false, None, true),
        Command::Accounts { config, verb } => (config, false, Some(verb), false),
        Command::Openapi => return describe(),
    };
    let config = match Config::read(&path).and_then(|config| registry::load(&config).map(|_| config)) {
        Ok(config) => config,
        Err(error) => return fail(&error.into(), CONFIG),
    };
    if let Some(verb) = verb {
        return match change_accounts(config, verb) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, 1),
        };
    }
    if prints_key {
        return match print_key(&config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, 1),
        };
    }
    if !runs {
        return ExitCode::SUCCESS;
    }
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("VARDE_LOG").unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

fn describe() -> ExitCode {
    match std::io::stdout().write_all(alerting::document().as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&anyhow::Error::from(error).context("write the description"), 1),
    }
}

fn print_key(config: &Config) -> anyhow::Result<()> {
    let settings = config.reveal.as_ref();
    let settings =
        settings.ok_or_else(|| anyhow::anyhow!("print a key: `reveal` is not in the configuration"))?;
    writeln!(std::io::stdout(), "{}", reveal::public_key(settings)?)?;
    Ok(())
}

#[tokio::main]
async fn change_accounts(config: Config, verb: Verb) -> anyhow::Result<()> {
    accounts::run(&config, &clock::machine(), verb).await
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<()> {
    let bus = Bus::open(&config.bus.clone().named("varde-alerting")).await?;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok()?;
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        stop.cancel();
        Some(())
    });
    service::run(config, bus, clock::machine(), shutdown, |running| {
        tracing::info!(address = %running.address, "varde-alerting takes requests");
    })
    .await
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where a person reads why it did not start"
)]
fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("varde-alerting: failed to {error:#}");
    ExitCode::from(code)
}
