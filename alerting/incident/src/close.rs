//! Someone ends an incident.

use ingest_event::Timestamp;

use crate::{Actor, Change, Incident, Priority, State, TimelineEntry, TimelineKind};

/// Closes the incident: the next alert of its key opens a new one that refers to it. `None` if it was closed, unless help was
/// asked for since.
#[must_use]
pub fn close(incident: &Incident, actor: &Actor, note: &str, now: Timestamp) -> Option<Change> {
    let is_waiting = incident
        .escalation
        .is_some_and(|escalation| escalation.due.is_some());
    if incident.state == State::Closed && !is_waiting {
        return None;
    }
    let mut next = incident.changed(now);
    next.advance(State::Closed);
    next.priority = Priority::Normal;
    let text = note.to_owned();
    let entry = TimelineEntry {
        at: now,
        kind: TimelineKind::Closed,
        actor: actor.clone(),
        text,
    };
    Some(Change::progressed(next, entry))
}
