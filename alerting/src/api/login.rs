//! Logging in and out, and who one is.

use alerting_incident::access::{Action, Login, Reach};
use axum::{
    Json,
    body::Bytes,
    extract::State as Shared,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, door, incidents::read_body, problem::Problem, who::Who};
use crate::{
    access::{
        Secret,
        login::{self, Refused, Typed},
        note,
        session::Credential,
    },
    config::AccessSettings,
    state::State,
    store::Store,
};

/// The body of a login.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    login: String,
    password: String,
    #[serde(default)]
    code: String,
}

/// `GET /api/v1/login`: by which ways one can log in, and whom to ask for access.
pub(super) async fn ways(Shared(api): Shared<Api>) -> Json<Value> {
    let state = &api.state;
    let settings = state.access.as_ref();
    Json(json!({
        "required": settings.is_some(),
        "local": settings.is_some_and(|settings| settings.local_accounts),
        "ask": settings.map(|settings| whom_to_ask(state, settings)),
    }))
}

/// `POST /api/v1/login`: name, password and code; the cookie is the session.
pub(super) async fn log_in(Shared(api): Shared<Api>, body: Bytes) -> Result<Response, Problem> {
    let state = &api.state;
    let Some(settings) = &state.access else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "nobody logs in to this service",
        ));
    };
    let body: LoginBody = read_body(&body)?;
    let typed = Typed {
        login: body.login,
        password: body.password,
        code: body.code,
    };
    let secret = login::log_in(state, settings, typed)
        .await
        .map_err(|refused| match refused {
            Refused::Wrong => Problem::new(
                StatusCode::UNAUTHORIZED,
                "name, password or code is wrong; a code works once, so wait for the next",
            ),
            Refused::Guarded => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "many attempts failed: wait for a new code, and type it, name and password with care",
            ),
            Refused::Failed(error) => {
                tracing::error!(error = &*error as &dyn std::error::Error, "log someone in");
                Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "logging in does not work just now; try again",
                )
            }
        })?;
    Ok(with_cookie(state, Some(&secret), Json(json!({})).into_response()))
}

/// `POST /api/v1/logout`.
pub(super) async fn log_out(Shared(api): Shared<Api>, who: Who) -> Result<Response, Problem> {
    let state = &api.state;
    if let Some(Credential::Session(secret)) = &who.credential {
        let mut write = state.store.begin().await?;
        Store::end_session(&mut write, &secret.digest()).await?;
        note(&mut write, state.now(), &who.principal.name, "logout", "").await?;
        state.store.commit(write).await?;
    }
    Ok(with_cookie(state, None, Json(json!({})).into_response()))
}

/// `GET /api/v1/me`: who one is, how one logged in, and what one may do.
pub(super) async fn me(Shared(api): Shared<Api>, who: Who) -> Json<Value> {
    let principal = &who.principal;
    let nobodys = |reach: &Reach| matches!(reach, Reach::Only(few) if few.is_empty());
    let may: Vec<_> = Action::ALL
        .iter()
        .filter(|action| !nobodys(&principal.reach(**action)))
        .map(|action| action.as_str())
        .collect();
    let organizations = match principal.sees() {
        Reach::Everything => Value::Null,
        Reach::Only(few) => few
            .into_iter()
            .map(|number| json!({ "number": number, "name": api.state.organization_name(number) }))
            .collect(),
    };
    Json(json!({
        "name": principal.name,
        "login": principal.login.as_str(),
        "can_log_out": principal.login != Login::Nobody && principal.login != Login::Token,
        "may": may,
        "organizations": organizations,
        "ask": api.state.access.as_ref().map(|settings| whom_to_ask(&api.state, settings)),
    }))
}

/// Puts a session's cookie onto an answer, or takes it away.
fn with_cookie(state: &State, secret: Option<&Secret>, mut answer: Response) -> Response {
    let is_encrypted = state.public_url.starts_with("https://");
    let value = format!(
        "{}={}; Path=/; HttpOnly; SameSite=Lax{}{}",
        door::cookie_name(is_encrypted),
        secret.map_or("", Secret::as_str),
        if is_encrypted { "; Secure" } else { "" },
        if secret.is_none() { "; Max-Age=0" } else { "" },
    );
    if let Ok(value) = HeaderValue::from_str(&value) {
        answer.headers_mut().insert(header::SET_COOKIE, value);
    }
    answer
}

fn whom_to_ask(state: &State, settings: &AccessSettings) -> String {
    let cert = &state.cert;
    settings
        .ask
        .clone()
        .unwrap_or_else(|| format!("{}, {}", cert.name, cert.phone))
}
