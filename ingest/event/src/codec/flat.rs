//! Reads one JSON object into flat [`Fields`] in one pass; nothing that is given twice is lost.
//!
//! The counterpart of what the detector reads: dotted names, values in the order of the bytes, lists in lists
//! and lists of objects taken apart.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::FIELDS_MAX;
use crate::{Fields, Value};

/// What has been read so far.
#[derive(Default)]
pub(super) struct Flat {
    pub(super) fields: Fields,
    /// How many fields there are, each list and each repetition counted; above [`FIELDS_MAX`] none is kept.
    pub(super) count: usize,
    path: String,
}

impl Flat {
    /// Reads a whole payload.
    pub(super) fn read(payload: &[u8]) -> Result<Self, serde_json::Error> {
        let mut flat = Self::default();
        let mut deserializer = serde_json::Deserializer::from_slice(payload);
        let members = Members {
            flat: &mut flat,
            is_outermost: true,
        };
        deserializer.deserialize_map(members)?;
        deserializer.end()?;
        Ok(flat)
    }

    fn add(&mut self, value: Value) {
        self.count += 1;
        if self.count <= FIELDS_MAX {
            self.fields.append(self.path.clone(), value);
        }
    }
}

struct Members<'f> {
    flat: &'f mut Flat,
    is_outermost: bool,
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let length = self.flat.path.len();
        while let Some(name) = map.next_key::<String>()? {
            if !self.is_outermost {
                self.flat.path.push('.');
            }
            self.flat.path.push_str(&name);
            map.next_value_seed(AnyValue {
                flat: self.flat,
                list: None,
            })?;
            self.flat.path.truncate(length);
        }
        Ok(())
    }
}

/// A value under the path; in a list it goes to the list.
struct AnyValue<'f> {
    flat: &'f mut Flat,
    list: Option<&'f mut Vec<Value>>,
}

impl AnyValue<'_> {
    fn add(self, value: Value) {
        match self.list {
            Some(list) => list.push(value),
            None => self.flat.add(value),
        }
    }
}

impl<'de> DeserializeSeed<'de> for AnyValue<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        self.add(Value::Null);
        Ok(())
    }
    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.add(Value::Bool(flag));
        Ok(())
    }
    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.add(Value::Integer(number));
        Ok(())
    }
    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.add(i64::try_from(number).map_or(Value::Unsigned(number), Value::Integer));
        Ok(())
    }
    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.add(Value::Float(number));
        Ok(())
    }
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.add(Value::String(text.to_owned()));
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut own = Vec::new();
        let is_inner = self.list.is_some();
        let list = self.list.unwrap_or(&mut own);
        while items
            .next_element_seed(AnyValue {
                flat: self.flat,
                list: Some(&mut *list),
            })?
            .is_some()
        {}
        if !is_inner && !own.is_empty() {
            self.flat.add(Value::List(own));
        }
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let members = Members {
            flat: self.flat,
            is_outermost: false,
        };
        members.visit_map(map)
    }
}
