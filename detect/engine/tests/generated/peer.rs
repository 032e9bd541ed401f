//! `rsigma-eval` as the third opinion, and where its opinion is known to be another.

#![allow(dead_code, reason = "each user needs a part of it")]

use detect_rules::{Condition, Item, Pattern, Rule, Test, TextOp, TextPart};
use rsigma_eval::{CompiledRule, compile_rule, evaluate_rule, event::JsonEvent};
use serde_json::{Map, Value};

use super::naive::Leaf;

/// The rule as the oracle compiles it, if it does.
pub(crate) fn compile(text: &str) -> Option<CompiledRule> {
    let parsed = rsigma_parser::parse_sigma_yaml(text).ok()?;
    compile_rule(parsed.rules.first()?).ok()
}

/// The event as the oracle gets it: dotted names, each once; what was given twice is a list.
pub(crate) fn event(leaves: &[Leaf]) -> Value {
    let mut map: Map<String, Value> = Map::new();
    for leaf in leaves {
        match map.get_mut(&leaf.name) {
            None => {
                map.insert(leaf.name.clone(), leaf.value.clone());
            }
            Some(Value::Array(items)) => items.push(leaf.value.clone()),
            Some(single) => *single = Value::Array(vec![single.take(), leaf.value.clone()]),
        }
    }
    Value::Object(map)
}

pub(crate) fn matches(rule: &CompiledRule, event: &Value) -> bool {
    evaluate_rule(rule, &JsonEvent::borrow(event)).is_some()
}

/// What of a rule decides which events are compared; see `docs/engine-differences.md`.
#[derive(Debug, Default)]
pub(crate) struct Traits {
    /// Nothing is compared.
    differs: bool,
    wildcards: bool,
    cidr: bool,
    number: bool,
    time: bool,
    field: bool,
    null: bool,
}

impl Traits {
    pub(crate) fn of(rule: &Rule, text: &str) -> Self {
        let mut traits = Self {
            differs: text.contains("|base64offset")
                || text.contains("{ \"|")
                || text.split('"').any(|key| {
                    ["|wide", "|utf16"].iter().any(|name| key.contains(name)) && !key.contains("|base64")
                })
                || !text.chars().chain(unescaped(text)).all(has_simple_case),
            ..Self::default()
        };
        traits.add(&rule.condition);
        if text.contains("|windash") {
            let detection = text
                .split_once("detection:")
                .map_or(text, |(_, detection)| detection);
            traits.differs |= traits.wildcards || has_other_flags(detection);
        }
        traits
    }

    /// Whether the oracle should say of the event what we say.
    pub(crate) fn comparable(&self, event: &[Leaf]) -> bool {
        let is_list = |leaf: &Leaf| 1 < event.iter().filter(|other| other.name == leaf.name).count();
        !self.differs
            && event.iter().all(|leaf| {
                let is_large = leaf
                    .value
                    .as_u64()
                    .is_some_and(|number| i64::try_from(number).is_err());
                let is_tiny = |number: f64| number != 0.0 && number.abs() < 1e-9;
                !(self.wildcards && leaf.text.contains('\n')
                    || self.cidr && leaf.folded.contains("::ffff:")
                    || self.time && !leaf.value.is_string()
                    || self.time && (leaf.text.starts_with("00") || leaf.text.trim() != leaf.text)
                    || self.time && leaf.text.starts_with("20") && !leaf.text.ends_with(['Z', '0'])
                    || self.number && leaf.text.parse().is_ok_and(is_tiny)
                    || is_large
                    || (self.null || self.field) && leaf.value.is_null()
                    || (self.field || leaf.value.is_null()) && is_list(leaf))
                    && leaf.text.chars().all(has_simple_case)
            })
    }

    fn add(&mut self, condition: &Condition) {
        match condition {
            Condition::All(parts) | Condition::AtLeast(_, parts) => {
                parts.iter().for_each(|part| self.add(part))
            }
            Condition::Not(part) => self.add(part),
            Condition::Item(Item { fields, test }) => {
                self.differs |= 1 < fields.len();
                if let Test::Values { patterns, .. } = test {
                    let has_null = patterns.iter().any(|pattern| matches!(pattern, Pattern::Null));
                    self.differs |= has_null && 1 < patterns.len();
                    patterns.iter().for_each(|pattern| self.add_pattern(pattern));
                }
            }
            Condition::Keywords(_, patterns) => patterns.iter().for_each(|pattern| self.add_pattern(pattern)),
        }
    }

    fn add_pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Text { op, parts, .. } => {
                let has_wildcards = parts.iter().any(|part| !matches!(part, TextPart::Literal(_)));
                self.wildcards |= has_wildcards;
                self.differs |= has_wildcards && matches!(op, TextOp::StartsWith | TextOp::EndsWith);
            }
            Pattern::Cidr(_) => self.cidr = true,
            Pattern::Number(..) => self.number = true,
            Pattern::Time(..) => self.time = true,
            Pattern::Field { .. } => self.field = true,
            Pattern::Null => self.null = true,
            Pattern::Regex(_) | Pattern::Bool(_) => {}
        }
    }
}

/// Whether the oracle may see other flags in a text than we do: it leaves slashes alone, and takes every `-` for a flag.
fn has_other_flags(text: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    text.contains('/')
        || text
            .match_indices('-')
            .any(|(at, _)| text[..at].ends_with(is_word) || !text[at + 1..].starts_with(is_word))
}

/// The characters that a YAML text has as escapes.
fn unescaped(text: &str) -> impl Iterator<Item = char> {
    text.split("\\u")
        .chain(text.split("\\U"))
        .filter_map(|rest| char::from_u32(u32::from_str_radix(rest.get(..4)?, 16).ok()?))
}

/// Whether all ways to leave case out of account are the same for it.
fn has_simple_case(character: char) -> bool {
    let is_latin = ('\u{c0}'..'\u{130}').contains(&character) || character == 'Ÿ';
    let is_cyrillic = ('\u{400}'..'\u{450}').contains(&character);
    let has_none = character.to_lowercase().eq(character.to_uppercase());
    character.is_ascii() || is_latin && character != 'ß' || is_cyrillic || has_none
}
