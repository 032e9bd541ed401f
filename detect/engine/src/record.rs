//! One event, flat, in buffers that are used again for the next.
//!
//! Not a document model: only fields that some rule or indicator asks for are kept (and every text, if a rule
//! has keywords), as places in the event's bytes. Values are compared where they are, in lower case and as JSON
//! spells them; one that is spelled in an unusual way is respelled first, and one whose text is asked for is
//! unescaped, both once.
//! Objects are flattened as `ingest_event::codec::flatten` does: dotted names, members of a list of objects
//! side by side, a name given twice as a list.

mod spelling;

use std::fmt::Write as _;

use rustc_hash::FxHashSet;

use crate::{
    fold::fold_char,
    json::{self, Marks, Number},
    keys::{FieldId, FieldNames},
    pattern::TextKey,
};

use self::spelling::spell;
pub(crate) use self::spelling::{Alignment, Payload, is_aligned, spelled};

/// Whole numbers up to this length are written as they are spelled.
pub(crate) const DIGITS_AS_THEY_ARE: usize = 15;

/// What an event may leave behind for the next, in entries and in bytes of text.
const ENTRIES_KEPT: usize = 1 << 14;
const BYTES_KEPT: usize = 1 << 20;

/// No field, no entry, no text yet.
pub(crate) const NONE: u32 = u32::MAX;

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
    start: u32,
    end: u32,
    /// Where in `Record::settled` it is, if it is.
    settled: u32,
    pub(crate) kind: Kind,
    /// Whether its text could be spelled in another way too, such as with `\u0041` for a letter.
    pub(crate) is_unusual: bool,
}

/// What a value is that is not what the event's bytes are.
#[derive(Clone, Copy, Debug)]
struct Settled {
    /// Unescaped, in `Record::texts`.
    text: (u32, u32),
    /// Respelled, in `Record::respelled`.
    respelled: (u32, u32),
}

/// The buffers.
#[derive(Debug, Default)]
pub(crate) struct Record {
    entries: Vec<Entry>,
    settled: Vec<Settled>,
    /// For each field its first and its last entry.
    fields: Vec<(u32, u32)>,
    texts: String,
    respelled: String,
    /// The form that equal numbers share.
    number: String,
    known: Known,
    done: Vec<(FieldId, Done)>,
    /// Whether the event has any.
    has_backslashes: bool,
    /// Entries of the envelope.
    of_envelope: Vec<u32>,
    envelope: FieldId,
    /// The path of a member whose name is not remembered.
    pub(crate) path: String,
}

impl Entry {
    #[inline]
    pub(crate) fn new(field: FieldId, kind: Kind, start: usize, end: usize) -> Self {
        Self {
            field,
            next: NONE,
            start: position(start),
            end: position(end),
            settled: NONE,
            kind,
            is_unusual: false,
        }
    }

    /// With escapes that need not be, or are not short.
    pub(crate) fn spelled_unusually(self) -> Self {
        Self {
            is_unusual: true,
            ..self
        }
    }

    /// As the event spells it, escapes and all.
    pub(crate) fn raw<'p>(&self, payload: &'p str) -> &'p str {
        payload.get(self.range()).unwrap_or_default()
    }

    /// Where it is in the event's bytes.
    #[inline]
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Whether its text is not what the event's bytes are.
    #[inline]
    fn is_written_otherwise(&self, payload: &str, has_backslashes: bool) -> bool {
        match self.kind {
            Kind::Null | Kind::Bool(_) => false,
            Kind::Number => !is_plain(self.raw(payload)),
            Kind::Text => has_backslashes && self.has_backslash(payload),
        }
    }

    #[inline]
    fn has_backslash(&self, payload: &str) -> bool {
        memchr::memchr(b'\\', self.raw(payload).as_bytes()).is_some()
    }

    /// Whether its text could be spelled in another way, or is folded in another way than ASCII.
    #[inline]
    fn is_odd(&self, payload: Payload<'_>) -> bool {
        match self.kind {
            Kind::Null | Kind::Bool(_) => false,
            Kind::Number => !is_plain(self.raw(payload.text)),
            Kind::Text => !payload.is_plain && (self.is_unusual || !self.raw(payload.text).is_ascii()),
        }
    }

    /// The field of a value, if somebody asks for it.
    pub(crate) fn field(&self) -> Option<FieldId> {
        (self.field != NONE).then_some(self.field)
    }
}

