//! Tables from a source's own names to ECS, and how each value is read.

use std::net::IpAddr;

use ingest_event::field::is_declared;
use ingest_event::{Fields, QuarantineReason, Timestamp, Value};
use rustc_hash::FxHashMap;

use super::{Reject, time};

/// One field of a source: its own name, the ECS name, how its value is read.
pub(super) type Column = (&'static str, &'static str, Read);

/// Columns of which each ECS name is declared with its class, so that it is known what may leave of it: others do not
/// compile.
#[derive(Clone, Copy)]
pub(super) struct Columns(&'static [Column]);

impl Columns {
    /// For constants: the check is made when the table is compiled.
    pub(super) const fn declared(columns: &'static [Column]) -> Self {
        let mut at = 0;
        #[expect(
            clippy::indexing_slicing,
            reason = "below the length; constants have no iterators"
        )]
        while at < columns.len() {
            assert!(
                is_declared(columns[at].1),
                "a column's ECS name is not declared in ingest/event/src/field.rs"
            );
            at += 1;
        }
        Self(columns)
    }
}

impl std::ops::Deref for Columns {
    type Target = [Column];
    fn deref(&self) -> &Self::Target {
        self.0
    }
}

/// How a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// As it is.
    Plain,
    /// As text, whatever it is: identifiers that some write as numbers.
    Text,
    /// In lower case.
    Lower,
    /// A domain name: lower case, without the final dot. The first one of a list.
    Name,
    /// An IPv4 or IPv6 address.
    Address,
    /// 0 to 65535.
    Port,
    /// A whole number from 0.
    Count,
    /// Seconds, kept as nanoseconds.
    Seconds,
    /// A point in time.
    Time,
    /// `TLSv12`, `TLS 1.2` and their like, kept as `1.2`.
    TlsVersion,
    /// A mail address, without the angle brackets.
    Mailbox,
}

/// Columns by the source's name.
pub(super) struct Table(FxHashMap<&'static str, (&'static str, Read)>);

impl Table {
    pub(super) fn new(columns: &[Columns]) -> Self {
        Self(
            columns
                .iter()
                .flat_map(|columns| columns.0)
                .map(|(from, to, read)| (*from, (*to, *read)))
                .collect(),
        )
    }

    /// Moves fields to their ECS names; those that no column names go under `prefix`.
    pub(super) fn apply(&self, native: Fields, prefix: &str) -> Result<Fields, Reject> {
        let mut fields = Fields::new();
        for (name, value) in native {
            match self.0.get(name.as_ref()) {
                Some((to, read)) => {
                    if let Some(value) = convert(*read, value, &name)? {
                        fields.append(*to, value);
                    }
                }
                None => fields.append(format!("{prefix}.{name}"), value),
            }
        }
        Ok(fields)
    }
}

/// Reads a value; `None` if there is none (`null`, or an empty text).
pub(super) fn convert(read: Read, value: Value, name: &str) -> Result<Option<Value>, Reject> {
    if value == Value::Null || value.as_str() == Some("") {
        return Ok(None);
    }
    let converted = match read {
        Read::Plain => Some(value.clone()),
        Read::Text => Some(Value::from(value.to_string())),
        Read::Lower => each(&value, |text| text.to_lowercase()),
        Read::Name => {
            let first = value.each().next();
            first.map(|first| Value::from(first.to_string().trim_end_matches('.').to_lowercase()))
        }
        Read::Address => value
            .as_str()
            .and_then(|text| text.parse::<IpAddr>().ok())
            .map(Value::from),
        Read::Port => whole(&value)
            .and_then(|number| u16::try_from(number).ok())
            .map(Value::from),
        Read::Count => whole(&value).map(Value::from),
        Read::Seconds => seconds(&value),
        Read::Time => time(&value).map(Value::from),
        Read::TlsVersion => value.as_str().map(|text| Value::from(tls_version(text))),
        Read::Mailbox => each(&value, |text| text.trim_matches(['<', '>', ' ']).to_owned()),
    };
    match converted {
        Some(converted) => Ok(Some(converted)),
        None => Err(bad(name, &value, expected(read))),
    }
}

#[cold]
pub(super) fn bad(name: &str, value: &Value, expected: &str) -> Reject {
    let text: String = value.to_string().chars().take(64).collect();
    Reject::new(
        QuarantineReason::BadField,
        format!("`{name}` is `{text}`, it must be {expected}"),
    )
}

const fn expected(read: Read) -> &'static str {
    match read {
        Read::Plain | Read::Text => "any value",
        Read::Lower | Read::Name | Read::TlsVersion | Read::Mailbox => "text",
        Read::Address => "an IPv4 or IPv6 address",
        Read::Port => "a port from 0 to 65535",
        Read::Count => "a whole number from 0",
        Read::Seconds => "a number of seconds",
        Read::Time => "a time (RFC 3339, or seconds since 1970)",
    }
}

fn each(value: &Value, change: impl Fn(&str) -> String) -> Option<Value> {
    match value {
        Value::String(text) => Some(Value::from(change(text))),
        Value::List(items) => Some(Value::List(
            items
                .iter()
                .map(|item| Value::from(change(&item.to_string())))
                .collect(),
        )),
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Unsigned(_) | Value::Float(_) => None,
    }
}

/// A whole number from 0, also written as text.
pub(super) fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::Unsigned(number) => Some(*number),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Float(_) | Value::List(_) => None,
    }
}

fn seconds(value: &Value) -> Option<Value> {
    let seconds = match value {
        Value::Integer(number) => *number as f64,
        Value::Float(number) => *number,
        Value::String(text) => text.parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Unsigned(_) | Value::List(_) => return None,
    };
    // To the microsecond, which is what the sources have; a float's tail is noise.
    let nanos = Timestamp::from_secs_f64(seconds)?.as_nanos();
    (0 <= nanos).then(|| Value::from(nanos))
}

/// `TLSv12` → `1.2`, `TLS 1.3` → `1.3`, `TLSv1` → `1.0`, `SSLv3` → `3.0`; anything else as it is.
fn tls_version(text: &str) -> String {
    // Of a version's drafts other sources say that it is this version.
    let text = text.split_once("-draft").map_or(text, |(version, _)| version);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let known = ["TLS", "DTLS", "SSL"].iter().any(|name| {
        text.strip_prefix(name).is_some_and(|rest| {
            rest.trim_start_matches(['v', ' '])
                .starts_with(|c: char| c.is_ascii_digit())
        })
    });
    match (known, digits.as_bytes()) {
        (true, [major]) => format!("{}.0", char::from(*major)),
        (true, [major, minor]) => format!("{}.{}", char::from(*major), char::from(*minor)),
        _ => text.to_owned(),
    }
}
