//! Selections in which nothing is written: `{}` would hold for every event, `[]` for none. Neither is what somebody
//! meant, and in a filter the first would silence a rule.

use rsigma_parser::{Detection, Detections, SigmaValue};

use super::document::Document;
use crate::{Code, Diagnostic};

/// What is said of the first selection, by name, that is empty or has an empty list.
pub(super) fn refusal(document: &Document<'_>, detections: &Detections) -> Option<Diagnostic> {
    let mut named: Vec<(&String, &Detection)> = detections.named.iter().collect();
    named.sort_by_key(|(name, _)| *name);
    named.into_iter().find_map(|(name, detection)| {
        let (place, detail) = match empty(detection)? {
            Empty::Everything => (
                name,
                format!("`{name}` asks for nothing, so it holds for every event"),
            ),
            Empty::Nothing => (name, format!("`{name}` names nothing, so it holds for no event")),
            Empty::Values(field) => (
                field,
                format!("`{field}` in `{name}` has no value, so it holds for no event"),
            ),
        };
        let own = format!("{name}:");
        let line = document
            .line_with(place)
            .or_else(|| document.line_with(&own))
            .unwrap_or(1);
        let mend = "write what the selection looks for, or remove it and its name in the condition";
        Some(document.error(Code::EmptySelection, line, &detail, mend))
    })
}

/// What is missing.
enum Empty<'d> {
    Everything,
    Nothing,
    /// The values of this field.
    Values(&'d String),
}

fn empty(detection: &Detection) -> Option<Empty<'_>> {
    match detection {
        Detection::AllOf(items) if items.is_empty() => Some(Empty::Everything),
        Detection::AllOf(items) => items
            .iter()
            .filter(|item| item.values.is_empty())
            .map(|item| item.field.name.as_ref().map_or(Empty::Nothing, Empty::Values))
            .next(),
        Detection::And(parts) if parts.is_empty() => Some(Empty::Everything),
        Detection::AnyOf(parts) if parts.is_empty() => Some(Empty::Nothing),
        Detection::And(parts) | Detection::AnyOf(parts) => parts.iter().find_map(empty),
        Detection::Keywords(values) => values
            .iter()
            .all(|value| matches!(value, SigmaValue::Null))
            .then_some(Empty::Nothing),
        // Refused elsewhere, with all that is in them.
        Detection::ArrayMatch { .. } | Detection::Conditional { .. } => None,
    }
}
