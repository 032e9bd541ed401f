//! Empties the spool to the bus, oldest first.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use ingest_bus::{Bus, Producer};
use ingest_event::{QuarantineReason, Timestamp, codec, field};
use tokio_util::sync::CancellationToken;

use super::intake::{CANARY_KEY, Intake};
use crate::publish::{self, Next, Topics};
use crate::record::Refusal;
use crate::spool::{Destination, Entry, SpoolError};
use crate::stamp::SourceIdentity;

/// How long the publisher waits for news before it looks for itself.
const LOOK: Duration = Duration::from_secs(1);

/// Publishes until `done` is cancelled and the spool is empty. What fails is tried again for as long as it takes, also
/// where somebody has to mend something first: meanwhile the spool takes in what comes.
///
/// # Errors
/// Only once `done` is cancelled, when nothing more comes: that the bus refuses what is left.
pub(super) async fn run(
    bus: &Bus,
    topics: &Topics,
    intake: &Arc<Intake>,
    done: &CancellationToken,
) -> anyhow::Result<()> {
    let mut way = Way {
        bus,
        topics,
        intake,
        done,
        producer: None,
        failures: 0,
    };
    loop {
        // Asked before looking: what is handed in after that is seen by the next look.
        let finished = done.is_cancelled();
        let Some(batch) = way.of_spool(|intake| Ok(intake.oldest())).await else {
            continue;
        };
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
        let batch = way.deliver(batch).await?;
        count(intake, &batch);
        // What can't be noted is done all the same: at the worst it is published again after a crash.
        way.of_spool(move |intake| intake.published(&batch)).await;
    }
}

/// The way out, and what became of it lately.
struct Way<'a> {
    bus: &'a Bus,
    topics: &'a Topics,
    intake: &'a Arc<Intake>,
    done: &'a CancellationToken,
    /// None before the first use, and after a failure that may be the client's own.
    producer: Option<Producer>,
    /// In a row.
    failures: u32,
}

impl Way<'_> {
    /// Publishes one batch, however long it takes. What the bus will never take is in quarantine in its place.
    async fn deliver(&mut self, mut batch: Vec<Entry>) -> anyhow::Result<Vec<Entry>> {
        // What is still to be sent, in parts; the next one last.
        let whole = 0..batch.len();
        let mut left = vec![whole];
        while let Some(part) = left.pop() {
            let Some(entries) = batch.get(part.clone()).filter(|part| !part.is_empty()) else {
                continue;
            };
            let Err(refused) = self.send(entries).await? else {
                self.failures = 0;
                self.intake.metrics().publish_refused.set(0);
                continue;
            };
            self.failures += 1;
            self.intake.metrics().publish_failures.inc();
            let rest = part.start + refused.sent..part.end;
            match publish::next(&refused.error, self.failures) {
                Next::Retry(pause) => {
                    let error = format!("{:#}", anyhow::Error::new(refused.error));
                    tracing::warn!(error, "publish; trying again");
                    tokio::time::sleep(pause).await;
                    left.push(rest);
                }
                Next::Tell(pause) => {
                    self.refused(anyhow::Error::new(refused.error), pause).await?;
                    left.push(rest);
                }
                Next::PutAside => {
                    self.failures = 0;
                    let reason = if refused.error.is_forbidden() {
                        QuarantineReason::WrongOrganization
                    } else {
                        QuarantineReason::TooLarge
                    };
                    let error = format!("{:#}", anyhow::Error::new(refused.error));
                    let culprit = match refused.culprit {
                        Some(index) => part.start + index,
                        None if rest.len() == 1 => rest.start,
                        None => {
                            // The brokers don't say which one: it is looked for by halves.
                            let middle = rest.start + rest.len() / 2;
                            left.extend([middle..rest.end, rest.start..middle]);
                            continue;
                        }
                    };
                    match batch.get_mut(culprit) {
                        Some(entry) if entry.destination == Destination::Events => {
                            put_entry_aside(self.intake, entry, reason, &error);
                            left.push(rest);
                        }
                        // Put aside under a name that the sensor no longer has.
                        Some(entry)
                            if reason == QuarantineReason::WrongOrganization
                                && entry.key != self.intake.own_key() =>
                        {
                            entry.key = Bytes::copy_from_slice(self.intake.own_key());
                            left.push(rest);
                        }
                        // Not even what was put aside is taken.
                        _ => {
                            tracing::error!(error, "quarantine does not take a record; it is lost");
                            left.extend([culprit + 1..rest.end, rest.start..culprit]);
                        }
                    }
                }
            }
        }
        Ok(batch)
    }

    /// One attempt. The outer error is that of a run that has nothing left to wait for.
    async fn send(&mut self, entries: &[Entry]) -> anyhow::Result<Result<(), publish::Refused>> {
        loop {
            if let Some(producer) = &self.producer {
                return Ok(publish::publish(producer, self.topics, entries).await);
            }
            match self.bus.producer() {
                Ok(producer) => self.producer = Some(producer),
                Err(error) => {
                    self.failures += 1;
                    let pause = publish::pause(self.failures);
                    self.refused(anyhow::Error::new(error).context("open a producer"), pause)
                        .await?;
                }
            }
        }
    }

    /// Tells that somebody has to mend something, waits, and prepares a fresh attempt: a client that has failed for good
    /// stays so, and a missing topic may be ours to make.
    async fn refused(&mut self, error: anyhow::Error, pause: Duration) -> anyhow::Result<()> {
        self.intake.metrics().publish_refused.set(1);
        if self.done.is_cancelled() {
            return Err(error).context("publish events");
        }
        let error = format!("{error:#}");
        tracing::error!(
            error,
            pause_secs = pause.as_secs(),
            "the bus refuses; events wait in the spool. Check rights, certificate and topics"
        );
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.done.cancelled() => {}
        }
        self.producer = None;
        if let Err(error) = self.bus.ensure_topics(&self.topics.specs()).await {
            tracing::debug!(%error, "make the topics");
        }
        Ok(())
    }

    /// Asks the spool; `None` after a failure and a pause.
    async fn of_spool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Intake) -> Result<T, SpoolError> + Send + 'static,
    ) -> Option<T> {
        let intake = Arc::clone(self.intake);
        let error = match tokio::task::spawn_blocking(move || work(&intake)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => anyhow::Error::new(error),
            Err(error) => anyhow::Error::new(error),
        };
        self.intake.metrics().spool_failures.inc();
        tracing::error!(error = format!("{error:#}"), "use the spool; trying again");
        tokio::time::sleep(LOOK).await;
        None
    }
}

/// Puts a record that the bus will not take into quarantine in its own place.
fn put_entry_aside(intake: &Intake, entry: &mut Entry, reason: QuarantineReason, error: &str) {
    let mend = if reason == QuarantineReason::WrongOrganization {
        "it was taken in under another organisation or name"
    } else {
        "raise the topic's max.message.bytes or shorten it"
    };
    let detail = format!("the bus does not take it ({error}); {mend}");
    let refusal = Refusal::new(reason, detail, entry.number, &entry.value);
    let source = SourceIdentity {
        name: "spool".to_owned(),
        content: b"spool".to_vec(),
        path: None,
    };
    let record = intake.put_aside(&source, refusal);
    intake.refused(reason);
    // Its own key may be what is refused, now or the next time.
    entry.key = Bytes::copy_from_slice(intake.own_key());
    entry.destination = Destination::Quarantine;
    entry.value = serde_json::to_vec(&record).unwrap_or_default().into();
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

#[cfg(test)]
mod tests;
