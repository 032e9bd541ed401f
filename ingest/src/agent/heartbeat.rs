//! What the sensor says of itself every half minute, and of what it had to give up.
//!
//! Heartbeats go the way of all events, before them: whoever hears none knows that something is wrong, and whoever does
//! can tell a loss from silence.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use ingest_event::{Fields, Timestamp, Value, field};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Intake;
use crate::config::Config;
use crate::record::{Draft, Record};
use crate::spool::{Loss, Stream};
use crate::stamp::SourceIdentity;

/// The dataset of heartbeats.
pub const HEARTBEAT_DATASET: &str = "varde.heartbeat";

/// The dataset of what was given up.
pub const SHED_DATASET: &str = "varde.shed";

/// Between heartbeats: an outage is known within a minute.
const EVERY: Duration = Duration::from_secs(30);

/// Bytes of the configuration's digest: it tells versions apart, no more.
const DIGEST_BYTES: usize = 8;

/// What a sensor says of its bundles; versions are 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bundles {
    /// The one it runs.
    pub running: u64,
    /// The newest that it was offered and believed.
    pub wanted: u64,
    /// The newest that it did not take, or went back from.
    pub refused: u64,
}

/// Sends heartbeats until told to stop; the first after [`EVERY`].
pub(super) async fn beat(
    digest: String,
    bundles: Option<watch::Receiver<Bundles>>,
    intake: Arc<Intake>,
    stop: CancellationToken,
) {
    let started = intake.clock().now();
    let identity = SourceIdentity {
        name: "heartbeat".to_owned(),
        content: format!("heartbeat@{}", started.as_nanos()).into_bytes(),
        path: None,
    };
    for position in 1.. {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let (asked, digest) = (Arc::clone(&intake), digest.clone());
        let bundles = bundles.as_ref().map(|bundles| *bundles.borrow());
        let made = tokio::task::spawn_blocking(move || {
            let now = asked.clock().now();
            let mut beat = heartbeat(&asked, &digest, started, now, position);
            if let Some(bundles) = bundles {
                bundles.say(&mut beat.fields);
            }
            let mut records = vec![Record::Event(beat)];
            let losses = asked.losses();
            for (ordinal, loss) in (1..).zip(&losses) {
                records.push(Record::Event(shed(loss, now, position, ordinal)));
            }
            (records, losses)
        });
        let Ok((records, losses)) = made.await else {
            continue;
        };
        let is_told = intake.say("heartbeat", &identity, records).await;
        let asked = Arc::clone(&intake);
        let noted = tokio::task::spawn_blocking(move || {
            if is_told {
                asked.losses_told();
            } else {
                asked.losses_untold(losses);
            }
        });
        if let Err(error) = noted.await {
            tracing::error!(%error, "note what was told");
        }
    }
}

impl Bundles {
    fn say(self, fields: &mut Fields) {
        for (name, version) in [
            (field::VARDE_HEARTBEAT_BUNDLE, self.running),
            (field::VARDE_HEARTBEAT_BUNDLE_WANTED, self.wanted),
            (field::VARDE_HEARTBEAT_BUNDLE_REFUSED, self.refused),
        ] {
            fields.set(name, version);
        }
    }
}

/// Tells versions of a configuration apart. What is secret in it, in the bus's part, takes no part.
pub(super) fn digest(config: &Config) -> String {
    let parts: [&dyn Debug; 5] = [
        &config.context,
        &config.home_networks,
        &config.spool_bytes_max,
        &config.sources,
        &config.detect,
    ];
    let whole = Sha256::digest(format!("{parts:?}"));
    hex::encode(whole.get(..DIGEST_BYTES).unwrap_or_default())
}

