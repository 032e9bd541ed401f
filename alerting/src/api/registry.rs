//! The registry over HTTP: what holds, whose it is, and changes by people and by imports.
//!
//! Thin: what is read and refused is in `registry::form`, what is changed in `registry::desk`.

mod exchange;
mod question;

use axum::{
    Json,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery, State as Shared},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use ingest_event::OrganizationNumber;
use serde_json::{Map, Value, json};

use super::{Api, incidents::serde_urlencoded, problem::Problem, routes::Routes, who::Who};
use crate::registry::{
    Layer, Loaded, StoredRow,
    desk::{self, Hand, Refused},
    form::{Flaw, Form, flaw, json::BYTES_MAX},
    live,
};

/// Where imports come in.
pub(super) const IMPORT: &str = "/api/v1/registry/import";
/// The body of an import: a document.
pub(super) const IMPORT_BYTES_MAX: usize = BYTES_MAX;

/// Rows in one answer, unless asked otherwise, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;

pub(super) fn routes() -> Routes {
    let large = || DefaultBodyLimit::max(IMPORT_BYTES_MAX);
    Routes::new()
        .route(IMPORT, post(exchange::import).layer(large()))
        .route(
            "/api/v1/registry/import/preview",
            post(exchange::preview).layer(large()),
        )
        .route("/api/v1/registry", get(list))
        .route("/api/v1/registry/export", get(exchange::export))
        .route("/api/v1/registry/report", get(exchange::report))
        .route("/api/v1/registry/coverage", get(question::coverage))
        .route("/api/v1/registry/preview", post(question::preview))
        .route(
            "/api/v1/registry/{number}",
            get(one).put(put).patch(patch).delete(delete),
        )
        .route("/api/v1/route/explain", post(question::explain))
}

/// `GET /api/v1/registry?q=&cursor=&limit=`: what holds, by number.
async fn list(
    Shared(api): Shared<Api>,
    _who: Who,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
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
    let shown: Vec<Value> = found.by_ref().take(limit).map(|(_, form)| json!(form)).collect();
    let last = shown.last().and_then(|form| form.get("number")).cloned();
    let next = found.next().and(last);
    Ok(Json(
        json!({ "organizations": shown, "next_cursor": next, "total": total, "version": loaded.version }),
    ))
}

/// `GET /api/v1/registry/{number}`: what holds, whose each value is, and the rows; its `ETag` is the manual row's.
async fn one(Shared(api): Shared<Api>, _who: Who, Path(number): Path<String>) -> Result<Response, Problem> {
    let number = read_number(&number)?;
    answer(&api.state.registry.load(), number).ok_or_else(no_body)
}

/// `PUT`: the manual row is this one.
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

/// `PATCH`: the manual row with these members changed, `null` taken out (RFC 7396).
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

/// `DELETE …?reason=`: there is no manual row any more.
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
        loaded.row(layer, number).map(|row: &StoredRow| {
            json!({ "form": row.form, "by": row.actor, "at": row.at.to_string(), "reason": row.reason, "version": row.version })
        })
    };
    let origins = loaded.origins.get(&number);
    let origins: Map<String, Value> = origins
        .into_iter()
        .flatten()
        .map(|(field, layer)| (field.clone(), layer.as_str().into()))
        .collect();
    let tag = format!(
        "\"{}\"",
        loaded.row(Layer::Manual, number).map_or(0, |row| row.version)
    );
    let body = json!({
        "organization": form,
        "origins": origins,
        "manual": row(Layer::Manual),
        "import": row(Layer::Import),
    });
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
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("read the body as a JSON object: {error}"),
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
