//! Passkeys: logging in with one, and one's own. Nobody sees or changes another's: every handler begins from the asker's
//! session.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Shared},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

use super::{
    Api,
    body::read_body,
    cookie::{self, Kept, SameSite},
    login::{Done, with_cookie},
    openapi::codes,
    problem::Problem,
    routes::Routes,
    who::Who,
};
use crate::{
    access::{
        Secret,
        login::Refused,
        passkeys::{
            MINUTES, RelyingParty,
            add::{Owner, PASSKEYS_MAX, Refusal, may_have},
            enter,
        },
        session::Credential,
    },
    state::State,
    store::StoredPasskey,
};

/// What authenticators are asked, for the browser.
#[derive(Serialize, ToSchema)]
pub(super) struct PasskeyOptions {
    /// `PublicKeyCredentialRequestOptionsJSON` for a login, `PublicKeyCredentialCreationOptionsJSON` to add one (WebAuthn Level 3
    /// section 5.1). Good for five minutes and one answer.
    #[schema(value_type = Object)]
    options: Value,
}

/// An authenticator's answer to a login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasskeyLogin {
    /// `AuthenticationResponseJSON` (WebAuthn Level 3 section 5.1).
    #[schema(value_type = Object)]
    credential: PublicKeyCredential,
}

/// A passkey that an authenticator made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPasskey {
    /// What its owner calls it.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// `RegistrationResponseJSON` (WebAuthn Level 3 section 5.1).
    #[schema(value_type = Object)]
    credential: RegisterPublicKeyCredential,
}

/// What a passkey is to be called.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasskeyName {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
}

/// A passkey.
#[derive(Serialize, ToSchema)]
pub(super) struct PasskeyView {
    id: String,
    /// What its owner calls it.
    name: String,
    #[schema(value_type = codes::Time)]
    created_at: String,
    /// When somebody last logged in with it.
    #[schema(value_type = Option<codes::Time>)]
    used_at: Option<String>,
    /// Whether it is refused, as there seem to be two of it.
    copied: bool,
}

/// One's own passkeys.
#[derive(Serialize, ToSchema)]
pub(super) struct PasskeyList {
    /// The oldest first.
    passkeys: Vec<PasskeyView>,
    /// Whether one logged in so lately that one can be added.
    can_add: bool,
    /// How many there can be.
    most: i64,
}

/// The routes.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route(__path_login_options, login_options)
        .route(__path_log_in, log_in)
        .route(__path_list, list)
        .route(__path_options, options)
        .route(__path_add, add)
        .route(__path_rename, rename)
        .route(__path_remove, remove)
}

/// Begins a login with a passkey.
///
/// No name is asked for: the authenticator says which passkey it is. It is ended in the browser in which it was begun: a cookie tells.
#[utoipa::path(post, path = "/api/v1/passkeys/login/options",
    responses((status = 200, body = PasskeyOptions, headers(("set-cookie" = String, description = "that it was begun here"))), (status = 404, description = "nobody has passkeys here"),
        (status = 429, description = "very many logins were begun within a minute")))]
pub(super) async fn login_options(Shared(api): Shared<Api>, headers: HeaderMap) -> Result<Response, Problem> {
    let state = &api.state;
    let party = party(state)?;
    let (options, browser) = enter::options(state, party, held(state, &headers))
        .await
        .map_err(|refused| match refused {
            Refused::Failed(error) => failed(&error),
            Refused::Wrong | Refused::Guarded => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "very many log in just now: wait a minute, or log in with name, password and code",
            ),
        })?;
    let mut answer = Json(PasskeyOptions { options }).into_response();
    let value = (cookie_name(state), browser.as_str());
    cookie::set(
        state,
        &mut answer,
        value,
        SameSite::Strict,
        Kept::Minutes(MINUTES),
    );
    Ok(answer)
}

/// Logs in with a passkey.
///
/// In the browser in which it was begun, which holds a cookie that says so. The session is the cookie of the answer. The authenticator asked for a finger or a code, so that no other code is asked for.
/// What is answered is the same whether there is such a passkey or not.
#[utoipa::path(post, path = "/api/v1/passkeys/login", request_body = PasskeyLogin,
    responses(
        (status = 200, body = Done, headers(("set-cookie" = String, description = "the session"))),
        (status = 401, description = "the passkey is not taken"),
        (status = 404, description = "nobody has passkeys here"),
    ))]
pub(super) async fn log_in(
    Shared(api): Shared<Api>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let state = &api.state;
    let party = party(state)?;
    let settings = state.access.as_ref().ok_or_else(no_passkeys)?;
    let body: PasskeyLogin = read_body(&body)?;
    let browser = held(state, &headers);
    let session = enter::log_in(state, settings, party, browser.as_ref(), &body.credential)
        .await
        .map_err(|refused| match refused {
            Refused::Wrong | Refused::Guarded => Problem::new(
                StatusCode::UNAUTHORIZED,
                "this passkey is not taken; log in with name, password and code",
            ),
            Refused::Failed(error) => failed(&error),
        })?;
    Ok(with_cookie(state, Some(&session), Json(Done {}).into_response()))
}

/// Lists one's own passkeys.
#[utoipa::path(get, path = "/api/v1/passkeys",
    responses((status = 200, body = PasskeyList), (status = 404, description = "nobody has passkeys here")))]
