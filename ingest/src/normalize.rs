//! Lines to events: what Suricata, Zeek, syslog and ECS shippers write becomes ECS fields under one dataset name.
//!
//! Mappings are tables of `columns::Columns`, one module per family. The same thing gets the same dataset and fields
//! whoever saw it: `network.flow`, `network.dns`, `network.tls` and `network.http` from packets, Suricata and Zeek alike,
//! with `event.module` saying who; everything else keeps its own dataset (`zeek.ssh`, `suricata.alert`, `system.auth`).
//! Pure: no clock, no files; what a line needs beside its bytes is in [`NormalizerOptions`].

mod access;
mod auditd;
mod cef;
mod columns;
mod eve;
mod journald;
pub(crate) mod known;
mod mail;
mod ndjson;
mod network;
mod sshd;
mod syslog;
mod windows;
mod zeek;

use std::borrow::Cow;

use ingest_event::codec::flatten;
use ingest_event::{DecodeError, Fields, QuarantineReason, Timestamp, Value};
use ipnet::IpNet;

use crate::record::{Draft, Record, Refusal};
use crate::source::Format;

pub(crate) use network::is_everybody;
pub use network::{direction, is_home};
pub(crate) use sshd::{Piece, login};
pub use syslog::looks_like_syslog;

/// How a line was written that was not UTF-8.
const ENCODING: &str = "varde.encoding";

/// ISO 8859-1 and Windows' own extension of it.
const WINDOWS_1252: &str = "windows-1252";

/// The year of times that have none (RFC 3164 section 4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YearRule {
    /// This one; a log that goes from December to January goes to the next.
    Fixed(i16),
    /// The last one in which the time is not after this, with a day's tolerance for clocks.
    Before(Timestamp),
    /// Not known: such times are refused.
    Unknown,
}

/// What a line needs beside its bytes.
#[derive(Clone, Debug)]
pub struct NormalizerOptions {
    /// The dataset of records that do not say theirs.
    pub dataset: Option<String>,
    /// The networks that are ours.
    pub home_networks: Vec<IpNet>,
    /// The year of times without one.
    pub year: YearRule,
    /// Seconds east of UTC of times that don't say.
    pub utc_offset_secs: i32,
}

/// Turns the lines of one input into records, in order: some formats carry a header or a time from line to line.
#[derive(Debug)]
pub struct Normalizer {
    format: Format,
    options: NormalizerOptions,
    last: Option<Timestamp>,
    zeek: zeek::Header,
}

/// What a JSON line is, by its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonShape {
    /// Suricata.
    Eve,
    /// Zeek.
    Zeek,
    /// ECS.
    Ecs,
    /// systemd's journal.
    Journald,
    /// Windows events, not in ECS.
    Windows,
    /// Anything else.
    Other,
}

/// An event before its position is put on it.
#[derive(Debug, PartialEq)]
struct Normalized {
    timestamp: Timestamp,
    dataset: Cow<'static, str>,
    fields: Fields,
}

/// Why a line is no event.
#[derive(Debug, PartialEq)]
struct Reject {
    reason: QuarantineReason,
    detail: Cow<'static, str>,
}

impl Reject {
    #[cold]
    fn new(reason: QuarantineReason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}

impl From<DecodeError> for Reject {
    fn from(error: DecodeError) -> Self {
        let mend = "each line of this file must be one JSON object";
        let detail = match &error {
            DecodeError::NotJson(source) => {
                // The parser has seen one line only, so its `line 1` would contradict the line's own place.
                let said = source.to_string();
                let what = said.split(" at line ").next().unwrap_or_default();
                format!("{what} at column {}; {mend}", source.column())
            }
            DecodeError::NotObject => format!("it is JSON, but not an object; {mend}"),
            DecodeError::NoTimestamp
            | DecodeError::BadField { .. }
            | DecodeError::TooManyFields
            | DecodeError::SchemaTooNew { .. } => error.to_string(),
        };
        Self {
            reason: error.reason(),
            detail: detail.into(),
        }
    }
}

impl Normalizer {
    /// For an input of this format.
    #[must_use]
    pub fn new(format: Format, options: NormalizerOptions) -> Self {
        Self {
            format,
            options,
            last: None,
            zeek: zeek::Header::default(),
        }
    }

