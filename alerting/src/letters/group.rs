//! Holds what is new for others of its group, and puts together what then leaves as one: for each contact and owner, exercises apart.

use alerting_incident::{Change, Channel, Moment, Notification};
use ingest_event::OrganizationNumber;

use super::{named, owner};
use crate::{
    access::Seen,
    channel::Seal,
    state::State,
    store::{Group, Store, StoredLetter, StoredNotification, Write, is_refused},
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
        // One that can't be put together holds up no other; what is in it leaves one by one, all that can.
        let one = match of_group(state, &group).await {
            Err(error) if is_refused(&error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "put a group together; each leaves by itself"
                );
                state.metrics.retries.with_label_values(&["letters"]).inc();
                let_go(state, &group).await
            }
            one => one,
        };
        done = done.and(one);
    }
    done
}

async fn let_go(state: &State, group: &Group) -> sqlx::Result<()> {
    let mut write = state.store.begin().await?;
    Store::release_group(&mut write, group, state.now()).await?;
    state.store.commit(write).await?;
    state.decided.all();
    Ok(())
}

async fn of_group(state: &State, group: &Group) -> sqlx::Result<()> {
    let mut write = state.store.begin().await?;
    let mut told = Vec::new();
    let mut is_exercise = false;
    let mut is_over = false;
    for notification in Store::held_in(&mut write, group, ROWS_MAX).await? {
        // Each is read through the notification that is this reader's: nothing of another's can come in.
        let seen = Seen::through(&notification);
        let stored = Store::incident_in(&mut write, &seen, &notification.incident).await?;
        let why = owner::why_not(state, &mut write, &notification, stored.as_ref()).await?;
        if let Some(stored) = stored.filter(|_| why.is_none()) {
            is_exercise |= stored.incident.lead.exercise;
            is_over |= stored.incident.is_over();
        }
        match why {
            Some(why) => Store::withdraw(&mut write, &notification.id, why).await?,
            None => told.push(notification),
        }
    }
    match told.as_slice() {
        [] => {}
        // A letter tells of what is over as over; a notice would ask for an answer.
        [alone] if !is_over => Store::release(&mut write, &alone.id, state.now()).await?,
        // Each is told as whoever has a key that can't be used is told.
        all if is_unsealable(state, group, all) => {
            for one in all {
                Store::release(&mut write, &one.id, state.now()).await?;
            }
        }
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

/// Whether the contact's mail is to be encrypted, and can't be.
fn is_unsealable(state: &State, group: &Group, told: &[StoredNotification]) -> bool {
    let was_sealed = told.iter().any(|one| one.is_sealed);
    let seal = Seal::of_address(&state.registry.load(), &group.address, was_sealed, state.now());
    matches!(seal, Seal::Impossible(_))
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
