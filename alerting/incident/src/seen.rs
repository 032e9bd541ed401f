//! A responder opens the link.

use ingest_event::Timestamp;

use crate::{Actor, Change, Incident, State, TimelineEntry, TimelineKind};

/// Records that a responder has seen the incident. `None` if one had before.
#[must_use]
pub fn seen(incident: &Incident, actor: &Actor, now: Timestamp) -> Option<Change> {
    if State::Seen <= incident.state {
        return None;
    }
    let mut next = incident.changed(now);
    next.advance(State::Seen);
    let entry = TimelineEntry {
        at: now,
        kind: TimelineKind::Seen,
        actor: actor.clone(),
        text: String::new(),
    };
    Some(Change::progressed(next, entry))
}
