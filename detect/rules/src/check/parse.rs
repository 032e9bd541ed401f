//! One document's text to what `rsigma-parser` makes of it; what it can't read becomes a diagnostic with a code.

use rsigma_parser::{FilterRule, SigmaCollection, SigmaRule, parse_sigma_yaml};

use super::{
    anomaly,
    chain::Taker,
    document::{self, Document},
    empty, written,
};
use crate::{Code, Diagnostic, Level};

/// A document, what is in it, and what is wrong with it.
pub(super) struct Parsed<'s> {
    pub(super) document: Document<'s>,
    pub(super) content: Option<Content>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// What a document holds.
pub(super) enum Content {
    Filter(Box<FilterRule>),
    Rule(Box<SigmaRule>),
    Taker(Taker),
}

/// Reads one document.
pub(super) fn read(document: Document<'_>) -> Parsed<'_> {
    let mut diagnostics = Vec::new();
    let content = content(&document, &mut diagnostics);
    Parsed {
        document,
        content,
        diagnostics,
    }
}

fn content(document: &Document<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Content> {
    if document.is_blank() {
        return None;
    }
    if document.has_key("action") {
        let line = document.line_with("action:").unwrap_or(1);
        let detail = "the document is part of a collection (`action:`)";
        let mend = "write each rule out in full, separated by `---`";
        diagnostics.push(document.error(Code::Unsupported, line, detail, mend));
        return None;
    }
    if anomaly::is_anomaly(document) {
        let draft = anomaly::read(document, diagnostics)?;
        return Some(Content::Taker(Taker::Anomaly(Box::new(draft))));
    }
    let SigmaCollection {
        rules,
        correlations,
        filters,
        errors,
    } = match parse_sigma_yaml(document.text) {
        Ok(collection) => collection,
        Err(error) => {
            diagnostics.push(document::explain(document, &error.to_string()));
            return None;
        }
    };
    let content = rules
        .into_iter()
        .next()
        .map(|rule| Content::Rule(Box::new(rule)))
        .or_else(|| {
            let correlation = correlations.into_iter().next()?;
            let written = written::look(document, correlation, diagnostics)?;
            Some(Content::Taker(Taker::Correlation(Box::new(written))))
        })
        .or_else(|| {
            let filter = filters.into_iter().next()?;
            Some(Content::Filter(Box::new(filter)))
        });
    for error in &errors {
        let mut diagnostic = document::explain(document, error);
        if content.is_some() {
            diagnostic.level = Level::Warning;
            diagnostic.code = Code::Ignored;
        }
        diagnostics.push(diagnostic);
    }
    let detections = match &content {
        Some(Content::Rule(rule)) => {
            ignored(document, rule, diagnostics);
            Some(&rule.detection)
        }
        Some(Content::Filter(filter)) => Some(&filter.detection),
        Some(Content::Taker(_)) | None => None,
    };
    let refusal = detections.and_then(|detections| empty::refusal(document, detections));
    if refusal.is_some() {
        diagnostics.extend(refusal);
        return None;
    }
    content
}

/// Keys that stand in the document and have no effect.
fn ignored(document: &Document<'_>, rule: &SigmaRule, diagnostics: &mut Vec<Diagnostic>) {
    let mut warn = |place: &str, detail: &str, mend: &str| {
        let line = document.line_with(place).unwrap_or(1);
        let mut diagnostic = document.error(Code::Ignored, line, detail, mend);
        diagnostic.level = Level::Warning;
        diagnostics.push(diagnostic);
    };
    if rule.author.is_none() && document.has_key("author") {
        warn(
            "author:",
            "the author is no text, so no alert names one",
            "write the names in one text, separated by commas",
        );
    }
    let mut own: Vec<&String> = rule.logsource.custom.keys().collect();
    own.sort();
    for key in own {
        warn(
            &format!("{key}:"),
            &format!("`logsource` has `{key}`, which no event is told by"),
            "use `category`, `product` and `service`",
        );
    }
    if rule.detection.timeframe.is_some() {
        warn(
            "timeframe:",
            "`timeframe` in a rule does nothing",
            "write a correlation with `timespan`",
        );
    }
}
