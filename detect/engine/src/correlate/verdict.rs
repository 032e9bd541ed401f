//! What the state of a group says of an observation, and the alert that is made of it.

use detect_alert::{Alert, AlertId, Entity, EventSample, Evidence, Severity, Tlp, Window};
use ingest_event::{EventId, Marking, OrganizationNumber, Timestamp, field};

use super::{observation::Observation, track::Track};

/// What an observation came to.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The condition holds, and did not: an episode begins.
    Begun(Box<Verdict>),
    /// Counted; nothing to say.
    Counted {
        /// Something older had to go for it, though it was still in the window.
        is_full: bool,
    },
    /// The condition held before and holds still.
    GoesOn {
        /// As of [`Outcome::Counted`].
        is_full: bool,
        /// The strictest of all that is known of the group.
        strictest: (Marking, Tlp),
    },
    /// From before the window.
    Outside,
    /// Already counted.
    Repeated,
    /// Where signals come together it is decided what it means.
    Travels(Found),
}

/// What travels to where it is decided what it means.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The observation's value.
    pub(crate) value: String,
    /// The window that it tells of begins here, in nanoseconds.
    pub(crate) start: i64,
    /// The strictest of all that is known of the group.
    pub(crate) strictest: (Marking, Tlp),
}

/// Why there is an alert.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    /// How grave it is, if it is not as grave as the rule says.
    pub(crate) severity: Option<Severity>,
    /// It is what is usual by now: shown, and nothing more is made of it.
    pub(crate) is_usual: bool,
    /// The event that the alert's id is made of: the first in the window.
    pub(crate) first: EventId,
    /// The window, in nanoseconds.
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// What was counted.
    pub(crate) count: u64,
    /// The condition, as a person reads it.
    pub(crate) threshold: String,
    /// Field, value and why, besides the group.
    pub(crate) explained: Vec<(String, String, String)>,
    /// Of a rule over several organisations, where it was seen: for the CERT alone.
    pub(crate) among: Vec<OrganizationNumber>,
    /// The strictest of all that is known of the group.
    pub(crate) strictest: (Marking, Tlp),
    /// Events as a whole; where there are none, the last one is shown as far as it is known.
    pub(crate) samples: Vec<EventSample>,
}

/// Who and what an alert is about: where an observation does not say.
pub(crate) struct Subject<'a> {
    pub(crate) track: &'a Track,
    pub(crate) organization: OrganizationNumber,
    /// Whether it is the CERT's own, who may know which organisations it was seen in.
    pub(crate) is_of_cert: bool,
    pub(crate) observation: &'a Observation,
}

/// The alert. Its id is made of rule, organisation, group and the first event in the window.
pub(crate) fn alert(subject: &Subject<'_>, verdict: Verdict) -> Alert {
    let Subject {
        track,
        organization,
        is_of_cert,
        observation,
    } = *subject;
    let about = &track.about;
    let head = &observation.head;
    let group = observation.text.group();
    let mut parts: Vec<&str> = group.iter().map(String::as_str).collect();
    parts.push(verdict.first.as_str());
    let id = AlertId::derive(&about.producer.id, organization, &parts);
    let group_by: Vec<(String, String)> = about
        .group_by
        .iter()
        .cloned()
        .zip(group.iter().cloned())
        .collect();
    let grouped = group_by
        .iter()
        .map(|(name, value)| (name.clone(), value.clone(), "group-by".to_owned()));
    let among = verdict.among.iter().filter(|_| is_of_cert).map(|seen_in| {
        let name = field::ORGANIZATION_ID.to_owned();
        (name, seen_in.as_str().to_owned(), "seen here".to_owned())
    });
    let evidence = grouped
        .chain(verdict.explained)
        .chain(among)
        .map(|(field, value, matched)| Evidence {
            event: head.id.clone(),
            field,
            value,
            matched,
        })
        .collect();
    let fields = track.fields();
    let events = match verdict.samples.is_empty() {
        true => vec![observation.shown(&about.group_by, &fields)],
        false => verdict.samples,
    };
    Alert {
        id,
        timestamp: Timestamp::from_nanos(head.began),
        organization,
        sensor: head.sensor.clone(),
        zone: head.zone,
        marking: verdict.strictest.0.max(head.marking),
        exercise: head.exercise,
        severity: verdict.severity.unwrap_or(about.severity),
        confidence: about.confidence,
        tlp: about.tlp.max(verdict.strictest.1).max(head.tlp),
        pap: about.pap,
        producer: about.producer.clone(),
        indicator: None,
        entity: entity(about.entity, &group_by, organization),
        evidence,
        window: Some(Window {
            start: Timestamp::from_nanos(verdict.start),
            end: Timestamp::from_nanos(verdict.end),
            count: verdict.count,
            threshold: verdict.threshold,
            group_by,
        }),
        events,
    }
}

/// What the alert is about: the member of the group that the rule's author chose, else the group.
fn entity(chosen: Option<usize>, group_by: &[(String, String)], organization: OrganizationNumber) -> Entity {
    if let Some((name, value)) = chosen.and_then(|index| group_by.get(index)) {
        return Entity {
            field: name.clone(),
            value: value.clone(),
        };
    }
    if group_by.is_empty() {
        return Entity {
            field: field::ORGANIZATION_ID.to_owned(),
            value: organization.as_str().to_owned(),
        };
    }
    let join =
        |pick: fn(&(String, String)) -> &str| group_by.iter().map(pick).collect::<Vec<_>>().join(" + ");
    Entity {
        field: join(|(name, _)| name),
        value: join(|(_, value)| value),
    }
}
