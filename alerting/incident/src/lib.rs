//! Incidents: alerts grouped for one organisation, with a life; whom to tell, and what they answered.
//!
//! A pure state machine (D9): an alert or an answer goes in, a [`Change`] comes out. It has no clock, no file, no
//! network and no randomness: `now` and earlier state are arguments, ids are derived. The service around it
//! (crate `alerting`) stores changes and sends notifications; nothing here knows how.
//!
//! The verbs, in the order of an incident's life: [`apply`], [`route`], [`decide`], [`notified`], [`seen`],
//! [`acknowledge`], [`judge`], [`comment`], [`close`].

#![forbid(unsafe_code)]

mod incident;
mod notification;
mod organization;
mod registry;
mod succession;

mod acknowledge;
mod apply;
mod close;
mod comment;
mod decide;
mod judge;
mod notified;
mod route;
mod seen;

pub use acknowledge::acknowledge;
pub use apply::{History, QUIET_MAX, apply};
pub use close::close;
pub use comment::comment;
pub use decide::decide;
pub use incident::{
    Actor, Change, ChangeKind, DedupKey, Incident, IncidentId, Priority, SAMPLES_MAX, State, TimelineEntry,
    TimelineKind, Verdict,
};
pub use judge::judge;
pub use notification::{Notification, NotificationId, NotifyReason};
pub use notified::notified;
pub use organization::{
    Channel, County, Language, Organization, Responder, ResponderId, Role, Sector, Validity,
};
pub use registry::{Registry, RegistryError, Standing};
pub use route::{Question, Route, RouteResult, RouteStep, RouteTable, StepKind, route};
pub use seen::seen;
pub use succession::{Body, Fate, Succession, SuccessionError, Successions};
