//! The clocks of the law: declare, write, read the draft, say that it was sent.

use alerting_incident::{IncidentId, Regime, Stage, access::Action};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State as Shared},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use ingest_event::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    Api, arrange::allowed, body::read_body, incidents::serde_urlencoded, openapi::codes, problem::Problem,
    routes::Routes, who::Who,
};
use crate::{
    report::{self, Ask, Field, Tongue, VALUE_CHARS_MAX},
    state::State,
    statutory::{self, AWARE_MAX, Standing},
};

/// Characters of a reference or a reason.
const LINE_CHARS_MAX: usize = 500;

/// Their addresses.
pub(super) fn routes() -> Routes {
    Routes::new()
        .route(__path_standing, standing)
        .route(__path_declare, declare)
        .route(__path_enter, enter)
        .route(__path_withdraw, withdraw)
        .route(__path_notice, notice)
        .route(__path_sent, sent)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeclareBody {
    regime: String,
    aware_at: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryBody {
    version: u64,
    /// Text by the name of the field; null empties it.
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WithdrawBody {
    reason: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SentBody {
    reference: String,
    #[serde(default)]
    language: Option<String>,
}

/// Tells which authorities must be told of an incident by when, and what was written for that.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/statutory",
    params(("id" = codes::IncidentId, Path)), 
    responses((status = 200, body = Object), (status = 404, description = "there is no such incident, or none that the asker may see"), (status = 422, description = "a value can't be")),
    extensions(("x-varde-action" = json!("declare"))))]
pub(super) async fn standing(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = permitted(&api, &who, &id).await?;
    shown(&api, &who, &id).await
}

/// Says that an authority must be told: the clocks run.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/statutory",
    params(("id" = codes::IncidentId, Path)), request_body = DeclareBody, 
    responses((status = 200, body = Object), (status = 404, description = "there is no such incident, or none that the asker may see"), (status = 409, description = "it can't be, as things are"), (status = 422, description = "a value can't be")),
    extensions(("x-varde-action" = json!("declare"))))]
pub(super) async fn declare(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let id = permitted(&api, &who, &id).await?;
    let body: DeclareBody = read_body(&body)?;
    let regime = read_regime(&body.regime).ok_or_else(no_regime)?;
    let now = api.state.now();
    let aware_at: Timestamp = body
        .aware_at
        .parse()
        .map_err(|_| wrong("`aware_at`: write a time as 2026-11-23T14:00:00Z"))?;
    if now < aware_at || AWARE_MAX < now.since(aware_at) {
        return Err(wrong("`aware_at`: a time that has been, within the last year"));
    }
    let reach = who.reaches(Action::Declare);
    statutory::declare(&api.state, &reach, &id, regime, aware_at, &who.actor).await?;
    shown(&api, &who, &id).await
}

/// Writes what the notices ask.
#[utoipa::path(put, path = "/api/v1/incidents/{id}/statutory/entry",
    params(("id" = codes::IncidentId, Path)), request_body = EntryBody, 
    responses((status = 200, body = Object), (status = 404, description = "there is no such incident, or none that the asker may see"), (status = 409, description = "it can't be, as things are"), (status = 422, description = "a value can't be")),
    extensions(("x-varde-action" = json!("declare"))))]
pub(super) async fn enter(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let id = permitted(&api, &who, &id).await?;
    let body: EntryBody = read_body(&body)?;
    for (name, value) in &body.fields {
        if !Field::ALL.iter().any(|field| field.as_str() == name) {
            let known: Vec<&str> = Field::ALL.iter().map(|field| field.as_str()).collect();
            let name: String = name.chars().take(64).collect();
            return Err(wrong(&format!(
                "`{name}`: unknown; known are {}",
                known.join(", ")
            )));
        }
        let fits = match value {
            Value::Null => true,
            Value::String(text) => text.chars().count() <= VALUE_CHARS_MAX,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
        };
        if !fits {
            return Err(wrong(&format!(
                "`{name}`: text of at most {VALUE_CHARS_MAX} characters, or null"
            )));
        }
    }
    let reach = who.reaches(Action::Declare);
    statutory::enter(&api.state, &reach, &id, body.version, body.fields, &who.actor).await?;
    shown(&api, &who, &id).await
}

