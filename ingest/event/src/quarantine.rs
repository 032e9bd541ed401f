//! What could not be read, or is not believed: told with its reason, never dropped; what it said stays where it was.

use serde::{Deserialize, Serialize};

use crate::{EventId, OrganizationNumber, SensorId, Timestamp};

/// At most this much of the raw input is kept on site: enough to see what it was, small enough that a flood of
/// broken input cannot fill the disk.
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

    /// What it means, in words that say nothing of the input.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::BadField => "a field has a value that it can't have",
            Self::Malformed => "the bytes are not what the format says",
            Self::NotJson => "it is no JSON object",
            Self::NotUtf8 => "it is not UTF-8",
            Self::NoTimestamp => "it has no time of its own, and none can be derived",
            Self::SchemaTooNew => "a newer schema wrote it",
            Self::TooLarge => "it is longer than the limit for one record",
            Self::TooManyFields => "it has more fields than the limit",
            Self::Truncated => "the input ends in the middle of it",
            Self::UnknownFormat => "there is no reader for its format",
            Self::WrongOrganization => "it claims an organisation that its topic does not belong to",
        }
    }
}

impl std::fmt::Display for QuarantineReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One record of a topic of quarantine, as JSON with these names. It says that something was put aside and where, not what
/// it said: lines and packets that nobody could read may hold anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRecord {
    /// Derived from sensor, source and position: putting the same thing aside twice makes one record.
    pub id: EventId,
    /// Why.
    pub reason: QuarantineReason,
    /// What was wrong and what would mend it, for a person; nothing of the input.
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
    /// Whole length of what was put aside, in bytes.
    pub length: u64,
    /// Tells equal inputs from different ones: a hash of the first [`RAW_BYTES_MAX`] bytes in hexadecimal digits, made with
    /// a key that stays on site where a sensor wrote it, so that nobody can try out what they were.
    pub digest: String,
}

/// What stays on site of something put aside: one line of JSON, the record's own members and `raw`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRecord {
    /// As it leaves, but for the detail, which is whole here.
    #[serde(flatten)]
    pub record: QuarantineRecord,
    /// The first [`RAW_BYTES_MAX`] bytes, as text; bytes that are not UTF-8 are written as U+FFFD.
    pub raw: String,
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
