//! Incidents as the API shows them. What a responder sees is [`explained`]: nothing about how others were told.

use alerting_incident::{
    Rung, Verdict,
    access::{Action, may},
};
use detect_alert::{Alert, Texts, Window};
use ingest_event::Timestamp;
use serde_json::json;

use super::{
    arrange::undoable,
    shapes::{
        Climbing, CountedWindow, Entity, Event, Evidence, Explained, Incident, IncidentDetail, Member,
        Notified, OrganizationName, Source, Worded,
    },
    who::Who,
};
use crate::{
    state::State,
    store::{Stored, StoredNotification},
};

/// Things of an incident about many that are shown: those with the most alerts.
const MEMBERS_SHOWN: u32 = 200;
/// Lines of a timeline that are shown: the newest.
const TIMELINE_MAX: u32 = 500;

/// A row of the list.
pub(crate) fn row(state: &State, stored: &Stored) -> Incident {
    let (incident, alert) = (&stored.incident, &stored.incident.lead);
    let producer = &alert.producer;
    Incident {
        id: incident.id.to_string(),
        title: producer.name.clone(),
        summary: in_all_languages(&producer.summary, &producer.name),
        severity: alert.severity.as_str(),
        state: incident.state.as_str(),
        verdict: incident.verdict.map(Verdict::as_str),
        priority: incident.priority.as_str(),
        organization: OrganizationName {
            number: stored.owner.to_string(),
            name: state.organization_name(stored.owner),
        },
        entity: Entity {
            field: alert.entity.field.clone(),
            value: alert.entity.value.clone(),
        },
        source: Source {
            kind: producer.kind.as_str(),
            id: producer.id.0.clone(),
            name: producer.name.clone(),
            version: producer.version.clone(),
            author: producer.authors.clone(),
        },
        count: incident.count,
        first_seen: incident.first_seen.to_string(),
        last_seen: incident.last_seen.to_string(),
        tlp: alert.tlp.as_str(),
        pap: alert.pap.as_str(),
        exercise: alert.exercise,
        opened_at: incident.opened_at.to_string(),
        updated_at: incident.updated_at.to_string(),
        version: incident.version,
        merged_into: incident.merged_into.as_ref().map(ToString::to_string),
    }
}

/// What a responder may see: the incident, why it fired, and, if it is about many things, which.
pub(crate) async fn explained(state: &State, stored: &Stored) -> sqlx::Result<Explained> {
    let mut view = why(state, stored);
    view.remarks = state.store.shared_remarks(stored, TIMELINE_MAX).await?;
    if stored.incident.is_crowd() {
        let (members, total) = state.store.members(stored, MEMBERS_SHOWN).await?;
        let shown = members.into_iter().map(|member| Member {
            value: member.value,
            count: member.count,
            first_seen: member.first_seen.to_string(),
            last_seen: member.last_seen.to_string(),
        });
        view.members = Some(shown.collect());
        view.members_total = Some(total);
    }
    Ok(view)
}

fn why(state: &State, stored: &Stored) -> Explained {
    let alert = &stored.incident.lead;
    let producer = &alert.producer;
    Explained {
        incident: row(state, stored),
        first_step: in_all_languages(&producer.first_step, ""),
        confidence: alert.confidence.as_str(),
        description: producer.description.clone(),
        references: producer.references.clone(),
        tags: producer.tags.clone(),
        false_positives: producer.false_positives.clone(),
        evidence: evidence(alert),
        events: events(alert),
        window: alert.window.as_ref().map(window),
        remarks: vec![],
        members: None,
        members_total: None,
    }
}

