//! What somebody did last is taken back.

use alerting_incident::{
    Actor, Before, Incident, IncidentId, SplitError, UndoError, Undoable, is_in_time, unmerge,
};
use serde_json::json;

use super::{Refused, audit, hand_over, save, split::incidents, there, told};
use crate::{
    access::Seen,
    state::State,
    store::{Done, Store, Stored, Write},
};

/// Takes back what `actor` did with an incident last; gives what that was. Who was told because of it gets a correction.
///
/// # Errors
/// [`Refused`].
pub(crate) async fn undo(
    state: &State,
    reach: &Seen,
    id: &IncidentId,
    actor: &Actor,
) -> Result<Undoable, Refused> {
    let moment = state.moment();
    let mut write = state.store.begin().await?;
    let stored = there(&mut write, reach, id).await?;
    let done = Store::done(&mut write, id, actor)
        .await?
        .ok_or_else(|| Refused::because(UndoError::NotYours))?;
    if !is_in_time(done.at, moment.now) {
        return Err(Refused::because(UndoError::TooLate));
    }
    if done.what == Undoable::Close && Store::has_come_back(&mut write, &stored.incident).await? {
        return Err(Refused::because(UndoError::CameBack));
    }
    let incident = match done.what {
        Undoable::Merge => take_apart(state, &mut write, &stored, &done).await?,
        Undoable::Split => {
            join(state, &mut write, &stored, &done, actor).await?;
            let now = there(&mut write, reach, id).await?;
            now.incident
        }
        Undoable::Acknowledge | Undoable::Verdict | Undoable::Close | Undoable::Assign => {
            stored.incident.clone()
        }
    };
    // Of a split nothing but its parts changed.
    let before = match done.what {
        Undoable::Split => Before::of(&incident),
        _ => done.before.clone(),
    };
    let change = alerting_incident::undo(&incident, &before, done.what, actor, &state.ladder, moment);
    save(state, &mut write, &change, &stored).await?;
    if change.incident.verdict != stored.incident.verdict {
        Store::conclude(&mut write, &change.incident).await?;
    }
    let mut corrected = 0;
    if done.what == Undoable::Verdict {
        corrected = state.store.correct(&mut write, id, done.at, moment.now).await?;
    }
    Store::forget_done(&mut write, id).await?;
    let after = json!({ "what": done.what.as_str(), "corrected": corrected });
    audit(
        &mut write,
        (actor, "incident.undone"),
        moment.now,
        id,
        (None, &after),
    )
    .await?;
    state.store.commit(write).await?;
    if 0 < corrected {
        state.decided.all();
    }
    Ok(done.what)
}

/// What became part of it is its own again, as it was; what came since goes with it.
async fn take_apart(
    state: &State,
    write: &mut Write,
    whole: &Stored,
    done: &Done,
) -> Result<Incident, Refused> {
    let moment = state.moment();
    let mut rest = whole.incident.clone();
    for (id, before, theirs) in &done.others {
        hand_over(write, theirs, id, moment.now).await?;
        let (out, staying): (Vec<_>, Vec<_>) = Store::parts_in(write, &whole.incident.id)
            .await?
            .into_iter()
            .partition(|one| one.incident.id == *id);
        let Some(out) = out.into_iter().next() else {
            return Err(Refused::because(UndoError::PartOver));
        };
        let its = incidents(Store::parts_in(write, id).await?);
        let (without, own) = unmerge(
            &rest,
            &incidents(staying),
            &out.incident,
            &its,
            Some(before),
            &state.ladder,
            moment,
        );
        save(state, write, &told(own, vec![]), &out).await?;
        rest = without;
    }
    Ok(rest)
}

/// What was split off is part of it again.
async fn join(
    state: &State,
    write: &mut Write,
    whole: &Stored,
    done: &Done,
    actor: &Actor,
) -> Result<(), Refused> {
    let Some((part, ..)) = done.others.first() else {
        return Err(Refused::because(SplitError::Nothing));
    };
    let part: &IncidentId = part;
    let part = Store::incident_in(write, &Seen::unasked(part), part).await?;
    let part = part
        .filter(|part| !part.incident.is_over() && part.owner == whole.owner)
        .ok_or_else(|| Refused::because(UndoError::PartOver))?;
    let theirs = Store::parts_in(write, &part.incident.id).await?;
    let theirs: Vec<IncidentId> = theirs.into_iter().map(|one| one.incident.id).collect();
    let family = Store::parts_in(write, &whole.incident.id).await?.len() + theirs.len();
    let merged = alerting_incident::merge(
        &whole.incident,
        std::slice::from_ref(&part.incident),
        family,
        actor,
        "",
        state.now(),
    )
    .map_err(Refused::because)?;
    for change in &merged.parts {
        save(state, write, change, &part).await?;
        // What was done with it alone can't be taken back of a part.
        Store::forget_done(write, &part.incident.id).await?;
    }
    hand_over(write, &theirs, &whole.incident.id, state.now()).await?;
    if whole.incident.is_crowd() && !part.incident.is_crowd() {
        // It is among the things again that the incident is about.
        Store::recount_member(write, &whole.incident.id, &part.incident).await?;
    }
    Ok(save(state, write, &merged.survivor, whole).await?)
}
