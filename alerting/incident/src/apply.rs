//! An alert goes in: it opens an incident, joins one, or was there before.
//!
//! The outcome depends on the set of alerts, not on their order, as far as count, times, severity, samples and
//! explanation go; only the id tells which alert came first.

use std::time::Duration;

use detect_alert::{Alert, EventSample};
use ingest_event::Timestamp;

use crate::{
    Actor, Change, ChangeKind, DedupKey, Incident, IncidentId, MANY, Priority, SAMPLES_MAX, Silence, State,
    TimelineEntry, TimelineKind,
};

/// An incident that was quiet for longer is over, in event time: longer than a holiday week's beacon pauses, shorter
/// than anyone remembers having answered.
pub const QUIET_MAX: Duration = Duration::from_secs(14 * 24 * 3600);

/// So many incidents of one rule in one organisation within [`CROWD_WINDOW`] of each other are looked into one by one; what
/// more there is becomes one incident about many things. A person reads a handful of mails, not a hundred.
pub const CROWD_MIN: u64 = 5;

/// How near, in event time, incidents are that belong together; a crowd that was quiet for longer takes in nobody any more.
pub const CROWD_WINDOW: Duration = Duration::from_mins(10);

/// Whoever took an incident about many is told once it is so many times what it was: another plan may be needed, and what grows by
/// less was expected.
pub const CROWD_GROWN: u64 = 2;

/// What the store knows that bears on an alert.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// Whether this very alert was applied before: the bus delivers at least once.
    pub applied: bool,
    /// The newest incident with the alert's [`DedupKey`], open or closed.
    pub latest: Option<&'a Incident>,
    /// The newest incident with the alert's [`DedupKey::crowd`], open or closed.
    pub crowd: Option<&'a Incident>,
    /// How many incidents with that key's producer and organisation began within [`CROWD_WINDOW`] of the alert, up to [`CROWD_MIN`].
    pub near: u64,
    /// The silence that covers the alert.
    pub silence: Option<&'a Silence>,
}

/// Applies an alert. `None` if it was applied before.
#[must_use]
pub fn apply(history: History<'_>, alert: &Alert, now: Timestamp) -> Option<Change> {
    if history.applied {
        return None;
    }
    Some(match history.latest {
        Some(open) if goes_on(open, alert) => add(open, history.silence, alert, now),
        // What comes back is told of alone: somebody has answered for it.
        Some(closed) => open(Some(closed), history.silence, alert, now),
        None => match history.crowd {
            Some(crowd) if crowd.state != State::Closed && is_near(crowd, alert) => {
                add(crowd, history.silence, &among_many(alert), now)
            }
            before if CROWD_MIN <= history.near => open(before, history.silence, &among_many(alert), now),
            _ => open(None, history.silence, alert, now),
        },
    })
}

/// Whether an alert is of the same storm as a crowd's.
fn is_near(crowd: &Incident, alert: &Alert) -> bool {
    let (first, last) = span(alert);
    first.since(crowd.last_seen) <= CROWD_WINDOW && crowd.first_seen.since(last) <= CROWD_WINDOW
}

/// An alert about something that is really called as what stands for many: two of them stand for none.
#[must_use]
pub fn taken_literally(mut alert: Alert) -> Alert {
    if alert.entity.value == MANY {
        alert.entity.value = MANY.repeat(2);
    }
    alert
}

/// What an alert says of one thing, said of many.
fn among_many(alert: &Alert) -> Alert {
    let mut alert = alert.clone();
    alert.entity.value = MANY.to_owned();
    alert
}

/// Whether an alert of its key joins an incident rather than open another.
#[must_use]
pub fn goes_on(incident: &Incident, alert: &Alert) -> bool {
    incident.state != State::Closed && !is_long_after(incident, alert)
}

/// Whether nothing was heard of the incident for so long that this is something new, of which people must be told:
/// an incident that nobody closed must not swallow next year's attack.
fn is_long_after(open: &Incident, alert: &Alert) -> bool {
    QUIET_MAX < span(alert).0.since(open.last_seen)
}

fn open(earlier: Option<&Incident>, silence: Option<&Silence>, alert: &Alert, now: Timestamp) -> Change {
    let key = DedupKey::of(alert);
    let mut lead = alert.clone();
    lead.events = Vec::new();
    keep_samples(&mut lead.events, &alert.events);
    let (first_seen, last_seen) = span(alert);
    let incident = Incident {
        id: IncidentId::derive(&key, &alert.id),
        key,
        relapse_of: earlier.map(|earlier| earlier.id.clone()),
        lead,
        count: 1,
        first_seen,
        last_seen,
        state: State::New,
        verdict: None,
        priority: Priority::Normal,
        silence: silence.map(|silence| silence.id.clone()),
        inhibited_by: None,
        escalation: None,
        assignee: None,
        merged_into: None,
        own: None,
        grows_from: None,
        opened_at: now,
        updated_at: now,
        version: 1,
    };
    let kind = if earlier.is_some() {
        ChangeKind::Relapsed
    } else {
        ChangeKind::Opened
    };
    let text = earlier.map(|earlier| earlier.id.to_string()).unwrap_or_default();
    let mut timeline = vec![entry(now, TimelineKind::Opened, text)];
    timeline.extend(silence.map(|silence| entry(now, TimelineKind::Silenced, silence.reason.clone())));
    Change {
        incident,
        kind,
        timeline,
    }
}

