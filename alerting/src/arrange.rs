//! Who sorts incidents out: assign, merge, split, take back, remark.
//!
//! Each is one transaction with its entry in the audit log. What people did with an incident last is noted beside it
//! (`store::Done`), so that they can take it back for a while.

mod merge;
mod split;
mod undo;

use alerting_incident::{
    Actor, Assignee, Before, Change, Incident, IncidentId, Undoable, Visibility, assign, handed_over,
    part_grown, remark,
};
use detect_alert::Alert;
use ingest_event::Timestamp;
use serde_json::{Value as Json, json};
use thiserror::Error;

pub(crate) use merge::merge;
pub(crate) use split::{Part, split};
pub(crate) use undo::undo;

use crate::{
    access::Seen,
    audit::Deed,
    intake::search_text,
    state::State,
    store::{Done, Store, Stored, Write},
};

/// Why something was not done.
#[derive(Debug, Error)]
pub(crate) enum Refused {
    /// There is no such incident where the asker may do this.
    #[error("there is no such incident")]
    NotThere,
    /// It can't be, as things are.
    #[error("{0}")]
    Conflict(String),
    /// The store is away.
    #[error("ask the store")]
    Store(#[from] sqlx::Error),
}

impl Refused {
    fn because(error: impl std::fmt::Display) -> Self {
        Self::Conflict(error.to_string())
    }
}

/// Gives an incident to someone, or to nobody. What was so already stays as it is.
///
/// # Errors
/// [`Refused`].
pub(crate) async fn give(
    state: &State,
    reach: &Seen,
    id: &IncidentId,
    assignee: Option<&Assignee>,
    actor: &Actor,
    note: &str,
) -> Result<(), Refused> {
    let now = state.now();
    let mut write = state.store.begin().await?;
    let stored = there(&mut write, reach, id).await?;
    let Some(change) = assign(&stored.incident, assignee, actor, note, now) else {
        if stored.incident.is_over() {
            return Err(Refused::because("the incident is closed"));
        }
        return Ok(());
    };
    note_answer(&mut write, &stored.incident, actor, Some(Undoable::Assign), now).await?;
    let deed = (actor, "incident.assigned");
    let name = |one: &Option<Assignee>| json!(one.as_ref().map(|one| &one.name));
    let before = name(&stored.incident.assignee);
    let after = name(&change.incident.assignee);
    save(state, &mut write, &change, &stored).await?;
    audit(&mut write, deed, now, id, (Some(&before), &after)).await?;
    Ok(state.store.commit(write).await?)
}

/// Adds a remark, for the CERT or for all who see the incident. One that is there already is not added again.
///
/// # Errors
/// [`Refused`].
pub(crate) async fn say(
    state: &State,
    reach: &Seen,
    id: &IncidentId,
    actor: &Actor,
    (note, visibility): (&str, Visibility),
) -> Result<(), Refused> {
    let mut write = state.store.begin().await?;
    let stored = there(&mut write, reach, id).await?;
    let stored = answers_for(&mut write, stored).await?;
    let id = &stored.incident.id;
    if Store::has_remark(&mut write, id, actor, note).await? {
        return Ok(());
    }
    if let Some(change) = remark(&stored.incident, actor, note, visibility, state.now()) {
        save(state, &mut write, &change, &stored).await?;
        state.store.commit(write).await?;
    }
    Ok(())
}

/// The incident that counts what an incident counts, and the latter itself if that is another: alerts of its key come home there.
///
/// # Errors
/// If the store is away.
pub(crate) async fn whole(
    write: &mut Write,
    latest: Option<Stored>,
) -> sqlx::Result<(Option<Stored>, Option<Stored>)> {
    let Some(part) = latest else {
        return Ok((None, None));
    };
    let Some(into) = part.incident.merged_into.clone() else {
        return Ok((Some(part), None));
    };
    let whole = Store::incident_in(write, &Seen::unasked(&into), &into).await?;
    // Another's by now: nothing of this one's goes there, and what comes is told of as new.
    let Some(whole) = whole.filter(|whole| whole.owner == part.owner) else {
        return Ok((Some(part), None));
    };
    let whole = Some(whole);
    let home = whole
        .as_ref()
        // Of the same key it counts by itself.
        .filter(|whole| whole.incident.key != part.incident.key)
        .map(|_| part);
    Ok((whole, home))
}

/// One alert more for one that is part of another.
///
/// # Errors
/// If the store is away.
pub(crate) async fn grow(
    write: &mut Write,
    home: &Stored,
    alert: &Alert,
    now: Timestamp,
) -> sqlx::Result<()> {
    let change = told(part_grown(&home.incident, alert, now), vec![]);
    save_quietly(write, &change, home).await
}

/// Says of which incident others are part.
async fn hand_over(
    write: &mut Write,
    parts: &[IncidentId],
    to: &IncidentId,
    now: Timestamp,
) -> sqlx::Result<()> {
    for id in parts {
        if let Some(part) = Store::incident_in(write, &Seen::unasked(id), id).await? {
            let change = told(handed_over(&part.incident, to, now), vec![]);
            save_quietly(write, &change, &part).await?;
        }
    }
    Ok(())
}

/// Stores a change of which nothing is searched for that was not before.
async fn save_quietly(write: &mut Write, change: &Change, stored: &Stored) -> sqlx::Result<()> {
    let search = Store::search_of(write, &stored.incident.id).await?;
    Store::save_change(write, change, stored.owner, &stored.route, &search).await
}

/// Of a part the whole, if it is the same owner's still: who answers for one answers for the other.
///
/// # Errors
/// If the store is away.
pub(crate) async fn answers_for(write: &mut Write, named: Stored) -> sqlx::Result<Stored> {
    let Some(into) = named.incident.merged_into.clone() else {
        return Ok(named);
    };
    let whole = Store::incident_in(write, &Seen::unasked(&into), &into).await?;
    Ok(whole.filter(|whole| whole.owner == named.owner).unwrap_or(named))
}

/// What was acknowledged is whose who did so, if it was nobody's.
pub(crate) fn taken_by(
    mut change: Change,
    assignee: Option<&Assignee>,
    actor: &Actor,
    now: Timestamp,
) -> Change {
    let is_nobodys = change.incident.assignee.is_none();
    if let Some(given) = assignee
        .filter(|_| is_nobodys)
        .and_then(|assignee| assign(&change.incident, Some(assignee), actor, "", now))
    {
        change.incident.assignee = given.incident.assignee;
        change.timeline.extend(given.timeline);
    }
    change
}

/// Notes an answer, so that it can be taken back; nothing that was noted before can be, then. Having seen it is no answer.
///
/// # Errors
/// If the store is away.
pub(crate) async fn note_answer(
    write: &mut Write,
    before: &Incident,
    actor: &Actor,
    what: Option<Undoable>,
    now: Timestamp,
) -> sqlx::Result<()> {
    let Some(what) = what else { return Ok(()) };
    let done = Done {
        what,
        at: now,
        before: Before::of(before),
        others: vec![],
    };
    Store::save_done(write, &before.id, actor, &done).await
}

async fn there(write: &mut Write, reach: &Seen, id: &IncidentId) -> Result<Stored, Refused> {
    let stored = Store::incident_in(write, reach, id).await?;
    stored.ok_or(Refused::NotThere)
}

/// Stores a change of an incident that stays whose it is.
async fn save(state: &State, write: &mut Write, change: &Change, stored: &Stored) -> sqlx::Result<()> {
    let search = search_text(state, &change.incident, stored.owner);
    Store::save_change(write, change, stored.owner, &stored.route, &search).await
}

async fn audit(
    write: &mut Write,
    (actor, action): (&Actor, &str),
    now: Timestamp,
    id: &IncidentId,
    (before, after): (Option<&Json>, &Json),
) -> sqlx::Result<()> {
    let deed = Deed::by(actor, now, action, format!("incident/{id}"));
    Store::audit(write, deed.before(before).after(Some(after)))
        .await
        .map(|_| ())
}

/// A change that only a line of the timeline tells of.
fn told(incident: Incident, timeline: Vec<alerting_incident::TimelineEntry>) -> Change {
    Change {
        incident,
        kind: alerting_incident::ChangeKind::Progressed,
        timeline,
    }
}
