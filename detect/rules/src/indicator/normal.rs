//! One indicator: which kind it is, its normal form, and whether it is fit for use.
//!
//! Normal forms are those that `detect_alert::Indicator` promises. What would match harmless traffic is
//! refused with the reason. Ten million lines go through here: text that is in normal form already costs one
//! allocation, its own.

mod address;
mod digest;
mod domain;
mod name;
mod url;

use std::borrow::Cow;

use detect_alert::IndicatorKind;
use ipnet::IpNet;

use super::report::Reason;

pub(crate) use url::normal as url;

/// What else is refused than what always is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// Whether addresses inside networks count as poison: RFC 1918, RFC 4193, carriers' (RFC 6598).
    pub private: bool,
    /// Whether addresses for documents count as poison: RFC 5737, RFC 3849, RFC 9637. Labs use them.
    pub documentation: bool,
    /// The organisations' own domains, in ASCII and lower case; what is below or above them is refused too.
    pub own_domains: Vec<String>,
    /// The organisations' own networks; what overlaps them is refused.
    pub own_networks: Vec<IpNet>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            private: true,
            documentation: false,
            own_domains: Vec::new(),
            own_networks: Vec::new(),
        }
    }
}

/// Why something is no indicator.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
    pub(crate) mend: String,
}

/// One indicator in normal form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Normal {
    pub(crate) kind: IndicatorKind,
    pub(crate) value: String,
    /// What should be known of it, at most one of each.
    pub(crate) notes: Notes,
}

/// What was done to a value on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    pub(crate) is_defanged: bool,
    pub(crate) has_port: bool,
    pub(crate) is_unlisted: bool,
}

/// Longer than any value: a URL in the wild has 2,048 bytes, rarely 8,192.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// Reads one indicator; without a kind, it is recognised.
pub(crate) fn parse(text: &str, kind: Option<IndicatorKind>, refusals: &Refusals) -> Result<Normal, Refused> {
    let text = text.trim();
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    if text.is_empty() {
        return Err(refused(
            Reason::Empty,
            "the value is empty",
            "remove the line, or write the indicator",
        ));
    }
    if VALUE_BYTES_MAX < text.len() {
        let detail = format!("it has {} bytes, more than {VALUE_BYTES_MAX}", text.len());
        return Err(refused(Reason::TooLong, &detail, "remove it"));
    }
    let mut notes = Notes::default();
    let text = match refang(text) {
        Some(plain) => {
            notes.is_defanged = true;
            Cow::Owned(plain)
        }
        None => Cow::Borrowed(text),
    };
    let kind = match kind {
        Some(kind) => kind,
        None => recognise(&text).ok_or_else(|| {
            refused(
                Reason::Unrecognised,
                &format!(
                    "`{}` is no address, domain, URL, hash, fingerprint or e-mail address",
                    short(&text)
                ),
                "correct it; in CSV, say what it is in the column `type`",
            )
        })?,
    };
    let (kind, value) = match kind {
        IndicatorKind::Address => (kind, address::address(&text, refusals, &mut notes)?),
        // A whole address written as a prefix is an address.
        IndicatorKind::Cidr => address::prefix(&text, refusals)?,
        IndicatorKind::Domain => (kind, domain::indicator(&text, refusals, &mut notes)?),
        IndicatorKind::Url => (kind, url::indicator(&text, refusals)?),
        IndicatorKind::Email => (kind, name::email(&text)?),
        IndicatorKind::Asn => (kind, name::autonomous_system(&text, refusals)?),
        IndicatorKind::FileName => (kind, name::file(&text)?),
        IndicatorKind::Ja4 => (kind, digest::ja4(&text)?),
        IndicatorKind::Certificate => (kind, digest::certificate(&text)?),
        IndicatorKind::Ja3 | IndicatorKind::Md5 => (kind, digest::hex(&text, 32, kind)?),
        IndicatorKind::Sha1 => (kind, digest::hex(&text, 40, kind)?),
        IndicatorKind::Sha256 => (kind, digest::hex(&text, 64, kind)?),
    };
    Ok(Normal { kind, value, notes })
}

