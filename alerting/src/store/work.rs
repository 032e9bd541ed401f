//! What an incident's column `work` holds: the assignee's name, what the incident is without its parts, and from what it grows.

use alerting_incident::{Assignee, Incident, Part};
use ingest_event::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::{DbRow, sql::storable};

/// As it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Work {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    assignee_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own: Option<Own>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grows_from: Option<u64>,
}

/// A [`Part`]; its alert in its wire format, times in nanoseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct Own {
    lead: String,
    count: u64,
    first_seen: i64,
    last_seen: i64,
}

/// The column's text; `None` where there is nothing to say.
pub(super) fn written(incident: &Incident) -> Option<String> {
    let own = incident.own.as_ref().map(|own| Own {
        lead: String::from_utf8_lossy(&detect_alert::encode(&own.lead)).into_owned(),
        count: own.count,
        first_seen: own.first_seen.as_nanos(),
        last_seen: own.last_seen.as_nanos(),
    });
    let assignee_name = incident.assignee.as_ref().map(|one| storable(&one.name));
    let grows_from = incident.grows_from;
    if own.is_none() && assignee_name.is_none() && grows_from.is_none() {
        return None;
    }
    let work = Work {
        assignee_name,
        own,
        grows_from,
    };
    serde_json::to_string(&work).ok()
}

/// Who works on it.
pub(super) fn assignee(row: &DbRow) -> sqlx::Result<Option<Assignee>> {
    let Some(account) = row.try_get::<Option<String>, _>("assignee")? else {
        return Ok(None);
    };
    let name = read(row)?.and_then(|work| work.assignee_name);
    Ok(Some(Assignee {
        name: name.unwrap_or_default(),
        account,
    }))
}

/// What it is without its parts.
pub(super) fn own(row: &DbRow) -> sqlx::Result<Option<Box<Part>>> {
    let Some(own) = read(row)?.and_then(|work| work.own) else {
        return Ok(None);
    };
    let lead = detect_alert::decode(own.lead.as_bytes()).map_err(unreadable)?;
    Ok(Some(Box::new(Part {
        lead,
        count: own.count,
        first_seen: Timestamp::from_nanos(own.first_seen),
        last_seen: Timestamp::from_nanos(own.last_seen),
    })))
}

/// How many alerts it had when somebody took it.
pub(super) fn grows_from(row: &DbRow) -> sqlx::Result<Option<u64>> {
    Ok(read(row)?.and_then(|work| work.grows_from))
}

fn read(row: &DbRow) -> sqlx::Result<Option<Work>> {
    let text = row.try_get::<Option<&str>, _>("work")?;
    text.map(|text| serde_json::from_str(text).map_err(unreadable))
        .transpose()
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: "work".to_owned(),
        source: Box::new(error),
    }
}
