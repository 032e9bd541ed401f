//! Conditions as short text, so that a test can say what a rule comes to.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test support; each user needs a part of it"
)]

use detect_rules::{Condition, Pattern, Quantifier, SourceText, Test, TextOp, TextPart};

/// One file.
pub fn source(path: &str, text: impl Into<String>) -> SourceText {
    SourceText {
        path: path.to_owned(),
        text: text.into(),
    }
}

/// A rule with this log source and these lines of `detection`, each indented by two.
pub fn rule(log_source: &str, detection: &str) -> String {
    format!(
        "title: A rule\nid: 11111111-1111-4111-8111-111111111111\nname: a_rule\ndate: 2026-01-01\nlogsource: {log_source}\ndetection:\n{detection}\n"
    )
}

/// `and`, `or` and `not` as `&`, `|` and `!`; what has one part only is that part.
pub fn shown(condition: &Condition) -> String {
    let join = |parts: &[Condition], with: &str| {
        let mut parts: Vec<String> = parts.iter().map(shown).collect();
        if parts.len() == 1 {
            parts.pop().unwrap()
        } else {
            format!("({})", parts.join(with))
        }
    };
    match condition {
        Condition::All(parts) => join(parts, " & "),
        Condition::AtLeast(1, parts) if parts.is_empty() => "never".to_owned(),
        Condition::AtLeast(1, parts) => join(parts, " | "),
        Condition::AtLeast(count, parts) => format!("{count} of {}", join(parts, ", ")),
        Condition::Not(part) => format!("!{}", shown(part)),
        Condition::Item(item) => {
            let fields = item.fields.join("/");
            match &item.test {
                Test::Exists(true) => format!("{fields} exists"),
                Test::Exists(false) => format!("{fields} is missing"),
                Test::Values {
                    quantifier,
                    negated,
                    patterns,
                } => {
                    let relation = if *negated { "!=" } else { "=" };
                    format!("{fields}{relation}{}", patterns_shown(*quantifier, patterns))
                }
            }
        }
        Condition::Keywords(quantifier, patterns) => {
            format!("any={}", patterns_shown(*quantifier, patterns))
        }
    }
}

fn patterns_shown(quantifier: Quantifier, patterns: &[Pattern]) -> String {
    let with = match quantifier {
        Quantifier::Any => ",",
        Quantifier::All => "+",
    };
    let shown: Vec<String> = patterns.iter().map(pattern_shown).collect();
    shown.join(with)
}

fn pattern_shown(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Text { op, parts, .. } => {
            let text: String = parts
                .iter()
                .map(|part| match part {
                    TextPart::Any => "*",
                    TextPart::Literal(text) => text,
                    TextPart::One => "?",
                })
                .collect();
            match op {
                TextOp::Contains => format!("~{text}~"),
                TextOp::EndsWith => format!("~{text}"),
                TextOp::Equals => text,
                TextOp::StartsWith => format!("{text}~"),
            }
        }
        Pattern::Regex(pattern) => format!("/{pattern}/"),
        Pattern::Null => "null".to_owned(),
        Pattern::Number(_, number) => number.to_string(),
        Pattern::Field { fields, .. } => format!("the {}", fields.join("/")),
        other => format!("{other:?}"),
    }
}
