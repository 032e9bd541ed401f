//! Domains: lower case and in ASCII, and none under which half the Internet is.

use super::{Notes, Reason, Refusals, Refused, address, malformed, poison, short};

/// RFC 1035, section 2.3.4.
const DOMAIN_BYTES_MAX: usize = 253;

/// RFC 1035, section 2.3.4.
const LABEL_BYTES_MAX: usize = 63;

/// Top-level domains that are set apart (RFC 6761, RFC 7686, RFC 2606) and so are in no list of suffixes.
const SET_APART: [&str; 5] = ["alt", "example", "invalid", "onion", "test"];

/// Top-level domains of names that mean something else in each network (RFC 6761, RFC 6762, ICANN's `internal`).
const LOCAL: [&str; 4] = ["internal", "local", "localdomain", "localhost"];

/// Names of the resolvers in `special.tsv`, sorted; what is below them is theirs too.
const RESOLVERS: [&str; 11] = [
    "adguard-dns.com",
    "cloudflare-dns.com",
    "dns.adguard.com",
    "dns.alidns.com",
    "dns.google",
    "dns.mullvad.net",
    "dns.quad9.net",
    "joindns4.eu",
    "one.one.one.one",
    "opendns.com",
    "root-servers.net",
];

/// The normal form of a name that has at least one dot; else what is wrong with it.
pub(super) fn normal(text: &str) -> Result<String, Refused> {
    let bad = |why: &str| {
        let detail = format!("`{}` is no domain: {why}", short(text));
        malformed(&detail, "correct the domain")
    };
    let name = text
        .trim_start_matches("*.")
        .trim_start_matches('.')
        .trim_end_matches('.');
    let ascii = if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(name).map_err(|_| bad("it has characters that no domain has"))?
    };
    if ascii.is_empty() || DOMAIN_BYTES_MAX < ascii.len() {
        return Err(bad("it is empty or too long"));
    }
    let (mut label, mut dots) = (0, 0);
    for byte in ascii.bytes() {
        match byte {
            b'.' if 0 < label => (label, dots) = (0, dots + 1),
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' if label < LABEL_BYTES_MAX => label += 1,
            _ => {
                return Err(bad(
                    "a label is empty, too long, or has characters that no label has",
                ));
            }
        }
    }
    if address::read(&ascii).is_some() {
        return Err(bad("it is an address"));
    }
    if last_label(&ascii).bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad("its last label is a number"));
    }
    if dots == 0 {
        let reason = if LOCAL.contains(&ascii.as_str()) {
            Reason::LocalName
        } else {
            Reason::PublicSuffix
        };
        let detail = format!("`{ascii}` is a whole top-level domain or a name without one");
        return Err(poison(reason, &detail));
    }
    Ok(ascii)
}

/// The normal form of a name that may be an indicator.
pub(super) fn indicator(text: &str, refusals: &Refusals, notes: &mut Notes) -> Result<String, Refused> {
    let (host, has_port) = without_port(text);
    notes.has_port = has_port;
    let name = normal(host)?;
    fit_for_use(&name, refusals)?;
    match psl::suffix(name.as_bytes()) {
        Some(suffix)
            if suffix.is_known()
                && suffix.as_bytes().len() == name.len()
                && !is_of_one(&name, suffix.typ()) =>
        {
            let is_registry = suffix.typ() != Some(psl::Type::Private);
            let (reason, whose) = if is_registry {
                (Reason::PublicSuffix, "a registry gives out")
            } else {
                (Reason::SharedSuffix, "a provider gives its customers")
            };
            let detail = format!("`{name}` is a suffix under which {whose} names (public suffix list)");
            return Err(poison(reason, &detail));
        }
        Some(suffix) if suffix.is_known() => {}
        _ => notes.is_unlisted = !SET_APART.contains(&last_label(&name)),
    }
    Ok(name)
}

/// What registries call their second levels, sorted, where the list has only a wildcard for all of them (`*.mm`).
const SECOND_LEVELS: [&str; 16] = [
    "ac", "biz", "co", "com", "edu", "go", "gob", "gov", "info", "mil", "name", "ne", "net", "or", "org",
    "web",
];

/// Whether a suffix is one only by a wildcard of the list, and so may be a single machine or owner:
/// `ec2-192-0-2-1.compute-1.amazonaws.com`, `bad.mm`; but not `com.mm`.
fn is_of_one(name: &str, kind: Option<psl::Type>) -> bool {
    let Some((label, parent)) = name.split_once('.') else {
        return false;
    };
    // A label that no rule of the list names is a suffix by a wildcard only.
    let other = format!("no-rule-names-this.{parent}");
    let is_wildcard =
        psl::suffix(other.as_bytes()).is_some_and(|suffix| suffix.as_bytes().len() == other.len());
    let is_level = kind != Some(psl::Type::Private) && SECOND_LEVELS.binary_search(&label).is_ok();
    is_wildcard && !is_level
}

/// Refuses names that are everyone's or the organisations' own; also the host of a URL.
pub(super) fn fit_for_use(name: &str, refusals: &Refusals) -> Result<(), Refused> {
    let top = last_label(name);
    if LOCAL.contains(&top)
        || name == "home.arpa"
        || name.ends_with(".home.arpa")
        || top == "arpa" && name.bytes().filter(|byte| *byte == b'.').count() < 4
    {
        let detail = format!("`{name}` is part of every network");
        return Err(poison(Reason::LocalName, &detail));
    }
    if let Some(resolver) = RESOLVERS.iter().find(|resolver| is_below(name, resolver)) {
        let detail = format!("`{name}` is {resolver}, a public resolver");
        return Err(poison(Reason::PublicResolver, &detail));
    }
    let own = refusals
        .own_domains
        .iter()
        .find(|own| is_below(name, own) || is_below(own, name));
    if let Some(own) = own {
        let detail = format!("it holds or is in {own}, one of the organisations' own domains");
        return Err(poison(Reason::OwnNetwork, &detail));
    }
    Ok(())
}

/// Whether a name is `top` or below it.
fn is_below(name: &str, top: &str) -> bool {
    name.strip_suffix(top)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn last_label(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

/// `bad.example:8080`, and MISP's `bad.example|8080`.
fn without_port(text: &str) -> (&str, bool) {
    match text.rsplit_once([':', '|']) {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, true),
        _ => (text, false),
    }
}
