//! Someone adds a remark.

use ingest_event::Timestamp;

use crate::{Actor, Change, Incident, TimelineEntry, TimelineKind};

/// Records a remark; whatever state the incident is in, it stays there. `None` if the remark is empty.
#[must_use]
pub fn comment(incident: &Incident, actor: &Actor, note: &str, now: Timestamp) -> Option<Change> {
    if note.trim().is_empty() {
        return None;
    }
    let entry = TimelineEntry {
        at: now,
        kind: TimelineKind::Comment,
        actor: actor.clone(),
        text: note.to_owned(),
    };
    Some(Change::progressed(incident.changed(now), entry))
}
