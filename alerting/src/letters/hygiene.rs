//! Addresses that refuse mail are switched off and the duty officer is told, once; and of what was given up, at most every quarter
//! of an hour.

use std::time::Duration;

use alerting_incident::{Actor, NotificationId};
use ingest_event::Timestamp;
use serde_json::json;

use super::named;
use crate::{
    audit::Deed,
    outbox,
    state::State,
    store::{Outcome, Store, StoredLetter, Write, is_refused},
};

/// What came back longer ago says nothing of the address now.
const LATELY: Duration = Duration::from_hours(24 * 90);
/// Looked at in one go.
const LOOK_MAX: u32 = 64;
/// Between two letters about what was given up: a dead mail server gives up many at once.
const TELL_AGAIN: Duration = Duration::from_mins(15);
/// When the duty officer was told of what was given up.
const TOLD: &str = "given_up_told";

/// Whether a status says that the address is wrong, rather than the mail or the moment: SMTP's 550, 551 and 553 (RFC 5321,
/// section 4.2.3), and of RFC 3463 all about the address (5.1), and a mailbox that is switched off (5.2.0, 5.2.1).
fn is_of_the_address(status: &str) -> bool {
    matches!(status, "550" | "551" | "553" | "5.0.0" | "5.2.0" | "5.2.1") || status.starts_with("5.1.")
}

/// Notes that an address refused a mail; switches it off where it did too often.
pub(crate) async fn refused(
    state: &State,
    write: &mut Write,
    message: &str,
    address: &str,
    status: &str,
) -> sqlx::Result<()> {
    let now = state.now();
    if is_of_the_address(status) && Store::add_bounce(write, message, address, status, "counted", now).await?
    {
        weigh(state, write, address, now).await?;
    }
    Ok(())
}

async fn weigh(state: &State, write: &mut Write, address: &str, now: Timestamp) -> sqlx::Result<()> {
    let bounces = Store::bounces(write, address, now.saturating_sub(LATELY)).await?;
    if bounces < state.post.disable_after || !Store::switch_off(write, address, bounces, now).await? {
        return Ok(());
    }
    let after = json!({ "bounces": bounces });
    let deed = Deed::by(&Actor::Varde, now, "address.off", address.to_lowercase()).after(Some(&after));
    Store::audit(write, deed).await?;
    let about = json!({ "address": address, "bounces": bounces });
    let letter = to_duty(
        state,
        "address_off",
        &about,
        named(&["address_off", address], now),
    );
    // Where it is the duty officer's own, nobody would read it; the console and the metric tell.
    if !letter.address.eq_ignore_ascii_case(address) {
        Store::add_letter(write, &letter).await?;
    }
    Ok(())
}

/// Looks at what came back: whose it was, and whom to tell instead. What can't be read of one holds up no other.
pub(super) async fn settle(state: &State) -> sqlx::Result<()> {
    for (message, status) in state.store.new_bounces(LOOK_MAX).await? {
        match settle_one(state, &message, &status).await {
            Err(error) if is_refused(&error) => {
                let mut write = state.store.begin().await?;
                if Store::settle_bounce(&mut write, &message, "", "passed_over").await? {
                    // What it was about did not arrive all the same.
                    let why = format!("it came back: {status}");
                    let came_back = Store::came_back(&mut write, &message, &why, state.now()).await?;
                    state.store.commit(write).await?;
                    count_failed(state, came_back);
                    tracing::error!(
                        "what came back is about something that can't be read; it is passed over"
                    );
                    state
                        .metrics
                        .rows_passed_over
                        .with_label_values(&["bounce"])
                        .inc();
                }
            }
            settled => settled?,
        }
    }
    Ok(())
}

async fn settle_one(state: &State, message: &str, status: &str) -> sqlx::Result<()> {
    let mut write = state.store.begin().await?;
    let now = state.now();
    let notification = match NotificationId::parse(message) {
        Some(id) => state.store.notification(&id).await?,
        None => None,
    };
    let letter = state.store.letter(message).await?;
    let address = notification
        .as_ref()
        .map(|one| one.channel.address().to_owned())
        .or_else(|| letter.map(|letter| letter.address))
        .unwrap_or_default();
    let counts = !address.is_empty() && is_of_the_address(status);
    let state_of = if counts { "counted" } else { "passed_over" };
    if !Store::settle_bounce(&mut write, message, &address, state_of).await? {
        return Ok(());
    }
    let why = format!("it came back: {status}");
    let came_back = Store::came_back(&mut write, message, &why, now).await?;
    if came_back {
        // A digest's are what it told.
        let told = state.store.told_by(message).await?;
        let outcome = Outcome::Failed(why);
        for one in notification.iter().chain(&told) {
            outbox::became(state, &mut write, one, &outcome, now).await?;
        }
    }
    if counts {
        weigh(state, &mut write, &address, now).await?;
    }
    state.store.commit(write).await?;
    count_failed(state, came_back);
    Ok(())
}

fn count_failed(state: &State, came_back: bool) {
    let failed = &state.metrics.notifications_failed;
    failed.with_label_values(&["email"]).inc_by(u64::from(came_back));
}

/// Tells the duty officer how much was given up since they were told last.
pub(super) async fn tell_of_given_up(state: &State) -> sqlx::Result<()> {
    let now = state.now();
    let (all, _) = state.store.given_up(0).await?;
    if all == 0 {
        return Ok(());
    }
    let mut write = state.store.begin().await?;
    let told = Store::mark_in(&mut write, TOLD)
        .await?
        .map_or(Timestamp::EPOCH, Timestamp::from_nanos);
    // A clock that was set back must not keep it from being told.
    if told <= now && now.since(told) < TELL_AGAIN {
        return Ok(());
    }
    let since = if told <= now { told } else { Timestamp::EPOCH };
    if state.store.given_up_since(since).await? == 0 {
        return Ok(());
    }
    let about = json!({ "count": all });
    let letter = to_duty(state, "given_up", &about, named(&["given_up"], now));
    Store::add_letter(&mut write, &letter).await?;
    Store::save_mark(&mut write, TOLD, now.as_nanos()).await?;
    state.store.commit(write).await
}

/// Tells the duty officer that a contact says it is wrong.
pub(crate) fn not_me(state: &State, letter: &StoredLetter, about: &serde_json::Value) -> StoredLetter {
    let told = json!({ "contact": letter.name, "organization": about["organization"] });
    let id = named(&["not_me", &letter.id], letter.created_at);
    to_duty(state, "not_me", &told, id)
}

/// A letter to the CERT's duty officer.
pub(super) fn to_duty(state: &State, kind: &str, about: &serde_json::Value, id: String) -> StoredLetter {
    StoredLetter {
        id,
        kind: kind.to_owned(),
        responder: state.ladder.duty.id.as_str().to_owned(),
        name: state.ladder.duty.name.clone(),
        address: state.cert.email.clone(),
        language: state.cert.language,
        exercise: false,
        about: about.to_string(),
        created_at: state.now(),
        attempts: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_mailbox_and_a_refused_text_say_nothing_of_the_address() {
        for status in ["550", "551", "553", "5.1.1", "5.1.10", "5.2.1"] {
            assert!(is_of_the_address(status), "{status}");
        }
        for status in ["552", "554", "450", "5.2.2", "5.3.4", "5.7.1", "4.1.1", ""] {
            assert!(!is_of_the_address(status), "{status}");
        }
    }
}
