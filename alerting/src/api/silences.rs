//! Silences: what nobody is told of for a time, with a reason and an end.

use alerting_incident::{Silence, SilenceId};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Shared},
    http::StatusCode,
};
use ingest_event::{OrganizationNumber, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, incidents::read_body, problem::Problem, who::Who};
use crate::{
    audit::Deed,
    store::{SILENCES_MAX, Store},
};

/// What someone asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SilenceBody {
    #[serde(default)]
    organization: Option<OrganizationNumber>,
    #[serde(default)]
    producer: Option<String>,
    #[serde(default)]
    entity: Option<String>,
    reason: String,
    #[serde(default)]
    from: Option<String>,
    until: String,
}

/// Those that have not ended, the one that ends first first.
pub(super) async fn list(Shared(api): Shared<Api>, _who: Who) -> Result<Json<Value>, Problem> {
    let silences = api.state.store.silences(api.state.now()).await?;
    Ok(Json(
        json!({ "silences": silences.iter().map(shown).collect::<Vec<_>>() }),
    ))
}

/// Begins one; without `from` it begins now.
pub(super) async fn add(
    Shared(api): Shared<Api>,
    who: Who,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
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
    let mut write = api.state.store.begin().await?;
    if !Store::add_silence(&mut write, &silence, now).await? {
        let detail = format!("there are {SILENCES_MAX} silences already: end some of them");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let after = shown(&silence);
    let deed = Deed::by(&who.actor, now, "silence.begun", silence.id.as_str()).after(Some(&after));
    Store::audit(&mut write, deed).await?;
    api.state.store.commit(write).await?;
    Ok((StatusCode::CREATED, Json(shown(&silence))))
}

/// Ends one now; what happened while it held stays silent.
pub(super) async fn end(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let no_such = || Problem::new(StatusCode::NOT_FOUND, "there is no such silence");
    let id = SilenceId::parse(&id).ok_or_else(no_such)?;
    let mut write = api.state.store.begin().await?;
    let ended = Store::end_silence(&mut write, &id, api.state.now()).await?;
    let ended = ended.ok_or_else(no_such)?;
    let after = shown(&ended);
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

fn shown(silence: &Silence) -> Value {
    json!({
        "id": silence.id.as_str(), "organization": silence.organization, "producer": silence.producer,
        "entity": silence.entity, "reason": silence.reason, "by": silence.by,
        "from": silence.from.to_string(), "until": silence.until.to_string(),
    })
}