/// Everything that `who` may see of it: how it was routed, who was told and what was remarked is the CERT's.
pub(crate) async fn detail(state: &State, who: &Who, stored: &Stored) -> sqlx::Result<IncidentDetail> {
    let explained = explained(state, stored).await?;
    // What came before may have been another's.
    let before = match &stored.incident.relapse_of {
        Some(id) => state.store.incident(&who.sees(), id).await?,
        None => None,
    };
    let mut view = IncidentDetail {
        explained,
        route: json!([]),
        notifications: vec![],
        timeline: vec![],
        escalation: None,
        silence: None,
        assignee: None,
        parts: vec![],
        undo: None,
        inhibited_by: None,
        relapse_of: before.map(|before| before.incident.id.to_string()),
    };
    if may(&who.principal, Action::ReadInternals, Some(stored.owner)) {
        let notifications = state.store.notifications_of(stored).await?;
        view.route = stored.route.clone();
        view.notifications = notifications.iter().map(notification).collect();
        view.timeline = state.store.timeline(stored, TIMELINE_MAX).await?;
        view.escalation = escalation(state, stored);
        view.assignee = stored.incident.assignee.as_ref().map(|one| one.name.clone());
        view.parts = state.store.part_ids(stored).await?;
        view.undo = undoable(state, who, stored).await?;
        view.silence = stored.incident.silence.as_ref().map(|id| id.as_str().to_owned());
        view.inhibited_by = stored.incident.inhibited_by.as_ref().map(ToString::to_string);
    }
    Ok(view)
}

/// How far up it was told, and when the next are told, by the clock that people read: to the second, since the two clocks are not read
/// at the same nanosecond, and what did not change must not look so.
fn escalation(state: &State, stored: &Stored) -> Option<Climbing> {
    let escalation = stored.incident.escalation?;
    let moment = state.moment();
    let next = escalation.due.map(|due| {
        let next = moment.now.saturating_add(due.since(moment.steady));
        let second = 1_000_000_000;
        let rounded = next.as_nanos().saturating_add(second / 2).div_euclid(second) * second;
        Timestamp::from_nanos(rounded).to_string()
    });
    let told = match escalation.rung {
        Rung::Turn(_) => "turn",
        Rung::Duty => "duty",
        Rung::Beyond(_) => "beyond",
    };
    Some(Climbing {
        told_up_to: told,
        next_at: next,
        reminders: escalation.reminders,
    })
}

fn notification(sent: &StoredNotification) -> Notified {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    Notified {
        id: sent.id.as_str().to_owned(),
        responder: sent.responder_name.clone(),
        channel: sent.channel.kind(),
        address_masked: sent.channel.masked(),
        reason: sent.reason.as_str(),
        state: sent.state.clone(),
        created_at: sent.created_at.to_string(),
        sent_at: time(sent.sent_at),
        error: sent.error.clone(),
        attempts: sent.attempts,
        seen_at: time(sent.seen_at),
        acknowledged_at: time(sent.acknowledged_at),
        verdict: sent.verdict.map(Verdict::as_str),
    }
}

fn evidence(alert: &Alert) -> Vec<Evidence> {
    let each = alert.evidence.iter().map(|one| Evidence {
        event_id: one.event.to_string(),
        field: one.field.clone(),
        value: one.value.clone(),
        matched: one.matched.clone(),
    });
    each.collect()
}

fn events(alert: &Alert) -> Vec<Event> {
    let each = alert.events.iter().map(|event| Event {
        id: event.id.to_string(),
        timestamp: event.timestamp.to_string(),
        fields: json!(event.fields),
    });
    each.collect()
}

fn window(window: &Window) -> CountedWindow {
    // The condition is text (`>= 10`); the console shows its number.
    let digits: String = window.threshold.chars().filter(char::is_ascii_digit).collect();
    CountedWindow {
        start: window.start.to_string(),
        end: window.end.to_string(),
        count: window.count,
        threshold: digits.parse().ok(),
        condition: window.threshold.clone(),
        group_by: window.group_by.iter().map(|(field, _)| field.clone()).collect(),
    }
}

/// The same sentence in each language; where one is missing, Bokmål's, then English's, then `instead`.
fn in_all_languages(texts: &Texts, instead: &str) -> Worded {
    let text = |code: &str| {
        [code, "nb", "en"]
            .into_iter()
            .find_map(|code| texts.get(code))
            .map_or(instead, String::as_str)
            .to_owned()
    };
    Worded {
        nb: text("nb"),
        nn: text("nn"),
        en: text("en"),
    }
}
