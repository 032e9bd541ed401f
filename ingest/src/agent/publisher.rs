//! Empties the spool to the bus, oldest first.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ingest_bus::{Bus, Producer};
use ingest_event::{QuarantineReason, Timestamp, codec, field};
use tokio_util::sync::CancellationToken;

use super::intake::{CANARY_KEY, Intake};
use crate::publish::{self, Next, Topics};
use crate::record::Refusal;
use crate::spool::{Destination, Entry};
use crate::stamp::SourceIdentity;

/// How long the publisher waits for news before it looks for itself.
const LOOK: Duration = Duration::from_secs(1);

/// Publishes until `done` is cancelled and the spool is empty.
pub(super) async fn run(
    bus: &Bus,
    topics: &Topics,
    intake: &Arc<Intake>,
    done: &CancellationToken,
) -> anyhow::Result<()> {
    let producer = bus.producer().context("open a producer")?;
    loop {
        // Asked before looking: what is handed in after that is seen by the next look.
        let finished = done.is_cancelled();
        let batch = blocking(intake, |intake| intake.oldest()).await?;
        if batch.is_empty() {
            if finished {
                return Ok(());
            }
            tokio::select! {
                () = intake.filled.notified() => {}
                () = done.cancelled(), if !finished => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            continue;
        }
        let batch = deliver(&producer, topics, intake, batch).await?;
        count(intake, &batch);
        blocking(intake, move |intake| intake.published(&batch)).await?;
    }
}

/// Publishes one batch, however long it takes.
async fn deliver(
    producer: &Producer,
    topics: &Topics,
    intake: &Arc<Intake>,
    mut batch: Vec<Entry>,
) -> anyhow::Result<Vec<Entry>> {
    let mut failures = 0;
    loop {
        let Err(error) = publish::publish(producer, topics, &batch).await else {
            return Ok(batch);
        };
        failures += 1;
        intake.metrics().publish_failures.inc();
        match publish::next(&error, failures) {
            Next::Retry(pause) => {
                tracing::warn!(
                    error = format!("{:#}", anyhow::Error::new(error)),
                    "publish; trying again"
                );
                tokio::time::sleep(pause).await;
            }
            Next::Stop => return Err(error).context("publish events"),
            Next::PutAside if 1 < batch.len() => {
                // One of them is the culprit: the first alone, the others after it.
                batch.truncate(1);
            }
            Next::PutAside => {
                let error = format!("{:#}", anyhow::Error::new(error));
                for entry in &mut batch {
                    put_entry_aside(intake, entry, &error);
                }
            }
        }
    }
}

/// Puts a record that the bus will not take into quarantine in its own place.
fn put_entry_aside(intake: &Intake, entry: &mut Entry, error: &str) {
    let detail =
        format!("the bus does not take it ({error}); raise the topic's max.message.bytes or shorten it");
    let refusal = Refusal::new(QuarantineReason::TooLarge, detail, entry.number, &entry.value);
    let source = SourceIdentity {
        name: "spool".to_owned(),
        content: b"spool".to_vec(),
        path: None,
    };
    let record = intake.put_aside(&source, refusal);
    intake
        .metrics()
        .records_refused
        .with_label_values(&[QuarantineReason::TooLarge.as_str()])
        .inc();
    entry.destination = Destination::Quarantine;
    entry.value = serde_json::to_vec(&record).unwrap_or_default();
}

fn count(intake: &Intake, batch: &[Entry]) {
    let events = batch
        .iter()
        .filter(|entry| entry.destination == Destination::Events);
    for entry in events {
        intake.metrics().events_published.inc();
        if entry.key.ends_with(CANARY_KEY) {
            let made = codec::flatten(&entry.value).ok();
            let made = made.and_then(|fields| fields.text(field::TIMESTAMP)?.parse::<Timestamp>().ok());
            if let Some(made) = made {
                intake.metrics().canary_acknowledged(made);
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    intake: &Arc<Intake>,
    work: impl FnOnce(&Intake) -> Result<T, crate::spool::SpoolError> + Send + 'static,
) -> anyhow::Result<T> {
    let intake = Arc::clone(intake);
    Ok(tokio::task::spawn_blocking(move || work(&intake)).await??)
}
