//! What is asked of the table about an incident.

use std::collections::BTreeSet;
use std::net::IpAddr;

use detect_alert::Severity;
use ingest_event::{OrganizationNumber, SensorId, Timestamp, Zone};

use crate::Incident;

/// Values of a kind that are looked at in one incident; samples hold few more, and the table is asked for each.
const VALUES_MAX: usize = 32;

/// Fields with addresses.
const ADDRESSES: [&str; 5] = ["source.ip", "destination.ip", "host.ip", "client.ip", "server.ip"];

/// Fields with names of hosts and domains.
const DOMAINS: [&str; 9] = [
    "host.name",
    "host.hostname",
    "source.domain",
    "destination.domain",
    "client.domain",
    "server.domain",
    "url.domain",
    "dns.question.name",
    "tls.client.server_name",
];

/// Fields with numbers of autonomous systems.
const SYSTEMS: [&str; 4] = [
    "source.as.number",
    "destination.as.number",
    "client.as.number",
    "server.as.number",
];

/// What is asked of the table.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose network, as the alert says.
    pub organization: OrganizationNumber,
    /// The sensor.
    pub sensor: SensorId,
    /// Addresses that occur.
    pub addresses: BTreeSet<IpAddr>,
    /// Names that occur, of hosts and domains: lower case, without a dot at the end.
    pub domains: BTreeSet<String>,
    /// Autonomous systems that occur.
    pub systems: BTreeSet<u32>,
    /// In which part of the network.
    pub zone: Zone,
    /// How grave.
    pub severity: Severity,
    /// When it happened.
    pub at: Timestamp,
}

impl Question {
    /// What an incident about many things asks: neither they nor the sensor say whose all are.
    #[must_use]
    pub fn of_organization(incident: &Incident) -> Self {
        let alert = &incident.lead;
        Self {
            organization: alert.organization,
            // A name that no sensor is given.
            sensor: SensorId::parse("-").unwrap_or_else(|_| alert.sensor.clone()),
            addresses: BTreeSet::new(),
            domains: BTreeSet::new(),
            systems: BTreeSet::new(),
            zone: alert.zone,
            severity: alert.severity,
            at: alert.timestamp,
        }
    }

    /// What an incident asks: its organisation, sensor and what occurs in it, as its explaining alert and samples have them.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        let alert = &incident.lead;
        let texts = |names: &'static [&'static str]| {
            let events = alert.events.iter();
            let values = events.flat_map(move |event| names.iter().filter_map(|name| event.fields.get(name)));
            values.flat_map(|value| value.each()).map(ToString::to_string)
        };
        if incident.is_crowd() {
            return Self::of_organization(incident);
        }
        let entity = || alert.entity.value.split(", ").map(str::to_owned);
        let is_name = DOMAINS.contains(&alert.entity.field.as_str());
        let domains = texts(&DOMAINS).chain(entity().filter(|_| is_name));
        let plain = |name: String| name.trim_end_matches('.').to_lowercase();
        Self {
            organization: alert.organization,
            sensor: alert.sensor.clone(),
            addresses: entity()
                .chain(texts(&ADDRESSES))
                .filter_map(|text| text.parse().ok())
                .take(VALUES_MAX)
                .collect(),
            domains: domains.map(plain).take(VALUES_MAX).collect(),
            systems: texts(&SYSTEMS)
                .filter_map(|text| text.parse().ok())
                .take(VALUES_MAX)
                .collect(),
            zone: alert.zone,
            severity: alert.severity,
            at: alert.timestamp,
        }
    }
}
