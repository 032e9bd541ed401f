//! What was kept back is told when what explained it is over.

use alerting_incident::{
    Decision, INHIBIT_MAX, IncidentId, Question, Silence, decide, inhibitor, look_again, route,
};

use super::LOOK_MAX;
use crate::{
    access::Seen,
    intake::{search_text, steps},
    state::State,
    store::Store,
};

/// Looks at incidents whose explanation is closed, or that were kept back for long enough; at `all` of them once in the life of a
/// process, since the configuration may be another. Says whether somebody is told.
pub(super) async fn look(state: &State, all: bool) -> sqlx::Result<bool> {
    let before = state.now().saturating_sub(INHIBIT_MAX);
    let mut has_told = false;
    let mut after = String::new();
    loop {
        let ids = state.store.kept_back(before, all, &after, LOOK_MAX).await?;
        for id in &ids {
            match wake(state, id).await {
                Ok(told) => has_told |= told,
                // One that can't be read holds up no other.
                Err(error) if crate::store::is_refused(&error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error, incident = %id,
                        "read an incident that was kept back"
                    );
                    state.metrics.retries.with_label_values(&["tick"]).inc();
                }
                Err(error) => return Err(error),
            }
        }
        match ids.last() {
            Some(last) if ids.len() == LOOK_MAX as usize => after = last.to_string(),
            _ => return Ok(has_told),
        }
    }
}

async fn wake(state: &State, id: &IncidentId) -> sqlx::Result<bool> {
    let mut write = state.store.begin().await?;
    let Some(stored) = Store::incident_in(&mut write, &Seen::unasked(id), id).await? else {
        return Ok(false);
    };
    let incident = &stored.incident;
    let moment = state.moment();
    let route = route(&state.registry.load().routes, &Question::of(incident));
    let owner = route.owner.unwrap_or(incident.key.organization);
    let sources = Store::sources(&mut write, incident.key.organization, owner).await?;
    let by = inhibitor(&state.inhibitions, &sources, incident, moment.now);
    let silences = Store::silences_in(&mut write, incident.last_seen).await?;
    let span = (incident.first_seen, incident.last_seen);
    let silence = Silence::covering_all(&silences, &incident.key, span);
    let Some(change) = look_again(incident, by, silence, moment.now) else {
        return Ok(false);
    };
    // Only what wakes is told of; `decide` knows.
    let Decision {
        change,
        notifications,
    } = decide(change, &route, &state.ladder, moment);
    let incident = &change.incident;
    let search = search_text(state, incident, owner);
    Store::save_change(&mut write, &change, owner, &steps(&route), &search).await?;
    for notification in &notifications {
        Store::add_notification(&mut write, notification, incident.severity(), 0).await?;
    }
    state.store.commit(write).await?;
    Ok(!notifications.is_empty())
}
