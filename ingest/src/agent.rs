//! Runs the stages: every source in its own task, one publisher, a canary, and the port for metrics.
//!
//! Sources hand records to the [`Intake`], which withholds, stamps and spools them in one transaction; the publisher
//! empties the spool to the bus. The spool is the only thing between them, so a crash anywhere loses nothing.

mod file;
mod heartbeat;
mod intake;
mod ledger;
mod outline;
mod publisher;
mod ruleset;
mod source;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ingest_bus::{Bus, ErrorClass};
use ingest_event::{Fields, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::island::{self, mail::Post};
use crate::metrics::{self, Metrics};
use crate::publish::Topics;
use crate::record::{Draft, Record};
use crate::site::Site;
use crate::spool::Spool;
use crate::stamp::SourceIdentity;

pub use heartbeat::{Bundles, HEARTBEAT_DATASET, SHED_DATASET};
pub use intake::{Intake, Stopped};
pub use ledger::{Account, SourceCounts};
pub(crate) use outline::Outline;

/// The dataset of canaries.
pub const CANARY_DATASET: &str = "varde.canary";

/// A sensor is ready while the bus acknowledged a canary within so many of their intervals: one may be late.
const CANARIES_MISSED_MAX: u32 = 3;

/// Between attempts to make topics while the bus is away.
const TOPICS_RETRY: Duration = Duration::from_secs(2);

/// How long sources may take to end when the sensor is told to stop; what they wait for then is a disk or a network file
/// system that does not answer. What they had not handed in is read again by the next run.
const STOP_MAX: Duration = Duration::from_secs(10);

/// Between looks whether the last source has let go.
const ALONE_LOOK: Duration = Duration::from_millis(20);

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentSummary {
    /// Records read in this run.
    pub records_read: u64,
    /// Records put aside in this run.
    pub records_refused: u64,
    /// Events that the bus acknowledged in this run.
    pub events_published: u64,
    /// Sources that could not be opened or read to their end.
    pub sources_failed: u64,
}

/// What a sensor is told from outside while it runs.
#[derive(Clone, Debug)]
pub struct Steered {
    /// Whether it may publish; what comes while it may not is spooled.
    pub open: watch::Receiver<bool>,
    /// What it says of its bundles.
    pub bundles: watch::Receiver<Bundles>,
}

/// Runs until told to stop, or, with `exit_when_done`, until all files are read and published.
///
/// # Errors
/// If the spool or the port of the metrics can't be opened; with `exit_when_done`, if the bus refuses what is left.
pub async fn run(
    config: Config,
    bus: Bus,
    clock: Clock,
    stop: CancellationToken,
) -> anyhow::Result<AgentSummary> {
    run_with(config, bus, clock, Metrics::new()?, stop).await
}

/// As [`run`], counting in `metrics`, which the caller may serve itself.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    config: Config,
    bus: Bus,
    clock: Clock,
    metrics: Metrics,
    stop: CancellationToken,
) -> anyhow::Result<AgentSummary> {
    run_steered(config, bus, clock, metrics, None, stop).await
}

/// As [`run_with`], told from outside whether to publish. When it returns, nothing of it uses the state any more: it may
/// be run again at once.
///
/// # Errors
/// As [`run`]; also if a source does not end, and could still write into the spool.
pub async fn run_steered(
    config: Config,
    bus: Bus,
    clock: Clock,
    metrics: Metrics,
    steered: Option<Steered>,
    stop: CancellationToken,
) -> anyhow::Result<AgentSummary> {
    let spool = Spool::open(&config.state, config.spool_bytes_max).context("start the sensor")?;
    if let Some(aside) = spool.set_aside() {
        metrics.spools_corrupt.inc();
        tracing::error!(kept = %aside.display(), "the spool was damaged and is kept aside; a new one is begun");
    }
    let topics = Topics::of(config.context.organization).context("name the topics")?;
    let home_networks = config.home_networks.clone();
    let site = Site::of(&config).context("start the sensor")?;
    // Work stops when told to, or when nothing is left to do.
    let stop = stop.child_token();
    let intake = Intake::new(
        spool,
        site,
        config.context.clone(),
        home_networks,
        clock.clone(),
        metrics.clone(),
    );
    intake
        .island()
        .begins_after(Duration::from_secs(config.island.after_secs));
    let intake = Arc::new(intake.until(stop.clone()));
    let mut side = JoinSet::new();
    if let (Some(listen), Some(every)) = (
        config.listen,
        config.canary_every.or(Some(Duration::from_secs(60))),
    ) {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("listen on {listen}"))?;
        let router = metrics::router(metrics.clone(), clock.clone(), every * CANARIES_MISSED_MAX);
        let stop = stop.clone();
        side.spawn(async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(stop.cancelled_owned())
                .await
                .context("serve metrics")
        });
    }
    if let Some(every) = config.canary_every {
        side.spawn(canary(every, Arc::clone(&intake), stop.clone()));
        let digest = heartbeat::digest(&config);
        let bundles = steered.as_ref().map(|steered| steered.bundles.clone());
        let beating = heartbeat::beat(digest, bundles, Arc::clone(&intake), stop.clone());
        side.spawn(async move {
            beating.await;
            Ok(())
        });
    }
    let bundles = steered.as_ref().map(|steered| steered.bundles.clone());
    // Before the sources: what comes first is held against them too.
    let held = ruleset::load(&config, bundles, &intake).await?;
    side.spawn(ruleset::follow(held, Arc::clone(&intake), stop.clone()));
    if let Some(mail) = &config.notify.mail {
        let post = Post::open(mail, &config.context.sensor).context("prepare mail on site")?;
        let island = Arc::clone(intake.island());
        let posting = island::mail::run(post, island, clock.clone(), stop.clone());
        side.spawn(async move {
            posting.await;
            Ok(())
        });
    }
    let sources = start(&config, &intake, &stop);
    let reading = CancellationToken::new();
    let publisher = publisher::run(&bus, &topics, &intake, &reading);
    let open = steered.as_ref().map(|steered| steered.open.clone());
    let publisher = while_open(open, publisher);
    let summary = supervise(sources, publisher, &config, &reading, &stop, &topics, &bus).await;
    stop.cancel();
    let ending = async {
        while let Some(ended) = side.join_next().await {
            ended.context("join a task")??;
        }
        anyhow::Ok(())
    };
    // A question that is never asked to its end, or a disk that does not answer, holds nobody.
    match tokio::time::timeout(STOP_MAX, ending).await {
        Ok(ended) => ended?,
        Err(_) => side.abort_all(),
    }
    summary?;
    let summary = intake.summary();
    if steered.is_some() {
        alone(&intake).await?;
    }
    Ok(summary)
}

