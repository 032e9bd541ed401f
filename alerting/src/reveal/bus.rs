//! What goes on by itself: questions are put on the bus and taken off, requests run out, what was revealed is forgotten.

use std::time::Duration;

use alerting_incident::{Actor, RevealStep};
use ingest_bus::{Bus, Cleanup, Producer, Record, Topic, TopicNameError, TopicSpec};
use ingest_trust::reveal::{ANSWER_BYTES_MAX, ENVELOPE_BYTES_MAX, place};
use tokio_util::sync::CancellationToken;

use super::{Refusal, move_on, note};
use crate::{
    state::State,
    store::{OnBus, Store},
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Requests in one look; what is more has its turn at the next.
const LOOK_MAX: u32 = 64;

/// The topic of questions, as the gateway makes it too (`replay-data/tests/documents.rs` holds that both say the same).
///
/// # Errors
/// Never in practice.
pub fn topic() -> Result<TopicSpec, TopicNameError> {
    let largest = if ENVELOPE_BYTES_MAX < ANSWER_BYTES_MAX {
        ANSWER_BYTES_MAX
    } else {
        ENVELOPE_BYTES_MAX
    };
    Ok(TopicSpec {
        topic: Topic::parse(ingest_event::topic::REVEALS)?,
        partitions: 1,
        cleanup: Cleanup::Compact,
        max_record_bytes: u32::try_from(largest + (1 << 10)).unwrap_or(u32::MAX),
    })
}

/// Runs until `stop`.
pub(super) async fn run(state: &State, bus: &Bus, producer: &Producer, stop: &CancellationToken) {
    let mut is_made = false;
    while !stop.is_cancelled() {
        let done = async {
            overdue(state).await?;
            let topic = topic()?;
            if !is_made {
                bus.ensure_topics(std::slice::from_ref(&topic)).await?;
                is_made = true;
            }
            publish(state, producer, &topic.topic).await
        };
        if let Err(error) = done.await {
            tracing::warn!(
                error = format!("{error:#}"),
                "ask sites what pseudonyms stand for; will try again"
            );
            state.metrics.retries.with_label_values(&["reveal"]).inc();
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Puts questions on the bus and takes them off, as was decided. Done again after a crash, it changes nothing.
async fn publish(state: &State, producer: &Producer, topic: &Topic) -> anyhow::Result<()> {
    for reveal in state.store.reveals_for_bus(LOOK_MAX).await? {
        let key = place(reveal.organization, &reveal.id);
        let record = match (reveal.bus, reveal.envelope) {
            (OnBus::Put, Some(envelope)) => Record::new(envelope).with_key(key),
            (OnBus::Put | OnBus::Take | OnBus::Nothing, _) => Record::tombstone(key),
        };
        producer.publish(topic, vec![record]).await?;
        state.store.reveal_is_on_bus(&reveal.id, reveal.bus).await?;
    }
    Ok(())
}

/// Ends what nobody answered in time, and forgets what was revealed long enough ago.
async fn overdue(state: &State) -> Result<(), Refusal> {
    let now = state.now();
    for id in state.store.overdue_reveals(now, LOOK_MAX).await? {
        let mut write = state.store.begin().await?;
        // Read again: it may have been answered since.
        let Some(mut reveal) = Store::reveal_in(&mut write, &id).await? else {
            continue;
        };
        let step = if reveal.state.is_open() && reveal.ends_at <= now {
            RevealStep::Expire
        } else if reveal.forget_at.is_some_and(|at| at <= now) {
            (reveal.revealed, reveal.forget_at) = (None, None);
            RevealStep::Forget
        } else {
            continue;
        };
        move_on(&mut reveal, step)?;
        note(state, &mut write, &mut reveal, &Actor::Varde, step, "").await?;
        state.store.commit(write).await?;
    }
    Ok(())
}
