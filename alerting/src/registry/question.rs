//! What would happen to an event: a question in a person's words, and the answer with every step. Nobody is told anything.

use std::net::IpAddr;

use alerting_incident::{Question, Responder, Route, RouteResult, StepKind, route};
use detect_alert::Severity;
use ingest_event::{OrganizationNumber, SensorId, Timestamp, Zone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Loaded;
use super::form::{Flaw, flaw, moment};
use crate::api::openapi::codes;

/// Values of one kind in a question.
const VALUES_MAX: usize = 32;

/// A question, as it is asked over HTTP or on the command line.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = RouteQuestion)]
pub struct Asked {
    /// Whose network, as the alert would say.
    #[schema(value_type = codes::OrganizationNumber, required = true)]
    pub organization: String,
    /// Addresses that occur.
    #[schema(max_items = 32)]
    pub addresses: Vec<String>,
    /// Names that occur.
    #[schema(max_items = 32)]
    pub domains: Vec<String>,
    /// Autonomous systems that occur.
    #[schema(max_items = 32, value_type = Vec<i64>)]
    pub autonomous_systems: Vec<u32>,
    /// The sensor.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub sensor: Option<String>,
    /// In which part of the network; `administration` unless said otherwise.
    #[schema(value_type = Option<codes::Zone>)]
    pub zone: Option<String>,
    /// How grave; `high` unless said otherwise.
    #[schema(value_type = Option<codes::Severity>)]
    pub severity: Option<String>,
    /// When, a date or an RFC 3339 time; now unless said otherwise.
    pub at: Option<String>,
}

/// Who would be told, and why.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = RouteExplained)]
pub struct Explained {
    /// Whose it would be.
    #[schema(value_type = Option<codes::OrganizationNumber>)]
    pub owner: Option<String>,
    /// Its name.
    pub owner_name: Option<String>,
    /// Who answers: the owner (`own`), its `operator`, a `parent`, the `sector`'s CERT, `duty`, or `nobody`.
    #[schema(value_type = codes::Answers)]
    pub by: &'static str,
    /// Who would be told.
    pub told: Vec<Contact>,
    /// Each step, with who is not told and why.
    pub steps: Vec<Step>,
}

/// A contact, with as much of its addresses as is needed to recognise them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Contact {
    /// Its name.
    pub name: String,
    /// In which turn it is told.
    pub turn: u8,
    /// Its channels, most of each hidden.
    pub channels: Vec<String>,
}

/// A step.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = RouteStep)]
pub struct Step {
    /// What was looked at.
    #[schema(value_type = codes::Step)]
    pub step: &'static str,
    /// What it came to.
    #[schema(value_type = codes::StepResult)]
    pub result: &'static str,
    /// The values that decided.
    pub detail: String,
}

impl Asked {
    /// Reads it.
    ///
    /// # Errors
    /// With every flaw.
    pub fn question(&self, now: Timestamp) -> Result<Question, Vec<Flaw>> {
        let mut flaws = Vec::new();
        let mut refuse = |field: &str, mend: String| flaws.push(flaw(field, &mend));
        let organization = OrganizationNumber::parse(&self.organization)
            .map_err(|error| refuse("organization", error.to_string()))
            .ok();
        for (field, length) in [
            ("addresses", self.addresses.len()),
            ("domains", self.domains.len()),
            ("autonomous_systems", self.autonomous_systems.len()),
        ] {
            if VALUES_MAX < length {
                refuse(field, format!("at most {VALUES_MAX}"));
            }
        }
        let mut addresses = std::collections::BTreeSet::new();
        for (at, text) in self.addresses.iter().take(VALUES_MAX).enumerate() {
            match text.parse::<IpAddr>() {
                Ok(address) => drop(addresses.insert(address)),
                Err(_) => refuse(
                    &format!("addresses[{at}]"),
                    "write it as 192.0.2.1 or 2001:db8::1".to_owned(),
                ),
            }
        }
        let sensor = SensorId::parse(self.sensor.as_deref().unwrap_or("none"))
            .map_err(|error| refuse("sensor", error.to_string()))
            .ok();
        let zone = self.zone.as_deref().map_or(Ok(Zone::Administration), str::parse);
        let zone = zone.map_err(|error| refuse("zone", error.to_string())).ok();
        let severity = self.severity.as_deref().unwrap_or("high").parse::<Severity>();
        let severity = severity
            .map_err(|error| refuse("severity", error.to_string()))
            .ok();
        let at = self.at.as_deref().map_or(Ok(now), moment);
        let at = at.map_err(|mend| refuse("at", mend)).ok();
        let plain = |name: &String| name.trim_end_matches('.').to_lowercase();
        match (organization, sensor, zone, severity, at) {
            (Some(organization), Some(sensor), Some(zone), Some(severity), Some(at)) if flaws.is_empty() => {
                Ok(Question {
                    organization,
                    sensor,
                    addresses,
                    domains: self.domains.iter().map(plain).collect(),
                    systems: self.autonomous_systems.iter().copied().collect(),
                    zone,
                    severity,
                    at,
                })
            }
            _ => Err(flaws),
        }
    }
}

/// Who would be told, and why.
#[must_use]
pub fn explain(loaded: &Loaded, question: &Question) -> Explained {
    let route = route(&loaded.routes, question);
    let registry = loaded.routes.registry();
    let name = |number| registry.display_name(number, "nb").map(str::to_owned);
    Explained {
        owner: route.owner.map(|number| number.to_string()),
        owner_name: route.owner.and_then(name),
        by: answers(&route),
        told: route.responders.iter().map(Contact::of).collect(),
        steps: route
            .steps
            .iter()
            .map(|step| Step {
                step: step.kind.as_str(),
                result: step.result.as_str(),
                detail: step.detail.clone(),
            })
            .collect(),
    }
}

/// Who answers, as in [`Explained::by`].
pub(crate) fn answers(route: &Route) -> &'static str {
    let mut by = "own";
    for step in &route.steps {
        match (step.kind, step.result) {
            (StepKind::Duty, RouteResult::Told) => return "duty",
            (_, RouteResult::Told) => return by,
            (StepKind::Operator | StepKind::Parent | StepKind::Sector, RouteResult::Matched) => {
                by = step.kind.as_str()
            }
            _ => {}
        }
    }
    "nobody"
}

impl Contact {
    pub(crate) fn of(responder: &Responder) -> Self {
        Self {
            name: responder.name.clone(),
            turn: responder.turn,
            channels: responder
                .channels
                .iter()
                .map(alerting_incident::Channel::masked)
                .collect(),
        }
    }
}

impl std::fmt::Display for Explained {
    /// As a person reads it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for step in &self.steps {
            writeln!(f, "{:<13} {:<10} {}", step.step, step.result, step.detail)?;
        }
        let owner = self
            .owner_name
            .as_deref()
            .or(self.owner.as_deref())
            .unwrap_or("nobody registered");
        writeln!(f, "owner: {owner}")?;
        writeln!(f, "answers: {}", self.by)?;
        for contact in &self.told {
            writeln!(
                f,
                "told, turn {}: {} ({})",
                contact.turn,
                contact.name,
                contact.channels.join(", ")
            )?;
        }
        if self.told.is_empty() {
            writeln!(f, "told: nobody")?;
        }
        Ok(())
    }
}