/// Waits until nobody else has the intake: two of them must never write into one spool.
async fn alone(intake: &Arc<Intake>) -> anyhow::Result<()> {
    let waiting = async {
        while 1 < Arc::strong_count(intake) {
            tokio::time::sleep(ALONE_LOOK).await;
        }
    };
    tokio::time::timeout(STOP_MAX, waiting)
        .await
        .context("end a source that does not answer; the sensor has to start anew")
}

/// Goes on with `work` only while it is open. What is under way when it closes, stays where it is.
async fn while_open<T>(open: Option<watch::Receiver<bool>>, work: impl Future<Output = T>) -> T {
    let Some(mut open) = open else {
        return work.await;
    };
    tokio::pin!(work);
    loop {
        // Without anybody to open or close, it stays as it is.
        if *open.borrow_and_update() {
            tokio::select! {
                biased;
                Ok(()) = open.changed() => {}
                done = &mut work => return done,
            }
        } else if open.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Tells versions of a configuration apart, as heartbeats do.
#[must_use]
pub fn configuration_digest(config: &Config) -> String {
    heartbeat::digest(config)
}

/// Waits for sources and publisher in the right order: the publisher goes on until all that was read is out, unless
/// told to stop; what is left then waits in the spool for the next run.
async fn supervise(
    mut sources: JoinSet<()>,
    publisher: impl Future<Output = anyhow::Result<()>>,
    config: &Config,
    reading: &CancellationToken,
    stop: &CancellationToken,
    topics: &Topics,
    bus: &Bus,
) -> anyhow::Result<()> {
    let publishing = async {
        ensure_topics(bus, topics, stop).await?;
        publisher.await
    };
    let exit_when_done = config.exit_when_done;
    let watching = async {
        let ended = async { while sources.join_next().await.is_some() {} };
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP_MAX).await;
        };
        tokio::select! {
            () = ended => {}
            () = late => tracing::warn!("a source does not end; it is left behind"),
        }
        if !exit_when_done {
            stop.cancelled().await;
        }
        reading.cancel();
    };
    tokio::pin!(publishing, watching);
    let mut watched = false;
    loop {
        tokio::select! {
            result = &mut publishing => return result,
            () = &mut watching, if !watched => {
                watched = true;
                if stop.is_cancelled() {
                    return Ok(());
                }
            }
        }
    }
}

async fn ensure_topics(bus: &Bus, topics: &Topics, stop: &CancellationToken) -> anyhow::Result<()> {
    loop {
        match bus.ensure_topics(&topics.specs()).await {
            Ok(()) => return Ok(()),
            Err(error) if error.class() == ErrorClass::Transient => {
                tracing::warn!(%error, "make the topics; the bus is away, trying again");
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(TOPICS_RETRY) => {}
                }
            }
            // A sensor's certificate may well not make topics; publishing tells if they are missing.
            Err(error) => {
                tracing::warn!(%error, "make the topics; going on without");
                return Ok(());
            }
        }
    }
}

fn start(config: &Config, intake: &Arc<Intake>, stop: &CancellationToken) -> JoinSet<()> {
    let mut sources = JoinSet::new();
    for source in &config.sources {
        sources.spawn(source::keep(source.clone(), Arc::clone(intake), stop.clone()));
    }
    sources
}

/// Sends a small event of our own on the same way as all others, so that those at the far end can tell that the way is
/// open.
async fn canary(every: Duration, intake: Arc<Intake>, stop: CancellationToken) -> anyhow::Result<()> {
    let started = intake.clock().now();
    let identity = SourceIdentity {
        name: "canary".to_owned(),
        content: format!("canary@{}", started.as_nanos()).into_bytes(),
        path: None,
    };
    let mut ticks = tokio::time::interval(every);
    for position in 1.. {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let record = Record::Event(canary_draft(intake.clock().now(), position));
        // A canary that can't get through is one that is missed: that is what it is for.
        intake.say("canary", &identity, vec![record]).await;
    }
    Ok(())
}

/// Publishes all that waits, for tests.
#[cfg(test)]
pub(crate) async fn publish_all(bus: &Bus, intake: &Arc<Intake>, done: &CancellationToken) {
    let topics = Topics::of(intake.context().organization).expect("names");
    bus.ensure_topics(&topics.specs()).await.expect("makes them");
    publisher::run(bus, &topics, intake, done)
        .await
        .expect("publishes");
}

/// A canary of this moment.
fn canary_draft(now: Timestamp, position: u64) -> Draft {
    let mut fields = Fields::new();
    fields.set("event.module", "varde");
    Draft {
        timestamp: now,
        dataset: CANARY_DATASET.into(),
        trusted: None,
        fields,
        position,
        ordinal: 0,
    }
}
