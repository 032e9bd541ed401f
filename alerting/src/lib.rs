//! The alerting service: alerts come in from the bus, become incidents, reach the responder, and are answered.
//!
//! A dull service around a pure core (crate `alerting-incident`, D9): [`service::run`] starts the loop that applies
//! alerts (`intake`), the one that passes on what nobody answers (`ticker`), the outbox that sends what was decided (`outbox`, `letters`, `channel`, `notice`), and the HTTP side with
//! console, API and metrics (`api`). Everything durable is in `store`, in one transaction per step.

#![forbid(unsafe_code)]

pub mod access;
pub mod audit;
pub mod bounce;
pub mod clock;
pub mod config;
pub mod metrics;
pub mod registry;
pub mod reveal;
pub mod service;

mod answer;
mod api;
mod arrange;
mod channel;
mod intake;
#[cfg(test)]
mod issued;
mod letters;
mod link;
mod notice;
mod outbox;
mod private;
mod report;
mod state;
mod statutory;
mod store;
mod ticker;
pub mod trial;

pub use api::openapi::{document, operations};
pub use state::Neighbours;
