//! A notification left: its channel gave a receipt.

use ingest_event::Timestamp;

use crate::{Actor, Change, Incident, State, TimelineEntry, TimelineKind};

/// Records that a responder was told. The state moves on with the first; each gets its line.
#[must_use]
pub fn notified(incident: &Incident, responder: &str, now: Timestamp) -> Change {
    let mut next = incident.changed(now);
    next.advance(State::Notified);
    let entry = TimelineEntry {
        at: now,
        kind: TimelineKind::Notified,
        actor: Actor::Varde,
        text: responder.to_owned(),
    };
    Change::progressed(next, entry)
}
