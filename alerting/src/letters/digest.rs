//! Puts digests together: one for each reader, exercises apart.

use alerting_incident::Gathered;
use ingest_event::Timestamp;

use super::{named, owner};
use crate::{
    access::Seen,
    outbox,
    state::State,
    store::{Store, StoredLetter, StoredNotification},
};

/// Readers in one look; the rest have theirs in the next, a second later.
const READERS_MAX: u32 = 64;
/// Notifications of one digest: some hundred kilobytes of mail. What is more leaves in another.
const ROWS_MAX: u32 = 500;

/// Makes the digests whose time has come.
pub(super) async fn put_together(state: &State) -> sqlx::Result<()> {
    let post = &state.post;
    let Some((up_to, before)) = post.gathering.up_to.zip(post.calendar.last_delivery(state.now())) else {
        return Ok(());
    };
    let mut done = Ok(());
    for (responder, address) in state.store.gathered_for(up_to, before, READERS_MAX).await? {
        // One reader's that can't be made holds up no other's.
        done = done.and(of_reader(state, (&responder, &address), before).await);
    }
    done
}

async fn of_reader(state: &State, reader: (&str, &str), before: Timestamp) -> sqlx::Result<()> {
    let gathering = &state.post.gathering;
    let Some(up_to) = gathering.up_to else {
        return Ok(());
    };
    let mut write = state.store.begin().await?;
    let rows = state
        .store
        .gathered_in(&mut write, reader, up_to, before, ROWS_MAX)
        .await?;
    let (mut real, mut exercises) = (Vec::new(), Vec::new());
    outbox::pass_over(state, &rows);
    for notification in rows.rows {
        // Each is read through the notification that is this reader's: nothing of another's can come in.
        let seen = Seen::through(&notification);
        let stored = Store::incident_in(&mut write, &seen, &notification.incident).await?;
        let Some(stored) = stored else {
            Store::withdraw(&mut write, &notification.id, "the incident is gone").await?;
            continue;
        };
        if !owner::is_still(state, &mut write, &notification, &stored).await? {
            Store::withdraw(&mut write, &notification.id, owner::ANOTHERS).await?;
            continue;
        }
        match gathering.outcome(&stored.incident) {
            Gathered::Told | Gathered::ToldAsClosed if stored.incident.lead.exercise => {
                exercises.push(notification);
            }
            Gathered::Told | Gathered::ToldAsClosed => real.push(notification),
            Gathered::Silent => Store::withdraw(&mut write, &notification.id, "a silence covers it").await?,
            Gathered::LeftAlready => {
                let why = "it became graver, and was told by itself";
                Store::withdraw(&mut write, &notification.id, why).await?;
            }
        }
    }
    for (told, exercise) in [(real, false), (exercises, true)] {
        if let Some(letter) = letter(state, reader, before, &told, exercise) {
            Store::add_letter(&mut write, &letter).await?;
            Store::put_into(
                &mut write,
                told.iter().map(|notification| &notification.id),
                &letter.id,
            )
            .await?;
        }
    }
    state.store.commit(write).await
}

fn letter(
    state: &State,
    (responder, address): (&str, &str),
    before: Timestamp,
    told: &[StoredNotification],
    exercise: bool,
) -> Option<StoredLetter> {
    let (first, last) = told.first().zip(told.iter().max_by_key(|one| one.created_at))?;
    Some(StoredLetter {
        id: named(&["digest", responder, address, first.id.as_str()], before),
        kind: "digest".to_owned(),
        responder: responder.to_owned(),
        name: last.responder_name.clone(),
        address: address.to_owned(),
        language: last.language,
        exercise,
        about: "{}".to_owned(),
        created_at: state.now(),
        attempts: 0,
    })
}
