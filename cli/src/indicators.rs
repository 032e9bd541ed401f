//! `varde indicators check`: which indicators load, which are refused and why.

use std::collections::BTreeMap;
use std::path::Path;

use detect_alert::IndicatorKind;
use detect_rules::{Diagnostic, read_indicators};
use serde_json::{Value as Json, json};

use crate::arguments::{IndicatorsArguments, ReportFormat};
use crate::exit::Ended;
use crate::text::{counted, number};
use crate::{Exit, Terminal, load, rules};

/// Checks each file.
///
/// # Errors
/// If a file is missing, or output can't be written.
pub fn check(arguments: &IndicatorsArguments, terminal: &mut Terminal<'_>) -> Ended {
    load::must_exist("indicators", &arguments.files)?;
    let mut refused = 0;
    let mut documents = Vec::new();
    for path in &arguments.files {
        let (indicators, diagnostics) = read_indicators(path);
        let mut kinds: BTreeMap<IndicatorKind, u64> = BTreeMap::new();
        for indicator in &indicators {
            *kinds.entry(indicator.kind).or_default() += 1;
        }
        refused += load::refused(&diagnostics);
        match arguments.format {
            ReportFormat::Text => {
                for diagnostic in &diagnostics {
                    writeln!(terminal.out, "{diagnostic}\n")?;
                }
                writeln!(terminal.out, "{}", line(path, &kinds, &diagnostics))?;
            }
            ReportFormat::Json => documents.push(document(path, &kinds, &diagnostics)),
        }
    }
    if arguments.format == ReportFormat::Json {
        writeln!(terminal.out, "{}", json!({ "files": documents }))?;
    }
    terminal.out.flush()?;
    Ok(if refused == 0 { Exit::Done } else { Exit::Differs })
}

fn line(path: &Path, kinds: &BTreeMap<IndicatorKind, u64>, diagnostics: &[Diagnostic]) -> String {
    let total = counted(kinds.values().sum(), "indicator", "indicators");
    let by_kind: Vec<String> = kinds
        .iter()
        .map(|(kind, count)| format!("{kind} {}", number(*count)))
        .collect();
    let by_kind = if by_kind.is_empty() {
        String::new()
    } else {
        format!(" ({})", by_kind.join(", "))
    };
    format!(
        "{}: {total}{by_kind}, {}",
        path.display(),
        rules::found(diagnostics)
    )
}

fn document(path: &Path, kinds: &BTreeMap<IndicatorKind, u64>, diagnostics: &[Diagnostic]) -> Json {
    let kinds: BTreeMap<&str, u64> = kinds
        .iter()
        .map(|(kind, count)| (kind.as_str(), *count))
        .collect();
    let mut document = rules::findings(diagnostics);
    if let Some(members) = document.as_object_mut() {
        members.insert("path".to_owned(), json!(path.display().to_string()));
        members.insert("loaded".to_owned(), json!(kinds));
    }
    document
}
