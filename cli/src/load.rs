//! Rules and indicators: those bundled in the binary, or those that the person names; checked, told about, compiled.
//!
//! A refused rule among good ones is told and the rest counts, unless `--strict` is given. Nothing to load, a path
//! that is missing and an indicator file in which nothing can be read are wrong configuration.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use detect_alert::Indicator;
use detect_engine::{Compiler, Models, Ruleset};
use detect_rules::{
    CheckedRules, Diagnostic, SourceText, check, check_indicators, read_indicators, read_rules,
};

use crate::Terminal;
use crate::exit::Failure;
use crate::text::{chain, counted};

/// What to load. Empty means bundled; named rules leave out the bundled indicators too, so that a rule author sees
/// own rules only.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// Folders and files with rules.
    pub rules: &'a [PathBuf],
    /// Indicator files.
    pub indicators: &'a [PathBuf],
}

/// What was loaded.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Rules, correlations and anomaly rules that count.
    pub rules: CheckedRules,
    /// Indicators that count.
    pub indicators: Vec<Indicator>,
    /// What was refused, and what should be looked at.
    pub diagnostics: Vec<Diagnostic>,
    /// How many rules and indicators were refused: of one rule several things may be wrong.
    pub refused: usize,
}

/// So many refusals are shown in full before the rest is counted: a screenful.
const DIAGNOSTICS_TOLD_MAX: usize = 20;

/// Loads, tells what was refused, and compiles.
///
/// # Errors
/// If a path is missing, no rule loads, an indicator file has none, or `strict` and anything was refused.
pub fn ruleset(
    sources: &Sources<'_>,
    strict: bool,
    models_off: bool,
    terminal: &mut Terminal<'_>,
) -> Result<Arc<Ruleset>, Failure> {
    let loaded = load(sources)?;
    tell(&loaded, strict, terminal);
    let refused = loaded.refused;
    if strict && 0 < refused {
        let what = counted(
            refused as u64,
            "rule or indicator was",
            "rules or indicators were",
        );
        return Err(Failure::configuration(format!(
            "{what} refused; mend them, or leave out --strict"
        )));
    }
    if loaded.rules.rules.is_empty() && loaded.rules.anomalies.is_empty() {
        return Err(Failure::configuration(format!(
            "no rule loads from {}: `varde rules check` says why",
            sources
                .rules
                .iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
                .join(", ")
        )));
    }
    let models = if models_off {
        Models::off()
    } else {
        bundled_models()?
    };
    compile_with(loaded.rules, loaded.indicators, models)
}

/// The models in the binary.
///
/// # Errors
/// If one of them is damaged.
pub fn bundled_models() -> Result<Models, Failure> {
    let mut models = Models::off();
    for file in rulesets::files().iter().filter(|file| file.is_model()) {
        models
            .add(&file.content)
            .map_err(|error| Failure::configuration(format!("load {}: {error}", file.path)))?;
    }
    Ok(models)
}

/// Loads without telling.
///
/// # Errors
/// If a path is missing, or nothing in an indicator file can be read.
pub fn load(sources: &Sources<'_>) -> Result<Loaded, Failure> {
    let mut loaded = Loaded::default();
    let texts = if sources.rules.is_empty() {
        bundled_rules()
    } else {
        must_exist("rules", sources.rules)?;
        let (texts, diagnostics) = rule_texts(sources.rules);
        loaded.diagnostics.extend(diagnostics);
        texts
    };
    let checked = check(&texts);
    loaded.rules = checked.rules;
    loaded.diagnostics.extend(checked.diagnostics);
    loaded.refused = refused_rules(&loaded.diagnostics, &texts);
    let rule_diagnostics = loaded.diagnostics.len();
    if sources.rules.is_empty() && sources.indicators.is_empty() {
        for file in rulesets::files().iter().filter(|file| file.is_indicators()) {
            let name = Path::new(&file.path)
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned());
            let (indicators, diagnostics) =
                check_indicators(&bundled_name(&file.path), &name.unwrap_or_default(), &file.text());
            loaded.indicators.extend(indicators);
            loaded.diagnostics.extend(diagnostics);
        }
    }
    must_exist("indicators", sources.indicators)?;
    for path in sources.indicators {
        let (indicators, diagnostics) = read_indicators(path);
        if let (true, Some(first)) = (
            indicators.is_empty(),
            diagnostics.iter().find(|found| found.is_error()),
        ) {
            return Err(Failure::configuration(format!(
                "no indicator loads from {}\n{first}",
                path.display()
            )));
        }
        loaded.indicators.extend(indicators);
        loaded.diagnostics.extend(diagnostics);
    }
    loaded.refused += refused(loaded.diagnostics.get(rule_diagnostics..).unwrap_or_default());
    Ok(loaded)
}

