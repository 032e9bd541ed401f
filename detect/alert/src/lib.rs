//! The nouns of detection: an alert, what produced it and why.
//!
//! An [`Alert`] is a stored, explainable match. On the bus and in `varde replay --format ndjson` it is one
//! JSON object with ECS names ([`codec`]). No clock, no file system, no randomness: an alert's id is derived
//! from what it says (D5), so a replay or a crash can repeat it but never double it.

#![forbid(unsafe_code)]

mod alert;
pub mod codec;
mod handling;
mod indicator;
pub mod topic;

pub use alert::{
    Alert, AlertId, Entity, EventSample, Evidence, Producer, ProducerKind, RuleId, RulesetVersion,
    SAMPLES_MAX, Texts, Window,
};
pub use codec::{AlertDecodeError, decode, encode};
pub use handling::{Confidence, Pap, Severity, Tlp};
pub use indicator::{
    Indicator, IndicatorKind, IndicatorRef,
    warning::{WarningCategory, WarningList, WarningListKind, WarningMode},
};
