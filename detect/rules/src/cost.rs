//! Which rules cost more than others, and why: so that their author hears of it before the detector does.
//!
//! An engine looks at a rule only if an event has a text that the rule can't do without, so a rule without such a text is looked
//! at for each event of its log source. That is worked out here from the [`Condition`] alone; nothing is measured.

use regex_syntax::hir::{Hir, HirKind};

use crate::{Comparison, Condition, Pattern, Quantifier, Rule, Test, TextOp, TextPart};

/// Shorter texts are in nearly every event, so they rule nothing out.
const LITERAL_BYTES_MIN: usize = 3;

/// A class of at most so many characters counts as a letter of a text: `[Aa]`, `[aAåÅ]`.
const CLASS_CHARACTERS_MAX: usize = 4;

/// Why a rule is expensive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// A regular expression that can match without any text of three characters: it runs on each value of its field.
    Regex(String),
    /// A text of one or two characters, looked for anywhere in a field.
    ShortText(String),
    /// Words looked for in every field of all events of a product, or of all events.
    WideKeywords,
    /// Nothing that the rule needs can be looked up.
    Unindexable,
}

impl Cost {
    /// A fragment for people.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Regex(pattern) => {
                format!("the regular expression `{pattern}` needs no text of {LITERAL_BYTES_MIN} characters, so it runs on each value of its field")
            }
            Self::ShortText(text) => {
                format!("`{text}` has fewer than {LITERAL_BYTES_MIN} characters and is looked for anywhere, so it is found nearly everywhere")
            }
            Self::WideKeywords => {
                "its words are looked for in every field, and its log source has neither category nor service".to_owned()
            }
            Self::Unindexable => {
                "it needs no text of 3 characters and no exact value, so it is evaluated for each event of its log source".to_owned()
            }
        }
    }

    /// What its author can do.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Regex(_) => {
                "put a fixed text into the expression, or a selection with `contains` or `endswith` beside it"
            }
            Self::ShortText(_) => "use a longer text, or `startswith` or `endswith`",
            Self::WideKeywords => "name a service or a category, or the field that the words are in",
            Self::Unindexable => "add a selection that must hold: an event id, a program's name, a text",
        }
    }
}

/// Whether an engine finds nothing to look the rule up by.
#[must_use]
pub fn is_unindexable(rule: &Rule) -> bool {
    !has_index(&rule.condition)
}

/// Why a rule is expensive; sorted, each once. Most are not.
#[must_use]
pub fn costs(rule: &Rule) -> Vec<Cost> {
    let mut found = Vec::new();
    if is_unindexable(rule) {
        found.push(Cost::Unindexable);
    }
    let is_wide = rule.log_source.category.is_none() && rule.log_source.service.is_none();
    collect(&rule.condition, is_wide, &mut found);
    found.sort();
    found.dedup();
    found
}

fn collect(condition: &Condition, is_wide: bool, found: &mut Vec<Cost>) {
    match condition {
        Condition::All(parts) | Condition::AtLeast(_, parts) => {
            // Beside a part that can be looked up, a part's cost comes seldom.
            let is_guarded = matches!(condition, Condition::All(_)) && parts.iter().any(has_index);
            for part in parts {
                if !is_guarded || has_index(part) {
                    collect(part, is_wide, found);
                }
            }
        }
        Condition::Not(part) => collect(part, is_wide, found),
        Condition::Item(item) => match &item.test {
            Test::Exists(_) => {}
            Test::Values { patterns, .. } => found.extend(patterns.iter().filter_map(cost)),
        },
        Condition::Keywords(_, patterns) => {
            if is_wide {
                found.push(Cost::WideKeywords);
            }
            found.extend(patterns.iter().filter_map(cost));
        }
    }
}

