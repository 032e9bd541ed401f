//! Texts that a regular expression can't match without.

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::fold::{fold, fold_char};

/// More alternatives than this are no help.
const ALTERNATIVES_MAX: usize = 64;

/// Shorter texts are in too many events.
const BYTES_MIN: usize = 3;

/// A class of more characters than this has more than one folded form anyway.
const CLASS_MAX: u32 = 6;

/// Texts, folded, of which a value must have at least one for the expression to match it.
pub(super) fn required(source: &str) -> Option<BTreeSet<String>> {
    let hir = regex_syntax::parse(source).ok()?;
    best(&hir).filter(|texts| {
        !texts.is_empty()
            && texts.len() <= ALTERNATIVES_MAX
            && texts.iter().all(|text| BYTES_MIN <= text.len())
    })
}

fn best(hir: &Hir) -> Option<BTreeSet<String>> {
    match hir.kind() {
        HirKind::Capture(capture) => best(&capture.sub),
        HirKind::Repetition(repetition) if 0 < repetition.min => best(&repetition.sub),
        HirKind::Alternation(parts) => {
            let each: Option<Vec<_>> = parts.iter().map(best).collect();
            Some(each?.into_iter().flatten().collect())
        }
        HirKind::Concat(parts) => concat(parts),
        HirKind::Literal(_) | HirKind::Class(_) => exact(hir).map(|text| BTreeSet::from([text])),
        HirKind::Empty | HirKind::Look(_) | HirKind::Repetition(_) => None,
    }
}

/// Neighbours with one folded form each are one text; the best of all texts counts.
fn concat(parts: &[Hir]) -> Option<BTreeSet<String>> {
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    let mut run = String::new();
    for part in parts {
        match exact(part) {
            Some(text) => run.push_str(&text),
            // A boundary has no length.
            None if matches!(part.kind(), HirKind::Look(_) | HirKind::Empty) => {}
            None => {
                found.push(BTreeSet::from([std::mem::take(&mut run)]));
                found.extend(best(part));
            }
        }
    }
    found.push(BTreeSet::from([run]));
    found
        .into_iter()
        .filter(|texts| texts.len() <= ALTERNATIVES_MAX)
        .max_by_key(|texts| {
            let shortest = texts.iter().map(String::len).min().unwrap_or(0);
            (shortest * 32).saturating_sub(texts.len())
        })
}

/// The one folded text that this matches, if there is but one.
fn exact(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok().map(fold),
        HirKind::Class(class) => one(class).map(String::from),
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(exact).collect(),
        HirKind::Repetition(repetition) if Some(repetition.min) == repetition.max && repetition.min <= 8 => {
            Some(exact(&repetition.sub)?.repeat(repetition.min as usize))
        }
        HirKind::Empty | HirKind::Look(_) | HirKind::Repetition(_) | HirKind::Alternation(_) => None,
    }
}

/// The one folded character of a class, if all its characters share it.
fn one(class: &Class) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let mut folded = None;
    let mut count = 0;
    for range in class.iter() {
        count += range.end() as u32 - range.start() as u32 + 1;
        if CLASS_MAX < count {
            return None;
        }
        for character in range.start()..=range.end() {
            let this = fold_char(character);
            if *folded.get_or_insert(this) != this {
                return None;
            }
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_expression_says_what_it_needs() {
        for (source, expected) in [
            ("foobar", Some(vec!["foobar"])),
            ("(?i)FooBar", Some(vec!["foobar"])),
            ("(?i)kiss", Some(vec!["kiss"])),
            ("a.*longer", Some(vec!["longer"])),
            ("(one|other)x?", Some(vec!["one", "other"])),
            ("(?:abc){2,}", Some(vec!["abc"])),
            ("ab{3}c", Some(vec!["abbbc"])),
            (r"foo\bbar", Some(vec!["foobar"])),
            ("(abc)?", None),
            (".{1000,}", None),
            ("ab|.*", None),
            ("[a-z]+", None),
            ("ab", None),
        ] {
            let found = required(source);
            let expected = expected.map(|texts| texts.into_iter().map(str::to_owned).collect());
            assert_eq!(found, expected, "{source}");
        }
    }
}
