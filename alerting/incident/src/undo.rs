//! Someone takes back what they did last.

use std::time::Duration;

use detect_alert::Severity;
use ingest_event::Timestamp;
use thiserror::Error;

use crate::{
    Actor, Assignee, Change, Escalation, Incident, IncidentId, Ladder, Moment, Priority, State,
    TimelineEntry, TimelineKind, Verdict, incident::codes,
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
        if incident.state != self.state {
            // Whoever has it again has it as it is now.
            let is_taken = self.state == State::Acknowledged && incident.is_crowd();
            incident.grows_from = is_taken.then_some(incident.count);
        }
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
pub fn undo(
    incident: &Incident,
    before: &Before,
    what: Undoable,
    actor: &Actor,
    ladder: &Ladder,
    moment: Moment,
) -> Change {
    let mut next = incident.changed(moment.now);
    before.put(&mut next);
    if before.severity < incident.severity() {
        next.escalation = graver_since(before, incident, incident.escalation, ladder, moment);
    }
    let entry = TimelineEntry {
        at: moment.now,
        kind: TimelineKind::Undone,
        actor: actor.clone(),
        text: what.to_string(),
    };
    Change::progressed(next, entry)
}

/// Who is waited for where an incident became graver since what is taken back: those who were told of that, `told`, stay told. Where
/// nobody had answered, the sooner of both times holds; if neither had one, and what is so grave has, it is over.
pub(crate) fn graver_since(
    before: &Before,
    now: &Incident,
    told: Option<Escalation>,
    ladder: &Ladder,
    moment: Moment,
) -> Option<Escalation> {
    let is_open = before.state < State::Acknowledged;
    let at_once = (is_open && ladder.within(now.severity()).is_some()).then_some(moment.steady);
    match (before.escalation, told) {
        (Some(then), Some(told)) => Some(Escalation {
            rung: then.rung.max(told.rung),
            due: then
                .due
                .into_iter()
                .chain(told.due.filter(|_| is_open))
                .min()
                .or(at_once),
            ..then
        }),
        (None, Some(told)) => Some(Escalation { due: at_once, ..told }),
        (then, None) => then,
    }
}
