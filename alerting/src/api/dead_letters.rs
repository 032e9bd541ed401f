//! What was given up, seen by a person: listed, tried again, or set aside with a reason; and addresses that are switched off.

use alerting_incident::{Channel, IncidentId, TimelineEntry, TimelineKind};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Shared},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Api, body::read_body, openapi::codes, problem::Problem, routes::Routes, who::Who};
use crate::{
    audit::Deed,
    store::{GivenUp, Store},
};

/// Shown at once; the number of all is told.
const SHOWN_MAX: u32 = 200;
/// Characters of a reason: a sentence or two.
const REASON_CHARS_MAX: usize = 500;

/// Why it is set aside.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AsideBody {
    /// The audit log and the incident's timeline keep it.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// An address that mail may go to again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressBody {
    /// The mail address.
    address: String,
    /// The audit log keeps it.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// What was given up and not set aside.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetterList {
    /// How many there are.
    count: i64,
    /// The last of them, at most 200, the last first.
    dead_letters: Vec<DeadLetter>,
}

/// A notification or another mail that was given up: somebody does not know what they should.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetter {
    id: String,
    /// `notification`, `digest`, `group`, `given_up`, `address_off`, `check` or `not_me`.
    kind: String,
    /// The incident that it is about; null where it is about none, or several.
    incident: Option<String>,
    /// Whom it should have told.
    responder: String,
    /// By which kind of channel.
    channel: String,
    /// Where to, with most of it hidden.
    address_masked: String,
    /// How often it was tried.
    attempts: i64,
    /// Why it was not sent, last.
    error: String,
    #[schema(value_type = codes::Time)]
    created_at: String,
    #[schema(value_type = codes::Time)]
    given_up_at: String,
}

/// Addresses that nothing is sent to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AddressesOff {
    /// The last first.
    addresses: Vec<SwitchedOffAddress>,
}

/// An address that nothing is sent to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SwitchedOffAddress {
    /// In lower case.
    address: String,
    #[schema(value_type = codes::Time)]
    since: String,
    /// How often mail to it came back.
    bounces: i64,
}

/// An address that mail goes to again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SwitchedOn {
    /// In lower case.
    address: String,
}

pub(super) fn routes() -> Routes {
    Routes::new()
        .route(__path_list, list)
        .route(__path_one, one)
        .route(__path_again, again)
        .route(__path_aside, aside)
        .route(__path_addresses, addresses)
        .route(__path_switch_on, switch_on)
}

/// Lists what was given up and not set aside.
#[utoipa::path(get, path = "/api/v1/dead-letters", responses((status = 200, body = DeadLetterList)))]
async fn list(Shared(api): Shared<Api>, _who: Who) -> Result<Json<DeadLetterList>, Problem> {
    let (count, given_up) = api.state.store.given_up(SHOWN_MAX).await?;
    let dead_letters = given_up.iter().map(shown).collect();
    Ok(Json(DeadLetterList { count, dead_letters }))
}

/// Shows one that was given up.
#[utoipa::path(get, path = "/api/v1/dead-letters/{id}", params(("id" = String, Path)),
    responses((status = 200, body = DeadLetter), (status = 404)))]
async fn one(
    Shared(api): Shared<Api>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<Json<DeadLetter>, Problem> {
    let given_up = api.state.store.one_given_up(&id).await?;
    Ok(Json(shown(&given_up.ok_or_else(no_such)?)))
}

/// Puts one back into the outbox.
#[utoipa::path(post, path = "/api/v1/dead-letters/{id}/again", params(("id" = String, Path)),
    responses((status = 200, body = DeadLetter), (status = 404)))]
async fn again(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<DeadLetter>, Problem> {
    change(&api, &who, &id, "dead_letter.again", "").await
}

/// Sets one aside.
///
/// Nobody needs to look at it any more.
#[utoipa::path(post, path = "/api/v1/dead-letters/{id}/aside", params(("id" = String, Path)), request_body = AsideBody,
    responses((status = 200, body = DeadLetter), (status = 404), (status = 422, description = "there is no reason, or it is too long")))]
