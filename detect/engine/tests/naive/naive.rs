//! Sigma in the most obvious way: every rule, every value, character by character.
//!
//! This is what the engine's answers are held against, and the definition where the specification leaves room.
//! It shares no code with the engine: it flattens, folds and matches on its own, over `serde_json`, and knows
//! no shortcut. Conditions come from `detect-rules`; whether those say what the rule says is the oracle's to tell.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::float_cmp,
    clippy::indexing_slicing,
    reason = "test support; each user needs a part of it"
)]

use std::{cell::RefCell, collections::HashMap, net::IpAddr};

use detect_rules::{
    Comparison, Condition, Item, Pattern, Quantifier, RuleLogSource, Test, TextOp, TextPart, TimePart,
    log_source::{TRAIT_FIELDS, Traits, of_event},
};
use ingest_event::Timestamp;
use regex::Regex;
use serde_json::Value;

#[path = "tree.rs"]
mod tree;

/// One value of an event, under its dotted name.
pub struct Leaf {
    pub name: String,
    pub value: Value,
    /// As a person would write it; nothing for null.
    pub text: String,
    /// The same without regard to case.
    pub folded: String,
}

/// Every value of an event in the order of its bytes; none is lost if a name is given twice.
pub fn flatten(payload: &[u8]) -> serde_json::Result<Vec<Leaf>> {
    let values = tree::flatten(payload)?;
    Ok(values
        .into_iter()
        .map(|(name, value)| {
            let text = written(&value);
            Leaf {
                name,
                folded: fold(&text),
                text,
                value,
            }
        })
        .collect())
}

/// Whether the rule is for the event at all: policy, which is data that all of us take as it is.
pub fn is_for(rule: &RuleLogSource, event: &[Leaf]) -> bool {
    let text = |names: &[&str]| {
        names.iter().find_map(|name| {
            event
                .iter()
                .find(|leaf| leaf.name == *name && !leaf.value.is_null())
                .map(|leaf| leaf.text.as_str())
        })
    };
    let traits = Traits::from_texts(TRAIT_FIELDS.map(text));
    *rule == RuleLogSource::default() || of_event(&traits).iter().any(|source| rule.accepts(source))
}

/// Whether a condition is true for an event.
pub fn holds(condition: &Condition, event: &[Leaf]) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| holds(part, event)),
        Condition::AtLeast(count, parts) => *count <= parts.iter().filter(|part| holds(part, event)).count(),
        Condition::Not(part) => !holds(part, event),
        Condition::Item(item) => item_holds(item, event),
        Condition::Keywords(quantifier, patterns) => {
            let texts: Vec<&Leaf> = event.iter().filter(|leaf| leaf.value.is_string()).collect();
            each(*quantifier, patterns, |pattern| {
                texts.iter().any(|leaf| matches(pattern, leaf, event))
            })
        }
    }
}

fn item_holds(item: &Item, event: &[Leaf]) -> bool {
    match &item.test {
        Test::Exists(wanted) => {
            let is_there = event
                .iter()
                .any(|leaf| item.fields.contains(&leaf.name) && !leaf.value.is_null());
            is_there == *wanted
        }
        Test::Values {
            quantifier,
            negated,
            patterns,
        } => {
            let leaves = first(&item.fields, event);
            if leaves.is_empty() {
                return !negated && each(*quantifier, patterns, |pattern| matches!(pattern, Pattern::Null));
            }
            let found = each(*quantifier, patterns, |pattern| {
                leaves.iter().any(|leaf| matches(pattern, leaf, event))
            });
            found != *negated
        }
    }
}

/// The values of the first of these names that the event has.
fn first<'e>(names: &[String], event: &'e [Leaf]) -> Vec<&'e Leaf> {
    names
        .iter()
        .map(|name| event.iter().filter(|leaf| leaf.name == *name).collect::<Vec<_>>())
        .find(|leaves| !leaves.is_empty())
        .unwrap_or_default()
}

fn each(quantifier: Quantifier, patterns: &[Pattern], test: impl Fn(&Pattern) -> bool) -> bool {
    match quantifier {
        Quantifier::All => patterns.iter().all(test),
        Quantifier::Any => patterns.iter().any(test),
    }
}

