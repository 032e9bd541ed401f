//! The audit log, newest first, for whoever may read it.

use axum::{
    Json,
    extract::{RawQuery, State as Shared},
    http::StatusCode,
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Api, incidents::serde_urlencoded, openapi::codes, problem::Problem, who::Who};
use crate::{audit::Entry, store::AuditFilter};

/// Rows in one answer, unless asked otherwise, and at most.
const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 200;

/// A part of the audit log.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditPage {
    /// The newest first.
    entries: Vec<AuditEntry>,
    /// Where the log goes on; null at its beginning.
    #[schema(value_type = Option<codes::Cursor>)]
    next_cursor: Option<String>,
    /// The log's head, to hold it to later: its length and its last digest.
    head: String,
}

/// Something that somebody did.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditEntry {
    /// Its number, without gaps.
    seq: u64,
    #[schema(value_type = codes::Time)]
    at: String,
    /// Who.
    actor: String,
    /// The id of their account: two may be called the same. Null for who has none, and in entries from before it was kept.
    account: Option<String>,
    /// What was done, as `registry.put`.
    action: String,
    /// To what, as `incident/…`.
    subject: String,
    /// How it was.
    before: Option<Value>,
    /// How it is.
    after: Option<Value>,
    /// Covers this entry and the digest of the one before.
    #[schema(value_type = codes::Digest)]
    digest: String,
}

/// Reads the audit log.
#[utoipa::path(get, path = "/api/v1/audit",
    params(
        ("subject" = Option<String>, Query, description = "only what was done to this"),
        ("action" = Option<String>, Query, description = "only this"),
        ("cursor" = Option<codes::Cursor>, Query, description = "where to go on"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "entries in the answer; 50 unless said otherwise"),
    ),
    responses((status = 200, body = AuditPage)))]
pub(super) async fn list(
    Shared(api): Shared<Api>,
    _who: Who,
    RawQuery(query): RawQuery,
) -> Result<Json<AuditPage>, Problem> {
    let (filter, limit) = read(query.as_deref().unwrap_or_default())
        .map_err(|detail| Problem::new(StatusCode::BAD_REQUEST, detail))?;
    let head = api.state.store.audit_head().await?;
    let entries = api.state.store.audit_page(&filter, limit + 1).await?;
    let (shown, more) = entries.split_at(entries.len().min(limit as usize));
    let next = shown.last().filter(|_| !more.is_empty());
    Ok(Json(AuditPage {
        entries: shown.iter().map(row).collect(),
        next_cursor: next.map(|last| last.seq.to_string()),
        head: head.to_string(),
    }))
}

fn row(entry: &Entry) -> AuditEntry {
    let deed = &entry.deed;
    let value = |text: &Option<String>| {
        text.as_ref()
            .map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
    };
    AuditEntry {
        seq: entry.seq,
        at: deed.at.to_string(),
        actor: deed.actor.clone(),
        account: deed.account.clone(),
        action: deed.action.clone(),
        subject: deed.subject.clone(),
        before: value(&deed.before),
        after: value(&deed.after),
        digest: entry.digest.to_string(),
    }
}

/// Reads a query; the error names the parameter and what it may be.
fn read(query: &str) -> Result<(AuditFilter, u32), String> {
    let (mut filter, mut limit) = (AuditFilter::default(), LIMIT);
    let pairs = serde_urlencoded(query).map_err(|()| "the query can't be read".to_owned())?;
    for (name, value) in pairs {
        let refuse = |mend: String| format!("`{name}`: {mend}");
        match name.as_str() {
            "subject" => filter.subject = Some(value),
            "action" => filter.action = Some(value),
            "cursor" => {
                let before = value.parse().ok().filter(|seq: &u64| i64::try_from(*seq).is_ok());
                filter.before =
                    Some(before.ok_or_else(|| refuse("pass on `next_cursor` as it was".to_owned()))?);
            }
            "limit" => {
                let given = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                limit = given.ok_or_else(|| refuse(format!("a number from 1 to {LIMIT_MAX}")))?;
            }
            _ => {
                return Err(refuse(
                    "unknown; known are subject, action, cursor, limit".to_owned(),
                ));
            }
        }
    }
    Ok((filter, limit))
}
