//! Someone adds a remark.

use ingest_event::Timestamp;

use crate::{Actor, Change, Incident, TimelineEntry, TimelineKind, incident::codes};

codes! {
    /// Who reads a remark.
    Visibility as "visibility" {
        /// The CERT.
        Internal = "internal",
        /// The CERT and whose incident it is.
        Shared = "shared",
    }
}

/// Records a remark that the CERT reads; whatever state the incident is in, it stays there. `None` if the remark is empty.
#[must_use]
pub fn comment(incident: &Incident, actor: &Actor, note: &str, now: Timestamp) -> Option<Change> {
    remark(incident, actor, note, Visibility::Internal, now)
}

/// As [`comment`], for those who may read it.
#[must_use]
pub fn remark(
    incident: &Incident,
    actor: &Actor,
    note: &str,
    visibility: Visibility,
    now: Timestamp,
) -> Option<Change> {
    if note.trim().is_empty() {
        return None;
    }
    let entry = TimelineEntry {
        at: now,
        kind: match visibility {
            Visibility::Internal => TimelineKind::Comment,
            Visibility::Shared => TimelineKind::Shared,
        },
        actor: actor.clone(),
        text: note.to_owned(),
    };
    Some(Change::progressed(incident.changed(now), entry))
}
