//! The HTTP side: console, API, metrics and health, on one address.

mod arrange;
mod aside;
mod audit;
mod body;
mod console;
mod contact;
mod cookie;
mod cursor;
mod dead_letters;
mod door;
mod host;
mod incidents;
mod login;
mod oidc;
mod once;
pub(crate) mod openapi;
mod passkeys;
mod places;
mod problem;
mod registry;
mod responder;
mod reveals;
mod routes;
mod shapes;
mod silences;
mod statistics;
mod statutory;
mod stream;
mod version;
pub(crate) mod view;
mod watched;
mod who;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State as Shared},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

use crate::state::State;
use problem::Problem;
use routes::Routes;

/// The largest request body: a note of a page fits many times.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// A request that takes longer is answered with 408.
const TIMEOUT: Duration = Duration::from_secs(30);

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
        .layer(middleware::from_fn_with_state(api.clone(), once::once))
        .layer(middleware::from_fn(version::not_modified))
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
        .route(incidents::__path_list, incidents::list)
        .route(incidents::__path_one, incidents::one)
        .route(incidents::__path_acknowledge, incidents::acknowledge)
        .route(incidents::__path_verdict, incidents::verdict)
        .route(incidents::__path_close, incidents::close)
        .route(audit::__path_list, audit::list)
        .route(incidents::__path_organizations, incidents::organizations)
        .route(statistics::__path_conclusions, statistics::conclusions)
        .route(silences::__path_list, silences::list)
        .route(silences::__path_one, silences::one)
        .route(silences::__path_add, silences::add)
        .route(silences::__path_end, silences::end)
        .route(aside::__path_list, aside::list)
        .route(aside::__path_again, aside::again)
        .route(aside::__path_give_up, aside::give_up)
        .merge(arrange::routes())
        .merge(statutory::routes())
        .merge(registry::routes())
        .merge(dead_letters::routes())
        .route(contact::__path_view, contact::view)
        .route(contact::__path_answer, contact::answer)
        .merge(reveals::routes())
        .route(responder::__path_view, responder::view)
        .route(responder::__path_seen, responder::seen)
        .route(responder::__path_acknowledge, responder::acknowledge)
        .route(responder::__path_verdict, responder::verdict)
        .route(login::__path_ways, login::ways)
        .route(login::__path_log_in, login::log_in)
        .route(oidc::__path_begin, oidc::begin)
        .route(oidc::__path_end, oidc::end)
        .merge(passkeys::routes())
        .route(login::__path_log_out, login::log_out)
        .route(login::__path_me, login::me)
        .route(watched::__path_mailbox, watched::mailbox)
        .route(watched::__path_metrics, watched::metrics)
        .route(watched::__path_alive, watched::alive)
        .route(watched::__path_ready, watched::ready)
        .route(openapi::__path_serve, openapi::serve)
}

/// What stays open.
fn slow() -> Routes {
    Routes::new().route(stream::__path_stream, stream::stream)
}

/// Every route, for the document.
fn routes() -> Routes {
    quick().merge(slow())
}

/// Refuses what another site's page could send, and puts the protecting headers on every answer.
async fn guard(Shared(hosts): Shared<host::Hosts>, request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let is_import = request.uri().path().starts_with(registry::IMPORT);
    let changes_something = matches!(
        *request.method(),
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    );
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
    } else if is_api && !is_import && !body::is_json(&request) {
        let detail = "send the body as `content-type: application/json`";
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into_response()
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
    answer = problem::in_words(answer).await;
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