/// A heartbeat of this moment.
pub(super) fn heartbeat(
    intake: &Intake,
    digest: &str,
    started: Timestamp,
    now: Timestamp,
    position: u64,
) -> Draft {
    let mut fields = Fields::new();
    fields.set("event.module", "varde");
    fields.set(field::VARDE_HEARTBEAT_VERSION, crate::VERSION);
    fields.set(field::VARDE_HEARTBEAT_CONFIGURATION, digest);
    fields.set(field::VARDE_HEARTBEAT_UPTIME_SECS, now.since(started).as_secs());
    let account = intake.account();
    for (name, count) in [
        (field::VARDE_HEARTBEAT_CARRIED, account.carried),
        (field::VARDE_HEARTBEAT_READ, account.read),
        (field::VARDE_HEARTBEAT_PUBLISHED, account.published),
        (field::VARDE_HEARTBEAT_REFUSED, account.refused),
        (field::VARDE_HEARTBEAT_SHED, account.shed),
        (field::VARDE_HEARTBEAT_HELD, account.held),
    ] {
        fields.set(name, count);
    }
    if let Some(loaded) = intake.scan().loaded() {
        let (scanned, matched) = intake.scan().counts();
        fields.set(field::VARDE_HEARTBEAT_RULESET, loaded.version());
        fields.set(field::VARDE_HEARTBEAT_SCANNED, scanned);
        fields.set(field::VARDE_HEARTBEAT_MATCHED, matched);
    }
    let sources = intake.sources();
    let each = |of: &dyn Fn(&super::SourceCounts) -> u64| {
        let values = sources.iter().map(|(_, counts)| Value::from(of(counts)));
        Value::List(values.collect())
    };
    let names = sources.iter().map(|(name, _)| Value::from(name.as_str()));
    fields.set(field::VARDE_HEARTBEAT_SOURCE_NAME, Value::List(names.collect()));
    fields.set(field::VARDE_HEARTBEAT_SOURCE_READ, each(&|counts| counts.read));
    fields.set(
        field::VARDE_HEARTBEAT_SOURCE_REFUSED,
        each(&|counts| counts.refused),
    );
    fields.set(field::VARDE_HEARTBEAT_SOURCE_SHED, each(&|counts| counts.shed));
    fields.set(
        field::VARDE_HEARTBEAT_SOURCE_KERNEL_DROPS,
        each(&|counts| counts.kernel_drops),
    );
    let lag = |counts: &super::SourceCounts| counts.last.map_or(0, |last| now.since(last).as_secs());
    fields.set(field::VARDE_HEARTBEAT_SOURCE_LAG_SECS, each(&lag));
    let held = Stream::ALL.map(|stream| (stream, intake.held(stream)));
    let streams =
        |of: &dyn Fn(&(Stream, crate::spool::Held)) -> Value| Value::List(held.iter().map(of).collect());
    fields.set(
        field::VARDE_HEARTBEAT_STREAM_NAME,
        streams(&|(stream, _)| Value::from(stream.as_str())),
    );
    fields.set(
        field::VARDE_HEARTBEAT_STREAM_RECORDS,
        streams(&|(_, held)| Value::from(held.records)),
    );
    fields.set(
        field::VARDE_HEARTBEAT_STREAM_BYTES,
        streams(&|(_, held)| Value::from(held.bytes)),
    );
    let age =
        |oldest: Option<i64>| oldest.map_or(0, |oldest| now.since(Timestamp::from_nanos(oldest)).as_secs());
    fields.set(
        field::VARDE_HEARTBEAT_STREAM_OLDEST_SECS,
        streams(&|(_, held)| Value::from(age(held.oldest))),
    );
    Draft {
        timestamp: now,
        dataset: HEARTBEAT_DATASET.into(),
        trusted: None,
        fields,
        position,
        ordinal: 0,
    }
}

/// What was given up, and why.
pub(super) fn shed(loss: &Loss, now: Timestamp, position: u64, ordinal: u32) -> Draft {
    let mut fields = Fields::new();
    fields.set("event.module", "varde");
    fields.set(field::VARDE_SHED_STREAM, loss.stream.as_str());
    fields.set(field::VARDE_SHED_CAUSE, loss.cause.as_str());
    fields.set(field::VARDE_SHED_RECORDS, loss.records);
    if let Some((earliest, latest)) = loss.times {
        fields.set(field::EVENT_START, Timestamp::from_nanos(earliest).to_string());
        fields.set(field::EVENT_END, Timestamp::from_nanos(latest).to_string());
    }
    if let Some((first, last)) = loss.sequences {
        fields.set(field::VARDE_SHED_SEQUENCE_FIRST, first);
        fields.set(field::VARDE_SHED_SEQUENCE_LAST, last);
    }
    Draft {
        timestamp: now,
        dataset: SHED_DATASET.into(),
        trusted: None,
        fields,
        position,
        ordinal,
    }
}

#[cfg(test)]
mod tests;
