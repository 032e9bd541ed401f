//! Someone concludes: true, false, or help is needed.

use ingest_event::Timestamp;

use crate::{Actor, Change, ChangeKind, Incident, Priority, State, TimelineEntry, TimelineKind, Verdict};

/// Records a verdict; who has one has taken the incident too. Asking for help raises the priority until another
/// verdict follows. `None` if the verdict stands already, or the incident is closed; but a call for help is heard then too.
#[must_use]
pub fn judge(
    incident: &Incident,
    actor: &Actor,
    verdict: Verdict,
    note: &str,
    now: Timestamp,
) -> Option<Change> {
    // Who needs help is heard, also after the end.
    let is_over = incident.state == State::Closed && verdict != Verdict::NeedHelp;
    if incident.verdict == Some(verdict) || is_over {
        return None;
    }
    let mut next = incident.changed(now);
    next.advance(State::Acknowledged);
    next.verdict = Some(verdict);
    let kind = match verdict {
        Verdict::NeedHelp => {
            next.priority = Priority::Raised;
            ChangeKind::HelpNeeded
        }
        Verdict::TruePositive | Verdict::FalsePositive => {
            next.priority = Priority::Normal;
            ChangeKind::Progressed
        }
    };
    let text = if note.is_empty() {
        verdict.to_string()
    } else {
        format!("{verdict}: {note}")
    };
    let entry = TimelineEntry {
        at: now,
        kind: TimelineKind::Verdict,
        actor: actor.clone(),
        text,
    };
    Some(Change {
        incident: next,
        kind,
        timeline: vec![entry],
    })
}
