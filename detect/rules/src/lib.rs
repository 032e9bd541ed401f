//! The authoring side of detection: Sigma rules, correlations and indicator files become checked nouns, or
//! coded diagnostics that name the file, the line and the mend.
//!
//! Text comes in (only [`read_rules`], [`read_feed_file`], [`read_warning_lists`] and their like touch files) and
//! [`CheckedRules`] go out to `detect-engine`, which compiles them. Nothing here matches events; the tables
//! that say which log source an event belongs to ([`log_source`]) and what a Sigma field is called in ECS
//! ([`field_names`]) live here because rule authors are who they are for.

#![forbid(unsafe_code)]

mod anomaly;
mod check;
mod correlation;
mod cost;
mod diagnostic;
pub mod field_names;
mod indicator;
pub mod log_source;
mod node;
mod pipeline;
mod placeholder;
mod read;
mod rule;
mod warning;

pub use anomaly::{Anomaly, AnomalyKind, Baseline};
pub use check::{Checked, Checker, Options, Place, check, check_with};
pub use correlation::{Base, BaseOf, Correlation, CorrelationKind, Expression, Operator, WindowKind};
pub use cost::{Cost, costs, is_unindexable};
pub use diagnostic::{Code, Diagnostic, Level};
pub use indicator::{
    Column, EXAMPLES_MAX, FeedDescription, FeedFormat, FeedOptions, FeedReport, Finding, FoundAt, Meaning,
    Outcome, Reason, Refusals, TableLayout, check_indicators, feed_files, feed_options, normal_url,
    parse_indicator, read_feed, read_feed_file, source_name,
};
pub use pipeline::{BUNDLED as BUNDLED_PIPELINES, Pipeline};
pub use placeholder::{Placeholders, is_placeholder_file};
pub use read::{
    LoadOptions, SourceText, load, read_indicators, read_options, read_rules, read_text, rule_files,
};
pub use rule::{
    CheckedRules, Comparison, Condition, Item, Pattern, Quantifier, Rule, RuleLogSource, Test, TextOp,
    TextPart, TimePart,
};
pub use warning::{WarningModes, check_warning_list, read_warning_lists};