    /// The time of the event before, which lines without their own time get.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Goes on after an event of this time, as if the lines before had been read.
    pub fn resume(&mut self, last: Option<Timestamp>) {
        self.last = last;
    }

    /// From now on, times without a year are not after `now`; lines without a time of their own get `now`.
    pub fn arrived(&mut self, now: Timestamp) {
        self.options.year = YearRule::Before(now);
        self.last = Some(now);
    }

    /// Takes what a line says about the lines after it, without making events: a Zeek header.
    pub fn pass_over(&mut self, line: &[u8]) {
        if self.format == Format::ZeekTsv && line.starts_with(b"#") {
            let _ = self.zeek.line(&String::from_utf8_lossy(line), &self.options);
        }
    }

    /// Appends what a line says: an event, a refusal, or nothing for a blank or a comment.
    pub fn line(&mut self, line: &[u8], position: u64, out: &mut Vec<Record>) {
        let line = if position == 1 {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
        } else {
            line
        };
        if line.trim_ascii().is_empty() {
            return;
        }
        match self.normalize(line) {
            Ok(None) => {}
            Ok(Some((
                Normalized {
                    timestamp,
                    dataset,
                    fields,
                },
                shape,
            ))) => {
                self.last = Some(timestamp);
                let trusted = self.trusted(&dataset, shape, &fields);
                out.push(Record::Event(Draft {
                    timestamp,
                    dataset,
                    trusted,
                    fields,
                    position,
                    ordinal: 0,
                }));
            }
            Err(Reject { reason, detail }) => {
                out.push(Record::Refused(Refusal::new(reason, detail, position, line)));
            }
        }
    }

    /// The event, and what the line is if it is JSON.
    fn normalize(&mut self, line: &[u8]) -> Result<Option<(Normalized, Option<JsonShape>)>, Reject> {
        let text = self.text(line)?;
        let text = text.as_ref();
        let mut shape = None;
        let mut normalized = match self.format {
            Format::Syslog => syslog::normalize(text, &self.options, self.last)?,
            Format::ZeekTsv => match self.zeek.line(text, &self.options)? {
                Some(normalized) => normalized,
                None => return Ok(None),
            },
            Format::Access => access::normalize(text)?,
            Format::Auditd => auditd::normalize(text)?,
            Format::Eve | Format::ZeekJson | Format::Ecs | Format::Ndjson | Format::Evtx => {
                let fields = flatten(line)?;
                let seen = shape_of(&fields);
                shape = Some(seen);
                self.json(fields, seen)?
            }
            // Packets have no lines.
            Format::Pcap | Format::Pcapng => return Ok(None),
        };
        if text.len() != line.len() {
            normalized.fields.set(ENCODING, WINDOWS_1252);
        }
        network::complete(&mut normalized.fields, &self.options.home_networks);
        Ok(Some((normalized, shape)))
    }

    /// The dataset that this input stands for, where a line's own word for its dataset is all there is: any program may
    /// write JSON that looks like Suricata's, and call itself what it likes. `None` where the input is known to be what
    /// the line says it is.
    fn trusted(&self, dataset: &str, shape: Option<JsonShape>, fields: &Fields) -> Option<Cow<'static, str>> {
        let configured = self.options.dataset.as_deref();
        let is_made_here = match (shape?, self.format) {
            (JsonShape::Eve | JsonShape::Other, Format::Eve)
            | (JsonShape::Zeek | JsonShape::Other, Format::ZeekJson) => true,
            (_, Format::Evtx) => dataset == windows::dataset(fields.text("Channel")),
            (JsonShape::Eve | JsonShape::Zeek, _)
            | (JsonShape::Ecs | JsonShape::Journald | JsonShape::Windows | JsonShape::Other, _) => false,
        };
        (!is_made_here).then(|| match configured {
            Some(configured) => Cow::Owned(configured.to_owned()),
            None => Cow::Borrowed(known::GENERIC),
        })
    }

