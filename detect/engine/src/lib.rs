//! The hot path of detection: checked rules and indicators become one immutable [`Ruleset`]; a [`Scanner`]
//! tells what an event matches; a [`Correlator`] counts over event time; [`raise()`] turns a match into an alert.
//!
//! Pure: no files, no clock, no Kafka. The bytes of one event come in; matches go to a [`MatchSink`]. Same
//! events, same ruleset: the same alerts, byte for byte.
//!
//! ```text
//! Compiler ── compile ──▶ Ruleset ──▶ Scanner ── scan(payload) ──▶ MatchSink ──▶ AlertSink ──▶ Alert
//!                            └──────▶ Correlator ◀── observations ── AlertSink ─────────────▶ Alert
//! ```

#![forbid(unsafe_code)]

mod ahead;
mod cache;
mod claim;
mod class;
mod compiler;
mod correlate;
mod earlier;
mod explain;
mod fold;
mod indicators;
mod json;
mod keys;
mod literal;
mod models;
mod pattern;
mod pattern_list;
mod prefilter;
mod program;
mod raise;
mod record;
mod ruleset;
mod scan;
pub mod sketch;
mod view;
mod witness;

pub use cache::{CacheError, CacheKey, Cached, CachedPrefilters};
pub use compiler::{BuildError, Compiler};
pub use correlate::{
    Correlated, Correlator, CorrelatorStats, Dropped, Journey, Keeping, Limits, Moment, Place, Reason,
    RestoreError, Signal, SignalError, Stage, Stream, Travels,
};
pub use explain::{Sought, Waking};
pub use indicators::{
    AddCounts, Added, BadWarning, FIELDS as INDICATOR_FIELDS, Holds, IndicatorField, IndicatorId,
    IndicatorTable, IndicatorTableBuilder, Judgement, Listed, LookUp, Rejected, Rejection, RejectionReason,
    Rejections, Scratch, UpdateCounts, WarningLists,
};
pub use models::Models;
pub use raise::{AlertSink, Observing, raise};
pub use ruleset::{RuleIndex, Ruleset};
pub use scan::{Finding, HeldScanner, Match, MatchSink, Origin, ScanError, ScanStats, Scanner};
pub use view::EventView;
