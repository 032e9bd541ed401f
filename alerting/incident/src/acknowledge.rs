//! Someone takes an incident.

use ingest_event::Timestamp;

use crate::{Actor, Change, Incident, State, TimelineEntry, TimelineKind};

/// Records that someone has taken the incident, with their remark. `None` if someone had before, unless the CERT was asked for
/// help and an analyst takes it.
#[must_use]
pub fn acknowledge(incident: &Incident, actor: &Actor, note: &str, now: Timestamp) -> Option<Change> {
    let is_waiting = incident
        .escalation
        .is_some_and(|escalation| escalation.due.is_some());
    let asked = is_waiting && matches!(actor, Actor::Analyst { .. });
    if incident.is_answered() && !asked {
        return None;
    }
    let mut next = incident.changed(now);
    next.advance(State::Acknowledged);
    let text = note.to_owned();
    let entry = TimelineEntry {
        at: now,
        kind: TimelineKind::Acknowledged,
        actor: actor.clone(),
        text,
    };
    Some(Change::progressed(next, entry))
}