    /// The line as text. Old devices and programs write Latin-1 or Windows-1252 instead of UTF-8: what is read as that says so,
    /// in logs that people and devices write. JSON is UTF-8 (RFC 8259 section 8.1).
    fn text<'l>(&self, line: &'l [u8]) -> Result<Cow<'l, str>, Reject> {
        let error = match std::str::from_utf8(line) {
            Ok(text) => return Ok(Cow::Borrowed(text)),
            Err(error) => error,
        };
        match self.format {
            Format::Syslog | Format::Access | Format::Auditd => {
                Ok(encoding_rs::WINDOWS_1252.decode_without_bom_handling(line).0)
            }
            Format::ZeekTsv
            | Format::Eve
            | Format::ZeekJson
            | Format::Ecs
            | Format::Ndjson
            | Format::Evtx
            | Format::Pcap
            | Format::Pcapng => {
                let byte = error.valid_up_to() + 1;
                let detail = format!("byte {byte} of the line is not UTF-8; have the sender write UTF-8");
                Err(Reject::new(QuarantineReason::NotUtf8, detail))
            }
        }
    }

    fn json(&self, fields: Fields, shape: JsonShape) -> Result<Normalized, Reject> {
        match (shape, self.format) {
            (JsonShape::Eve, _) | (JsonShape::Other, Format::Eve) => eve::normalize(fields),
            (JsonShape::Zeek, _) | (JsonShape::Other, Format::ZeekJson) => {
                zeek::normalize_json(fields, &self.options)
            }
            (JsonShape::Ecs, _) | (JsonShape::Other, Format::Ecs) => ndjson::ecs(fields, &self.options),
            (JsonShape::Journald, _) => journald::normalize(&fields),
            (JsonShape::Windows, _) | (JsonShape::Other, Format::Evtx) => {
                windows::normalize(fields, &self.options, self.last)
            }
            (JsonShape::Other, _) => Ok(ndjson::other(fields, &self.options, self.last)),
        }
    }
}

/// Whether a line is of a web server's access log.
#[must_use]
pub fn looks_like_access(line: &[u8]) -> bool {
    access::looks_like_access(&String::from_utf8_lossy(line))
}

/// Whether a line is a record of the Linux audit daemon.
#[must_use]
pub fn looks_like_audit(line: &[u8]) -> bool {
    auditd::looks_like_audit(&String::from_utf8_lossy(line))
}

/// What a JSON line is; `None` if it is no JSON object.
#[must_use]
pub fn json_shape(line: &[u8]) -> Option<JsonShape> {
    flatten(line).ok().map(|fields| shape_of(&fields))
}

fn shape_of(fields: &Fields) -> JsonShape {
    let has = |name: &str| fields.get(name).is_some();
    if has("event_type") && has("timestamp") {
        return JsonShape::Eve;
    }
    let zeek = ["uid", "_path", "fuid", "id.orig_h", "id_orig_h", "@stream"];
    if has("ts") && zeek.into_iter().any(has) {
        return JsonShape::Zeek;
    }
    if has(ingest_event::field::TIMESTAMP) && fields.iter().any(|(name, _)| ndjson::is_ecs(name)) {
        return JsonShape::Ecs;
    }
    if journald::is_journald(has) {
        return JsonShape::Journald;
    }
    if windows::is_windows(has) {
        return JsonShape::Windows;
    }
    JsonShape::Other
}

/// A time of any of the spellings that JSON logs use: RFC 3339 and its variants, or a number of seconds, milli-,
/// micro- or nanoseconds since 1970, told apart by size (each reaches from 1973 to 2262).
fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok().or_else(|| {
            let number: f64 = text.trim().parse().ok()?;
            time(&Value::Float(number))
        }),
        Value::Integer(number) => {
            let magnitude = number.unsigned_abs();
            Some(match magnitude {
                0..100_000_000_000 => Timestamp::from_millis(number.checked_mul(1_000)?),
                100_000_000_000..100_000_000_000_000 => Timestamp::from_millis(*number),
                100_000_000_000_000..100_000_000_000_000_000 => Timestamp::from_micros(*number),
                _ => Timestamp::from_nanos(*number),
            })
        }
        Value::Float(number) if number.abs() < 1e11 => Timestamp::from_secs_f64(*number),
        Value::Float(number) if number.abs() < 1e14 => Timestamp::from_secs_f64(*number / 1e3),
        Value::Float(_) | Value::Null | Value::Bool(_) | Value::Unsigned(_) | Value::List(_) => None,
    }
}

#[cfg(test)]
mod documented;
#[cfg(test)]
mod tests;
