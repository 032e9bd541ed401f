//! Incidents: alerts grouped for one organisation, with a life; whom to tell, and what they answered.
//!
//! A pure state machine (D9): an alert or an answer goes in, a [`Change`] comes out. It has no clock, no file, no
//! network and no randomness: `now` and earlier state are arguments, ids are derived. The service around it
//! (crate `alerting`) stores changes and sends notifications; nothing here knows how.
//!
//! The verbs, in the order of an incident's life: [`apply`], [`route`], [`decide`], [`notified`], [`seen`],
//! [`acknowledge`], [`judge`], [`comment`], [`close`]; and where nobody answers, [`escalate`], where another explains it,
//! [`inhibit`], where it grows after somebody took it, [`tell_of_growth`]. What belongs together leaves as one ([`Grouping`]).
//! Who sorts them out has [`assign`], [`merge`], [`split`] and [`undo`]; which authority must be told by when is in [`obligations`].
//! Who may do which of them is in [`access`].

#![forbid(unsafe_code)]

pub mod access;
pub mod calendar;

mod digest;
mod group;
mod incident;
mod ladder;
mod notification;
mod organization;
mod registry;
mod reveal;
mod silence;
mod steady;
mod succession;
mod taxonomy;

mod acknowledge;
mod apply;
mod assign;
mod close;
mod comment;
mod decide;
mod escalate;
mod grow;
mod inhibit;
mod judge;
mod merge;
mod notified;
mod route;
mod seen;
mod split;
mod statutory;
mod undo;

pub use acknowledge::acknowledge;
pub use apply::{
    CROWD_GROWN, CROWD_MIN, CROWD_WINDOW, History, QUIET_MAX, apply, goes_on, span, taken_literally,
};
pub use assign::{Assignee, assign};
pub use close::close;
pub use comment::{Visibility, comment, remark};
pub use decide::{Decision, decide};
pub use digest::{Gathered, Gathering};
pub use escalate::{escalate, unreached};
pub use group::{GRAVE_WAIT_MAX, Grouping, INTERVAL_MAX, Together, WAIT_MAX};
pub use grow::tell_of_growth;
pub use incident::{
    Actor, Change, ChangeKind, DedupKey, Incident, IncidentId, MANY, Priority, SAMPLES_MAX, State,
    TimelineEntry, TimelineKind, Verdict,
};
pub use inhibit::{
    Described, Equal, INHIBIT_MAX, Inhibition, inhibit, inhibitor, look_again, may_be_inhibited,
};
pub use judge::judge;
pub use ladder::{Escalation, Ladder, Moment, REMINDERS_MAX, Rung};
pub use merge::{MERGED_MAX, MergeError, Merged, Part, handed_over, merge, part_grown, released, unmerge};
pub use notification::{Notification, NotificationId, NotifyReason};
pub use notified::notified;
pub use organization::{
    Channel, County, Language, MailKeys, Organization, Responder, ResponderId, Role, Sector, Validity,
};
pub use registry::{Registry, RegistryError, Standing};
pub use reveal::{RevealState, RevealStep, askable};
pub use route::{Question, Route, RouteResult, RouteStep, RouteTable, StepKind, route};
pub use seen::seen;
pub use silence::{REASON_CHARS_MAX, SILENCE_MAX, Silence, SilenceError, SilenceId};
pub use split::{Chosen, Portion, SplitError, SplitUp, split};
pub use statutory::{Obligation, Regime, Stage, Warning, obligations, warned};
pub use steady::{Keeper, LEASE, Reading, Steady};
pub use succession::{Body, Fate, Succession, SuccessionError, Successions};
pub use taxonomy::{Taxon, TaxonClass};
pub use undo::{Before, UNDO_WITHIN, UndoError, Undoable, is_in_time, undo};
