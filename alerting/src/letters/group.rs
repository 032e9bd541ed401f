//! Holds what is new for others of its group, and puts together what then leaves as one: for each contact and owner, exercises apart.

use alerting_incident::{Change, Channel, Moment, Notification};
use ingest_event::OrganizationNumber;

use super::{named, owner};
use crate::{
    access::Seen,
    state::State,
    store::{Group, Store, StoredLetter, StoredNotification, Write},
};

/// Groups in one look; the rest have their turn in the next, a second later.
const GROUPS_MAX: u32 = 64;
/// Notifications of one letter, as of a digest. What is more leaves in another.
const ROWS_MAX: u32 = 500;

/// Holds a notification that was just added for others of its group, where what it tells may wait. Only mail does: a machine that is
/// called wants to know at once; and what is gathered for a business day waits already.
///
/// # Errors
/// If the store is away.
pub(crate) async fn hold(
    state: &State,
    write: &mut Write,
    notification: &Notification,
    change: &Change,
    owner: OrganizationNumber,
    moment: Moment,
) -> sqlx::Result<()> {
    let Channel::Email(address) = &notification.channel else {
        return Ok(());
    };
    let (post, incident) = (&state.post, &change.incident);
    let severity = incident.severity();
    let until = |left| post.grouping.until(change.kind, severity, left, moment.steady);
    if post.gathering.takes(notification.reason, severity) || until(None).is_none() {
        return Ok(());
    }
    let group = Group {
        responder: notification.responder.as_str().to_owned(),
        address: address.clone(),
        key: post.grouping.key(incident, owner),
    };
    let left = Store::left_at(write, &group).await?;
    match until(left) {
        Some(until) => Store::hold(write, &notification.id, &group, until).await,
        None => Ok(()),
    }
}

/// Lets leave what has waited for long enough, with all that waits with it.
pub(super) async fn put_together(state: &State) -> sqlx::Result<()> {
    let steady = state.moment().steady;
    let mut done = Ok(());
    for group in state.store.groups_due(steady, GROUPS_MAX).await? {
        // One that can't be put together holds up no other.
        done = done.and(of_group(state, &group).await);
    }
    done
}

async fn of_group(state: &State, group: &Group) -> sqlx::Result<()> {
    let mut write = state.store.begin().await?;
    let mut told = Vec::new();
    let mut is_exercise = false;
    for notification in Store::held_in(&mut write, group, ROWS_MAX).await? {
        // Each is read through the notification that is this reader's: nothing of another's can come in.
        let seen = Seen::through(&notification);
        let stored = Store::incident_in(&mut write, &seen, &notification.incident).await?;
        let why = match &stored {
            None => Some("the incident is gone"),
            Some(stored) if stored.incident.silence.is_some() => Some("a silence covers it"),
            Some(_) if Store::has_risen(&mut write, &notification).await? => {
                Some("it became graver, and was told by itself")
            }
            Some(stored) if !owner::is_still(state, &mut write, &notification, stored).await? => {
                Some(owner::ANOTHERS)
            }
            Some(stored) => {
                is_exercise |= stored.incident.lead.exercise;
                None
            }
        };
        match why {
            Some(why) => Store::withdraw(&mut write, &notification.id, why).await?,
            None => told.push(notification),
        }
    }
    match told.as_slice() {
        [] => {}
        [alone] => Store::release(&mut write, &alone.id).await?,
        [first, ..] => {
            let letter = letter(state, group, first, &told, is_exercise);
            Store::add_letter(&mut write, &letter).await?;
            Store::put_into(&mut write, told.iter().map(|one| &one.id), &letter.id).await?;
        }
    }
    if !told.is_empty() {
        Store::note_left(&mut write, group, state.moment().steady).await?;
    }
    state.store.commit(write).await?;
    // What left by itself, and whoever is told in another's place.
    state.decided.all();
    Ok(())
}

fn letter(
    state: &State,
    group: &Group,
    first: &StoredNotification,
    told: &[StoredNotification],
    exercise: bool,
) -> StoredLetter {
    let last = told.iter().max_by_key(|one| one.created_at).unwrap_or(first);
    StoredLetter {
        id: named(
            &["group", &group.responder, &group.address, first.id.as_str()],
            first.created_at,
        ),
        kind: "group".to_owned(),
        responder: group.responder.clone(),
        name: last.responder_name.clone(),
        address: group.address.clone(),
        language: last.language,
        exercise,
        about: "{}".to_owned(),
        created_at: state.now(),
        attempts: 0,
    }
}