/// A name as own domains are compared; none if it is no domain.
pub(super) fn own_domain(text: &str) -> Option<String> {
    domain::normal(text).ok()
}

/// Spellings that keep indicators from being clicked, and what they stand for.
const DEFANGED: [(&str, &str); 12] = [
    ("[.]", "."),
    ("(.)", "."),
    ("{.}", "."),
    ("\\.", "."),
    ("[dot]", "."),
    ("(dot)", "."),
    ("[://]", "://"),
    ("[:]", ":"),
    ("[/]", "/"),
    ("[@]", "@"),
    ("[at]", "@"),
    ("(at)", "@"),
];

/// Schemes that no one follows, and what they stand for.
const DEFANGED_SCHEMES: [(&str, &str); 4] = [
    ("hxxps://", "https://"),
    ("hxxp://", "http://"),
    ("fxps://", "ftps://"),
    ("fxp://", "ftp://"),
];

/// Undoes the spellings above; none if there are none.
fn refang(text: &str) -> Option<String> {
    let begins = |text: &str, start: &str| {
        text.get(..start.len())
            .is_some_and(|own| own.eq_ignore_ascii_case(start))
    };
    let has_brackets = memchr::memchr3(b'[', b'(', b'\\', text.as_bytes()).is_some()
        || memchr::memchr(b'{', text.as_bytes()).is_some();
    let is_scheme = matches!(text.as_bytes().first(), Some(b'h' | b'H' | b'f' | b'F'));
    if !has_brackets && !is_scheme {
        return None;
    }
    let mut plain = Cow::Borrowed(text);
    if has_brackets {
        for (defanged, meant) in DEFANGED {
            if plain.contains(defanged) {
                plain = Cow::Owned(plain.replace(defanged, meant));
            }
        }
    }
    for (defanged, meant) in DEFANGED_SCHEMES {
        if begins(&plain, defanged) {
            let rest = plain.get(defanged.len()..).unwrap_or_default();
            plain = Cow::Owned(format!("{meant}{rest}"));
        }
    }
    match plain {
        Cow::Owned(plain) => Some(plain),
        Cow::Borrowed(_) => None,
    }
}

fn recognise(text: &str) -> Option<IndicatorKind> {
    let bytes = text.as_bytes();
    // By length first: hashes are the most frequent, and the cheapest to tell.
    if let Some(kind) = digest::recognise(bytes) {
        return Some(kind);
    }
    let has = |wanted: u8| memchr::memchr(wanted, bytes).is_some();
    if has(b':') && text.contains("://") {
        return Some(IndicatorKind::Url);
    }
    if has(b'/') {
        let is_prefix = text.split_once('/').is_some_and(|(address, length)| {
            address::read(address).is_some() && length.bytes().all(|byte| byte.is_ascii_digit())
        });
        return Some(if is_prefix {
            IndicatorKind::Cidr
        } else {
            IndicatorKind::Url
        });
    }
    if address::read_with_port(text).is_some() {
        return Some(IndicatorKind::Address);
    }
    if has(b'@') {
        return Some(IndicatorKind::Email);
    }
    if name::is_autonomous_system(text) {
        return Some(IndicatorKind::Asn);
    }
    // An address with a slip, such as 300.1.2.3, is no domain.
    let last = text.trim_end_matches('.').rsplit('.').next()?;
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    (has(b'.') && !is_number && !text.contains(char::is_whitespace)).then_some(IndicatorKind::Domain)
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

pub(crate) fn refused(reason: Reason, detail: &str, mend: &str) -> Refused {
    Refused {
        reason,
        detail: detail.to_owned(),
        mend: mend.to_owned(),
    }
}

fn malformed(detail: &str, mend: &str) -> Refused {
    refused(Reason::Malformed, detail, mend)
}

fn poison(reason: Reason, detail: &str) -> Refused {
    refused(reason, detail, "remove it from the list")
}

#[cfg(test)]
mod tests;
