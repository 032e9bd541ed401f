//! A match and its event to an [`Alert`].
//!
//! What the alert is about, its entity, is: the field that the rule's author chose (`varde.entity`) if the
//! event has it; else the local endpoint. That is the address on the inside by `network.direction`, or by
//! which of the two addresses is private; the source if both or neither is. Events without addresses are
//! about their host, else their user, else their sensor.

use std::net::IpAddr;

use detect_alert::{Alert, AlertId, Entity, EventSample, Evidence};
use ingest_event::{Defaults, Event, field};

use crate::{
    Correlated, Correlator, EventView, Match, MatchSink, Moment, Origin, RuleIndex,
    correlate::{Extractor, Packed, Seen, of_indicator},
};

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

/// Collects alerts and observations of one organisation's events. Decodes an event once, and only if an alert shows it.
///
/// After each scan, [`AlertSink::finish_event`] hands the observations to the correlator.
#[derive(Debug)]
pub struct AlertSink<'a> {
    defaults: &'a Defaults,
    event: Option<Event>,
    seen: Seen,
    observing: &'a mut Observing,
    alerts: Vec<Alert>,
    undecodable: u64,
}

/// What events bring to rules about several of them; its buffers are used again.
#[derive(Debug, Default)]
pub struct Observing {
    extractor: Extractor,
    observations: Packed,
}

impl<'a> AlertSink<'a> {
    /// A sink for events of the organisation in `defaults`.
    #[must_use]
    pub fn new(defaults: &'a Defaults, observing: &'a mut Observing) -> Self {
        observing.observations.clear();
        Self {
            defaults,
            event: None,
            seen: Seen::default(),
            observing,
            alerts: Vec::new(),
            undecodable: 0,
        }
    }

    /// Lets the correlator take what the event just scanned brings. Its alerts join the others.
    pub fn finish_event(&mut self, correlator: &mut Correlator, moment: Moment, correlated: &mut Correlated) {
        self.event = None;
        self.seen = Seen::default();
        correlator.protect(std::mem::take(&mut self.observing.extractor.protected));
        correlator.observe(&mut self.observing.observations, moment, correlated);
    }

    /// The alerts so far.
    pub fn alerts(&mut self) -> &mut Vec<Alert> {
        &mut self.alerts
    }

    /// Events that matched but whose envelope can't be read. The pipeline decodes them itself and puts them
    /// in quarantine.
    #[must_use]
    pub fn undecodable(&self) -> u64 {
        self.undecodable
    }

    fn observe(&mut self, view: &EventView<'_>, rule: RuleIndex) {
        let Observing {
            extractor,
            observations,
        } = &mut *self.observing;
        let observed = extractor.observe(view, rule.0, self.defaults, &mut self.seen, observations);
        self.undecodable += u64::from(observed.is_err());
    }
}

impl MatchSink for AlertSink<'_> {
    fn matched(&mut self, view: &EventView<'_>, hit: Match<'_>) {
        if let Origin::Rule(rule, _) = hit.origin
            && view.ruleset.is_tapped(rule.0)
        {
            self.observe(view, rule);
        }
        if !hit.raises {
            return;
        }
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
        if let Origin::Indicator(indicator, ruleset) = hit.origin {
            let observations = &mut self.observing.observations;
            of_indicator(&ruleset.tracks, event, indicator, observations);
        }
        self.alerts.push(raise(&hit, event));
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