async fn aside(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<DeadLetter>, Problem> {
    let body: AsideBody = read_body(&body)?;
    change(&api, &who, &id, "dead_letter.aside", reason(&body.reason)?).await
}

async fn change(
    api: &Api,
    who: &Who,
    id: &str,
    action: &str,
    reason: &str,
) -> Result<Json<DeadLetter>, Problem> {
    let state = &api.state;
    let given_up = state.store.one_given_up(id).await?.ok_or_else(no_such)?;
    let now = state.now();
    let mut write = state.store.begin().await?;
    let is_again = action == "dead_letter.again";
    let done = if is_again {
        Store::try_again(&mut write, id, now).await?
    } else {
        Store::set_aside(&mut write, id, now).await?
    };
    if !done {
        return Err(no_such());
    }
    let mut after = json!(shown(&given_up));
    if let Some(members) = after.as_object_mut().filter(|_| !is_again) {
        members.insert("reason".to_owned(), json!(reason));
    }
    let deed = Deed::by(&who.actor, now, action, id).after(Some(&after));
    Store::audit(&mut write, deed).await?;
    if let Some(incident) = given_up.incident.as_deref().and_then(IncidentId::parse) {
        let text = if is_again {
            format!("tries again to tell {}", given_up.name)
        } else {
            format!("set aside that {} was not told: {reason}", given_up.name)
        };
        let entry = TimelineEntry {
            at: now,
            kind: TimelineKind::Comment,
            actor: who.actor.clone(),
            text,
        };
        Store::add_to_timeline(&mut write, &incident, &entry).await?;
    }
    state.store.commit(write).await?;
    if is_again {
        state.decided.all();
        state.post.bell.notify_one();
    }
    Ok(Json(shown(&given_up)))
}

/// Lists the addresses that nothing is sent to, as mail to them came back.
#[utoipa::path(get, path = "/api/v1/addresses-off", responses((status = 200, body = AddressesOff)))]
async fn addresses(Shared(api): Shared<Api>, _who: Who) -> Result<Json<AddressesOff>, Problem> {
    let off = api.state.store.addresses_off(SHOWN_MAX).await?;
    let each = off.into_iter().map(|one| SwitchedOffAddress {
        address: one.address,
        since: one.at.to_string(),
        bounces: one.bounces,
    });
    Ok(Json(AddressesOff {
        addresses: each.collect(),
    }))
}

/// Switches an address on again.
///
/// What came back is forgiven.
#[utoipa::path(post, path = "/api/v1/addresses-off/switch-on", request_body = AddressBody,
    responses((status = 200, body = SwitchedOn), (status = 404), (status = 422, description = "there is no reason, or it is too long")))]
async fn switch_on(Shared(api): Shared<Api>, who: Who, body: Bytes) -> Result<Json<SwitchedOn>, Problem> {
    let body: AddressBody = read_body(&body)?;
    let reason = reason(&body.reason)?;
    let state = &api.state;
    let mut write = state.store.begin().await?;
    if !Store::switch_on(&mut write, &body.address).await? {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "that address is not switched off",
        ));
    }
    let after = json!({ "reason": reason });
    let subject = body.address.to_lowercase();
    let deed = Deed::by(&who.actor, state.now(), "address.on", subject).after(Some(&after));
    Store::audit(&mut write, deed).await?;
    state.store.commit(write).await?;
    Ok(Json(SwitchedOn {
        address: body.address.to_lowercase(),
    }))
}

fn reason(text: &str) -> Result<&str, Problem> {
    let text = text.trim();
    if text.is_empty() || REASON_CHARS_MAX < text.chars().count() {
        let detail = format!("`reason`: say why, in 1 to {REASON_CHARS_MAX} characters");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    Ok(text)
}

fn no_such() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such dead letter")
}

fn shown(one: &GivenUp) -> DeadLetter {
    let address = if one.channel == "email" {
        Channel::Email(one.address.clone())
    } else {
        Channel::Webhook(one.address.clone())
    };
    DeadLetter {
        id: one.id.clone(),
        kind: one.kind.clone(),
        incident: one.incident.clone(),
        responder: one.name.clone(),
        channel: one.channel.clone(),
        address_masked: address.masked(),
        attempts: one.attempts,
        error: one.error.clone(),
        created_at: one.created_at.to_string(),
        given_up_at: one.given_up_at.to_string(),
    }
}
