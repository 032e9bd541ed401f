//! The audit log, newest first, for whoever may read it.

use axum::{
    Json,
    extract::{RawQuery, State as Shared},
    http::StatusCode,
};
use serde_json::{Value, json};

use super::{Api, incidents::serde_urlencoded, problem::Problem, who::Who};
use crate::{audit::Entry, store::AuditFilter};

/// Rows in one answer, unless asked otherwise, and at most.
const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 200;

/// `GET /api/v1/audit?subject=&action=&cursor=&limit=`: entries with their digests, and the head to hold the log to later.
pub(super) async fn list(
    Shared(api): Shared<Api>,
    _who: Who,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let (filter, limit) = read(query.as_deref().unwrap_or_default())
        .map_err(|detail| Problem::new(StatusCode::BAD_REQUEST, detail))?;
    let head = api.state.store.audit_head().await?;
    let entries = api.state.store.audit_page(&filter, limit + 1).await?;
    let (shown, more) = entries.split_at(entries.len().min(limit as usize));
    let next = shown.last().filter(|_| !more.is_empty());
    Ok(Json(json!({
        "entries": shown.iter().map(row).collect::<Vec<_>>(),
        "next_cursor": next.map(|last| last.seq.to_string()),
        "head": head.to_string(),
    })))
}

fn row(entry: &Entry) -> Value {
    let deed = &entry.deed;
    let value = |text: &Option<String>| {
        text.as_ref()
            .map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
    };
    json!({
        "seq": entry.seq,
        "at": deed.at.to_string(),
        "actor": deed.actor,
        "action": deed.action,
        "subject": deed.subject,
        "before": value(&deed.before),
        "after": value(&deed.after),
        "digest": entry.digest.to_string(),
    })
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
