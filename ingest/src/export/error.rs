//! Why a datagram of an exporter, or a part of it, can't be read.

use ingest_event::QuarantineReason;
use thiserror::Error;

use super::template::{FIELDS_MAX, TEMPLATES_MAX};

/// What is wrong with a datagram. The rest of it, where that can be told apart, was read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CollectError {
    /// It ends inside its header.
    #[error("read an export header: the datagram has {bytes} bytes only")]
    HeaderCut {
        /// How long it is.
        bytes: usize,
    },
    /// Neither NetFlow v5, v9, IPFIX nor sFlow v5.
    #[error(
        "recognise an export: its version is {version}; have the exporter send NetFlow 5 or 9, IPFIX or sFlow 5"
    )]
    UnknownVersion {
        /// Its first two bytes.
        version: u16,
    },
    /// It ends before what its header announces.
    #[error(
        "read an export: {announced} bytes are announced and {bytes} came; look for a device that cuts datagrams"
    )]
    Cut {
        /// By its header.
        announced: usize,
        /// There are.
        bytes: usize,
    },
    /// The length of a set leads out of the datagram, or ends inside the set's own header.
    #[error("read the set at byte {at} of an export: its length is {length}, and {bytes} bytes are left")]
    SetLength {
        /// Where the set begins.
        at: usize,
        /// As it says.
        length: usize,
        /// To the end.
        bytes: usize,
    },
    /// A template ends in the middle, has a number below 256, or records without a byte.
    #[error("read a template in the set at byte {at} of an export: it is cut or contradicts itself")]
    Template {
        /// Where its set begins.
        at: usize,
    },
    /// A template has too many fields.
    #[error("keep template {template}: it has {fields} fields, at most {FIELDS_MAX} are taken")]
    TemplateFields {
        /// Its number.
        template: u16,
        /// How many.
        fields: usize,
    },
    /// There is no more room for templates.
    #[error(
        "keep template {template}: {TEMPLATES_MAX} are held, and none is old; is somebody making exporters up?"
    )]
    TemplatesFull {
        /// Its number.
        template: u16,
    },
    /// A record leads out of its set.
    #[error(
        "read a record of template {template} in the set at byte {at} of an export: it leads out of the set"
    )]
    Record {
        /// Its template.
        template: u16,
        /// Where its set begins.
        at: usize,
    },
    /// A length in an sFlow sample leads out of the datagram.
    #[error("read the sample at byte {at} of an sFlow datagram: it leads out of the datagram")]
    Sample {
        /// Where the sample begins.
        at: usize,
    },
}

impl CollectError {
    /// Every code, in the order of the variants.
    pub const CODES: [&str; 9] = [
        "header_cut",
        "unknown_version",
        "cut",
        "set_length",
        "template",
        "template_fields",
        "templates_full",
        "record",
        "sample",
    ];

    /// A short name, for metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::HeaderCut { .. } => "header_cut",
            Self::UnknownVersion { .. } => "unknown_version",
            Self::Cut { .. } => "cut",
            Self::SetLength { .. } => "set_length",
            Self::Template { .. } => "template",
            Self::TemplateFields { .. } => "template_fields",
            Self::TemplatesFull { .. } => "templates_full",
            Self::Record { .. } => "record",
            Self::Sample { .. } => "sample",
        }
    }

    /// As quarantine has it.
    #[must_use]
    pub const fn reason(self) -> QuarantineReason {
        match self {
            Self::HeaderCut { .. } | Self::Cut { .. } => QuarantineReason::Truncated,
            Self::UnknownVersion { .. } => QuarantineReason::UnknownFormat,
            Self::SetLength { .. } | Self::Template { .. } | Self::Record { .. } | Self::Sample { .. } => {
                QuarantineReason::Malformed
            }
            Self::TemplateFields { .. } | Self::TemplatesFull { .. } => QuarantineReason::TooLarge,
        }
    }
}
