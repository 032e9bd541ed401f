//! The wire format of an event: one JSON object with ECS names (D2).
//!
//! We write flat: one key per field, dotted, envelope first, then fields by name. We read flat and nested
//! alike, since shippers differ; a name given twice becomes a list. Version [`SCHEMA_VERSION`] is in
//! `varde.schema`; a higher one is refused, so that an old reader never misreads a new writer.

mod flat;
mod json;
mod written;

use thiserror::Error;

use crate::{
    Event, EventId, Fields, Marking, OrganizationNumber, Purpose, QuarantineReason, SensorId, Timestamp,
    Value, Zone, field,
};
use flat::Flat;
pub use written::written_fields;

/// The version this crate writes and the highest it reads.
pub const SCHEMA_VERSION: i64 = 1;

/// At most this many fields per event: real ones have under 200; a hostile one may have a million.
pub const FIELDS_MAX: usize = 4096;

/// What an event from a foreign shipper is taken to be where it does not say.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The organisation whose topic it came on.
    pub organization: OrganizationNumber,
    /// Sensor, if `observer.name` and `agent.id` are missing.
    pub sensor: SensorId,
}

/// Why a record is no event. Each has a [`DecodeError::reason`] for quarantine.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// Not JSON, or no object.
    #[error("read the record as a JSON object")]
    NotJson(#[source] serde_json::Error),
    /// A list, a number or a text instead of an object.
    #[error("read the record as a JSON object: it is JSON, but not an object")]
    NotObject,
    /// No `@timestamp`.
    #[error("find `@timestamp` in the record")]
    NoTimestamp,
    /// A field of the envelope has a value that it can't have.
    #[error("read `{name}`: {mend}")]
    BadField {
        /// The field.
        name: &'static str,
        /// What it should be.
        mend: String,
    },
    /// More than [`FIELDS_MAX`] fields.
    #[error("read the record: it has more than {FIELDS_MAX} fields")]
    TooManyFields,
    /// A newer schema.
    #[error("read schema version {version}: this reader knows up to {SCHEMA_VERSION}, upgrade it first")]
    SchemaTooNew {
        /// The version it says.
        version: i64,
    },
}

impl DecodeError {
    /// The reason to put in quarantine.
    #[must_use]
    pub const fn reason(&self) -> QuarantineReason {
        match self {
            Self::NotJson(_) | Self::NotObject => QuarantineReason::NotJson,
            Self::NoTimestamp => QuarantineReason::NoTimestamp,
            Self::BadField { .. } => QuarantineReason::BadField,
            Self::TooManyFields => QuarantineReason::TooManyFields,
            Self::SchemaTooNew { .. } => QuarantineReason::SchemaTooNew,
        }
    }
}

/// Appends the event's wire form to `out`, without a newline.
pub fn encode(event: &Event, out: &mut Vec<u8>) {
    let mut plain = |name: &str, value: &str| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(value.as_bytes());
    };
    // What is between the texts is the envelope's names in their order; the texts are of letters, digits and marks.
    plain("{\"@timestamp\":\"", event.timestamp.text().as_str());
    plain("\",\"event.created\":\"", event.observed.text().as_str());
    plain("\",\"event.dataset\":", "");
    json::text(&event.dataset, out);
    out.extend_from_slice(b",\"event.id\":");
    json::text(event.id.as_str(), out);
    let mut plain = |name: &str, value: &str| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(value.as_bytes());
    };
    plain(",\"event.sequence\":", itoa::Buffer::new().format(event.sequence));
    plain(",\"observer.name\":\"", event.sensor.as_str());
    plain("\",\"organization.id\":\"", event.organization.as_str());
    plain(
        "\",\"varde.exercise\":",
        if event.exercise { "true" } else { "false" },
    );
    plain(",\"varde.marking\":\"", event.marking.as_str());
    plain("\",\"varde.purpose\":\"", event.purpose.as_str());
    plain("\",\"varde.schema\":", itoa::Buffer::new().format(SCHEMA_VERSION));
    plain(",\"varde.zone\":\"", event.zone.as_str());
    out.push(b'"');
    json::fields(&event.fields, out);
    out.push(b'}');
}

