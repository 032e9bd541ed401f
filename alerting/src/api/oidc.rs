//! Login by an identity provider: there and back, both by links that the browser follows.

use axum::{
    extract::{Path, Query, State as Shared, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    cookie::{self, Kept, SameSite},
    login,
    problem::Problem,
};
use crate::{
    access::{
        oidc::{self, Answered, Refused},
        secret,
    },
    config::AccessSettings,
    state::State,
};

/// Minutes for which the login page says why somebody was not let in.
const REFUSED_MINUTES: i64 = 5;
/// What is sealed into the cookie that says so.
const REFUSED: &str = "varde:oidc-refused";
/// The longest cookie of ours that is looked at.
const COOKIE_BYTES_MAX: usize = 8_192;

/// An identity provider, on the login page.
#[derive(Serialize, ToSchema)]
pub(super) struct ProviderShown {
    id: String,
    /// As the button says it.
    name: String,
    /// Whether it answered when it was last asked.
    is_there: bool,
}

/// Why somebody was not let in.
#[derive(Serialize, ToSchema)]
pub(super) struct RefusedShown {
    /// The provider's name.
    provider: String,
    /// `provider_away`, `cancelled`, `provider_refused`, `expired`, `bad_token`, `low_level`, `unknown`, `closed`, `no_role` or `busy`.
    reason: String,
    /// What to tell whoever gives access.
    code: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    back: String,
    language: Option<String>,
}

/// What the login page tells somebody who was not let in.
#[derive(Deserialize, Serialize)]
struct Told {
    provider: String,
    reason: String,
    code: Option<String>,
    /// Until when, in nanoseconds since 1970.
    until: i64,
}

/// The cookies of a login, beside that of a session.
#[derive(Clone, Copy)]
enum Cookie {
    /// A login that was begun.
    Started,
    /// Why one was refused.
    Refused,
}

impl Cookie {
    fn name(self, is_encrypted: bool) -> &'static str {
        match (self, is_encrypted) {
            (Self::Started, true) => "__Host-varde-started",
            (Self::Started, false) => "varde-started",
            (Self::Refused, true) => "__Host-varde-refused",
            (Self::Refused, false) => "varde-refused",
        }
    }
}

/// Sends the browser to an identity provider.
///
/// Where the provider does not answer, to the login page.
#[utoipa::path(get, path = "/api/v1/login/{provider}",
    params(
        ("provider" = String, Path, description = "its id in the configuration"),
        ("back" = Option<String>, Query, description = "the page of the console to come back to"),
        ("language" = Option<String>, Query, description = "of the provider's pages: nb, nn or en"),
    ),
    responses((status = 303, description = "to the provider, or to the login page"), (status = 404)))]
pub(super) async fn begin(
    Shared(api): Shared<Api>,
    Path(id): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let state = &api.state;
    let Query(wanted) = wanted.map_err(|_| unreadable())?;
    let provider = state.providers.find(&id).ok_or_else(no_provider)?;
    let begun = oidc::begin(state, provider, &wanted.back, wanted.language.as_deref()).await;
    let mut answer = match begun {
        Ok((address, sealed)) => {
            let mut answer = see_other(&address);
            set(
                state,
                &mut answer,
                Cookie::Started,
                Some((&sealed, oidc::MINUTES)),
            );
            set(state, &mut answer, Cookie::Refused, None);
            answer
        }
        Err(refused) => told(state, &id, &refused),
    };
    // One address, another answer each time.
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// Ends a login by an identity provider, which sends the browser here.
///
/// The session is a cookie of the answer; whoever is not let in is sent to the login page, which tells why.
#[utoipa::path(get, path = "/api/v1/login/{provider}/callback",
    params(
        ("provider" = String, Path, description = "its id in the configuration"),
        ("code" = Option<String>, Query, description = "what is exchanged for a token"),
        ("state" = Option<String>, Query, description = "that of the login"),
        ("iss" = Option<String>, Query, description = "the issuer (RFC 9207)"),
        ("error" = Option<String>, Query, description = "why the provider refused"),
    ),
    responses((status = 303, description = "to the page that was wanted, or to the login page"), (status = 404)))]
