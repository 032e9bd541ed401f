//! CEF and LEEF: what firewalls, mail filters and other security products write, mostly inside syslog.
//!
//! `CEF:0|Vendor|Product|Version|Event class|Name|Severity|key=value …` (ArcSight Common Event Format, revision 25) and
//! `LEEF:1.0|…|Event id|key=value⇥…`, `LEEF:2.0|…|Event id|delimiter|key=value…` (IBM QRadar LEEF, version 2). Datasets
//! `cef.log` and `leef.log`. What no column names is kept under `cef.extensions.` and `leef.attributes.`.

use ingest_event::{Fields, Timestamp, Value, field};

use super::columns::{Columns, Read, convert};
use super::time;

/// Extensions of CEF.
pub(super) const CEF: Columns = Columns::declared(&[
    ("src", field::SOURCE_IP, Read::Address),
    ("c6a2", field::SOURCE_IP, Read::Address),
    ("spt", field::SOURCE_PORT, Read::Port),
    ("shost", "source.domain", Read::Name),
    ("smac", "source.mac", Read::Plain),
    ("in", field::SOURCE_BYTES, Read::Count),
    ("suser", field::USER_NAME, Read::Plain),
    ("duser", "user.target.name", Read::Plain),
    ("dst", field::DESTINATION_IP, Read::Address),
    ("c6a3", field::DESTINATION_IP, Read::Address),
    ("dpt", field::DESTINATION_PORT, Read::Port),
    ("dhost", "destination.domain", Read::Name),
    ("dmac", "destination.mac", Read::Plain),
    ("out", field::DESTINATION_BYTES, Read::Count),
    ("sourceTranslatedAddress", field::SOURCE_NAT_IP, Read::Address),
    ("sourceTranslatedPort", field::SOURCE_NAT_PORT, Read::Port),
    (
        "destinationTranslatedAddress",
        field::DESTINATION_NAT_IP,
        Read::Address,
    ),
    (
        "destinationTranslatedPort",
        field::DESTINATION_NAT_PORT,
        Read::Port,
    ),
    ("proto", field::NETWORK_TRANSPORT, Read::Lower),
    ("app", field::NETWORK_PROTOCOL, Read::Lower),
    ("act", field::EVENT_ACTION, Read::Plain),
    ("outcome", field::EVENT_OUTCOME, Read::Lower),
    ("request", field::URL_ORIGINAL, Read::Plain),
    ("requestMethod", field::HTTP_METHOD, Read::Plain),
    ("requestClientApplication", field::USER_AGENT, Read::Plain),
    ("fname", "file.name", Read::Plain),
    ("filePath", "file.path", Read::Plain),
    ("fileHash", "file.hash.sha256", Read::Lower),
    ("dvchost", "observer.hostname", Read::Plain),
    ("msg", field::MESSAGE, Read::Plain),
]);

/// Attributes of LEEF.
pub(super) const LEEF: Columns = Columns::declared(&[
    ("src", field::SOURCE_IP, Read::Address),
    ("srcPort", field::SOURCE_PORT, Read::Port),
    ("srcMAC", "source.mac", Read::Plain),
    ("srcBytes", field::SOURCE_BYTES, Read::Count),
    ("srcPackets", field::SOURCE_PACKETS, Read::Count),
    ("srcPostNAT", field::SOURCE_NAT_IP, Read::Address),
    ("srcPostNATPort", field::SOURCE_NAT_PORT, Read::Port),
    ("dst", field::DESTINATION_IP, Read::Address),
    ("dstPort", field::DESTINATION_PORT, Read::Port),
    ("dstMAC", "destination.mac", Read::Plain),
    ("dstBytes", field::DESTINATION_BYTES, Read::Count),
    ("dstPackets", field::DESTINATION_PACKETS, Read::Count),
    ("dstPostNAT", field::DESTINATION_NAT_IP, Read::Address),
    ("dstPostNATPort", field::DESTINATION_NAT_PORT, Read::Port),
    ("proto", field::NETWORK_TRANSPORT, Read::Lower),
    ("usrName", field::USER_NAME, Read::Plain),
    ("identHostName", field::HOST_NAME, Read::Plain),
    ("url", field::URL_ORIGINAL, Read::Plain),
    ("policy", "rule.name", Read::Plain),
]);

/// The parts before the extensions of CEF, and before the attributes of LEEF.
pub(super) const HEADER: [&str; 6] = [
    "observer.vendor",
    "observer.product",
    "observer.version",
    "event.code",
    "rule.name",
    "event.severity",
];

/// More extensions than any product writes; what follows the last stays its value.
const EXTENSIONS_MAX: usize = 512;

/// What a message says, if it is CEF or LEEF: the dataset, and its own time if it has one.
pub(super) fn read(message: &str, fields: &mut Fields) -> Option<(&'static str, Option<Timestamp>)> {
    let text = message;
    if let Some(rest) = text.strip_prefix("CEF:") {
        return cef(rest, fields).map(|time| ("cef.log", time));
    }
    leef(text.strip_prefix("LEEF:")?, fields).map(|time| ("leef.log", time))
}

fn cef(text: &str, fields: &mut Fields) -> Option<Option<Timestamp>> {
    let (version, mut rest) = part(text)?;
    version.trim().parse::<u8>().ok()?;
    let mut header = Vec::with_capacity(HEADER.len());
    for place in 0..HEADER.len() {
        match part(rest) {
            Some((value, after)) => {
                header.push(value);
                rest = after;
            }
            // Without extensions the last mark may be left out.
            None if place + 1 == HEADER.len() => header.push(std::mem::take(&mut rest).to_owned()),
            None => return None,
        }
    }
    set_header(&header, fields);
    let pairs = extensions(rest);
    let when = ["rt", "end", "start"].iter().find_map(|name| {
        let (_, value) = pairs.iter().find(|(key, _)| key == name)?;
        moment(value)
    });
    set(&pairs, CEF, "cef.extensions", fields);
    Some(when)
}

