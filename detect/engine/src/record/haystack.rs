//! The values in which rules' literals are looked for, side by side in one text.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Entry, Kind, NONE, Record, is_plain, position};
use crate::{
    fold::fold_into,
    json::{self, Marks},
    keys::FieldId,
};

/// Stands before, between and after the values of a haystack, so that a literal can say where a value begins or
/// ends. A value that has it inside may wake a rule for nothing; that is all.
pub(crate) const SEPARATOR: char = '\u{1}';

/// Whether a field's values belong to the haystack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wanted {
    #[default]
    No,
    /// As text.
    Text,
    /// As text, and numbers once more in the form that equal numbers share.
    Number,
}

/// One value in the haystack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// Where it ends, which is where a separator is.
    end: u32,
    field: FieldId,
    entry: u32,
}

/// A haystack; valid until the record's next event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Haystack<'r> {
    /// The values, folded.
    pub(crate) text: &'r str,
    spans: &'r [Span],
}

impl Haystack<'_> {
    /// Whether no value was wanted.
    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The field of the value that the byte at `at` belongs to.
    #[inline]
    pub(crate) fn field_at(&self, at: usize) -> FieldId {
        let at = position(at);
        let index = self.spans.partition_point(|span| span.end < at);
        self.spans.get(index).map_or(NONE, |span| span.field)
    }
}

impl Record {
    /// Settles the wanted values, all together, and returns where their haystack begins.
    pub(crate) fn gather(
        &mut self,
        payload: &str,
        marks: &Marks,
        wanted: impl Fn(&Entry) -> Wanted,
    ) -> usize {
        self.spans.clear();
        let start = self.texts.len();
        self.texts.push(SEPARATOR);
        for at in 0..self.entries.len() {
            let Some(entry) = self.entries.get(at) else { break };
            let field = entry.field;
            let wanted = wanted(entry);
            if wanted == Wanted::No || entry.kind == Kind::Null {
                continue;
            }
            let from = self.texts.len();
            if entry.is_escaped && entry.kind == Kind::Text {
                let (start, end) = (entry.raw.0 as usize, entry.raw.1 as usize);
                json::unescape_marked(payload, start, end, marks, &mut self.texts);
            } else {
                self.append(position(at), payload);
            }
            let end = self.texts.len();
            self.texts.push(SEPARATOR);
            if let Some(entry) = self.entries.get_mut(at) {
                entry.text = (position(from), position(end));
            }
            self.spans.push(Span {
                end: position(end),
                field,
                entry: position(at),
            });
            if wanted == Wanted::Number {
                self.append_number(from, end, field);
            }
        }
        let haystack = self.folded.len();
        self.fold_from(start, haystack);
        haystack
    }

    /// The whole event with ASCII folded, as its bytes spell it.
    pub(crate) fn fold_line(&mut self, payload: &str) -> &str {
        self.line.clear();
        self.line.push_str(payload);
        self.line.make_ascii_lowercase();
        &self.line
    }

    /// The haystack that [`Record::gather`] made.
    pub(crate) fn haystack(&self, start: usize) -> Haystack<'_> {
        Haystack {
            text: self.folded.get(start..).unwrap_or_default(),
            spans: &self.spans,
        }
    }

    /// A value that is a number but not spelled as its equals are.
    fn append_number(&mut self, from: usize, end: usize, field: FieldId) {
        let text = self.texts.get(from..end).unwrap_or_default();
        if is_plain(text) && (!text.starts_with('0') || text.len() == 1) {
            return;
        }
        if let Ok(number) = text.parse::<f64>().map(|number| number + 0.0) {
            // Writing to a `String` does not fail.
            let _infallible = write!(self.texts, "{number}");
            let end = position(self.texts.len());
            self.spans.push(Span {
                end,
                field,
                entry: NONE,
            });
            self.texts.push(SEPARATOR);
        }
    }

    /// Folds the texts from `start` on to the end of the folded ones, which is at `haystack`.
    fn fold_from(&mut self, start: usize, haystack: usize) {
        let text = self.texts.get(start..).unwrap_or_default();
        let is_ascii = text.is_ascii();
        if is_ascii {
            self.folded.push_str(text);
            if let Some(added) = self.folded.get_mut(haystack..) {
                added.make_ascii_lowercase();
            }
        } else {
            self.folded.push(SEPARATOR);
        }
        let mut from = start + 1;
        for span in &mut self.spans {
            let end = span.end as usize;
            let folded = if is_ascii {
                (from - start + haystack, end - start + haystack)
            } else {
                let before = self.folded.len();
                fold_into(self.texts.get(from..end).unwrap_or_default(), &mut self.folded);
                self.folded.push(SEPARATOR);
                (before, self.folded.len() - 1)
            };
            from = end + 1;
            if let Some(entry) = self.entries.get_mut(span.entry as usize) {
                entry.folded = (position(folded.0), position(folded.1));
            }
            span.end = position(folded.1 - haystack);
        }
    }
}
