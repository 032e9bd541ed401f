//! What a contact says to the yearly question, through a link: still right, or not any more. Nothing about any incident.

use alerting_incident::Actor;
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Shared},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Api, body::read_body, openapi::codes, problem::Problem};
use crate::{
    audit::Deed,
    letters,
    store::{Answered, Store, StoredLetter},
};

/// How long a link works: until the reminder is a month old, and another.
const VALID: std::time::Duration = std::time::Duration::from_hours(24 * 90);

/// What a contact says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactAnswer {
    /// `right` or `not_me`.
    answer: String,
}

/// The yearly question to a contact.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContactView {
    /// Who is asked.
    contact: String,
    /// For whom they answer.
    organization: String,
    #[schema(value_type = codes::Language)]
    language: String,
    /// What was said now; null when only looked at.
    answer: Option<String>,
    cert: ContactCert,
}

/// Whom to call.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContactCert {
    name: String,
    phone: String,
    email: String,
}

/// Shows who is asked, and for whom.
///
/// Looking answers nothing.
#[utoipa::path(get, path = "/api/v1/contact/{token}", params(("token" = String, Path)),
    responses((status = 200, body = ContactView), (status = 404), (status = 410), (status = 429)))]
pub(super) async fn view(
    Shared(api): Shared<Api>,
    Path(token): Path<String>,
) -> Result<Json<ContactView>, Problem> {
    let (letter, about) = open(&api, &token).await?;
    Ok(Json(shown(&api, &letter, &about)))
}

/// Says whether a contact is still right.
#[utoipa::path(post, path = "/api/v1/contact/{token}", params(("token" = String, Path)), request_body = ContactAnswer,
    responses((status = 200, body = ContactView), (status = 404), (status = 410), (status = 422, description = "it is neither of the answers"), (status = 429)))]
pub(super) async fn answer(
    Shared(api): Shared<Api>,
    Path(token): Path<String>,
    body: Bytes,
) -> Result<Json<ContactView>, Problem> {
    let (letter, about) = open(&api, &token).await?;
    let body: ContactAnswer = read_body(&body)?;
    if !["right", "not_me"].contains(&body.answer.as_str()) {
        let detail = "`answer`: right or not_me";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let state = &api.state;
    let check = about.get("check").and_then(Value::as_str).unwrap_or_default();
    let mut write = state.store.begin().await?;
    let answered = Store::answer_check(&mut write, check, &body.answer, state.now()).await?;
    if answered == Answered::TooOften {
        state.metrics.links_refused.with_label_values(&["used_up"]).inc();
        let detail = format!(
            "thank you, your answer was changed several times already, and the last one holds; if it is wrong, call {} at {}",
            state.cert.name, state.cert.phone
        );
        return Err(Problem::new(StatusCode::GONE, detail));
    }
    if answered == Answered::New {
        let actor = Actor::Responder {
            name: letter.name.clone(),
            account: None,
        };
        let after = json!({ "answer": body.answer });
        let deed = Deed::by(&actor, state.now(), "contact.answered", &letter.responder).after(Some(&after));
        Store::audit(&mut write, deed).await?;
        if body.answer == "not_me" {
            Store::add_letter(&mut write, &letters::not_me(state, &letter, &about)).await?;
        }
    }
    state.store.commit(write).await?;
    state.post.bell.notify_one();
    Ok(Json(ContactView {
        answer: Some(body.answer),
        ..shown(&api, &letter, &about)
    }))
}

/// The letter that a link is of: 404 for what is none, 410 for one that is too old.
async fn open(api: &Api, token: &str) -> Result<(StoredLetter, Value), Problem> {
    let state = &api.state;
    let letter = match state.key.open_check(token) {
        Some(id) => state.store.letter(&id).await?,
        None => None,
    };
    let Some(letter) = letter.filter(|letter| letter.kind == "check") else {
        state.metrics.links_refused.with_label_values(&["unknown"]).inc();
        if api.bad_links.is_too_many(state.now()) {
            let detail = "too many links that do not exist; wait a minute";
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "there is no such link; is it complete?",
        ));
    };
    if VALID <= state.now().since(letter.created_at) {
        state.metrics.links_refused.with_label_values(&["expired"]).inc();
        let detail = format!(
            "the link is too old; call {} at {}",
            state.cert.name, state.cert.phone
        );
        return Err(Problem::new(StatusCode::GONE, detail));
    }
    let about = serde_json::from_str(&letter.about).unwrap_or_default();
    Ok((letter, about))
}

fn shown(api: &Api, letter: &StoredLetter, about: &Value) -> ContactView {
    let cert = &api.state.cert;
    let organization = about.get("organization").and_then(Value::as_str);
    ContactView {
        contact: letter.name.clone(),
        organization: organization.unwrap_or_default().to_owned(),
        language: letter.language.as_str().to_owned(),
        answer: None,
        cert: ContactCert {
            name: cert.name.clone(),
            phone: cert.phone.clone(),
            email: cert.email.clone(),
        },
    }
}
