//! One event, flat, in buffers that are used again for the next.
//!
//! Not a document model: only fields that some rule or indicator asks for are kept (and every text, if a rule
//! has keywords). Objects are flattened as `ingest_event::codec::flatten` does: dotted names, members of a
//! list of objects side by side, a name given twice as a list.

use std::fmt::{self, Write as _};

use ingest_event::FIELDS_MAX;
use rustc_hash::FxHashMap;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The number of a field name that somebody asks for.
pub(crate) type FieldId = u32;

const NONE: u32 = u32::MAX;

/// Said by the visitor when an event has too many fields; recognised by its text.
pub(crate) const TOO_MANY_FIELDS: &str = "more fields than the limit";

/// Field names that somebody asks for, numbered.
#[derive(Debug, Default)]
pub(crate) struct FieldNames {
    ids: FxHashMap<Box<str>, FieldId>,
    names: Vec<Box<str>>,
    /// Whether every text is kept, for keywords.
    pub(crate) keeps_all_texts: bool,
}

impl FieldNames {
    pub(crate) fn intern(&mut self, name: &str) -> FieldId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = u32::try_from(self.names.len()).unwrap_or(NONE - 1);
        self.ids.insert(name.into(), id);
        self.names.push(name.into());
        id
    }

    pub(crate) fn get(&self, name: &str) -> Option<FieldId> {
        self.ids.get(name).copied()
    }

    pub(crate) fn name(&self, id: FieldId) -> &str {
        self.names.get(id as usize).map_or("", AsRef::as_ref)
    }
}

/// What a value is, apart from its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text,
}

/// One value of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    field: FieldId,
    next: u32,
    pub(crate) kind: Kind,
    text: (u32, u32),
    folded: (u32, u32),
}

/// The buffers.
#[derive(Debug, Default)]
pub(crate) struct Record {
    entries: Vec<Entry>,
    first: Vec<u32>,
    last: Vec<u32>,
    texts: String,
    path: String,
    /// A text on its way to its folded form.
    copy: String,
    count: usize,
}

impl Record {
    /// Reads an event; what was held is gone.
    pub(crate) fn read(&mut self, names: &FieldNames, payload: &str) -> Result<(), serde_json::Error> {
        for entry in &self.entries {
            if let Some(first) = self.first.get_mut(entry.field as usize) {
                *first = NONE;
            }
        }
        self.first.resize(names.names.len(), NONE);
        self.last.resize(names.names.len(), NONE);
        self.entries.clear();
        self.texts.clear();
        self.path.clear();
        self.count = 0;
        let mut deserializer = serde_json::Deserializer::from_str(payload);
        deserializer.deserialize_map(Members { record: self, names })?;
        deserializer.end()
    }

    /// Whether the event has the field.
    pub(crate) fn has(&self, field: FieldId) -> bool {
        self.first.get(field as usize).is_some_and(|first| *first != NONE)
    }

