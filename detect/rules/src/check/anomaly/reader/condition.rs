//! The condition of an anomaly rule: its fields, and its numbers with their bounds.

use std::collections::BTreeMap;

use super::{
    Entries, Reader,
    value::{names, suggestion, take},
};
use crate::{
    check::{
        anomaly::{
            form::{Form, Number},
            kind::Numbers,
        },
        document::nearest,
    },
    node::{Kind, Node},
};

impl Reader<'_> {
    pub(super) fn condition(
        &mut self,
        keys: &mut Entries,
        form: &Form,
        line: usize,
    ) -> (Vec<String>, Numbers) {
        let mut numbers = Numbers(BTreeMap::new());
        let (mut entries, line) = match take(keys, "condition") {
            None if !form.needs_condition() => return (Vec::new(), numbers),
            None => {
                let mend = format!("add `condition:` with {}", form.condition_keys().join(", "));
                self.say("anomaly:", line, "`condition` is missing", &mend);
                return (Vec::new(), numbers);
            }
            Some(Node {
                kind: Kind::Map(entries),
                line,
            }) => (entries, line),
            Some(node) => {
                let mend = format!(
                    "write such as `condition: {{ {}: … }}`",
                    form.condition_keys().join(": …, ")
                );
                self.say("condition", node.line, "`condition` is no mapping", &mend);
                return (Vec::new(), numbers);
            }
        };
        let field = take(&mut entries, "field");
        let fields = self.fields(field, form, line);
        let known = form.condition_keys();
        for number in form.numbers {
            let found = take(&mut entries, number.key);
            // What is misspelled is told once, as that.
            let is_misspelled = |(key, _): &(String, Node)| nearest(key, &known) == Some(number.key);
            if found.is_none() && entries.iter().any(is_misspelled) {
                continue;
            }
            if let Some(value) = self.number(found, number, line) {
                numbers.0.insert(number.key, value);
            }
        }
        for (key, node) in entries.iter().filter(|(_, node)| node.kind != Kind::Null) {
            let detail = format!("the condition of `{}` has no `{key}`", form.name);
            self.say(key, node.line, &detail, &suggestion(key, &known));
        }
        if form.numbers.iter().any(|number| number.key == "ratio") {
            let (detail, mend) = match (fields.len(), numbers.0.contains_key("ratio")) {
                (2, false) => (
                    "two fields are compared by `ratio`, which is missing",
                    "add such as `ratio: 10`",
                ),
                (1, true) => (
                    "`ratio` compares two fields, and there is one",
                    "write such as `field: [source.bytes, destination.bytes]`, or leave `ratio` out",
                ),
                (_, _) => return (fields, numbers),
            };
            self.say("condition", line, detail, mend);
        }
        (fields, numbers)
    }

    fn fields(&mut self, node: Option<Node>, form: &Form, line: usize) -> Vec<String> {
        let (least, most) = form.fields;
        let (fields, line) = match &node {
            None => (Vec::new(), line),
            Some(node) if most == 0 => {
                let detail = format!("the condition of `{}` has no `field`", form.name);
                self.say("field", node.line, &detail, "leave it out");
                return Vec::new();
            }
            Some(node) => match names(node) {
                Some(fields) => (fields, node.line),
                None => {
                    self.say(
                        "field",
                        node.line,
                        "`field` is no name of a field",
                        "write such as `field: source.bytes`",
                    );
                    return Vec::new();
                }
            },
        };
        if fields.len() < least || most < fields.len() || node.is_some() && fields.is_empty() {
            let place = if node.is_some() { "field" } else { "condition" };
            let detail = match fields.len() {
                0 => format!("`{}` does not say of which field", form.name),
                count => format!(
                    "`{}` is of at most {most} fields, and there are {count}",
                    form.name
                ),
            };
            let mend = match most {
                1 => "write one, such as `field: destination.ip`",
                _ => "write one or two, such as `field: [source.bytes, destination.bytes]`",
            };
            self.say(place, line, &detail, mend);
        }
        fields
    }

    fn number(&mut self, node: Option<Node>, number: &Number, line: usize) -> Option<f64> {
        let Some(node) = node else {
            if number.is_needed {
                let mend = format!("add `{}:`, {}", number.key, number.bounds());
                self.say("condition", line, &format!("`{}` is missing", number.key), &mend);
            }
            return None;
        };
        #[expect(clippy::cast_precision_loss, reason = "what is beyond 2^53 is refused next")]
        let value = match &node.kind {
            Kind::Integer(whole) => Some(*whole as f64),
            Kind::Float(real) => Some(*real),
            Kind::Null | Kind::Bool(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => None,
        };
        let value = value.filter(|value| number.holds(*value));
        if value.is_none() {
            let detail = format!("`{}` is not {}", number.key, number.bounds());
            let mend = match meant(&node, number) {
                Some(value) => format!("did you mean `{value}`? Numbers are written without a unit"),
                None => "correct the number".to_owned(),
            };
            self.say(number.key, node.line, &detail, &mend);
        }
        value
    }
}

/// Units of amounts, the longer before those they end with.
const UNITS: [(&str, f64); 9] = [
    ("tb", 1e12),
    ("gb", 1e9),
    ("mb", 1e6),
    ("kb", 1e3),
    ("t", 1e12),
    ("g", 1e9),
    ("m", 1e6),
    ("k", 1e3),
    ("b", 1.0),
];

/// The number within its bounds that an amount with a unit or a share in per cent stands for.
fn meant(node: &Node, number: &Number) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "what is beyond 2^53 is out of bounds")]
    let value = match &node.kind {
        // A share is at most 1; one of 80 is written in per cent. One of 8 may be a slip for 0.8.
        Kind::Integer(whole) if !number.is_whole && number.to <= 1.0 && 10 <= *whole => *whole as f64 / 100.0,
        Kind::Text(text) => amount(text)?,
        Kind::Integer(_) | Kind::Null | Kind::Bool(_) | Kind::Float(_) | Kind::List(_) | Kind::Map(_) => {
            return None;
        }
    };
    number.holds(value).then_some(value)
}

/// `5 GB`, `1,000`, `1_000`, `0.5%`.
fn amount(text: &str) -> Option<f64> {
    let text: String = text
        .chars()
        .filter(|letter| !matches!(letter, ' ' | ',' | '_'))
        .collect();
    let text = text.to_ascii_lowercase();
    if let Some(share) = text.strip_suffix('%') {
        return Some(share.parse::<f64>().ok()? / 100.0);
    }
    let units = UNITS.into_iter();
    let (digits, unit) = units
        .filter_map(|(unit, value)| Some((text.strip_suffix(unit)?, value)))
        .next()
        .unwrap_or((&text, 1.0));
    Some(digits.parse::<f64>().ok()? * unit)
}
