//! Records that were put aside: seen, tried again, or given up with a reason.

use alerting_incident::REASON_CHARS_MAX;
use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State as Shared},
    http::StatusCode,
};
use ingest_event::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Api, body::read_body, incidents::serde_urlencoded, openapi::codes, problem::Problem, who::Who};
use crate::{
    audit::Deed,
    intake::{Again, apply_again, place},
    store::{ASIDE_MAX, Aside, Store},
};

/// Rows in one answer, unless asked otherwise, and at most.
const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 200;

/// Why a record is given up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenUp {
    /// The audit log keeps it.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// A part of the records that were put aside.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AsidePage {
    /// The oldest first.
    records: Vec<AsideRecord>,
    /// Where the list goes on; null at its end.
    #[schema(value_type = Option<codes::Cursor>)]
    next_cursor: Option<String>,
    /// How many there are.
    total: i64,
    /// How many are kept at most.
    total_max: u32,
}

/// A record from the bus that could not be applied.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AsideRecord {
    #[schema(value_type = codes::AsideId)]
    id: String,
    /// Where it lies on the bus: the topic,
    topic: String,
    /// the partition,
    partition: i64,
    /// and the offset.
    offset: i64,
    #[schema(value_type = codes::AsideReason)]
    reason: String,
    /// What the reader, or the store, said of it.
    detail: String,
    /// When it was put on the bus.
    #[schema(value_type = codes::Time)]
    appended_at: String,
    #[schema(value_type = codes::Time)]
    put_aside_at: String,
    /// The record as text; null where only its place is kept.
    record: Option<String>,
}

/// Lists the records that were put aside.
#[utoipa::path(get, path = "/api/v1/aside",
    params(
        ("cursor" = Option<codes::Cursor>, Query, description = "where to go on"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "records in the answer; 50 unless said otherwise"),
    ),
    responses((status = 200, body = AsidePage)))]
pub(super) async fn list(
    Shared(api): Shared<Api>,
    _who: Who,
    RawQuery(query): RawQuery,
) -> Result<Json<AsidePage>, Problem> {
    let (after, limit) = read(query.as_deref().unwrap_or_default())
        .map_err(|detail| Problem::new(StatusCode::BAD_REQUEST, detail))?;
    let kept = api.state.store.aside(after.as_ref(), limit + 1).await?;
    let (shown, more) = kept.split_at(kept.len().min(limit as usize));
    let last = shown.last().filter(|_| !more.is_empty());
    Ok(Json(AsidePage {
        records: shown.iter().map(row).collect(),
        next_cursor: last.map(|last| format!("{}.{}", last.put_at.as_nanos(), last.id)),
        total: api.state.store.aside_total().await?,
        total_max: ASIDE_MAX,
    }))
}

/// Tries a record again.
///
/// Applied, it is no longer kept.
#[utoipa::path(post, path = "/api/v1/aside/{id}/again", params(("id" = codes::AsideId, Path)),
    responses((status = 204, description = "it was applied"), (status = 404), (status = 422, description = "it can't be applied still")))]
pub(super) async fn again(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let deed = Deed::by(
        &who.actor,
        api.state.now(),
        "aside.applied",
        format!("aside/{id}"),
    );
    match apply_again(&api.state, &id, deed).await? {
        Again::Applied => Ok(StatusCode::NO_CONTENT),
        Again::Refused(detail) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)),
        Again::Unknown => Err(no_such()),
    }
}

/// Gives a record up.
#[utoipa::path(post, path = "/api/v1/aside/{id}/give-up", params(("id" = codes::AsideId, Path)), request_body = GivenUp,
    responses((status = 204, description = "it is no longer kept"), (status = 404), (status = 422, description = "there is no reason, or it is too long")))]
pub(super) async fn give_up(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let body: GivenUp = read_body(&body)?;
    if body.reason.trim().is_empty() || REASON_CHARS_MAX < body.reason.chars().count() {
        let detail = format!("`reason`: say why, in at most {REASON_CHARS_MAX} characters");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let mut write = api.state.store.begin().await?;
    let kept = Store::take_aside(&mut write, &id).await?.ok_or_else(no_such)?;
    let why = json!({ "reason": body.reason });
    let deed = Deed::by(
        &who.actor,
        api.state.now(),
        "aside.given_up",
        format!("aside/{}", kept.id),
    );
    Store::audit(&mut write, deed.before(Some(&place(&kept))).after(Some(&why))).await?;
    api.state.store.commit(write).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_such() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no such record was put aside")
}

fn row(kept: &Aside) -> AsideRecord {
    AsideRecord {
        id: kept.id.clone(),
        topic: kept.topic.clone(),
        partition: kept.partition,
        offset: kept.place,
        reason: kept.reason.clone(),
        detail: kept.detail.clone(),
        appended_at: Timestamp::from_millis(kept.appended_ms).to_string(),
        put_aside_at: kept.put_at.to_string(),
        record: kept
            .record
            .as_deref()
            .map(|record| String::from_utf8_lossy(record).into_owned()),
    }
}

/// Reads a query; the error names the parameter and what it may be.
fn read(query: &str) -> Result<(Option<(Timestamp, String)>, u32), String> {
    let (mut after, mut limit) = (None, LIMIT);
    for (name, value) in serde_urlencoded(query).map_err(|()| "the query can't be read".to_owned())? {
        let refuse = |mend: String| format!("`{name}`: {mend}");
        match name.as_str() {
            "cursor" => {
                let parts = value.split_once('.');
                let read = parts.and_then(|(at, id)| {
                    let at = at.parse().ok().map(Timestamp::from_nanos)?;
                    Some((at, id.to_owned()))
                });
                after = Some(read.ok_or_else(|| refuse("pass on `next_cursor` as it was".to_owned()))?);
            }
            "limit" => {
                let given = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                limit = given.ok_or_else(|| refuse(format!("a number from 1 to {LIMIT_MAX}")))?;
            }
            _ => return Err(refuse("unknown; known are cursor, limit".to_owned())),
        }
    }
    Ok((after, limit))
}
