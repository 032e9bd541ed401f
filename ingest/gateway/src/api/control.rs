//! What a sensor is to run, and how it says that it fares.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use ingest_event::Timestamp;
use ingest_trust::registry::{Entry, Status};
use ingest_trust::wire::{Reason, RefusedBundle, Report};

use super::{Gateway, Refusal, read_json, words};
use crate::door::Peer;

/// How often an unchanged status is written, so that it shows when a sensor was last heard.
const STATUS_INTERVAL: Duration = Duration::from_secs(300);

/// How often a status is written at most: the next report, half a minute later, says what changed meanwhile.
const STATUS_PAUSE: Duration = Duration::from_secs(10);

/// Characters of a version or digest in a status.
const NAME_MAX: usize = 128;

/// Characters of why a bundle was refused.
const DETAIL_MAX: usize = 512;

pub(super) async fn newest(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let answered = gateway.sensor(&peer).map(|subject| {
        let Some(offer) = gateway.bundles.newest(&subject) else {
            return StatusCode::NO_CONTENT.into_response();
        };
        let tag = format!("\"{}\"", offer.digest);
        let known = headers.get(header::IF_NONE_MATCH);
        if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
        }
        let kind = "application/json".to_owned();
        let heads = [(header::ETAG, tag), (header::CONTENT_TYPE, kind)];
        (heads, offer.envelope.clone()).into_response()
    });
    gateway.answer(answered)
}

pub(super) async fn part(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    Path(digest): Path<String>,
) -> Response {
    let answered = gateway.sensor(&peer).and_then(|subject| {
        let part = gateway.bundles.part(&subject, &digest);
        let part = part.ok_or_else(|| {
            Refusal::new(
                Reason::Forbidden,
                "no bundle for this sensor has such a part; ask what is newest",
            )
        })?;
        let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
        Ok((kind, part).into_response())
    });
    gateway.answer(answered)
}

pub(super) async fn status(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> Response {
    gateway.answer(take(&gateway, &peer, body).await)
}

async fn take(gateway: &Gateway, peer: &Peer, body: Body) -> Result<Response, Refusal> {
    let subject = gateway.sensor(peer)?;
    let report = bounded(read_json(body, Reason::Body).await?);
    let now = (gateway.clock)();
    let sensor = subject.sensor.as_str();
    let is_new = gateway
        .roster
        .ask(now, |registry| is_news(registry.status(sensor), &report, now))
        .ok_or_else(Refusal::away)?;
    if is_new {
        let entry = Entry::Status(Status {
            sensor: sensor.to_owned(),
            at: now.as_nanos(),
            report,
        });
        gateway
            .roster
            .note(&gateway.producer, entry)
            .await
            .map_err(|error| {
                tracing::warn!(%error, "a status can't be written");
                Refusal::away()
            })?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn is_news(before: Option<&Status>, report: &Report, now: Timestamp) -> bool {
    before.is_none_or(|before| {
        let at = Timestamp::from_nanos(before.at);
        if now < at {
            return true;
        }
        let age = now.since(at);
        STATUS_INTERVAL <= age || STATUS_PAUSE <= age && before.report != *report
    })
}

fn bounded(report: Report) -> Report {
    Report {
        program: words(&report.program, NAME_MAX),
        configuration: words(&report.configuration, NAME_MAX),
        bundle: report.bundle,
        wanted: report.wanted,
        wanted_program: report.wanted_program.map(|program| words(&program, NAME_MAX)),
        refused: report.refused.map(|refused| RefusedBundle {
            version: refused.version,
            detail: words(&refused.detail, DETAIL_MAX),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_when_it_says_something_new() {
        let at = |secs: i64| Timestamp::from_millis(secs * 1_000);
        let report = Report {
            bundle: 3,
            ..Report::default()
        };
        let before = Status {
            sensor: "s1".to_owned(),
            at: at(1_000).as_nanos(),
            report: report.clone(),
        };
        let changed = Report {
            bundle: 4,
            ..Report::default()
        };
        for (before, report, now, expected) in [
            (None, &report, 1_000, true),
            (Some(&before), &report, 1_030, false),
            (Some(&before), &changed, 1_030, true),
            (Some(&before), &changed, 1_010, true),
            (Some(&before), &changed, 1_009, false),
            (Some(&before), &report, 1_299, false),
            (Some(&before), &report, 1_300, true),
            (Some(&before), &report, 999, true),
        ] {
            assert_eq!(is_news(before, report, at(now)), expected, "{now}");
        }
    }

    #[test]
    fn what_a_sensor_says_of_itself_is_bounded_and_steers_no_terminal() {
        let long = format!("\u{1b}[31m{}", "x".repeat(2_000));
        let report = bounded(Report {
            program: long.clone(),
            configuration: long.clone(),
            wanted_program: Some(long.clone()),
            refused: Some(RefusedBundle {
                version: 1,
                detail: long,
            }),
            ..Report::default()
        });
        let text = serde_json::to_string(&report).expect("JSON");
        assert!(!text.contains("u001b"), "{text}");
        assert!(text.len() < 1_200, "{}", text.len());
    }
}
