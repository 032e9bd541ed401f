//! Some alerts of an incident become one of their own.

use std::collections::BTreeSet;

use detect_alert::{EventSample, Severity};
use ingest_event::{EventId, Timestamp, derive_id};
use thiserror::Error;

use crate::{
    Actor, Change, Incident, IncidentId, Part, TimelineEntry, TimelineKind, assign::with_note,
    merge::released,
};

/// Which alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// All about one thing of an incident about many: what comes of it later goes along.
    Entity(String),
    /// Some, whose samples are these: what comes later stays.
    Events(BTreeSet<EventId>),
}

/// What is known of some alerts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    /// How many.
    pub count: u64,
    /// Time of the earliest event.
    pub first_seen: Timestamp,
    /// Time of the latest event.
    pub last_seen: Timestamp,
    /// The gravest.
    pub severity: Severity,
}

/// What a split makes.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitUp {
    /// The incident with what stays.
    pub rest: Change,
    /// The new one.
    pub part: Change,
}

/// Why an incident can't be split so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SplitError {
    /// It is over.
    #[error("the incident is closed, or part of another")]
    Over,
    /// Nothing was chosen.
    #[error("nothing of the incident was chosen")]
    Nothing,
    /// Everything was.
    #[error("everything was chosen: something must stay")]
    Everything,
    /// It is about one thing.
    #[error("the incident is about one thing: choose alerts")]
    NotMany,
    /// The parts do not add up, since some alerts are counted that are not known one by one.
    #[error("its alerts are not known one by one: they came in with an older version")]
    Uncounted,
}

/// Makes some alerts an incident of their own, which is as far as the whole was: who was waited for is waited for in both. Nobody is told:
/// whoever was told of the whole was told. `chosen` and `rest` are what was chosen of the incident's own alerts and what was not;
/// `parts` are those that are part of the incident and stay so.
///
/// # Errors
/// [`SplitError`].
#[expect(clippy::too_many_arguments, reason = "two portions, and who says so when")]
pub fn split(
    incident: &Incident,
    which: &Chosen,
    chosen: &Portion,
    rest: &Portion,
    parts: &[Incident],
    actor: &Actor,
    note: &str,
    now: Timestamp,
) -> Result<SplitUp, SplitError> {
    if incident.is_over() {
        return Err(SplitError::Over);
    }
    if chosen.count == 0 {
        return Err(SplitError::Nothing);
    }
    if rest.count == 0 {
        return Err(SplitError::Everything);
    }
    let whole = Part::of(incident);
    if whole.count != chosen.count + rest.count {
        return Err(SplitError::Uncounted);
    }
    let mut key = incident.key.clone();
    let mut lead = whole.lead.clone();
    if let Chosen::Entity(value) = which {
        if !incident.is_crowd() {
            return Err(SplitError::NotMany);
        }
        key.entity.value.clone_from(value);
        lead.entity.value.clone_from(value);
    }
    let goes = |sample: &EventSample| match which {
        Chosen::Events(ids) => ids.contains(&sample.id),
        Chosen::Entity(value) => {
            let field = sample.fields.get(&incident.key.entity.field);
            field.is_some_and(|found| found.to_string() == *value)
        }
    };
    lead.severity = chosen.severity;
    lead.events.retain(goes);
    let number = incident.version.to_be_bytes();
    let id = derive_id(&[b"incident", b"split", incident.id.as_str().as_bytes(), &number]);
    // What is derived is 32 hexadecimal digits.
    let id = IncidentId::parse(&id).ok_or(SplitError::Nothing)?;
    let part = Incident {
        id: id.clone(),
        key,
        lead,
        relapse_of: None,
        count: chosen.count,
        first_seen: chosen.first_seen,
        last_seen: chosen.last_seen,
        verdict: None,
        merged_into: None,
        own: None,
        updated_at: now.max(incident.updated_at),
        version: 1,
        ..incident.clone()
    };
    let mut next = incident.changed(now);
    let mut own = whole;
    own.lead.severity = rest.severity;
    own.lead.events.retain(|sample| !goes(sample));
    (own.count, own.first_seen, own.last_seen) = (rest.count, rest.first_seen, rest.last_seen);
    next.own = Some(Box::new(own));
    let next = released(&next, parts);
    let entry = |text: &str| TimelineEntry {
        at: now,
        kind: TimelineKind::Split,
        actor: actor.clone(),
        text: with_note(text, note),
    };
    Ok(SplitUp {
        rest: Change::progressed(next, entry(id.as_str())),
        part: Change::progressed(part, entry(incident.id.as_str())),
    })
}
