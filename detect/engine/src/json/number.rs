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
    let digits = |at: usize| digits_end(bytes, at);
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

/// Where the digits that begin at `at` end. Eight bytes at once: how long a number is can't be foretold.
#[inline]
fn digits_end(bytes: &[u8], mut at: usize) -> usize {
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const DIGITS: u64 = 0x3030_3030_3030_3030;
    const SIXES: u64 = 0x0606_0606_0606_0606;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let eight = u64::from_le_bytes(*eight);
        // A digit has a three in its upper half, also when six is added. A carry goes up, past what is no digit.
        let others = (eight & HIGH ^ DIGITS) | (eight.wrapping_add(SIXES) & HIGH ^ DIGITS);
        if others != 0 {
            return at + others.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_end_where_a_loop_finds_their_end() {
        for length in 0..20 {
            for after in 0..=255_u8 {
                let mut bytes: Vec<u8> = (0..length).map(|at| b'0' + at % 10).collect();
                bytes.extend([after, b'7', 0xff, b'1', b'2', b'3', b'4', b'5', b'6']);
                let expected = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
                assert_eq!(digits_end(&bytes, 0), expected, "{bytes:?}");
                bytes.truncate(usize::from(length) + 1);
                let expected = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
                assert_eq!(digits_end(&bytes, 0), expected, "{bytes:?}");
            }
        }
    }
}
