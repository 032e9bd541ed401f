//! Someone takes back what they did last.

use std::time::Duration;

use detect_alert::Severity;
use ingest_event::Timestamp;
use thiserror::Error;

use crate::{
    Actor, Assignee, Change, Escalation, Incident, IncidentId, Moment, Priority, State, TimelineEntry,
    TimelineKind, Verdict, incident::codes,
};

/// For so long: what was a slip is seen at once, and what others have built on is no slip.
pub const UNDO_WITHIN: Duration = Duration::from_mins(10);

codes! {
    /// What can be taken back.
    Undoable as "change" {
        /// Someone took it.
        Acknowledge = "acknowledge",
        /// Someone concluded.
        Verdict = "verdict",
        /// Someone ended it.
        Close = "close",
        /// Someone gave it to someone.
        Assign = "assign",
        /// Someone merged others into it.
        Merge = "merge",
        /// Someone split it.
        Split = "split",
    }
}

/// What an incident was before somebody changed it, of what such a change touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// How far it had come.
    pub state: State,
    /// What had been concluded.
    pub verdict: Option<Verdict>,
    /// How soon to look.
    pub priority: Priority,
    /// Who was waited for.
    pub escalation: Option<Escalation>,
    /// Who worked on it.
    pub assignee: Option<Assignee>,
    /// What explained it, because of which nobody was told.
    pub inhibited_by: Option<IncidentId>,
    /// How grave it was.
    pub severity: Severity,
}

/// Why something can't be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UndoError {
    /// Somebody else did something since, or nothing that can be taken back was done.
    #[error(
        "there is nothing of yours to take back: the last change was another's, or is of a kind that stays"
    )]
    NotYours,
    /// It was too long ago.
    #[error("it was more than 10 minutes ago")]
    TooLate,
    /// It goes on in another incident meanwhile.
    #[error("it came back meanwhile, as an incident of its own: merge them instead")]
    CameBack,
    /// What was split off is over.
    #[error("what was split off is closed, or part of another")]
    PartOver,
}

impl Before {
    /// Of an incident as it is.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        Self {
            state: incident.state,
            verdict: incident.verdict,
            priority: incident.priority,
            escalation: incident.escalation,
            assignee: incident.assignee.clone(),
            inhibited_by: incident.inhibited_by.clone(),
            severity: incident.severity(),
        }
    }

    /// Makes an incident so again.
    pub(crate) fn put(&self, incident: &mut Incident) {
        incident.state = self.state;
        incident.verdict = self.verdict;
        incident.priority = self.priority;
        incident.escalation = self.escalation;
        incident.assignee.clone_from(&self.assignee);
        // If that is over meanwhile, whoever looks at what is kept back tells of it.
        if self.inhibited_by.is_some() {
            incident.inhibited_by.clone_from(&self.inhibited_by);
        }
    }
}

/// Whether something that was done at a time may still be taken back. A clock that was set back since takes nothing away.
#[must_use]
pub fn is_in_time(done_at: Timestamp, now: Timestamp) -> bool {
    now.since(done_at) <= UNDO_WITHIN
}

/// Takes back a change of one incident: it is as it was `before`, but for what alerts have added since. Who was waited for then is
/// waited for again, at once if their time is over. Whoever was told of what is taken back is told so by the service.
#[must_use]
pub fn undo(incident: &Incident, before: &Before, what: Undoable, actor: &Actor, moment: Moment) -> Change {
    let mut next = incident.changed(moment.now);
    before.put(&mut next);
    next.escalation = match (before.escalation, incident.escalation) {
        // It became graver since: those who were told of that stay told.
        (Some(then), Some(now)) if before.severity < incident.severity() => Some(Escalation {
            rung: then.rung.max(now.rung),
            ..then
        }),
        // It was told of first while it was answered: whoever was told has not answered now.
        (None, Some(now)) if before.severity < incident.severity() => Some(Escalation {
            due: Some(moment.steady),
            ..now
        }),
        (then, _) => then,
    };
    let entry = TimelineEntry {
        at: moment.now,
        kind: TimelineKind::Undone,
        actor: actor.clone(),
        text: what.to_string(),
    };
    Change::progressed(next, entry)
}