    /// The values of a field.
    pub(crate) fn values(&self, field: FieldId) -> impl Iterator<Item = &Entry> {
        let mut at = self.first.get(field as usize).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let entry = self.entries.get(at as usize)?;
            at = entry.next;
            Some(entry)
        })
    }

    /// Every text in the event.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.kind == Kind::Text)
    }

    /// Every value in the event that is kept, as text without regard to case.
    pub(crate) fn all_folded(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| self.folded(entry))
    }

    /// The field of a value, if somebody asks for it.
    pub(crate) fn field(&self, entry: &Entry) -> Option<FieldId> {
        (entry.field != NONE).then_some(entry.field)
    }

    /// A value as text; numbers and booleans as JSON writes them, null as nothing.
    pub(crate) fn text(&self, entry: &Entry) -> &str {
        self.slice(entry.text)
    }

    /// A value as text without regard to case, see [`fold`].
    pub(crate) fn folded(&self, entry: &Entry) -> &str {
        self.slice(entry.folded)
    }

    /// The first value of a field as text.
    pub(crate) fn first_text(&self, field: FieldId) -> Option<&str> {
        self.values(field)
            .find(|entry| entry.kind != Kind::Null)
            .map(|entry| self.text(entry))
    }

    fn slice(&self, (start, end): (u32, u32)) -> &str {
        self.texts.get(start as usize..end as usize).unwrap_or_default()
    }

    fn add(&mut self, names: &FieldNames, kind: Kind, write: impl FnOnce(&mut String)) -> bool {
        self.count += 1;
        if FIELDS_MAX < self.count {
            return false;
        }
        let field = names.get(&self.path).unwrap_or(NONE);
        let is_kept = field != NONE || names.keeps_all_texts && kind == Kind::Text;
        if !is_kept {
            return true;
        }
        let start = self.texts.len();
        write(&mut self.texts);
        let end = self.texts.len();
        let text = (position(start), position(end));
        let mut folded = text;
        if kind == Kind::Text && !is_folded(self.texts.get(start..).unwrap_or_default()) {
            self.copy.clear();
            fold_into(self.texts.get(start..).unwrap_or_default(), &mut self.copy);
            self.texts.push_str(&self.copy);
            folded = (position(end), position(self.texts.len()));
        }
        let index = position(self.entries.len());
        self.entries.push(Entry {
            field,
            next: NONE,
            kind,
            text,
            folded,
        });
        if let (Some(first), Some(last)) = (
            self.first.get_mut(field as usize),
            self.last.get_mut(field as usize),
        ) {
            if *first == NONE {
                *first = index;
            } else if let Some(before) = self.entries.get_mut(*last as usize) {
                before.next = index;
            }
            *last = index;
        }
        true
    }
}

fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NONE)
}

/// Text without regard to case: each character by its simple lower-case mapping, and the three lower-case
/// letters that have two forms (final sigma, long s, micro sign) in one.
#[must_use]
pub(crate) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold_into(text, &mut out);
    out
}

fn fold_into(text: &str, out: &mut String) {
    if text.is_ascii() {
        out.push_str(text);
        out.make_ascii_lowercase();
        return;
    }
    out.extend(text.chars().map(|character| {
        if character.is_ascii() {
            return character.to_ascii_lowercase();
        }
        let mut lower = character.to_lowercase();
        let simple = match (lower.next(), lower.next()) {
            (Some(one), None) => one,
            _ => character,
        };
        match simple {
            'ς' => 'σ',
            'ſ' => 's',
            'µ' => 'μ',
            other => other,
        }
    }));
}

fn is_folded(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
}

struct Members<'r> {
    record: &'r mut Record,
    names: &'r FieldNames,
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let length = self.record.path.len();
        while map
            .next_key_seed(Name {
                record: self.record,
                is_inner: length > 0,
            })?
            .is_some()
        {
            map.next_value_seed(AnyValue {
                record: self.record,
                names: self.names,
            })?;
            self.record.path.truncate(length);
        }
        Ok(())
    }
}

/// A member's name, appended to the path.
struct Name<'r> {
    record: &'r mut Record,
    is_inner: bool,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        if self.is_inner {
            self.record.path.push('.');
        }
        self.record.path.push_str(name);
        Ok(())
    }
}

struct AnyValue<'r> {
    record: &'r mut Record,
    names: &'r FieldNames,
}

impl AnyValue<'_> {
    fn add<E: serde::de::Error>(self, kind: Kind, write: impl FnOnce(&mut String)) -> Result<(), E> {
        if self.record.add(self.names, kind, write) {
            Ok(())
        } else {
            Err(E::custom(TOO_MANY_FIELDS))
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
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.add(Kind::Null, |_| {})
    }
    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<(), E> {
        self.add(Kind::Bool(flag), |out| {
            out.push_str(if flag { "true" } else { "false" })
        })
    }
    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.add(Kind::Integer(number), |out| written(out, number))
    }
    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        let kind = i64::try_from(number).map_or(Kind::Unsigned(number), Kind::Integer);
        self.add(kind, |out| written(out, number))
    }
    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.add(Kind::Float(number), |out| written(out, number))
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.add(Kind::Text, |out| out.push_str(text))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items
            .next_element_seed(AnyValue {
                record: self.record,
                names: self.names,
            })?
            .is_some()
        {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        Members {
            record: self.record,
            names: self.names,
        }
        .visit_map(map)
    }
}

/// Writing to a `String` does not fail.
fn written(out: &mut String, value: impl fmt::Display) {
    let _infallible = write!(out, "{value}");
}
