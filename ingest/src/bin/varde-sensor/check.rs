//! `check`: what works, what does not, and what would mend it. `import`: a bundle that was brought by hand.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use ingest::clock::Clock;
use ingest::config::{Plan, Source};
use ingest::control::{check, import};
use ingest::{live, source};

/// Looks at sources, disk, trust and the way to the gateway.
pub(crate) fn check(plan: &Plan) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("start")?;
    let mut to_mend = 0_usize;
    // A file without a code says all itself.
    if plan.enrolment().is_none() {
        plan.config(None, &check::overlay_of(plan))?;
    }
    for finding in runtime.block_on(check::look(plan, Clock::System.now())) {
        if finding.is_good {
            tracing::info!("{}", finding.text);
        } else {
            tracing::error!("{}", finding.text);
            to_mend += 1;
        }
    }
    for source in plan.sources(&check::overlay_of(plan)) {
        if let Err(error) = sound(&source) {
            tracing::error!("{error:#}");
            to_mend += 1;
        }
    }
    if to_mend == 0 {
        tracing::info!("nothing has to be mended");
        return Ok(ExitCode::SUCCESS);
    }
    tracing::error!("to be mended: {to_mend}, each a line with ERROR");
    Ok(ExitCode::FAILURE)
}

fn sound(source: &Source) -> anyhow::Result<()> {
    match source {
        Source::Capture(capture) => {
            let interface = live::interface_of(capture)?;
            live::open_rings(capture)?;
            tracing::info!(interface, "can be listened to");
        }
        Source::File(file) if file.follow && file.path.is_dir() => {
            tracing::info!(path = %file.path.display(), "is a folder; its logs are followed");
        }
        Source::File(file) => {
            let open = source::open(&file.path, &source::FileOptions::default())?;
            tracing::info!(path = open.path(), format = open.format().as_str(), "readable");
        }
        Source::SyslogTls(syslog) => live::check_tls(syslog)?,
        // A sensor that runs has the port or the socket itself.
        Source::SyslogUdp(_) | Source::SyslogTcp(_) | Source::EveSocket(_) | Source::FlowExport(_) => {}
    }
    Ok(())
}

/// Leaves a bundle for the sensor, checked.
pub(crate) fn import(plan: &Plan, files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let version = import::import(plan, files)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "bundle {version} is checked: the sensor takes it within a minute, or at its next start"
    )?;
    Ok(ExitCode::SUCCESS)
}
