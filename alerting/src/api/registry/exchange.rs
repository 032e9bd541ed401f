//! Import with a preview, export, and the report on manual rows.

use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, State as Shared},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    Api, Problem, Who, codes, pairs,
    shapes::{ImportDocument, Remarks},
};
use crate::registry::{
    Layer,
    desk::{self, Hand, ImportChanges},
    form::{csv, json as document, json::Forms},
    live, report,
};

/// Tells what an import would add, change and remove.
///
/// Nothing is taken. The columns of the CSV are those of the export.
#[utoipa::path(post, path = "/api/v1/registry/import/preview", operation_id = "preview_import",
    request_body(content((ImportDocument = "application/json"), (String = "text/csv"))),
    responses(
        (status = 200, body = ImportChanges),
        (status = 422, description = "a field is wrong, or the import can't hold beside the rest"),
    ))]
pub(super) async fn preview(
    Shared(api): Shared<Api>,
    _who: Who,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<ImportChanges>, Problem> {
    let forms = read(&headers, &body)?;
    let loaded = api.state.registry.load_full();
    let changes = desk::compare(&loaded, &forms);
    // What could not be taken is told now.
    let rows = loaded
        .rows
        .iter()
        .filter(|row| row.layer == Layer::Manual)
        .cloned();
    let imported = desk::as_rows(&forms);
    loaded
        .with_rows(rows.chain(imported).collect(), loaded.version)
        .map_err(Problem::flaws)?;
    Ok(Json(changes))
}

/// Takes an import whose preview was looked at.
#[utoipa::path(post, path = "/api/v1/registry/import",
    params(
        ("preview" = Option<String>, Query, description = "`preview` of the answer that was looked at"),
        ("reason" = String, Query, min_length = 1, max_length = 500, description = "why"),
    ),
    request_body(content((ImportDocument = "application/json"), (String = "text/csv"))),
    responses(
        (status = 200, body = ImportChanges),
        (status = 412, description = "something else was imported meanwhile, or this is not what was looked at"),
        (status = 422, description = "a field is wrong, or the import can't hold beside the rest"),
        (status = 428, description = "`preview` is missing"),
    ))]
pub(super) async fn import(
    Shared(api): Shared<Api>,
    who: Who,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Json<ImportChanges>, Problem> {
    let (mut seen, mut reason) = (None, None);
    for (name, value) in pairs(query.as_deref())? {
        match name.as_str() {
            "preview" => seen = Some(value),
            "reason" => reason = Some(value),
            _ => {
                let detail = format!("`{name}`: unknown; known are preview, reason");
                return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
            }
        }
    }
    let reason = desk::reason(reason.as_deref()).map_err(|flaw| Problem::flaws(vec![flaw]))?;
    let Some(seen) = seen else {
        let detail = "look at the preview first, and send its `preview` along";
        return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, detail));
    };
    let forms = read(&headers, &body)?;
    let hand = Hand {
        actor: &who.actor,
        now: api.state.now(),
        reason: &reason,
    };
    let loaded = api.state.registry.load_full();
    let (loaded, changes) = desk::import(&api.state.store, &loaded, &forms, &seen, &hand).await?;
    live::take(&api.state, loaded);
    Ok(Json(changes))
}

/// Exports the registry.
///
/// What holds, or the rows of one layer.
#[utoipa::path(get, path = "/api/v1/registry/export",
    params(
        ("format" = Option<codes::ExportFormat>, Query, description = "`json` unless said otherwise"),
        ("layer" = Option<codes::RegistryLayer>, Query, description = "only the rows of this layer"),
    ),
    responses((status = 200, content((ImportDocument = "application/json"), (String = "text/csv")))))]
pub(super) async fn export(
    Shared(api): Shared<Api>,
    _who: Who,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (mut is_csv, mut layer) = (false, None);
    for (name, value) in pairs(query.as_deref())? {
        let refuse = |mend: &str| Problem::new(StatusCode::BAD_REQUEST, format!("`{name}`: {mend}"));
        match (name.as_str(), value.as_str()) {
            ("format", "csv") => is_csv = true,
            ("format", "json") => is_csv = false,
            ("format", _) => return Err(refuse("csv or json")),
            ("layer", text) => layer = Some(text.parse::<Layer>().map_err(|mend| refuse(&mend))?),
            _ => return Err(refuse("unknown; known are format, layer")),
        }
    }
    let forms = api.state.registry.load().forms(layer);
    let (kind, text) = if is_csv {
        ("text/csv; charset=utf-8", csv::write(&forms))
    } else {
        ("application/json", document::write(&forms))
    };
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Tells which manual values the layers below contradict or make superfluous.
#[utoipa::path(get, path = "/api/v1/registry/report", responses((status = 200, body = Remarks)))]
pub(super) async fn report(Shared(api): Shared<Api>, _who: Who) -> Json<Remarks> {
    let remarks = report::remarks(&api.state.registry.load());
    Json(Remarks { remarks })
}

fn read(headers: &HeaderMap, body: &Bytes) -> Result<Forms, Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let forms = match kind.split(';').next().unwrap_or_default().trim() {
        "text/csv" => csv::read(body),
        "application/json" => document::read(body),
        _ => {
            let detail = "send it as `content-type: text/csv` or `application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    };
    forms.map_err(Problem::flaws)
}
