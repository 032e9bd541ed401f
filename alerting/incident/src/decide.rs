//! Which notifications a change asks for, and what happens if nobody answers them.

use detect_alert::Severity;

use crate::{
    Change, ChangeKind, Escalation, Incident, Ladder, Moment, Notification, NotificationId, NotifyReason,
    Responder, Route, Rung,
};

/// What is decided: the change with what happens if nobody answers, and the notifications that are due.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The change, to be stored.
    pub change: Change,
    /// One for each channel of each responder who is told now.
    pub notifications: Vec<Notification>,
}

/// Decides on a change, of which `route` names who accepts it.
///
/// More of the same is silent: one incident, one notification. At first only contacts of the lowest turn are told; the
/// others follow when nobody answers ([`crate::escalate`]). A responder is told again only when the incident became graver; one whose
/// minimum was not reached before hears of it then as new. What a silence covers, or another incident explains, is told to nobody. A call for help goes
/// to the CERT's own contact, whatever is silent.
#[must_use]
pub fn decide(mut change: Change, route: &Route, ladder: &Ladder, moment: Moment) -> Decision {
    let first = first_rung(route, ladder);
    let incident = &change.incident;
    let (severity, before) = (incident.severity(), incident.escalation);
    let within = ladder.within(severity);
    let mut notifications = Vec::new();
    match change.kind {
        ChangeKind::HelpNeeded => {
            let occasion = incident.version.to_string();
            let told = addressed(
                incident,
                &ladder.duty,
                NotifyReason::HelpNeeded,
                &occasion,
                moment,
            );
            notifications.extend(told);
            let within = within.or_else(|| ladder.longest());
            change.incident.escalation = Some(Escalation::waiting(Rung::Duty, moment, within));
            change.incident.inhibited_by = None;
        }
        _ if incident.silence.is_some() || incident.inhibited_by.is_some() => {}
        ChangeKind::Opened | ChangeKind::Relapsed | ChangeKind::Woken => {
            let (reason, occasion) = match change.kind {
                ChangeKind::Relapsed => (NotifyReason::Relapsed, severity.to_string()),
                // Who was told before a silence is told again after it.
                ChangeKind::Woken => (NotifyReason::Opened, format!("woken {}", incident.version)),
                _ => (NotifyReason::Opened, severity.to_string()),
            };
            for responder in up_to(route, first) {
                notifications.extend(addressed(incident, responder, reason, &occasion, moment));
            }
            if !notifications.is_empty() && !incident.is_answered() {
                change.incident.escalation = Some(Escalation::waiting(first, moment, within));
            }
        }
        ChangeKind::Raised { from } => {
            // Parts leave it, and it becomes as grave again: that is another time.
            let occasion = format!("{severity} in version {}", incident.version);
            let reached = before.map_or(first, |before| before.rung.max(first));
            for responder in up_to(route, reached).chain(of_the_cert(ladder, reached, route)) {
                // Of what is only informational nobody was told but who asked for it.
                let is_of_cert = responder.id == ladder.duty.id;
                let was_told =
                    responder.minimum_severity <= from && !(is_of_cert && from == Severity::Informational);
                let reason = if was_told {
                    NotifyReason::Raised
                } else {
                    NotifyReason::Opened
                };
                notifications.extend(addressed(incident, responder, reason, &occasion, moment));
            }
            if !notifications.is_empty() {
                let anew = Escalation::waiting(reached, moment, within.filter(|_| !incident.is_answered()));
                change.incident.escalation = Some(match before {
                    Some(before) => Escalation {
                        due: before.due.into_iter().chain(anew.due).min(),
                        reminders: before.reminders,
                        ..anew
                    },
                    None => anew,
                });
            }
        }
        // Who took it is told ([`crate::tell_of_growth`]).
        ChangeKind::Added | ChangeKind::Grown { .. } | ChangeKind::Progressed => {}
    }
    Decision {
        change,
        notifications,
    }
}

/// Who is told at first.
pub(crate) fn first_rung(route: &Route, ladder: &Ladder) -> Rung {
    let theirs = route
        .responders
        .iter()
        .filter(|responder| responder.id != ladder.duty.id);
    let lowest = theirs.map(|responder| responder.turn).min();
    lowest.map_or(Rung::Duty, Rung::Turn)
}

/// Those whom the route names up to a rung.
fn up_to(route: &Route, rung: Rung) -> impl Iterator<Item = &Responder> {
    let has_turn = move |responder: &&Responder| Rung::Turn(responder.turn) <= rung;
    route.responders.iter().filter(has_turn)
}

/// Those of the CERT up to a rung, but for whom the route names anyway.
fn of_the_cert<'l>(ladder: &'l Ladder, rung: Rung, route: &'l Route) -> impl Iterator<Item = &'l Responder> {
    let duty = (Rung::Duty <= rung).then_some(&ladder.duty);
    let beyond = ladder
        .beyond
        .iter()
        .zip(0..)
        .filter(move |(_, place)| Rung::Beyond(*place) <= rung);
    let all = duty.into_iter().chain(beyond.map(|(responder, _)| responder));
    all.filter(|one| route.responders.iter().all(|named| named.id != one.id))
}

/// One for each channel of a responder.
pub(crate) fn addressed(
    incident: &Incident,
    responder: &Responder,
    reason: NotifyReason,
    occasion: &str,
    moment: Moment,
) -> impl Iterator<Item = Notification> {
    responder.channels.iter().map(move |channel| Notification {
        id: NotificationId::derive(&incident.id, &responder.id, channel, reason, occasion),
        incident: incident.id.clone(),
        responder: responder.id.clone(),
        responder_name: responder.name.clone(),
        channel: channel.clone(),
        language: responder.language,
        reason,
        created_at: moment.now,
        is_sealed: responder.keys.is_any(),
    })
}