pub(super) async fn list(Shared(api): Shared<Api>, who: Who) -> Result<Json<PasskeyList>, Problem> {
    let (_, owner) = owner(&api.state, &who).await?;
    let passkeys = api.state.store.passkeys(&owner.account.id).await?;
    Ok(Json(PasskeyList {
        passkeys: passkeys.into_iter().map(shown).collect(),
        can_add: owner.is_fresh,
        most: PASSKEYS_MAX,
    }))
}

/// Begins to add a passkey.
///
/// For ten minutes after a login.
#[utoipa::path(post, path = "/api/v1/passkeys/options",
    responses(
        (status = 200, body = PasskeyOptions),
        (status = 404, description = "nobody has passkeys here"),
        (status = 409, description = "there are as many as there can be"),
    ))]
pub(super) async fn options(Shared(api): Shared<Api>, who: Who) -> Result<Json<PasskeyOptions>, Problem> {
    let (party, owner) = owner(&api.state, &who).await?;
    let options = owner.options(&api.state, party).await?;
    Ok(Json(PasskeyOptions { options }))
}

/// Adds a passkey.
///
/// For ten minutes after a login.
#[utoipa::path(post, path = "/api/v1/passkeys", request_body = NewPasskey,
    responses(
        (status = 201, body = PasskeyView),
        (status = 404, description = "nobody has passkeys here"),
        (status = 409, description = "it was not begun or is over, or it is there already"),
        (status = 422, description = "the name or the authenticator's answer can't be"),
    ))]
pub(super) async fn add(
    Shared(api): Shared<Api>,
    who: Who,
    body: Bytes,
) -> Result<(StatusCode, Json<PasskeyView>), Problem> {
    let (party, owner) = owner(&api.state, &who).await?;
    let body: NewPasskey = read_body(&body)?;
    let added = owner.add(&api.state, party, &body.name, &body.credential).await?;
    Ok((StatusCode::CREATED, Json(shown(added))))
}

/// Calls one of one's own passkeys something else.
#[utoipa::path(put, path = "/api/v1/passkeys/{id}", request_body = PasskeyName,
    params(("id" = String, Path, description = "as the list says it")),
    responses(
        (status = 200, body = Done),
        (status = 404, description = "one has no such passkey"),
        (status = 422, description = "the name can't be"),
    ))]
pub(super) async fn rename(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Done>, Problem> {
    let (_, owner) = owner(&api.state, &who).await?;
    // What is not one's own is not there, whatever it is to be called.
    let held = api.state.store.passkeys(&owner.account.id).await?;
    if !held.iter().any(|passkey| passkey.id == id) {
        return Err(Refusal::None.into());
    }
    let body: PasskeyName = read_body(&body)?;
    owner.rename(&api.state, &id, &body.name).await?;
    Ok(Json(Done {}))
}

/// Removes one of one's own passkeys.
///
/// Password and code stay, so that it is never the last way to log in.
#[utoipa::path(delete, path = "/api/v1/passkeys/{id}",
    params(("id" = String, Path, description = "as the list says it")),
    responses((status = 200, body = Done), (status = 404, description = "one has no such passkey")))]
pub(super) async fn remove(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<Done>, Problem> {
    let (_, owner) = owner(&api.state, &who).await?;
    owner.remove(&api.state, &id).await?;
    Ok(Json(Done {}))
}

/// Whether who asks may have passkeys.
pub(super) async fn are_for(state: &State, who: &Who) -> sqlx::Result<bool> {
    let (Some(_), Some(Credential::Session(secret))) = (&state.passkeys, &who.credential) else {
        return Ok(false);
    };
    let session = state.store.session(&secret.digest()).await?;
    Ok(session.as_ref().is_some_and(may_have))
}

async fn owner<'s>(state: &'s State, who: &Who) -> Result<(&'s RelyingParty, Owner), Problem> {
    let party = party(state)?;
    let Some(Credential::Session(secret)) = &who.credential else {
        return Err(Refusal::NotTheirs.into());
    };
    Ok((party, Owner::of(state, secret).await?))
}

fn party(state: &State) -> Result<&RelyingParty, Problem> {
    state.passkeys.as_ref().ok_or_else(no_passkeys)
}

/// What says in which browser a login was begun.
fn cookie_name(state: &State) -> &'static str {
    if cookie::is_encrypted(state) {
        "__Host-varde-passkey"
    } else {
        "varde-passkey"
    }
}

fn held(state: &State, headers: &HeaderMap) -> Option<Secret> {
    cookie::of(headers, cookie_name(state)).and_then(Secret::sent)
}

fn no_passkeys() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "nobody has passkeys here (`access.passkeys` in the configuration)",
    )
}

fn failed(error: &anyhow::Error) -> Problem {
    tracing::error!(error = &**error as &dyn std::error::Error, "use a passkey");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "passkeys do not work just now; log in with name, password and code",
    )
}

fn shown(passkey: StoredPasskey) -> PasskeyView {
    PasskeyView {
        id: passkey.id,
        name: passkey.name,
        created_at: passkey.created_at.to_string(),
        used_at: passkey.used_at.map(|at| at.to_string()),
        copied: passkey.copied_at.is_some(),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::NotTheirs | Refusal::NotFresh => StatusCode::FORBIDDEN,
            Refusal::TooMany | Refusal::NotBegun | Refusal::There => StatusCode::CONFLICT,
            Refusal::Name | Refusal::Wrong => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::None => StatusCode::NOT_FOUND,
            Refusal::Store(_) | Refusal::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        match refusal {
            Refusal::Store(error) => error.into(),
            Refusal::Failed(error) => failed(&error),
            told => Self::new(status, told.to_string()),
        }
    }
}
