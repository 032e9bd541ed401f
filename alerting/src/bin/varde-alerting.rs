//! `varde-alerting run|check|test-notice|accounts|bounce|reveal-key --config FILE`: reads the configuration, runs the service, turns
//! errors into exit codes. `varde-alerting openapi` describes the HTTP API.
#![forbid(unsafe_code)]

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use alerting::{
    access::{
        accounts::{self, Verb},
        oidc,
    },
    bounce, clock,
    config::Config,
    registry, reveal, service, trial,
};
use clap::{Parser, Subcommand};
use ingest_bus::Bus;
use ingest_event::OrganizationNumber;
use tokio_util::sync::CancellationToken;

/// Wrong usage, and wrong configuration (sysexits.h).
const USAGE: u8 = 64;
const CONFIG: u8 = 78;
/// Try again later: what a mail server understands (sysexits.h).
const TEMPORARY: u8 = 75;

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
    /// Sends a test by each channel of a contact.
    TestNotice {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// The contact's organisation number; without it the CERT's own contact is tried.
        #[arg(long, requires = "contact")]
        organization: Option<OrganizationNumber>,
        /// The contact's name.
        #[arg(long, requires = "organization")]
        contact: Option<String>,
    },
    /// Reads a mail that came back from standard input, and notes it.
    Bounce {
        /// The configuration file.
        #[arg(long, default_value = "/etc/varde/alerting.yml")]
        config: PathBuf,
        /// Where it was sent to, as the mail server tells; without it the mail's head is asked.
        #[arg(long)]
        recipient: Option<String>,
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
    let path = match &arguments.command {
        Command::Run { config }
        | Command::Check { config }
        | Command::TestNotice { config, .. }
        | Command::RevealKey { config }
        | Command::Accounts { config, .. } => config,
        Command::Bounce { config, recipient } => return take_back(config, recipient.as_deref()),
        Command::Openapi => return describe(),
    };
    let read = |config: Config| registry::load(&config).map(|loaded| (config, loaded));
    let (config, loaded) = match Config::read(path).and_then(read) {
        Ok(both) => both,
        Err(error) => return fail(&error.into(), CONFIG),
    };
    if !matches!(arguments.command, Command::Accounts { .. })
        && let Err(error) = oidc::check(config.access.as_ref())
    {
        return fail(&error.into(), CONFIG);
    }
    match arguments.command {
        Command::Run { .. } | Command::Openapi | Command::Bounce { .. } => {}
        Command::Check { .. } => return check(&config, &loaded),
        Command::RevealKey { .. } => {
            return match print_key(&config) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error, 1),
            };
        }
        Command::TestNotice {
            organization,
            contact,
            ..
        } => return test_notice(&config, organization.zip(contact.as_deref())),
        Command::Accounts { verb, .. } => {
            return match change_accounts(config, verb) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error, 1),
            };
        }
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

/// Names all that can't be used, not the first alone.
fn check(config: &Config, loaded: &registry::Loaded) -> ExitCode {
    let flaws = trial::flaws(config, loaded, &clock::machine());
    if flaws.is_empty() {
        return ExitCode::SUCCESS;
    }
    let flaws = flaws.join("\n  ");
    fail(&anyhow::anyhow!("use the channels:\n  {flaws}"), CONFIG)
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a person reads what became of each")]
async fn test_notice(config: &Config, contact: Option<(OrganizationNumber, &str)>) -> ExitCode {
    match trial::send(config, &clock::machine(), contact).await {
        Ok((told, have_all)) => {
            print!("{told}");
            ExitCode::from(u8::from(!have_all))
        }
        Err(error) => fail(&error, 1),
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

/// A mail server is told to try again whatever is wrong here: a mail that came back must not come back once more.
fn take_back(path: &Path, recipient: Option<&str>) -> ExitCode {
    let taken = Config::read(path)
        .map_err(Into::into)
        .and_then(|config| read_back(&config, recipient));
    match taken {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => fail(&error, TEMPORARY),
    }
}

#[tokio::main]
async fn read_back(config: &Config, recipient: Option<&str>) -> anyhow::Result<bounce::Taken> {
    bounce::take(config, &clock::machine(), recipient, std::io::stdin()).await
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
