//! What could not be read, or is not believed: kept aside with its reason, never dropped.

use serde::{Deserialize, Serialize};

use crate::{EventId, OrganizationNumber, SensorId, Timestamp};

/// At most this much of the raw input is kept: enough to see what it was, small enough that a flood of
/// broken input cannot fill the bus.
pub const RAW_BYTES_MAX: usize = 4096;

/// Why something was put aside. The codes are label values of metrics and part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineReason {
    /// A field has a value that it can't have, such as a port of 99999.
    BadField,
    /// The bytes are not what the format says: a damaged packet, a broken log line.
    Malformed,
    /// Not JSON, where JSON was expected; or JSON that is no object.
    NotJson,
    /// Not UTF-8, where text was expected.
    NotUtf8,
    /// No time of its own, and none can be derived.
    NoTimestamp,
    /// Written by a newer schema than this reader knows.
    SchemaTooNew,
    /// Longer than the limit for one record.
    TooLarge,
    /// More fields or deeper nesting than the limits allow.
    TooManyFields,
    /// The input ends in the middle of a record.
    Truncated,
    /// No reader for this format or link type.
    UnknownFormat,
    /// Claims an organisation that its topic does not belong to (D3). Also raises an alert.
    WrongOrganization,
}

impl QuarantineReason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::BadField,
        Self::Malformed,
        Self::NotJson,
        Self::NotUtf8,
        Self::NoTimestamp,
        Self::SchemaTooNew,
        Self::TooLarge,
        Self::TooManyFields,
        Self::Truncated,
        Self::UnknownFormat,
        Self::WrongOrganization,
    ];

    /// The code, for metrics and for `varde.quarantine`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadField => "bad_field",
            Self::Malformed => "malformed",
            Self::NotJson => "not_json",
            Self::NotUtf8 => "not_utf8",
            Self::NoTimestamp => "no_timestamp",
            Self::SchemaTooNew => "schema_too_new",
            Self::TooLarge => "too_large",
            Self::TooManyFields => "too_many_fields",
            Self::Truncated => "truncated",
            Self::UnknownFormat => "unknown_format",
            Self::WrongOrganization => "wrong_organization",
        }
    }
}

impl std::fmt::Display for QuarantineReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One record of `varde.quarantine`, as JSON with these names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRecord {
    /// Derived from sensor, source and position: putting the same thing aside twice makes one record.
    pub id: EventId,
    /// Why.
    pub reason: QuarantineReason,
    /// What was wrong and what would mend it, for a person.
    pub detail: String,
    /// Whose topic or sensor it came from, where known.
    pub organization: Option<OrganizationNumber>,
    /// The sensor, where known.
    pub sensor: Option<SensorId>,
    /// The input: a file as named, `udp:0.0.0.0:514`, or a topic.
    pub source: String,
    /// Line number (from 1), packet number (from 1) or offset on the bus.
    pub position: u64,
    /// When it was put aside, RFC 3339.
    #[serde(with = "as_text")]
    pub observed: Timestamp,
    /// The first [`RAW_BYTES_MAX`] bytes, as text; bytes that are not UTF-8 are written as U+FFFD.
    pub raw: String,
    /// Whole length of what was put aside, in bytes.
    pub raw_bytes: u64,
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::Timestamp;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
