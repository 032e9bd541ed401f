//! Refusals and failures as problem documents (RFC 9457).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::version;
use crate::{answer::AnswerError, registry::form::Flaw};

/// Why a request was not carried out, in words for whoever sent it.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    /// Fields and what to write in them instead.
    flaws: Vec<Flaw>,
}

/// Why a request was not carried out (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document {
    /// What kind of problem; `about:blank` where the status says it all.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status, in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// What is wrong, and what to do instead.
    detail: String,
    /// Fields that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<Flaw>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            flaws: vec![],
        }
    }

    /// With the fields that are wrong (422).
    pub(crate) fn flaws(flaws: Vec<Flaw>) -> Self {
        let detail = flaws
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ");
        Self {
            flaws,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
        }
    }

    /// What it says.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// For an incident that is not there, or not the asker's: the same words for both.
    pub(crate) fn no_incident() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no such incident")
    }
}

impl From<AnswerError> for Problem {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Stale => version::stale(),
            AnswerError::Store(error) => error.into(),
        }
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "answer a request from the store"
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the store is away; try again")
    }
}

/// The words of a framework's refusal are no longer than this.
const WORDS_BYTES_MAX: usize = 1_024;

/// A refusal of the framework's, which is plain text or nothing, as a problem document; every other answer as it is.
pub(super) async fn in_words(answer: Response) -> Response {
    let status = answer.status();
    let kind = answer.headers().get(header::CONTENT_TYPE);
    let is_plain = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !(status.is_client_error() || status.is_server_error()) || !is_plain {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let words = axum::body::to_bytes(body, WORDS_BYTES_MAX)
        .await
        .unwrap_or_default();
    let detail = match (status, str::from_utf8(&words).unwrap_or_default().trim()) {
        (StatusCode::REQUEST_TIMEOUT, _) => "it took too long; try again",
        (_, "") => "the request can't be read",
        (_, words) => words,
    };
    let (told, body) = Problem::new(status, detail).into_response().into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(told.headers);
    Response::from_parts(parts, body)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Document {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("error"),
            status: self.status.as_u16(),
            detail: self.detail,
            errors: self.flaws,
        };
        let mut answer = (self.status, Json(body)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        answer
    }
}
