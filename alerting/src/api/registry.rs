//! The registry over HTTP: what holds, whose it is, and changes by people and by imports.
//!
//! Thin: what is read and refused is in `registry::form`, what is changed in `registry::desk`.

mod exchange;
mod question;
mod shapes;

use axum::{
    Json,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery, State as Shared},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::MethodRouter,
};
use ingest_event::OrganizationNumber;
use serde_json::{Map, Value};

use super::{
    Api, body::read_json, incidents::serde_urlencoded, openapi::codes, problem::Problem, routes::Routes,
    who::Who,
};
use crate::registry::{
    Layer, Loaded, StoredRow,
    desk::{self, Hand, Refused},
    form::{Flaw, Form, flaw, json::BYTES_MAX},
    live,
};
pub(super) use shapes::forms;
use shapes::{FormPatch, FormPut, Holding, RegistryPage, Row};

/// Where imports come in.
pub(super) const IMPORT: &str = "/api/v1/registry/import";
/// The body of an import: a document.
pub(super) const IMPORT_BYTES_MAX: usize = BYTES_MAX;

/// Rows in one answer, unless asked otherwise, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;

pub(super) fn routes() -> Routes {
    let large = |methods: MethodRouter<Api>| methods.layer(DefaultBodyLimit::max(IMPORT_BYTES_MAX));
    Routes::new()
        .layered(exchange::__path_import, exchange::import, large)
        .layered(exchange::__path_preview, exchange::preview, large)
        .route(__path_list, list)
        .route(exchange::__path_export, exchange::export)
        .route(exchange::__path_report, exchange::report)
        .route(question::__path_coverage, question::coverage)
        .route(question::__path_preview, question::preview)
        .route(__path_one, one)
        .route(__path_put, put)
        .route(__path_patch, patch)
        .route(__path_delete, delete)
        .route(question::__path_explain, question::explain)
}

/// Lists organisations as they are registered.
///
/// What holds of each, whichever layer says so; by number.
#[utoipa::path(get, path = "/api/v1/registry",
    params(
        ("q" = Option<String>, Query, max_length = 200, description = "any of its names, former ones too"),
        ("cursor" = Option<codes::Cursor>, Query, description = "where to go on"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "organisations in the answer; 50 unless said otherwise"),
    ),
    responses((status = 200, body = RegistryPage)))]
async fn list(
    Shared(api): Shared<Api>,
    _who: Who,
    RawQuery(query): RawQuery,
) -> Result<Json<RegistryPage>, Problem> {
    let (mut text, mut after, mut limit) = (String::new(), None, LIMIT);
    for (name, value) in pairs(query.as_deref())? {
        let refuse = |mend: &str| Problem::new(StatusCode::BAD_REQUEST, format!("`{name}`: {mend}"));
        match name.as_str() {
            "q" if 200 < value.chars().count() => return Err(refuse("at most 200 characters")),
            "q" => text = value,
            "cursor" => {
                let number = OrganizationNumber::parse(&value);
                after = Some(number.map_err(|_| refuse("pass on `next_cursor` as it was"))?);
            }
            "limit" => {
                let given = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                limit = given.ok_or_else(|| refuse(&format!("a number from 1 to {LIMIT_MAX}")))?;
            }
            _ => return Err(refuse("unknown; known are q, cursor, limit")),
        }
    }
    let loaded = api.state.registry.load_full();
    let called = (!text.trim().is_empty()).then(|| loaded.routes.registry().called(text.trim()));
    let forms = loaded.forms(None);
    let fits = |number: &OrganizationNumber| called.as_ref().is_none_or(|called| called.contains(number));
    let total = forms.keys().filter(|number| fits(number)).count();
    let mut found = forms
        .iter()
        .filter(|(number, _)| fits(number) && after.is_none_or(|after| after < **number));
    let shown: Vec<Form> = found.by_ref().take(limit).map(|(_, form)| form.clone()).collect();
    let last = shown.last().map(|form| form.number.clone());
    let next = found.next().and(last);
    Ok(Json(RegistryPage {
        organizations: shown,
        next_cursor: next,
        total,
        version: loaded.version,
    }))
}