/// Ends the clocks: the authority need not be told.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/statutory/{regime}/withdraw",
    params(("id" = codes::IncidentId, Path), ("regime" = String, Path, description = "digital_security, personal_data or response_team")), request_body = WithdrawBody, 
    responses((status = 200, body = Object), (status = 404, description = "there is no such incident, or none that the asker may see"), (status = 409, description = "it can't be, as things are"), (status = 422, description = "a value can't be")),
    extensions(("x-varde-action" = json!("declare"))))]
pub(super) async fn withdraw(
    Shared(api): Shared<Api>,
    who: Who,
    Path((id, regime)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let id = permitted(&api, &who, &id).await?;
    let regime = read_regime(&regime).ok_or_else(no_regime)?;
    let body: WithdrawBody = read_body(&body)?;
    let reason = line("reason", &body.reason)?;
    let reach = who.reaches(Action::Declare);
    statutory::withdraw(&api.state, &reach, &id, regime, reason, &who.actor).await?;
    shown(&api, &who, &id).await
}

/// Shows a notice: a draft, or as it was sent.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/statutory/{regime}/{stage}",
    params(("id" = codes::IncidentId, Path), ("regime" = String, Path, description = "digital_security, personal_data or response_team"), ("stage" = String, Path, description = "early_warning, notification or final_report"), ("language" = Option<String>, Query, description = "nb, nn or en"), ("format" = Option<String>, Query, description = "text or json")), 
    responses((status = 200, body = String), (status = 404, description = "there is no such incident, or none that the asker may see"), (status = 422, description = "a value can't be")),
    extensions(("x-varde-action" = json!("declare"))))]
pub(super) async fn notice(
    Shared(api): Shared<Api>,
    who: Who,
    Path((id, regime, stage)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let stored = allowed(&api, &who, &id, Action::Declare).await?;
    let (regime, stage) = read_which(&regime, &stage)?;
    let (mut tongue, mut is_text) = (Tongue::Nb, true);
    let pairs = serde_urlencoded(query.as_deref().unwrap_or_default());
    for (name, value) in pairs.map_err(|()| wrong("the query is not form-encoded"))? {
        match (name.as_str(), value.as_str()) {
            ("language", code) => tongue = read_tongue(Some(code))?,
            ("format", "text") => is_text = true,
            ("format", "json") => is_text = false,
            _ => {
                return Err(wrong(
                    "known are `language` (nb, nn, en) and `format` (text, json)",
                ));
            }
        }
    }
    // What was sent is shown as it was sent, whatever has been written since.
    let kept = api.state.store.sent_document(&stored, regime, stage).await?;
    let (text, json) = match kept {
        Some(kept) => {
            let kept: Value = serde_json::from_str(&kept).unwrap_or_default();
            let text = kept.get("text").and_then(Value::as_str).unwrap_or_default();
            (text.to_owned(), kept.get("json").cloned().unwrap_or_default())
        }
        None => {
            let reach = who.reaches(Action::Declare);
            let standing = statutory::standing(&api.state, &reach, &stored.incident.id).await?;
            let ask = Ask {
                regime,
                stage,
                tongue,
            };
            let notice = report::write(&api.state, &standing, ask, None).map_err(|error| {
                tracing::error!(error = %error, "write a notice");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the notice can't be written")
            })?;
            (notice.text, notice.json)
        }
    };
    if is_text {
        let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        return Ok((kind, text).into_response());
    }
    Ok(Json(json).into_response())
}

/// Says that a person sent a notice.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/statutory/{regime}/{stage}/sent",
    params(("id" = codes::IncidentId, Path), ("regime" = String, Path, description = "digital_security, personal_data or response_team"), ("stage" = String, Path, description = "early_warning, notification or final_report")), request_body = SentBody, 
    responses((status = 200, body = Object), (status = 404, description = "there is no such incident, or none that the asker may see"), (status = 409, description = "it can't be, as things are"), (status = 422, description = "a value can't be")),
    extensions(("x-varde-action" = json!("declare"))))]
