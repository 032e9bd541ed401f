//! A part of an incident becomes its own.

use alerting_incident::{Actor, Before, Chosen, Incident, IncidentId, TimelineEntry, TimelineKind, Undoable};
use serde_json::json;

use super::{Refused, audit, save, there, told};
use crate::{
    access::Seen,
    state::State,
    store::{Done, Few, Store, Stored, Write},
};

/// What becomes its own.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// One that became part of it.
    Incident(IncidentId),
    /// All about a thing of an incident about many.
    Entity(String),
    /// Some alerts.
    Alerts(Vec<String>),
}

/// Splits an incident; gives the id of what is its own now.
///
/// # Errors
/// [`Refused`].
pub(crate) async fn split(
    state: &State,
    reach: &Seen,
    id: &IncidentId,
    part: &Part,
    actor: &Actor,
    note: &str,
) -> Result<IncidentId, Refused> {
    let now = state.now();
    let mut write = state.store.begin().await?;
    let whole = there(&mut write, reach, id).await?;
    let own = match part {
        Part::Incident(own) => {
            take_out(state, &mut write, &whole, own, actor, note).await?;
            Store::forget_done(&mut write, id).await?;
            own.clone()
        }
        Part::Entity(value) => {
            let which = (Chosen::Entity(value.clone()), Few::About(value.clone()));
            part_off(state, &mut write, &whole, which, actor, note).await?
        }
        Part::Alerts(ids) => {
            let few = Few::These(ids.clone());
            let events = Store::events_of(&mut write, &few).await?.into_iter().collect();
            part_off(
                state,
                &mut write,
                &whole,
                (Chosen::Events(events), few),
                actor,
                note,
            )
            .await?
        }
    };
    let after = json!({ "part": own.as_str(), "note": note });
    audit(&mut write, (actor, "incident.split"), now, id, (None, &after)).await?;
    state.store.commit(write).await?;
    Ok(own)
}

/// Some of its own alerts become an incident.
async fn part_off(
    state: &State,
    write: &mut Write,
    whole: &Stored,
    (which, few): (Chosen, Few),
    actor: &Actor,
    note: &str,
) -> Result<IncidentId, Refused> {
    let (incident, now) = (&whole.incident, state.now());
    let (chosen, rest) = Store::portions(write, incident, &few).await?;
    let staying = incidents(Store::parts_in(write, &incident.id).await?);
    let done = alerting_incident::split(incident, &which, &chosen, &rest, &staying, actor, note, now)
        .map_err(Refused::because)?;
    let part = done.part.incident.id.clone();
    save(state, write, &done.part, whole).await?;
    if done.part.incident.key == incident.key {
        Store::keep_key_from(write, &part).await?;
    }
    Store::move_alerts(write, &incident.id, &part, &few).await?;
    save(state, write, &done.rest, whole).await?;
    let before = Before::of(incident);
    let noted = Done {
        what: Undoable::Split,
        at: now,
        others: vec![(part.clone(), before.clone(), vec![])],
        before,
    };
    Store::save_done(write, &incident.id, actor, &noted).await?;
    Ok(part)
}

/// One that became part of it is its own again.
async fn take_out(
    state: &State,
    write: &mut Write,
    whole: &Stored,
    part: &IncidentId,
    actor: &Actor,
    note: &str,
) -> Result<(), Refused> {
    let moment = state.moment();
    let now = moment.now;
    if whole.incident.is_over() {
        return Err(Refused::because(alerting_incident::SplitError::Over));
    }
    let (out, staying): (Vec<_>, Vec<_>) = Store::parts_in(write, &whole.incident.id)
        .await?
        .into_iter()
        .partition(|one| one.incident.id == *part);
    let Some(out) = out.into_iter().find(|out| out.owner == whole.owner) else {
        return Err(Refused::because("it is no part of this incident"));
    };
    let (rest, own) = alerting_incident::unmerge(
        &whole.incident,
        &incidents(staying),
        &out.incident,
        &[],
        None,
        &state.ladder,
        moment,
    );
    let rest = Incident {
        version: rest.version + 1,
        updated_at: now.max(rest.updated_at),
        ..rest
    };
    let line = |other: &IncidentId| {
        let text = if note.is_empty() {
            other.to_string()
        } else {
            format!("{other}: {note}")
        };
        vec![TimelineEntry {
            at: now,
            kind: TimelineKind::Split,
            actor: actor.clone(),
            text,
        }]
    };
    let (told_of_rest, told_of_own) = (line(part), line(&whole.incident.id));
    save(state, write, &told(own, told_of_own), &out).await?;
    save(state, write, &told(rest, told_of_rest), whole).await?;
    if whole.incident.is_crowd() && !out.incident.is_crowd() {
        Store::recount_member(write, &whole.incident.id, &out.incident).await?;
    }
    Ok(())
}

pub(super) fn incidents(stored: Vec<Stored>) -> Vec<Incident> {
    stored.into_iter().map(|one| one.incident).collect()
}
