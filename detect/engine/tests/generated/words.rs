//! What rules and events are spelled with: few pieces, so that they meet, and every piece awkward for somebody.

#![allow(dead_code, reason = "each user needs a part of it")]

use super::draw::Draw;

/// Pieces of ASCII: parts of each other, JSON's and Sigma's special characters, separators, NUL.
const PLAIN: [&str; 43] = [
    "a", "b", "ab", "abc", "bc", "c", "C", "aB", "ba", "cmd", ".exe", "power", "Shell", "\\", "\\\\", "/",
    " -e ", "-", " ", "42", "4", "0", "1e2", "%", "\"", "'", "{", "}", "[", ":", ",", "\0", "\n", "\t",
    "\u{1f}", "\u{1e}", "\u{7f}", "|", "u0041", "true", "\u{1}", "kiss", "Security",
];

/// Letters whose case is simple, and characters that have none.
const SIMPLE: [&str; 15] = [
    "ø", "Ø", "å", "Å", "é", "É", "к", "К", "п", "ÿ", "Ÿ", "😀", "\u{ff}", "\u{fffd}", "字",
];

/// Letters whose case is not: several lower-case forms, ASCII lower case, more or fewer bytes, more characters.
const TRICKY: [&str; 27] = [
    "σ",
    "ς",
    "Σ",
    "ſ",
    "s",
    "S",
    "\u{212a}",
    "k",
    "\u{212b}",
    "\u{b5}",
    "\u{3bc}",
    "İ",
    "ı",
    "i",
    "I",
    "Ⱥ",
    "ⱥ",
    "ß",
    "ẞ",
    "Ǆ",
    "ǅ",
    "ﬁ",
    "e\u{301}",
    "\u{feff}",
    "\u{2028}",
    "\u{80}",
    "\u{10ffff}",
];

/// Which pieces are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// ASCII only.
    Plain,
    /// And letters whose case is simple.
    Simple,
    /// And all others.
    Tricky,
}

impl Alphabet {
    pub(crate) fn draw(draw: &mut Draw) -> Self {
        *draw.choose(&[
            Self::Plain,
            Self::Plain,
            Self::Plain,
            Self::Simple,
            Self::Simple,
            Self::Tricky,
        ])
    }

    pub(crate) fn piece(self, draw: &mut Draw) -> &'static str {
        match (self, draw.within(0..3)) {
            (Self::Plain, _) | (_, 0) => draw.pick(&PLAIN),
            (Self::Simple, _) | (Self::Tricky, 1) => draw.pick(&SIMPLE),
            (Self::Tricky, _) => draw.pick(&TRICKY),
        }
    }

    pub(crate) fn word(self, draw: &mut Draw) -> String {
        let count = *draw.choose(&[1, 1, 2, 2, 2, 3, 4, 8]);
        (0..count).map(|_| self.piece(draw)).collect()
    }
}
