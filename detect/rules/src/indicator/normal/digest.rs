//! Hashes and fingerprints: hexadecimal digits, whose count says which they may be.

use detect_alert::IndicatorKind;

use super::{Reason, Refused, malformed, poison, short};

/// The digests of nothing at all: every empty file.
const EMPTY: [&str; 3] = [
    "d41d8cd98f00b204e9800998ecf8427e",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

/// What a bare fingerprint is, by its form. An MD5 and a JA3 look alike: it is taken for an MD5.
pub(super) fn recognise(bytes: &[u8]) -> Option<IndicatorKind> {
    let kind = match bytes.len() {
        32 => IndicatorKind::Md5,
        36 => return is_ja4(bytes).then_some(IndicatorKind::Ja4),
        40 => IndicatorKind::Sha1,
        64 => IndicatorKind::Sha256,
        _ => return None,
    };
    bytes.iter().all(u8::is_ascii_hexdigit).then_some(kind)
}

pub(super) fn hex(text: &str, length: usize, kind: IndicatorKind) -> Result<String, Refused> {
    let fits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !fits {
        let detail = format!("`{}` is no {kind}", short(text));
        return Err(malformed(
            &detail,
            &format!("a {kind} has {length} hexadecimal digits"),
        ));
    }
    let lower = text.to_ascii_lowercase();
    if EMPTY.contains(&lower.as_str()) {
        return Err(poison(Reason::EmptyFile, "it is the hash of an empty file"));
    }
    let mut digits = lower.bytes();
    let first = digits.next();
    if digits.all(|digit| Some(digit) == first) {
        let detail = format!("`{lower}` is the same digit all along, and stands for no hash");
        return Err(malformed(&detail, "remove it from the list"));
    }
    Ok(lower)
}

/// SHA-1 or SHA-256, with or without colons or blanks.
pub(super) fn certificate(text: &str) -> Result<String, Refused> {
    let bare: String = text
        .chars()
        .filter(|letter| !matches!(letter, ':' | ' '))
        .collect();
    let length = if bare.len() == 40 { 40 } else { 64 };
    hex(&bare, length, IndicatorKind::Certificate).map_err(|refused| match refused.reason {
        Reason::Malformed => malformed(
            &refused.detail,
            "write its SHA-1 or SHA-256 as 40 or 64 hexadecimal digits",
        ),
        _ => refused,
    })
}

/// <https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md>: ten characters, and twice twelve digits.
fn is_ja4(bytes: &[u8]) -> bool {
    let Some((head, rest)) = bytes.split_at_checked(10) else {
        return false;
    };
    let Some((ciphers, extensions)) = rest.split_at_checked(13) else {
        return false;
    };
    let digest = |part: &[u8]| {
        part.len() == 13 && part.starts_with(b"_") && part.iter().skip(1).all(u8::is_ascii_hexdigit)
    };
    head.iter().all(u8::is_ascii_alphanumeric) && digest(ciphers) && digest(extensions)
}

pub(super) fn ja4(text: &str) -> Result<String, Refused> {
    if is_ja4(text.as_bytes()) {
        Ok(text.to_ascii_lowercase())
    } else {
        let mend = "a JA4 looks like t13d1516h2_8daaf6152771_e5627efa2ab1";
        Err(malformed(&format!("`{}` is no JA4", short(text)), mend))
    }
}