fn leef(text: &str, fields: &mut Fields) -> Option<Option<Timestamp>> {
    let mut parts = text.splitn(6, '|');
    let version = parts.next()?;
    let header: Vec<String> = parts.by_ref().take(4).map(ToOwned::to_owned).collect();
    let rest = parts.next()?;
    if header.len() != 4 {
        return None;
    }
    let (delimiter, rest) = match version.trim().starts_with('2') {
        true => rest
            .split_once('|')
            .map(|(written, rest)| (delimiter(written), rest))?,
        false => ('\t', rest),
    };
    set_header(&header, fields);
    let pairs: Vec<(&str, String)> = rest
        .split(delimiter)
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim().to_owned()))
        .collect();
    let own = pairs
        .iter()
        .find(|(key, _)| *key == "devTime")
        .and_then(|(_, value)| moment(value));
    set(&pairs, LEEF, "leef.attributes", fields);
    Some(own)
}

/// `^`, `x5E` or `0x5E`; a tab where there is none.
fn delimiter(written: &str) -> char {
    let written = written.trim_matches(' ');
    let hexadecimal = written.strip_prefix("0x").or_else(|| written.strip_prefix('x'));
    let code = hexadecimal.and_then(|code| u32::from_str_radix(code, 16).ok());
    code.and_then(char::from_u32)
        .or_else(|| written.chars().next())
        .unwrap_or('\t')
}

fn set_header(header: &[String], fields: &mut Fields) {
    for (name, value) in HEADER.iter().zip(header) {
        if !value.trim().is_empty() {
            fields.set(*name, value.trim());
        }
    }
}

fn set(pairs: &[(&str, String)], columns: Columns, prefix: &str, fields: &mut Fields) {
    let mut seen: Vec<&str> = Vec::new();
    for (key, value) in pairs {
        let column = columns.iter().find(|(from, _, _)| from == key);
        let read = column.and_then(|(_, to, read)| {
            let value = convert(*read, Value::from(value.as_str()), key).ok()??;
            Some((*to, value))
        });
        match read {
            // Who writes a value twice, in a value that is not escaped, does not change the first.
            Some((to, _)) if seen.contains(&to) => {}
            Some((to, value)) => {
                seen.push(to);
                fields.set(to, value);
            }
            None => fields.append(format!("{prefix}.{key}"), Value::from(value.as_str())),
        }
    }
}

/// Up to the next `|` that is not escaped, and what follows it.
fn part(text: &str) -> Option<(String, &str)> {
    let (mut read, mut escaped) = (String::new(), false);
    for (at, letter) in text.char_indices() {
        match (escaped, letter) {
            (false, '|') => return Some((read, text.get(at + 1..)?)),
            (false, '\\') => escaped = true,
            (true, '|' | '\\') | (false, _) => {
                read.push(letter);
                escaped = false;
            }
            (true, other) => {
                read.push('\\');
                read.push(other);
                escaped = false;
            }
        }
    }
    None
}

/// `key=value` parted by blanks; a value may hold blanks, so it ends before the last word in front of the next `=`.
fn extensions(text: &str) -> Vec<(&str, String)> {
    let mut marks: Vec<(usize, usize)> = Vec::new();
    let bytes = text.as_bytes();
    let mut behind = 0;
    for (at, _) in text.match_indices('=') {
        // A key lies behind the last equals sign: looking no further back keeps a line of them from costing its square.
        let before = text.get(behind..at).unwrap_or("");
        let start = before.rfind(' ').map_or(behind, |blank| behind + blank + 1);
        behind = at + 1;
        let key = text.get(start..at).unwrap_or("");
        let is_key = !key.is_empty()
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'[' | b']'));
        let is_escaped = at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'\\');
        let is_behind = marks.last().is_none_or(|(_, equals)| *equals < start);
        if is_key && !is_escaped && is_behind {
            marks.push((start, at));
        }
        if EXTENSIONS_MAX <= marks.len() {
            break;
        }
    }
    let ends = marks.iter().skip(1).map(|(start, _)| *start).chain([text.len()]);
    marks
        .iter()
        .zip(ends)
        .filter_map(|((start, equals), end)| {
            let value = text.get(equals + 1..end)?.trim();
            Some((text.get(*start..*equals)?, unescaped(value)))
        })
        .collect()
}

fn unescaped(value: &str) -> String {
    if !value.contains('\\') {
        return value.to_owned();
    }
    let (mut read, mut escaped) = (String::with_capacity(value.len()), false);
    for letter in value.chars() {
        match (escaped, letter) {
            (false, '\\') => {
                escaped = true;
                continue;
            }
            (true, 'n') => read.push('\n'),
            (true, 'r') => read.push('\r'),
            (true, '=' | '\\' | '|') | (false, _) => read.push(letter),
            (true, other) => {
                read.push('\\');
                read.push(other);
            }
        }
        escaped = false;
    }
    read
}

/// Milliseconds since 1970, or a time with a year; others are left to the line's own header.
fn moment(text: &str) -> Option<Timestamp> {
    if let Some(found) = time(&Value::from(text)) {
        return Some(found);
    }
    ["%b %d %Y %H:%M:%S%.f %z", "%b %d %Y %H:%M:%S %z"]
        .iter()
        .find_map(|format| {
            let parsed = jiff::fmt::strtime::parse(format, text)
                .ok()?
                .to_timestamp()
                .ok()?;
            i64::try_from(parsed.as_nanosecond())
                .ok()
                .map(Timestamp::from_nanos)
        })
}
