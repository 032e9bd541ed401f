//! `varde registry` and `varde route`: documents in and out, who would receive nothing, and who would be told of an event. What
//! is refused and changed is the service's (`alerting::registry`); here are only files and what a person reads.

pub mod arguments;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use alerting::config::Config;
use alerting::registry::desk::ImportChanges;
use alerting::registry::form::{Flaw, csv, json, schema};
use alerting::registry::offline::{ImportError, Offline};
use alerting::registry::question::{Asked, explain as explained};
use alerting::registry::{load, report};

use crate::Terminal;
use crate::arguments::ReportFormat;
use crate::exit::{Ended, Exit, Failure};
use crate::text::shown;
use arguments::{
    CheckArguments, ExplainArguments, ExportArguments, ImportArguments, RegistryCommand, ReportArguments,
    RouteCommand,
};

/// Characters of a flaw that are shown.
const FLAW_SHOWN: usize = 400;

/// Runs one of the commands.
///
/// # Errors
/// If the configuration, the store or a file can't be read.
pub fn run(command: &RegistryCommand, terminal: &mut Terminal<'_>) -> Ended {
    let ended = match command {
        RegistryCommand::Check(arguments) => check(arguments, terminal),
        RegistryCommand::Import(arguments) => import(arguments, terminal),
        RegistryCommand::Export(arguments) => export(arguments, terminal),
        RegistryCommand::Report(arguments) => report_on(arguments, terminal),
        RegistryCommand::Schema => {
            writeln!(terminal.out, "{:#}", schema::schema())?;
            Ok(Exit::Done)
        }
    }?;
    terminal.out.flush()?;
    Ok(ended)
}

/// Runs one of the commands.
///
/// # Errors
/// As [`run`].
pub fn route(command: &RouteCommand, terminal: &mut Terminal<'_>) -> Ended {
    let RouteCommand::Explain(arguments) = command;
    let ended = explain(arguments, terminal)?;
    terminal.out.flush()?;
    Ok(ended)
}

fn check(arguments: &CheckArguments, terminal: &mut Terminal<'_>) -> Ended {
    match document(&arguments.file)? {
        Ok(forms) => {
            writeln!(terminal.out, "{} bodies, no flaw", forms.len())?;
            Ok(Exit::Done)
        }
        Err(flaws) => Ok(tell(&flaws, terminal)),
    }
}

fn import(arguments: &ImportArguments, terminal: &mut Terminal<'_>) -> Ended {
    let forms = match document(&arguments.file)? {
        Ok(forms) => forms,
        Err(flaws) => return Ok(tell(&flaws, terminal)),
    };
    let config = config(&arguments.config)?;
    in_runtime(async {
        let offline = Offline::open_to_change(&config).await.map_err(unusable)?;
        let changes = match offline.preview(&forms) {
            Ok(changes) => changes,
            Err(flaws) => return Ok(tell(&flaws, terminal)),
        };
        print(&changes, terminal)?;
        let (Some(preview), Some(by), Some(reason)) = (&arguments.take, &arguments.by, &arguments.reason)
        else {
            writeln!(
                terminal.out,
                "not taken; to take it: --take {} --by NAME --reason TEXT",
                changes.preview
            )?;
            return Ok(Exit::Done);
        };
        match offline
            .import(&forms, preview, by, reason, crate::clock::now())
            .await
        {
            Ok(_) => {
                writeln!(terminal.out, "taken")?;
                Ok(Exit::Done)
            }
            Err(ImportError::Flaws(flaws)) => Ok(tell(&flaws, terminal)),
            Err(ImportError::Store(error)) => {
                terminal.error(&format!("not taken: {error:#}"));
                Ok(Exit::Differs)
            }
        }
    })
}

fn print(changes: &ImportChanges, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    for number in &changes.added {
        writeln!(terminal.out, "added    {number}")?;
    }
    for body in &changes.changed {
        writeln!(
            terminal.out,
            "changed  {}: {}",
            body.number,
            body.fields.join(", ")
        )?;
    }
    for number in &changes.removed {
        writeln!(terminal.out, "removed  {number}")?;
    }
    let (added, changed, removed) = (changes.added.len(), changes.changed.len(), changes.removed.len());
    writeln!(
        terminal.out,
        "{added} added, {changed} changed, {removed} removed, {} unchanged",
        changes.unchanged
    )?;
    Ok(())
}

