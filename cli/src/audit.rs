//! `varde audit`: whether the audit log of the alerting service is as it was written. The chain is the service's
//! (`alerting::audit`); here are only the store or the file, and what a person reads.

pub mod arguments;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::Path;

use alerting::audit::{Broken, Chain, Head, Log, read_line, write_line};
use alerting::config::Config;

use crate::Terminal;
use crate::exit::{Ended, Exit, Failure};
use crate::text::shown;
use arguments::{AuditCommand, ExportArguments, StoreArguments, VerifyArguments};

/// The longest line of an exported log: the two values of an import's row, as text in JSON, fit many times.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Characters of what is wrong with a line that are shown.
const ERROR_SHOWN: usize = 256;

/// Runs one of the commands.
///
/// # Errors
/// If the configuration, the store or the file can't be read.
pub fn run(command: &AuditCommand, terminal: &mut Terminal<'_>) -> Ended {
    match command {
        AuditCommand::Verify(arguments) => verify(arguments, terminal),
        AuditCommand::Export(arguments) => export(arguments, terminal),
        AuditCommand::Head(arguments) => head(arguments, terminal),
    }
}

fn verify(arguments: &VerifyArguments, terminal: &mut Terminal<'_>) -> Ended {
    let noted = arguments.head.clone();
    let found = match (&arguments.config, &arguments.file) {
        (Some(config), _) => in_store(config, async |log| {
            // What the store itself noted of its end shows a cut one, unless that was changed too.
            let mut chain = Chain::expecting(noted.into_iter().chain([log.head().await?]));
            let mut after = 0;
            loop {
                let entries = log.after(after).await?;
                let Some(last) = entries.last() else {
                    return Ok(chain.finish());
                };
                after = last.seq;
                if let Err(broken) = entries.iter().try_for_each(|entry| chain.follow(entry)) {
                    return Ok(Err(broken));
                }
            }
        })?,
        (None, Some(file)) => match of_file(file, Chain::expecting(noted))? {
            Ok(found) => found,
            Err(line) => {
                terminal.error(&line);
                return Ok(Exit::Differs);
            }
        },
        (None, None) => return Err(Failure::new(Exit::Usage, "give --config or a file")),
    };
    match found {
        Ok(head) => {
            writeln!(terminal.out, "whole: {} entries, head {head}", head.seq)?;
            terminal.out.flush()?;
            Ok(Exit::Done)
        }
        Err(broken) => {
            writeln!(terminal.out, "broken at entry {}: {broken}", broken.seq())?;
            terminal.out.flush()?;
            Ok(Exit::Differs)
        }
    }
}

/// The outer result is of the file, the middle one of a line that is no entry, the inner one of the chain.
fn of_file(path: &Path, mut chain: Chain) -> Result<Result<Result<Head, Broken>, String>, Failure> {
    let name = if path.as_os_str() == "-" {
        "standard input".into()
    } else {
        path.display().to_string()
    };
    let failed = |error: io::Error| Failure::new(Exit::Input, format!("failed to read {name}: {error}"));
    let mut input: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(failed)?))
    };
    for number in 1_u64.. {
        let mut line = Vec::new();
        let read = input
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .map_err(failed)?;
        if read == 0 {
            break;
        }
        let entry = std::str::from_utf8(&line)
            .map_err(|error| error.to_string())
            .and_then(|text| {
                read_line(text.trim_end_matches(['\r', '\n'])).map_err(|error| error.to_string())
            });
        match entry {
            Ok(entry) => {
                if let Err(broken) = chain.follow(&entry) {
                    return Ok(Ok(Err(broken)));
                }
            }
            Err(error) => {
                let error = shown(&error, ERROR_SHOWN);
                return Ok(Err(format!("broken at line {number} of {name}: {error}")));
            }
        }
    }
    Ok(Ok(chain.finish()))
}

fn export(arguments: &ExportArguments, terminal: &mut Terminal<'_>) -> Ended {
    let out = &mut terminal.out;
    in_store(&arguments.store.config, async |log| {
        let mut after = arguments.after;
        loop {
            let entries = log.after(after).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = last.seq;
            for entry in &entries {
                writeln!(out, "{}", write_line(entry))?;
            }
        }
    })?;
    terminal.out.flush()?;
    Ok(Exit::Done)
}

fn head(arguments: &StoreArguments, terminal: &mut Terminal<'_>) -> Ended {
    let head = in_store(&arguments.config, async |log| log.head().await)?;
    writeln!(terminal.out, "{head}")?;
    terminal.out.flush()?;
    Ok(Exit::Done)
}

/// Opens the store that a configuration names, and does some work on its log.
fn in_store<T>(config: &Path, work: impl AsyncFnOnce(&Log) -> anyhow::Result<T>) -> Result<T, Failure> {
    let config = Config::read(config)
        .map_err(|error| Failure::configuration(format!("failed to {:#}", anyhow::Error::from(error))))?;
    let failed = |error: anyhow::Error| match error.downcast::<io::Error>() {
        Ok(output) => output.into(),
        Err(error) => Failure::new(Exit::Input, format!("failed to {error:#}")),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("failed to start: {error}")))?;
    runtime
        .block_on(async {
            let log = Log::open(&config).await?;
            work(&log).await
        })
        .map_err(failed)
}
