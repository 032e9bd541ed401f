//! `varde rules explain`: what each rule asks, what wakes it, where its groups are kept and why, and its limits.
//!
//! What a rule asks comes from the checked rules, all else from the engine that would run them: the words are in
//! [`super::asks`] and [`super::kept`].

mod book;

use detect_rules::{Checked, check_with};
use serde_json::{Value as Json, json};

use super::{options, read};
use crate::arguments::{ExplainArguments, ReportFormat};
use crate::exit::{Ended, Failure};
use crate::{Exit, Terminal, load};
use book::Book;

/// The version of the JSON document.
const VERSION: u32 = 1;

/// Lines are no longer than this where words allow.
const WIDTH: usize = 100;

/// Where the text behind a label begins.
const INDENT: usize = 10;

/// Explains rules. Exit 1 if any is refused.
///
/// # Errors
/// If a path is missing, no rule is found, none is the one that was asked for, or output can't be written.
pub fn explain(arguments: &ExplainArguments, terminal: &mut Terminal<'_>) -> Ended {
    let (sources, mut diagnostics) = match arguments.paths.is_empty() {
        true => (load::bundled_rules(), Vec::new()),
        false => read(&arguments.paths)?,
    };
    let (options, more) = options(&arguments.pipeline, &arguments.placeholders);
    diagnostics.extend(more);
    let mut checked = match options {
        Some(options) => check_with(&sources, &options),
        None => Checked::default(),
    };
    diagnostics.append(&mut checked.diagnostics);
    for diagnostic in diagnostics.iter().filter(|diagnostic| diagnostic.is_error()) {
        terminal.tell(&format!("{diagnostic}\n"));
    }
    let ruleset = load::compile(checked.rules.clone(), Vec::new())?;
    let book = Book::new(&sources, &checked.rules);
    let told = chosen(book.all(&ruleset), &arguments.rule)?;
    match arguments.format {
        ReportFormat::Text => {
            for rule in &told {
                rule.print(terminal)?;
            }
        }
        ReportFormat::Json => {
            let rules: Vec<&Json> = told.iter().map(|rule| &rule.document).collect();
            writeln!(terminal.out, "{}", json!({ "version": VERSION, "rules": rules }))?;
        }
    }
    terminal.out.flush()?;
    Ok(match load::refused(&diagnostics) {
        0 => Exit::Done,
        _ => Exit::Differs,
    })
}

/// Those that were asked for; all if none was.
fn chosen(all: Vec<Told>, asked: &[String]) -> Result<Vec<Told>, Failure> {
    let is_asked = |rule: &Told, name: &String| {
        rule.id == *name || rule.name.as_ref() == Some(name) || rule.title.eq_ignore_ascii_case(name)
    };
    if let Some(name) = asked
        .iter()
        .find(|name| !all.iter().any(|rule| is_asked(rule, name)))
    {
        return Err(Failure::configuration(format!(
            "no rule that loads has the id, name or title `{name}`; `varde rules check` lists them"
        )));
    }
    let is_chosen = |rule: &Told| asked.is_empty() || asked.iter().any(|name| is_asked(rule, name));
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// What is told of one rule.
struct Told {
    id: String,
    name: Option<String>,
    title: String,
    kind: String,
    /// Label and text.
    lines: Vec<(&'static str, String)>,
    document: Json,
}

impl Told {
    fn print(&self, terminal: &mut Terminal<'_>) -> std::io::Result<()> {
        let title = terminal.paint("1", &self.title, terminal.out_is_terminal);
        writeln!(terminal.out, "{title}")?;
        let name = self
            .name
            .as_ref()
            .map_or(String::new(), |name| format!("{name}  "));
        writeln!(terminal.out, "  {}  {name}{}", self.kind, self.id)?;
        for (label, text) in &self.lines {
            for (index, line) in wrapped(text).iter().enumerate() {
                let label = if index == 0 { label } else { "" };
                writeln!(terminal.out, "  {label:<width$}{line}", width = INDENT - 2)?;
            }
        }
        writeln!(terminal.out)
    }
}

/// Cut at blanks.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let is_full = lines.last().is_some_and(|line| {
            !line.is_empty() && WIDTH < INDENT + line.chars().count() + 1 + word.chars().count()
        });
        if is_full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_blanks() {
        let word = "x".repeat(60);
        assert_eq!(wrapped("a b"), ["a b"]);
        assert_eq!(wrapped(&format!("{word} {word}")), [word.clone(), word]);
        let long = "y".repeat(200);
        assert_eq!(
            wrapped(&format!("a {long} b")),
            ["a".to_owned(), long, "b".to_owned()]
        );
    }
}
