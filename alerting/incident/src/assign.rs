//! Someone gets an incident to work on, or nobody.

use ingest_event::Timestamp;

use crate::{Actor, Change, Incident, TimelineEntry, TimelineKind};

/// Who works on an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignee {
    /// The account's id: names change, and two people may share one.
    pub account: String,
    /// As shown, when it was given to them.
    pub name: String,
}

/// Gives an incident to someone, or to nobody; that takes it for nobody: who is waited for is waited for still. `None` if it
/// is theirs already, or over.
#[must_use]
pub fn assign(
    incident: &Incident,
    assignee: Option<&Assignee>,
    actor: &Actor,
    note: &str,
    now: Timestamp,
) -> Option<Change> {
    let account = |assignee: &Assignee| assignee.account.clone();
    let is_same = incident.assignee.as_ref().map(account) == assignee.map(account);
    if is_same || incident.is_over() {
        return None;
    }
    let mut next = incident.changed(now);
    next.assignee = assignee.cloned();
    let name = assignee.map_or("–", |assignee| assignee.name.as_str());
    let entry = TimelineEntry {
        at: now,
        kind: TimelineKind::Assigned,
        actor: actor.clone(),
        text: with_note(name, note),
    };
    Some(Change::progressed(next, entry))
}

/// A line of the timeline with what somebody remarked beside it.
pub(crate) fn with_note(what: &str, note: &str) -> String {
    if note.trim().is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {note}")
    }
}
