//! Answers come in: someone saw, took, judged or closed an incident.
//!
//! One transaction per answer, with whatever it makes due (a call for help tells the CERT).

use alerting_incident::{
    Actor, Assignee, Change, Decision, IncidentId, NotificationId, Route, TimelineKind, Undoable, Verdict,
    access::Action, acknowledge, close, comment, decide, judge, seen,
};

use crate::{
    access::Seen,
    arrange,
    intake::search_text,
    state::State,
    store::{Store, Stored, Write},
};

/// What someone said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Opened the link.
    Seen,
    /// Takes it.
    Acknowledge,
    /// Concludes.
    Verdict(Verdict),
    /// Ends it.
    Close,
}

/// Why an answer is not recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    /// The incident is not the one that was read.
    #[error("the incident was changed meanwhile")]
    Stale,
    /// The store.
    #[error("use the store")]
    Store(#[from] sqlx::Error),
}

/// As [`record_by`], by someone without an account, whatever they read.
pub(crate) async fn record(
    state: &State,
    reach: &Seen,
    id: &IncidentId,
    notification: Option<&NotificationId>,
    actor: &Actor,
    answer: Answer,
    note: &str,
) -> Result<Option<Stored>, AnswerError> {
    let by = (actor, None);
    record_by(state, reach, id, notification, by, (answer, note), None).await
}

/// Records an answer to an incident, of the version that was read if `expected` says one; the same answer twice is one.
/// `notification` is the one it answers, if any; `reach` is where whoever says so may. An analyst who acknowledges what is nobody's
/// gets it, where `assignee` says who that is. `None` if there is no such incident there.
pub(crate) async fn record_by(
    state: &State,
    reach: &Seen,
    named_id: &IncidentId,
    notification: Option<&NotificationId>,
    (actor, assignee): (&Actor, Option<Assignee>),
    (answer, note): (Answer, &str),
    expected: Option<u64>,
) -> Result<Option<Stored>, AnswerError> {
    let now = state.now();
    let mut write = state.store.begin().await?;
    let Some(named) = Store::incident_in(&mut write, reach, named_id).await? else {
        return Ok(None);
    };
    if expected.is_some_and(|expected| expected != named.incident.version) {
        return Err(AnswerError::Stale);
    }
    // What is said of a part is said of the whole.
    let stored = arrange::answers_for(&mut write, named).await?;
    let incident = &stored.incident;
    let id = &incident.id;
    let change = match answer {
        Answer::Seen => seen(incident, actor, now),
        Answer::Acknowledge => acknowledge(incident, actor, note, now),
        Answer::Verdict(verdict) => judge(incident, actor, verdict, note, now),
        Answer::Close => close(incident, actor, note, now),
    };
    // What was said already changes nothing, but the remark that came with it is new.
    let change = match change {
        Some(change) => Some(change),
        None if Store::has_remark(&mut write, id, actor, note).await? => None,
        None => comment(incident, actor, note, now),
    };
    let has_changed = change.is_some();
    let mut is_due = false;
    if let Some(mut change) = change {
        if answer == Answer::Acknowledge && matches!(actor, Actor::Analyst { .. }) {
            change = arrange::taken_by(change, assignee.as_ref(), actor, now);
        }
        if change
            .timeline
            .iter()
            .any(|line| line.kind != TimelineKind::Comment)
        {
            arrange::note_answer(&mut write, incident, actor, answer.undoable(), now).await?;
        }
        is_due = tell(state, &mut write, change, &stored).await?;
    }
    if let Some(notification) = notification {
        let (has_acknowledged, verdict) = match answer {
            Answer::Seen => (false, None),
            Answer::Acknowledge | Answer::Close => (true, None),
            Answer::Verdict(verdict) => (true, Some(verdict)),
        };
        Store::save_answer(&mut write, notification, has_acknowledged, verdict, now).await?;
    }
    let after = Store::incident_in(&mut write, reach, named_id).await?;
    state.store.commit(write).await?;
    if has_changed {
        state.metrics.answers.with_label_values(&[answer.kind()]).inc();
    }
    if is_due {
        state.decided.all();
    }
    Ok(after)
}

/// Stores an answer with what it makes due. An answer tells no responder anew: only the CERT's own contact.
async fn tell(state: &State, write: &mut Write, change: Change, stored: &Stored) -> sqlx::Result<bool> {
    let nobody = Route {
        owner: None,
        responders: vec![],
        steps: vec![],
    };
    let Decision {
        change,
        notifications,
    } = decide(change, &nobody, &state.ladder, state.moment());
    let search = search_text(state, &change.incident, stored.owner);
    Store::save_change(write, &change, stored.owner, &stored.route, &search).await?;
    if change.incident.verdict != stored.incident.verdict {
        Store::conclude(write, &change.incident).await?;
    }
    for notification in &notifications {
        Store::add_notification(write, notification, change.incident.severity(), 0).await?;
    }
    Ok(!notifications.is_empty())
}

impl Answer {
    /// What one must be allowed to, to say so.
    pub(crate) const fn action(self) -> Action {
        match self {
            Self::Seen => Action::Read,
            Self::Acknowledge => Action::Acknowledge,
            Self::Verdict(_) => Action::Judge,
            Self::Close => Action::Close,
        }
    }

    /// As what it can be taken back.
    const fn undoable(self) -> Option<Undoable> {
        match self {
            Self::Seen => None,
            Self::Acknowledge => Some(Undoable::Acknowledge),
            Self::Verdict(_) => Some(Undoable::Verdict),
            Self::Close => Some(Undoable::Close),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Acknowledge => "acknowledged",
            Self::Verdict(_) => "verdict",
            Self::Close => "closed",
        }
    }
}
