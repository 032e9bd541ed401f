//! Rules and indicators from files to a ruleset. What is refused is told; what is left is used.

use std::path::PathBuf;

use anyhow::Context as _;
use detect_engine::{Compiler, Ruleset};
use detect_rules::{Diagnostic, check, read_indicators, read_rules};

/// A ruleset, and what was wrong with the files it was made of.
#[derive(Debug)]
pub struct Loaded {
    /// What could be used.
    pub ruleset: Ruleset,
    /// What could not, and what is doubtful.
    pub diagnostics: Vec<Diagnostic>,
}

/// Loads rules and indicators.
///
/// # Errors
/// If a limit of the engine is met.
pub fn load(rules: &[PathBuf], indicators: &[PathBuf]) -> anyhow::Result<Loaded> {
    let (sources, mut diagnostics) = read_rules(rules);
    let checked = check(&sources);
    diagnostics.extend(checked.diagnostics);
    let mut compiler = Compiler::new().rules(checked.rules);
    for path in indicators {
        let (found, more) = read_indicators(path);
        diagnostics.extend(more);
        compiler = compiler.indicators(found);
    }
    let ruleset = compiler.compile().context("compile the ruleset")?;
    Ok(Loaded { ruleset, diagnostics })
}
