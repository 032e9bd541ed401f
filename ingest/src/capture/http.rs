//! HTTP/1 heads: what was asked of whom, and the status that came back.
//!
//! RFC 9112. Bodies are skipped by their declared length, never kept. Where a length is not known, the next head is
//! looked for at the beginning of a segment.

use std::net::Ipv6Addr;

use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};
use ingest_event::{Fields, field};

pub(super) const DATASET: &str = "network.http";

/// Longest head; servers refuse longer ones.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most headers of one head; servers refuse more.
const HEADERS_MAX: usize = 128;
/// Longest line that says how long a chunk is, with its extensions.
const CHUNK_LINE_BYTES_MAX: usize = 256;

/// The methods of RFC 9110, PATCH, WebDAV's, and those that attackers try.
const METHODS: [&str; 22] = [
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
    "SUBSCRIBE",
    "NOTIFY",
    "M-SEARCH",
    "DEBUG",
];

/// What was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    target: String,
    host: Option<String>,
    user_agent: Option<String>,
    /// `0.9`, `1.0` or `1.1`.
    version: Option<&'static str>,
    pub(super) answer: Option<Answer>,
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The type of the body, in lower case and without its parameters (RFC 9110 section 8.3.1).
    mime_type: Option<String>,
    /// As of a request.
    version: Option<&'static str>,
}

/// A head that was read, and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head<T> {
    pub(super) said: T,
    pub(super) bytes: usize,
    pub(super) body: Body,
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes, maybe none.
    Length(u64),
    Chunked,
    /// No telling: until the connection closes, or another protocol.
    Unknown,
}

/// How far a head is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress<T> {
    Complete(T),
    Partial,
    /// Something else.
    Not,
}

/// Whether bytes begin with a request line, or may once more of it is there.
pub(super) fn is_request(bytes: &[u8]) -> bool {
    METHODS
        .iter()
        .any(|method| match bytes.strip_prefix(method.as_bytes()) {
            Some(rest) => rest.first().is_none_or(|byte| *byte == b' '),
            None => !bytes.is_empty() && method.as_bytes().starts_with(bytes),
        })
}

/// Whether bytes begin with a method and a blank.
pub(super) fn is_request_line(bytes: &[u8]) -> bool {
    METHODS.iter().any(|method| {
        bytes
            .strip_prefix(method.as_bytes())
            .is_some_and(|rest| rest.starts_with(b" "))
    })
}

/// Whether bytes begin with the line of a request, whatever its method.
pub(super) fn is_line_of_request(bytes: &[u8]) -> bool {
    if !bytes.first().is_some_and(u8::is_ascii_uppercase) {
        return false;
    }
    let end = bytes.iter().take(HEAD_BYTES_MAX).position(|byte| *byte == b'\n');
    let line = bytes.get(..end.unwrap_or_default()).unwrap_or_default();
    let mut words = line.trim_ascii_end().split(|byte| *byte == b' ');
    let is_token = |byte: &u8| byte.is_ascii_uppercase() || b"-_".contains(byte);
    words.next().is_some_and(|method| method.iter().all(is_token))
        && words.next().is_some_and(|target| !target.is_empty())
        && words
            .next()
            .is_some_and(|version| version.starts_with(b"HTTP/1."))
        && words.next().is_none()
}

/// Whether bytes begin with a status line, or may once more of it is there.
pub(super) fn is_response(bytes: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/1.";
    bytes.starts_with(START) || !bytes.is_empty() && START.starts_with(bytes)
}

/// Reads a request head.
pub(super) fn request(bytes: &[u8]) -> Progress<Head<Request>> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let mut config = ParserConfig::default();
    config
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .ignore_invalid_headers_in_requests(true);
    let length = match config.parse_request(&mut request, bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Progress::Partial,
        Err(_) => return sloppy_request(bytes),
    };
    let said = Request {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        host: header(request.headers, "host"),
        user_agent: header(request.headers, "user-agent"),
        version: request.version.map(minor_version),
        answer: None,
    };
    let body = match body(request.headers) {
        // A request without a length has no body (RFC 9112 section 6.3).
        Body::Unknown if said.method != "CONNECT" => Body::Length(0),
        Body::Unknown => Body::Unknown,
        known @ (Body::Length(_) | Body::Chunked) => known,
    };
    Progress::Complete(Head {
        said,
        bytes: length,
        body,
    })
}

const fn minor_version(minor: u8) -> &'static str {
    if minor == 0 { "1.0" } else { "1.1" }
}

