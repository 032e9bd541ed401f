//! Sorting incidents out: assign, merge, split, take back, remark, and the same for many.

use alerting_incident::{Assignee, IncidentId, UNDO_WITHIN, Visibility, access::Action};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Shared},
    http::StatusCode,
};
use detect_alert::AlertId;
use ingest_event::OrganizationNumber;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    Api,
    body::read_body,
    incidents::{read_note, read_verdict},
    openapi::codes,
    problem::Problem,
    routes::Routes,
    shapes::{IncidentDetail, Undo},
    view,
    who::Who,
};
use crate::{
    access::acting,
    answer::{self, Answer},
    arrange::{self, Part, Refused},
    state::State,
    store::Stored,
};

/// Incidents in one request: a page of the list, twice.
const MANY_MAX: usize = 100;
/// Alerts that are shown, and that one split names at most.
const ALERTS_MAX: u32 = 500;

/// Their addresses.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route(__path_bulk, bulk)
        .route(__path_alerts, alerts)
        .route(__path_assign, assign)
        .route(__path_assignees, assignees)
        .route(__path_comment, comment)
        .route(__path_merge, merge)
        .route(__path_split, split)
        .route(__path_undo, undo)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignBody {
    /// Whoever logs in as this; null is nobody.
    assignee: Option<String>,
    #[serde(default)]
    note: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CommentBody {
    note: String,
    #[serde(default)]
    visibility: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MergeBody {
    incidents: Vec<String>,
    #[serde(default)]
    note: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SplitBody {
    #[serde(default)]
    incident: Option<String>,
    #[serde(default)]
    entity: Option<String>,
    #[serde(default)]
    alerts: Vec<String>,
    #[serde(default)]
    note: Option<String>,
}

/// What stays of an incident.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SplitDetail {
    #[serde(flatten)]
    detail: IncidentDetail,
    /// What is its own now.
    #[schema(value_type = codes::IncidentId)]
    split_off: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BulkBody {
    action: String,
    incidents: Vec<String>,
    #[serde(default)]
    assignee: Option<String>,
    #[serde(default)]
    verdict: Option<String>,
    #[serde(default)]
    note: Option<String>,
}

/// Lists the newest alerts of an incident, without those of its parts.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/alerts", params(("id" = codes::IncidentId, Path)), 
    responses((status = 200, body = Object), (status = 404, description = "there is no such incident, or none that the asker may see")))]
pub(super) async fn alerts(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let stored = seen(&api, &who, &id).await?;
    let rows = api.state.store.alerts_of(&stored, ALERTS_MAX).await?;
    let rows = rows.iter().map(|row| {
        json!({ "id": row.id, "entity": row.entity, "severity": row.severity.map(detect_alert::Severity::as_str),
            "at": row.at.map(|at| at.to_string()) })
    });
    Ok(Json(json!({ "alerts": rows.collect::<Value>() })))
}

/// Lists who may be given an incident.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/assignees", params(("id" = codes::IncidentId, Path)), 
    responses((status = 200, body = Object), (status = 404, description = "there is no such incident, or none that the asker may see")),
    extensions(("x-varde-action" = json!("arrange"))))]
pub(super) async fn assignees(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let stored = allowed(&api, &who, &id, Action::Arrange).await?;
    let all = acting::assignees(&api.state, stored.owner).await?;
    let all = all
        .iter()
        .map(|(login, name)| json!({ "login": login, "name": name }));
    Ok(Json(json!({ "assignees": all.collect::<Value>() })))
}

/// Gives an incident to someone, or to nobody.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/assign", params(("id" = codes::IncidentId, Path)), request_body = AssignBody, 
    responses((status = 200, body = IncidentDetail), (status = 404, description = "there is no such incident, or none that the asker may see"), (status = 409, description = "it can't be, as things are"), (status = 422, description = "a value can't be")),
    extensions(("x-varde-action" = json!("arrange"))))]
pub(super) async fn assign(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<IncidentDetail>, Problem> {
    let stored = allowed(&api, &who, &id, Action::Arrange).await?;
    let body: AssignBody = read_body(&body)?;
    let note = read_note(body.note)?;
    let assignee = named(&api, body.assignee.as_deref(), stored.owner).await?;
    let (reach, id) = (who.reaches(Action::Arrange), &stored.incident.id);
    arrange::give(&api.state, &reach, id, assignee.as_ref(), &who.actor, &note).await?;
    shown(&api, &who, id).await
}

/// Remarks something.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/comment", params(("id" = codes::IncidentId, Path)), request_body = CommentBody, 
    responses((status = 200, body = IncidentDetail), (status = 404, description = "there is no such incident, or none that the asker may see")),
    extensions(("x-varde-action" = json!("acknowledge"))))]
