//! The service: opens what it needs, keeps what is known fresh, serves, and stops all of it together.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use ingest_bus::{Bus, ErrorClass};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{self, Gateway};
use crate::bundles::Bundles;
use crate::clock::Clock;
use crate::config::Config;
use crate::door::Door;
use crate::knocks::Knocks;
use crate::metrics::Metrics;
use crate::reveals::Reveals;
use crate::room::Room;
use crate::roster::{LOOK_INTERVAL, Roster};
use crate::topics;
use crate::under_way::UnderWay;

/// How long what is under way may take at the end.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the first look may hold up the start.
const FIRST_LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// Says that the service takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Where, with the port that was bound.
    pub address: SocketAddr,
    /// Where metrics are.
    pub metrics: Option<SocketAddr>,
}

/// Runs until `stop`; `ready` is called once, when requests are taken.
///
/// # Errors
/// If a file is not what it should be, or an address can't be bound.
pub async fn run(
    config: Config,
    bus: Bus,
    clock: Clock,
    stop: CancellationToken,
    ready: impl FnOnce(Running) + Send,
) -> anyhow::Result<()> {
    let files = config.files()?;
    let metrics = Metrics::new().context("register the metrics")?;
    let door = Door::new(&files, metrics.clone())
        .with_context(|| format!("use the certificate and key in {}", config.directory.display()))?;
    let gateway = Arc::new(Gateway {
        producer: bus.producer().context("open a producer")?,
        roster: Roster::new(topics::sensors()?.topic),
        bundles: Bundles::new(topics::control()?.topic, files.bundle_keys.clone()),
        reveals: Reveals::new(topics::reveals()?.topic),
        room: Room::default(),
        knocks: Knocks::default(),
        issued: Mutex::default(),
        ensured: Mutex::new(BTreeSet::new()),
        is_made: AtomicBool::new(false),
        writes: TaskTracker::new(),
        under_way: UnderWay::default(),
        authority: files.authority,
        authority_pem: files.authority_pem,
        bundle_keys: files.bundle_keys,
        bus,
        clock,
        metrics,
    });
    let (listener, address) = bind(config.listen).await?;
    let observed = match config.listen_metrics {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let first = async {
        look(&gateway).await;
        look_for_reveals(&gateway).await;
        look_for_bundles(&gateway).await;
    };
    // So that the first to come finds what is known; a bus that is away is waited for below.
    let _ = tokio::time::timeout(FIRST_LOOK_TIMEOUT, first).await;
    // Apart: parts of a large bundle may take longer to read than who is who may be old.
    let looks = [
        tokio::spawn(again(Arc::clone(&gateway), stop.clone(), async |gateway| {
            look(gateway).await;
            look_for_reveals(gateway).await;
        })),
        tokio::spawn(again(Arc::clone(&gateway), stop.clone(), async |gateway| {
            look_for_bundles(gateway).await;
        })),
    ];
    let metrics = observed.as_ref().map(|(_, address)| *address);
    if let Some((listener, _)) = observed {
        tokio::spawn(observe(listener, Arc::clone(&gateway), stop.clone()));
    }
    ready(Running { address, metrics });
    let served = tokio::spawn(door.serve(listener, api::router(Arc::clone(&gateway)), stop.clone()));
    stop.cancelled().await;
    let ended = async {
        let _ = served.await;
        gateway.writes.close();
        gateway.writes.wait().await;
    };
    if tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err() {
        tracing::warn!("not all requests ended in time; sensors send them again");
    }
    for look in looks {
        look.abort();
    }
    Ok(())
}

async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address}"))?;
    let bound = listener
        .local_addr()
        .context("ask for the address that was bound")?;
    Ok((listener, bound))
}

/// Does something every few seconds until `stop`.
async fn again(gateway: Arc<Gateway>, stop: CancellationToken, work: impl AsyncFn(&Gateway)) {
    while stop
        .run_until_cancelled(tokio::time::sleep(LOOK_INTERVAL))
        .await
        .is_some()
    {
        work(&gateway).await;
    }
}

/// Looks who is who, once the topics are made.
async fn look(gateway: &Gateway) {
    if !gateway.is_made.load(Ordering::Relaxed) {
        if let Err(error) = make_topics(&gateway.bus).await {
            return tracing::warn!(
                error = format!("{error:#}"),
                "the topics are not made; trying again"
            );
        }
        gateway.is_made.store(true, Ordering::Relaxed);
    }
    let now = (gateway.clock)();
    let looked = gateway.roster.look(&gateway.bus, now).await;
    match looked {
        Ok(unreadable) => {
            gateway.metrics.registry_read.set(now.as_millis() / 1_000);
            count(&gateway.metrics, "sensors", unreadable);
            let waiting = gateway.roster.ask(now, |registry| registry.waiting().len());
            let waiting = waiting
                .and_then(|waiting| i64::try_from(waiting).ok())
                .unwrap_or(0);
            gateway.metrics.sensors_waiting.set(waiting);
        }
        Err(error) => {
            tracing::warn!(
                error = format!("{:#}", anyhow::Error::new(error)),
                "who is who can't be read"
            );
        }
    }
}

async fn look_for_reveals(gateway: &Gateway) {
    match gateway.reveals.look(&gateway.bus).await {
        Ok(unusable) => count(&gateway.metrics, "reveal", unusable),
        Err(error) => tracing::debug!(%error, "what sensors are asked can't be read"),
    }
}

async fn look_for_bundles(gateway: &Gateway) {
    match gateway.bundles.look(&gateway.bus).await {
        Ok(unusable) => {
            count(&gateway.metrics, "bundle", unusable.bundles);
            count(&gateway.metrics, "part", unusable.parts);
        }
        Err(error) if error.class() == ErrorClass::Transient => {
            tracing::debug!(%error, "bundles can't be read");
        }
        Err(error) => tracing::warn!(%error, "bundles can't be read"),
    }
}

fn count(metrics: &Metrics, of: &'static str, unreadable: u64) {
    if 0 < unreadable {
        metrics.unreadable.with_label_values(&[of]).inc_by(unreadable);
        tracing::error!(
            of,
            unreadable,
            "records on the bus are not what they should be; who else writes there?"
        );
    }
}

async fn make_topics(bus: &Bus) -> anyhow::Result<()> {
    bus.ensure_topics(&[topics::sensors()?, topics::control()?, topics::reveals()?])
        .await
        .context("make the topics of the gateway")
}

async fn observe(listener: TcpListener, gateway: Arc<Gateway>, stop: CancellationToken) {
    let router = Router::new()
        .route("/metrics", get(text))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready_now))
        .with_state(gateway);
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "serving metrics failed");
    }
}

async fn text(State(gateway): State<Arc<Gateway>>) -> String {
    let in_flight = i64::try_from(gateway.room.bytes()).unwrap_or(i64::MAX);
    gateway.metrics.bytes_in_flight.set(in_flight);
    gateway.metrics.text()
}

async fn ready_now(State(gateway): State<Arc<Gateway>>) -> (StatusCode, &'static str) {
    match gateway.roster.ask((gateway.clock)(), |_| ()) {
        Some(()) => (StatusCode::OK, "ready\n"),
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: who is who could not be read for a minute; is the bus there?\n",
        ),
    }
}
