//! How values and the texts of rules are spelled, so that the two can be compared as bytes.

use crate::json::Marks;

/// Places nearer to each other than this are compared with each other, see [`Alignment`].
const NEAR: usize = 1024;

/// An event's bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload<'p> {
    pub(crate) text: &'p str,
    /// In lower case as far as it is ASCII.
    pub(crate) lower: &'p [u8],
    /// Whether `lower` says all of every text: only ASCII, and escapes in their usual form.
    pub(crate) is_plain: bool,
}

impl<'p> Payload<'p> {
    pub(crate) fn new(text: &'p str, marks: &'p Marks) -> Self {
        Self {
            text,
            lower: marks.lower(),
            is_plain: marks.is_ascii() && marks.is_usual(),
        }
    }
}

/// Appends a folded character as JSON spells it in the usual way, so that each is one byte or sequence of bytes, or
/// a backslash and one byte. The few that JSON can't but write as `\u0001` stay themselves: no event's bytes
/// have them, and with them a text is no part of another by accident.
pub(crate) fn spell(character: char, out: &mut String) {
    let escape = match character {
        '"' => '"',
        '\\' => '\\',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        other => return out.push(other),
    };
    out.push('\\');
    out.push(escape);
}

/// A folded text, spelled.
pub(crate) fn spelled(folded: &str) -> String {
    let mut out = String::with_capacity(folded.len());
    for character in folded.chars() {
        spell(character, &mut out);
    }
    out
}

/// Whether a place in a spelled text is not inside an escape.
#[inline]
pub(crate) fn is_aligned(spelled: &[u8], at: usize) -> bool {
    let before = spelled.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
}

/// As [`is_aligned`] for many places of one text, near each other: a text of a million backslashes is not walked back a
/// million times.
#[derive(Debug, Default)]
pub(crate) struct Alignment {
    /// The place that was asked for last, and how many backslashes are right before it.
    at: usize,
    run: usize,
}

impl Alignment {
    pub(crate) fn is_at(&mut self, spelled: &[u8], at: usize) -> bool {
        let between = spelled.get(self.at.min(at)..self.at.max(at)).unwrap_or_default();
        let is_one_run = between.len() <= NEAR && between.iter().all(|byte| *byte == b'\\');
        self.run = if is_one_run {
            (self.run + at).saturating_sub(self.at)
        } else {
            let before = spelled.get(..at).unwrap_or_default();
            before.iter().rev().take_while(|byte| **byte == b'\\').count()
        };
        self.at = at;
        self.run.is_multiple_of(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_aligned_in_whatever_order_they_are_asked() {
        let far = "x".repeat(2 * NEAR);
        let long = "\\".repeat(3 * NEAR);
        for text in [r"\\\a\\", r"a\nb\\c", "", "abc", &format!(r"\\{far}\\\"), &long] {
            let text = text.as_bytes();
            let mut alignment = Alignment::default();
            for step in 0..3 * text.len() {
                let at = step * step * 7 % (text.len() + 1);
                for at in [at, at.saturating_sub(2), at.saturating_sub(1)] {
                    assert_eq!(alignment.is_at(text, at), is_aligned(text, at), "{at}");
                }
            }
        }
    }
}
