//! Refusals and failures as problem documents (RFC 9457).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::registry::form::Flaw;

/// Why a request was not carried out, in words for whoever sent it.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    /// Fields and what to write in them instead.
    flaws: Vec<Flaw>,
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

    /// For an incident that is not there, or not the asker's: the same words for both.
    pub(crate) fn no_incident() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no such incident")
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

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("error");
        let mut body = json!({
            "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail,
        });
        if !self.flaws.is_empty()
            && let Some(members) = body.as_object_mut()
        {
            members.insert("errors".to_owned(), json!(self.flaws));
        }
        let mut answer = (self.status, Json(body)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        answer
    }
}