/// Reads one record.
///
/// What a foreign shipper leaves out is filled in: the id is derived from the record's bytes, `event.created`
/// is the event's own time, zone, marking and purpose are the defaults.
///
/// # Errors
/// If the record is no JSON object, has no `@timestamp`, or an envelope field can't be read.
pub fn decode(payload: &[u8], defaults: &Defaults) -> Result<Event, DecodeError> {
    let mut fields = flatten(payload)?;
    if let Some(version) = fields.remove(field::VARDE_SCHEMA) {
        let Value::Integer(version) = version else {
            return Err(bad(field::VARDE_SCHEMA, "it must be a whole number"));
        };
        if version > SCHEMA_VERSION {
            return Err(DecodeError::SchemaTooNew { version });
        }
    }
    let timestamp: Timestamp = take(&mut fields, field::TIMESTAMP)?.ok_or(DecodeError::NoTimestamp)?;
    let sensor = match take(&mut fields, field::OBSERVER_NAME)? {
        Some(sensor) => sensor,
        None => defaults.sensor.clone(),
    };
    let sequence = match fields.remove(field::EVENT_SEQUENCE) {
        None | Some(Value::Null) => 0,
        Some(Value::Integer(number)) if number >= 0 => number.unsigned_abs(),
        Some(Value::Unsigned(number)) => number,
        Some(_) => return Err(bad(field::EVENT_SEQUENCE, "it must be a whole number from 0")),
    };
    let exercise = match fields.remove(field::VARDE_EXERCISE) {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => flag,
        Some(_) => return Err(bad(field::VARDE_EXERCISE, "it must be true or false")),
    };
    Ok(Event {
        id: match take(&mut fields, field::EVENT_ID)? {
            Some(id) => id,
            None => EventId::derive(&[b"foreign", defaults.organization.as_str().as_bytes(), payload]),
        },
        sensor,
        organization: take(&mut fields, field::ORGANIZATION_ID)?.unwrap_or(defaults.organization),
        sequence,
        timestamp,
        observed: take(&mut fields, field::EVENT_CREATED)?.unwrap_or(timestamp),
        dataset: take(&mut fields, field::EVENT_DATASET)?.unwrap_or_else(|| "unknown".to_owned()),
        zone: take(&mut fields, field::VARDE_ZONE)?.unwrap_or(Zone::Administration),
        marking: take(&mut fields, field::VARDE_MARKING)?.unwrap_or(Marking::Unmarked),
        purpose: take(&mut fields, field::VARDE_PURPOSE)?.unwrap_or(Purpose::SecurityMonitoring),
        exercise,
        fields,
    })
}

/// Flattens one JSON object into dotted names: `{"a":{"b":1}}` and `{"a.b":1}` are the same field; a list of
/// objects gives a list per inner name; a name given twice, at whatever depth, gives a list; lists in lists
/// give one list; an empty object or list gives nothing. Values are in the order of the bytes.
///
/// # Errors
/// If it is no JSON object or has more than [`FIELDS_MAX`] fields.
pub fn flatten(payload: &[u8]) -> Result<Fields, DecodeError> {
    let flat = Flat::read(payload).map_err(|error| {
        if error.classify() == serde_json::error::Category::Data {
            DecodeError::NotObject
        } else {
            DecodeError::NotJson(error)
        }
    })?;
    if FIELDS_MAX < flat.count {
        return Err(DecodeError::TooManyFields);
    }
    Ok(flat.fields)
}

fn take<T: std::str::FromStr>(fields: &mut Fields, name: &'static str) -> Result<Option<T>, DecodeError>
where
    T::Err: std::fmt::Display,
{
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => text
            .parse()
            .map(Some)
            .map_err(|error: T::Err| bad(name, &error.to_string())),
        Some(other) => other
            .to_string()
            .parse()
            .map(Some)
            .map_err(|error: T::Err| bad(name, &error.to_string())),
    }
}

#[cold]
fn bad(name: &'static str, mend: &str) -> DecodeError {
    DecodeError::BadField {
        name,
        mend: mend.to_owned(),
    }
}

#[cfg(test)]
mod tests;
