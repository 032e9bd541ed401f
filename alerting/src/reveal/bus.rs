//! Questions are put on the bus and taken off, as was decided.

use std::time::Duration;

use ingest_bus::{Bus, Cleanup, ErrorClass, Producer, Record, Topic, TopicNameError, TopicSpec};
use ingest_trust::reveal::{ANSWER_BYTES_MAX, ENVELOPE_BYTES_MAX, place};
use tokio_util::sync::CancellationToken;

use super::overdue::Walk;
use crate::{
    state::State,
    store::{OnBus, is_refused},
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
    let (mut is_made, mut walk) = (false, Walk::default());
    while !stop.is_cancelled() {
        let done = async {
            let topic = topic()?;
            if !is_made {
                bus.ensure_topics(std::slice::from_ref(&topic)).await?;
                is_made = true;
            }
            publish(state, producer, &topic.topic, &mut walk).await
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

/// Puts questions on the bus and takes them off, as was decided. Done again after a crash, it changes nothing. What can't be read, and
/// what the bus will never take, is passed over.
async fn publish(state: &State, producer: &Producer, topic: &Topic, walk: &mut Walk) -> anyhow::Result<()> {
    let rows = state.store.reveals_for_bus(&walk.after, LOOK_MAX).await?;
    let (last, count) = (rows.last().map(|(id, _)| id.clone()), rows.len());
    for (id, reveal) in rows {
        let reveal = match reveal {
            Ok(reveal) => reveal,
            Err(error) if is_refused(&error) => {
                walk.pass_over(state, &id);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let key = place(reveal.organization, &reveal.id);
        let record = match (reveal.bus, reveal.envelope) {
            (OnBus::Put, Some(envelope)) => Record::new(envelope).with_key(key),
            (OnBus::Put | OnBus::Take | OnBus::Nothing, _) => Record::tombstone(key),
        };
        match producer.publish(topic, vec![record]).await {
            Err(error) if error.class() == ErrorClass::Poison => {
                walk.pass_over(state, &id);
                continue;
            }
            published => published?,
        };
        state.store.reveal_is_on_bus(&reveal.id, reveal.bus).await?;
    }
    walk.behind(last.as_ref(), count, LOOK_MAX);
    Ok(())
}
