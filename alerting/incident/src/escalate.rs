//! Nobody answered in time: the next are told.

use crate::{
    Actor, Change, ChangeKind, Decision, Escalation, Incident, Ladder, Moment, NotifyReason, Priority,
    REMINDERS_MAX, Responder, Route, Rung, Silence, TimelineEntry, TimelineKind,
    decide::{addressed, first_rung},
};

/// Goes one rung up if it is time: contacts of the next turn, the CERT's duty contact, those beyond; the last of them is reminded.
/// However late it is, one rung at a time, and the next has its whole time to answer. `None` if it is not time.
///
/// `has_moved` says that the incident is another's now than when it was told: then that one's contacts are told from the first on.
/// `silence` is the one that covers all of the incident; it ends the climb, and the next alert that it does not cover begins anew.
#[must_use]
pub fn escalate(
    incident: &Incident,
    route: &Route,
    ladder: &Ladder,
    silence: Option<&Silence>,
    has_moved: bool,
    moment: Moment,
) -> Option<Decision> {
    let is_due = |standing: &Escalation| standing.due.is_some_and(|due| due <= moment.steady);
    let standing = incident.escalation.filter(is_due)?;
    let mut next = incident.changed(moment.now);
    next.rest();
    // A call for help is heard through any silence.
    if let Some(silence) = silence
        && incident.priority == Priority::Normal
    {
        next.silence = Some(silence.id.clone());
        let entry = entry(moment, TimelineKind::Silenced, silence.reason.clone());
        return Some(decided(next, entry, Vec::new()));
    }
    let within = ladder.within(incident.severity()).or_else(|| ladder.longest());
    let next_rung = if has_moved {
        Some(first_rung(route, ladder))
    } else {
        above(standing.rung, route, ladder)
    };
    let step = match next_rung {
        Some(rung) => Escalation::waiting(rung, moment, within),
        None => Escalation {
            reminders: standing.reminders + 1,
            ..Escalation::waiting(standing.rung, moment, Some(ladder.remind_after))
        },
    };
    if REMINDERS_MAX < step.reminders {
        return Some(decided(
            next,
            entry(moment, TimelineKind::Escalated, String::new()),
            Vec::new(),
        ));
    }
    let told = on(step.rung, route, ladder);
    // The version tells the climbs of one incident apart: it is the same however often the step is tried.
    let occasion = format!("version {}", next.version);
    let notifications = told
        .iter()
        .flat_map(|responder| addressed(&next, responder, NotifyReason::Escalated, &occasion, moment))
        .collect();
    next.escalation = Some(step);
    let names: Vec<&str> = told.iter().map(|responder| responder.name.as_str()).collect();
    let entry = entry(moment, TimelineKind::Escalated, names.join(", "));
    Some(decided(next, entry, notifications))
}

/// None of those who were told last could be reached: it is time now. `None` if nothing climbs.
#[must_use]
pub fn unreached(incident: &Incident, moment: Moment) -> Option<Change> {
    let is_early = |standing: &Escalation| standing.due.is_some_and(|due| moment.steady < due);
    let standing = incident.escalation.filter(is_early)?;
    let mut next = incident.changed(moment.now);
    next.escalation = Some(Escalation {
        due: Some(moment.steady),
        ..standing
    });
    Some(Change {
        incident: next,
        kind: ChangeKind::Progressed,
        timeline: vec![],
    })
}

/// The next rung on which somebody stands who was not told yet.
fn above(rung: Rung, route: &Route, ladder: &Ladder) -> Option<Rung> {
    let named = route
        .responders
        .iter()
        .filter(|responder| responder.id != ladder.duty.id);
    let turns = named.map(|responder| Rung::Turn(responder.turn));
    let beyond = ladder
        .beyond
        .iter()
        .zip(0..)
        .map(|(_, place)| Rung::Beyond(place));
    let all = turns.chain([Rung::Duty]).chain(beyond);
    all.filter(|other| rung < *other).min()
}

/// Who stands on a rung.
fn on<'l>(rung: Rung, route: &'l Route, ladder: &'l Ladder) -> Vec<&'l Responder> {
    let at = |responder: &&Responder| Rung::Turn(responder.turn) == rung && responder.id != ladder.duty.id;
    let theirs = route.responders.iter().filter(at);
    theirs.chain(ladder.of_the_cert(rung)).collect()
}

fn entry(moment: Moment, kind: TimelineKind, text: String) -> TimelineEntry {
    TimelineEntry {
        at: moment.now,
        kind,
        actor: Actor::Varde,
        text,
    }
}

fn decided(incident: Incident, entry: TimelineEntry, notifications: Vec<crate::Notification>) -> Decision {
    Decision {
        change: Change::progressed(incident, entry),
        notifications,
    }
}
