//! A correlation as its author wrote it, where the parser says less: what it drops, and whether there was a condition.

use rsigma_parser::CorrelationRule;

use super::{base, document::Document, document::nearest};
use crate::{
    Code, Diagnostic,
    node::{self, Kind, Node},
};

/// A parsed correlation.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) sigma: CorrelationRule,
    /// Without one, a temporal correlation asks for all of its rules; the parser then says one.
    pub(super) has_condition: bool,
}

const KEYS: [&str; 10] = [
    "aliases",
    "condition",
    "gap",
    "generate",
    "group-by",
    "rules",
    "timeframe",
    "timespan",
    "type",
    "window",
];

const CONDITION_KEYS: [&str; 8] = ["eq", "field", "gt", "gte", "lt", "lte", "neq", "percentile"];

/// Looks at what the parser would pass over. Nothing comes back if something is refused.
pub(super) fn look(
    document: &Document<'_>,
    sigma: CorrelationRule,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Written> {
    let entries = correlation(document);
    let mut has_condition = false;
    let before = diagnostics.len();
    for (key, node) in &entries {
        match key.as_str() {
            "rules" | "group-by" if !is_texts(node) => {
                let detail = format!("`{key}` is no list of texts");
                diagnostics.push(refuse(
                    document,
                    key,
                    node,
                    &detail,
                    "write names, in quotes where they are numbers",
                ));
            }
            "aliases" if !is_aliases(node) => {
                let detail = "`aliases` is no mapping of alias to a mapping of rule to field";
                let mend = "write such as `aliases: { who: { rule_a: src_ip, rule_b: client_ip } }`";
                diagnostics.push(refuse(document, key, node, detail, mend));
            }
            "condition" => {
                has_condition = node.kind != Kind::Null;
                condition(document, node, diagnostics);
            }
            known if KEYS.contains(&known) => {}
            unknown => diagnostics.push(passed_over(document, "correlation", unknown, &KEYS)),
        }
    }
    let is_refused = diagnostics
        .get(before..)
        .unwrap_or_default()
        .iter()
        .any(Diagnostic::is_error);
    (!is_refused).then_some(Written { sigma, has_condition })
}

/// The members of `correlation:`; none where another reader finds what the parser's does not.
fn correlation(document: &Document<'_>) -> Vec<(String, Node)> {
    let Ok(Node {
        kind: Kind::Map(entries),
        ..
    }) = node::read(document.text)
    else {
        return Vec::new();
    };
    let found = entries.into_iter().find(|(key, _)| key == "correlation");
    match found {
        Some((
            _,
            Node {
                kind: Kind::Map(entries),
                ..
            },
        )) => entries,
        Some(_) | None => Vec::new(),
    }
}

fn condition(document: &Document<'_>, node: &Node, diagnostics: &mut Vec<Diagnostic>) {
    let Kind::Map(entries) = &node.kind else {
        return;
    };
    for (key, node) in entries {
        let (detail, mend) = match (key.as_str(), &node.kind) {
            ("field", _) if is_texts(node) => continue,
            ("field", _) => (
                "`field` is neither a name nor a list of names".to_owned(),
                "name a field",
            ),
            ("percentile", Kind::Integer(0..=100)) => continue,
            ("percentile", _) => (
                "`percentile` is no whole number from 0 to 100".to_owned(),
                "write such as `percentile: 95`",
            ),
            (known, Kind::Integer(number)) if CONDITION_KEYS.contains(&known) && 0 <= *number => continue,
            (known, _) if CONDITION_KEYS.contains(&known) => (
                format!("`{known}` is no whole number from 0 on"),
                "write such as `gte: 10`",
            ),
            (unknown, _) => {
                diagnostics.push(passed_over(document, "condition", unknown, &CONDITION_KEYS));
                continue;
            }
        };
        diagnostics.push(refuse(document, key, node, &detail, mend));
    }
}

fn is_texts(node: &Node) -> bool {
    match &node.kind {
        Kind::Text(_) | Kind::Null => true,
        Kind::List(items) => items.iter().all(|item| matches!(item.kind, Kind::Text(_))),
        Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Map(_) => false,
    }
}

fn is_aliases(node: &Node) -> bool {
    let is_mapping = |(_, node): &(String, Node)| match &node.kind {
        Kind::Map(entries) => entries.iter().all(|(_, node)| matches!(node.kind, Kind::Text(_))),
        Kind::Null | Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Text(_) | Kind::List(_) => {
            false
        }
    };
    match &node.kind {
        Kind::Map(entries) => entries.iter().all(is_mapping),
        Kind::Null => true,
        Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Text(_) | Kind::List(_) => false,
    }
}

fn refuse(document: &Document<'_>, key: &str, node: &Node, detail: &str, mend: &str) -> Diagnostic {
    let line = document.line_of(key, node.line);
    document.error(Code::BadCorrelation, line, detail, mend)
}

fn passed_over(document: &Document<'_>, of: &str, key: &str, known: &[&str]) -> Diagnostic {
    let detail = format!("`{of}` has `{key}`, which does nothing");
    let mend = match nearest(key, known) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("the keys are {}", known.join(", ")),
    };
    base::warning(document, &format!("{key}:"), &detail, &mend)
}
