//! JSON with every member of every object, in order, given twice or not: `serde_json::Value` keeps the last.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The values of an object, each under its dotted name; members of a list side by side.
pub(crate) fn flatten(payload: &[u8]) -> serde_json::Result<Vec<(String, Value)>> {
    let Tree::Object(members) = serde_json::from_slice(payload)? else {
        return Err(Error::custom("no object"));
    };
    let mut values = Vec::new();
    for (name, member) in members {
        walk(name, member, &mut values);
    }
    Ok(values)
}

fn walk(name: String, tree: Tree, values: &mut Vec<(String, Value)>) {
    match tree {
        Tree::Leaf(value) => values.push((name, value)),
        Tree::List(items) => {
            for item in items {
                walk(name.clone(), item, values);
            }
        }
        Tree::Object(members) => {
            for (inner, member) in members {
                walk(format!("{name}.{inner}"), member, values);
            }
        }
    }
}

enum Tree {
    Leaf(Value),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyTree)
    }
}

struct AnyTree;

impl<'de> Visitor<'de> for AnyTree {
    type Value = Tree;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Null))
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(flag.into()))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(number.into()))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(number.into()))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf(number.into()))
    }
    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf(text.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Tree::Object(object))
    }
}
