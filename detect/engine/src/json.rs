//! JSON bytes to the entries of a [`Record`], in one pass and without a document model.
//!
//! The whole grammar is checked (RFC 8259, as `serde_json` reads it): what comes from sensors is not trusted.
//! A first step marks every byte that can end or interrupt a text, 64 at a time; the walk then goes from mark
//! to mark. Names of members are recognised by [`Keys`], values stay where they are: nothing is unescaped or
//! copied before somebody asks. Numbers keep their spelling.

mod marks;
mod number;
mod unescape;

use ingest_event::FIELDS_MAX;

use crate::{
    keys::{FieldNames, KeyId, Keys, NO_KEY},
    record::{Entry, Kind, NONE, Record},
};
pub(crate) use marks::Marks;
pub(crate) use number::{Number, number};
pub(crate) use unescape::unescape_into;

/// Objects and lists inside each other, the event itself included; `serde_json` stops there too.
const DEPTH_MAX: usize = 127;

/// Members of all objects together, those included that are no fields since nothing is in them.
const MEMBERS_MAX: usize = 16 * FIELDS_MAX;

/// Why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Not the JSON of an object.
    NotJson,
    /// More fields than [`FIELDS_MAX`].
    TooManyFields,
}

/// Which values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Those of fields that somebody asks for.
    Asked,
    /// And every text, for keywords.
    AllTexts,
}

/// Reads `payload` into `record`, which is empty.
pub(crate) fn read(
    payload: &str,
    marks: &Marks,
    keys: &mut Keys,
    names: &FieldNames,
    keep: Keep,
    record: &mut Record,
) -> Result<(), Stop> {
    let mut walk = Walk {
        payload,
        bytes: payload.as_bytes(),
        marks,
        keys,
        names,
        record,
        keeps_all_texts: keep == Keep::AllTexts,
        at: 0,
        count: 0,
        members: 0,
    };
    walk.blanks();
    if walk.peek() != Some(b'{') {
        return Err(Stop::NotJson);
    }
    walk.at += 1;
    walk.object(Place::ROOT, 1)?;
    walk.blanks();
    if walk.at == walk.bytes.len() {
        Ok(())
    } else {
        Err(Stop::NotJson)
    }
}

/// Whose members are read, or whose value.
#[derive(Clone, Copy)]
struct Place {
    /// The key's number; [`NO_KEY`] for one that is not remembered: its path is then in `Record::path`.
    key: KeyId,
    field: u32,
}

impl Place {
    const ROOT: Self = Self {
        key: Keys::ROOT,
        field: NONE,
    };
}

struct Walk<'a> {
    payload: &'a str,
    bytes: &'a [u8],
    marks: &'a Marks,
    keys: &'a mut Keys,
    names: &'a FieldNames,
    record: &'a mut Record,
    keeps_all_texts: bool,
    at: usize,
    count: usize,
    members: usize,
}

