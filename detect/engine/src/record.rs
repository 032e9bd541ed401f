//! One event, flat, in buffers that are used again for the next.
//!
//! Not a document model: only fields that some rule or indicator asks for are kept (and every text, if a rule
//! has keywords), as places in the event's bytes. A value is unescaped and folded when it is settled, once.
//! Objects are flattened as `ingest_event::codec::flatten` does: dotted names, members of a list of objects
//! side by side, a name given twice as a list.

mod haystack;

use std::fmt::Write as _;

use crate::{
    fold::fold_into,
    json::{self, Number},
    keys::{FieldId, FieldNames},
};

/// Whole numbers up to this length are written as they are spelled.
const DIGITS_AS_THEY_ARE: usize = 15;

/// No field, no entry, no text yet.
pub(crate) const NONE: u32 = u32::MAX;

pub(crate) use haystack::{Haystack, SEPARATOR, Wanted};

/// What a value is, apart from its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number,
    Text,
}

/// One value of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) field: FieldId,
    next: u32,
    /// In the event's bytes; without quotes.
    raw: (u32, u32),
    text: (u32, u32),
    folded: (u32, u32),
    pub(crate) kind: Kind,
    is_escaped: bool,
    /// Whether its text could be spelled in another way too, such as with `\u0041` for a letter.
    pub(crate) is_unusual: bool,
}

/// The buffers.
#[derive(Debug, Default)]
pub(crate) struct Record {
    entries: Vec<Entry>,
    first: Vec<u32>,
    last: Vec<u32>,
    texts: String,
    folded: String,
    line: String,
    spans: Vec<haystack::Span>,
    /// Entries of the envelope that have escapes.
    escaped: Vec<u32>,
    envelope: FieldId,
    /// The path of a member whose name is not remembered.
    pub(crate) path: String,
}

impl Entry {
    #[inline]
    pub(crate) fn new(field: FieldId, kind: Kind, start: usize, end: usize, is_escaped: bool) -> Self {
        Self {
            field,
            next: NONE,
            raw: (position(start), position(end)),
            text: (NONE, NONE),
            folded: (NONE, NONE),
            kind,
            is_escaped,
            is_unusual: false,
        }
    }

    /// A text with escapes.
    pub(crate) fn escaped(field: FieldId, start: usize, end: usize, is_unusual: bool) -> Self {
        Self {
            is_unusual,
            ..Self::new(field, Kind::Text, start, end, true)
        }
    }

    /// As the event spells it, escapes and all.
    pub(crate) fn raw<'p>(&self, payload: &'p str) -> &'p str {
        payload
            .get(self.raw.0 as usize..self.raw.1 as usize)
            .unwrap_or_default()
    }

    /// The field of a value, if somebody asks for it.
    pub(crate) fn field(&self) -> Option<FieldId> {
        (self.field != NONE).then_some(self.field)
    }
}

impl Record {
    /// Makes room for an event; what was held is gone.
    pub(crate) fn clear(&mut self, names: &FieldNames) {
        for entry in &self.entries {
            if let Some(first) = self.first.get_mut(entry.field as usize) {
                *first = NONE;
            }
        }
        self.first.resize(names.len(), NONE);
        self.last.resize(names.len(), NONE);
        self.entries.clear();
        self.texts.clear();
        self.folded.clear();
        self.path.clear();
        self.escaped.clear();
        self.envelope = names.envelope;
    }

    #[inline]
    pub(crate) fn push(&mut self, entry: Entry) {
        let index = position(self.entries.len());
        if entry.is_escaped && entry.field < self.envelope {
            self.escaped.push(index);
        }
        let field = entry.field as usize;
        self.entries.push(entry);
        if let (Some(first), Some(last)) = (self.first.get_mut(field), self.last.get_mut(field)) {
            if *first == NONE {
                *first = index;
            } else if let Some(before) = self.entries.get_mut(*last as usize) {
                before.next = index;
            }
            *last = index;
        }
    }

    /// Whether the event has the field.
    #[inline]
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

    /// The field of the value that the event's byte at `at` belongs to, its closing quote included.
    pub(crate) fn field_at(&self, at: usize) -> FieldId {
        let at = position(at);
        let after = self.entries.partition_point(|entry| entry.raw.0 <= at);
        match after.checked_sub(1).and_then(|index| self.entries.get(index)) {
            Some(entry) if at <= entry.raw.1 => entry.field,
            _ => NONE - 1,
        }
    }

