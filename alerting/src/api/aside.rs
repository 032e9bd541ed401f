//! Records that were put aside: seen, tried again, or given up with a reason.

use alerting_incident::REASON_CHARS_MAX;
use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State as Shared},
    http::StatusCode,
};
use ingest_event::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Api,
    incidents::{read_body, serde_urlencoded},
    problem::Problem,
    who::Who,
};
use crate::{
    audit::Deed,
    intake::{Again, apply_again, place},
    store::{ASIDE_MAX, Aside, Store},
};

/// Rows in one answer, unless asked otherwise, and at most.
const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 200;

/// Why a record is given up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenUp {
    reason: String,
}

/// `GET /api/v1/aside?cursor=&limit=`: the oldest first.
pub(super) async fn list(
    Shared(api): Shared<Api>,
    _who: Who,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let (after, limit) = read(query.as_deref().unwrap_or_default())
        .map_err(|detail| Problem::new(StatusCode::BAD_REQUEST, detail))?;
    let kept = api.state.store.aside(after.as_ref(), limit + 1).await?;
    let (shown, more) = kept.split_at(kept.len().min(limit as usize));
    let last = shown.last().filter(|_| !more.is_empty());
    Ok(Json(json!({
        "records": shown.iter().map(row).collect::<Vec<_>>(),
        "next_cursor": last.map(|last| format!("{}.{}", last.put_at.as_nanos(), last.id)),
        "total": api.state.store.aside_total().await?,
        "total_max": ASIDE_MAX,
    })))
}

/// Tries one again; 204 if it was applied, 422 with what was said of it if not.
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

/// Gives one up, for a reason that the audit log keeps.
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

fn row(kept: &Aside) -> Value {
    let appended = Timestamp::from_millis(kept.appended_ms);
    json!({
        "id": kept.id, "topic": kept.topic, "partition": kept.partition, "offset": kept.place,
        "reason": kept.reason, "detail": kept.detail, "appended_at": appended.to_string(),
        "put_aside_at": kept.put_at.to_string(),
        "record": kept.record.as_deref().map(String::from_utf8_lossy),
    })
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
