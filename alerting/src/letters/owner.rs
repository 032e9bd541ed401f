//! Whose an incident is when it is told: what was decided for one owner's contact is not told them once the incident is another's.

use alerting_incident::{
    Actor, Change, ChangeKind, Decision, Incident, Question, TimelineEntry, TimelineKind, decide, route,
};

use crate::{
    access::Seen,
    intake::{search_text, steps},
    state::State,
    store::{Store, Stored, StoredLetter, StoredNotification, Write},
};

/// Why a notification does not leave.
pub(super) const ANOTHERS: &str = "the incident is another organisation's by now";

/// Whether an incident is still whose it was when a notification was decided, by the registry as it is now.
fn is_theirs(state: &State, notification: &StoredNotification, stored: &Stored) -> bool {
    let incident = &stored.incident;
    let route = route(&state.registry.load().routes, &Question::of(incident));
    let owner = route.owner.unwrap_or(incident.key.organization);
    let was = notification.owner.as_deref().unwrap_or(stored.owner.as_str());
    was == owner.as_str()
}

/// Whether it is; where it is another's and nobody noticed yet, that one's contacts are told anew, in the same transaction.
pub(super) async fn is_still(
    state: &State,
    write: &mut Write,
    notification: &StoredNotification,
    stored: &Stored,
) -> sqlx::Result<bool> {
    if is_theirs(state, notification, stored) {
        return Ok(true);
    }
    let incident = &stored.incident;
    let route = route(&state.registry.load().routes, &Question::of(incident));
    let owner = route.owner.unwrap_or(incident.key.organization);
    if owner == stored.owner || incident.is_over() {
        return Ok(false);
    }
    let moment = state.moment();
    let entry = TimelineEntry {
        at: moment.now,
        kind: TimelineKind::Comment,
        actor: Actor::Varde,
        text: format!("{owner} answers for it by now: its contacts are told"),
    };
    let change = Change {
        incident: Incident {
            version: incident.version + 1,
            updated_at: moment.now.max(incident.updated_at),
            ..incident.clone()
        },
        kind: ChangeKind::Woken,
        timeline: vec![entry],
    };
    let Decision {
        change,
        notifications,
    } = decide(change, &route, &state.ladder, moment);
    let search = search_text(state, &change.incident, owner);
    Store::save_change(write, &change, owner, &steps(&route), &search).await?;
    for notification in &notifications {
        Store::add_notification(write, notification, change.incident.severity(), 0).await?;
    }
    Ok(false)
}

/// Why a notification that waited is not told any more, if it is not; where it is another's by now, that one's contacts are told anew.
pub(super) async fn why_not(
    state: &State,
    write: &mut Write,
    notification: &StoredNotification,
    stored: Option<&Stored>,
) -> sqlx::Result<Option<&'static str>> {
    Ok(match stored {
        None => Some("the incident is gone"),
        Some(stored) if stored.incident.silence.is_some() => Some("a silence covers it"),
        Some(_) if Store::is_told_since(write, notification).await? => {
            Some("it became graver or woke, and was told by itself")
        }
        Some(stored) if !is_still(state, write, notification, stored).await? => Some(ANOTHERS),
        Some(_) => None,
    })
}

/// Takes out of a letter that waits to leave what is not to be told any more; whether anything is left to tell.
pub(super) async fn look_through(state: &State, letter: &StoredLetter) -> sqlx::Result<bool> {
    let told = state.store.told_by(&letter.id).await?;
    let mut write = state.store.begin().await?;
    let mut is_changed = false;
    for notification in &told {
        let seen = Seen::through(notification);
        let stored = Store::incident_in(&mut write, &seen, &notification.incident).await?;
        if let Some(why) = why_not(state, &mut write, notification, stored.as_ref()).await? {
            Store::take_out(&mut write, &notification.id, why).await?;
            is_changed = true;
        }
    }
    if !is_changed {
        return Ok(true);
    }
    let is_empty = Store::withdraw_empty(&mut write, &letter.id).await?;
    state.store.commit(write).await?;
    state.decided.all();
    Ok(!is_empty)
}
