//! Single values of an anomaly rule, each refused with its line and what mends it.

use rsigma_parser::Timespan;

use super::{Entries, Reader};
use crate::{
    Code,
    check::{
        anomaly::form::{self, Span},
        base::Aliases,
        document::nearest,
    },
    node::{Kind, Node},
};

impl Reader<'_> {
    pub(super) fn span(&mut self, keys: &mut Entries, key: &str, span: Span) -> Option<u64> {
        let node = take(keys, key)?;
        let text = match &node.kind {
            Kind::Text(text) => Some(text),
            Kind::Null | Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::List(_) | Kind::Map(_) => {
                None
            }
        };
        let read = text
            .filter(|text| text.starts_with(|first: char| first.is_ascii_digit()))
            .filter(|text| text.ends_with(['s', 'm', 'h', 'd', 'w']))
            .and_then(|text| Timespan::parse(text).ok());
        let Some(read) = read else {
            let detail = format!("`{key}` is no time span");
            self.say(
                key,
                node.line,
                &detail,
                "write a number and s, m, h, d or w, such as `5m`",
            );
            return None;
        };
        if read.seconds < span.least || span.most < read.seconds {
            let detail = format!("`{key}` of {} is out of bounds: {}", read.original, span.why);
            let mend = format!("use from {} to {}", shown(span.least), shown(span.most));
            self.say(key, node.line, &detail, &mend);
            return None;
        }
        Some(read.seconds)
    }

    pub(super) fn aliases(&mut self, keys: &mut Entries) -> Aliases {
        let Some(node) = take(keys, "aliases") else {
            return Aliases::new();
        };
        let line = node.line;
        let mapping = |(alias, node): (String, Node)| match node.kind {
            Kind::Map(entries) => {
                let of_rules = entries.into_iter().map(|(rule, node)| Some((rule, node.text()?)));
                Some((alias, of_rules.collect::<Option<_>>()?))
            }
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::List(_) => None,
        };
        let aliases = match node.kind {
            Kind::Map(entries) => entries.into_iter().map(mapping).collect(),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::List(_) => None,
        };
        aliases.unwrap_or_else(|| {
            let detail = "`aliases` is no mapping of alias to a mapping of rule to field";
            let mend = "write such as `aliases: { who: { rule_a: src_ip, rule_b: client_ip } }`";
            self.say("aliases", line, detail, mend);
            Aliases::new()
        })
    }

    pub(super) fn text(&mut self, keys: &mut Entries, key: &str) -> Option<String> {
        let node = take(keys, key)?;
        if let Kind::Text(text) = node.kind {
            return Some(text);
        }
        let detail = format!("`{key}` is no text");
        self.say(
            key,
            node.line,
            &detail,
            "write one text, in quotes if it is a number",
        );
        None
    }

    pub(super) fn texts(&mut self, keys: &mut Entries, key: &str) -> Vec<String> {
        let Some(node) = take(keys, key) else {
            return Vec::new();
        };
        names(&node).unwrap_or_else(|| {
            let detail = format!("`{key}` is no list of texts");
            self.say(key, node.line, &detail, "write such as `[one, another]`");
            Vec::new()
        })
    }

    pub(super) fn flag(&mut self, keys: &mut Entries, key: &str) -> bool {
        match take(keys, key) {
            None => false,
            Some(Node {
                kind: Kind::Bool(flag),
                ..
            }) => flag,
            Some(node) => {
                let detail = format!("`{key}` is neither true nor false");
                self.say(key, node.line, &detail, "write `true` or `false`");
                false
            }
        }
    }

    pub(super) fn word(&mut self, keys: &mut Entries, key: &str, known: &[&str]) -> Option<String> {
        let node = take(keys, key)?;
        let word = node.text().unwrap_or_default();
        if known.contains(&word.as_str()) {
            return Some(word);
        }
        let detail = format!("`{key}` can't be `{word}`");
        self.say(key, node.line, &detail, &suggestion(&word, known));
        None
    }

    pub(super) fn has_said(&self, key: &str) -> bool {
        let start = format!("`{key}`");
        self.found.iter().any(|found| found.detail.starts_with(&start))
    }

    pub(super) fn say(&mut self, key: &str, near: usize, detail: &str, mend: &str) {
        let line = self.document.line_of(key, near);
        self.found
            .push(self.document.error(Code::BadAnomaly, line, detail, mend));
    }
}

/// Takes a value; one that is null counts as missing.
pub(super) fn take(keys: &mut Entries, key: &str) -> Option<Node> {
    let place = keys.iter().position(|(known, _)| known == key)?;
    Some(keys.remove(place).1).filter(|node| node.kind != Kind::Null)
}

/// A text or a list of texts; numbers are names of nothing.
pub(super) fn names(node: &Node) -> Option<Vec<String>> {
    let text = |node: &Node| match &node.kind {
        Kind::Text(text) if !text.is_empty() => Some(text.clone()),
        Kind::Text(_)
        | Kind::Null
        | Kind::Bool(_)
        | Kind::Integer(_)
        | Kind::Float(_)
        | Kind::List(_)
        | Kind::Map(_) => None,
    };
    match &node.kind {
        Kind::List(items) => items.iter().map(text).collect(),
        Kind::Null | Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Text(_) | Kind::Map(_) => {
            Some(vec![text(node)?])
        }
    }
}

pub(super) fn suggestion(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("write one of {}", known.join(", ")),
    }
}

pub(super) fn nanoseconds(seconds: u64) -> i64 {
    i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000_000)
}

/// Seconds as a person writes them.
pub(in super::super) fn shown(seconds: u64) -> String {
    let units = [(form::DAY, 'd'), (form::HOUR, 'h'), (60, 'm')];
    let unit = units.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    let (unit, letter) = unit.unwrap_or((1, 's'));
    format!("{}{letter}", seconds / unit)
}

pub(in super::super) fn json(node: Node) -> serde_json::Value {
    match node.kind {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool(flag) => flag.into(),
        Kind::Integer(number) => number.into(),
        Kind::Float(number) => number.into(),
        Kind::Text(text) => text.into(),
        Kind::List(items) => items.into_iter().map(json).collect(),
        Kind::Map(entries) => entries.into_iter().map(|(key, node)| (key, json(node))).collect(),
    }
}
