//! Several incidents become one, and may be taken apart again.
//!
//! The one that survives keeps its id, its explanation and its state, and what it was by itself as a [`Part`]; each of the others
//! keeps its own row, closed, with what was counted under its key, also of alerts that come later. So the whole is always the sum of its
//! parts ([`released`] computes it), nothing is counted twice, and taking one out again needs no memory of how it went in.

use std::collections::BTreeSet;

use detect_alert::Alert;
use ingest_event::Timestamp;
use thiserror::Error;

use crate::{
    Actor, Before, Change, DedupKey, Escalation, Incident, IncidentId, Ladder, Moment, Priority, State,
    TimelineEntry, TimelineKind,
    apply::{absorb, merge as explain, span},
    assign::with_note,
    undo::graver_since,
};

/// Incidents in one: more than anyone has looked at before saying that they are one thing.
pub const MERGED_MAX: usize = 100;

/// What was counted of one incident alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What explains it, with its samples.
    pub lead: Alert,
    /// How many alerts.
    pub count: u64,
    /// Time of the earliest event.
    pub first_seen: Timestamp,
    /// Time of the latest event.
    pub last_seen: Timestamp,
}

/// Why incidents can't become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("name at least one other incident")]
    Nothing,
    /// One is named twice, or as part of itself.
    #[error("name each incident once, and not the one that survives")]
    Twice,
    /// One of them is over.
    #[error("one of them is closed, or part of another: open incidents are merged")]
    Over,
    /// An exercise is never mixed with the real thing.
    #[error("some are of an exercise and some are not")]
    Exercise,
    /// More than [`MERGED_MAX`].
    #[error("more than 100 incidents in one")]
    TooMany,
}

/// What a merge makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The one that goes on.
    pub survivor: Change,
    /// Those that became part of it, in the order in which they were given.
    pub parts: Vec<Change>,
}

impl Part {
    /// What an incident was before others became part of it.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        match &incident.own {
            Some(own) => (**own).clone(),
            None => Self {
                lead: incident.lead.clone(),
                count: incident.count,
                first_seen: incident.first_seen,
                last_seen: incident.last_seen,
            },
        }
    }

    /// One alert of its key more.
    pub(crate) fn with(&self, alert: &Alert) -> Self {
        let (first, last) = span(alert);
        Self {
            lead: explain(&self.lead, alert),
            count: self.count + 1,
            first_seen: self.first_seen.min(first),
            last_seen: self.last_seen.max(last),
        }
    }

    fn put(self, incident: &mut Incident) {
        incident.lead = self.lead;
        incident.count = self.count;
        incident.first_seen = self.first_seen;
        incident.last_seen = self.last_seen;
    }
}

/// Makes `others` part of `survivor`: their alerts count with its, their deadlines end, and what comes with their keys is its. Nobody
/// is told: whoever was told of one was told. What of them waits for an answer soonest is waited for, unless somebody has
/// taken the survivor; a call for help goes on in any case. `family` is how many are part of one of them already.
///
/// # Errors
/// [`MergeError`]. Whether all are one owner's is for the caller to know.
pub fn merge(
    survivor: &Incident,
    others: &[Incident],
    family: usize,
    actor: &Actor,
    note: &str,
    now: Timestamp,
) -> Result<Merged, MergeError> {
    if others.is_empty() {
        return Err(MergeError::Nothing);
    }
    let mut ids = BTreeSet::from([&survivor.id]);
    if !others.iter().all(|other| ids.insert(&other.id)) {
        return Err(MergeError::Twice);
    }
    if MERGED_MAX < family + others.len() {
        return Err(MergeError::TooMany);
    }
    if others.iter().chain([survivor]).any(Incident::is_over) {
        return Err(MergeError::Over);
    }
    if others
        .iter()
        .any(|other| other.key.exercise != survivor.key.exercise)
    {
        return Err(MergeError::Exercise);
    }
    let mut next = survivor.changed(now);
    next.own = Some(Box::new(Part::of(survivor)));
    let mut parts = Vec::new();
    for other in others {
        add(&mut next, other);
        next.escalation = waited_for(&next, other);
        if other.priority == Priority::Raised {
            next.priority = Priority::Raised;
        }
        // Whoever was told of one was told of all of it: it is kept back no more.
        if other.escalation.is_some() && other.inhibited_by.is_none() {
            next.inhibited_by = None;
        }
        let mut part = other.changed(now);
        Part::of(other).put(&mut part);
        part.own = None;
        part.merged_into = Some(survivor.id.clone());
        part.priority = Priority::Normal;
        part.advance(State::Closed);
        let text = with_note(survivor.id.as_str(), note);
        parts.push(Change::progressed(part, entry(now, actor, text)));
    }
    let names: Vec<&str> = others.iter().map(|other| other.id.as_str()).collect();
    let text = with_note(&names.join(", "), note);
    Ok(Merged {
        survivor: Change::progressed(next, entry(now, actor, text)),
        parts,
    })
}

