//! Access logs of web servers: the Common and Combined Log Formats, with or without the name of the virtual host first.
//!
//! `[HOST[:PORT] ]CLIENT IDENT USER [TIME] "REQUEST" STATUS BYTES[ "REFERRER" "USER AGENT"[ …]]`, as Apache's
//! `mod_log_config`, nginx, Caddy, lighttpd and many products write it. Dataset `web.access`.

use std::net::IpAddr;

use ingest_event::{Fields, QuarantineReason, Timestamp, field};
use jiff::fmt::strtime;

use super::{Normalized, Reject};

/// A user's name may look like a time so often, and the line is still understood.
const BRACKETS_MAX: usize = 8;

/// The parts of a line.
struct Line<'t> {
    host: Option<&'t str>,
    client: &'t str,
    user: &'t str,
    time: &'t str,
    rest: &'t str,
}

/// Whether a line is of an access log.
pub(super) fn looks_like_access(line: &str) -> bool {
    parts(line).is_some_and(|line| when(line.time).is_some() && quoted(line.rest).is_some())
}

pub(super) fn normalize(text: &str) -> Result<Normalized, Reject> {
    let bad = |detail: &'static str| Reject::new(QuarantineReason::BadField, detail);
    let line = parts(text).ok_or_else(|| {
        bad("it is no line of an access log: `CLIENT - USER [TIME] \"REQUEST\" STATUS BYTES …`")
    })?;
    let timestamp =
        when(line.time).ok_or_else(|| bad("the time is not as in `[02/Mar/2026:09:15:00 +0100]`"))?;
    let mut fields = Fields::new();
    fields.set("event.module", "web");
    fields.set("network.protocol", "http");
    fields.set_some(
        field::URL_DOMAIN,
        line.host.map(|host| without_port(host).to_lowercase()),
    );
    match line.client.parse::<IpAddr>() {
        Ok(address) => fields.set(field::SOURCE_IP, address),
        Err(_) => fields.set("source.domain", line.client),
    }
    fields.set_some(field::USER_NAME, said(line.user));
    let (request, rest) = quoted(line.rest).ok_or_else(|| bad("the request is not in quotation marks"))?;
    set_request(&request, &mut fields);
    let mut words = rest.split_whitespace();
    let status: Option<u16> = words.next().and_then(|status| status.parse().ok());
    fields.set_some(field::HTTP_STATUS, status.map(i64::from));
    let bytes: Option<u64> = words.next().and_then(|bytes| bytes.parse().ok());
    fields.set_some("http.response.body.bytes", bytes);
    if let Some((referrer, rest)) = rest.find('"').and_then(|at| quoted(rest.get(at..)?)) {
        fields.set_some("http.request.referrer", said(&referrer));
        let agent = quoted(rest).map(|(agent, _)| agent);
        fields.set_some(field::USER_AGENT, agent.as_deref().and_then(said));
    }
    if let Some(status) = status {
        let outcome = if (400..600).contains(&status) {
            "failure"
        } else {
            "success"
        };
        fields.set(field::EVENT_OUTCOME, outcome);
    }
    Ok(Normalized {
        timestamp,
        dataset: "web.access".into(),
        fields,
    })
}

/// `None` for `-`, which says that there is none.
fn said(text: &str) -> Option<&str> {
    (!text.is_empty() && text != "-").then_some(text)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

/// A user's name may hold anything, so that the time is the bracket in front of the request that reads as one.
fn parts(text: &str) -> Option<Line<'_>> {
    let mut brackets = text.match_indices("] \"").take(BRACKETS_MAX);
    let (before, time, rest) = brackets.find_map(|(end, _)| {
        let (before, time) = text.get(..end)?.rsplit_once(" [")?;
        when(time)?;
        Some((before, time, text.get(end + 2..)?))
    })?;
    let (first, behind) = word(before)?;
    let (second, third) = word(behind)?;
    // With a virtual host in front the client, which is an address then, comes second.
    let (host, client, behind) = match first.parse::<IpAddr>().is_err() && second.parse::<IpAddr>().is_ok() {
        true => (Some(first), second, third),
        false => (None, first, behind),
    };
    // Identity is a word (RFC 1413), nearly always `-`; the rest is the user.
    let (_, user) = word(behind)?;
    Some(Line {
        host,
        client: client.trim_matches(['[', ']']),
        user: user.trim(),
        time,
        rest,
    })
}

/// The first word, and what follows it.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    (!text.is_empty()).then(|| text.split_once(' ').unwrap_or((text, "")))
}

fn when(time: &str) -> Option<Timestamp> {
    let parsed = strtime::parse("%d/%b/%Y:%H:%M:%S %z", time)
        .ok()?
        .to_timestamp()
        .ok()?;
    i64::try_from(parsed.as_nanosecond())
        .ok()
        .map(Timestamp::from_nanos)
}

/// A text in quotation marks at the start, and what follows. `\"` and `\\` are as they say; other escapes stay, so that
/// `\x16` of a client that spoke something else can be looked for.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.trim_start().strip_prefix('"')?;
    let (mut read, mut escaped) = (String::new(), false);
    for (at, letter) in inner.char_indices() {
        match (escaped, letter) {
            (false, '"') => return Some((read, inner.get(at + 1..).unwrap_or(""))),
            (false, '\\') => escaped = true,
            (true, '"' | '\\') => {
                read.push(letter);
                escaped = false;
            }
            (true, other) => {
                read.push('\\');
                read.push(other);
                escaped = false;
            }
            (false, other) => read.push(other),
        }
    }
    None
}

/// `GET /a?b=c HTTP/1.1`; anything else is kept as the target.
fn set_request(request: &str, fields: &mut Fields) {
    let mut words = request.split(' ');
    let method = words.next().filter(|method| {
        (1..=20).contains(&method.len())
            && method
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'-' || byte == b'_')
    });
    let Some((method, rest)) = method.and_then(|method| Some((method, request.get(method.len() + 1..)?)))
    else {
        fields.set_some(field::URL_ORIGINAL, said(request));
        return;
    };
    fields.set(field::HTTP_METHOD, method);
    let (target, version) = match rest.rsplit_once(" HTTP/") {
        Some((target, version)) => (target, Some(version)),
        None => (rest, None),
    };
    fields.set_some("http.version", version);
    fields.set(field::URL_ORIGINAL, target);
    let path = target
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)))
        .unwrap_or(target);
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    fields.set(field::URL_PATH, path);
    fields.set_some(field::URL_QUERY, query);
}