/// Reads a request head that the library refuses, but that servers answer: without a version, or with bytes in
/// it that do not belong there. No header of it decides where the next head begins.
fn sloppy_request(bytes: &[u8]) -> Progress<Head<Request>> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default();
    let mut words = line.split_ascii_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Progress::Not;
    };
    let complete = text.len() != line.len();
    let version = words.last();
    let is_of_http = version.is_some_and(|version| version.starts_with("HTTP/"));
    if complete && version.is_some() && !is_of_http || !is_of_http && !METHODS.contains(&method) {
        return Progress::Not;
    }
    let end = |mark: &[u8]| {
        bytes
            .windows(mark.len())
            .position(|window| window == mark)
            .map(|at| at + mark.len())
    };
    let after_line = text.get(line.len()..).unwrap_or_default();
    if version.is_none() && ["\n", "\r\n"].contains(&after_line) {
        // A line is a whole request of HTTP/0.9 (RFC 1945 section 4.1).
        return Progress::Complete(Head {
            said: Request {
                method: method.to_owned(),
                target: target.to_owned(),
                version: Some("0.9"),
                ..Request::default()
            },
            bytes: bytes.len(),
            body: Body::Unknown,
        });
    }
    let Some(length) = end(b"\n\r\n").or_else(|| end(b"\n\n")) else {
        return Progress::Partial;
    };
    let mut said = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        ..Request::default()
    };
    for (name, value) in lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
    {
        match name.to_ascii_lowercase().as_str() {
            "host" => said.host = Some(value.trim().to_owned()),
            "user-agent" => said.user_agent = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Progress::Complete(Head {
        said,
        bytes: length,
        body: Body::Unknown,
    })
}

/// Reads a response head.
pub(super) fn response(bytes: &[u8]) -> Progress<Head<Answer>> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let mut config = ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .ignore_invalid_headers_in_responses(true);
    let length = match config.parse_response(&mut response, bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Progress::Partial,
        Err(_) => return Progress::Not,
    };
    let status = response.code.unwrap_or_default();
    let body = match status {
        101 => Body::Unknown,
        100..200 | 204 | 304 => Body::Length(0),
        _ => body(response.headers),
    };
    let mime_type = header(response.headers, "content-type").and_then(|written| {
        let kind = written
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        (!kind.is_empty()).then_some(kind)
    });
    Progress::Complete(Head {
        said: Answer {
            status,
            mime_type,
            version: response.version.map(minor_version),
        },
        bytes: length,
        body,
    })
}

/// Reads the line before a chunk: bytes of the line, and of the chunk.
pub(super) fn chunk(bytes: &[u8]) -> Progress<(usize, u64)> {
    match httparse::parse_chunk_size(bytes) {
        Ok(Status::Complete(read)) => Progress::Complete(read),
        Ok(Status::Partial) if bytes.len() < CHUNK_LINE_BYTES_MAX => Progress::Partial,
        Ok(Status::Partial) | Err(_) => Progress::Not,
    }
}

impl Answer {
    /// Whether another comes after it: continue and early hints.
    pub(super) const fn is_interim(&self) -> bool {
        matches!(self.status, 100 | 102 | 103)
    }
}

impl Request {
    /// One that was not seen, or that is none, but was answered.
    pub(super) fn unseen(answer: Answer) -> Self {
        Self {
            version: answer.version,
            answer: Some(answer),
            ..Self::default()
        }
    }

    /// Adds the request to the fields of the flow.
    pub(super) fn write(self, fields: &mut Fields) {
        fields.set(field::NETWORK_PROTOCOL, "http");
        fields.set_some("http.version", self.version);
        if let Some(answer) = self.answer {
            fields.set(field::HTTP_STATUS, answer.status);
            fields.set_some("http.response.mime_type", answer.mime_type);
        }
        fields.set_some(field::USER_AGENT, self.user_agent);
        if self.method.is_empty() {
            return;
        }
        let target = Target::read(&self.method, &self.target);
        // The target's own authority goes before the Host header (RFC 9112 section 3.2.2).
        let authority = target.authority.or(self.host.as_deref());
        fields.set_some(field::URL_DOMAIN, authority.and_then(domain));
        fields.set_some(field::URL_PATH, target.path);
        fields.set_some(field::URL_QUERY, target.query);
        let original = match (target.authority, self.host.as_deref()) {
            (None, Some(host)) if self.target.starts_with('/') => format!("http://{host}{}", self.target),
            _ => self.target.clone(),
        };
        fields.set(field::URL_ORIGINAL, original);
        fields.set(field::HTTP_METHOD, self.method);
    }
}

