//! A match and its event to an [`Alert`].
//!
//! What the alert is about, its entity, is: the field that the rule's author chose (`varde.entity`) if the
//! event has it; else the local endpoint. That is the address on the inside by `network.direction`, or by
//! which of the two addresses is private; the source if both or neither is. Events without addresses are
//! about their host, else their user, else their sensor.

use std::net::IpAddr;

use detect_alert::{Alert, AlertId, Entity, EventSample, Evidence};
use ingest_event::{Defaults, Event, field};

use crate::{EventView, Match, MatchSink, Origin, RuleIndex};

/// A rule that an event matched, for the correlator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleHit {
    /// The rule.
    pub rule: RuleIndex,
}

/// Names of a host, best first.
const HOSTS: [&str; 4] = [
    field::HOST_NAME,
    "host.hostname",
    "Computer",
    "winlog.computer_name",
];

/// Names of an account, best first.
const USERS: [&str; 3] = [field::USER_NAME, "User", "TargetUserName"];

/// The alert that a match raises. Its id is derived from rule, organisation and event (and, for an indicator,
/// its source), so the same match never makes two.
#[must_use]
pub fn raise(hit: &Match<'_>, event: &Event) -> Alert {
    let producer = hit.origin.producer();
    let mut parts = vec![event.id.as_str()];
    let indicator = match hit.origin {
        Origin::Rule(..) => None,
        Origin::Indicator(indicator, _) => {
            parts.push(&indicator.source);
            Some(indicator.reference())
        }
    };
    Alert {
        id: AlertId::derive(&producer.id, event.organization, &parts),
        timestamp: event.timestamp,
        organization: event.organization,
        sensor: event.sensor.clone(),
        zone: event.zone,
        marking: event.marking,
        exercise: event.exercise,
        severity: hit.severity,
        confidence: hit.confidence,
        tlp: hit.tlp,
        pap: hit.pap,
        producer,
        indicator,
        entity: entity(hit.entity, event),
        evidence: hit
            .findings
            .iter()
            .map(|finding| Evidence {
                event: event.id.clone(),
                field: finding.field.clone(),
                value: finding.value.clone(),
                matched: finding.matched.clone(),
            })
            .collect(),
        window: None,
        events: vec![sample(event)],
    }
}

/// Collects alerts and rule hits of one organisation's events. Decodes an event once, and only if it matched.
///
/// After each scan, [`AlertSink::finish_event`] hands the event and its rule hits to the correlator's caller.
#[derive(Debug)]
pub struct AlertSink<'a> {
    defaults: &'a Defaults,
    event: Option<Event>,
    hits: Vec<RuleHit>,
    alerts: Vec<Alert>,
    undecodable: u64,
}

impl<'a> AlertSink<'a> {
    /// A sink for events of the organisation in `defaults`.
    #[must_use]
    pub fn new(defaults: &'a Defaults) -> Self {
        Self {
            defaults,
            event: None,
            hits: Vec::new(),
            alerts: Vec::new(),
            undecodable: 0,
        }
    }

    /// The event just scanned with the rules it matched, if it matched any; ready for the next event.
    pub fn finish_event(&mut self) -> Option<(Event, Vec<RuleHit>)> {
        let hits = std::mem::take(&mut self.hits);
        self.event.take().map(|event| (event, hits))
    }

    /// The alerts so far; where the correlator's alerts go too.
    pub fn alerts(&mut self) -> &mut Vec<Alert> {
        &mut self.alerts
    }

    /// Events that matched but whose envelope can't be read. The pipeline decodes them itself and puts them
    /// in quarantine.
    #[must_use]
    pub fn undecodable(&self) -> u64 {
        self.undecodable
    }
}

impl MatchSink for AlertSink<'_> {
    fn matched(&mut self, view: &EventView<'_>, hit: Match<'_>) {
        if self.event.is_none() {
            match view.to_event(self.defaults) {
                Ok(event) => self.event = Some(event),
                Err(_) => {
                    self.undecodable += 1;
                    return;
                }
            }
        }
        let Some(event) = &self.event else {
            return;
        };
        if let Origin::Rule(rule, _) = hit.origin {
            self.hits.push(RuleHit { rule });
        }
        if hit.raises {
            self.alerts.push(raise(&hit, event));
        }
    }
}

/// The event as an alert shows it.
pub(crate) fn sample(event: &Event) -> EventSample {
    EventSample {
        id: event.id.clone(),
        timestamp: event.timestamp,
        dataset: event.dataset.clone(),
        fields: event.fields.clone(),
    }
}

fn entity(hint: Option<&str>, event: &Event) -> Entity {
    let held = |name: &str| {
        let value = event.fields.get(name)?.each().next()?;
        Some(Entity {
            field: name.to_owned(),
            value: value.to_string(),
        })
    };
    hint.and_then(held)
        .or_else(|| held(local_endpoint(event)))
        .or_else(|| held(field::SOURCE_IP))
        .or_else(|| held(field::DESTINATION_IP))
        .or_else(|| HOSTS.into_iter().find_map(held))
        .or_else(|| USERS.into_iter().find_map(held))
        .unwrap_or_else(|| Entity {
            field: field::OBSERVER_NAME.to_owned(),
            value: event.sensor.as_str().to_owned(),
        })
}

fn local_endpoint(event: &Event) -> &'static str {
    match event.fields.text(field::NETWORK_DIRECTION) {
        Some("inbound") => return field::DESTINATION_IP,
        Some("outbound" | "internal") => return field::SOURCE_IP,
        _ => {}
    }
    let is_private = |name| {
        event
            .fields
            .text(name)
            .and_then(|text| text.parse::<IpAddr>().ok())
            .is_some_and(|address| match address.to_canonical() {
                IpAddr::V4(address) => address.is_private() || address.is_link_local(),
                IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
            })
    };
    if is_private(field::DESTINATION_IP) && !is_private(field::SOURCE_IP) {
        field::DESTINATION_IP
    } else {
        field::SOURCE_IP
    }
}