/// What was done to all values of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Settled,
    Respelled,
}

/// Of which fields every text of the rules is known to be there or not, see [`crate::prefilter::Crowds`].
#[derive(Debug, Default)]
pub(crate) struct Known {
    fields: Vec<FieldId>,
    texts: FxHashSet<(FieldId, TextKey)>,
}

impl Known {
    fn clear(&mut self) {
        if !self.fields.is_empty() {
            self.fields.clear();
            self.texts.clear();
        }
    }

    /// Says that a text is there.
    pub(crate) fn insert(&mut self, field: FieldId, text: TextKey) {
        self.texts.insert((field, text));
    }
}

impl Record {
    /// Whether every plain text of the rules is known to be in a field's values or not.
    #[inline]
    pub(crate) fn knows(&self, field: FieldId) -> bool {
        !self.known.fields.is_empty() && self.known.fields.contains(&field)
    }

    /// Whether a text is in one of the values of a field that is known.
    pub(crate) fn is_known(&self, field: FieldId, text: TextKey) -> bool {
        self.known.texts.contains(&(field, text))
    }

    /// What is known, to say more of a field; to be given back to [`Record::end_knowing`].
    pub(crate) fn start_knowing(&mut self, field: FieldId) -> Known {
        self.known.fields.push(field);
        std::mem::take(&mut self.known)
    }

    /// See [`Record::start_knowing`].
    pub(crate) fn end_knowing(&mut self, known: Known) {
        self.known = known;
    }

    /// Makes room for an event; what was held is gone.
    pub(crate) fn clear(&mut self, names: &FieldNames, marks: &Marks) {
        self.has_backslashes = marks.has_backslashes();
        for entry in &self.entries {
            if let Some((first, _)) = self.fields.get_mut(entry.field as usize) {
                *first = NONE;
            }
        }
        self.fields.resize(names.len(), (NONE, NONE));
        self.entries.clear();
        self.settled.clear();
        self.entries.shrink_to(ENTRIES_KEPT);
        self.settled.shrink_to(ENTRIES_KEPT);
        self.texts.shrink_to(BYTES_KEPT);
        self.respelled.shrink_to(BYTES_KEPT);
        self.known.clear();
        self.done.clear();
        self.texts.clear();
        self.respelled.clear();
        self.path.clear();
        self.of_envelope.clear();
        self.envelope = names.envelope;
    }

    #[inline]
    pub(crate) fn push(&mut self, entry: Entry) {
        let index = position(self.entries.len());
        if entry.field < self.envelope {
            self.of_envelope.push(index);
        }
        let field = entry.field as usize;
        self.entries.push(entry);
        if let Some((first, last)) = self.fields.get_mut(field) {
            if *first == NONE {
                *first = index;
            } else if let Some(before) = self.entries.get_mut(*last as usize) {
                before.next = index;
            }
            *last = index;
        }
    }

    #[inline]
    fn first(&self, field: FieldId) -> u32 {
        self.fields.get(field as usize).map_or(NONE, |(first, _)| *first)
    }

    /// Whether the event has the field.
    #[inline]
    pub(crate) fn has(&self, field: FieldId) -> bool {
        self.first(field) != NONE
    }

    /// The value of a field that has one.
    #[inline]
    pub(crate) fn only(&self, field: FieldId) -> Option<&Entry> {
        let entry = self.entries.get(self.first(field) as usize)?;
        (entry.next == NONE).then_some(entry)
    }

    /// The value of a field that has one, is not null, and needs neither settling nor respelling.
    #[inline]
    pub(crate) fn as_it_is(&self, field: FieldId, payload: Payload<'_>) -> Option<&Entry> {
        let entry = self.only(field)?;
        let needs = entry.kind == Kind::Null
            || entry.is_odd(payload)
            || entry.is_written_otherwise(payload.text, self.has_backslashes);
        (!needs).then_some(entry)
    }