/// The parts of a request target (RFC 9112 section 3.2).
struct Target<'a> {
    authority: Option<&'a str>,
    path: Option<&'a str>,
    query: Option<&'a str>,
}

impl<'a> Target<'a> {
    fn read(method: &str, target: &'a str) -> Self {
        // Without a host there, it is a path, as those have it who try what a server makes of it.
        if method == "CONNECT" && !target.starts_with('/') {
            return Self {
                authority: Some(target),
                path: None,
                query: None,
            };
        }
        let (authority, rest) = match target.split_once("://") {
            Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, rest) = rest.split_at(end);
                (Some(authority), rest)
            }
            Some(_) | None => (None, target),
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        Self {
            authority,
            path: Some(path).filter(|path| !path.is_empty()),
            query,
        }
    }
}

/// The host of an authority: no user, no port, no final dot, lower case; an IPv6 address without its brackets.
fn domain(authority: &str) -> Option<String> {
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
        .trim();
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None if host.parse::<Ipv6Addr>().is_ok() => host,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.');
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

/// The first header of a name; bytes that are no UTF-8 are replaced.
fn header(headers: &[Header<'_>], name: &str) -> Option<String> {
    let found = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))?;
    Some(String::from_utf8_lossy(found.value).trim().to_owned())
}

fn body(headers: &[Header<'_>]) -> Body {
    if header(headers, "transfer-encoding")
        .is_some_and(|coding| coding.to_ascii_lowercase().ends_with("chunked"))
    {
        return Body::Chunked;
    }
    header(headers, "content-length")
        .and_then(|length| length.parse().ok())
        .map_or(Body::Unknown, Body::Length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expected: &[(&str, Option<&str>)]) {
        let Progress::Complete(head) = request(head.as_bytes()) else {
            panic!("{head}")
        };
        let mut fields = Fields::new();
        head.said.write(&mut fields);
        for (name, text) in expected {
            assert_eq!(fields.text(name), *text, "{name} of {fields:#?}");
        }
    }

    #[test]
    fn the_target_is_taken_apart_in_all_its_forms() {
        check(
            "GET /a/b?c=d HTTP/1.1\r\nHost: Example.ORG:8080\r\nUser-Agent: x y\r\n\r\n",
            &[
                ("url.domain", Some("example.org")),
                ("url.path", Some("/a/b")),
                ("url.query", Some("c=d")),
                ("url.original", Some("http://Example.ORG:8080/a/b?c=d")),
                ("user_agent.original", Some("x y")),
                ("http.request.method", Some("GET")),
            ],
        );
        check(
            "GET http://192.0.2.1/x HTTP/1.1\r\nHost: other\r\n\r\n",
            &[
                ("url.domain", Some("192.0.2.1")),
                ("url.path", Some("/x")),
                ("url.query", None),
            ],
        );
        check(
            "GET http://[2001:db8::1]:80/x HTTP/1.1\r\nHost: other\r\n\r\n",
            &[("url.domain", Some("2001:db8::1")), ("url.path", Some("/x"))],
        );
        check(
            "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n",
            &[("url.domain", Some("2001:db8::1"))],
        );
        check(
            "CONNECT example.org:443 HTTP/1.1\r\n\r\n",
            &[
                ("url.domain", Some("example.org")),
                ("url.path", None),
                ("url.original", Some("example.org:443")),
            ],
        );
        check(
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            &[("url.path", Some("*")), ("url.domain", Some("a"))],
        );
    }

    #[test]
    fn a_request_that_breaks_the_rules_is_still_read() {
        check(
            "GET /x\r\nFake\r\nHost: a\r\nUser-Agent: b\r\n\r\n",
            &[
                ("url.domain", Some("a")),
                ("url.path", Some("/x")),
                ("user_agent.original", Some("b")),
            ],
        );
        check("GET /x\u{1}y HTTP/9.9\r\n\r\n", &[("url.path", Some("/x\u{1}y"))]);
        assert_eq!(request(b"OPTIONS sip:x SIP/2.0\r\n\r\n"), Progress::Not);
        assert_eq!(request(b"GET /x\r\nFake\r\n"), Progress::Partial);
    }

    #[test]
    fn what_follows_a_head_is_known_from_it() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", Body::Length(7)),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                Body::Chunked,
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", Body::Unknown),
            (
                "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
                Body::Length(0),
            ),
        ] {
            let Progress::Complete(read) = response(head.as_bytes()) else {
                panic!("{head}")
            };
            assert_eq!(read.body, expected, "{head}");
        }
    }
}
