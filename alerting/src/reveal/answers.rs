//! What sites answer, from `varde.revealed.<organisation>`: the topic says whose answer it is.
//!
//! The first answer to a question counts. The same one again is passed over; any other is refused, counted and told, and
//! nothing of it is kept.

use std::time::Duration;

use alerting_incident::{Actor, RevealState, RevealStep};
use ingest_bus::{Bus, Consumer, Delivery, ErrorClass, OpenError, PollLimit, Position, Subscription};
use ingest_event::{OrganizationNumber, topic};
use ingest_trust::reveal::{Answered, Outcome, Revealed};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Refusal, move_on, note};
use crate::{
    audit::Deed,
    state::State,
    store::{Store, StoredReveal, is_refused},
};

/// Answers are few.
const BATCH: PollLimit = PollLimit {
    records: 64,
    bytes: 8 * 1024 * 1024,
    wait: Duration::from_millis(500),
};

/// Between two attempts at what failed and may recover.
const PAUSE: Duration = Duration::from_millis(500);

/// Why an answer is not taken, as metrics and the audit log call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unwanted {
    /// It can't be read.
    Unreadable,
    /// Nobody asked that.
    Unknown,
    /// Another organisation was asked.
    Foreign,
    /// It does not answer what was asked.
    Other,
    /// It was answered, taken back or out of date before.
    Late,
    /// What was asked can't be read in the store, or the store refuses what is answered.
    Broken,
}

impl Unwanted {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Unknown => "unknown",
            Self::Foreign => "foreign",
            Self::Other => "other",
            Self::Late => "late",
            Self::Broken => "broken",
        }
    }
}

/// A member of the group of those who take answers.
pub(super) fn consumer(bus: &Bus, group: &str) -> Result<Consumer, OpenError> {
    let answers = Subscription::Prefix(topic::REVEALED_PREFIX.to_owned());
    bus.consumer(&format!("{group}.reveals"), answers)
}

/// Runs until `stop`, or until the bus says that it won't get better.
pub(super) async fn run(state: &State, mut consumer: Consumer, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let polled = tokio::select! {
            polled = consumer.poll(BATCH) => polled,
            () = stop.cancelled() => break,
        };
        let batch = match polled {
            Ok(batch) => batch,
            Err(error) => {
                let is_over = !matches!(error.class(), ErrorClass::Transient);
                tracing::warn!(error = &error as &dyn std::error::Error, "read what sites answer");
                state.metrics.retries.with_label_values(&["poll"]).inc();
                if is_over {
                    break;
                }
                pause(stop).await;
                continue;
            }
        };
        let mut positions: Vec<Position> = Vec::new();
        for delivery in &batch.deliveries {
            while let Err(error) = take_or_pass_over(state, delivery).await {
                if stop.is_cancelled() {
                    return;
                }
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "keep what a site answered; will try again"
                );
                state.metrics.retries.with_label_values(&["reveal"]).inc();
                pause(stop).await;
            }
            let next = delivery.position.next();
            positions.retain(|one| one.topic_partition() != next.topic_partition());
            positions.push(next);
        }
        if !positions.is_empty()
            && let Err(error) = consumer.commit(&positions).await
        {
            // Harmless: what comes again is known.
            tracing::warn!(error = &error as &dyn std::error::Error, "commit positions");
        }
    }
    consumer.close().await;
}

async fn pause(stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(PAUSE) => {}
        () = stop.cancelled() => {}
    }
}

/// Takes an answer. One that can never be taken holds up no other: only what the store may do later is tried again.
async fn take_or_pass_over(state: &State, delivery: &Delivery) -> Result<(), Refusal> {
    match take(state, delivery).await {
        Err(Refusal::Store(error)) if !is_refused(&error) => Err(Refusal::Store(error)),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                offset = delivery.position.offset,
                "an answer of a site can't be kept; it is passed over"
            );
            let sender = topic::revealed_by(delivery.position.topic.as_str());
            let read = serde_json::from_slice::<Answered>(&delivery.record.value).ok();
            let id = read.as_ref().map(|read| read.answer.id.as_str());
            refused(state, Unwanted::Broken, sender, id).await
        }
        Ok(()) => Ok(()),
    }
}

async fn take(state: &State, delivery: &Delivery) -> Result<(), Refusal> {
    let sender = topic::revealed_by(delivery.position.topic.as_str());
    let read = serde_json::from_slice::<Answered>(&delivery.record.value).ok();
    let Some((organization, answered)) = sender.zip(read.filter(|read| read.answer.check().is_ok())) else {
        return refused(state, Unwanted::Unreadable, sender, None).await;
    };
    let Answered { sensor, answer } = answered;
    let mut write = state.store.begin().await?;
    let reveal = Store::reveal_in(&mut write, &answer.id).await?;
    let unwanted = match &reveal {
        None => Some(Unwanted::Unknown),
        Some(reveal) if reveal.organization != organization => Some(Unwanted::Foreign),
        Some(reveal) if !answer.answers(&reveal.pseudonyms) => Some(Unwanted::Other),
        // Sent or read twice.
        Some(reveal) if reveal.digest.as_ref() == Some(&answer.digest) => return Ok(()),
        Some(reveal) if reveal.state != RevealState::Asked => Some(Unwanted::Late),
        Some(_) => None,
    };
    let (Some(mut reveal), None) = (reveal, unwanted) else {
        drop(write);
        let why = unwanted.unwrap_or(Unwanted::Unknown);
        return refused(state, why, Some(organization), Some(&answer.id)).await;
    };
    let step = match answer.outcome {
        Outcome::Revealed => RevealStep::Reveal,
        Outcome::Refused => RevealStep::Refuse,
    };
    move_on(&mut reveal, step)?;
    reveal.digest = Some(answer.digest);
    if step == RevealStep::Reveal {
        keep(state, &mut reveal, &answer.values);
    }
    let name = format!("{} ({sensor})", answer.by);
    let site = Actor::Responder { name, account: None };
    note(state, &mut write, &mut reveal, &site, step, &answer.reason).await?;
    state.store.commit(write).await?;
    Ok(())
}

fn keep(state: &State, reveal: &mut StoredReveal, values: &[Revealed]) {
    let kept = state
        .reveal
        .as_ref()
        .map(|desk| desk.settings.kept())
        .unwrap_or_default();
    reveal.revealed = serde_json::to_string(values).ok();
    reveal.forget_at = Some(state.now().saturating_add(kept));
}

/// Counts and tells what is not taken; what it said is nowhere.
async fn refused(
    state: &State,
    why: Unwanted,
    sender: Option<OrganizationNumber>,
    id: Option<&str>,
) -> Result<(), Refusal> {
    let why = why.as_str();
    tracing::error!(why, "an answer of a site is refused; the audit log says whose");
    let after = json!({ "why": why, "organization": sender });
    let subject = format!("reveal/{}", id.unwrap_or("?"));
    let deed = Deed::by(&Actor::Varde, state.now(), "reveal.answer_refused", subject).after(Some(&after));
    let mut write = state.store.begin().await?;
    Store::audit(&mut write, deed).await?;
    state.store.commit(write).await?;
    state
        .metrics
        .reveal_answers_refused
        .with_label_values(&[why])
        .inc();
    Ok(())
}