    /// Every value that is kept, in the event's order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every text in the event; settle them first.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.kind == Kind::Text)
    }

    /// A settled value as text; numbers and booleans as JSON writes them, null as nothing.
    pub(crate) fn text(&self, entry: &Entry) -> &str {
        slice(&self.texts, entry.text)
    }

    /// A settled value as text without regard to case, see [`crate::fold`].
    pub(crate) fn folded(&self, entry: &Entry) -> &str {
        slice(&self.folded, entry.folded)
    }

    /// The first value of a field as text, if it is settled or needs no settling.
    pub(crate) fn first_text<'a>(&'a self, field: FieldId, payload: &'a str) -> Option<&'a str> {
        self.values(field)
            .find(|entry| entry.kind != Kind::Null)
            .map(|entry| self.spelled(entry, payload))
    }

    /// A value as text where it is settled, else as the event spells it.
    #[inline]
    pub(crate) fn spelled<'a>(&'a self, entry: &Entry, payload: &'a str) -> &'a str {
        if entry.text.0 == NONE {
            entry.raw(payload)
        } else {
            self.text(entry)
        }
    }

    /// Settles a value if it has escapes, so that [`Record::spelled`] is its text.
    #[inline]
    pub(crate) fn settle_spelled(&mut self, at: usize, payload: &str) {
        if let Some(entry) = self.entries.get(at)
            && entry.is_escaped
            && entry.text.0 == NONE
        {
            self.settle_entry(position(at), payload);
        }
    }

    /// Unescapes and folds the values of a field, unless that is done.
    pub(crate) fn settle(&mut self, field: FieldId, payload: &str) {
        let mut at = self.first.get(field as usize).copied().unwrap_or(NONE);
        while let Some(entry) = self.entries.get(at as usize) {
            let next = entry.next;
            if entry.text.0 == NONE {
                self.settle_entry(at, payload);
            }
            at = next;
        }
    }

    /// Unescapes those values of the envelope that have escapes, so that [`Record::first_text`] is their text.
    pub(crate) fn settle_envelope(&mut self, payload: &str) {
        for at in 0..self.escaped.len() {
            if let Some(entry) = self.escaped.get(at) {
                self.settle_entry(*entry, payload);
            }
        }
    }

    /// Unescapes and folds every text, unless that is done.
    pub(crate) fn settle_texts(&mut self, payload: &str) {
        for at in 0..self.entries.len() {
            if let Some(entry) = self.entries.get(at)
                && entry.kind == Kind::Text
                && entry.text.0 == NONE
            {
                self.settle_entry(position(at), payload);
            }
        }
    }

    fn settle_entry(&mut self, at: u32, payload: &str) {
        let start = self.texts.len();
        self.append(at, payload);
        let text = self.texts.get(start..).unwrap_or_default();
        let from = self.folded.len();
        fold_into(text, &mut self.folded);
        let end = self.texts.len();
        let folded_end = self.folded.len();
        if let Some(entry) = self.entries.get_mut(at as usize) {
            entry.text = (position(start), position(end));
            entry.folded = (position(from), position(folded_end));
        }
    }

    /// Appends a value's text to the texts.
    fn append(&mut self, at: u32, payload: &str) {
        let Some(entry) = self.entries.get(at as usize) else {
            return;
        };
        let raw = entry.raw(payload);
        match entry.kind {
            Kind::Null => {}
            Kind::Text if entry.is_escaped => json::unescape_into(raw, &mut self.texts),
            Kind::Number if !is_plain(raw) => {
                // Writing to a `String` does not fail.
                let _infallible = match json::number(raw) {
                    Number::Integer(number) => write!(self.texts, "{number}"),
                    Number::Unsigned(number) => write!(self.texts, "{number}"),
                    Number::Float(number) => write!(self.texts, "{number}"),
                };
            }
            Kind::Text | Kind::Bool(_) | Kind::Number => self.texts.push_str(raw),
        }
    }
}

/// Whether a number is spelled as it is written: up to [`DIGITS_AS_THEY_ARE`] digits.
pub(crate) fn is_plain(number: &str) -> bool {
    number.len() <= DIGITS_AS_THEY_ARE && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn slice(texts: &str, (start, end): (u32, u32)) -> &str {
    texts.get(start as usize..end as usize).unwrap_or_default()
}

#[inline]
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NONE)
}
