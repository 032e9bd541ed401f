//! One indicator: which kind it is, its normal form, and whether it is fit for use.
//!
//! Normal forms are those that `detect_alert::Indicator` promises. What would match harmless traffic is
//! refused with the reason.

use std::net::IpAddr;

use detect_alert::IndicatorKind;
use ipnet::IpNet;

use crate::Code;

/// Shorter IPv4 prefixes are more than any one operator has.
const PREFIX_V4_MIN: u8 = 8;

/// Shorter IPv6 prefixes are more than any one operator has: the largest allocations are /19.
const PREFIX_V6_MIN: u8 = 19;

/// RFC 1035, section 2.3.4.
const DOMAIN_BYTES_MAX: usize = 253;

/// Why something is no indicator.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) detail: String,
    pub(crate) mend: String,
}

/// Reads one indicator; without a kind, it is recognised.
pub(super) fn parse(text: &str, kind: Option<IndicatorKind>) -> Result<(IndicatorKind, String), Refused> {
    let text = refang(text.trim().trim_matches('"'));
    if text.is_empty() {
        return Err(none(
            "the value is empty",
            "remove the line, or write the indicator",
        ));
    }
    let kind = match kind {
        Some(kind) => kind,
        None => recognise(&text).ok_or_else(|| {
            none(
                &format!(
                    "`{}` is no address, domain, URL, hash, fingerprint or e-mail address",
                    short(&text)
                ),
                "correct it; in CSV, say what it is in the column `type`",
            )
        })?,
    };
    let value = match kind {
        IndicatorKind::Address => address(&text)?,
        IndicatorKind::Cidr => prefix(&text)?,
        IndicatorKind::Domain => domain(&text)?,
        IndicatorKind::Email => email(&text)?,
        IndicatorKind::Ja3 | IndicatorKind::Md5 => hex(&text, 32, kind)?,
        IndicatorKind::Ja4 => ja4(&text)?,
        IndicatorKind::Asn => {
            let digits = text.trim_start_matches(['A', 'S', 'a', 's']);
            let number: u32 = digits.parse().map_err(|_| {
                none(
                    &format!("`{}` is no autonomous system", short(&text)),
                    "write AS and its number",
                )
            })?;
            format!("AS{number}")
        }
        IndicatorKind::Certificate => {
            let bare = text.replace(':', "");
            hex(&bare, if bare.len() == 40 { 40 } else { 64 }, kind)?
        }
        IndicatorKind::FileName => text.to_lowercase(),
        IndicatorKind::Sha1 => hex(&text, 40, kind)?,
        IndicatorKind::Sha256 => hex(&text, 64, kind)?,
        IndicatorKind::Url => url(&text)?,
    };
    // A whole address written as a prefix is an address.
    let host = |value: &str| {
        let (address, length) = value.split_once('/')?;
        let full = if address.contains(':') { "128" } else { "32" };
        (length == full).then(|| address.to_owned())
    };
    match (kind, host(&value)) {
        (IndicatorKind::Cidr, Some(address)) => Ok((IndicatorKind::Address, address)),
        _ => Ok((kind, value)),
    }
}

/// Undoes the spellings that keep indicators from being clicked: `hxxp`, `[.]`, `(dot)`, `[at]`, `[:]`.
fn refang(text: &str) -> String {
    let mut text = text
        .replace("[.]", ".")
        .replace("(.)", ".")
        .replace("[dot]", ".")
        .replace("(dot)", ".")
        .replace("[:]", ":")
        .replace("[://]", "://")
        .replace("[@]", "@")
        .replace("[at]", "@");
    for (defanged, scheme) in [("hxxps", "https"), ("hxxp", "http"), ("fxp", "ftp")] {
        let is_defanged = text
            .get(..defanged.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(defanged))
            && text
                .get(defanged.len()..)
                .is_some_and(|rest| rest.starts_with("://"));
        if is_defanged {
            text.replace_range(..defanged.len(), scheme);
        }
    }
    text
}

fn recognise(text: &str) -> Option<IndicatorKind> {
    if text.contains("://") {
        return Some(IndicatorKind::Url);
    }
    if bare(text).parse::<IpAddr>().is_ok() {
        return Some(IndicatorKind::Address);
    }
    if let Some((address, length)) = text.split_once('/')
        && address.parse::<IpAddr>().is_ok()
        && length.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Some(IndicatorKind::Cidr);
    }
    if is_ja4(text) {
        return Some(IndicatorKind::Ja4);
    }
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        match text.len() {
            32 => return Some(IndicatorKind::Md5),
            40 => return Some(IndicatorKind::Sha1),
            64 => return Some(IndicatorKind::Sha256),
            _ => {}
        }
    }
    if text.contains('@') {
        return Some(IndicatorKind::Email);
    }
    if text.contains('/') {
        return Some(IndicatorKind::Url);
    }
    // An address with a slip, such as 300.1.2.3, is no domain.
    let last = text.trim_end_matches('.').rsplit('.').next()?;
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    (text.contains('.') && !is_number && !text.contains(char::is_whitespace)).then_some(IndicatorKind::Domain)
}

/// An address without the brackets of a URL.
fn bare(text: &str) -> &str {
    text.strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text)
}

fn address(text: &str) -> Result<String, Refused> {
    let address: IpAddr = bare(text).parse().map_err(|_| {
        none(
            &format!("`{}` is no IPv4 or IPv6 address", short(text)),
            "correct the address",
        )
    })?;
    let address = address.to_canonical();
    if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
        return Err(poison(&format!("{address} is on every machine or on none")));
    }
    if matches!(address, IpAddr::V4(v4) if v4.is_broadcast()) {
        return Err(poison(&format!("{address} is everyone's broadcast address")));
    }
    Ok(address.to_string())
}

