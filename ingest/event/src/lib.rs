//! The nouns of telemetry: what a sensor saw, who saw it, when, and under which marking.
//!
//! An [`Event`] is one observation. Its envelope (D4) is typed, everything else is a flat list of ECS
//! fields. On the bus an event is one JSON object with those names ([`codec`]). This crate has no clock,
//! no file system, no network and no randomness: ids are derived from content, times are arguments.

#![forbid(unsafe_code)]

pub mod codec;
mod event;
pub mod field;
mod fields;
mod id;
mod marking;
mod quarantine;
pub mod restricted;
mod timestamp;
pub mod topic;

pub use codec::{DecodeError, Defaults, FIELDS_MAX, SCHEMA_VERSION, decode, encode};
pub use event::Event;
pub use fields::{Fields, Value};
pub use id::{
    EventId, EventIdError, OrganizationNumber, OrganizationNumberError, SensorId, SensorIdError, derive_id,
};
pub use marking::{Marking, Purpose, UnknownCode, Zone};
pub use quarantine::{KeptRecord, QuarantineReason, QuarantineRecord, RAW_BYTES_MAX};
pub use timestamp::{Timestamp, TimestampError};