pub(super) async fn comment(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<IncidentDetail>, Problem> {
    let stored = allowed(&api, &who, &id, Action::Acknowledge).await?;
    let body: CommentBody = read_body(&body)?;
    let note = read_note(Some(body.note))?;
    if note.is_empty() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "`note`: write something"));
    }
    // Who acts for the owner can't write where the owner does not read.
    let is_owners =
        !alerting_incident::access::may(&who.principal, Action::ReadInternals, Some(stored.owner));
    let visibility = match body.visibility.as_deref() {
        Some(code) => code
            .parse()
            .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("`visibility`: {error}")))?,
        None if is_owners => Visibility::Shared,
        None => Visibility::Internal,
    };
    if is_owners && visibility == Visibility::Internal {
        return Err(Problem::not_allowed(Action::ReadInternals));
    }
    let (reach, id) = (who.reaches(Action::Acknowledge), &stored.incident.id);
    arrange::say(&api.state, &reach, id, &who.actor, (&note, visibility)).await?;
    shown(&api, &who, id).await
}

/// Makes incidents part of another.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/merge", params(("id" = codes::IncidentId, Path)), request_body = MergeBody, 
    responses((status = 200, body = IncidentDetail), (status = 404, description = "there is no such incident, or none that the asker may see"), (status = 409, description = "it can't be, as things are")),
    extensions(("x-varde-action" = json!("arrange"))))]
pub(super) async fn merge(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<IncidentDetail>, Problem> {
    let stored = allowed(&api, &who, &id, Action::Arrange).await?;
    let body: MergeBody = read_body(&body)?;
    let note = read_note(body.note)?;
    let mut others = Vec::new();
    for other in limited(&body.incidents)? {
        others.push(allowed(&api, &who, other, Action::Arrange).await?.incident.id);
    }
    let (reach, id) = (who.reaches(Action::Arrange), &stored.incident.id);
    arrange::merge(&api.state, &reach, id, &others, &who.actor, &note).await?;
    shown(&api, &who, id).await
}

/// Makes a part of an incident its own.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/split", params(("id" = codes::IncidentId, Path)), request_body = SplitBody, 
    responses((status = 200, body = SplitDetail), (status = 404, description = "there is no such incident, or none that the asker may see"), (status = 409, description = "it can't be, as things are")),
    extensions(("x-varde-action" = json!("arrange"))))]
pub(super) async fn split(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<SplitDetail>, Problem> {
    let stored = allowed(&api, &who, &id, Action::Arrange).await?;
    let body: SplitBody = read_body(&body)?;
    let note = read_note(body.note)?;
    let wrong = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, detail);
    let part = match (body.incident, body.entity, body.alerts.as_slice()) {
        (Some(part), None, []) => Part::Incident(IncidentId::parse(&part).ok_or_else(Problem::no_incident)?),
        (None, Some(entity), []) => Part::Entity(entity),
        (None, None, some @ [_, ..]) if some.len() <= ALERTS_MAX as usize => {
            if some.iter().any(|id| AlertId::parse(id).is_none()) {
                return Err(wrong("`alerts`: ids of alerts, as `/alerts` gives them"));
            }
            Part::Alerts(some.to_vec())
        }
        _ => {
            return Err(wrong(
                "name one of `incident` (a part), `entity` (a thing) and `alerts` (1 to 500 ids)",
            ));
        }
    };
    let (reach, id) = (who.reaches(Action::Arrange), &stored.incident.id);
    let own = arrange::split(&api.state, &reach, id, &part, &who.actor, &note).await?;
    let Json(detail) = shown(&api, &who, id).await?;
    Ok(Json(SplitDetail {
        detail,
        split_off: own.to_string(),
    }))
}

/// Takes back what the asker did with an incident last.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/undo", params(("id" = codes::IncidentId, Path)), 
    responses((status = 200, body = IncidentDetail), (status = 404, description = "there is no such incident, or none that the asker may see"), (status = 409, description = "it can't be, as things are")),
    extensions(("x-varde-action" = json!("acknowledge"))))]
