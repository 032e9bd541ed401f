//! The spellings of a value under `windash`: Windows programs take a flag after `-` for the same flag after `/`.
//!
//! Only the character that begins a flag is spelled otherwise, as in pySigma: the dash within `-param-name` and the
//! slash within `a/b` are part of a word. Each flag is spelled by itself, as a command line may have `-a /b`. Beyond
//! pySigma, a wildcard may be a flag's first letter, and so may what follows a value that is open at its end: `'run -'`
//! after `contains`.

use super::Unfit;
use crate::{TextOp, TextPart};

/// What may begin a flag (Sigma specification, modifiers).
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

/// With more flags than this in one value, there are too many spellings: 5 to that power, each a text of its own that the engine
/// looks for. What SigmaHQ's rules have is two.
const FLAGS_MAX: usize = 4;

/// Every spelling of a text, the one that was written among them.
pub(super) fn windash(op: TextOp, parts: Vec<TextPart>) -> Result<Vec<Vec<TextPart>>, Unfit> {
    let is_open = matches!(op, TextOp::Contains | TextOp::StartsWith);
    let mut flags = 0;
    let mut spellings = vec![Vec::new()];
    let mut parts = parts.into_iter().peekable();
    while let Some(part) = parts.next() {
        let TextPart::Literal(text) = part else {
            spellings
                .iter_mut()
                .for_each(|spelling| spelling.push(part.clone()));
            continue;
        };
        let more_follows = is_open || parts.peek().is_some();
        let pieces = at_flags(&text, more_follows);
        flags += pieces.len().saturating_sub(1);
        if FLAGS_MAX < flags {
            return Err(Unfit {
                detail: format!(
                    "more than {FLAGS_MAX} flags in one value have too many spellings for `windash`"
                ),
                mend: "look for each flag by itself: a list of them after `|windash|contains|all`",
            });
        }
        let variants = joined(&pieces);
        spellings = spellings
            .iter()
            .flat_map(|spelling: &Vec<TextPart>| {
                variants.iter().map(|variant| {
                    let mut longer = spelling.clone();
                    longer.push(TextPart::Literal(variant.clone()));
                    longer
                })
            })
            .collect();
    }
    Ok(spellings)
}

/// A text without the characters that begin flags, in pieces between them: one piece if there is no flag.
///
/// Such a character is `-` or `/` that follows no letter, digit or `_` and that one of these, or an unknown character, follows.
fn at_flags(text: &str, more_follows: bool) -> Vec<String> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut pieces = vec![String::new()];
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let begins_flag = matches!(character, '-' | '/')
            && !before.is_some_and(is_word)
            && characters.peek().map_or(more_follows, |next| is_word(*next));
        before = Some(character);
        match pieces.last_mut() {
            Some(piece) if !begins_flag => piece.push(character),
            Some(_) | None => pieces.push(String::new()),
        }
    }
    pieces
}

/// The pieces with each of the dashes in each of the gaps.
fn joined(pieces: &[String]) -> Vec<String> {
    let Some((first, others)) = pieces.split_first() else {
        return Vec::new();
    };
    others.iter().fold(vec![first.clone()], |variants, piece| {
        variants
            .iter()
            .flat_map(|variant| DASHES.map(|dash| format!("{variant}{dash}{piece}")))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// With `~` for each character that begins a flag.
    #[test]
    fn flags_are_found_where_they_begin() {
        for (text, more_follows, expected) in [
            ("", true, ""),
            ("word", true, "word"),
            ("-enc", false, "~enc"),
            ("/enc", false, "~enc"),
            (" /create ", true, " ~create "),
            ("'/format:'", false, "'~format:'"),
            ("-a /b", false, "~a ~b"),
            ("--user", false, "-~user"),
            ("-param-name", false, "~param-name"),
            ("start/min", false, "start/min"),
            ("a_-b", false, "a_-b"),
            ("http://x", false, "http:/~x"),
            ("-ä é/f", false, "~ä é/f"),
            ("- -", false, "- -"),
            ("run -", true, "run ~"),
            ("run -", false, "run -"),
            ("\u{2013}enc", false, "\u{2013}enc"),
        ] {
            assert_eq!(at_flags(text, more_follows).join("~"), expected, "{text}");
        }
    }

    #[test]
    fn each_flag_has_five_spellings() {
        let literal = |text: &str| TextPart::Literal(text.to_owned());
        for (op, parts, expected) in [
            (TextOp::Equals, vec![literal("none")], Some(1)),
            (TextOp::Equals, vec![], Some(1)),
            (TextOp::Equals, vec![literal("/a")], Some(5)),
            (TextOp::Equals, vec![literal("-a -b-c")], Some(25)),
            (
                TextOp::Equals,
                vec![literal("-"), TextPart::Any, literal("b")],
                Some(5),
            ),
            (
                TextOp::Equals,
                vec![literal("-a"), TextPart::One, literal("/b")],
                Some(25),
            ),
            (TextOp::EndsWith, vec![literal("x -")], Some(1)),
            (TextOp::Contains, vec![literal("x -")], Some(5)),
            (TextOp::Contains, vec![literal("-a -b -c -d")], Some(625)),
            (TextOp::Contains, vec![literal("-a -b -c -d -e")], None),
            (
                TextOp::Contains,
                vec![literal("-a -b -c"), TextPart::Any, literal("/d /e")],
                None,
            ),
            (TextOp::Equals, vec![literal("---------")], Some(1)),
        ] {
            let spellings = windash(op, parts.clone()).ok();
            assert_eq!(spellings.as_ref().map(Vec::len), expected, "{parts:?}");
            let spellings = spellings.unwrap_or_else(|| vec![parts.clone()]);
            assert!(spellings.contains(&parts), "{parts:?} as it is written");
            let each: BTreeSet<String> = spellings.iter().map(|spelling| format!("{spelling:?}")).collect();
            assert_eq!(each.len(), spellings.len(), "{parts:?}: each once");
        }
    }
}
