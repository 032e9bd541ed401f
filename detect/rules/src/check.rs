//! Rule documents to [`CheckedRules`]: one bad rule is refused with a diagnostic, the others load.
//!
//! `rsigma-parser` reads the YAML and the condition grammar; what it yields is checked and lowered here, with
//! line numbers found in the document's own text.

mod correlation;
mod document;
mod lower;
mod meta;
mod value;

use std::collections::BTreeMap;

use rsigma_parser::{CorrelationRule, SigmaRule, parse_sigma_yaml};

use crate::{CheckedRules, Code, Diagnostic, Level, Rule, SourceText};
use document::Document;

/// What [`check`] found.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// What loads.
    pub rules: CheckedRules,
    /// What does not, and what should be looked at; by file and line.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks rule files. The outcome does not depend on the order of `sources`, except that of two rules with
/// one id the first by path is kept.
#[must_use]
pub fn check(sources: &[SourceText]) -> Checked {
    let mut sources: Vec<&SourceText> = sources.iter().collect();
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    let mut found = Found::default();
    for source in sources {
        for document in document::split(source) {
            found.read(document);
        }
    }
    found.finish()
}

/// Documents read so far.
#[derive(Default)]
struct Found<'s> {
    rules: Vec<Named<Rule>>,
    correlations: Vec<(Document<'s>, CorrelationRule)>,
    ids: BTreeMap<String, (String, usize)>,
    diagnostics: Vec<Diagnostic>,
}

/// A rule with the names by which a correlation may call it.
struct Named<T> {
    names: Vec<String>,
    rule: T,
}

impl<'s> Found<'s> {
    fn read(&mut self, document: Document<'s>) {
        if document.is_blank() {
            return;
        }
        if let Some(line) = document
            .line_with("action:")
            .filter(|_| document.has_key("action"))
        {
            let detail = "the document is part of a collection (`action:`)";
            let mend = "write each rule out in full, separated by `---`";
            self.diagnostics
                .push(document.error(Code::Unsupported, line, detail, mend));
            return;
        }
        let collection = match parse_sigma_yaml(document.text) {
            Ok(collection) => collection,
            Err(error) => {
                self.diagnostics
                    .push(document::explain(&document, &error.to_string()));
                return;
            }
        };
        let is_read = !collection.rules.is_empty() || !collection.correlations.is_empty();
        for error in &collection.errors {
            let mut diagnostic = document::explain(&document, error);
            if is_read {
                diagnostic.level = Level::Warning;
                diagnostic.code = Code::Ignored;
            }
            self.diagnostics.push(diagnostic);
        }
        if let Some(rule) = collection.rules.into_iter().next() {
            self.rule(&document, &rule);
        } else if let Some(correlation) = collection.correlations.into_iter().next() {
            let Some(id) = correlation.id.clone() else {
                self.diagnostics.push(meta::missing(&document, "id"));
                return;
            };
            if self.claim(&document, &id) {
                self.correlations.push((document, correlation));
            }
        } else if !collection.filters.is_empty() {
            let line = document.line_with("filter:").unwrap_or(1);
            let detail = "Sigma filters are not applied yet";
            let mend = "put the exclusion into the rule itself, as a selection used with `and not`";
            self.diagnostics
                .push(document.error(Code::Unsupported, line, detail, mend));
        }
    }

    fn rule(&mut self, document: &Document<'s>, sigma: &SigmaRule) {
        match lower::rule(document, sigma, &mut self.diagnostics) {
            Ok(rule) => {
                if self.claim(document, &rule.producer.id.0) {
                    let mut names = vec![rule.producer.id.0.clone()];
                    names.extend(sigma.name.clone());
                    self.rules.push(Named { names, rule });
                }
            }
            Err(diagnostic) => self.diagnostics.push(*diagnostic),
        }
    }

    /// Takes an id, or says who has it.
    fn claim(&mut self, document: &Document<'s>, id: &str) -> bool {
        let line = document.line_with("id:").unwrap_or(1);
        if let Some((path, first)) = self.ids.get(id) {
            let detail = format!("`{id}` is the id of {path}:{first}");
            let mend = "give each rule an id of its own (`uuidgen` makes one), or remove one of the two";
            self.diagnostics
                .push(document.error(Code::DuplicateId, line, &detail, mend));
            return false;
        }
        self.ids.insert(
            id.to_owned(),
            (document.path.to_owned(), document.first_line + line - 1),
        );
        true
    }

    fn finish(mut self) -> Checked {
        self.rules
            .sort_by(|a, b| a.rule.producer.id.cmp(&b.rule.producer.id));
        let mut correlations = Vec::new();
        for (document, correlation) in &self.correlations {
            match correlation::lower(document, correlation, &self.rules, &mut self.diagnostics) {
                Ok(lowered) => {
                    if !correlation.generate {
                        for base in &lowered.bases {
                            if let Some(named) = self.rules.get_mut(base.rule) {
                                named.rule.raises = false;
                            }
                        }
                    }
                    correlations.push(lowered);
                }
                Err(diagnostic) => self.diagnostics.push(*diagnostic),
            }
        }
        correlations.sort_by(|a, b| a.producer.id.cmp(&b.producer.id));
        self.diagnostics
            .sort_by(|a, b| (&a.path, a.line, a.code).cmp(&(&b.path, b.line, b.code)));
        Checked {
            rules: CheckedRules {
                rules: self.rules.into_iter().map(|named| named.rule).collect(),
                correlations,
            },
            diagnostics: self.diagnostics,
        }
    }
}
