//! Logging in and out, and who one is.

use alerting_incident::access::{Action, Login, Reach};
use axum::{
    Json,
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use ingest_event::OrganizationNumber;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    body::read_body,
    cookie::{self, Kept, SameSite},
    door, oidc,
    openapi::codes,
    passkeys,
    problem::Problem,
    shapes::OrganizationName,
    who::Who,
};
use crate::{
    access::{
        Secret,
        login::{self, Refused, Typed},
        note_of,
        oidc::ended,
        session::Credential,
    },
    config::AccessSettings,
    state::State,
    store::Store,
};

/// Name, password and code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginBody {
    login: String,
    #[schema(format = Password)]
    password: String,
    /// Six digits of the authenticator app, or a recovery code.
    #[serde(default)]
    code: String,
}

/// How one logs in.
#[derive(Serialize, ToSchema)]
pub(super) struct LoginWays {
    /// Whether a login is needed at all.
    required: bool,
    /// Whether accounts of this service can log in.
    local: bool,
    /// Whether they can with a passkey.
    passkeys: bool,
    /// The identity providers that one can log in by.
    providers: Vec<oidc::ProviderShown>,
    /// Why a login by one of them was refused, some minutes ago.
    refused: Option<oidc::RefusedShown>,
    /// Whom to ask for access.
    ask: Option<String>,
}

/// Done; there is nothing to say.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {}

/// The session is over.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedOut {
    /// Where the identity provider ends its own session: for the browser to go to.
    next: Option<String>,
}

/// Who one is, and what one may do.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    name: String,
    #[schema(value_type = codes::Login)]
    login: &'static str,
    /// Whether there is a session to end.
    can_log_out: bool,
    /// Whether one may have passkeys.
    passkeys: bool,
    /// What one may do, for at least one organisation.
    #[schema(value_type = Vec<codes::Action>)]
    may: Vec<&'static str>,
    /// Whose incidents one sees; null for everybody's.
    organizations: Option<Vec<OrganizationName>>,
    /// Whom to ask for more.
    ask: Option<String>,
}

/// Tells by which ways one can log in.
#[utoipa::path(get, path = "/api/v1/login", responses((status = 200, body = LoginWays)))]
pub(super) async fn ways(Shared(api): Shared<Api>, headers: HeaderMap) -> Json<LoginWays> {
    let state = &api.state;
    let settings = state.access.as_ref();
    let (providers, refused) = oidc::ways(state, settings, &headers).await;
    Json(LoginWays {
        providers,
        refused,
        required: settings.is_some(),
        local: settings.is_some_and(|settings| settings.local_accounts),
        passkeys: state.passkeys.is_some(),
        ask: settings.map(|settings| whom_to_ask(state, settings)),
    })
}

/// Logs in.
///
/// The session is the cookie of the answer. What is answered is the same whether there is such an account or not.
#[utoipa::path(post, path = "/api/v1/login", request_body = LoginBody,
    responses(
        (status = 200, body = Done, headers(("set-cookie" = String, description = "the session"))),
        (status = 401, description = "name, password or code is wrong"),
        (status = 404, description = "nobody logs in to this service"),
        (status = 429, description = "many attempts failed; wait for a new code"),
    ))]
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
    Ok(with_cookie(state, Some(&secret), Json(Done {}).into_response()))
}

/// Ends the session.
///
/// Who logged in by an identity provider is logged out there by going to `next`, where it can.
#[utoipa::path(post, path = "/api/v1/logout",
    responses((status = 200, body = LoggedOut, headers(("set-cookie" = String, description = "takes the session away")))))]
pub(super) async fn log_out(Shared(api): Shared<Api>, who: Who) -> Result<Response, Problem> {
    let state = &api.state;
    let mut next = None;
    if let Some(Credential::Session(secret)) = &who.credential {
        if let Some(session) = state.store.session(&secret.digest()).await? {
            next = ended(state, &session).await;
        }
        let mut write = state.store.begin().await?;
        Store::end_session(&mut write, &secret.digest()).await?;
        let account = who.principal.account.as_deref().unwrap_or_default();
        let whose = (account, who.principal.name.as_str());
        note_of(&mut write, state.now(), whose, "logout", "").await?;
        state.store.commit(write).await?;
    }
    Ok(with_cookie(state, None, Json(LoggedOut { next }).into_response()))
}

/// Tells who one is, how one logged in, and what one may do.
#[utoipa::path(get, path = "/api/v1/me", responses((status = 200, body = Me)))]
pub(super) async fn me(Shared(api): Shared<Api>, who: Who) -> Result<Json<Me>, Problem> {
    let principal = &who.principal;
    let nobodys = |reach: &Reach| matches!(reach, Reach::Only(few) if few.is_empty());
    let may: Vec<_> = Action::ALL
        .iter()
        .filter(|action| !nobodys(&principal.reach(**action)))
        .map(|action| action.as_str())
        .collect();
    let organizations = match principal.sees() {
        Reach::Everything => None,
        Reach::Only(few) => Some(few.into_iter()),
    };
    let named = |number| OrganizationName {
        number: OrganizationNumber::to_string(&number),
        name: api.state.organization_name(number),
    };
    Ok(Json(Me {
        passkeys: passkeys::are_for(&api.state, &who).await?,
        name: principal.name.clone(),
        login: principal.login.as_str(),
        can_log_out: principal.login != Login::Nobody && principal.login != Login::Token,
        may,
        organizations: organizations.map(|few| few.map(named).collect()),
        ask: api
            .state
            .access
            .as_ref()
            .map(|settings| whom_to_ask(&api.state, settings)),
    }))
}

/// Puts a session's cookie onto an answer, or takes it away.
pub(super) fn with_cookie(state: &State, secret: Option<&Secret>, mut answer: Response) -> Response {
    let name = door::cookie_name(cookie::is_encrypted(state));
    let kept = if secret.is_some() { Kept::Open } else { Kept::Gone };
    let value = secret.map_or("", Secret::as_str);
    cookie::set(state, &mut answer, (name, value), SameSite::Lax, kept);
    answer
}

fn whom_to_ask(state: &State, settings: &AccessSettings) -> String {
    let cert = &state.cert;
    settings
        .ask
        .clone()
        .unwrap_or_else(|| format!("{}, {}", cert.name, cert.phone))
}