pub(super) async fn undo(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<IncidentDetail>, Problem> {
    let stored = allowed(&api, &who, &id, Action::Acknowledge).await?;
    let (reach, id) = (who.reaches(Action::Acknowledge), &stored.incident.id);
    arrange::undo(&api.state, &reach, id, &who.actor).await?;
    shown(&api, &who, id).await
}

/// Does the same with many incidents: each is done or not by itself.
#[utoipa::path(post, path = "/api/v1/incidents/bulk", request_body = BulkBody, 
    responses((status = 200, body = Object)))]
pub(super) async fn bulk(Shared(api): Shared<Api>, who: Who, body: Bytes) -> Result<Json<Value>, Problem> {
    let body: BulkBody = read_body(&body)?;
    let note = read_note(body.note)?;
    let verdict = body.verdict.as_deref().map(read_verdict).transpose()?;
    let action = match body.action.as_str() {
        "acknowledge" => Action::Acknowledge,
        "close" => Action::Close,
        "assign" => Action::Arrange,
        _ => {
            let detail = "`action`: acknowledge, close or assign";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
    };
    let mut results = Map::new();
    for id in limited(&body.incidents)? {
        let done = async {
            let stored = allowed(&api, &who, id, action).await?;
            let (reach, id) = (who.reaches(action), &stored.incident.id);
            if action == Action::Arrange {
                let assignee = named(&api, body.assignee.as_deref(), stored.owner).await?;
                arrange::give(&api.state, &reach, id, assignee.as_ref(), &who.actor, &note).await?;
                return Ok(());
            }
            if let Some(verdict) = verdict {
                who.require(Action::Judge, Some(stored.owner))?;
                let said = Answer::Verdict(verdict);
                answer::record(&api.state, &reach, id, None, &who.actor, said, &note).await?;
            }
            let said = if action == Action::Close {
                Answer::Close
            } else {
                Answer::Acknowledge
            };
            answer::record(&api.state, &reach, id, None, &who.actor, said, &note).await?;
            Ok::<(), Problem>(())
        };
        let told = match done.await {
            Ok(()) => json!({ "done": true }),
            Err(problem) => json!({ "done": false, "detail": problem.detail() }),
        };
        results.insert(id.clone(), told);
    }
    Ok(Json(json!({ "incidents": results })))
}

/// What somebody may take back of an incident.
pub(super) async fn undoable(state: &State, who: &Who, stored: &Stored) -> sqlx::Result<Option<Undo>> {
    let undo = state.store.undoable(stored, &who.actor).await?;
    let now = state.now();
    Ok(undo
        .map(|(what, at)| (what, at.saturating_add(UNDO_WITHIN)))
        .filter(|(_, until)| now <= *until)
        .map(|(what, until)| Undo {
            what,
            until: until.to_string(),
        }))
}

/// An incident that somebody sees.
pub(super) async fn seen(api: &Api, who: &Who, id: &str) -> Result<Stored, Problem> {
    let id = IncidentId::parse(id).ok_or_else(Problem::no_incident)?;
    let stored = api.state.store.incident(&who.sees(), &id).await?;
    stored.ok_or_else(Problem::no_incident)
}

/// An incident with which somebody may do a thing.
pub(super) async fn allowed(api: &Api, who: &Who, id: &str, action: Action) -> Result<Stored, Problem> {
    let stored = seen(api, who, id).await?;
    who.require(action, Some(stored.owner))?;
    Ok(stored)
}

async fn shown(api: &Api, who: &Who, id: &IncidentId) -> Result<Json<IncidentDetail>, Problem> {
    let stored = api.state.store.incident(&who.sees(), id).await?;
    let stored = stored.ok_or_else(Problem::no_incident)?;
    Ok(Json(view::detail(&api.state, who, &stored).await?))
}

fn limited(ids: &[String]) -> Result<&[String], Problem> {
    if (1..=MANY_MAX).contains(&ids.len()) {
        return Ok(ids);
    }
    let detail = format!("`incidents`: 1 to {MANY_MAX} ids");
    Err(Problem::new(StatusCode::BAD_REQUEST, detail))
}

async fn named(
    api: &Api,
    login: Option<&str>,
    owner: OrganizationNumber,
) -> Result<Option<Assignee>, Problem> {
    let Some(login) = login else { return Ok(None) };
    let assignee = acting::assignee(&api.state, login, owner).await?;
    if assignee.is_none() {
        let detail = "`assignee`: nobody with that login may work on this incident";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    Ok(assignee)
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotThere => Self::no_incident(),
            Refused::Conflict(detail) => Self::new(StatusCode::CONFLICT, detail),
            Refused::Store(error) => error.into(),
        }
    }
}
