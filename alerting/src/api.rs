//! The HTTP side: console, API, metrics and health, on one address.

mod aside;
mod audit;
mod console;
mod door;
mod host;
mod incidents;
mod login;
mod places;
mod problem;
mod registry;
mod responder;
mod routes;
mod silences;
mod statistics;
mod stream;
pub(crate) mod view;
mod who;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State as Shared},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

use crate::state::State;
use problem::Problem;
use routes::Routes;

/// The largest request body: a note of a page fits many times.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// A request that takes longer is answered with 408.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Older than this, the last canary no longer shows that the way is open.
const CANARY_AGE_MAX: Duration = Duration::from_mins(5);
/// For so long an answer of the store's holds.
const PROBE_AGE_MAX: Duration = Duration::from_secs(1);
/// Longer than this without a look for what nobody answered, the ticker is stuck.
const TICK_AGE_MAX: Duration = Duration::from_mins(1);
/// Longer than this without asking the bus, the intake is stuck.
const POLL_AGE_MAX: Duration = Duration::from_secs(30);

const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; \
     connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// What a handler gets.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) state: Arc<State>,
    pub(crate) streams: Arc<stream::Streams>,
    pub(crate) bad_links: Arc<responder::BadLinks>,
    /// When the store was last tried, and whether it took it: whoever asks often does not keep others from writing.
    pub(crate) probed: Arc<tokio::sync::Mutex<Option<(Duration, bool)>>>,
    pub(crate) shutdown: CancellationToken,
}

/// The address of every route, as it was declared: for whoever checks them all.
#[must_use]
pub fn paths() -> Vec<&'static str> {
    [quick().paths, slow().paths].concat()
}

/// Every route.
pub(crate) fn router(state: Arc<State>, listen: SocketAddr, shutdown: CancellationToken) -> Router {
    let hosts = host::Hosts::new(listen, &state.public_url);
    let api = Api {
        state,
        streams: Arc::default(),
        bad_links: Arc::default(),
        probed: Arc::default(),
        shutdown,
    };
    let quick = quick().router.layer(TimeoutLayer::with_status_code(
        StatusCode::REQUEST_TIMEOUT,
        TIMEOUT,
    ));
    quick
        .merge(slow().router)
        .layer(middleware::from_fn_with_state(api.clone(), door::enter))
        .fallback(console::serve)
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this address does not take that method",
            )
        })
        .layer(middleware::from_fn_with_state(hosts, guard))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(api)
}

/// What is answered at once.
fn quick() -> Routes {
    Routes::new()
        .route("/api/v1/incidents", get(incidents::list))
        .route("/api/v1/incidents/{id}", get(incidents::one))
        .route("/api/v1/incidents/{id}/acknowledge", post(incidents::acknowledge))
        .route("/api/v1/incidents/{id}/verdict", post(incidents::verdict))
        .route("/api/v1/incidents/{id}/close", post(incidents::close))
        .route("/api/v1/audit", get(audit::list))
        .route("/api/v1/organizations", get(incidents::organizations))
        .route("/api/v1/statistics/conclusions", get(statistics::conclusions))
        .route("/api/v1/silences", get(silences::list).post(silences::add))
        .route("/api/v1/silences/{id}", axum::routing::delete(silences::end))
        .route("/api/v1/aside", get(aside::list))
        .route("/api/v1/aside/{id}/give-up", post(aside::give_up))
        .route("/api/v1/aside/{id}/again", post(aside::again))
        .merge(registry::routes())
        .route("/api/v1/responder/{token}", get(responder::view))
        .route("/api/v1/responder/{token}/seen", post(responder::seen))
        .route(
            "/api/v1/responder/{token}/acknowledge",
            post(responder::acknowledge),
        )
        .route("/api/v1/responder/{token}/verdict", post(responder::verdict))
        .route("/api/v1/demo/mailbox", get(mailbox))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/api/v1/login", get(login::ways).post(login::log_in))
        .route("/api/v1/logout", post(login::log_out))
        .route("/api/v1/me", get(login::me))
}

/// What stays open.
fn slow() -> Routes {
    Routes::new().route("/api/v1/stream", get(stream::stream))
}

/// Refuses what another site's page could send, and puts the protecting headers on every answer.
async fn guard(Shared(hosts): Shared<host::Hosts>, request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let is_import = request.uri().path().starts_with(registry::IMPORT);
    let changes_something = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let asked = request
        .headers()
        .get("x-requested-with")
        .is_some_and(|value| value == "varde");
    let is_watched = matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics");
    let mut answer = if !is_watched && !hosts.are_asked_by(&request) {
        let detail =
            "this service has another name: open it by `public_url` or the address that it listens on";
        Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response()
    } else if changes_something && !asked {
        Problem::new(StatusCode::FORBIDDEN, "send the header `x-requested-with: varde`").into_response()
    } else {
        next.run(request).await
    };
    if answer.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let most = if is_import {
            registry::IMPORT_BYTES_MAX
        } else {
            BODY_BYTES_MAX
        };
        let detail = format!("the body is larger than {most} bytes");
        answer = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response();
    }
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The address of a responder's page is its key.
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_api || !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    answer
}

async fn mailbox(Shared(api): Shared<Api>) -> Response {
    match &api.state.mailbox {
        Some(mailbox) => {
            let mails: Vec<_> = mailbox
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .iter()
                .cloned()
                .collect();
            Json(mails).into_response()
        }
        None => Problem::new(StatusCode::NOT_FOUND, "there is a mailbox only in a demo").into_response(),
    }
}

async fn metrics(Shared(api): Shared<Api>) -> Result<Response, Problem> {
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
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, state.metrics.text() + &(state.neighbours.0)()).into_response())
}

/// Ready means: the store takes writes, the bus is being read, what nobody answers is looked for, and a canary came out lately, in the life of
/// this process: one from before says nothing of the way that is open now.
async fn ready(Shared(api): Shared<Api>) -> Response {
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
    let last = last.map(|last| last.to_string());
    (
        status,
        Json(json!({"store": store, "bus": bus, "canary": canary, "deadlines": deadlines, "last_canary": last})),
    )
        .into_response()
}