/// One that became part of another, with one alert of its key more; its survivor counts it too ([`crate::apply()`]).
#[must_use]
pub fn part_grown(part: &Incident, alert: &Alert, now: Timestamp) -> Incident {
    let mut next = part.changed(now);
    let mut alert = alert.clone();
    // What was said of one thing is said of many.
    if part.is_crowd() {
        alert.entity.value.clone_from(&part.key.entity.value);
    }
    if DedupKey::of(&alert) == part.key {
        Part::of(part).with(&alert).put(&mut next);
    }
    next
}

/// One that is part of another, as part of a third: of that which the other became part of, or was part of before.
#[must_use]
pub fn handed_over(part: &Incident, to: &IncidentId, now: Timestamp) -> Incident {
    Incident {
        merged_into: Some(to.clone()),
        ..part.changed(now)
    }
}

/// A survivor with those parts that stay; with none it is what it was by itself.
#[must_use]
pub fn released(survivor: &Incident, staying: &[Incident]) -> Incident {
    let mut next = survivor.clone();
    Part::of(survivor).put(&mut next);
    next.own = (!staying.is_empty()).then(|| Box::new(Part::of(survivor)));
    for part in staying {
        add(&mut next, part);
    }
    next
}

/// Takes one part out of a survivor: it is as it was `before`, or, without that, as far as its survivor is. Where it became graver as a
/// part, those who were told of that stay told, and who was waited for is. `staying` are the parts that stay
/// with the survivor, `theirs` those that go with the part, being its own. Gives the survivor and the part.
#[must_use]
pub fn unmerge(
    survivor: &Incident,
    staying: &[Incident],
    part: &Incident,
    theirs: &[Incident],
    before: Option<&Before>,
    ladder: &Ladder,
    moment: Moment,
) -> (Incident, Incident) {
    let rest = released(survivor, staying);
    let mut part = released(part, theirs).changed(moment.now);
    part.merged_into = None;
    match before {
        Some(before) => {
            before.put(&mut part);
            if before.severity < part.severity() {
                part.escalation = graver_since(before, &part, survivor.escalation, ladder, moment);
            }
        }
        None => {
            part.state = survivor.state;
            // Whoever has the whole has this too, and is told when it grows.
            let is_taken = survivor.state == State::Acknowledged && part.is_crowd();
            part.grows_from = is_taken.then_some(part.count);
            part.escalation = survivor.escalation;
            part.assignee.clone_from(&survivor.assignee);
        }
    }
    (rest, part)
}

/// Adds what one counts to another.
fn add(to: &mut Incident, other: &Incident) {
    to.count += other.count;
    to.first_seen = to.first_seen.min(other.first_seen);
    to.last_seen = to.last_seen.max(other.last_seen);
    to.lead = absorb(&to.lead, &other.lead);
}

/// Whom the survivor waits for, once another is part of it.
fn waited_for(survivor: &Incident, other: &Incident) -> Option<Escalation> {
    let is_call = other.priority == Priority::Raised;
    match (survivor.escalation, other.escalation) {
        (Some(one), Some(two)) => {
            let theirs = two.due.filter(|_| is_call || !survivor.is_answered());
            Some(Escalation {
                rung: one.rung.max(two.rung),
                due: one.due.into_iter().chain(theirs).min(),
                reminders: one.reminders.max(two.reminders),
            })
        }
        (None, Some(two)) => Some(Escalation {
            due: two.due.filter(|_| is_call || !survivor.is_answered()),
            ..two
        }),
        (one, None) => one,
    }
}

fn entry(at: Timestamp, actor: &Actor, text: String) -> TimelineEntry {
    TimelineEntry {
        at,
        kind: TimelineKind::Merged,
        actor: actor.clone(),
        text,
    }
}

impl Incident {
    /// Whether it ended, by itself or in another.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Closed
    }
}