fn export(arguments: &ExportArguments, terminal: &mut Terminal<'_>) -> Ended {
    let config = config(&arguments.config)?;
    in_runtime(async {
        let offline = Offline::open(&config).await.map_err(unusable)?;
        let forms = offline.loaded.forms(arguments.layer);
        let text = if arguments.csv {
            csv::write(&forms)
        } else {
            json::write(&forms)
        };
        terminal.out.write_all(text.as_bytes())?;
        Ok(Exit::Done)
    })
}

fn report_on(arguments: &ReportArguments, terminal: &mut Terminal<'_>) -> Ended {
    let config = config(&arguments.config)?;
    in_runtime(async {
        let offline = Offline::open(&config).await.map_err(unusable)?;
        let coverage = offline.coverage(crate::clock::now()).await.map_err(unusable)?;
        let remarks = report::remarks(&offline.loaded);
        if arguments.format == ReportFormat::Json {
            let all = serde_json::json!({ "coverage": coverage, "remarks": remarks });
            writeln!(terminal.out, "{all}")?;
            return Ok(Exit::Done);
        }
        writeln!(terminal.out, "{coverage}")?;
        writeln!(
            terminal.out,
            "Manual values that the layers below contradict or make superfluous: {}",
            remarks.len()
        )?;
        for remark in &remarks {
            let kind = match remark.kind {
                report::RemarkKind::Contradicts => "contradicts",
                report::RemarkKind::Superfluous => "superfluous",
            };
            writeln!(
                terminal.out,
                "  {} {}: {} {kind}: {} over {}",
                remark.number, remark.name, remark.field, remark.manual, remark.below
            )?;
        }
        Ok(Exit::Done)
    })
}

fn explain(arguments: &ExplainArguments, terminal: &mut Terminal<'_>) -> Ended {
    let asked = Asked {
        organization: arguments.organization.clone(),
        addresses: arguments.address.clone(),
        domains: arguments.domain.clone(),
        autonomous_systems: arguments.autonomous_system.clone(),
        sensor: arguments.sensor.clone(),
        zone: arguments.zone.clone(),
        severity: arguments.severity.clone(),
        at: arguments.at.clone(),
    };
    let question = match asked.question(crate::clock::now()) {
        Ok(question) => question,
        Err(flaws) => return Ok(tell(&flaws, terminal)),
    };
    let config = config(&arguments.config)?;
    let loaded = if arguments.files {
        load(&config)
            .map_err(|error| Failure::configuration(format!("failed to {:#}", anyhow::Error::from(error))))?
    } else {
        in_runtime(async { Offline::open(&config).await.map_err(unusable) })?.loaded
    };
    let explained = explained(&loaded, &question);
    match arguments.format {
        ReportFormat::Text => write!(terminal.out, "{explained}")?,
        ReportFormat::Json => writeln!(terminal.out, "{}", serde_json::json!(explained))?,
    }
    Ok(Exit::Done)
}

/// Reads a document; no more of it than is taken.
fn document(path: &Path) -> Result<Result<json::Forms, Vec<Flaw>>, Failure> {
    let failed = |error| Failure::new(Exit::Input, format!("failed to read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    let most = json::BYTES_MAX as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(failed)?;
    let is_csv = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    Ok(if is_csv {
        csv::read(&bytes)
    } else {
        json::read(&bytes)
    })
}

fn tell(flaws: &[Flaw], terminal: &mut Terminal<'_>) -> Exit {
    for flaw in flaws {
        terminal.error(&shown(&flaw.to_string(), FLAW_SHOWN));
    }
    Exit::Differs
}

fn config(path: &Path) -> Result<Config, Failure> {
    Config::read(path)
        .map_err(|error| Failure::configuration(format!("failed to {:#}", anyhow::Error::from(error))))
}

fn unusable(error: anyhow::Error) -> Failure {
    let is_registry = error.downcast_ref::<alerting::config::ConfigError>().is_some();
    let exit = if is_registry {
        Exit::Configuration
    } else {
        Exit::Input
    };
    Failure::new(exit, format!("failed to {error:#}"))
}

fn in_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("failed to start: {error}")))?
        .block_on(work)
}
