//! Versions of what is shown (RFC 9110, sections 8.8 and 13): `ETag`, `If-None-Match` and `If-Match`.

use axum::{
    Json,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::problem::Problem;

/// Characters of the digest in a tag: two representations of one version of one thing do not meet in it.
const DIGEST_CHARS: usize = 24;

/// An answer with its tag: the version of the thing, which each change counts up, and a digest of how it is shown, since delivery of
/// notices and other people's roles show it otherwise without changing it.
pub(super) fn tagged<T: Serialize>(version: u64, shown: &T) -> Response {
    let text = serde_json::to_vec(shown).unwrap_or_default();
    let digest = hex::encode(Sha256::digest(&text));
    let tag = format!("\"{version}-{}\"", digest.get(..DIGEST_CHARS).unwrap_or_default());
    ([(header::ETAG, tag)], Json(shown)).into_response()
}

/// The version that `If-Match` says was read; `None` for a change whatever there is.
///
/// # Errors
/// 412 for what is no tag of ours: nothing has it.
pub(super) fn expected(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let tag = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let version = tag
        .and_then(|tag| tag.split_once('-'))
        .and_then(|(version, _)| version.parse().ok());
    version.map(Some).ok_or_else(stale)
}

/// Somebody else was faster.
pub(super) fn stale() -> Problem {
    let detail = "it was changed meanwhile: read it again, and look whether the change is still meant";
    Problem::new(StatusCode::PRECONDITION_FAILED, detail)
}

/// Answers a `GET` of what the asker has already with 304.
pub(super) async fn not_modified(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let known = request
        .headers()
        .get(header::IF_NONE_MATCH)
        .filter(|_| reads)
        .cloned();
    let answer = next.run(request).await;
    let tag = answer.headers().get(header::ETAG);
    let (Some(known), Some(tag), StatusCode::OK) = (known, tag, answer.status()) else {
        return answer;
    };
    if !holds(&known, tag) {
        return answer;
    }
    (StatusCode::NOT_MODIFIED, [(header::ETAG, tag.clone())]).into_response()
}

/// Whether a list of tags has this one.
fn holds(known: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(known), Ok(tag)) = (known.to_str(), tag.to_str()) else {
        return false;
    };
    known.trim() == "*"
        || known
            .split(',')
            .any(|one| one.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_that_is_shown_otherwise_has_another_tag() {
        let tag = |version, shown: &str| tagged(version, &shown).headers().get(header::ETAG).cloned();
        assert!(tag(1, "a").is_some());
        assert_eq!(tag(1, "a"), tag(1, "a"));
        assert_ne!(tag(1, "a"), tag(1, "b"));
        assert_ne!(tag(1, "a"), tag(2, "a"));
    }
}
