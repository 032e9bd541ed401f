//! Several incidents of one owner become one.

use alerting_incident::{Actor, Before, Incident, IncidentId, Undoable};
use serde_json::json;

use super::{Refused, audit, hand_over, save, there};
use crate::{
    access::Seen,
    state::State,
    store::{Done, Store},
};

/// Makes incidents part of one. All are one owner's: what one tenant's incident says must not stand in another's.
///
/// # Errors
/// [`Refused`].
pub(crate) async fn merge(
    state: &State,
    reach: &Seen,
    survivor: &IncidentId,
    others: &[IncidentId],
    actor: &Actor,
    note: &str,
) -> Result<(), Refused> {
    let now = state.now();
    let mut write = state.store.begin().await?;
    let whole = there(&mut write, reach, survivor).await?;
    let mut family = Store::parts_in(&mut write, survivor).await?.len();
    let mut parts = Vec::new();
    for id in others {
        let part = there(&mut write, reach, id).await?;
        if part.owner != whole.owner {
            let detail =
                "they are not one organisation's: what one sees must not stand in another's incident";
            return Err(Refused::because(detail));
        }
        let theirs = Store::parts_in(&mut write, id).await?;
        let theirs: Vec<IncidentId> = theirs.into_iter().map(|one| one.incident.id).collect();
        family += theirs.len();
        parts.push((part, theirs));
    }
    let incidents: Vec<Incident> = parts.iter().map(|(part, _)| part.incident.clone()).collect();
    let merged = alerting_incident::merge(&whole.incident, &incidents, family, actor, note, now)
        .map_err(Refused::because)?;
    let mut noted = Vec::new();
    for ((part, theirs), change) in parts.iter().zip(&merged.parts) {
        save(state, &mut write, change, part).await?;
        hand_over(&mut write, theirs, survivor, now).await?;
        Store::forget_done(&mut write, &part.incident.id).await?;
        noted.push((
            part.incident.id.clone(),
            Before::of(&part.incident),
            theirs.clone(),
        ));
    }
    save(state, &mut write, &merged.survivor, &whole).await?;
    let done = Done {
        what: Undoable::Merge,
        at: now,
        before: Before::of(&whole.incident),
        others: noted,
    };
    Store::save_done(&mut write, survivor, actor, &done).await?;
    let after = json!({ "parts": others.iter().map(IncidentId::as_str).collect::<Vec<_>>(), "note": note });
    audit(
        &mut write,
        (actor, "incident.merged"),
        now,
        survivor,
        (None, &after),
    )
    .await?;
    Ok(state.store.commit(write).await?)
}