pub(super) async fn end(
    Shared(api): Shared<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    answered: Result<Query<Answered>, QueryRejection>,
) -> Result<Response, Problem> {
    let state = &api.state;
    let Query(answered) = answered.map_err(|_| unreadable())?;
    let settings = state.access.as_ref().ok_or_else(no_provider)?;
    let provider = state.providers.find(&id).ok_or_else(no_provider)?;
    let sealed = cookie(state, &headers, Cookie::Started);
    let completed = oidc::complete(state, settings, provider, sealed, answered).await;
    let completed = completed.map_err(|error| {
        tracing::error!(error = &*error as &dyn std::error::Error, "log someone in");
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "logging in does not work just now; try again",
        )
    })?;
    let mut answer = match completed {
        Ok(entered) => {
            let mut answer = see_other(&entered.back);
            set(state, &mut answer, Cookie::Refused, None);
            // The session is a new one, whatever the browser held before.
            login::with_cookie(state, Some(&entered.session), answer)
        }
        Err(refused) => told(state, &id, &refused),
    };
    set(state, &mut answer, Cookie::Started, None);
    Ok(answer)
}

/// Which providers there are and whether they answer, and why somebody was not let in, for the login page.
pub(super) async fn ways(
    state: &State,
    settings: Option<&AccessSettings>,
    headers: &HeaderMap,
) -> (Vec<ProviderShown>, Option<RefusedShown>) {
    if settings.is_none() {
        return (vec![], None);
    }
    let asked = state.providers.all().iter().map(async |provider| ProviderShown {
        id: provider.settings.id.clone(),
        name: provider.settings.name().to_owned(),
        is_there: provider.is_there().await,
    });
    let providers = futures_util::future::join_all(asked).await;
    let refused = cookie(state, headers, Cookie::Refused)
        .and_then(|sealed| secret::unseal(&state.key.derived(REFUSED), REFUSED, sealed))
        .and_then(|plain| serde_json::from_slice::<Told>(&plain).ok())
        .filter(|told| state.now().as_nanos() < told.until)
        .map(|told| {
            let known = state.providers.find(&told.provider);
            RefusedShown {
                provider: known.map_or(told.provider, |provider| provider.settings.name().to_owned()),
                reason: told.reason,
                code: told.code,
            }
        });
    (providers, refused)
}

/// Sends the browser to the login page, which asks why. The reason is in a cookie and not in the address, where others could
/// write a code of their own.
fn told(state: &State, provider: &str, refused: &Refused) -> Response {
    let back = refused.back.as_str();
    let page = if back == "/" {
        "/login".to_owned()
    } else {
        format!("/login?back={}", oidc::encoded(back))
    };
    let mut answer = see_other(&page);
    let told = Told {
        provider: provider.to_owned(),
        reason: refused.reason.as_str().to_owned(),
        code: refused.code.clone(),
        until: state
            .now()
            .as_nanos()
            .saturating_add(REFUSED_MINUTES * 60_000_000_000),
    };
    let plain = serde_json::to_vec(&told).unwrap_or_default();
    if let Ok(sealed) = secret::seal(&state.key.derived(REFUSED), REFUSED, &plain) {
        set(
            state,
            &mut answer,
            Cookie::Refused,
            Some((&sealed, REFUSED_MINUTES)),
        );
    }
    answer
}

fn see_other(address: &str) -> Response {
    let mut answer = StatusCode::SEE_OTHER.into_response();
    if let Ok(value) = HeaderValue::from_str(address) {
        answer.headers_mut().insert(header::LOCATION, value);
    }
    answer
}

/// Puts a cookie onto an answer, for some minutes, or takes it away.
fn set(state: &State, answer: &mut Response, cookie: Cookie, held: Option<(&str, i64)>) {
    let name = cookie.name(cookie::is_encrypted(state));
    let (value, kept) = held.map_or(("", Kept::Gone), |(value, minutes)| {
        (value, Kept::Minutes(minutes))
    });
    cookie::set(state, answer, (name, value), SameSite::Lax, kept);
}

fn cookie<'h>(state: &State, headers: &'h HeaderMap, cookie: Cookie) -> Option<&'h str> {
    let name = cookie.name(cookie::is_encrypted(state));
    cookie::of(headers, name).filter(|value| value.len() <= COOKIE_BYTES_MAX)
}

fn unreadable() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "the query can't be read")
}

fn no_provider() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such identity provider here")
}
