//! The hot path of detection: checked rules and indicators become one immutable [`Ruleset`]; a [`Scanner`]
//! tells what an event matches; a [`Correlator`] counts over event time; [`raise()`] turns a match into an alert.
//!
//! Pure: no files, no clock, no Kafka. The bytes of one event come in; matches go to a [`MatchSink`]. Same
//! events, same ruleset: the same alerts, byte for byte.
//!
//! ```text
//! Compiler ── compile ──▶ Ruleset ──▶ Scanner ── scan(payload) ──▶ MatchSink ──▶ AlertSink ──▶ Alert
//!                            └──────▶ Correlator ── observe(event, hits) ────────────────────▶ Alert
//! ```

#![forbid(unsafe_code)]

mod compiler;
mod correlate;
mod indicators;
mod pattern;
mod prefilter;
mod program;
mod raise;
mod record;
mod ruleset;
mod scan;

pub use compiler::{BuildError, Compiler};
pub use correlate::{Correlator, CorrelatorStats, RestoreError};
pub use indicators::{
    AddCounts, Added, FIELDS as INDICATOR_FIELDS, Holds, IndicatorField, IndicatorId, IndicatorTable,
    IndicatorTableBuilder, Scratch, UpdateCounts,
};
pub use raise::{AlertSink, RuleHit, raise};
pub use ruleset::{RuleIndex, Ruleset};
pub use scan::{EventView, Finding, Match, MatchSink, Origin, ScanError, Scanner};
