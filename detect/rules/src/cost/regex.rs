//! Whether a regular expression can't match without some fixed text that the engine looks for.
//!
//! Of the texts only their number and the length of the shortest is worked out here; the engine has them themselves.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::{folded, folded_bytes};

/// Shorter texts are in too many events.
pub(super) const BYTES_MIN: usize = 3;

/// More alternatives than this are not looked for.
const ALTERNATIVES_MAX: usize = 64;

/// A class of more characters than this is no letter of a text: `[Kk\u{212a}]` is one.
const CLASS_MAX: u32 = 6;

/// A longer repetition is not written out.
const TIMES_MAX: u32 = 8;

/// Texts of which each match has at least one.
#[derive(Clone, Copy)]
struct Texts {
    count: usize,
    /// In bytes, without regard to case.
    shortest: usize,
}

impl Texts {
    const fn one(bytes: usize) -> Self {
        Self {
            count: 1,
            shortest: bytes,
        }
    }

    /// What is looked for where there is a choice: long texts, and of these few.
    const fn worth(self) -> usize {
        (self.shortest * 32).saturating_sub(self.count)
    }
}

/// Whether the engine has a text to look for.
pub(super) fn is_indexed(source: &str) -> bool {
    let texts = regex_syntax::parse(source).ok().and_then(|hir| best(&hir));
    texts.is_some_and(|texts| (1..=ALTERNATIVES_MAX).contains(&texts.count) && BYTES_MIN <= texts.shortest)
}

fn best(hir: &Hir) -> Option<Texts> {
    match hir.kind() {
        HirKind::Capture(capture) => best(&capture.sub),
        HirKind::Repetition(repetition) if 0 < repetition.min => best(&repetition.sub),
        HirKind::Alternation(parts) => {
            let each: Vec<Texts> = parts.iter().map(best).collect::<Option<_>>()?;
            Some(Texts {
                count: each.iter().map(|texts| texts.count).sum(),
                shortest: each.iter().map(|texts| texts.shortest).min()?,
            })
        }
        HirKind::Concat(parts) => concat(parts),
        HirKind::Literal(_) | HirKind::Class(_) => exact(hir).map(Texts::one),
        HirKind::Empty | HirKind::Look(_) | HirKind::Repetition(_) => None,
    }
}

/// Neighbours that are fixed are one text; the best of all texts counts.
fn concat(parts: &[Hir]) -> Option<Texts> {
    let mut found = Vec::new();
    let mut run = 0;
    for part in parts {
        match exact(part) {
            Some(bytes) => run += bytes,
            // A boundary has no length.
            None if matches!(part.kind(), HirKind::Look(_) | HirKind::Empty) => {}
            None => {
                found.push(Texts::one(std::mem::take(&mut run)));
                found.extend(best(part));
            }
        }
    }
    found.push(Texts::one(run));
    found
        .into_iter()
        .filter(|texts| texts.count <= ALTERNATIVES_MAX)
        .max_by_key(|texts| texts.worth())
}

/// How many bytes the one text has that this matches, if there is but one.
fn exact(hir: &Hir) -> Option<usize> {
    match hir.kind() {
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok().map(folded_bytes),
        HirKind::Class(class) => one(class).map(char::len_utf8),
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(exact).sum(),
        HirKind::Repetition(repetition)
            if Some(repetition.min) == repetition.max && repetition.min <= TIMES_MAX =>
        {
            Some(exact(&repetition.sub)? * repetition.min as usize)
        }
        HirKind::Empty | HirKind::Look(_) | HirKind::Repetition(_) | HirKind::Alternation(_) => None,
    }
}

/// The one character of a class, if all its characters are it without regard to case.
fn one(class: &Class) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let count: u32 = class
        .iter()
        .map(|range| range.end() as u32 - range.start() as u32 + 1)
        .sum();
    if CLASS_MAX < count {
        return None;
    }
    let mut each = class
        .iter()
        .flat_map(|range| range.start()..=range.end())
        .map(folded);
    let first = each.next()?;
    each.all(|other| other == first).then_some(first)
}