fn matches(pattern: &Pattern, leaf: &Leaf, event: &[Leaf]) -> bool {
    if leaf.value.is_null() {
        return matches!(pattern, Pattern::Null);
    }
    match pattern {
        Pattern::Text { op, parts, cased } => text_matches(*op, parts, *cased, leaf),
        Pattern::Regex(source) => regex(source).is_match(&leaf.text),
        Pattern::Cidr(net) => leaf
            .text
            .parse::<IpAddr>()
            .is_ok_and(|address| net.contains(&address) || net.contains(&address.to_canonical())),
        Pattern::Number(comparison, limit) => number(leaf).is_some_and(|number| match comparison {
            Comparison::Equal => number == *limit,
            Comparison::Greater => number > *limit,
            Comparison::GreaterOrEqual => number >= *limit,
            Comparison::Less => number < *limit,
            Comparison::LessOrEqual => number <= *limit,
        }),
        Pattern::Bool(flag) => match (&leaf.value, leaf.folded.as_str()) {
            (Value::Bool(value), _) => value == flag,
            (Value::String(_), "true" | "1" | "yes") => *flag,
            (Value::String(_), "false" | "0" | "no") => !flag,
            _ => false,
        },
        Pattern::Null => false,
        Pattern::Field { op, fields, cased } => first(fields, event)
            .iter()
            .filter(|other| !other.value.is_null())
            .any(|other| {
                if *cased {
                    compare(*op, &leaf.text, &other.text)
                } else {
                    compare(*op, &leaf.folded, &other.folded)
                }
            }),
        Pattern::Time(part, wanted) => time_part(*part, &leaf.text) == Some(*wanted),
    }
}

fn text_matches(op: TextOp, parts: &[TextPart], cased: bool, leaf: &Leaf) -> bool {
    let text = if cased { &leaf.text } else { &leaf.folded };
    let spelled = |literal: &str| if cased { literal.to_owned() } else { fold(literal) };
    if let [TextPart::Literal(literal)] = parts {
        return compare(op, text, &spelled(literal));
    }
    let mut wanted = Vec::new();
    if matches!(op, TextOp::Contains | TextOp::EndsWith) {
        wanted.push(Wanted::Any);
    }
    for part in parts {
        match part {
            TextPart::Any => wanted.push(Wanted::Any),
            TextPart::One => wanted.push(Wanted::One),
            TextPart::Literal(literal) => wanted.extend(spelled(literal).chars().map(Wanted::Char)),
        }
    }
    if matches!(op, TextOp::Contains | TextOp::StartsWith) {
        wanted.push(Wanted::Any);
    }
    glob(&wanted, &text.chars().collect::<Vec<_>>())
}

enum Wanted {
    Any,
    One,
    Char(char),
}

/// Which positions of the text can be reached after each piece of the pattern.
fn glob(wanted: &[Wanted], text: &[char]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for piece in wanted {
        let mut next = vec![false; text.len() + 1];
        for at in (0..=text.len()).filter(|at| reached[*at]) {
            match piece {
                Wanted::Any => {
                    next[at..].fill(true);
                    break;
                }
                Wanted::One if at < text.len() => next[at + 1] = true,
                Wanted::Char(character) if text.get(at) == Some(character) => next[at + 1] = true,
                Wanted::One | Wanted::Char(_) => {}
            }
        }
        reached = next;
    }
    reached[text.len()]
}

fn compare(op: TextOp, text: &str, literal: &str) -> bool {
    match op {
        TextOp::Contains => text.contains(literal),
        TextOp::EndsWith => text.ends_with(literal),
        TextOp::Equals => text == literal,
        TextOp::StartsWith => text.starts_with(literal),
    }
}

/// Each character that has a lower-case form of one character in that form; and one form of sigma, s and mu.
pub fn fold(text: &str) -> String {
    text.chars()
        .map(|character| {
            let lower: Vec<char> = character.to_lowercase().collect();
            match lower.as_slice() {
                ['ς'] => 'σ',
                ['ſ'] => 's',
                ['\u{b5}'] => '\u{3bc}',
                [one] => *one,
                _ => character,
            }
        })
        .collect()
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => {
            if let Some(number) = number.as_i64() {
                number.to_string()
            } else if let Some(number) = number.as_u64() {
                number.to_string()
            } else {
                number.as_f64().expect("a number").to_string()
            }
        }
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

fn number(leaf: &Leaf) -> Option<f64> {
    match &leaf.value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn time_part(part: TimePart, text: &str) -> Option<f64> {
    let time: Timestamp = text.parse().ok()?;
    let time = jiff::Timestamp::from_nanosecond(time.as_nanos().into()).ok()?;
    let format = match part {
        TimePart::Day => "%d",
        TimePart::Hour => "%H",
        TimePart::Minute => "%M",
        TimePart::Month => "%m",
        TimePart::Week => "%V",
        TimePart::Year => "%Y",
    };
    time.strftime(format).to_string().parse().ok()
}

fn regex(source: &str) -> Regex {
    thread_local! {
        static KNOWN: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        known
            .entry(source.to_owned())
            .or_insert_with(|| Regex::new(source).expect("checked before"))
            .clone()
    })
}
