//! Silences: what nobody is told of for a time, with a reason and an end.

use std::time::Duration;

use alerting_incident::{
    Silence, SilenceId,
    access::{Action, Reach},
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State as Shared},
    http::StatusCode,
    response::Response,
};
use ingest_event::{OrganizationNumber, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    Api, body::read_body, incidents::serde_urlencoded, openapi::codes, problem::Problem, version::tagged,
    who::Who,
};
use crate::{
    audit::Deed,
    store::{SILENCES_MAX, Store},
};

/// All that changes of a silence is shown, and so is in the digest of its tag: it counts no versions.
const VERSION: u64 = 1;

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

/// A part of the silences.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SilenceList {
    /// The one that ends first first.
    silences: Vec<SilenceView>,
    /// Where the list goes on; null at its end.
    #[schema(value_type = Option<codes::Cursor>)]
    next_cursor: Option<String>,
}

/// Lists the silences that have not ended.
#[utoipa::path(get, path = "/api/v1/silences",
    params(
        ("cursor" = Option<codes::Cursor>, Query, description = "where to go on"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "silences in the answer; all, which are 1,000 at most, unless said otherwise"),
    ),
    responses((status = 200, body = SilenceList)))]
pub(super) async fn list(
    Shared(api): Shared<Api>,
    _who: Who,
    RawQuery(query): RawQuery,
) -> Result<Json<SilenceList>, Problem> {
    let (after, limit) = read(query.as_deref().unwrap_or_default())
        .map_err(|detail| Problem::new(StatusCode::BAD_REQUEST, detail))?;
    let found = api
        .state
        .store
        .silences_page(api.state.now(), after.as_ref(), limit + 1)
        .await?;
    let (page, more) = found.split_at(found.len().min(usize::try_from(limit).unwrap_or(usize::MAX)));
    let last = page.last().filter(|_| !more.is_empty());
    Ok(Json(SilenceList {
        silences: page.iter().map(shown).collect(),
        next_cursor: last.map(|last| format!("{}.{}", last.until.as_nanos(), last.id.as_str())),
    }))
}

/// Shows a silence, also one that has ended.
#[utoipa::path(get, path = "/api/v1/silences/{id}", params(("id" = codes::SilenceId, Path)),
    responses((status = 200, body = SilenceView, headers(("etag" = String, description = "names what is shown"))), (status = 404)))]
pub(super) async fn one(
    Shared(api): Shared<Api>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = SilenceId::parse(&id).ok_or_else(no_such)?;
    let silence = api.state.store.silence(&id).await?.ok_or_else(no_such)?;
    Ok(tagged(VERSION, &shown(&silence)))
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
    if !Store::add_silence(&mut write, &silence, who.actor.account(), now).await? {
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
    let id = SilenceId::parse(&id).ok_or_else(no_such)?;
    let mut write = api.state.store.begin().await?;
    let ended = Store::end_silence(&mut write, &id, api.state.now()).await?;
    let (ended, account) = ended.ok_or_else(no_such)?;
    if !who.actor.is(account.as_deref(), &ended.by)
        && who.principal.reach(Action::Manage) != Reach::Everything
    {
        return Err(Problem::not_allowed(Action::Manage));
    }
    let after = json!(shown(&ended));
    let deed = Deed::by(&who.actor, api.state.now(), "silence.ended", id.as_str()).after(Some(&after));
    Store::audit(&mut write, deed).await?;
    api.state.store.commit(write).await?;
    Ok(Json(shown(&ended)))
}

fn no_such() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such silence")
}

/// Reads a query; the error names the parameter and what it may be.
fn read(query: &str) -> Result<(Option<(Timestamp, String)>, i64), String> {
    let (mut after, mut limit) = (None, SILENCES_MAX);
    for (name, value) in serde_urlencoded(query).map_err(|()| "the query can't be read".to_owned())? {
        let refuse = |mend: String| format!("`{name}`: {mend}");
        match name.as_str() {
            "cursor" => {
                let parts = value.split_once('.');
                let read = parts.and_then(|(until, id)| {
                    let until = until.parse().ok().map(Timestamp::from_nanos)?;
                    Some((until, SilenceId::parse(id)?.as_str().to_owned()))
                });
                after = Some(read.ok_or_else(|| refuse("pass on `next_cursor` as it was".to_owned()))?);
            }
            "limit" => {
                let given = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=SILENCES_MAX).contains(limit));
                limit = given.ok_or_else(|| refuse(format!("a number from 1 to {SILENCES_MAX}")))?;
            }
            _ => return Err(refuse("unknown; known are cursor, limit".to_owned())),
        }
    }
    Ok((after, limit))
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
