//! What somebody took grows: they are told, once.

use crate::{
    Change, ChangeKind, Ladder, Moment, Notification, NotifyReason, Responder, ResponderId, Route,
    decide::addressed,
};

/// Tells those who took an incident about many that it is about many more now; nobody for any other change. `takers` are the
/// responders who said so by their link: of those, whom the route still names, or who are of the CERT. Where that is nobody, since
/// somebody at the CERT took it or it is another's by now, the CERT's duty contact.
#[must_use]
pub fn tell_of_growth(
    change: &Change,
    takers: &[ResponderId],
    route: &Route,
    ladder: &Ladder,
    moment: Moment,
) -> Vec<Notification> {
    let ChangeKind::Grown { .. } = change.kind else {
        return Vec::new();
    };
    let of_the_cert = || [&ladder.duty].into_iter().chain(&ladder.beyond);
    let named = route.responders.iter().filter(|one| one.id != ladder.duty.id);
    let mut told: Vec<&Responder> = named
        .chain(of_the_cert())
        .filter(|one| takers.contains(&one.id))
        .collect();
    if told.is_empty() {
        told.push(&ladder.duty);
    }
    let occasion = format!("version {}", change.incident.version);
    told.iter()
        .flat_map(|one| addressed(&change.incident, one, NotifyReason::Grown, &occasion, moment))
        .collect()
}
