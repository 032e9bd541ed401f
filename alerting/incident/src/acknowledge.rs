//! Someone takes an incident.

use ingest_event::Timestamp;

use crate::{Actor, Change, Incident, State, TimelineEntry, TimelineKind};

/// Records that someone has taken the incident, with their remark. `None` if someone had before.
#[must_use]
pub fn acknowledge(incident: &Incident, actor: &Actor, note: &str, now: Timestamp) -> Option<Change> {
    if State::Acknowledged <= incident.state {
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
