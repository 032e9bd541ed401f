//! Incidents as the API shows them. What a responder sees is [`explained`]: nothing about how others were told.

use alerting_incident::{
    Rung, Verdict,
    access::{Action, may},
};
use detect_alert::{Alert, Texts, Window};
use serde_json::{Map, Value, json};

use super::who::Who;
use crate::{
    state::State,
    store::{Stored, StoredNotification},
};

/// Things of an incident about many that are shown: those with the most alerts.
const MEMBERS_SHOWN: u32 = 200;
/// Lines of a timeline that are shown: the newest.
const TIMELINE_MAX: u32 = 500;

/// A row of the list.
pub(crate) fn row(state: &State, stored: &Stored) -> Map<String, Value> {
    let (incident, alert) = (&stored.incident, &stored.incident.lead);
    let producer = &alert.producer;
    let value = json!({
        "id": incident.id.as_str(),
        "title": producer.name,
        "summary": in_all_languages(&producer.summary, &producer.name),
        "severity": alert.severity.as_str(),
        "state": incident.state.as_str(),
        "verdict": incident.verdict.map(Verdict::as_str),
        "priority": incident.priority.as_str(),
        "organization": { "number": stored.owner, "name": state.organization_name(stored.owner) },
        "entity": { "field": alert.entity.field, "value": alert.entity.value },
        "source": { "kind": producer.kind.as_str(), "id": producer.id.0, "name": producer.name,
            "version": producer.version, "author": producer.authors },
        "count": incident.count,
        "first_seen": incident.first_seen.to_string(),
        "last_seen": incident.last_seen.to_string(),
        "tlp": alert.tlp.as_str(), "pap": alert.pap.as_str(),
        "exercise": alert.exercise,
        "opened_at": incident.opened_at.to_string(),
        "updated_at": incident.updated_at.to_string(),
        "version": incident.version,
    });
    object(value)
}

/// What a responder may see: the incident, why it fired, and, if it is about many things, which.
pub(crate) async fn explained(state: &State, stored: &Stored) -> sqlx::Result<Map<String, Value>> {
    let mut view = why(state, stored);
    if stored.incident.is_crowd() {
        let (members, total) = state.store.members(stored, MEMBERS_SHOWN).await?;
        let shown = members.iter().map(|member| {
            json!({ "value": member.value, "count": member.count, "first_seen": member.first_seen.to_string(),
                "last_seen": member.last_seen.to_string() })
        });
        view.extend(object(
            json!({ "members": shown.collect::<Value>(), "members_total": total }),
        ));
    }
    Ok(view)
}

fn why(state: &State, stored: &Stored) -> Map<String, Value> {
    let alert = &stored.incident.lead;
    let producer = &alert.producer;
    let mut view = row(state, stored);
    view.extend(object(json!({
        "first_step": in_all_languages(&producer.first_step, ""),
        "confidence": alert.confidence.as_str(),
        "description": producer.description,
        "references": producer.references,
        "tags": producer.tags,
        "false_positives": producer.false_positives,
        "evidence": evidence(alert),
        "events": alert.events.iter().map(|event| json!({
            "id": event.id, "timestamp": event.timestamp.to_string(), "fields": event.fields,
        })).collect::<Value>(),
        "window": alert.window.as_ref().map(window),
    })));
    view
}

/// Everything that `who` may see of it: how it was routed, who was told and what was remarked is the CERT's.
pub(crate) async fn detail(state: &State, who: &Who, stored: &Stored) -> sqlx::Result<Map<String, Value>> {
    let mut view = explained(state, stored).await?;
    // What came before may have been another's.
    let before = match &stored.incident.relapse_of {
        Some(id) => state.store.incident(&who.sees(), id).await?,
        None => None,
    };
    let before = before.map(|before| before.incident.id.to_string());
    if !may(&who.principal, Action::ReadInternals, Some(stored.owner)) {
        view.extend(object(
            json!({ "route": [], "notifications": [], "timeline": [], "escalation": null,
                "silence": null, "inhibited_by": null, "relapse_of": before }),
        ));
        return Ok(view);
    }
    let notifications = state.store.notifications_of(stored).await?;
    let timeline = state.store.timeline(stored, TIMELINE_MAX).await?;
    view.extend(object(json!({
        "route": stored.route,
        "notifications": notifications.iter().map(notification).collect::<Value>(),
        "timeline": timeline,
        "escalation": escalation(state, stored),
        "silence": stored.incident.silence.as_ref().map(alerting_incident::SilenceId::as_str),
        "inhibited_by": stored.incident.inhibited_by.as_ref().map(alerting_incident::IncidentId::as_str),
        "relapse_of": before,
    })));
    Ok(view)
}

/// How far up it was told, and when the next are told, by the clock that people read.
fn escalation(state: &State, stored: &Stored) -> Value {
    let Some(escalation) = stored.incident.escalation else {
        return Value::Null;
    };
    let moment = state.moment();
    let next = escalation
        .due
        .map(|due| moment.now.saturating_add(due.since(moment.steady)).to_string());
    let told = match escalation.rung {
        Rung::Turn(_) => "turn",
        Rung::Duty => "duty",
        Rung::Beyond(_) => "beyond",
    };
    json!({ "told_up_to": told, "next_at": next, "reminders": escalation.reminders })
}

fn notification(sent: &StoredNotification) -> Value {
    let time = |time: Option<ingest_event::Timestamp>| time.map(|time| time.to_string());
    json!({
        "id": sent.id.as_str(), "responder": sent.responder_name, "channel": sent.channel.kind(),
        "address_masked": sent.channel.masked(), "reason": sent.reason.as_str(), "state": sent.state,
        "created_at": sent.created_at.to_string(), "sent_at": time(sent.sent_at), "error": sent.error,
        "attempts": sent.attempts, "seen_at": time(sent.seen_at), "acknowledged_at": time(sent.acknowledged_at),
        "verdict": sent.verdict.map(Verdict::as_str),
    })
}

fn evidence(alert: &Alert) -> Value {
    let each = alert.evidence.iter().map(|one| {
        json!({ "event_id": one.event, "field": one.field, "value": one.value, "matched": one.matched })
    });
    each.collect()
}

fn window(window: &Window) -> Value {
    // The condition is text (`>= 10`); the console shows its number.
    let digits: String = window.threshold.chars().filter(char::is_ascii_digit).collect();
    json!({
        "start": window.start.to_string(), "end": window.end.to_string(), "count": window.count,
        "threshold": digits.parse::<u64>().ok(), "condition": window.threshold,
        "group_by": window.group_by.iter().map(|(field, _)| field).collect::<Vec<_>>(),
    })
}

/// The same sentence in each language; where one is missing, Bokmål's, then English's, then `instead`.
fn in_all_languages(texts: &Texts, instead: &str) -> Value {
    let text = |code: &str| {
        [code, "nb", "en"]
            .into_iter()
            .find_map(|code| texts.get(code))
            .map_or(instead, String::as_str)
    };
    json!({ "nb": text("nb"), "nn": text("nn"), "en": texts.get("en").map_or_else(|| text("en"), String::as_str) })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
