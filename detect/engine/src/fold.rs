//! Text without regard to case.
//!
//! Each character by its simple lower-case mapping (Unicode, section 5.18), and the three lower-case letters
//! that have two forms (final sigma, long s, micro sign) in one. One character stays one character, so what is
//! part of a text is part of it when both are folded.

/// The folded text.
#[must_use]
pub(crate) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold_into(text, &mut out);
    out
}

/// Appends the folded text.
pub(crate) fn fold_into(text: &str, out: &mut String) {
    if text.is_ascii() {
        let start = out.len();
        out.push_str(text);
        if let Some(added) = out.get_mut(start..) {
            added.make_ascii_lowercase();
        }
        return;
    }
    out.extend(text.chars().map(fold_char));
}

/// The folded character.
pub(crate) fn fold_char(character: char) -> char {
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
}
