//! Small models whose verdicts can be computed again, bit for bit, from what was recorded.
//!
//! Two of them: [`DomainModel`] judges whether a registered domain looks drawn by a machine, [`FlowModel`] whether one
//! flow looks like exfiltration, a keep-alive, a scan or a tunnel. Each is a few dozen small trees over integer
//! features; a verdict is a sum of integers, so that x86-64 and arm64 agree. [`train`] makes them from names and flows
//! that it draws itself and names that the caller gives; the same input and seed give the same bytes.
//!
//! No clock, file or network: a model comes as bytes ([`DomainModel::load`]), training data as strings. What a verdict
//! is used for, and whether models are on at all, is the caller's: without a model there is nothing to call.
//! What each model is for, what it was trained with and where it fails stands on its card in `rulesets/models/`.

#![forbid(unsafe_code)]

mod characters;
mod domain;
mod flow;
mod format;
mod label;
mod record;
pub mod train;
mod trees;

pub use domain::{DomainModel, DomainVerdict};
pub use flow::{FlowDirection, FlowFeatures, FlowModel, FlowState, FlowTransport, FlowVerdict};
pub use format::{Identity, LoadError, VERSION};
pub use record::{Record, RecordError};
pub use trees::{FEATURES_MAX, Push, Row, Score};
