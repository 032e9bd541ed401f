//! YAML as it stands in a file: keys in their order, each value with its line. For pipelines and lists of placeholders; rules are
//! read by `rsigma-parser`.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;

/// A value and its line.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// A mapping whose keys are taken one by one, so that what is left over can be refused.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) line: usize,
    entries: Vec<(String, Node)>,
}

/// What is wrong at a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) line: usize,
    pub(crate) detail: String,
}

/// Reads a file. Only `true` and `false` are booleans: `no` is a country, and `on` may be a field.
pub(crate) fn read(text: &str) -> Result<Node, Wrong> {
    serde_saphyr::from_str_with_options(text, serde_saphyr::options! { strict_booleans: true }).map_err(
        |error| {
            let line = error
                .location()
                .map_or(1, |place| usize::try_from(place.line()).unwrap_or(1));
            Wrong::new(line, "the file is not YAML")
        },
    )
}

impl Wrong {
    pub(crate) fn new(line: usize, detail: impl Into<String>) -> Self {
        Self {
            line,
            detail: detail.into(),
        }
    }
}

impl Node {
    /// A text, or what a number or a boolean is written as.
    pub(crate) fn text(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(text) => Some(text.clone()),
            Kind::Integer(number) => Some(number.to_string()),
            Kind::Float(number) => Some(number.to_string()),
            Kind::Bool(flag) => Some(flag.to_string()),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// A text, or a list of texts.
    pub(crate) fn texts(&self) -> Option<Vec<String>> {
        match &self.kind {
            Kind::List(items) => items.iter().map(Self::text).collect(),
            Kind::Null | Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Text(_) | Kind::Map(_) => {
                Some(vec![self.text()?])
            }
        }
    }

    /// A mapping.
    pub(crate) fn keys(self, what: &str) -> Result<Keys, Wrong> {
        match self.kind {
            Kind::Map(entries) => Ok(Keys {
                line: self.line,
                entries,
            }),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::List(_) => Err(Wrong::new(self.line, format!("{what} is no mapping"))),
        }
    }
}

impl Keys {
    /// Takes a value. A key that is there with null counts as missing.
    pub(crate) fn take(&mut self, key: &str) -> Option<Node> {
        let place = self.entries.iter().position(|(known, _)| known == key)?;
        Some(self.entries.remove(place).1).filter(|node| node.kind != Kind::Null)
    }

    /// Takes a text.
    pub(crate) fn take_text(&mut self, key: &str) -> Result<Option<String>, Wrong> {
        self.take(key)
            .map(|node| {
                node.text()
                    .ok_or_else(|| Wrong::new(node.line, format!("`{key}` is no text")))
            })
            .transpose()
    }

    /// Takes a text that must be there.
    pub(crate) fn need_text(&mut self, key: &str) -> Result<String, Wrong> {
        self.take_text(key)?
            .ok_or_else(|| Wrong::new(self.line, format!("`{key}` is missing")))
    }

    /// Takes a text or a list of texts.
    pub(crate) fn take_texts(&mut self, key: &str) -> Result<Option<Vec<String>>, Wrong> {
        self.take(key)
            .map(|node| {
                node.texts()
                    .ok_or_else(|| Wrong::new(node.line, format!("`{key}` is no list of texts")))
            })
            .transpose()
    }

    /// Takes a boolean; false where there is none.
    pub(crate) fn take_flag(&mut self, key: &str) -> Result<bool, Wrong> {
        match self.take(key) {
            None => Ok(false),
            Some(Node {
                kind: Kind::Bool(flag),
                ..
            }) => Ok(flag),
            Some(node) => Err(Wrong::new(
                node.line,
                format!("`{key}` is neither true nor false"),
            )),
        }
    }

    /// The rest, in order.
    pub(crate) fn into_entries(self) -> Vec<(String, Node)> {
        self.entries
    }

    /// Refuses what is left.
    pub(crate) fn finish(self, of: &str) -> Result<(), Wrong> {
        match self.entries.into_iter().next() {
            None => Ok(()),
            Some((key, node)) => Err(Wrong::new(node.line, format!("{of} has no `{key}` here"))),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self {
            line: usize::try_from(spanned.referenced.line()).unwrap_or(1),
            kind: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> de::Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Kind, E> {
        Ok(Kind::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Kind, E> {
        i64::try_from(number).map(Kind::Integer).map_err(E::custom)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Kind, E> {
        Ok(Kind::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        let mut map = Vec::new();
        while let Some((key, node)) = entries.next_entry::<Key, Node>()? {
            map.push((key.0, node));
        }
        Ok(Kind::Map(map))
    }
}

/// A mapping's key as text; YAML takes `1` for a number and `~` for null.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = Kind::deserialize(deserializer)?;
        let node = Node { line: 0, kind };
        Ok(Self(node.text().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_kinds_and_lines_are_kept() {
        let node = read("b: 1\na: [x, 2.5, true, ~, no]\nc:\n  d: text\n").expect("YAML");
        let keys = node.keys("it").expect("a mapping").into_entries();
        let shown: Vec<(&str, usize)> = keys.iter().map(|(key, node)| (key.as_str(), node.line)).collect();
        assert_eq!(shown, [("b", 1), ("a", 2), ("c", 4)]);
        let Kind::List(items) = &keys[1].1.kind else {
            panic!("{keys:?}");
        };
        let kinds: Vec<&Kind> = items.iter().map(|node| &node.kind).collect();
        assert_eq!(
            kinds,
            [
                &Kind::Text("x".to_owned()),
                &Kind::Float(2.5),
                &Kind::Bool(true),
                &Kind::Null,
                &Kind::Text("no".to_owned())
            ]
        );
    }
}