/// Compiles what was loaded, with the bundled models.
///
/// # Errors
/// If a limit of the engine is met.
pub fn compile(rules: CheckedRules, indicators: Vec<Indicator>) -> Result<Arc<Ruleset>, Failure> {
    compile_with(rules, indicators, bundled_models()?)
}

/// Compiles what was loaded.
///
/// # Errors
/// If a limit of the engine is met.
pub fn compile_with(
    rules: CheckedRules,
    indicators: Vec<Indicator>,
    models: Models,
) -> Result<Arc<Ruleset>, Failure> {
    let compiler = Compiler::new().rules(rules).indicators(indicators).models(models);
    compiler
        .compile()
        .map(Arc::new)
        .map_err(|error| Failure::configuration(format!("cannot {}", chain(&error))))
}

/// Reads rule files. YAML in a folder `routing` is no rule: `--rules rulesets` names the whole tree.
pub(crate) fn rule_texts(paths: &[PathBuf]) -> (Vec<SourceText>, Vec<Diagnostic>) {
    let (mut texts, diagnostics) = read_rules(paths);
    texts.retain(|text| {
        Path::new(&text.path)
            .parent()
            .is_none_or(|folder| !folder.ends_with("routing"))
    });
    (texts, diagnostics)
}

/// Every path must be there: a mistyped one must not load nothing in silence.
pub(crate) fn must_exist(what: &str, paths: &[PathBuf]) -> Result<(), Failure> {
    match paths.iter().find(|path| !path.exists()) {
        Some(path) => Err(Failure::configuration(format!(
            "cannot read {what} from {}: there is no such file or folder",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// How many rules were refused: documents of these texts in which anything is wrong.
pub(crate) fn refused_rules(diagnostics: &[Diagnostic], texts: &[SourceText]) -> usize {
    let document = |found: &Diagnostic| {
        let text = texts.iter().find(|text| text.path == found.path)?;
        let before = text.text.lines().take(found.line);
        Some(before.filter(|line| line.trim_end() == "---").count())
    };
    let mut known = BTreeSet::new();
    let errors = diagnostics.iter().filter(|found| found.is_error());
    errors
        .filter(|found| match document(found) {
            Some(number) => known.insert((found.path.as_str(), number)),
            None => true,
        })
        .count()
}

/// How many errors there are.
pub(crate) fn refused(diagnostics: &[Diagnostic]) -> usize {
    diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .count()
}

fn tell(loaded: &Loaded, strict: bool, terminal: &mut Terminal<'_>) {
    let refused = loaded.refused;
    for diagnostic in loaded
        .diagnostics
        .iter()
        .filter(|found| found.is_error())
        .take(DIAGNOSTICS_TOLD_MAX)
    {
        terminal.tell(&format!("{diagnostic}\n"));
    }
    if 0 < refused && !strict {
        let what = counted(refused as u64, "rule or indicator is", "rules or indicators are");
        terminal.warn(&format!("{what} refused, the others count"));
    }
}

/// The texts of the rules in the binary.
pub(crate) fn bundled_rules() -> Vec<SourceText> {
    let files = rulesets::files();
    let rules = files.iter().filter(|file| file.is_rule());
    rules.map(bundled_text).collect()
}

fn bundled_text(file: &rulesets::File) -> SourceText {
    SourceText {
        path: bundled_name(&file.path),
        text: file.text().into_owned(),
    }
}

fn bundled_name(path: &str) -> String {
    format!("rulesets/{path}")
}
