//! Looking indicators up: which of them a text in an event names.
//!
//! Holds ten million in memory that they fill by themselves: values in binary, one after the other, found through
//! a hash table; what they say besides is held once for all that say the same. Most texts are in no feed, and a
//! filter says so with one access to memory. Neither files nor clock: feeds are read by `detect-rules`, and whether an
//! indicator counts is decided at the event's time.
//!
//! ```text
//! Indicator ── IndicatorTableBuilder::add ──▶ IndicatorTable ── look_up(text) ──▶ IndicatorId ── judge ──▶ match
//!                                                 └── updated(removed, added) ──▶ IndicatorTable
//! ```

mod address;
mod arena;
mod blocks;
mod build;
mod digest;
mod entry;
mod field;
mod filter;
mod index;
mod interned;
mod judge;
mod key;
mod layer;
mod look_up;
mod name;
mod nets;
mod provenance;
mod question;
mod recipients;
mod restricted;
mod table;
mod text;
mod warning;

pub use build::{AddCounts, Added, IndicatorTableBuilder};
pub use field::{FIELDS, Holds, IndicatorField};
pub(crate) use index::{IndicatorIndex, Named};
pub use judge::{Judgement, Rejected, Rejection, RejectionReason, Rejections};
pub use look_up::{LookUp, Scratch};
pub use table::{IndicatorId, IndicatorTable, UpdateCounts};
pub use warning::{BadWarning, Listed, WarningLists};