impl Walk<'_> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn blanks(&mut self) {
        if self.peek().is_some_and(|byte| b' ' < byte) {
            return;
        }
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// The members of an object, after its bracket.
    fn object(&mut self, parent: Place, depth: usize) -> Result<(), Stop> {
        if DEPTH_MAX < depth {
            return Err(Stop::NotJson);
        }
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let path = self.record.path.len();
        let mut before = NO_KEY;
        loop {
            let place = self.name(parent, before)?;
            self.members += 1;
            if MEMBERS_MAX < self.members {
                return Err(Stop::TooManyFields);
            }
            before = place.key;
            self.blanks();
            if self.text(place) || self.value(place, depth)? {
                self.counted()?;
            }
            if place.key == NO_KEY {
                self.record.path.truncate(path);
            }
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Stop::NotJson),
            }
            self.blanks();
        }
    }

    /// A member's name and the colon after it.
    #[inline]
    fn name(&mut self, parent: Place, before: KeyId) -> Result<Place, Stop> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let key = self.keys.expected(parent.key, before, rest);
        if key != NO_KEY {
            return Ok(self.named(key));
        }
        self.unexpected_name(parent, before)
    }

    /// Steps over a name that is known.
    #[inline]
    fn named(&mut self, key: KeyId) -> Place {
        let (field, length) = self.keys.field_and_length(key);
        self.at += length;
        Place { key, field }
    }

    #[inline]
    fn unexpected_name(&mut self, parent: Place, before: KeyId) -> Result<Place, Stop> {
        if self.peek() != Some(b'"') {
            return Err(Stop::NotJson);
        }
        let start = self.at + 1;
        if parent.key != NO_KEY {
            let length = self.marks.next(start) - start;
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let key = self.keys.known(parent.key, before, rest, length);
            if key != NO_KEY {
                return Ok(self.named(key));
            }
        }
        self.unknown_name(parent, before, start)
    }

    #[cold]
    fn unknown_name(&mut self, parent: Place, before: KeyId, start: usize) -> Result<Place, Stop> {
        let (end, escapes) = self.text_end(start)?;
        let is_escaped = escapes != Escapes::None;
        self.at = end + 1;
        self.blanks();
        if self.peek() != Some(b':') {
            return Err(Stop::NotJson);
        }
        self.at += 1;
        let name = self.payload.get(start..end).unwrap_or_default();
        if parent.key != NO_KEY && !is_escaped {
            let (key, field) = self.keys.learn(parent.key, before, name, self.names);
            if key != NO_KEY {
                return Ok(Place { key, field });
            }
        }
        Ok(self.spelled_name(parent, name, is_escaped))
    }

    /// A name that is not remembered: its path is spelled out and looked up.
    fn spelled_name(&mut self, parent: Place, name: &str, is_escaped: bool) -> Place {
        let path = &mut self.record.path;
        if parent.key != NO_KEY {
            path.clear();
            path.push_str(self.keys.path(parent.key));
        }
        if parent.key != Keys::ROOT {
            path.push('.');
        }
        if is_escaped {
            unescape_into(name, path);
        } else {
            path.push_str(name);
        }
        Place {
            key: NO_KEY,
            field: self.names.get(path).unwrap_or(NONE),
        }
    }

    /// A text whose escapes are usual, which most values are; whether it is one.
    #[inline]
    fn text(&mut self, place: Place) -> bool {
        if self.peek() != Some(b'"') || !self.marks.is_usual() {
            return false;
        }
        let start = self.at + 1;
        let end = self.marks.next(start);
        if self.bytes.get(end) != Some(&b'"') {
            return false;
        }
        self.at = end + 1;
        if place.field != NONE || self.keeps_all_texts {
            self.record.push(Entry::new(place.field, Kind::Text, start, end));
        }
        true
    }

    /// A value; whether it is more than an object, and so a field of its own.
    #[inline]
    fn value(&mut self, place: Place, depth: usize) -> Result<bool, Stop> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => {
                let (end, escapes) = self.text_end(start + 1)?;
                self.at = end + 1;
                if place.field != NONE || self.keeps_all_texts {
                    let entry = Entry::new(place.field, Kind::Text, start + 1, end);
                    self.record.push(match escapes {
                        Escapes::None | Escapes::Usual => entry,
                        Escapes::Unusual => entry.spelled_unusually(),
                    });
                }
                Ok(true)
            }
            Some(b'-' | b'0'..=b'9') => {
                let end = number::end(self.bytes, start).ok_or(Stop::NotJson)?;
                self.at = end;
                self.keep(place, Kind::Number, start, end);
                Ok(true)
            }
            Some(b'{') => {
                self.at += 1;
                self.object(place, depth + 1)?;
                Ok(false)
            }
            Some(b'[') => {
                self.at += 1;
                self.list(place, depth + 1)
            }
            Some(b't') => self.word(place, "true", Kind::Bool(true)),
            Some(b'f') => self.word(place, "false", Kind::Bool(false)),
            Some(b'n') => self.word(place, "null", Kind::Null),
            _ => Err(Stop::NotJson),
        }
    }

    fn list(&mut self, place: Place, depth: usize) -> Result<bool, Stop> {
        if DEPTH_MAX < depth {
            return Err(Stop::NotJson);
        }
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(false);
        }
        let path = self.record.path.len();
        let mut is_plain = false;
        loop {
            is_plain |= self.value(place, depth)?;
            if place.key == NO_KEY {
                self.record.path.truncate(path);
            }
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(is_plain);
                }
                _ => return Err(Stop::NotJson),
            }
            self.blanks();
        }
    }

    fn word(&mut self, place: Place, word: &str, kind: Kind) -> Result<bool, Stop> {
        let start = self.at;
        let end = start + word.len();
        if self.bytes.get(start..end) != Some(word.as_bytes()) {
            return Err(Stop::NotJson);
        }
        self.at = end;
        self.keep(place, kind, start, end);
        Ok(true)
    }

    #[inline]
    fn keep(&mut self, place: Place, kind: Kind, start: usize, end: usize) {
        if place.field != NONE {
            self.record.push(Entry::new(place.field, kind, start, end));
        }
    }

    #[inline]
    fn counted(&mut self) -> Result<(), Stop> {
        self.count += 1;
        if FIELDS_MAX < self.count {
            Err(Stop::TooManyFields)
        } else {
            Ok(())
        }
    }

    /// Where the text that begins at `start` ends, and what escapes it has.
    #[inline]
    fn text_end(&self, start: usize) -> Result<(usize, Escapes), Stop> {
        let at = self.marks.next(start);
        if self.bytes.get(at) != Some(&b'"') {
            return self.escaped_end(at);
        }
        // Of a usual event, only the ends of texts are marked.
        let is_escaped = self.marks.is_usual()
            && self
                .bytes
                .get(start..at)
                .is_some_and(|text| text.contains(&b'\\'));
        Ok((at, if is_escaped { Escapes::Usual } else { Escapes::None }))
    }

    fn escaped_end(&self, mut at: usize) -> Result<(usize, Escapes), Stop> {
        let mut escapes = Escapes::Usual;
        loop {
            match self.bytes.get(at) {
                Some(b'"') => return Ok((at, escapes)),
                Some(b'\\') => {
                    let escape = self.bytes.get(at..).unwrap_or_default();
                    let length = unescape::length(escape).ok_or(Stop::NotJson)?;
                    if !escape.get(1).is_some_and(|kind| unescape::is_usual(*kind)) {
                        escapes = Escapes::Unusual;
                    }
                    at = self.marks.next(at + length);
                }
                _ => return Err(Stop::NotJson),
            }
        }
    }
}

/// Which escapes a text has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escapes {
    None,
    /// Those only that JSON asks for, in the one short form that there is.
    Usual,
    Unusual,
}
