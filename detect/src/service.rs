//! The detector as a service: load, open, serve its state, run until told to stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{Router, extract::State, http::StatusCode, routing::get};
use detect_rules::Level;
use ingest_bus::Bus;
use ingest_event::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    config::Config,
    load::load,
    metrics::Metrics,
    pipeline::{Parts, Pipeline},
};

/// Ready means that a canary came through within this: three of the sensors' intervals.
const CANARY_AGE_MAX: Duration = Duration::from_secs(90);

/// Runs a detector on `bus` until `stop` and serves its state at `config.listen`.
///
/// # Errors
/// If no rule loads or the bus refuses for good.
pub async fn run(config: Config, bus: Bus, stop: CancellationToken) -> anyhow::Result<()> {
    let metrics = Metrics::new().context("register metrics")?;
    tokio::spawn(serve(config.listen, metrics.clone(), stop.clone()));
    run_with(config, bus, metrics, stop).await
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
    let loaded = load(&config.rules, &config.indicators)?;
    for diagnostic in &loaded.diagnostics {
        match diagnostic.level {
            Level::Error => tracing::error!("{diagnostic}"),
            Level::Warning => tracing::warn!("{diagnostic}"),
        }
    }
    let ruleset = Arc::new(loaded.ruleset);
    anyhow::ensure!(
        0 < ruleset.rule_count() + ruleset.indicator_count(),
        "no rule and no indicator could be loaded: see the messages above, or check the paths under `rules`"
    );
    for (kind, count) in [
        ("rule", ruleset.rule_count()),
        ("correlation", ruleset.correlation_count()),
        ("indicator", ruleset.indicator_count()),
    ] {
        metrics
            .ruleset_size
            .with_label_values(&[kind])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    tracing::info!(
        rules = ruleset.rule_count(),
        correlations = ruleset.correlation_count(),
        indicators = ruleset.indicator_count(),
        version = ruleset.version().0,
        "ruleset loaded"
    );
    let pipeline = Pipeline::open(Parts {
        group: config.group,
        checkpoint_interval: Duration::from_millis(config.checkpoint_interval_ms),
        clock: clock::now,
        ruleset,
        metrics,
        bus,
    })
    .await?;
    pipeline.run(stop).await
}

async fn serve(address: SocketAddr, metrics: Metrics, stop: CancellationToken) {
    let router = Router::new()
        .route(
            "/metrics",
            get(|State(metrics): State<Metrics>| async move { metrics.text() }),
        )
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(|State(metrics): State<Metrics>| async move { ready(&metrics, clock::now()) }),
        )
        .with_state(metrics);
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

fn ready(metrics: &Metrics, now: Timestamp) -> (StatusCode, &'static str) {
    let canary = Timestamp::from_millis(metrics.canary_seconds.get() * 1_000);
    if now.since(canary) <= CANARY_AGE_MAX {
        (StatusCode::OK, "ready: a canary came through\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: no canary came through lately; is a sensor running?\n",
        )
    }
}

/// Cancels `stop` on SIGINT or SIGTERM.
pub async fn cancel_on_signal(stop: CancellationToken) {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
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
        let metrics = Metrics::new().expect("registered");
        let now = Timestamp::from_millis(1_772_438_400_000);
        assert_eq!(ready(&metrics, now).0, StatusCode::SERVICE_UNAVAILABLE);
        metrics.canary_seconds.set(1_772_438_400 - 80);
        assert_eq!(ready(&metrics, now).0, StatusCode::OK);
        metrics.canary_seconds.set(1_772_438_400 - 91);
        assert_eq!(ready(&metrics, now).0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
