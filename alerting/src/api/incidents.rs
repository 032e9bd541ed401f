//! The analyst's side: list, one, acknowledge, verdict, close, organisations.

use std::str::FromStr;

use alerting_incident::{IncidentId, State, Verdict};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State as Shared},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use detect_alert::Severity;
use ingest_event::OrganizationNumber;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    body::read_body,
    cursor,
    openapi::codes,
    places::Places,
    problem::Problem,
    shapes::{Incident, IncidentDetail, OrganizationName},
    version::{expected, tagged},
    view,
    who::Who,
};
use crate::{
    access::acting,
    answer::{self, Answer},
    store::{Filter, Place},
};

/// Rows in one answer, unless asked otherwise, and at most.
const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 200;
/// Organisations in one answer, where the asker says how many.
const ORGANIZATIONS_MAX: usize = 500;
/// A search longer than this is no search.
const TEXT_CHARS_MAX: usize = 200;
/// The longest note: a page.
pub(super) const NOTE_CHARS_MAX: usize = 2_000;

/// What is asked of the list.
#[derive(Debug)]
struct Listing {
    filter: Filter,
    /// With those whose place it has.
    organization: Option<OrganizationNumber>,
    cursor: Option<String>,
    limit: u32,
}

/// A remark; an empty body is one without.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoteBody {
    /// What there is to say; spaces around it are taken off.
    #[serde(default)]
    #[schema(max_length = 2000)]
    pub(super) note: Option<String>,
}

/// What someone concludes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerdictBody {
    #[schema(value_type = codes::Verdict)]
    pub(super) verdict: String,
    /// What there is to say; spaces around it are taken off.
    #[serde(default)]
    #[schema(max_length = 2000)]
    pub(super) note: Option<String>,
}

/// A part of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentPage {
    /// The newest change first.
    incidents: Vec<Incident>,
    /// Where the list goes on; null at its end. A search that has looked through as much as one request may goes on too, however few it found.
    #[schema(value_type = Option<codes::Cursor>)]
    next_cursor: Option<String>,
    /// How many there are in all of the list; of a search, which is counted to about a thousand, at least so many.
    total: u64,
    /// Whether there are no more than the total.
    total_is_exact: bool,
}

/// Lists incidents.
///
/// The newest change first, and only what the asker may see. A list that changes while it is read shows each incident that did not change once.
#[utoipa::path(get, path = "/api/v1/incidents",
    params(
        ("state" = Option<Vec<codes::State>>, Query, style = Form, explode = false, description = "only these states"),
        ("severity" = Option<Vec<codes::Severity>>, Query, style = Form, explode = false, description = "only these severities"),
        ("organization" = Option<codes::OrganizationNumber>, Query, description = "only this organisation's, and those whose place it has"),
        ("q" = Option<String>, Query, max_length = 200, description = "text that occurs; what was opened last comes first"),
        ("cursor" = Option<codes::Cursor>, Query, description = "where to go on"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "rows in the answer; 50 unless said otherwise"),
    ),
    responses((status = 200, body = IncidentPage)))]
pub(super) async fn list(
    Shared(api): Shared<Api>,
    who: Who,
    RawQuery(query): RawQuery,
) -> Result<Json<IncidentPage>, Problem> {
    let mut listing = Listing::read(query.as_deref().unwrap_or_default())
        .map_err(|detail| Problem::new(StatusCode::BAD_REQUEST, detail))?;
    let loaded = api.state.registry.load_full();
    let (registry, now) = (loaded.routes.registry(), api.state.now());
    if let Some(number) = listing.organization {
        listing.filter.organizations = registry.lineage(number, now);
    }
    // Who was merged or renumbered is looked for under any of its names.
    if !listing.filter.text.trim().is_empty() {
        listing.filter.called = registry.called(listing.filter.text.trim());
    }
    let places = Places::of(&api.state, &who);
    let after = match &listing.cursor {
        None => None,
        Some(cursor) => {
            // That of a list is none of a search.
            let is_found = !listing.filter.text.is_empty();
            let place = cursor::read(&places, cursor)
                .filter(|place| matches!(place, Place::Found(..)) == is_found)
                .ok_or_else(|| {
                    let detail =
                        "query parameter `cursor`: pass on `next_cursor` as it was, with the same query";
                    Problem::new(StatusCode::BAD_REQUEST, detail)
                })?;
            Some(place)
        }
    };
    let store = &api.state.store;
    let page = store
        .page(&who.sees(), &listing.filter, after.as_ref(), listing.limit)
        .await?;
    let next = page.next.map(|place| cursor::write(&places, &place));
    let rows = page.incidents.iter().map(|stored| view::row(&api.state, stored));
    Ok(Json(IncidentPage {
        incidents: rows.collect(),
        next_cursor: next,
        total: page.total.count,
        total_is_exact: page.total.is_exact,
    }))
}