fn cost(pattern: &Pattern) -> Option<Cost> {
    match pattern {
        Pattern::Regex(regex) => (!is_indexed(pattern)).then(|| Cost::Regex(regex.clone())),
        Pattern::Text {
            op: TextOp::Contains,
            parts,
            ..
        } if !is_indexed(pattern) => Some(Cost::ShortText(shown(parts))),
        Pattern::Text { .. }
        | Pattern::Cidr(_)
        | Pattern::Number(..)
        | Pattern::Bool(_)
        | Pattern::Null
        | Pattern::Field { .. }
        | Pattern::Time(..) => None,
    }
}

fn shown(parts: &[TextPart]) -> String {
    let part = |part: &TextPart| match part {
        TextPart::Any => "*".to_owned(),
        TextPart::Literal(text) => text.clone(),
        TextPart::One => "?".to_owned(),
    };
    parts.iter().map(part).collect()
}

/// Whether the condition can't hold without some text or value that an index can have.
fn has_index(condition: &Condition) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().any(has_index),
        // If fewer than `count` can hold by themselves, one with an index must hold too.
        Condition::AtLeast(count, parts) => parts.iter().filter(|part| !has_index(part)).count() < *count,
        Condition::Not(_) => false,
        Condition::Item(item) => match &item.test {
            Test::Exists(_) => false,
            Test::Values {
                quantifier,
                negated,
                patterns,
            } => !negated && are_indexed(*quantifier, patterns),
        },
        Condition::Keywords(quantifier, patterns) => are_indexed(*quantifier, patterns),
    }
}

fn are_indexed(quantifier: Quantifier, patterns: &[Pattern]) -> bool {
    match quantifier {
        Quantifier::Any => patterns.iter().all(is_indexed),
        Quantifier::All => patterns.iter().any(is_indexed),
    }
}

fn is_indexed(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Text { op, parts, .. } => {
            let is_exact =
                *op == TextOp::Equals && parts.iter().all(|part| matches!(part, TextPart::Literal(_)));
            let is_long =
                |part: &TextPart| matches!(part, TextPart::Literal(text) if LITERAL_BYTES_MIN <= text.len());
            is_exact || parts.iter().any(is_long)
        }
        Pattern::Regex(pattern) => regex_syntax::parse(pattern).is_ok_and(|hir| letters(&hir).1),
        Pattern::Number(Comparison::Equal, _) => true,
        Pattern::Number(
            Comparison::Greater | Comparison::GreaterOrEqual | Comparison::Less | Comparison::LessOrEqual,
            _,
        )
        | Pattern::Cidr(_)
        | Pattern::Bool(_)
        | Pattern::Null
        | Pattern::Field { .. }
        | Pattern::Time(..) => false,
    }
}

