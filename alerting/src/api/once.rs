//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a POST that is sent again with its key is carried out once.
//!
//! A POST that changed nothing, because it was refused, leaves its key free. One that took effect is answered from the store.

use alerting_incident::access::Action;
use axum::{
    body::Body,
    extract::{MatchedPath, Request, State as Shared},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    Api, BODY_BYTES_MAX,
    door::{self, Door},
    problem::Problem,
    registry,
    who::Who,
};
use crate::{
    access::session::Credential,
    state::State,
    store::once::{BODY_BYTES_MAX as KEPT_BYTES_MAX, CLAIM, Claim, Claimed, KeptAnswer},
};

/// The header, in lower case.
pub(super) const KEY: &str = "idempotency-key";
/// Characters of a key.
const KEY_CHARS_MAX: usize = 255;
/// Headers of an answer that are given again.
const KEPT_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// Whether an operation heeds a key: it is a POST that changes something, and its answer holds no secret.
pub(super) fn heeds(path: &str, method: &str) -> bool {
    let is_asked = door::door(path) == Door::Asked;
    let is_login = path.starts_with("/api/v1/login") || path.starts_with("/api/v1/passkeys/login");
    method == "POST" && !is_asked && !is_login && path != "/api/v1/logout"
}

/// Answers a request that was answered before as then; carries every other out.
pub(super) async fn once(Shared(api): Shared<Api>, request: Request, next: Next) -> Response {
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let (Some(path), Some(key)) = (path, request.headers().get(KEY).cloned()) else {
        return next.run(request).await;
    };
    if *request.method() != Method::POST || !heeds(&path, "POST") {
        return next.run(request).await;
    }
    // In a task of its own: who hangs up, and asks again, gets the answer.
    let done = tokio::spawn(async move { carry_out(&api.state, &path, &key, request, next).await }).await;
    match done {
        Ok(Ok(answer)) => answer,
        Ok(Err(problem)) => problem.into_response(),
        Err(_) => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the request was not carried out",
        )
        .into_response(),
    }
}

async fn carry_out(
    state: &State,
    path: &str,
    key: &HeaderValue,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = read_key(key)?;
    let (parts, body) = request.into_parts();
    let most = if path == registry::IMPORT {
        registry::IMPORT_BYTES_MAX
    } else {
        BODY_BYTES_MAX
    };
    let body = axum::body::to_bytes(body, most).await.map_err(|_| {
        let detail = format!("the body is larger than {most} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    })?;
    let Some((who, reach)) = asker(state, parts.extensions.get::<Who>(), parts.uri.path()).await? else {
        return Ok(next.run(Request::from_parts(parts, Body::from(body))).await);
    };
    let address = parts.uri.path_and_query().map_or("", |address| address.as_str());
    let attempt = crate::access::random::<16>().map_err(|_| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the machine gives no random bytes",
        )
    })?;
    let claim = Claim {
        who,
        key: digest(&[&key]),
        request: digest(&[path.as_bytes(), address.as_bytes(), &body]),
        reach,
        attempt: hex::encode(attempt),
    };
    match state.store.claim_once(&claim, state.now()).await? {
        Claimed::Ours => {}
        Claimed::Answered(kept) => return Ok(again(kept)),
        refused => return Err(refusal(&refused)),
    }
    let request = Request::from_parts(parts, Body::from(body));
    let answer = CLAIM.scope(claim.clone(), next.run(request)).await;
    if !state.store.took_effect(&claim).await? {
        state.store.release_once(&claim).await?;
        return Ok(answer);
    }
    Ok(kept(state, &claim, answer).await)
}

/// Keeps an answer, if it is not too long; it is given whether it could be kept or not.
async fn kept(state: &State, claim: &Claim, answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "it took effect; its answer is lost",
        )
        .into_response();
    };
    if let (Ok(text), true) = (str::from_utf8(&body), body.len() <= KEPT_BYTES_MAX) {
        let answer = KeptAnswer {
            status: parts.status.as_u16(),
            head: written(&parts.headers),
            body: text.to_owned(),
        };
        if let Err(error) = state.store.answer_once(claim, &answer).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "keep an answer for its repeats"
            );
        }
    }
    Response::from_parts(parts, Body::from(body))
}

fn written(headers: &HeaderMap) -> String {
    let each = KEPT_HEADERS.iter().filter_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), Value::from(value)))
    });
    Value::Object(each.collect()).to_string()
}

fn again(kept: KeptAnswer) -> Response {
    let mut answer = Response::new(Body::from(kept.body));
    *answer.status_mut() = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let headers: std::collections::BTreeMap<String, String> =
        serde_json::from_str(&kept.head).unwrap_or_default();
    for name in KEPT_HEADERS {
        let value = headers
            .get(name.as_str())
            .and_then(|value| HeaderValue::from_str(value).ok());
        if let Some(value) = value {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// Digests of whose key it is, and of what they may. `None` for nobody that is known: no stranger writes to the store by a key.
async fn asker(state: &State, who: Option<&Who>, path: &str) -> Result<Option<(String, String)>, Problem> {
    let Some(who) = who else {
        // What is behind no login has its key in its address: a responder's link.
        let link = path.split('/').nth(4).unwrap_or_default();
        let is_ours = state.key.open_token(link).is_some() || state.key.open_check(link).is_some();
        return Ok(is_ours.then(|| (digest(&[b"link", link.as_bytes()]), String::new())));
    };
    let account = match &who.credential {
        Some(Credential::Session(secret)) => state
            .store
            .session(&secret.digest())
            .await?
            .map(|session| session.account.id),
        Some(Credential::Token(secret)) => state
            .store
            .token(&secret.digest())
            .await?
            .map(|token| token.account.id),
        None => Some(String::new()),
    };
    let account = account.ok_or_else(Problem::no_login)?;
    let may: Vec<_> = Action::ALL
        .iter()
        .map(|action| who.principal.reach(*action))
        .collect();
    Ok(Some((
        digest(&[b"account", account.as_bytes()]),
        digest(&[format!("{may:?}").as_bytes()]),
    )))
}

/// A string of structured fields (RFC 8941), or the same without its quotes.
fn read_key(value: &HeaderValue) -> Result<Vec<u8>, Problem> {
    let text = value.to_str().unwrap_or_default().trim();
    let text = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    let fits = !text.is_empty()
        && text.len() <= KEY_CHARS_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    if fits {
        return Ok(text.as_bytes().to_vec());
    }
    let detail = format!("`idempotency-key`: 1 to {KEY_CHARS_MAX} visible ASCII characters, such as a UUID");
    Err(Problem::new(StatusCode::BAD_REQUEST, detail))
}

fn refusal(claimed: &Claimed) -> Problem {
    match claimed {
        Claimed::Another => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "this `idempotency-key` was for another request: take a new key for a new request",
        ),
        Claimed::Unanswered => Problem::new(
            StatusCode::CONFLICT,
            "this took effect already, and its answer is not there: read what it changed",
        ),
        Claimed::TooMany => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many keys within 24 hours: send no key, or wait",
        ),
        Claimed::Running | Claimed::Ours | Claimed::Answered(_) => Problem::new(
            StatusCode::CONFLICT,
            "this is being carried out: ask again in a moment",
        ),
    }
}

/// Parts with their lengths, so that no two lists have one digest.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or_default().to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
