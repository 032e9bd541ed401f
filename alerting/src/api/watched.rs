//! What whoever watches over the service asks: whether it lives, whether it is ready, how it fares; and a demo's mailbox.

use std::time::Duration;

use axum::{
    Json,
    extract::State as Shared,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, openapi::codes, problem::Problem};
use crate::state::DemoMail;

/// Older than this, the last canary no longer shows that the way is open.
const CANARY_AGE_MAX: Duration = Duration::from_mins(5);
/// For so long an answer of the store's holds.
const PROBE_AGE_MAX: Duration = Duration::from_secs(1);
/// Longer than this without a look for what nobody answered, the ticker is stuck.
const TICK_AGE_MAX: Duration = Duration::from_mins(1);
/// Longer than this without asking the bus, the intake is stuck.
const POLL_AGE_MAX: Duration = Duration::from_secs(30);

/// Whether each part does its work.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// It takes writes.
    store: bool,
    /// It is being read.
    bus: bool,
    /// One came out lately.
    canary: bool,
    /// What nobody answers is looked for.
    deadlines: bool,
    #[schema(value_type = Option<codes::Time>)]
    last_canary: Option<String>,
}

/// Shows the mails that left, in a demo.
///
/// Nowhere else is there such a thing.
#[utoipa::path(get, path = "/api/v1/demo/mailbox",
    responses((status = 200, body = Vec<DemoMail>), (status = 404, description = "this is no demo")))]
pub(super) async fn mailbox(Shared(api): Shared<Api>) -> Result<Json<Vec<DemoMail>>, Problem> {
    let Some(mailbox) = &api.state.mailbox else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "there is a mailbox only in a demo",
        ));
    };
    let mails = mailbox.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(Json(mails.iter().cloned().collect()))
}

/// Tells how the service fares, for Prometheus.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn metrics(Shared(api): Shared<Api>) -> Result<Response, Problem> {
    let state = &api.state;
    let left_out = state.registry.load().left_out;
    state
        .metrics
        .registry_rows_left_out
        .set(i64::try_from(left_out).unwrap_or(i64::MAX));
    state
        .metrics
        .incidents_open
        .set(state.store.open_incidents().await?);
    state.metrics.alerts_aside.set(state.store.aside_total().await?);
    state
        .metrics
        .notifications_pending
        .set(state.store.pending().await?);
    let given_up = state.store.given_up_since(ingest_event::Timestamp::EPOCH).await?;
    state.metrics.dead_letters.set(given_up);
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, state.metrics.text() + &(state.neighbours.0)()).into_response())
}

/// Tells that the process answers.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Tells whether the service does its work.
///
/// Ready means: the store takes writes, the bus is being read, what nobody answers is looked for, and a canary came out lately, in the life of
/// this process: one from before says nothing of the way that is open now.
#[utoipa::path(get, path = "/readyz",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness, description = "it does not")))]
pub(super) async fn ready(Shared(api): Shared<Api>) -> (StatusCode, Json<Readiness>) {
    let state = &api.state;
    let now = state.now();
    let polled =
        ingest_event::Timestamp::from_nanos(state.polled_at.load(std::sync::atomic::Ordering::Relaxed));
    let reading = state.clock.read();
    let mut probed = api.probed.lock().await;
    let store = match *probed {
        Some((at, took)) if reading.monotonic.saturating_sub(at) < PROBE_AGE_MAX => took,
        _ => {
            let took = state.store.probe().await.is_ok();
            *probed = Some((reading.monotonic, took));
            took
        }
    };
    drop(probed);
    let ticked = Duration::from_millis(state.ticked_ms.load(std::sync::atomic::Ordering::Relaxed));
    let deadlines = reading.monotonic.saturating_sub(ticked) < TICK_AGE_MAX;
    let bus = now.since(polled) < POLL_AGE_MAX;
    let last = state.store.last_canary().await.ok().flatten();
    let canary = last.is_some_and(|last| state.started_at <= last && now.since(last) < CANARY_AGE_MAX);
    let status = if store && bus && canary && deadlines {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let parts = Readiness {
        store,
        bus,
        canary,
        deadlines,
        last_canary: last.map(|last| last.to_string()),
    };
    (status, Json(parts))
}
