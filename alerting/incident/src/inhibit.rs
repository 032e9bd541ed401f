//! What explains another: while one incident is open, those that follow from it are not told of on their own.
//!
//! As in Prometheus' Alertmanager (`inhibit_rules`), with what is doubtful told rather than kept: only within one organisation,
//! never what is graver than its explanation, never what was told already, and never for long.

use std::time::Duration;

use detect_alert::{ProducerKind, Severity};
use ingest_event::Timestamp;

use crate::{Actor, Change, ChangeKind, Incident, Priority, Silence, State, TimelineEntry, TimelineKind};

/// So long an incident is kept back at most, and so near in event time it is to what explains it: a day, after which somebody
/// has to look at what is still there.
pub const INHIBIT_MAX: Duration = Duration::from_hours(24);

/// While an incident that `source` describes is open, those that `target` describes are not told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inhibition {
    /// What explains.
    pub source: Described,
    /// What is explained.
    pub target: Described,
    /// What both have in common.
    pub equal: Equal,
}

/// What an incident is like; all that is named has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// One of these rules, by id, or what rules share as their incident; any where empty.
    pub rules: Vec<String>,
    /// With one of these tags; any where empty.
    pub tags: Vec<String>,
    /// At least so grave.
    pub at_least: Option<Severity>,
    /// At most so grave.
    pub at_most: Option<Severity>,
}

/// What a source and its targets have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Equal {
    /// The organisation.
    Organization,
    /// The organisation, and the value of the thing that they are about.
    Entity,
}

impl Described {
    /// Whether an incident is like this.
    #[must_use]
    pub fn fits(&self, incident: &Incident) -> bool {
        let producer = &incident.lead.producer;
        let is_named = |rule: &String| {
            *rule == producer.id.0
                || Some(rule) == producer.incident.as_ref()
                || *rule == incident.key.producer
        };
        let severity = incident.severity();
        (self.rules.is_empty() || self.rules.iter().any(is_named))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| producer.tags.contains(tag)))
            && self.at_least.is_none_or(|least| least <= severity)
            && self.at_most.is_none_or(|most| severity <= most)
    }
}

impl Inhibition {
    /// Whether one incident keeps another back now.
    #[must_use]
    pub fn holds(&self, source: &Incident, target: &Incident, now: Timestamp) -> bool {
        // Who was never told of the source can't be asked for what follows from it.
        let is_told =
            source.state != State::Closed && source.silence.is_none() && source.inhibited_by.is_none();
        let is_one_bodys = source.key.organization == target.key.organization
            && source.key.exercise == target.key.exercise
            && source.id != target.id;
        let is_same_thing = || !source.is_crowd() && source.key.entity.value == target.key.entity.value;
        let is_near = target.first_seen.since(source.last_seen) <= INHIBIT_MAX
            && source.first_seen.since(target.last_seen) <= INHIBIT_MAX
            && now.since(target.opened_at) <= INHIBIT_MAX;
        is_told
            && is_one_bodys
            && is_near
            && is_held_at_all(target)
            && target.severity() <= source.severity()
            && (self.equal == Equal::Organization || is_same_thing())
            && self.source.fits(source)
            && self.target.fits(target)
    }
}

/// Whether anything keeps it back: never what Varde says of itself, nor a call for help.
fn is_held_at_all(target: &Incident) -> bool {
    target.lead.producer.kind != ProducerKind::Integrity && target.priority == Priority::Normal
}

/// Whether any of these may keep the incident of a change back, or did, so that its organisation's sources are worth a look: it is
/// to be told of, and was not yet.
#[must_use]
pub fn may_be_inhibited(inhibitions: &[Inhibition], change: &Change) -> bool {
    let incident = &change.incident;
    let is_to_be_told = match change.kind {
        ChangeKind::Opened | ChangeKind::Relapsed | ChangeKind::Woken | ChangeKind::Raised { .. } => true,
        ChangeKind::Added | ChangeKind::HelpNeeded | ChangeKind::Grown { .. } | ChangeKind::Progressed => {
            false
        }
    };
    let may_be_held = incident.silence.is_none()
        && incident.escalation.is_none()
        && is_held_at_all(incident)
        && inhibitions
            .iter()
            .any(|inhibition| inhibition.target.fits(incident));
    // What was kept back is looked at again, also where it fits no longer: then it wakes.
    is_to_be_told && (may_be_held || incident.inhibited_by.is_some())
}

/// The one of an organisation's incidents that keeps another back: of several the gravest, of those the oldest.
#[must_use]
pub fn inhibitor<'i>(
    inhibitions: &[Inhibition],
    sources: &'i [Incident],
    target: &Incident,
    now: Timestamp,
) -> Option<&'i Incident> {
    let holding = sources.iter().filter(|source| {
        inhibitions
            .iter()
            .any(|inhibition| inhibition.holds(source, target, now))
    });
    holding.min_by_key(|source| (std::cmp::Reverse(source.severity()), source.opened_at, &source.id))
}

/// Keeps what a change opens or wakes from being told, where another explains it; wakes what was kept back and no longer is.
#[must_use]
pub fn inhibit(mut change: Change, by: Option<&Incident>, now: Timestamp) -> Change {
    let incident = &mut change.incident;
    match by {
        Some(by) => {
            if incident.inhibited_by.is_none() {
                change
                    .timeline
                    .push(entry(now, TimelineKind::Inhibited, by.id.to_string()));
            }
            incident.inhibited_by = Some(by.id.clone());
        }
        None if incident.inhibited_by.take().is_some() => {
            change
                .timeline
                .push(entry(now, TimelineKind::Woken, String::new()));
            change.kind = ChangeKind::Woken;
        }
        None => {}
    }
    change
}

/// What was kept back is looked at again: `by` may keep it still, `silence` covers all of it; `None` if nothing changes.
#[must_use]
pub fn look_again(
    incident: &Incident,
    by: Option<&Incident>,
    silence: Option<&Silence>,
    now: Timestamp,
) -> Option<Change> {
    let before = incident.inhibited_by.as_ref()?;
    if by.is_some_and(|by| by.id == *before) {
        return None;
    }
    let same = Change {
        incident: incident.changed(now),
        kind: ChangeKind::Progressed,
        timeline: vec![],
    };
    let mut change = inhibit(same, by, now);
    match silence {
        // Somebody has taken it meanwhile.
        _ if incident.is_answered() => change.kind = ChangeKind::Progressed,
        Some(silence) if change.kind == ChangeKind::Woken => {
            change.kind = ChangeKind::Progressed;
            change.incident.silence = Some(silence.id.clone());
            change.timeline = vec![entry(now, TimelineKind::Silenced, silence.reason.clone())];
        }
        _ => {}
    }
    Some(change)
}

fn entry(at: Timestamp, kind: TimelineKind, text: String) -> TimelineEntry {
    TimelineEntry {
        at,
        kind,
        actor: Actor::Varde,
        text,
    }
}