pub(super) async fn sent(
    Shared(api): Shared<Api>,
    who: Who,
    Path((id, regime, stage)): Path<(String, String, String)>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let id = permitted(&api, &who, &id).await?;
    let (regime, stage) = read_which(&regime, &stage)?;
    let body: SentBody = read_body(&body)?;
    let reference = line("reference", &body.reference)?;
    let tongue = read_tongue(body.language.as_deref())?;
    let ask = Ask {
        regime,
        stage,
        tongue,
    };
    let reach = who.reaches(Action::Declare);
    statutory::sent(&api.state, &reach, &id, ask, reference, &who.actor).await?;
    shown(&api, &who, &id).await
}

/// Whoever may declare may see how it stands.
async fn permitted(api: &Api, who: &Who, id: &str) -> Result<IncidentId, Problem> {
    Ok(allowed(api, who, id, Action::Declare).await?.incident.id)
}

async fn shown(api: &Api, who: &Who, id: &IncidentId) -> Result<Json<Value>, Problem> {
    let standing = statutory::standing(&api.state, &who.reaches(Action::Declare), id).await?;
    Ok(Json(view(&api.state, &standing)))
}

fn view(state: &State, standing: &Standing) -> Value {
    let now = state.now();
    let declarations = standing.declarations.iter().map(|one| {
        json!({ "regime": one.regime.as_str(), "aware_at": one.aware_at.to_string(),
            "declared_at": one.declared_at.to_string(), "declared_by": one.declared_by,
            "withdrawn_at": one.withdrawn_at.map(|at| at.to_string()) })
    });
    let notices = standing.running.iter().map(|one| {
        json!({ "regime": one.regime.as_str(), "stage": one.stage.as_str(), "due_at": one.due_at.to_string(),
            "overdue": one.sent.is_none() && one.due_at < now,
            "warned": one.warned.map(alerting_incident::Warning::as_str),
            "sent_at": one.sent.as_ref().map(|sent| sent.at.to_string()),
            "sent_by": one.sent.as_ref().map(|sent| &sent.by),
            "reference": one.sent.as_ref().map(|sent| &sent.reference) })
    });
    json!({
        "declarations": declarations.collect::<Value>(), "notices": notices.collect::<Value>(),
        "entry": { "version": standing.entered.version, "fields": standing.entered.fields },
        "exercise": standing.stored.incident.key.exercise,
    })
}

fn read_regime(code: &str) -> Option<Regime> {
    code.parse().ok()
}

fn read_which(regime: &str, stage: &str) -> Result<(Regime, Stage), Problem> {
    let stage = stage.parse().ok().ok_or_else(no_regime)?;
    Ok((read_regime(regime).ok_or_else(no_regime)?, stage))
}

fn read_tongue(code: Option<&str>) -> Result<Tongue, Problem> {
    let code = code.unwrap_or("nb");
    let found = Tongue::ALL.into_iter().find(|tongue| tongue.as_str() == code);
    found.ok_or_else(|| wrong("`language`: nb, nn or en"))
}

fn line<'t>(name: &str, text: &'t str) -> Result<&'t str, Problem> {
    let text = text.trim();
    if text.is_empty() || LINE_CHARS_MAX < text.chars().count() {
        return Err(wrong(&format!("`{name}`: 1 to {LINE_CHARS_MAX} characters")));
    }
    Ok(text)
}

fn no_regime() -> Problem {
    wrong(
        "regimes are digital_security, personal_data and response_team; stages early_warning, notification and final_report",
    )
}

fn wrong(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}
