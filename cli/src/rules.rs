//! `varde rules check`, `test` and `explain`: what a rule's author wants to know before it goes to the detector.

mod asks;
mod examples;
mod explain;
mod kept;

use std::path::{Path, PathBuf};

use detect_alert::Producer;
use detect_engine::RuleIndex;
use detect_rules::{
    Checked, CheckedRules, Cost, Diagnostic, LoadOptions, Options, Place, Rule, SourceText, check_with,
    costs, is_placeholder_file,
};
use serde_json::{Value as Json, json};

use crate::arguments::{ReportFormat, RulesArguments};
use crate::exit::{Ended, Failure};
use crate::text::{counted, number};
use crate::{Exit, Terminal, load};

pub use examples::{Example, Outcome, parse as parse_examples, run as run_examples};
pub use explain::explain;

/// Says which rules load, which are refused and why. Exit 1 if any is refused.
///
/// # Errors
/// If a path is missing, no rule is found, or output can't be written.
pub fn check(arguments: &RulesArguments, terminal: &mut Terminal<'_>) -> Ended {
    let (sources, mut diagnostics) = read(&arguments.paths)?;
    let (options, more) = options(&arguments.pipeline, &arguments.placeholders);
    diagnostics.extend(more);
    // Without a pipeline that it needs, a rule would load and be silent.
    let mut checked = match options {
        Some(options) => check_with(&sources, &options),
        None => Checked::default(),
    };
    diagnostics.append(&mut checked.diagnostics);
    let expensive = expensive(&checked);
    match arguments.format {
        ReportFormat::Text => {
            for diagnostic in &diagnostics {
                writeln!(terminal.out, "{diagnostic}\n")?;
            }
            for (kind, producer) in producers(&checked.rules) {
                writeln!(terminal.out, "{kind:<11} {}  {}", producer.id.0, producer.name)?;
            }
            for rule in &expensive {
                writeln!(terminal.out, "expensive   {}  {}", rule.id, rule.place())?;
                for cost in &rule.costs {
                    writeln!(terminal.out, "            {}; {}", cost.reason(), cost.mend())?;
                }
            }
            let rules = counted(checked.rules.rules.len() as u64, "rule", "rules");
            let correlations = counted(
                checked.rules.correlations.len() as u64,
                "correlation",
                "correlations",
            );
            let anomalies = counted(
                checked.rules.anomalies.len() as u64,
                "anomaly rule",
                "anomaly rules",
            );
            writeln!(
                terminal.out,
                "{rules}, {correlations} and {anomalies} load, {}, {} expensive",
                found(&diagnostics, &sources),
                number(expensive.len() as u64)
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
                members.insert("unindexable".to_owned(), json!(unindexable(&checked)?));
                let all: Vec<Json> = expensive.iter().map(|rule| rule.document(&rule.costs)).collect();
                members.insert("expensive".to_owned(), json!(all));
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
    let (sources, mut diagnostics) = read(&arguments.paths)?;
    let (options, more) = options(&arguments.pipeline, &arguments.placeholders);
    diagnostics.extend(more);
    let mut options = options.unwrap_or_default();
    let (lists, sources): (Vec<SourceText>, Vec<SourceText>) = sources
        .into_iter()
        .partition(|source| is_placeholder_file(&source.path));
    for source in &lists {
        diagnostics.extend(options.placeholders.add(source).err().map(|refusal| *refusal));
    }
    for diagnostic in &diagnostics {
        terminal.tell(&diagnostic.to_string());
    }
    let mut failed = load::refused(&diagnostics);
    let mut documents = Vec::new();
    for source in &sources {
        let outcome = examples::run_file(source, &sources, &options);
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

/// The rules for which the engine itself finds nothing to look up.
fn unindexable(checked: &Checked) -> Result<Vec<Json>, Failure> {
    let ruleset = load::compile(checked.rules.clone(), Vec::new())?;
    let rules = ruleset.unindexable().filter_map(|RuleIndex(index)| {
        let place = usize::try_from(index).ok()?;
        let rule = Expensive {
            costs: vec![Cost::Unindexable],
            ..Expensive::of(checked.rules.rules.get(place)?, checked.places.get(place)?)
        };
        Some(rule.document(&rule.costs))
    });
    Ok(rules.collect())
}

/// A rule that costs more than others.
struct Expensive<'c> {
    id: &'c str,
    name: &'c str,
    file: &'c str,
    line: usize,
    costs: Vec<Cost>,
}

impl<'c> Expensive<'c> {
    fn of(rule: &'c Rule, place: &'c Place) -> Self {
        Self {
            id: &rule.producer.id.0,
            name: &rule.producer.name,
            file: &place.path,
            line: place.line,
            costs: costs(rule),
        }
    }

    fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    fn document(&self, costs: &[Cost]) -> Json {
        let reasons: Vec<String> = costs.iter().map(Cost::reason).collect();
        let mends: Vec<&str> = costs.iter().map(Cost::mend).collect();
        json!({
            "id": self.id, "name": self.name, "file": self.file, "line": self.line,
            "reason": reasons.join("; "), "mend": mends.join("; "),
        })
    }
}

fn expensive(checked: &Checked) -> Vec<Expensive<'_>> {
    let rules = checked.rules.rules.iter().zip(&checked.places);
    rules
        .map(|(rule, place)| Expensive::of(rule, place))
        .filter(|rule| !rule.costs.is_empty())
        .collect()
}

/// What the arguments say besides where the rules are; nothing where a pipeline can't be used.
fn options(pipelines: &[String], placeholders: &[PathBuf]) -> (Option<Options>, Vec<Diagnostic>) {
    detect_rules::read_options(&LoadOptions {
        pipelines: pipelines.to_vec(),
        placeholders: placeholders.to_vec(),
    })
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
    let correlations = rules.correlations.iter();
    let anomalies = rules.anomalies.iter();
    single
        .chain(correlations.map(|correlation| ("correlation", &correlation.producer)))
        .chain(anomalies.map(|anomaly| ("anomaly", &anomaly.producer)))
}

/// `2 refused, 1 warning`.
fn found(diagnostics: &[Diagnostic], sources: &[SourceText]) -> String {
    let refused = load::refused_rules(diagnostics, sources);
    let warnings = diagnostics.len() - load::refused(diagnostics);
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
                    "file": diagnostic.path, "line": diagnostic.line, "piece": diagnostic.piece,
                    "reason": diagnostic.detail, "mend": diagnostic.mend,
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
