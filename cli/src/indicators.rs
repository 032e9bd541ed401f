//! `varde indicators check`: what becomes of feeds: how many indicators load, and of the rest how many for which
//! reason, with examples.
//!
//! Indicators are counted as they come and not kept, so a feed of any size is checked in little memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use detect_rules::{FeedOptions, FeedReport, Finding, FoundAt, Outcome, feed_files, read_feed_file};
use serde_json::{Value as Json, json};

use crate::arguments::{IndicatorsArguments, ReportFormat};
use crate::exit::Ended;
use crate::text::{counted, number};
use crate::{Exit, Terminal, clock, load};

/// Checks each feed.
///
/// # Errors
/// If a file is missing, or output can't be written.
pub fn check(arguments: &IndicatorsArguments, terminal: &mut Terminal<'_>) -> Ended {
    load::must_exist("indicators", &arguments.files)?;
    let mut options = FeedOptions::new("");
    options.now = Some(clock::now());
    let mut total = FeedReport::default();
    let mut documents = Vec::new();
    let files = feed_files(&arguments.files, &mut total);
    tell(&total, terminal, arguments.format)?;
    if arguments.format == ReportFormat::Json && !total.counts().is_empty() {
        documents.push(document(None, &total));
    }
    for path in &files {
        let mut report = FeedReport::default();
        read_feed_file(path, &options, &mut |_| {}, &mut report);
        tell(&report, terminal, arguments.format)?;
        match arguments.format {
            ReportFormat::Text => writeln!(terminal.out, "{}", line(path, &report))?,
            ReportFormat::Json => documents.push(document(Some(path), &report)),
        }
        total.merge(report);
    }
    match arguments.format {
        ReportFormat::Text if total.counts().is_empty() => {}
        ReportFormat::Text => {
            let all = line(
                &PathBuf::from(counted(files.len() as u64, "feed", "feeds")),
                &total,
            );
            writeln!(terminal.out, "\n{all}\n{}", reasons(&total))?;
        }
        ReportFormat::Json => {
            let mut all = document(None, &total);
            if let Some(members) = all.as_object_mut() {
                // The examples stand with their files.
                members.remove("examples");
                members.insert("files".to_owned(), json!(documents));
            }
            writeln!(terminal.out, "{all}")?;
        }
    }
    terminal.out.flush()?;
    let refused = total.total(Outcome::Refused);
    Ok(if refused == 0 { Exit::Done } else { Exit::Differs })
}

/// What is refused or can't be expressed, in the manner of `rustc`.
fn tell(report: &FeedReport, terminal: &mut Terminal<'_>, format: ReportFormat) -> std::io::Result<()> {
    if format == ReportFormat::Text {
        for diagnostic in report.diagnostics() {
            writeln!(terminal.out, "{diagnostic}\n")?;
        }
    }
    Ok(())
}

fn line(path: &Path, report: &FeedReport) -> String {
    let total = counted(report.accepted_total(), "indicator", "indicators");
    let by_kind: Vec<String> = report
        .accepted()
        .iter()
        .map(|(kind, count)| format!("{kind} {}", number(*count)))
        .collect();
    let by_kind = if by_kind.is_empty() {
        String::new()
    } else {
        format!(" ({})", by_kind.join(", "))
    };
    let of = |outcome: Outcome| (outcome, report.total(outcome));
    let mut rest = format!(", {} refused", number(report.total(Outcome::Refused)));
    for (outcome, count) in [Outcome::Inexpressible, Outcome::Withheld, Outcome::Noted].map(of) {
        if 0 < count {
            rest.push_str(&format!(", {} {}", number(count), outcome.as_str()));
        }
    }
    format!("{}: {total}{by_kind}{rest}", path.display())
}

/// How many for which reason.
fn reasons(report: &FeedReport) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["outcome", "reason", "entries"]);
    for outcome in Outcome::ALL {
        for (reason, count) in report.counts() {
            if reason.outcome() == outcome {
                table.add_row([
                    Cell::new(outcome.as_str()),
                    Cell::new(reason.as_str()),
                    Cell::new(number(*count)).set_alignment(CellAlignment::Right),
                ]);
            }
        }
    }
    table
}

fn document(path: Option<&Path>, report: &FeedReport) -> Json {
    let loaded: BTreeMap<&str, u64> = report
        .accepted()
        .into_iter()
        .map(|(kind, count)| (kind.as_str(), count))
        .collect();
    let mut document = json!({
        "loaded": loaded,
        "loaded_total": report.accepted_total(),
        "examples": report.examples().iter().map(example).collect::<Vec<_>>(),
    });
    if let Some(members) = document.as_object_mut() {
        for outcome in Outcome::ALL {
            let counts = report
                .counts()
                .iter()
                .filter(|(reason, _)| reason.outcome() == outcome);
            let counts: BTreeMap<&str, u64> =
                counts.map(|(reason, count)| (reason.as_str(), *count)).collect();
            members.insert(outcome.as_str().to_owned(), json!(counts));
        }
        if let Some(path) = path {
            members.insert("path".to_owned(), json!(path.display().to_string()));
        }
    }
    document
}

fn example(finding: &Finding) -> Json {
    let (line, object) = match &finding.place {
        FoundAt::Line(line) => (Some(*line), None),
        FoundAt::Object(id) => (None, Some(id)),
    };
    json!({
        "outcome": finding.reason.outcome().as_str(), "reason": finding.reason.as_str(),
        "code": finding.reason.code().as_str(), "path": finding.path, "line": line, "object": object,
        "piece": finding.piece, "detail": finding.detail, "mend": finding.mend,
    })
}
