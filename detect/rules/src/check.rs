//! Rule documents to [`CheckedRules`]: one bad rule is refused with a diagnostic, the others load.
//!
//! `rsigma-parser` reads the YAML and the condition grammar; what it yields gets its filters, goes through the pipelines
//! and is lowered here, with line numbers found in the document's own text.

mod again;
mod anomaly;
mod base;
mod chain;
mod correlation;
mod document;
mod empty;
mod expression;
mod filter;
mod lower;
mod meta;
mod parse;
mod threads;
mod value;
mod written;

use std::collections::BTreeMap;

use rsigma_parser::SigmaRule;
use serde::{Deserialize, Serialize};

use crate::{
    CheckedRules, Code, Diagnostic, Pipeline, Placeholders, Rule, SourceText,
    pipeline::{self, Draft},
    placeholder,
};
pub use again::Checker;
use chain::{Built, Taker};
use document::Document;
use filter::Filters;
use parse::{Content, Parsed};

/// What [`check`] found. Serialisable for a cache of this program's own only.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Checked {
    /// What loads.
    pub rules: CheckedRules,
    /// Where each rule that loads was written, in the order of `rules.rules`.
    pub places: Vec<Place>,
    /// What does not load, and what should be looked at; by file and line.
    pub diagnostics: Vec<Diagnostic>,
}

/// Where a rule was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file.
    pub path: String,
    /// The line of its title.
    pub line: usize,
}

/// What rules are checked with, besides themselves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Applied to each rule by priority; among equals in this order.
    pub pipelines: Vec<Pipeline>,
    /// Lists for `expand`, besides those in files called `placeholders.yml` among the rules.
    pub placeholders: Placeholders,
}

/// Checks rule files as they are: no pipeline.
#[must_use]
pub fn check(sources: &[SourceText]) -> Checked {
    check_with(sources, &Options::default())
}

/// Checks rule files. The outcome does not depend on the order of `sources`, except that of two rules with
/// one id the first by path is kept.
#[must_use]
pub fn check_with(sources: &[SourceText], options: &Options) -> Checked {
    let mut sources: Vec<&SourceText> = sources.iter().collect();
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    let (lists, rules): (Vec<&SourceText>, Vec<&SourceText>) = sources
        .into_iter()
        .partition(|source| placeholder::is_placeholder_file(&source.path));
    let mut found = Found::default();
    let mut placeholders = options.placeholders.clone();
    for source in lists {
        found
            .diagnostics
            .extend(placeholders.add(source).err().map(|refusal| *refusal));
    }
    let mut pipelines: Vec<&Pipeline> = options.pipelines.iter().collect();
    pipelines.sort_by_key(|pipeline| pipeline.priority());
    let mut filters = Filters::default();
    let mut singles = Vec::new();
    let mut takers = Vec::new();
    let documents: Vec<Document<'_>> = rules.into_iter().flat_map(document::split).collect();
    for parsed in threads::map(documents, parse::read) {
        let Parsed {
            document,
            content,
            diagnostics,
        } = parsed;
        found.diagnostics.extend(diagnostics);
        match content {
            Some(Content::Rule(rule)) => singles.push((document, rule)),
            Some(Content::Taker(taker)) => takers.push((document, taker)),
            Some(Content::Filter(filter)) => filters.add(document, *filter, &mut found.diagnostics),
            None => {}
        }
    }
    for (_, rule) in &singles {
        filters.meet(rule);
    }
    let context = Context {
        filters: &filters,
        pipelines: &pipelines,
        placeholders: &placeholders,
    };
    for (document, lowered, diagnostics) in
        threads::map(singles, |(document, rule)| context.lower(document, *rule))
    {
        found.diagnostics.extend(diagnostics);
        found.rule(&document, lowered);
    }
    found.diagnostics.extend(filters.report());
    found.finish(takers, &pipelines)
}

/// What every rule is lowered with.
struct Context<'c, 's> {
    filters: &'c Filters<'s>,
    pipelines: &'c [&'c Pipeline],
    placeholders: &'c Placeholders,
}

