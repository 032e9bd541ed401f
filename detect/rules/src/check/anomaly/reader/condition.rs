//! The condition of an anomaly rule: its fields, and its numbers with their bounds.

use std::collections::BTreeMap;

use super::{
    Entries, Reader,
    value::{names, suggestion, take},
};
use crate::{
    check::anomaly::{
        form::{Form, Number},
        kind::Numbers,
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
        for number in form.numbers {
            let found = take(&mut entries, number.key);
            if let Some(value) = self.number(found, number, line) {
                numbers.0.insert(number.key, value);
            }
        }
        let known = form.condition_keys();
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
            self.say(number.key, node.line, &detail, "correct the number");
        }
        value
    }
}