/// Shows an incident.
///
/// One that the asker may not see answers as one that does not exist.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", params(("id" = codes::IncidentId, Path)),
    responses((status = 200, body = IncidentDetail, headers(("etag" = String, description = "names what is shown"))), (status = 404, description = "there is no such incident, or none that the asker may see")))]
pub(super) async fn one(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = IncidentId::parse(&id).ok_or_else(Problem::no_incident)?;
    let stored = api.state.store.incident(&who.sees(), &id).await?;
    let stored = stored.ok_or_else(Problem::no_incident)?;
    let version = stored.incident.version;
    Ok(tagged(version, &view::detail(&api.state, &who, &stored).await?))
}

/// Takes an incident.
///
/// Taking it again changes nothing; a remark that is new is kept.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/acknowledge",
    params(("id" = codes::IncidentId, Path), ("if-match" = Option<String>, Header, description = "the `ETag` that was read: only if nobody changed it since")), request_body = Option<NoteBody>,
    responses((status = 200, body = IncidentDetail, headers(("etag" = String, description = "names what is shown"))), (status = 412, description = "it was changed meanwhile"), (status = 404, description = "there is no such incident, or none that the asker may see")),
    extensions(("x-varde-action" = json!("acknowledge"))))]
pub(super) async fn acknowledge(
    shared: Shared<Api>,
    who: Who,
    path: Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body: NoteBody = read_body(&body)?;
    answered(
        shared,
        who,
        path,
        Answer::Acknowledge,
        &read_note(body.note)?,
        expected(&headers)?,
    )
    .await
}

/// Concludes about an incident.
///
/// The same conclusion again changes nothing; `need_help` tells the CERT.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/verdict",
    params(("id" = codes::IncidentId, Path), ("if-match" = Option<String>, Header, description = "the `ETag` that was read: only if nobody changed it since")), request_body = VerdictBody,
    responses((status = 200, body = IncidentDetail, headers(("etag" = String, description = "names what is shown"))), (status = 412, description = "it was changed meanwhile"), (status = 404, description = "there is no such incident, or none that the asker may see")),
    extensions(("x-varde-action" = json!("judge"))))]
pub(super) async fn verdict(
    shared: Shared<Api>,
    who: Who,
    path: Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body: VerdictBody = read_body(&body)?;
    let verdict = read_verdict(&body.verdict)?;
    answered(
        shared,
        who,
        path,
        Answer::Verdict(verdict),
        &read_note(body.note)?,
        expected(&headers)?,
    )
    .await
}

/// Closes an incident.
///
/// Further alerts open a new one that refers to it.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/close",
    params(("id" = codes::IncidentId, Path), ("if-match" = Option<String>, Header, description = "the `ETag` that was read: only if nobody changed it since")), request_body = Option<NoteBody>,
    responses((status = 200, body = IncidentDetail, headers(("etag" = String, description = "names what is shown"))), (status = 412, description = "it was changed meanwhile"), (status = 404, description = "there is no such incident, or none that the asker may see")),
    extensions(("x-varde-action" = json!("close"))))]
pub(super) async fn close(
    shared: Shared<Api>,
    who: Who,
    path: Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body: NoteBody = read_body(&body)?;
    answered(
        shared,
        who,
        path,
        Answer::Close,
        &read_note(body.note)?,
        expected(&headers)?,
    )
    .await
}

/// Lists the organisations that have incidents.
///
/// Only those of which the asker sees some, by number; all of them, unless `limit` says how many. Where the list goes on, `link` names the
/// next part (RFC 8288, `rel="next"`).
#[utoipa::path(get, path = "/api/v1/organizations",
    params(
        ("cursor" = Option<codes::Cursor>, Query, description = "where to go on, as `link` has it"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "organisations in the answer; all unless said otherwise"),
    ),
    responses((status = 200, body = Vec<OrganizationName>, headers(("link" = String, description = "the next part, if there is one")))))]
