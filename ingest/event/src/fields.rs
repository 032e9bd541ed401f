//! A flat, ordered list of ECS fields.

mod said;

use std::{
    borrow::Cow,
    cmp::Ordering,
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use said::Said;

use crate::field::{Class, Classes};

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
pub struct Fields(Vec<Field>);

/// A field with the start of its name, by which most names are told apart without looking at them.
#[derive(Clone, Debug, PartialEq)]
struct Field {
    /// The first 16 bytes, zeros behind a shorter name, the first one highest: in the order of names.
    start: u128,
    name: Name,
    value: Value,
}

/// A field's name: most are constants.
type Name = Cow<'static, str>;

/// So many fields are looked through faster than searched.
const FEW: usize = 40;

impl Fields {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// None yet, with room for so many: a list that grows copies itself.
    #[must_use]
    pub fn with_room(fields: usize) -> Self {
        Self(Vec::with_capacity(fields))
    }

    /// Sets a field; an earlier value is replaced.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let name = name.into();
        match self.find(&name) {
            Ok(at) => {
                if let Some(field) = self.0.get_mut(at) {
                    field.value = value.into();
                }
            }
            Err(at) => self.put(at, name, value.into()),
        }
    }

    /// Where a name is, or belongs.
    fn find(&self, name: &str) -> Result<usize, usize> {
        let start = start(name);
        let order = |field: &Field| (field.start.cmp(&start)).then_with(|| field.name.as_ref().cmp(name));
        if FEW < self.0.len() {
            return self.0.binary_search_by(order);
        }
        // From the end, where whoever sets in order is at once; the steps of a search can't be foretold, these can.
        for (at, field) in self.0.iter().enumerate().rev() {
            match order(field) {
                Ordering::Less => return Err(at + 1),
                Ordering::Equal => return Ok(at),
                Ordering::Greater => {}
            }
        }
        Err(0)
    }

    fn put(&mut self, at: usize, name: Name, value: Value) {
        let start = start(&name);
        self.0.insert(at, Field { start, name, value });
    }

    /// Sets a field if there is a value.
    pub fn set_some(&mut self, name: impl Into<Cow<'static, str>>, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Adds a value: a second one for the same name makes a list.
    pub fn append(&mut self, name: impl Into<Cow<'static, str>>, value: Value) {
        let name = name.into();
        let at = match self.find(&name) {
            Ok(at) => at,
            Err(at) => return self.put(at, name, value),
        };
        let Some(Field { value: held, .. }) = self.0.get_mut(at) else {
            return;
        };
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

    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let at = self.find(name).ok()?;
        self.0.get(at).map(|field| &field.value)
    }

    /// The value of a field if it is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.find(name).ok()?;
        Some(self.0.remove(at).value)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|field| (field.name.as_ref(), &field.value))
    }

    /// A digest of names and values but for one, the same for the same fields on every machine and for good (XXH3, 128 bits).
    /// Nobody is kept from finding other fields with the same: it tells apart what nobody chose.
    #[must_use]
    pub fn digest_without(&self, left_out: &str) -> [u8; 16] {
        let mut said = Said::default();
        for Field { name, value, .. } in self.0.iter().filter(|field| field.name != left_out) {
            // Lengths keep what is next to each other apart.
            said.put(&(name.len() as u32).to_le_bytes());
            said.put(name.as_bytes());
            value.say(&mut said);
        }
        xxhash_rust::xxh3::xxh3_128(said.bytes()).to_le_bytes()
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

    /// Names, values and their classes, sorted by name.
    pub fn classes<'a, 'known>(
        &'a self,
        known: &'known mut Classes,
    ) -> impl Iterator<Item = (&'a str, &'a Value, Option<Class>)> + use<'a, 'known> {
        let class = |field: &'a Field| (field.name.as_ref(), &field.value, known.of(&field.name));
        self.0.iter().map(class)
    }

    /// Keeps the fields for which `keep` is true, with the values that it leaves.
    pub fn revise(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.0.retain_mut(|field| keep(&field.name, &mut field.value));
    }

    /// Keeps the fields for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Value) -> bool) {
        self.0.retain(|field| keep(&field.name, &field.value));
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

    /// Appends what tells it apart from all others.
    fn say(&self, out: &mut Said) {
        match self {
            Self::Null => out.put(&[0]),
            Self::Bool(flag) => out.put(&[1, u8::from(*flag)]),
            Self::Integer(number) => out.put_number(2, number.to_le_bytes()),
            Self::Unsigned(number) => out.put_number(3, number.to_le_bytes()),
            Self::Float(number) => out.put_number(4, number.to_bits().to_le_bytes()),
            Self::String(text) => {
                out.put_length(5, text.len());
                out.put(text.as_bytes());
            }
            Self::List(items) => {
                out.put_length(6, items.len());
                for item in items {
                    item.say(out);
                }
            }
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
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Names and values, sorted by name, given away.
impl IntoIterator for Fields {
    type Item = (Cow<'static, str>, Value);
    type IntoIter = IntoFields;
    fn into_iter(self) -> Self::IntoIter {
        IntoFields(self.0.into_iter())
    }
}

/// Names and values, sorted by name.
#[derive(Debug)]
pub struct IntoFields(std::vec::IntoIter<Field>);

impl Iterator for IntoFields {
    type Item = (Cow<'static, str>, Value);
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|field| (field.name, field.value))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
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
    IpAddr => |address| Self::String(address_text(address)),
    crate::Timestamp => |time| Self::String(time.to_string()),
    Vec<Value> => |items| Self::List(items),
}

/// The first bytes of a name as a number that is in the order of names.
pub(crate) fn start(name: &str) -> u128 {
    let bytes = name.as_bytes();
    match bytes.first_chunk::<16>() {
        Some(first) => u128::from_be_bytes(*first),
        None => {
            let mut first = [0; 16];
            for (to, from) in first.iter_mut().zip(bytes) {
                *to = *from;
            }
            u128::from_be_bytes(first)
        }
    }
}

/// As [`IpAddr`] writes itself, without its formatter: most events have two.
fn address_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => ipv4_text(address),
        IpAddr::V6(address) => address.to_string(),
    }
}

fn ipv4_text(address: Ipv4Addr) -> String {
    let mut text = String::with_capacity(15);
    for (at, octet) in address.octets().into_iter().enumerate() {
        if 0 < at {
            text.push('.');
        }
        let digit = |number: u8| char::from(b'0' + number % 10);
        if 100 <= octet {
            text.push(digit(octet / 100));
        }
        if 10 <= octet {
            text.push(digit(octet / 10));
        }
        text.push(digit(octet));
    }
    text
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

    #[test]
    fn fields_are_in_order_however_they_were_set() {
        let mut fields = Fields::new();
        for name in ["m", "z", "a", "m", "b", "zz"] {
            fields.set(name, name);
        }
        let names: Vec<&str> = fields.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "m", "z", "zz"]);
        // Names that begin alike, end in zeros, or are empty, in any order.
        let mut odd = vec![
            "",
            "\0",
            "0123456789abcdef",
            "0123456789abcdef0",
            "0123456789abcde",
            "ø",
            "0",
        ];
        let backwards: Fields = odd
            .iter()
            .rev()
            .map(|name| ((*name).to_owned(), Value::Null))
            .collect();
        odd.sort_unstable();
        let names: Vec<&str> = backwards.iter().map(|(name, _)| name).collect();
        assert_eq!(names, odd);
        // Few and many are found in two ways.
        let many: Fields = (0..3 * FEW)
            .map(|number| ((number * 7_919 % 1_000).to_string(), Value::Null))
            .collect();
        let mut names: Vec<&str> = many.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 3 * FEW);
        assert!(names.iter().all(|name| many.get(name).is_some()) && many.get("x").is_none());
        names.dedup();
        assert!(names.is_sorted() && names.len() == 3 * FEW);
        assert_eq!(fields.remove("m"), Some(Value::from("m")));
        assert_eq!(fields.remove("c"), None);
        assert_eq!((fields.get("m"), fields.len()), (None, 4));
    }

    #[test]
    fn a_digest_tells_fields_apart() {
        let of = |pairs: &[(&'static str, Value)]| {
            let mut fields = Fields::new();
            for (name, value) in pairs {
                fields.set(*name, value.clone());
            }
            fields.digest_without("left.out")
        };
        let list = |items: &[&str]| Value::List(items.iter().map(|item| Value::from(*item)).collect());
        let all = [
            of(&[]),
            of(&[("a", Value::from("b"))]),
            of(&[("a", Value::from("b")), ("c", Value::Null)]),
            of(&[("ab", Value::from(""))]),
            of(&[("a", list(&["b"]))]),
            of(&[("a", list(&["b", "c"]))]),
            of(&[("a", list(&["bc"]))]),
            of(&[("a", Value::from(1_i64))]),
            of(&[("a", Value::Unsigned(1))]),
            of(&[("a", Value::Float(1.0))]),
            of(&[("a", Value::from("1"))]),
            of(&[("a", Value::from(true))]),
        ];
        for (at, one) in all.iter().enumerate() {
            for other in all.iter().skip(at + 1) {
                assert_ne!(one, other);
            }
        }
        // The same for good: ids of events hang on it.
        assert_eq!(
            hex(&of(&[
                ("source.ip", Value::from("192.0.2.1")),
                ("source.port", Value::from(53_u16))
            ])),
            "78dde954d7957fc6bb0b00223ab16242"
        );
        assert_eq!(of(&[("a", Value::from("b")), ("left.out", Value::Null)]), all[1]);
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn addresses_are_written_as_the_standard_library_does() {
        for octet in 0..=255_u8 {
            for address in [
                IpAddr::from([octet, 0, 255, octet]),
                IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(octet)]),
            ] {
                assert_eq!(Value::from(address).as_str(), Some(address.to_string().as_str()));
            }
        }
    }
}
