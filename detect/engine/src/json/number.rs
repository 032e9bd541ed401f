//! Numbers as JSON spells them.

/// What a number is, read the way `serde_json` reads it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    /// Fits 64 bits with a sign.
    Integer(i64),
    /// Fits 64 bits without.
    Unsigned(u64),
    /// Any other.
    Float(f64),
}

/// Where the number that begins at `start` ends; `None` if it is none, or too large for a float.
#[inline]
pub(crate) fn end(bytes: &[u8], start: usize) -> Option<usize> {
    let digits = |mut at: usize| {
        while let Some(b'0'..=b'9') = bytes.get(at) {
            at += 1;
        }
        at
    };
    let first = start + usize::from(bytes.get(start) == Some(&b'-'));
    let whole = digits(first);
    if whole == first || bytes.get(first) == Some(&b'0') && first + 1 < whole {
        return None;
    }
    let mut at = whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == at + 1 {
            return None;
        }
        at = fraction;
    }
    let has_exponent = matches!(bytes.get(at), Some(b'e' | b'E'));
    if has_exponent {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == at {
            return None;
        }
        at = exponent;
    }
    // Only these can be too large for a float.
    if has_exponent || 300 < whole - first {
        let spelled = std::str::from_utf8(bytes.get(start..at)?).ok()?;
        serde_json::from_str::<f64>(spelled).ok()?;
    }
    Some(at)
}

/// The number that `spelled` is; it passed [`end`].
pub(crate) fn number(spelled: &str) -> Number {
    let is_whole = !spelled.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) && spelled != "-0";
    if is_whole && let Ok(number) = spelled.parse() {
        return Number::Integer(number);
    }
    if is_whole && let Ok(number) = spelled.parse() {
        return Number::Unsigned(number);
    }
    Number::Float(serde_json::from_str(spelled).unwrap_or(f64::NAN))
}
