//! `varde rules check` and `varde rules test`: what a rule's author wants to know before it goes to the detector.

mod examples;

use std::path::{Path, PathBuf};

use detect_alert::Producer;
use detect_rules::{CheckedRules, Diagnostic, SourceText, check as check_rules};
use serde_json::{Value as Json, json};

use crate::arguments::{ReportFormat, RulesArguments};
use crate::exit::{Ended, Failure};
use crate::text::{counted, number};
use crate::{Exit, Terminal, load};

pub use examples::{Example, Outcome, parse as parse_examples, run as run_examples};

/// Says which rules load, which are refused and why. Exit 1 if any is refused.
///
/// # Errors
/// If a path is missing, no rule is found, or output can't be written.
pub fn check(arguments: &RulesArguments, terminal: &mut Terminal<'_>) -> Ended {
    let (sources, mut diagnostics) = read(&arguments.paths)?;
    let checked = check_rules(&sources);
    diagnostics.extend(checked.diagnostics);
    match arguments.format {
        ReportFormat::Text => {
            for diagnostic in &diagnostics {
                writeln!(terminal.out, "{diagnostic}\n")?;
            }
            for (kind, producer) in producers(&checked.rules) {
                writeln!(terminal.out, "{kind:<11} {}  {}", producer.id.0, producer.name)?;
            }
            let rules = counted(checked.rules.rules.len() as u64, "rule", "rules");
            let correlations = counted(
                checked.rules.correlations.len() as u64,
                "correlation",
                "correlations",
            );
            writeln!(
                terminal.out,
                "{rules} and {correlations} load, {}",
                found(&diagnostics)
            )?;
        }
        ReportFormat::Json => {
            let loaded: Vec<Json> = producers(&checked.rules)
                .map(|(kind, producer)| {
                    json!({
                        "kind": kind, "id": producer.id.0, "name": producer.name, "version": producer.version,
                    })
                })
                .collect();
            let mut document = findings(&diagnostics);
            if let Some(members) = document.as_object_mut() {
                members.insert("loaded".to_owned(), json!(loaded));
            }
            writeln!(terminal.out, "{document}")?;
        }
    }
    terminal.out.flush()?;
    Ok(if load::refused(&diagnostics) == 0 {
        Exit::Done
    } else {
        Exit::Differs
    })
}

/// Runs the examples beside each rule, one line for each rule. Exit 1 if any fails or a rule is refused.
///
/// # Errors
/// If a path is missing, no rule is found, or output can't be written.
pub fn test(arguments: &RulesArguments, terminal: &mut Terminal<'_>) -> Ended {
    let (sources, diagnostics) = read(&arguments.paths)?;
    for diagnostic in &diagnostics {
        terminal.tell(&diagnostic.to_string());
    }
    let mut failed = diagnostics.len();
    let mut documents = Vec::new();
    for source in &sources {
        let outcome = examples::run_file(source, &sources);
        failed += usize::from(!outcome.passed());
        match arguments.format {
            ReportFormat::Text => {
                let (colour, mark) = match (&outcome.problems[..], outcome.examples) {
                    ([], 0) => ("33", "none"),
                    ([], _) => ("32", "ok"),
                    _ => ("31", "FAIL"),
                };
                let mark = terminal.paint(colour, &format!("{mark:<4}"), terminal.out_is_terminal);
                let examples = counted(outcome.examples as u64, "example", "examples");
                writeln!(terminal.out, "{mark} {} ({examples})", source.path)?;
                for problem in &outcome.problems {
                    writeln!(terminal.out, "     {problem}")?;
                }
            }
            ReportFormat::Json => documents.push(json!({
                "path": source.path, "examples": outcome.examples, "problems": outcome.problems,
            })),
        }
    }
    match arguments.format {
        ReportFormat::Text => {
            let files = counted(sources.len() as u64, "file", "files");
            writeln!(terminal.out, "{files}, {} failed", number(failed as u64))?;
        }
        ReportFormat::Json => writeln!(terminal.out, "{}", json!({ "files": documents }))?,
    }
    terminal.out.flush()?;
    Ok(if failed == 0 { Exit::Done } else { Exit::Differs })
}

fn read(paths: &[PathBuf]) -> Result<(Vec<SourceText>, Vec<Diagnostic>), Failure> {
    load::must_exist("rules", paths)?;
    let (sources, diagnostics) = load::rule_texts(paths);
    if sources.is_empty() && diagnostics.is_empty() {
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::configuration(format!(
            "there is no rule (*.yml, *.yaml) in {}",
            names.join(", ")
        )));
    }
    Ok((sources, diagnostics))
}

fn producers(rules: &CheckedRules) -> impl Iterator<Item = (&'static str, &Producer)> {
    let single = rules.rules.iter().map(|rule| ("rule", &rule.producer));
    single.chain(
        rules
            .correlations
            .iter()
            .map(|correlation| ("correlation", &correlation.producer)),
    )
}

/// `2 refused, 1 warning`.
pub(crate) fn found(diagnostics: &[Diagnostic]) -> String {
    let refused = load::refused(diagnostics);
    let warnings = diagnostics.len() - refused;
    format!(
        "{} refused, {}",
        number(refused as u64),
        counted(warnings as u64, "warning", "warnings")
    )
}

/// Refusals and warnings as JSON.
pub(crate) fn findings(diagnostics: &[Diagnostic]) -> Json {
    let of = |error: bool| -> Vec<Json> {
        diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.is_error() == error)
            .map(|diagnostic| {
                json!({
                    "code": diagnostic.code.as_str(), "title": diagnostic.code.title(),
                    "path": diagnostic.path, "line": diagnostic.line, "piece": diagnostic.piece,
                    "detail": diagnostic.detail, "mend": diagnostic.mend,
                })
            })
            .collect()
    };
    json!({ "refused": of(true), "warnings": of(false) })
}

/// The examples of a rule: `x.test.yml` beside `x.yml`.
pub(crate) fn examples_path(rule: &Path) -> PathBuf {
    rule.with_extension("test.yml")
}