impl<'s> Context<'_, 's> {
    /// Filters, then pipelines, then Varde's own form.
    fn lower(
        &self,
        document: Document<'s>,
        rule: SigmaRule,
    ) -> (Document<'s>, Result<Named, meta::Refusal>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let mut names: Vec<String> = rule.name.iter().cloned().collect();
        let original = (!self.pipelines.is_empty()).then(|| Box::new(rule.clone()));
        let mut changes = Changes::default();
        let filters = self.filters.of(&rule, &mut changes);
        let mut draft = Draft::new(rule, filters);
        let lowered = pipeline::apply(self.pipelines, &mut draft, &mut changes)
            .map_err(|refused| pipeline_refusal(&document, &refused))
            .and_then(|()| {
                lower::rule(
                    &document,
                    &draft,
                    self.placeholders,
                    &mut changes,
                    &mut diagnostics,
                )
            })
            .map(|rule| {
                names.push(rule.producer.id.0.clone());
                let place = Place {
                    path: document.path.to_owned(),
                    line: document.first_line + document.line_with("title:").unwrap_or(1) - 1,
                };
                Named {
                    names,
                    rule,
                    place,
                    original,
                }
            });
        (document, lowered, diagnostics)
    }
}

fn pipeline_refusal(document: &Document<'_>, refused: &pipeline::Refused) -> meta::Refusal {
    let line = document.line_with("title:").unwrap_or(1);
    let detail = format!("pipeline `{}`: {}", refused.pipeline, refused.reason);
    let mend = "leave the rule out where this pipeline is used, or change the pipeline";
    Box::new(document.error(Code::RefusedByPipeline, line, &detail, mend))
}

/// What was done to a rule from outside of its document, so that its version says so.
#[derive(Debug, Default)]
pub(crate) struct Changes(Option<blake3::Hasher>);

impl Changes {
    /// Something was done; these bytes stand for it.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let hasher = self.0.get_or_insert_with(blake3::Hasher::new);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }

    /// The digest of the rule, and what is appended to its version.
    fn finish(&self, text: &str) -> ([u8; 32], Option<String>) {
        let own = blake3::hash(text.as_bytes());
        let Some(changes) = &self.0 else {
            return (*own.as_bytes(), None);
        };
        let changes = changes.finalize();
        let mut both = blake3::Hasher::new();
        both.update(own.as_bytes());
        both.update(changes.as_bytes());
        let suffix = changes.to_hex().chars().take(8).collect();
        (*both.finalize().as_bytes(), Some(suffix))
    }
}

/// What is collected before correlations are looked at.
#[derive(Default)]
struct Found {
    rules: Vec<Named>,
    ids: BTreeMap<String, (String, usize)>,
    diagnostics: Vec<Diagnostic>,
}

/// A rule with the names by which a correlation may call it.
#[derive(Clone)]
struct Named {
    names: Vec<String>,
    rule: Rule,
    place: Place,
    /// As it was before the pipelines, if there are any: a correlation's fields go the same way.
    original: Option<Box<SigmaRule>>,
}

impl Found {
    fn rule(&mut self, document: &Document<'_>, lowered: Result<Named, meta::Refusal>) {
        match lowered {
            Ok(named) => {
                if self.claim(document, &named.rule.producer.id.0) {
                    self.rules.push(named);
                }
            }
            Err(diagnostic) => self.diagnostics.push(*diagnostic),
        }
    }

    /// Takes an id, or says who has it.
    fn claim(&mut self, document: &Document<'_>, id: &str) -> bool {
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

    fn finish(mut self, found: Vec<(Document<'_>, Taker)>, pipelines: &[&Pipeline]) -> Checked {
        self.rules
            .sort_by(|a, b| a.rule.producer.id.cmp(&b.rule.producer.id));
        let mut takers = Vec::with_capacity(found.len());
        for (document, taker) in found {
            match taker.id() {
                None => self.diagnostics.push(meta::missing(&document, "id")),
                Some(id) => {
                    if self.claim(&document, id) {
                        takers.push((document, taker));
                    }
                }
            }
        }
        let Built {
            correlations,
            anomalies,
            silent,
        } = chain::build(&takers, &self.rules, pipelines, &mut self.diagnostics);
        for rule in silent {
            if let Some(named) = self.rules.get_mut(rule) {
                named.rule.raises = false;
            }
        }
        self.diagnostics
            .sort_by(|a, b| (&a.path, a.line, a.code).cmp(&(&b.path, b.line, b.code)));
        let (rules, places) = self
            .rules
            .into_iter()
            .map(|named| (named.rule, named.place))
            .unzip();
        Checked {
            rules: CheckedRules {
                rules,
                correlations,
                anomalies,
            },
            places,
            diagnostics: self.diagnostics,
        }
    }
}
