//! Which notifications a change asks for.

use ingest_event::Timestamp;

use crate::{Change, ChangeKind, Notification, NotificationId, NotifyReason, Responder, Route};

/// The notifications that are due after a change, one for each channel of each responder that `route` names.
///
/// More of the same is silent: one incident, one notification. A responder is told again only when the incident
/// became graver; one whose minimum was not reached before hears of it then as new. A call for help goes to `duty`,
/// the CERT's own contact.
#[must_use]
pub fn decide(change: &Change, route: &Route, duty: &Responder, now: Timestamp) -> Vec<Notification> {
    let severity = change.incident.severity();
    let to_each = |reason_for: &dyn Fn(&Responder) -> NotifyReason| {
        route
            .responders
            .iter()
            .flat_map(|responder| addressed(change, responder, reason_for(responder), severity.as_str(), now))
            .collect()
    };
    match change.kind {
        ChangeKind::Opened => to_each(&|_| NotifyReason::Opened),
        ChangeKind::Relapsed => to_each(&|_| NotifyReason::Relapsed),
        ChangeKind::Raised { from } => to_each(&|responder| {
            if responder.minimum_severity <= from {
                NotifyReason::Raised
            } else {
                NotifyReason::Opened
            }
        }),
        ChangeKind::HelpNeeded => {
            let occasion = change.incident.version.to_string();
            addressed(change, duty, NotifyReason::HelpNeeded, &occasion, now)
        }
        ChangeKind::Added | ChangeKind::Progressed => vec![],
    }
}

fn addressed(
    change: &Change,
    responder: &Responder,
    reason: NotifyReason,
    occasion: &str,
    now: Timestamp,
) -> Vec<Notification> {
    let incident = &change.incident.id;
    let each = responder.channels.iter().map(|channel| Notification {
        id: NotificationId::derive(incident, &responder.id, channel, reason, occasion),
        incident: incident.clone(),
        responder: responder.id.clone(),
        responder_name: responder.name.clone(),
        channel: channel.clone(),
        language: responder.language,
        reason,
        created_at: now,
    });
    each.collect()
}
