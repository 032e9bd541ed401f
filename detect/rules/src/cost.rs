//! Which rules cost more than others, and why: so that their author hears of it before the detector does.
//!
//! The engine looks at a rule only if an event has a text that the rule can't do without, so a rule without such a text is looked
//! at for each event of its log source. That is worked out here from the [`Condition`] alone; nothing is measured. What counts as
//! such a text is what the engine takes for a witness, no more and no less: a test of the engine holds the two together.

mod regex;

use crate::{Comparison, Condition, Pattern, Quantifier, Rule, Test, TextOp, TextPart};

/// Shorter texts, anywhere in a value, are in nearly every event, so they rule nothing out.
const LITERAL_BYTES_MIN: usize = 2;

/// Why a rule is expensive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// A regular expression that can match without any text of three characters: it runs on each value of its field.
    Regex(String),
    /// A text of one character, looked for anywhere in a field.
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
                format!(
                    "the regular expression `{pattern}` needs no text of {} characters, so it runs on each value of its field",
                    regex::BYTES_MIN
                )
            }
            Self::ShortText(text) => {
                format!(
                    "`{text}` has fewer than {LITERAL_BYTES_MIN} characters and is looked for anywhere, so it is found nearly everywhere"
                )
            }
            Self::WideKeywords => {
                "its words are looked for in every field, and its log source has neither category nor service"
                    .to_owned()
            }
            Self::Unindexable => {
                format!(
                    "it needs no text of {LITERAL_BYTES_MIN} characters and no exact value, so it is evaluated for each event of its log source"
                )
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
            Test::Values { patterns, .. } => {
                found.extend(patterns.iter().filter_map(|pattern| cost(pattern, Within::Field)));
            }
        },
        Condition::Keywords(_, patterns) => {
            if is_wide {
                found.push(Cost::WideKeywords);
            }
            found.extend(patterns.iter().filter_map(|pattern| cost(pattern, Within::Event)));
        }
    }
}

fn cost(pattern: &Pattern, within: Within) -> Option<Cost> {
    match pattern {
        Pattern::Regex(regex) => (!is_indexed(pattern, within)).then(|| Cost::Regex(regex.clone())),
        Pattern::Text {
            op: TextOp::Contains,
            parts,
            ..
        } if !is_indexed(pattern, within) => Some(Cost::ShortText(shown(parts))),
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

/// Whether the condition can't hold without some text or value that the engine looks for.
fn has_index(condition: &Condition) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().any(has_index),
        // If fewer than `count` can hold by themselves, one with an index must hold too.
        Condition::AtLeast(count, parts) => {
            let by_themselves = parts.iter().filter(|part| !has_index(part)).count();
            *count <= parts.len() && by_themselves < *count
        }
        Condition::Not(_) => false,
        Condition::Item(item) => match &item.test {
            Test::Exists(_) => false,
            Test::Values {
                quantifier,
                negated,
                patterns,
            } => !negated && are_indexed(*quantifier, patterns, Within::Field),
        },
        Condition::Keywords(quantifier, patterns) => are_indexed(*quantifier, patterns, Within::Event),
    }
}

/// Where a pattern is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Field,
    /// Any field: at the edges of values it can't be looked for.
    Event,
}

fn are_indexed(quantifier: Quantifier, patterns: &[Pattern], within: Within) -> bool {
    let mut each = patterns.iter().map(|pattern| is_indexed(pattern, within));
    match quantifier {
        Quantifier::Any => !patterns.is_empty() && each.all(|is| is),
        Quantifier::All => each.any(|is| is),
    }
}

fn is_indexed(pattern: &Pattern, within: Within) -> bool {
    match pattern {
        Pattern::Text { op, parts, .. } => {
            let last = parts.len().saturating_sub(1);
            let from_start = matches!(op, TextOp::Equals | TextOp::StartsWith);
            let to_end = matches!(op, TextOp::Equals | TextOp::EndsWith);
            let is_nothing = parts.is_empty() && *op == TextOp::Equals;
            let is_found = |(index, part): (usize, &TextPart)| {
                let TextPart::Literal(text) = part else {
                    return false;
                };
                let edges = [from_start && index == 0, to_end && index == last];
                let length = folded_bytes(text);
                // A look at an edge is cheap, however short the text.
                let is_at_edge = edges == [true; 2] || edges != [false; 2] && 0 < length;
                LITERAL_BYTES_MIN <= length || is_at_edge && within == Within::Field
            };
            is_nothing && within == Within::Field || parts.iter().enumerate().any(is_found)
        }
        Pattern::Regex(source) => regex::is_indexed(source),
        Pattern::Number(Comparison::Equal, _) | Pattern::Bool(_) => true,
        Pattern::Number(
            Comparison::Greater | Comparison::GreaterOrEqual | Comparison::Less | Comparison::LessOrEqual,
            _,
        )
        | Pattern::Cidr(_)
        | Pattern::Null
        | Pattern::Field { .. }
        | Pattern::Time(..) => false,
    }
}

/// How long the text is where the engine looks for it: each character in its simple lower case, which can be shorter.
fn folded_bytes(text: &str) -> usize {
    text.chars().map(|character| folded(character).len_utf8()).sum()
}

/// The character without regard to case, as the engine compares it.
fn folded(character: char) -> char {
    let mut lower = character.to_lowercase();
    let simple = match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => character,
    };
    match simple {
        'ς' => 'σ',
        'ſ' => 's',
        'µ' => 'μ',
        other => other,
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
            ("  a: { x|contains: ab }", "a", false),
            ("  a: { x|contains: a }", "a", true),
            ("  a: { x|contains: å }", "a", false),
            ("  a: { x|contains: \u{212a} }", "a", true), // the sign for kelvin, which is a `k`
            ("  a: { x|contains: [abc, a] }", "a", true),
            ("  a: { x|contains|all: [abc, a] }", "a", false),
            ("  a: { x|startswith: a }", "a", false),
            ("  a: { x: '*a' }", "a", false),
            ("  a: { x: '*a*' }", "a", true),
            ("  a: { x: a }", "a", false),
            ("  a: { x: '' }", "a", false),
            ("  a: { x|startswith: '' }", "a", true),
            ("  a: [a]", "a", true),
            ("  a: [ab]", "a", false),
            ("  a: { x: true }", "a", false),
            ("  a: { x|gt: 7 }", "a", true),
            ("  a: { x: null }", "a", true),
            ("  a: { x: [1, null] }", "a", true),
            (
                "  a1: { x: abc }\n  a2: { y: abc }\n  a3: { z|gt: 1 }",
                "2 of a*",
                false,
            ),
            (
                "  a1: { x: abc }\n  a2: { y: abc }\n  a3: { z|gt: 1 }",
                "all of a*",
                false,
            ),
            (
                "  a1: { x: abc }\n  a2: { y: abc }\n  a3: { z|gt: 1 }",
                "1 of a*",
                true,
            ),
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
            ("  a: { x|re: 'ba{3}' }", "a", false),
            ("  a: { x|re: '(ab)?c[de]f' }", "a", true),
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
                "  a: { x|contains: a }",
                dns,
                vec![Cost::ShortText("a".to_owned()), Cost::Unindexable],
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
            ("  a: { x: value, y|contains: a }", dns, vec![]),
        ] {
            assert_eq!(
                costs(&checked(selection, "a", log_source)),
                expected,
                "{selection}"
            );
        }
    }
}