fn add(open: &Incident, silence: Option<&Silence>, alert: &Alert, now: Timestamp) -> Change {
    let mut incident = open.changed(now);
    let (first, last) = span(alert);
    incident.count += 1;
    incident.first_seen = open.first_seen.min(first);
    incident.last_seen = open.last_seen.max(last);
    let is_own = DedupKey::of(alert) == open.key;
    incident.lead = match &open.own {
        None if is_own => merge(&open.lead, alert),
        // What is its own explains, whatever its parts say.
        Some(own) if is_own => {
            let own = own.with(alert);
            let lead = absorb(&own.lead, &open.lead);
            incident.own = Some(Box::new(own));
            lead
        }
        // Of one that became part of this: it counts, but does not explain.
        _ => absorb(&open.lead, alert),
    };
    let from = open.severity();
    let is_raised = from < alert.severity;
    let mut timeline = Vec::new();
    if is_raised {
        timeline.push(entry(
            now,
            TimelineKind::Alert,
            format!("{from} → {}", alert.severity),
        ));
    }
    let kind = match (silence, &open.silence) {
        // It was told before it became graver, and is not told of that: when it wakes, it is told anew.
        (Some(silence), None) if is_raised => {
            incident.silence = Some(silence.id.clone());
            // A call for help is heard through any silence.
            if incident.priority == Priority::Normal {
                incident.rest();
            }
            timeline.push(entry(now, TimelineKind::Silenced, silence.reason.clone()));
            ChangeKind::Added
        }
        (None, Some(_)) => {
            incident.silence = None;
            timeline.push(entry(now, TimelineKind::Woken, String::new()));
            ChangeKind::Woken
        }
        (_, None) if is_raised => ChangeKind::Raised { from },
        (None, None) => match grown(&incident) {
            Some(from) => {
                incident.grows_from = None;
                let text = format!("{from} → {}", incident.count);
                timeline.push(entry(now, TimelineKind::Alert, text));
                ChangeKind::Grown { from }
            }
            None => ChangeKind::Added,
        },
        _ => ChangeKind::Added,
    };
    Change {
        incident,
        kind,
        timeline,
    }
}

/// From how many alerts on it grew so much that whoever has it is told, once.
fn grown(incident: &Incident) -> Option<u64> {
    let from = incident.grows_from?;
    let is_told = incident.state == State::Acknowledged && incident.inhibited_by.is_none();
    (is_told && from.saturating_mul(CROWD_GROWN) <= incident.count).then_some(from)
}

fn entry(at: Timestamp, kind: TimelineKind, text: String) -> TimelineEntry {
    TimelineEntry {
        at,
        kind,
        actor: Actor::Varde,
        text,
    }
}

/// The graver of the two explains; the earlier among equals, the smaller id among those.
pub(crate) fn merge(lead: &Alert, alert: &Alert) -> Alert {
    let rank = |alert: &Alert| {
        (
            std::cmp::Reverse(alert.severity),
            alert.timestamp,
            alert.id.clone(),
        )
    };
    let mut merged = if rank(alert) < rank(lead) {
        alert.clone()
    } else {
        lead.clone()
    };
    merged.events.clone_from(&lead.events);
    strictest(&mut merged, lead);
    strictest(&mut merged, alert);
    keep_samples(&mut merged.events, &alert.events);
    merged
}

/// The first goes on to explain: with the severity and the markings of the stricter, and samples of both.
pub(crate) fn absorb(lead: &Alert, other: &Alert) -> Alert {
    let mut both = lead.clone();
    both.severity = lead.severity.max(other.severity);
    strictest(&mut both, other);
    keep_samples(&mut both.events, &other.events);
    both
}

fn strictest(alert: &mut Alert, other: &Alert) {
    alert.tlp = alert.tlp.max(other.tlp);
    alert.pap = alert.pap.max(other.pap);
    alert.marking = alert.marking.max(other.marking);
    alert.confidence = alert.confidence.max(other.confidence);
}

/// Keeps the earliest and the latest half of [`SAMPLES_MAX`], whatever the order of arrival: what is dropped from
/// the middle was neither and never will be.
fn keep_samples(kept: &mut Vec<EventSample>, more: &[EventSample]) {
    for sample in more {
        let rank = |sample: &EventSample| (sample.timestamp, sample.id.clone());
        if let Err(place) = kept.binary_search_by_key(&rank(sample), rank) {
            kept.insert(place, sample.clone());
        }
        if SAMPLES_MAX < kept.len() {
            kept.remove(SAMPLES_MAX / 2);
        }
    }
}

/// From the first to the last event of an alert.
#[must_use]
pub fn span(alert: &Alert) -> (Timestamp, Timestamp) {
    match &alert.window {
        Some(window) => (window.start.min(alert.timestamp), window.end.max(alert.timestamp)),
        None => (alert.timestamp, alert.timestamp),
    }
}