/// Shows what is registered of an organisation.
///
/// What holds, which layer each value comes from, and the rows themselves. The `ETag` is the manual row's, for `If-Match` of a change.
#[utoipa::path(get, path = "/api/v1/registry/{number}", params(("number" = codes::OrganizationNumber, Path)),
    responses(
        (status = 200, body = Holding, headers(("etag" = String))),
        (status = 404, description = "nobody is registered under that number"),
        (status = 422, description = "that is no organisation number"),
    ))]
async fn one(Shared(api): Shared<Api>, _who: Who, Path(number): Path<String>) -> Result<Response, Problem> {
    let number = read_number(&number)?;
    answer(&api.state.registry.load(), number).ok_or_else(no_body)
}

/// Writes the manual row of an organisation.
#[utoipa::path(put, path = "/api/v1/registry/{number}",
    params(("number" = codes::OrganizationNumber, Path), ("if-match" = Option<String>, Header, description = "the `ETag` that was read"),
        ("if-none-match" = Option<String>, Header, description = "`*` where there is no manual row yet")),
    request_body = FormPut,
    responses(
        (status = 200, body = Holding, headers(("etag" = String))),
        (status = 412, description = "it was changed meanwhile"),
        (status = 422, description = "a field is wrong, or the change can't hold beside the rest"),
        (status = 428, description = "`If-Match` is missing"),
    ))]
async fn put(
    Shared(api): Shared<Api>,
    who: Who,
    Path(number): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let mut given = read_object(&body)?;
    let reason = take_reason(&mut given)?;
    let form = read_form(given)?;
    changed(&api, &who, &number, &headers, &reason, |_| Ok(Some(form))).await
}

/// Changes members of the manual row of an organisation.
///
/// A JSON merge patch (RFC 7396): what is `null` is taken out.
#[utoipa::path(patch, path = "/api/v1/registry/{number}",
    params(("number" = codes::OrganizationNumber, Path), ("if-match" = Option<String>, Header, description = "the `ETag` that was read"),
        ("if-none-match" = Option<String>, Header, description = "`*` where there is no manual row yet")),
    request_body(content((FormPatch = "application/json"), (FormPatch = "application/merge-patch+json"))),
    responses(
        (status = 200, body = Holding, headers(("etag" = String))),
        (status = 412, description = "it was changed meanwhile"),
        (status = 422, description = "a field is wrong, or the change can't hold beside the rest"),
        (status = 428, description = "`If-Match` is missing"),
    ))]
async fn patch(
    Shared(api): Shared<Api>,
    who: Who,
    Path(number): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let mut given = read_object(&body)?;
    let reason = take_reason(&mut given)?;
    let change = |former: Option<&Form>| {
        let former = former.cloned().unwrap_or_else(|| Form {
            number: number.clone(),
            ..Form::default()
        });
        let mut merged = serde_json::to_value(former).unwrap_or_default();
        merge(&mut merged, &given.into());
        let form = serde_json::from_value(merged).map_err(|error| vec![flaw("body", &error.to_string())])?;
        Ok(Some(form))
    };
    changed(&api, &who, &number, &headers, &reason, change).await
}

/// Takes the manual row of an organisation away.
///
/// What the layers below say holds again; if they say nothing, nobody is registered any more.
#[utoipa::path(delete, path = "/api/v1/registry/{number}",
    params(("number" = codes::OrganizationNumber, Path),
        ("reason" = String, Query, min_length = 1, max_length = 500, description = "why"), ("if-match" = Option<String>, Header, description = "the `ETag` that was read"),
        ("if-none-match" = Option<String>, Header, description = "`*` where there is no manual row yet")),
    responses(
        (status = 200, body = Holding, headers(("etag" = String))),
        (status = 204, description = "nobody is registered under that number any more"),
        (status = 404, description = "there is no manual row for that body"),
        (status = 412, description = "it was changed meanwhile"),
        (status = 422, description = "a field is wrong, or the change can't hold beside the rest"),
        (status = 428, description = "`If-Match` is missing"),
    ))]