/// How many bytes of fixed text each match is, if it is nothing else; and whether each match holds a fixed text that is long
/// enough.
fn letters(hir: &Hir) -> (Option<usize>, bool) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => (Some(0), false),
        HirKind::Literal(literal) => (Some(literal.0.len()), LITERAL_BYTES_MIN <= literal.0.len()),
        HirKind::Class(class) => {
            let count = match class {
                regex_syntax::hir::Class::Unicode(class) => class
                    .iter()
                    .map(|range| range.len())
                    .fold(0, usize::saturating_add),
                regex_syntax::hir::Class::Bytes(class) => class
                    .iter()
                    .map(|range| range.len())
                    .fold(0, usize::saturating_add),
            };
            ((count <= CLASS_CHARACTERS_MAX).then_some(1), false)
        }
        HirKind::Capture(capture) => letters(&capture.sub),
        HirKind::Repetition(repetition) => {
            let (fixed, is_enough) = letters(&repetition.sub);
            let times = usize::try_from(repetition.min).unwrap_or(usize::MAX);
            let least = fixed.map_or(0, |length| length.saturating_mul(times));
            let is_fixed = repetition.max == Some(repetition.min);
            (
                fixed.filter(|_| is_fixed).map(|_| least),
                0 < times && (is_enough || LITERAL_BYTES_MIN <= least),
            )
        }
        HirKind::Concat(parts) => {
            let (mut run, mut is_whole, mut is_enough) = (0, true, false);
            for part in parts {
                let (fixed, enough) = letters(part);
                is_enough |= enough;
                match fixed {
                    Some(length) => run += length,
                    None => (run, is_whole) = (0, false),
                }
                is_enough |= LITERAL_BYTES_MIN <= run;
            }
            (is_whole.then_some(run), is_enough)
        }
        HirKind::Alternation(parts) => {
            let parts: Vec<_> = parts.iter().map(letters).collect();
            let shortest = parts.iter().map(|(fixed, _)| *fixed).collect::<Option<Vec<_>>>();
            (
                shortest.and_then(|lengths| lengths.into_iter().min()),
                parts.iter().all(|(_, is_enough)| *is_enough),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SourceText, check};

    fn checked(selection: &str, condition: &str, log_source: &str) -> Rule {
        let text = format!(
            "title: A rule\nid: 11111111-1111-4111-8111-111111111111\nlogsource: {log_source}\ndetection:\n{selection}\n  condition: {condition}\n"
        );
        let checked = check(&[SourceText {
            path: "r.yml".to_owned(),
            text,
        }]);
        assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
        checked.rules.rules.into_iter().next().expect("a rule")
    }

    #[test]
    fn rules_without_a_text_to_look_up_are_found() {
        for (selection, condition, expected) in [
            ("  a: { x: value }", "a", false),
            ("  a: { x: 7 }", "a", false),
            ("  a: { x|contains: abc }", "a", false),
            ("  a: { x|contains: ab }", "a", true),
            ("  a: { x|contains: [abc, ab] }", "a", true),
            ("  a: { x|contains|all: [abc, ab] }", "a", false),
            ("  a: { x: '*' }", "a", true),
            ("  a: { x|exists: true }", "a", true),
            ("  a: { x|cidr: 10.0.0.0/8 }", "a", true),
            ("  a: { x: abc }", "not a", true),
            ("  a: { x: abc }\n  b: { y|re: '.{9}' }", "a and b", false),
            ("  a: { x: abc }\n  b: { y|re: '.{9}' }", "a or b", true),
            ("  a: { x|re: 'ab.*cd' }", "a", true),
            ("  a: { x|re: 'abcd?' }", "a", false),
            ("  a: { x|re: '(?i)abc' }", "a", false),
            ("  a: { x|re: '(abc|def)x' }", "a", false),
            ("  a: { x|re: '(abc|de)' }", "a", true),
            ("  a: { x|re: 'a{3}' }", "a", false),
            ("  a: { x|re: '(ab)?c[de]f' }", "a", false),
            ("  a: { x|re: '[0-9]{32}' }", "a", true),
        ] {
            let rule = checked(selection, condition, "{ category: dns }");
            assert_eq!(is_unindexable(&rule), expected, "{selection} {condition}");
        }
    }

    #[test]
    fn what_is_expensive_is_named() {
        let dns = "{ category: dns }";
        for (selection, log_source, expected) in [
            ("  a: { x: value }", dns, vec![]),
            (
                "  a: { x|contains: ab }",
                dns,
                vec![Cost::ShortText("ab".to_owned()), Cost::Unindexable],
            ),
            (
                "  a: { x|re: '.{1000,}' }",
                dns,
                vec![Cost::Regex(".{1000,}".to_owned()), Cost::Unindexable],
            ),
            (
                "  a: [word, other]",
                "{ product: linux }",
                vec![Cost::WideKeywords],
            ),
            ("  a: [word, other]", "{ product: linux, service: auth }", vec![]),
            ("  a: { x: value, y|contains: ab }", dns, vec![]),
        ] {
            assert_eq!(
                costs(&checked(selection, "a", log_source)),
                expected,
                "{selection}"
            );
        }
    }
}
