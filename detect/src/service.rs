//! The detector as a service: load, open, serve its state, run until told to stop.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use axum::{Router, extract, http::StatusCode, routing::get};
use ingest_bus::Bus;
use ingest_event::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    config::Config,
    metrics::Metrics,
    pipeline::{Parts, Pipeline},
    reload::{Asks, Reloader, Status},
};

/// Ready means that a canary came through within this: three of the sensors' intervals.
const CANARY_AGE_MAX: Duration = Duration::from_secs(90);

/// Runs a detector on `bus` until `stop` and serves its state at `config.listen`.
///
/// # Errors
/// If no rule loads or the bus refuses for good.
pub async fn run(config: Config, bus: Bus, stop: CancellationToken) -> anyhow::Result<()> {
    let state = State {
        metrics: Metrics::new().context("register metrics")?,
        files: Status::default(),
    };
    tokio::spawn(serve(config.listen, state.clone(), stop.clone()));
    run_in(config, bus, state, stop).await
}

/// As [`run`], counting in `metrics`, which the caller serves.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    config: Config,
    bus: Bus,
    metrics: Metrics,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let state = State {
        metrics,
        files: Status::default(),
    };
    run_in(config, bus, state, stop).await
}

/// What the outside may ask.
#[derive(Clone)]
struct State {
    metrics: Metrics,
    files: Status,
}

async fn run_in(config: Config, bus: Bus, state: State, stop: CancellationToken) -> anyhow::Result<()> {
    let State { metrics, files } = state;
    let sources = config.sources();
    let opened = {
        let metrics = metrics.clone();
        tokio::task::spawn_blocking(move || Reloader::open(&sources, metrics, files, clock::now)).await
    };
    let reloader = opened.context("load rules and indicators")??;
    let pipeline = Pipeline::open(Parts {
        group: config.group,
        checkpoint_interval: Duration::from_millis(config.checkpoint_interval_ms),
        signals_partitions: config.signals_partitions,
        clock: clock::now,
        live: reloader.live().clone(),
        metrics,
        bus,
    })
    .await?;
    // Ends when `asks` is gone, which is when the loop ends.
    let asks = reloader
        .spawn(Duration::from_millis(config.reload_interval_ms))
        .context("start the thread that reloads")?;
    tokio::select! {
        ran = pipeline.run(stop) => ran,
        () = look_on_signal(&asks) => Ok(()),
    }
}

/// Has the files looked at on each SIGHUP; never ends.
async fn look_on_signal(asks: &Asks) {
    match signal(SignalKind::hangup()) {
        Ok(mut hangup) => {
            while hangup.recv().await.is_some() {
                asks.look();
            }
        }
        Err(error) => tracing::error!(%error, "listening for SIGHUP failed"),
    }
    std::future::pending().await
}

async fn serve(address: SocketAddr, state: State, stop: CancellationToken) {
    let router = Router::new()
        .route(
            "/metrics",
            get(|extract::State(state): extract::State<State>| async move { state.metrics.text() }),
        )
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(|extract::State(state): extract::State<State>| async move { ready(&state, clock::now()) }),
        )
        .with_state(state);
    let served = match tokio::net::TcpListener::bind(address).await {
        Ok(listener) => {
            axum::serve(listener, router)
                .with_graceful_shutdown(stop.cancelled_owned())
                .await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tracing::error!(%error, port = address.port(), "serving metrics failed; change `listen` if the port is taken");
    }
}

fn ready(state: &State, now: Timestamp) -> (StatusCode, String) {
    if let Some(refusal) = state.files.refusal() {
        let text = format!(
            "not ready: the changed rules and indicators are refused, those in use stay: {refusal}\n"
        );
        return (StatusCode::SERVICE_UNAVAILABLE, text);
    }
    let canary = Timestamp::from_millis(state.metrics.canary_seconds.get() * 1_000);
    if now.since(canary) <= CANARY_AGE_MAX {
        (StatusCode::OK, "ready: a canary came through\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: no canary came through lately; is a sensor running?\n".to_owned(),
        )
    }
}

/// Cancels `stop` on SIGINT or SIGTERM.
pub async fn cancel_on_signal(stop: CancellationToken) {
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::error!(%error, "listening for SIGTERM failed");
            return;
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    stop.cancel();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_a_fresh_canary() {
        let state = State {
            metrics: Metrics::new().expect("registered"),
            files: Status::default(),
        };
        let now = Timestamp::from_millis(1_772_438_400_000);
        assert_eq!(ready(&state, now).0, StatusCode::SERVICE_UNAVAILABLE);
        state.metrics.canary_seconds.set(1_772_438_400 - 80);
        assert_eq!(ready(&state, now).0, StatusCode::OK);
        state.metrics.canary_seconds.set(1_772_438_400 - 91);
        assert_eq!(ready(&state, now).0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
