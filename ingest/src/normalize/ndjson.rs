//! JSON lines that are ECS already, and any other JSON lines as they are.
//!
//! ECS is held to its types where detection and routing depend on them: addresses, ports, the time. Other lines are
//! kept with their own names, whatever they are: a rule author replays anything. A line without a time gets that of
//! the line before, or 1970, and says so in `varde.timestamp_missing`.

use std::borrow::Cow;

use ingest_event::{Fields, QuarantineReason, Timestamp, Value, field};

use super::columns::{Read, bad, convert};
use super::known::GENERIC;
use super::{Normalized, NormalizerOptions, Reject, time, windows};

/// True where a line had no time of its own.
pub(super) const TIMESTAMP_MISSING: &str = "varde.timestamp_missing";

/// Where other JSON logs keep their time, in the order of trust: the event's own before the collector's.
const TIME_NAMES: [&str; 12] = [
    field::TIMESTAMP,
    "timestamp",
    "ts",
    "time",
    "eventTime",
    "TimeCreated",
    "UtcTime",
    "EventTime",
    "_time",
    "datetime",
    "Timestamp",
    "date",
];

/// ECS field sets that tell an ECS record from one that merely has an `@timestamp`.
const ECS_SETS: [&str; 22] = [
    "agent",
    "client",
    "destination",
    "dns",
    "ecs",
    "email",
    "event",
    "file",
    "host",
    "http",
    "log",
    "network",
    "observer",
    "organization",
    "process",
    "rule",
    "server",
    "source",
    "threat",
    "tls",
    "url",
    "user",
];

/// Whether a dotted name belongs to one of ECS's field sets.
pub(super) fn is_ecs(name: &str) -> bool {
    name.split_once('.')
        .is_some_and(|(set, _)| ECS_SETS.binary_search(&set).is_ok())
}

/// Fields of ECS whose type is held to.
const TYPED: [(&str, Read); 4] = [
    (field::SOURCE_IP, Read::Address),
    (field::SOURCE_PORT, Read::Port),
    (field::DESTINATION_IP, Read::Address),
    (field::DESTINATION_PORT, Read::Port),
];

/// A record that is ECS already. Envelope names stay in the fields: [`crate::stamp`] decides which of them to believe.
pub(super) fn ecs(mut fields: Fields, options: &NormalizerOptions) -> Result<Normalized, Reject> {
    let timestamp = match fields.remove(field::TIMESTAMP) {
        None | Some(Value::Null) => {
            return Err(Reject::new(
                QuarantineReason::NoTimestamp,
                "the record has no `@timestamp`",
            ));
        }
        Some(value) => time(&value).ok_or_else(|| bad(field::TIMESTAMP, &value, "a time (RFC 3339)"))?,
    };
    for (name, read) in TYPED {
        if let Some(value) = fields.remove(name) {
            fields.set_some(name, convert(read, value, name)?);
        }
    }
    // Winlogbeat names the log and no dataset.
    let channel = fields
        .text("winlog.channel")
        .map(|channel| windows::dataset(Some(channel)));
    let own = fields.get(field::EVENT_DATASET).is_some() || options.dataset.is_some();
    let dataset = match channel.filter(|_| !own) {
        Some(channel) => channel,
        None => dataset(&mut fields, options),
    };
    Ok(Normalized {
        timestamp,
        dataset,
        fields,
    })
}

/// Any other record, as it is.
pub(super) fn other(mut fields: Fields, options: &NormalizerOptions, last: Option<Timestamp>) -> Normalized {
    let own = TIME_NAMES.iter().find_map(|name| fields.get(name).and_then(time));
    fields.remove(field::TIMESTAMP);
    let timestamp = own.unwrap_or_else(|| {
        fields.set(TIMESTAMP_MISSING, true);
        last.unwrap_or_default()
    });
    let dataset = dataset(&mut fields, options);
    Normalized {
        timestamp,
        dataset,
        fields,
    }
}

fn dataset(fields: &mut Fields, options: &NormalizerOptions) -> Cow<'static, str> {
    match (fields.remove(field::EVENT_DATASET), &options.dataset) {
        (Some(Value::String(own)), _) if !own.is_empty() => Cow::Owned(own),
        (_, Some(configured)) => Cow::Owned(configured.clone()),
        (_, None) => Cow::Borrowed(GENERIC),
    }
}
