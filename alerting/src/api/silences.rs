//! Silences: what nobody is told of for a time, with a reason and an end.

use std::time::Duration;

use alerting_incident::{
    Silence, SilenceId,
    access::{Action, Reach},
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Shared},
    http::StatusCode,
};
use ingest_event::{OrganizationNumber, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Api, body::read_body, openapi::codes, problem::Problem, who::Who};
use crate::{
    audit::Deed,
    store::{SILENCES_MAX, Store},
};

/// What nobody is to be told of: of `organization`, `producer` and `entity` at least one, and what is given must all fit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SilenceBody {
    /// Whose alerts.
    #[serde(default)]
    #[schema(value_type = Option<codes::OrganizationNumber>)]
    organization: Option<OrganizationNumber>,
    /// Those of this rule, by its id, or of this indicator.
    #[serde(default)]
    producer: Option<String>,
    /// Those about this.
    #[serde(default)]
    entity: Option<String>,
    /// Why: others will ask.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// From when; now unless said otherwise.
    #[serde(default)]
    #[schema(value_type = Option<codes::Time>)]
    from: Option<String>,
    /// Until when: at most 31 days from its beginning.
    #[schema(value_type = codes::Time)]
    until: String,
}

/// A silence.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SilenceView {
    #[schema(value_type = codes::SilenceId)]
    id: String,
    /// Whose alerts.
    #[schema(value_type = Option<codes::OrganizationNumber>)]
    organization: Option<String>,
    /// Those of this rule or indicator.
    producer: Option<String>,
    /// Those about this.
    entity: Option<String>,
    reason: String,
    /// Who began it.
    by: String,
    #[schema(value_type = codes::Time)]
    from: String,
    #[schema(value_type = codes::Time)]
    until: String,
}

/// Silences.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SilenceList {
    /// The one that ends first first.
    silences: Vec<SilenceView>,
}

/// Lists the silences that have not ended.
#[utoipa::path(get, path = "/api/v1/silences", responses((status = 200, body = SilenceList)))]
pub(super) async fn list(Shared(api): Shared<Api>, _who: Who) -> Result<Json<SilenceList>, Problem> {
    let silences = api.state.store.silences(api.state.now()).await?;
    Ok(Json(SilenceList {
        silences: silences.iter().map(shown).collect(),
    }))
}

/// Begins a silence.
#[utoipa::path(post, path = "/api/v1/silences", request_body = SilenceBody,
    responses(
        (status = 201, body = SilenceView),
        (status = 409, description = "there are too many silences"),
        (status = 422, description = "it covers everything, has no end in time, or is over already"),
    ))]
pub(super) async fn add(
    Shared(api): Shared<Api>,
    who: Who,
    body: Bytes,
) -> Result<(StatusCode, Json<SilenceView>), Problem> {
    let body: SilenceBody = read_body(&body)?;
    let refuse = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    let now = api.state.now();
    let time = |name: &str, text: &str| {
        text.parse::<Timestamp>()
            .map_err(|_| refuse(format!("`{name}`: write a time as 2026-11-23T14:00:00Z")))
    };
    let silence = Silence {
        id: new_id()?,
        organization: body.organization,
        producer: body.producer,
        entity: body.entity,
        reason: body.reason,
        by: who.actor.name().to_owned(),
        from: match &body.from {
            Some(from) => time("from", from)?,
            None => now,
        },
        until: time("until", &body.until)?,
    };
    silence.check().map_err(|error| refuse(error.to_string()))?;
    if silence.until <= now {
        return Err(refuse("`until` is over already".to_owned()));
    }
    // Who does not manage silences for some hours: a silence that outlasts the watch is the duty officer's to answer for.
    let longest = Duration::from_hours(u64::from(api.state.incidents.analyst_silence_hours));
    if longest < silence.until.since(now) && who.principal.reach(Action::Manage) != Reach::Everything {
        let hours = api.state.incidents.analyst_silence_hours;
        return Err(refuse(format!(
            "`until`: at most {hours} hours from now; a duty officer may silence for longer"
        )));
    }
    let mut write = api.state.store.begin().await?;
    if !Store::add_silence(&mut write, &silence, now).await? {
        let detail = format!("there are {SILENCES_MAX} silences already: end some of them");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let after = json!(shown(&silence));
    let deed = Deed::by(&who.actor, now, "silence.begun", silence.id.as_str()).after(Some(&after));
    Store::audit(&mut write, deed).await?;
    api.state.store.commit(write).await?;
    Ok((StatusCode::CREATED, Json(shown(&silence))))
}

/// Ends a silence now.
///
/// What happened while it held stays silent. One that has ended already is shown as it is.
#[utoipa::path(delete, path = "/api/v1/silences/{id}", params(("id" = codes::SilenceId, Path)),
    responses((status = 200, body = SilenceView), (status = 404)))]
pub(super) async fn end(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<SilenceView>, Problem> {
    let no_such = || Problem::new(StatusCode::NOT_FOUND, "there is no such silence");
    let id = SilenceId::parse(&id).ok_or_else(no_such)?;
    let mut write = api.state.store.begin().await?;
    let ended = Store::end_silence(&mut write, &id, api.state.now()).await?;
    let ended = ended.ok_or_else(no_such)?;
    if ended.by != who.actor.name() && who.principal.reach(Action::Manage) != Reach::Everything {
        return Err(Problem::not_allowed(Action::Manage));
    }
    let after = json!(shown(&ended));
    let deed = Deed::by(&who.actor, api.state.now(), "silence.ended", id.as_str()).after(Some(&after));
    Store::audit(&mut write, deed).await?;
    api.state.store.commit(write).await?;
    Ok(Json(shown(&ended)))
}

fn new_id() -> Result<SilenceId, Problem> {
    let mut bytes = [0; 16];
    let drawn = getrandom::fill(&mut bytes).ok();
    drawn
        .and_then(|()| SilenceId::parse(&hex::encode(bytes)))
        .ok_or_else(|| {
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the machine gives no random bytes",
            )
        })
}

fn shown(silence: &Silence) -> SilenceView {
    SilenceView {
        id: silence.id.as_str().to_owned(),
        organization: silence.organization.map(|number| number.to_string()),
        producer: silence.producer.clone(),
        entity: silence.entity.clone(),
        reason: silence.reason.clone(),
        by: silence.by.clone(),
        from: silence.from.to_string(),
        until: silence.until.to_string(),
    }
}