fn prefix(text: &str) -> Result<String, Refused> {
    let net: IpNet = text
        .parse()
        .map_err(|_| none(&format!("`{}` is no prefix", short(text)), "write address/length"))?;
    let least = match net {
        IpNet::V4(_) => PREFIX_V4_MIN,
        IpNet::V6(_) => PREFIX_V6_MIN,
    };
    if net.prefix_len() < least {
        return Err(poison(&format!(
            "/{} is more than one operator has (at least /{least})",
            net.prefix_len()
        )));
    }
    if net.addr() != net.network() {
        let detail = format!("{net} has bits set after its length");
        return Err(none(
            &detail,
            &format!("write {}, or the address without a length", net.trunc()),
        ));
    }
    if net.addr().is_loopback() || net.addr().is_multicast() {
        return Err(poison(&format!("{net} is on every machine or on none")));
    }
    Ok(net.trunc().to_string())
}

fn domain(text: &str) -> Result<String, Refused> {
    let bad = |why: &str| {
        none(
            &format!("`{}` is no domain: {why}", short(text)),
            "correct the domain",
        )
    };
    let name = text
        .trim_start_matches("*.")
        .trim_start_matches('.')
        .trim_end_matches('.');
    let ascii = idna::domain_to_ascii(name).map_err(|_| bad("it has characters that no domain has"))?;
    if ascii.is_empty() || DOMAIN_BYTES_MAX < ascii.len() {
        return Err(bad("it is empty or too long"));
    }
    if ascii.parse::<IpAddr>().is_ok() {
        return Err(bad("it is an address"));
    }
    let fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if !ascii.split('.').all(fits) {
        return Err(bad(
            "a label is empty, too long, or has characters that no label has",
        ));
    }
    if !ascii.contains('.') {
        return Err(poison(&format!(
            "`{ascii}` is a whole top-level domain or a name without one"
        )));
    }
    if ascii.ends_with(".localhost") || ascii.ends_with(".in-addr.arpa") && ascii.matches('.').count() < 4 {
        return Err(poison(&format!("`{ascii}` is part of every network")));
    }
    Ok(ascii)
}

fn email(text: &str) -> Result<String, Refused> {
    let bad = || {
        none(
            &format!("`{}` is no e-mail address", short(text)),
            "write name@domain",
        )
    };
    let (name, host) = text.rsplit_once('@').ok_or_else(bad)?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(bad());
    }
    Ok(format!("{}@{}", name.to_lowercase(), domain(host)?))
}

fn hex(text: &str, length: usize, kind: IndicatorKind) -> Result<String, Refused> {
    let fits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !fits {
        let detail = format!("`{}` is no {kind}", short(text));
        return Err(none(
            &detail,
            &format!("a {kind} has {length} hexadecimal digits"),
        ));
    }
    // The digests of nothing at all: every empty file.
    let empty = [
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ];
    let lower = text.to_ascii_lowercase();
    if empty.contains(&lower.as_str()) {
        return Err(poison("it is the hash of an empty file"));
    }
    Ok(lower)
}

fn is_ja4(text: &str) -> bool {
    let parts: Vec<&str> = text.split('_').collect();
    let [head, ciphers, extensions] = parts.as_slice() else {
        return false;
    };
    let hex = |part: &str| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    head.len() == 10
        && head.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && hex(ciphers)
        && hex(extensions)
}

fn ja4(text: &str) -> Result<String, Refused> {
    if is_ja4(text) {
        Ok(text.to_ascii_lowercase())
    } else {
        let mend = "a JA4 looks like t13d1516h2_8daaf6152771_e5627efa2ab1";
        Err(none(&format!("`{}` is no JA4", short(text)), mend))
    }
}

/// The normal form of a URL: scheme and host lower case, host in ASCII, default port and fragment gone.
///
/// Also what the matcher brings an event's URL to, so that the two meet.
pub(crate) fn url(text: &str) -> Result<String, Refused> {
    let bad = |why: &str| {
        none(
            &format!("`{}` is no URL: {why}", short(text)),
            "write scheme://host/path",
        )
    };
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let scheme = scheme.to_ascii_lowercase();
    if scheme.is_empty()
        || !scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    {
        return Err(bad("its scheme has characters that no scheme has"));
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = split_port(authority);
    let host = match bare(host).parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => domain(host).map_err(|_| bad("its host is no address and no domain"))?,
    };
    let is_default = matches!(
        (scheme.as_str(), port),
        ("http", "80") | ("https", "443") | ("ftp", "21")
    );
    let port = if port.is_empty() || is_default {
        String::new()
    } else {
        format!(":{port}")
    };
    let slash = if tail.starts_with('/') { "" } else { "/" };
    Ok(format!("{scheme}://{host}{port}{slash}{tail}"))
}

fn split_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') => {
            let is_v6_without_brackets = host.contains(':') && !host.ends_with(']');
            if is_v6_without_brackets {
                (authority, "")
            } else {
                (host, port)
            }
        }
        _ => (authority, ""),
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

fn none(detail: &str, mend: &str) -> Refused {
    Refused {
        code: Code::BadIndicator,
        detail: detail.to_owned(),
        mend: mend.to_owned(),
    }
}

fn poison(detail: &str) -> Refused {
    Refused {
        code: Code::PoisonIndicator,
        detail: detail.to_owned(),
        mend: "remove it from the list".to_owned(),
    }
}
