//! A flat, ordered list of ECS fields.

use std::{borrow::Cow, collections::BTreeMap, collections::btree_map, fmt, net::IpAddr};

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

/// The value of a field. Objects do not occur: they are flattened into dotted names.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// JSON `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits in 64 bits with a sign.
    Integer(i64),
    /// A whole number above `i64::MAX`.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// Text.
    String(String),
    /// Several values; never nested.
    List(Vec<Value>),
}

/// ECS field names and their values, sorted by name, each name once.
///
/// `set` replaces; [`Fields::append`] turns a second value into a list, so that a duplicate key in hostile
/// JSON hides nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(BTreeMap<Cow<'static, str>, Value>);

impl Fields {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field; an earlier value is replaced.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    /// Sets a field if there is a value.
    pub fn set_some(&mut self, name: impl Into<Cow<'static, str>>, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Adds a value: a second one for the same name makes a list.
    pub fn append(&mut self, name: impl Into<Cow<'static, str>>, value: Value) {
        match self.0.entry(name.into()) {
            btree_map::Entry::Vacant(entry) => {
                entry.insert(value);
            }
            btree_map::Entry::Occupied(mut entry) => {
                let held = entry.get_mut();
                let mut list = match std::mem::replace(held, Value::Null) {
                    Value::List(list) => list,
                    single @ (Value::Null
                    | Value::Bool(_)
                    | Value::Integer(_)
                    | Value::Unsigned(_)
                    | Value::Float(_)
                    | Value::String(_)) => vec![single],
                };
                match value {
                    Value::List(more) => list.extend(more),
                    single => list.push(single),
                }
                *held = Value::List(list);
            }
        }
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The value of a field if it is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the fields for which `keep` is true, with the values that it leaves.
    pub fn revise(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.0.retain(|name, value| keep(name, value));
    }

    /// Keeps the fields for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Value) -> bool) {
        self.0.retain(|name, value| keep(name, value));
    }
}

impl Value {
    /// The text, if it is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null
            | Self::Bool(_)
            | Self::Integer(_)
            | Self::Unsigned(_)
            | Self::Float(_)
            | Self::List(_) => None,
        }
    }

    /// The value itself, or each member if it is a list.
    pub fn each(&self) -> impl Iterator<Item = &Value> {
        match self {
            Self::List(list) => list.as_slice(),
            single => std::slice::from_ref(single),
        }
        .iter()
    }

    /// From parsed JSON that is no object; nested lists are flattened, objects inside are `None`.
    #[must_use]
    pub fn from_json(json: serde_json::Value) -> Option<Self> {
        use serde_json::Value as Json;
        Some(match json {
            Json::Null => Self::Null,
            Json::Bool(flag) => Self::Bool(flag),
            Json::Number(number) => number
                .as_i64()
                .map(Self::Integer)
                .or_else(|| number.as_u64().map(Self::Unsigned))
                .or_else(|| number.as_f64().map(Self::Float))?,
            Json::String(text) => Self::String(text),
            Json::Array(items) => Self::List(
                items
                    .into_iter()
                    .filter_map(Self::from_json)
                    .flat_map(|item| match item {
                        Self::List(inner) => inner,
                        single => vec![single],
                    })
                    .collect(),
            ),
            Json::Object(_) => return None,
        })
    }
}

/// As text: what a person or a string pattern sees. Lists are joined with `, `.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(flag) => flag.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Unsigned(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::String(text) => f.write_str(text),
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    item.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Unsigned(number) => serializer.serialize_u64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::String(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
        }
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name.as_ref(), value)?;
        }
        map.end()
    }
}

/// Names and values, sorted by name, given away.
impl IntoIterator for Fields {
    type Item = (Cow<'static, str>, Value);
    type IntoIter = btree_map::IntoIter<Cow<'static, str>, Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(String, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(pairs: I) -> Self {
        let mut fields = Self::new();
        for (name, value) in pairs {
            fields.append(name, value);
        }
        fields
    }
}

macro_rules! from {
    ($($type:ty => |$value:ident| $make:expr),+ $(,)?) => {
        $(impl From<$type> for Value { fn from($value: $type) -> Self { $make } })+
    };
}

from! {
    bool => |flag| Self::Bool(flag),
    i64 => |number| Self::Integer(number),
    u8 => |number| Self::Integer(number.into()),
    u16 => |number| Self::Integer(number.into()),
    u32 => |number| Self::Integer(number.into()),
    u64 => |number| i64::try_from(number).map_or(Self::Unsigned(number), Self::Integer),
    f64 => |number| Self::Float(number),
    &str => |text| Self::String(text.to_owned()),
    String => |text| Self::String(text),
    IpAddr => |address| Self::String(address.to_string()),
    crate::Timestamp => |time| Self::String(time.to_string()),
    Vec<Value> => |items| Self::List(items),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_value_makes_a_list_and_hides_nothing() {
        let mut fields = Fields::new();
        fields.append("a", Value::from("one"));
        fields.append("a", Value::from(2_i64));
        fields.append("a", Value::List(vec![Value::from("three")]));
        let value = fields.get("a").expect("set");
        assert_eq!(value.each().count(), 3);
        assert_eq!(value.to_string(), "one, 2, three");
        fields.set("a", "new");
        assert_eq!(fields.text("a"), Some("new"));
    }
}
