//! The responder's side: everything hangs on a token, which names one notification about one incident.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use alerting_incident::{Actor, Verdict};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Shared},
    http::StatusCode,
};
use ingest_event::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Api,
    body::read_body,
    incidents::{NoteBody, VerdictBody, read_note, read_verdict},
    openapi::codes,
    problem::Problem,
    shapes::{Explained, OrganizationName},
    view,
};
use crate::{
    access::Seen,
    answer::{self, Answer},
    store::{Stored, StoredNotification},
};

/// How long a link works.
const VALID: Duration = Duration::from_hours(30 * 24);
/// Links that are no links, before they are refused unread: a person mistypes a few, a search for keys does not stop.
/// Links that are right are never counted.
const BAD_MAX: u32 = 60;
/// Over this time.
const BAD_WINDOW: Duration = Duration::from_mins(1);

/// Counts links that were no links.
#[derive(Debug, Default)]
pub(crate) struct BadLinks(Mutex<(Timestamp, u32)>);

/// What a responder sees through a link.
#[derive(Serialize, ToSchema)]
pub(super) struct ResponderView {
    incident: Explained,
    /// Whose it is.
    organization: OrganizationName,
    /// Whom to call.
    contact: Contact,
    #[schema(value_type = codes::Language)]
    language: &'static str,
    /// What was answered through this link.
    state: Answered,
}

/// The CERT.
#[derive(Serialize, ToSchema)]
#[schema(as = CertContact)]
struct Contact {
    cert_name: String,
    cert_phone: String,
    cert_email: String,
}

/// What was answered through a link.
#[derive(Serialize, ToSchema)]
#[schema(as = LinkAnswers)]
struct Answered {
    #[schema(value_type = Option<codes::Time>)]
    seen_at: Option<String>,
    #[schema(value_type = Option<codes::Time>)]
    acknowledged_at: Option<String>,
    #[schema(value_type = Option<codes::Verdict>)]
    verdict: Option<&'static str>,
}

/// Shows the incident that a link is about.
#[utoipa::path(get, path = "/api/v1/responder/{token}", params(("token" = codes::LinkToken, Path)),
    responses((status = 200, body = ResponderView), (status = 404), (status = 410), (status = 429)))]
pub(super) async fn view(
    Shared(api): Shared<Api>,
    Path(token): Path<String>,
) -> Result<Json<ResponderView>, Problem> {
    let notification = open(&api, &token).await?;
    let stored = api
        .state
        .store
        .incident(&Seen::through(&notification), &notification.incident)
        .await?
        .ok_or_else(Problem::no_incident)?;
    Ok(Json(shown(&api, &notification, &stored).await?))
}

/// Notes that the link was opened by a person.
#[utoipa::path(post, path = "/api/v1/responder/{token}/seen", params(("token" = codes::LinkToken, Path)),
    responses((status = 200, body = ResponderView), (status = 404), (status = 410), (status = 429)))]
pub(super) async fn seen(shared: Shared<Api>, path: Path<String>) -> Result<Json<ResponderView>, Problem> {
    answered(shared, path, Answer::Seen, "").await
}

/// Takes the incident.
#[utoipa::path(post, path = "/api/v1/responder/{token}/acknowledge", params(("token" = codes::LinkToken, Path)), request_body = Option<NoteBody>,
    responses((status = 200, body = ResponderView), (status = 404), (status = 410), (status = 429)))]
pub(super) async fn acknowledge(
    shared: Shared<Api>,
    path: Path<String>,
    body: Bytes,
) -> Result<Json<ResponderView>, Problem> {
    let body: NoteBody = read_body(&body)?;
    answered(shared, path, Answer::Acknowledge, &read_note(body.note)?).await
}

/// Concludes about the incident.
///
/// `need_help` tells the CERT.
#[utoipa::path(post, path = "/api/v1/responder/{token}/verdict", params(("token" = codes::LinkToken, Path)), request_body = VerdictBody,
    responses((status = 200, body = ResponderView), (status = 404), (status = 410), (status = 429)))]
pub(super) async fn verdict(
    shared: Shared<Api>,
    path: Path<String>,
    body: Bytes,
) -> Result<Json<ResponderView>, Problem> {
    let body: VerdictBody = read_body(&body)?;
    let verdict = read_verdict(&body.verdict)?;
    answered(shared, path, Answer::Verdict(verdict), &read_note(body.note)?).await
}

async fn answered(
    Shared(api): Shared<Api>,
    Path(token): Path<String>,
    answer: Answer,
    note: &str,
) -> Result<Json<ResponderView>, Problem> {
    let notification = open(&api, &token).await?;
    let actor = Actor::Responder {
        name: notification.responder_name.clone(),
        account: None,
    };
    let seen = Seen::through(&notification);
    let (incident, id) = (&notification.incident, &notification.id);
    let stored = answer::record(&api.state, &seen, incident, Some(id), &actor, answer, note).await?;
    let stored = stored.ok_or_else(Problem::no_incident)?;
    let notification = open(&api, &token).await?;
    Ok(Json(shown(&api, &notification, &stored).await?))
}

/// The notification that a token names: 404 for what is no token, 410 for one that is too old.
async fn open(api: &Api, token: &str) -> Result<StoredNotification, Problem> {
    let (state, now) = (&api.state, api.state.now());
    let refused = &state.metrics.links_refused;
    let named = match state.key.open_token(token) {
        Some(id) => state.store.notification(&id).await?,
        None => None,
    };
    let Some(notification) = named else {
        if api.bad_links.is_too_many(now) {
            refused.with_label_values(&["too_many"]).inc();
            return Err(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too many links that do not exist; wait a minute",
            ));
        }
        refused.with_label_values(&["unknown"]).inc();
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "there is no such link; is it complete?",
        ));
    };
    if VALID <= now.since(notification.created_at) {
        refused.with_label_values(&["expired"]).inc();
        let detail = format!(
            "the link is older than 30 days; call {} at {}",
            state.cert.name, state.cert.phone
        );
        return Err(Problem::new(StatusCode::GONE, detail));
    }
    Ok(notification)
}

async fn shown(
    api: &Api,
    notification: &StoredNotification,
    stored: &Stored,
) -> Result<ResponderView, Problem> {
    let state = &api.state;
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    Ok(ResponderView {
        incident: view::explained(state, stored).await?,
        organization: OrganizationName {
            number: stored.owner.to_string(),
            name: state.organization_name(stored.owner),
        },
        contact: Contact {
            cert_name: state.cert.name.clone(),
            cert_phone: state.cert.phone.clone(),
            cert_email: state.cert.email.clone(),
        },
        language: notification.language.as_str(),
        state: Answered {
            seen_at: time(notification.seen_at),
            acknowledged_at: time(notification.acknowledged_at),
            verdict: notification.verdict.map(Verdict::as_str),
        },
    })
}

impl BadLinks {
    /// Counts one more; says whether there were too many lately.
    pub(super) fn is_too_many(&self, now: Timestamp) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = *held;
        *held = if BAD_WINDOW <= now.since(since) {
            (now, 1)
        } else {
            (since, count.saturating_add(1))
        };
        BAD_MAX < held.1
    }
}