    /// Whether there are backslashes in the event.
    pub(crate) const fn has_backslashes(&self) -> bool {
        self.has_backslashes
    }

    /// The values of a field.
    pub(crate) fn values(&self, field: FieldId) -> impl Iterator<Item = &Entry> {
        let mut at = self.first(field);
        std::iter::from_fn(move || {
            let entry = self.entries.get(at as usize)?;
            at = entry.next;
            Some(entry)
        })
    }

    /// Every value that is kept, in the event's order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The values of the envelope, in the event's order.
    pub(crate) fn of_envelope(&self) -> impl Iterator<Item = &Entry> {
        self.of_envelope
            .iter()
            .filter_map(|at| self.entries.get(*at as usize))
    }

    /// Every text in the event; settle them first.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.kind == Kind::Text)
    }

    /// A value as text; numbers and booleans as JSON writes them, null as nothing. One that is written otherwise
    /// has to be settled first.
    #[inline]
    pub(crate) fn text<'a>(&'a self, entry: &Entry, payload: &'a str) -> &'a str {
        if let Some(text) = self.settled_text(entry) {
            text
        } else if entry.kind == Kind::Null {
            ""
        } else {
            entry.raw(payload)
        }
    }

    /// A value without regard to case, as JSON spells its text in the usual way: see [`spell`]. An odd one has to be
    /// respelled first.
    #[inline]
    pub(crate) fn lower<'a>(&'a self, entry: &Entry, payload: Payload<'a>) -> &'a [u8] {
        match self.settled.get(entry.settled as usize) {
            Some(settled) if settled.respelled.0 != NONE => {
                slice(&self.respelled, settled.respelled).as_bytes()
            }
            _ => payload.lower.get(entry.range()).unwrap_or_default(),
        }
    }

    #[inline]
    fn settled_text(&self, entry: &Entry) -> Option<&str> {
        let settled = self.settled.get(entry.settled as usize)?;
        (settled.text.0 != NONE).then(|| slice(&self.texts, settled.text))
    }

    /// The place for what a value is.
    fn settled_of(&mut self, at: usize) -> Option<&mut Settled> {
        let entry = self.entries.get_mut(at)?;
        if entry.settled == NONE {
            entry.settled = position(self.settled.len());
            self.settled.push(Settled {
                text: (NONE, NONE),
                respelled: (NONE, NONE),
            });
        }
        self.settled.get_mut(entry.settled as usize)
    }

    /// The first value of a field as text, if it is settled or needs no settling.
    pub(crate) fn first_text<'a>(&'a self, field: FieldId, payload: &'a str) -> Option<&'a str> {
        self.values(field)
            .find(|entry| entry.kind != Kind::Null)
            .map(|entry| self.text(entry, payload))
    }

    /// One of the values of a field as text, by its number from zero; as [`Record::first_text`].
    pub(crate) fn nth_text<'a>(&'a self, field: FieldId, nth: usize, payload: &'a str) -> Option<&'a str> {
        self.values(field)
            .filter(|entry| entry.kind != Kind::Null)
            .nth(nth)
            .map(|entry| self.text(entry, payload))
    }

    /// Settles one value, so that [`Record::text`] is its text.
    #[inline]
    pub(crate) fn settle_entry(&mut self, at: usize, payload: &str) {
        if let Some(entry) = self.entries.get(at)
            && entry.is_written_otherwise(payload, self.has_backslashes)
            && self.settled_text(entry).is_none()
        {
            self.unescape(at, payload);
        }
    }

    /// Settles the values of a field, so that [`Record::text`] is their text.
    pub(crate) fn settle(&mut self, field: FieldId, payload: &str) {
        let mut at = self.first(field);
        if self.is_done(at, (field, Done::Settled)) {
            return;
        }
        while let Some(next) = self.entries.get(at as usize).map(|entry| entry.next) {
            self.settle_entry(at as usize, payload);
            at = next;
        }
    }

    /// Whether something was done to all values of a field; notes it if not. Asked of fields with several values only,
    /// since doing it again is quick for one.
    #[inline]
    fn is_done(&mut self, first: u32, done: (FieldId, Done)) -> bool {
        let has_several = self
            .entries
            .get(first as usize)
            .is_some_and(|entry| entry.next != NONE);
        if !has_several {
            return false;
        }
        let is_done = self.done.contains(&done);
        if !is_done {
            self.done.push(done);
        }
        is_done
    }

    /// Settles those values of the envelope that have escapes, so that [`Record::first_text`] is their text.
    pub(crate) fn settle_envelope(&mut self, payload: &str) {
        for at in 0..self.of_envelope.len() {
            if let Some(entry) = self.of_envelope.get(at) {
                self.settle_entry(*entry as usize, payload);
            }
        }
    }

    /// Settles every text.
    pub(crate) fn settle_texts(&mut self, payload: &str) {
        for at in 0..self.entries.len() {
            if self.entries.get(at).is_some_and(|entry| entry.kind == Kind::Text) {
                self.settle_entry(at, payload);
            }
        }
    }

    /// Respells one value if it is odd, so that [`Record::lower`] is its text. Whether it is odd.
    #[inline]
    pub(crate) fn respell_entry(&mut self, at: usize, payload: Payload<'_>) -> bool {
        let Some(entry) = self.entries.get(at) else {
            return false;
        };
        let is_odd = entry.is_odd(payload);
        if is_odd {
            self.spell(at, payload.text);
        }
        is_odd
    }

    /// Respells the odd values of a field, so that [`Record::lower`] is their text.
    #[inline]
    pub(crate) fn respell(&mut self, field: FieldId, payload: Payload<'_>) {
        let mut at = self.first(field);
        if self.is_done(at, (field, Done::Respelled)) {
            return;
        }
        while let Some(next) = self.entries.get(at as usize).map(|entry| entry.next) {
            self.respell_entry(at as usize, payload);
            at = next;
        }
    }

    /// Respells every odd text.
    pub(crate) fn respell_texts(&mut self, payload: Payload<'_>) {
        for at in 0..self.entries.len() {
            if self.entries.get(at).is_some_and(|entry| entry.kind == Kind::Text) {
                self.respell_entry(at, payload);
            }
        }
    }

    /// A value in the form that equal numbers share, if it is a number.
    pub(crate) fn as_number(&mut self, at: usize, payload: Payload<'_>) -> Option<&[u8]> {
        let entry = self.entries.get(at)?;
        let number: f64 = std::str::from_utf8(self.lower(entry, payload))
            .ok()?
            .parse()
            .ok()?;
        self.number.clear();
        // Zero has two signs and one spelling; writing to a `String` does not fail.
        let _infallible = write!(self.number, "{}", number + 0.0);
        Some(self.number.as_bytes())
    }

    #[cold]
    fn spell(&mut self, at: usize, payload: &str) {
        self.settle_entry(at, payload);
        let Some(entry) = self.entries.get(at) else {
            return;
        };
        let settled = self.settled.get(entry.settled as usize);
        if settled.is_some_and(|settled| settled.respelled.0 != NONE) {
            return;
        }
        let text = match settled {
            Some(settled) if settled.text.0 != NONE => slice(&self.texts, settled.text),
            _ => entry.raw(payload),
        };
        let start = self.respelled.len();
        for character in text.chars() {
            spell(fold_char(character), &mut self.respelled);
        }
        let respelled = (position(start), position(self.respelled.len()));
        if let Some(settled) = self.settled_of(at) {
            settled.respelled = respelled;
        }
    }

    #[inline(never)]
    fn unescape(&mut self, at: usize, payload: &str) {
        let start = self.texts.len();
        self.append(at, payload);
        let text = (position(start), position(self.texts.len()));
        if let Some(settled) = self.settled_of(at) {
            settled.text = text;
        }
    }

    /// Appends a value's text to the texts.
    fn append(&mut self, at: usize, payload: &str) {
        let Some(entry) = self.entries.get(at) else {
            return;
        };
        let raw = entry.raw(payload);
        match entry.kind {
            Kind::Null => {}
            Kind::Text if entry.has_backslash(payload) => json::unescape_into(raw, &mut self.texts),
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
