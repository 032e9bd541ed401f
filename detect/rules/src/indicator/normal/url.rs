//! URLs: scheme and host lower case, host in ASCII, default port, user and fragment gone, and the path's spellings
//! of one thing brought to one (RFC 3986, section 6.2.2).

use super::{Reason, Refusals, Refused, address, domain, malformed, refused, short};

/// The normal form of a URL.
///
/// Also what the matcher brings an event's URL to, so that the two meet.
pub(crate) fn normal(text: &str) -> Result<String, Refused> {
    Ok(parts(text)?.written())
}

/// The normal form of a URL whose host may be in an indicator. A suffix may: the path says which customer is meant.
pub(super) fn indicator(text: &str, refusals: &Refusals) -> Result<String, Refused> {
    if text.starts_with(['/', '?']) {
        return Err(refused(
            Reason::UrlPart,
            "it is a path without a host",
            "write a Sigma rule for the path",
        ));
    }
    let parts = parts(text)?;
    match parts.address {
        Some(address) => address::fit_for_use(address, address, refusals)?,
        None => domain::fit_for_use(&parts.host, refusals)?,
    }
    Ok(parts.written())
}

struct Parts<'a> {
    scheme: String,
    host: String,
    address: Option<std::net::IpAddr>,
    port: &'a str,
    tail: &'a str,
}

fn parts(text: &str) -> Result<Parts<'_>, Refused> {
    let bad = |why: &str| {
        let detail = format!("`{}` is no URL: {why}", short(text));
        malformed(&detail, "write scheme://host/path")
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
    // What is left without its fragment may end in a blank again.
    let rest = rest.split('#').next().unwrap_or_default().trim_end();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = split_port(authority);
    let address = address::read(host).map(|address| address.to_canonical());
    let host = match address {
        Some(std::net::IpAddr::V6(v6)) => format!("[{v6}]"),
        Some(std::net::IpAddr::V4(v4)) => v4.to_string(),
        None => domain::normal(host).map_err(|_| bad("its host is no address and no domain"))?,
    };
    let is_default = matches!(
        (scheme.as_str(), port),
        ("http", "80") | ("https", "443") | ("ftp", "21")
    );
    Ok(Parts {
        scheme,
        host,
        address,
        port: if is_default { "" } else { port },
        tail,
    })
}

impl Parts<'_> {
    fn written(&self) -> String {
        let extra = "://:/".len();
        let length = self.scheme.len() + self.host.len() + self.port.len() + self.tail.len() + extra;
        let mut url = String::with_capacity(length);
        url.push_str(&self.scheme);
        url.push_str("://");
        url.push_str(&self.host);
        if !self.port.is_empty() {
            url.push(':');
            url.push_str(self.port);
        }
        if !self.tail.starts_with('/') {
            url.push('/');
        }
        push_tail(&mut url, self.tail);
        url
    }
}

/// Path and query: escapes that stand for unreserved characters are written plainly, the others in capitals.
fn push_tail(url: &mut String, tail: &str) {
    let mut rest = tail;
    while let Some(at) = memchr::memchr(b'%', rest.as_bytes()) {
        let (before, escape) = rest.split_at(at);
        url.push_str(before);
        let digits = escape
            .get(1..3)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let is_escape = escape
            .as_bytes()
            .get(1..3)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        match digits {
            Some(byte) if is_escape => {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    url.push(char::from(byte));
                } else {
                    url.push_str(&escape.get(..3).unwrap_or_default().to_ascii_uppercase());
                }
                rest = escape.get(3..).unwrap_or_default();
            }
            _ => {
                url.push('%');
                rest = escape.get(1..).unwrap_or_default();
            }
        }
    }
    url.push_str(rest);
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