pub(super) async fn organizations(
    Shared(api): Shared<Api>,
    who: Who,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (mut after, mut limit) = (None, None);
    let wrong = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail);
    let pairs = serde_urlencoded(query.as_deref().unwrap_or_default())
        .map_err(|()| wrong("the query can't be read".to_owned()))?;
    for (name, value) in pairs {
        match name.as_str() {
            "cursor" => {
                let number = OrganizationNumber::parse(&value);
                after = Some(number.map_err(|_| wrong("`cursor`: pass it on as `link` has it".to_owned()))?);
            }
            "limit" => {
                let given = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=ORGANIZATIONS_MAX).contains(limit));
                let mend = || wrong(format!("`limit`: a number from 1 to {ORGANIZATIONS_MAX}"));
                limit = Some(given.ok_or_else(mend)?);
            }
            _ => return Err(wrong(format!("`{name}`: unknown; known are cursor, limit"))),
        }
    }
    let mut numbers = api.state.store.owners(&who.sees()).await?;
    numbers.retain(|number| after.is_none_or(|after| after < *number));
    let is_more = limit.is_some_and(|limit| limit < numbers.len());
    numbers.truncate(limit.unwrap_or(usize::MAX));
    let next = numbers.last().zip(limit).filter(|_| is_more);
    let link = next.map(|(last, limit)| {
        let link = format!("</api/v1/organizations?limit={limit}&cursor={last}>; rel=\"next\"");
        [(header::LINK, link)]
    });
    let list = numbers.into_iter().map(|number| OrganizationName {
        number: number.to_string(),
        name: api.state.organization_name(number),
    });
    Ok((link, Json(list.collect::<Vec<_>>())).into_response())
}

async fn answered(
    Shared(api): Shared<Api>,
    who: Who,
    Path(id): Path<String>,
    answer: Answer,
    note: &str,
    expected: Option<u64>,
) -> Result<Response, Problem> {
    let id = IncidentId::parse(&id).ok_or_else(Problem::no_incident)?;
    let stored = api.state.store.incident(&who.sees(), &id).await?;
    let stored = stored.ok_or_else(Problem::no_incident)?;
    let action = answer.action();
    who.require(action, Some(stored.owner))?;
    // Where they may do it, in case it has changed hands meanwhile.
    let reach = who.reaches(action);
    // Who takes it works on it, where that is wanted.
    let account = match answer {
        Answer::Acknowledge if api.state.incidents.assign_on_acknowledge => {
            acting::account(&api.state, who.credential.as_ref()).await?
        }
        _ => None,
    };
    let by = (&who.actor, account.as_ref().map(acting::as_assignee));
    let stored = answer::record_by(&api.state, &reach, &id, None, by, (answer, note), expected).await?;
    let stored = stored.ok_or_else(Problem::no_incident)?;
    let version = stored.incident.version;
    Ok(tagged(version, &view::detail(&api.state, &who, &stored).await?))
}

impl Listing {
    /// Reads a query; the error names the parameter and what it may be.
    fn read(query: &str) -> Result<Self, String> {
        let mut listing = Self {
            filter: Filter::default(),
            organization: None,
            cursor: None,
            limit: LIMIT,
        };
        let Ok(pairs) = serde_urlencoded(query) else {
            return Err("the query is not form-encoded".to_owned());
        };
        for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            let refuse = |mend: String| format!("query parameter `{name}`: {mend}");
            match name.as_str() {
                "state" => listing.filter.states = read_list::<State>(value).map_err(refuse)?,
                "severity" => listing.filter.severities = read_list::<Severity>(value).map_err(refuse)?,
                "organization" => {
                    let number =
                        OrganizationNumber::parse(value).map_err(|error| refuse(error.to_string()))?;
                    listing.organization = Some(number);
                }
                "q" if TEXT_CHARS_MAX < value.chars().count() => {
                    return Err(refuse(format!("at most {TEXT_CHARS_MAX} characters")));
                }
                "q" => listing.filter.text.clone_from(value),
                "cursor" => listing.cursor = Some(value.clone()),
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                    listing.limit = limit.ok_or_else(|| refuse(format!("a number from 1 to {LIMIT_MAX}")))?;
                }
                _ => {
                    return Err(refuse(
                        "unknown; known are state, severity, organization, q, cursor, limit".to_owned(),
                    ));
                }
            }
        }
        Ok(listing)
    }
}

/// Names and values of a form-encoded query.
pub(super) fn serde_urlencoded(query: &str) -> Result<Vec<(String, String)>, ()> {
    let uri = format!("/?{query}").parse::<axum::http::Uri>().map_err(|_| ())?;
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri)
        .map(|pairs| pairs.0)
        .map_err(|_| ())
}

fn read_list<T: FromStr<Err: std::fmt::Display>>(value: &str) -> Result<Vec<T>, String> {
    value
        .split(',')
        .map(|part| part.trim().parse().map_err(|error: T::Err| error.to_string()))
        .collect()
}

pub(super) fn read_note(note: Option<String>) -> Result<String, Problem> {
    let note = note.unwrap_or_default().trim().to_owned();
    if NOTE_CHARS_MAX < note.chars().count() {
        let detail = format!("`note`: at most {NOTE_CHARS_MAX} characters");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    Ok(note)
}

pub(super) fn read_verdict(code: &str) -> Result<Verdict, Problem> {
    code.parse()
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("`verdict`: {error}")))
}