async fn delete(
    Shared(api): Shared<Api>,
    who: Who,
    Path(number): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut given = None;
    for (name, value) in pairs(query.as_deref())? {
        match name.as_str() {
            "reason" => given = Some(value),
            _ => {
                let detail = format!("`{name}`: unknown; known is reason");
                return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
            }
        }
    }
    let reason = desk::reason(given.as_deref()).map_err(|flaw| Problem::flaws(vec![flaw]))?;
    changed(&api, &who, &number, &headers, &reason, |_| Ok(None)).await
}

async fn changed(
    api: &Api,
    who: &Who,
    number: &str,
    headers: &HeaderMap,
    reason: &str,
    change: impl FnOnce(Option<&Form>) -> Result<Option<Form>, Vec<Flaw>>,
) -> Result<Response, Problem> {
    let number = read_number(number)?;
    let expected = expected(headers)?;
    let hand = Hand {
        actor: &who.actor,
        now: api.state.now(),
        reason,
    };
    let loaded = api.state.registry.load_full();
    let loaded = desk::change(&api.state.store, &loaded, number, expected, &hand, change).await?;
    let shown = answer(&loaded, number);
    live::take(&api.state, loaded);
    Ok(shown.unwrap_or_else(|| StatusCode::NO_CONTENT.into_response()))
}

fn answer(loaded: &Loaded, number: OrganizationNumber) -> Option<Response> {
    let forms = loaded.forms(None);
    let form = forms.get(&number)?;
    let row = |layer| {
        loaded.row(layer, number).map(|row: &StoredRow| Row {
            form: row.form.clone(),
            by: row.actor.clone(),
            at: row.at.to_string(),
            reason: row.reason.clone(),
            version: row.version,
        })
    };
    let origins = loaded.origins.get(&number).into_iter().flatten();
    let tag = format!(
        "\"{}\"",
        loaded.row(Layer::Manual, number).map_or(0, |row| row.version)
    );
    let body = Holding {
        organization: form.clone(),
        origins: origins
            .map(|(field, layer)| (field.clone(), layer.as_str()))
            .collect(),
        manual: row(Layer::Manual),
        import: row(Layer::Import),
    };
    Some(([(header::ETAG, tag)], Json(body)).into_response())
}

/// The version that the person saw: `If-Match` with the `ETag`, or `If-None-Match: *` for none.
fn expected(headers: &HeaderMap) -> Result<u64, Problem> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    if text(header::IF_NONE_MATCH) == Some("*") {
        return Ok(0);
    }
    let Some(tag) = text(header::IF_MATCH) else {
        let detail = "send `If-Match` with the `ETag` that was read, so that nobody's change is written over";
        return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, detail));
    };
    let version = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    // Another service's tag is none of ours: nothing has it.
    version
        .and_then(|version| version.parse().ok())
        .ok_or_else(|| Problem::from(Refused::Stale))
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

fn read_number(text: &str) -> Result<OrganizationNumber, Problem> {
    OrganizationNumber::parse(text).map_err(|error| Problem::flaws(vec![flaw("number", &error.to_string())]))
}

fn read_object(body: &Bytes) -> Result<Map<String, Value>, Problem> {
    read_json(body).map_err(|flaw| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("read the body as a JSON object: {flaw}"),
        )
    })
}

fn read_form(given: Map<String, Value>) -> Result<Form, Problem> {
    serde_json::from_value(given.into())
        .map_err(|error| Problem::flaws(vec![flaw("body", &error.to_string())]))
}

fn take_reason(given: &mut Map<String, Value>) -> Result<String, Problem> {
    let reason = given.remove("reason");
    let text = reason.as_ref().and_then(Value::as_str);
    desk::reason(text).map_err(|flaw| Problem::flaws(vec![flaw]))
}

fn pairs(query: Option<&str>) -> Result<Vec<(String, String)>, Problem> {
    serde_urlencoded(query.unwrap_or_default())
        .map_err(|()| Problem::new(StatusCode::BAD_REQUEST, "the query can't be read"))
}

fn no_body() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "nobody is registered under that number")
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Flaws(flaws) => Self::flaws(flaws),
            Refused::Stale => Self::new(StatusCode::PRECONDITION_FAILED, Refused::Stale.to_string()),
            Refused::Missing => Self::new(StatusCode::NOT_FOUND, Refused::Missing.to_string()),
            Refused::Store(error) => error.into(),
        }
    }
}
