//! The one door that every request comes through before a handler sees it.
//!
//! A route is behind a login unless it is listed here; and whoever does not see everything gets only to the routes whose
//! handlers narrow what they show ([`Door::Narrowed`]). A route that nobody thought of is the CERT's.

use std::net::SocketAddr;

use alerting_incident::access::{Action, Reach};
use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State as Shared},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Api, cookie, problem::Problem, who::Who};
use crate::access::{
    Secret,
    session::{self, Credential},
};

/// Who gets to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Anyone: it shows nothing, or what it is asked with is the key.
    Open,
    /// Whoever watches the service from the same machine, or has a token for it.
    Watch,
    /// Whoever is logged in; the handler shows no more than they see.
    Narrowed,
    /// Whoever reads the audit log.
    Audit,
    /// Whoever sees everything; what it is asked changes nothing.
    Asked,
    /// Whoever sees everything, and, to change something, may silence everything.
    Silences,
    /// Whoever sees everything, and, to change something, manages everything.
    Cert,
}

pub(super) fn door(path: &str) -> Door {
    match path {
        "/healthz" | "/readyz" | "/api/v1/login" | "/api/v1/openapi.json" => Door::Open,
        "/api/v1/login/{provider}" | "/api/v1/login/{provider}/callback" => Door::Open,
        path if path.starts_with("/api/v1/responder/{token}") => Door::Open,
        "/api/v1/contact/{token}" => Door::Open,
        "/api/v1/passkeys/login" | "/api/v1/passkeys/login/options" => Door::Open,
        path if path.starts_with("/api/v1/passkeys") => Door::Narrowed,
        "/metrics" => Door::Watch,
        "/api/v1/audit" => Door::Audit,
        "/api/v1/me"
        | "/api/v1/logout"
        | "/api/v1/stream"
        | "/api/v1/organizations"
        | "/api/v1/incidents"
        | "/api/v1/incidents/{id}"
        | "/api/v1/incidents/{id}/acknowledge"
        | "/api/v1/incidents/{id}/verdict"
        | "/api/v1/incidents/{id}/close"
        | "/api/v1/incidents/bulk"
        | "/api/v1/incidents/{id}/alerts"
        | "/api/v1/incidents/{id}/assign"
        | "/api/v1/incidents/{id}/assignees"
        | "/api/v1/incidents/{id}/comment"
        | "/api/v1/incidents/{id}/merge"
        | "/api/v1/incidents/{id}/split"
        | "/api/v1/incidents/{id}/undo" => Door::Narrowed,
        path if path.starts_with("/api/v1/incidents/{id}/statutory") => Door::Narrowed,
        "/api/v1/silences" | "/api/v1/silences/{id}" => Door::Silences,
        path if path.starts_with("/api/v1/incidents/{id}/reveals") => Door::Narrowed,
        "/api/v1/route/explain" | "/api/v1/registry/preview" | "/api/v1/registry/import/preview" => {
            Door::Asked
        }
        _ => Door::Cert,
    }
}

/// Lets a request through, with who asks, or refuses it.
pub(super) async fn enter(Shared(api): Shared<Api>, mut request: Request, next: Next) -> Response {
    // Pages, and addresses that are none, show nothing.
    let Some(path) = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned())
    else {
        return next.run(request).await;
    };
    let door = door(&path);
    let is_open = match door {
        Door::Open => true,
        Door::Watch => api.state.access.is_none() || is_from_this_machine(&request),
        Door::Narrowed | Door::Audit | Door::Asked | Door::Silences | Door::Cert => false,
    };
    if is_open {
        return next.run(request).await;
    }
    let credential = credential(request.headers(), api.state.public_url.starts_with("https://"));
    let who = match Who::of(&api.state, credential).await {
        Ok(Some(who)) => who,
        Ok(None) => return Problem::no_login().into_response(),
        Err(error) => return Problem::from(error).into_response(),
    };
    if let Err(problem) = admit(door, &who, request.method()) {
        return problem.into_response();
    }
    // An open stream listens; that keeps nobody logged in.
    if path != "/api/v1/stream"
        && let Some(credential) = &who.credential
        && let Err(error) = session::touch(&api.state, credential).await
    {
        return Problem::from(error).into_response();
    }
    request.extensions_mut().insert(who);
    next.run(request).await
}

/// What one must be allowed to, over everything, to get through; of what is narrowed, over anything.
pub(super) fn needed(door: Door, reads: bool) -> Option<Action> {
    match door {
        Door::Open => None,
        Door::Narrowed => Some(Action::Read),
        Door::Watch => Some(Action::ReadMetrics),
        Door::Asked => Some(Action::ReadInternals),
        Door::Audit => Some(Action::ReadAudit),
        Door::Cert | Door::Silences if reads => Some(Action::ReadInternals),
        Door::Silences => Some(Action::Silence),
        Door::Cert => Some(Action::Manage),
    }
}

fn admit(door: Door, who: &Who, method: &Method) -> Result<(), Problem> {
    if door == Door::Narrowed {
        return Ok(());
    }
    let Some(needed) = needed(door, matches!(*method, Method::GET | Method::HEAD)) else {
        return Ok(());
    };
    if who.principal.reach(needed) == Reach::Everything {
        return Ok(());
    }
    Err(Problem::not_allowed(needed))
}

impl Door {
    /// Who gets through, in words.
    pub(super) const fn who(self) -> &'static str {
        match self {
            Self::Open => "anyone, or whoever has the link",
            Self::Watch => "this machine, or whoever may over everything",
            Self::Narrowed => "whoever is logged in, over what they may see",
            Self::Audit | Self::Asked | Self::Silences | Self::Cert => "whoever may over everything",
        }
    }
}

/// The cookie's name; browsers hold `__Host-` to its word: this host alone, and encrypted.
pub(super) fn cookie_name(is_encrypted: bool) -> &'static str {
    if is_encrypted { "__Host-varde" } else { "varde" }
}

/// What a request shows of who asks: a token, else a cookie.
fn credential(headers: &HeaderMap, is_encrypted: bool) -> Option<Credential> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok()?.strip_prefix("Bearer ")?;
        return Secret::sent(token.trim()).map(Credential::Token);
    }
    cookie::of(headers, cookie_name(is_encrypted))
        .and_then(Secret::sent)
        .map(Credential::Session)
}

/// Loopback, unless a proxy on this machine passes on what another asked for.
fn is_from_this_machine(request: &Request) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let is_passed_on = [
        header::FORWARDED.as_str(),
        "x-forwarded-for",
        "x-real-ip",
        header::VIA.as_str(),
    ]
    .iter()
    .any(|name| request.headers().contains_key(*name));
    peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) && !is_passed_on
}

impl Problem {
    /// For whoever is not logged in, or no longer.
    pub(super) fn no_login() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "log in first")
    }

    /// For whoever may see a thing but not do this to it.
    pub(super) fn not_allowed(action: Action) -> Self {
        let detail = format!("your roles do not let you do this (`{action}`); ask whoever gives access");
        Self::new(StatusCode::FORBIDDEN, detail)
    }
}
