//! Letters leave: claimed, sent, and what became of them noted.

use std::{sync::Arc, time::Duration};

use alerting_incident::{Channel, ResponderId};
use futures_util::future::join_all;
use ingest_event::Timestamp;

use crate::{
    access::Seen,
    channel::{DeliveryError, Email, Letter, Seal},
    config::RetrySettings,
    letters::{hygiene, owner},
    outbox,
    state::State,
    store::{Outcome, StoredLetter},
};

/// At once: enough to hide a slow receiver behind others, few enough to leave the mail server to notifications.
const AT_ONCE: u32 = 4;

/// Sends what is due.
pub(super) async fn leave(
    state: &Arc<State>,
    email: Option<&Arc<Email>>,
    retry: &RetrySettings,
) -> sqlx::Result<()> {
    let lease = Duration::from_secs(retry.lease_secs);
    let (claimed, unreadable) = state.store.claim_letters(state.now(), lease, AT_ONCE).await?;
    let is_full = claimed.len() + unreadable == usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
    if 0 < unreadable {
        tracing::error!(
            count = unreadable,
            "there are letters that this version can't read; they wait for one that can"
        );
        let passed_over = state.metrics.rows_passed_over.with_label_values(&["letter"]);
        passed_over.inc_by(unreadable.try_into().unwrap_or(u64::MAX));
    }
    let sent = claimed.iter().map(|letter| async move {
        let sent = tokio::time::timeout(retry.attempt_max(), send(state, email, letter)).await;
        sent.unwrap_or_else(|_| {
            let text = format!(
                "the receiver took longer than {} s",
                retry.attempt_max().as_secs()
            );
            Err(DeliveryError::Transient(text))
        })
    });
    for (letter, result) in claimed.iter().zip(join_all(sent).await) {
        note(state, retry, letter, result).await?;
    }
    if is_full {
        state.post.bell.notify_one();
    }
    Ok(())
}

async fn send(
    state: &State,
    email: Option<&Arc<Email>>,
    letter: &StoredLetter,
) -> Result<String, DeliveryError> {
    let away = |error: sqlx::Error| DeliveryError::Transient(format!("read what to write: {error}"));
    let broken = |error: anyhow::Error| DeliveryError::Permanent(format!("write the mail: {error:#}"));
    let Some(email) = email else {
        return Err(DeliveryError::Permanent(
            "no mail transport is configured".to_owned(),
        ));
    };
    if state.store.is_off(&letter.address).await.map_err(away)? {
        return Err(DeliveryError::Permanent(outbox::OFF.to_owned()));
    }
    let mut was_sealed = false;
    let is_of_incidents = matches!(letter.kind.as_str(), "digest" | "group");
    if is_of_incidents {
        let reader = ResponderId::stored(letter.responder.clone());
        outbox::is_a_contact(state, &reader, &Channel::Email(letter.address.clone()))?;
    }
    if is_of_incidents && !owner::look_through(state, letter).await.map_err(away)? {
        return Ok(String::new());
    }
    let written = if is_of_incidents {
        let mut told = Vec::new();
        for notification in state.store.told_by(&letter.id).await.map_err(away)? {
            was_sealed |= notification.is_sealed;
            let seen = Seen::through(&notification);
            let stored = state.store.incident(&seen, &notification.incident).await;
            if let Some(stored) = stored.map_err(away)? {
                told.push((notification, stored));
            }
        }
        state.notices.digest(state, letter, &told).map_err(broken)?
    } else {
        let link = (letter.kind == "check").then(|| state.check_link(&letter.id));
        state.notices.letter(state, letter, link).map_err(broken)?
    };
    let attachment = written
        .attachment
        .as_ref()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let mail = Letter {
        id: &letter.id,
        to: &letter.address,
        name: &letter.name,
        language: letter.language,
        notice: &written.notice,
        attachment,
    };
    let now = state.now();
    let seal = Seal::of_address(&state.registry.load(), &letter.address, was_sealed, now);
    state.metrics.mails.with_label_values(&[seal.as_str()]).inc();
    if let Seal::Impossible(why) = seal {
        return Err(DeliveryError::Unsealable(why));
    }
    let receipt = email.deliver(Some(&state.key), &mail, &seal, now).await?;
    state.keep_for_demo(mail.for_demo());
    Ok(receipt)
}

async fn note(
    state: &State,
    retry: &RetrySettings,
    letter: &StoredLetter,
    result: Result<String, DeliveryError>,
) -> sqlx::Result<()> {
    let now = state.now();
    let outcome = outbox::outcome(state, retry, &letter.id, letter.attempts, result.as_deref(), now);
    let told = state.store.told_by(&letter.id).await?;
    let mut write = state.store.begin().await?;
    if !state
        .store
        .save_letter(&mut write, &letter.id, &outcome, now)
        .await?
    {
        return Ok(());
    }
    for notification in &told {
        outbox::became(state, &mut write, notification, &outcome, now).await?;
    }
    if let Some(status) = outbox::refusal(&result, &Channel::Email(letter.address.clone())) {
        hygiene::refused(state, &mut write, &letter.id, &letter.address, &status).await?;
    }
    state.store.commit(write).await?;
    let class = result.as_ref().err().map(DeliveryError::class);
    match outcome {
        Outcome::Sent(_) => {
            let metrics = &state.metrics;
            metrics.letters_sent.with_label_values(&[kind(letter)]).inc();
            let sent = metrics.notifications_sent.with_label_values(&["email"]);
            sent.inc_by(told.len().try_into().unwrap_or(u64::MAX));
            // What waits for a business day says nothing of how fast others are told.
            let alerts = told
                .iter()
                .filter(|one| letter.kind == "group" && 0 < one.appended_ms);
            for notification in alerts {
                let delay = now.since(Timestamp::from_millis(notification.appended_ms));
                metrics.notification_delay.observe(delay.as_secs_f64());
            }
        }
        Outcome::Again(..) => {
            tracing::warn!(letter = %letter.id, class, "send a letter; will try again");
        }
        Outcome::Failed(reason) => {
            let failed = state.metrics.notifications_failed.with_label_values(&["email"]);
            failed.inc_by(told.len().try_into().unwrap_or(u64::MAX));
            tracing::error!(letter = %letter.id, class, "gave up a letter");
            tracing::debug!(letter = %letter.id, reason, "why it was given up");
        }
    }
    Ok(())
}

/// The kind as a label, of which the code has a list.
fn kind(letter: &StoredLetter) -> &'static str {
    crate::metrics::LETTERS
        .into_iter()
        .find(|kind| *kind == letter.kind)
        .unwrap_or("check")
}
