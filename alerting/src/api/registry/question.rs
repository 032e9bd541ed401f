//! Questions that tell nobody: who would be told of an event, what a change would have moved, and who would receive nothing.

use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, State as Shared},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    Api, Problem, Who, codes, pairs, read_form, read_json, read_number, read_object, shapes::FormPreview,
};
use crate::{
    registry::{
        Layer, StoredRow,
        coverage::{Coverage, coverage as cover},
        hygiene,
        question::{Asked, Explained, explain as explained},
        rehearsal::{INCIDENTS_MAX, Rehearsal},
    },
    store::Filter,
};

/// Deliveries that were given up within this time are told of.
const LATELY: Duration = Duration::from_hours(24 * 30);
/// Incidents that are read at once.
const PAGE: u32 = 200;

/// Explains who would be told of an event, and why.
///
/// For an event that did not happen; nobody is told.
#[utoipa::path(post, path = "/api/v1/route/explain", request_body = Asked,
    responses((status = 200, body = Explained), (status = 422, description = "a field is wrong")))]
pub(super) async fn explain(
    Shared(api): Shared<Api>,
    _who: Who,
    body: Bytes,
) -> Result<Json<Explained>, Problem> {
    let asked: Asked = read_json(&body)
        .map_err(|flaw| Problem::new(StatusCode::BAD_REQUEST, format!("read the body as JSON: {flaw}")))?;
    let question = asked.question(api.state.now()).map_err(Problem::flaws)?;
    Ok(Json(explained(&api.state.registry.load(), &question)))
}

/// Tells which past incidents would have gone elsewhere.
///
/// For a manual row that is not written.
#[utoipa::path(post, path = "/api/v1/registry/preview", request_body = FormPreview,
    responses((status = 200, body = Rehearsal), (status = 422, description = "a field is wrong, or the row can't hold beside the rest")))]
pub(super) async fn preview(
    Shared(api): Shared<Api>,
    who: Who,
    body: Bytes,
) -> Result<Json<Rehearsal>, Problem> {
    let mut given = read_object(&body)?;
    let is_removed = given
        .remove("removed")
        .and_then(|value| value.as_bool())
        .unwrap_or_default();
    let form = read_form(given)?;
    let number = read_number(&form.number)?;
    let loaded = api.state.registry.load_full();
    let is_other = |row: &&StoredRow| row.layer != Layer::Manual || row.form.number != number.as_str();
    let mut rows: Vec<StoredRow> = loaded.rows.iter().filter(is_other).cloned().collect();
    if !is_removed {
        rows.push(StoredRow {
            layer: Layer::Manual,
            version: loaded.version,
            form: form.canonical().map_err(Problem::flaws)?,
            actor: String::new(),
            at: api.state.now(),
            reason: String::new(),
        });
    }
    let changed = loaded.with_rows(rows, loaded.version).map_err(Problem::flaws)?;
    let mut rehearsal = Rehearsal::new();
    let mut after = None;
    loop {
        let page = api
            .state
            .store
            .page(&who.sees(), &Filter::default(), after.as_ref(), PAGE)
            .await?;
        for stored in &page.incidents {
            rehearsal.look(&loaded.routes, &changed.routes, &stored.incident);
        }
        after = page.next;
        rehearsal.older_left = after.is_some();
        if after.is_none() || INCIDENTS_MAX <= rehearsal.looked_at {
            return Ok(Json(rehearsal));
        }
    }
}

/// Tells who would receive nothing.
#[utoipa::path(get, path = "/api/v1/registry/coverage",
    params(("format" = Option<codes::ReportFormat>, Query, description = "`json` unless said otherwise")),
    responses((status = 200, content((Coverage = "application/json"), (String = "text/plain")))))]
pub(super) async fn coverage(
    Shared(api): Shared<Api>,
    _who: Who,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut is_text = false;
    for (name, value) in pairs(query.as_deref())? {
        match (name.as_str(), value.as_str()) {
            ("format", "text") => is_text = true,
            ("format", "json") => is_text = false,
            _ => {
                let detail = format!("`{name}`: known is format, json or text");
                return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
            }
        }
    }
    let now = api.state.now();
    let failed = api.state.store.failed_since(now.saturating_sub(LATELY)).await?;
    let given_up: Vec<_> = failed
        .into_iter()
        .map(|failed| (failed.responder, failed.channel, failed.count, failed.last))
        .collect();
    let loaded = api.state.registry.load_full();
    // Some thousand bodies are a second of work: not on the threads that answer others.
    let found = tokio::task::spawn_blocking(move || cover(&loaded, &given_up, now)).await;
    let mut found =
        found.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the report was not made"))?;
    hygiene::add(&api.state, &mut found).await?;
    if is_text {
        let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        return Ok((kind, found.to_string()).into_response());
    }
    Ok(Json(found).into_response())
}
