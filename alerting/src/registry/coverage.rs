//! Who would receive nothing: for each body and severity who would be told, and what makes that unsure.

use std::collections::{BTreeMap, BTreeSet};

use alerting_incident::{Organization, Question, Responder, route};
use detect_alert::Severity;
use ingest_event::{SensorId, Timestamp, Zone};
use serde::Serialize;
use utoipa::ToSchema;

use super::question::{Contact, answers};
use super::{Loaded, mail_keys};
use crate::api::openapi::codes;

/// Days within which a contact that ends is told of: time to find the next.
pub const SOON_DAYS: u64 = 30;

/// What is told of all bodies.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Coverage {
    /// As of when.
    #[schema(value_type = codes::Time)]
    pub at: String,
    /// The bodies that hold now: those whose gravest alerts would reach only the duty contact first.
    pub organizations: Vec<Body>,
    /// Contacts that end within [`SOON_DAYS`] days.
    pub ending: Vec<Ending>,
    /// Contacts' certificates and keys for mail that can't be used, or end within [`SOON_DAYS`] days.
    pub keys: Vec<KeyTrouble>,
    /// Contacts to whom deliveries were given up lately.
    pub failing: Vec<Failing>,
    /// Contacts whose address is switched off, as mail to it came back.
    pub switched_off: Vec<SwitchedOff>,
    /// Contacts that were asked whether they are still right, and said no or nothing.
    pub unconfirmed: Vec<Unconfirmed>,
    /// Bodies that a sensor watches, and that have no contact of their own.
    pub watched_without_contact: Vec<Named>,
    /// Bodies without an organisation number: no alert can name them.
    pub unnumbered: Vec<Named>,
}

/// A body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BodyName)]
pub struct Named {
    /// Its number.
    pub number: String,
    /// Its name.
    pub name: String,
}

/// What would be told of one body's alerts.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CoveredBody)]
pub struct Body {
    /// Which.
    #[serde(flatten)]
    pub body: Named,
    /// The gravest severity that would reach only the duty contact; none if every one reaches somebody else.
    #[schema(value_type = Option<codes::Severity>)]
    pub duty_only: Option<&'static str>,
    /// For each severity who would be told, the gravest first; zones that differ apart.
    pub levels: Vec<Level>,
}

/// Who would be told of one severity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CoveredSeverity)]
pub struct Level {
    /// How grave.
    #[schema(value_type = codes::Severity)]
    pub severity: &'static str,
    /// In which zones; empty for all.
    #[schema(value_type = Vec<codes::Zone>)]
    pub zones: Vec<&'static str>,
    /// Who answers: own, operator, parent, sector, duty, nobody.
    #[schema(value_type = codes::Answers)]
    pub by: &'static str,
    /// Who is told, in their turns.
    pub told: Vec<Contact>,
}

/// A contact that ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = EndingContact)]
pub struct Ending {
    /// Whose.
    #[serde(flatten)]
    pub body: Named,
    /// Its name.
    pub contact: String,
    /// The first moment without it.
    #[schema(value_type = codes::Time)]
    pub until: String,
}

/// A certificate or a key for mail that needs somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyTrouble {
    /// Whose; none for the CERT's own contact.
    #[serde(flatten)]
    pub body: Option<Named>,
    /// The contact.
    pub contact: String,
    /// `certificate` or `pgp_key`.
    pub key: &'static str,
    /// Why it can't be used now; none if it can.
    pub flaw: Option<String>,
    /// When it ends, if it does.
    pub until: Option<String>,
}

/// A contact that is not reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FailingContact)]
pub struct Failing {
    /// Whose; none if the contact is registered no more.
    #[serde(flatten)]
    pub body: Option<Named>,
    /// Its name.
    pub contact: String,
    /// The kind of channel.
    pub channel: String,
    /// Deliveries that were given up.
    pub failed: i64,
    /// When the last of them was decided.
    #[schema(value_type = codes::Time)]
    pub last: String,
}

/// A contact that mail does not reach any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SwitchedOff {
    /// Whose; none if nobody has the address any more.
    #[serde(flatten)]
    pub body: Option<Named>,
    /// Its name.
    pub contact: String,
    /// Since when.
    pub since: String,
    /// How often mail came back.
    pub bounces: i64,
}

/// A contact that has not said that it is still right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Unconfirmed {
    /// Whose.
    #[serde(flatten)]
    pub body: Named,
    /// Its name.
    pub contact: String,
    /// When it was asked.
    pub asked: String,
    /// `not_me`, or `none`.
    pub answer: String,
}

/// Deliveries by one channel that were given up: the responder's id, channel, number, the last.
pub type GivenUp = (String, String, i64, Timestamp);

/// Asks for every body.
#[must_use]
pub fn coverage(loaded: &Loaded, given_up: &[GivenUp], now: Timestamp) -> Coverage {
    let registry = loaded.routes.registry();
    let holding: Vec<&Organization> = registry
        .organizations()
        .iter()
        .filter(|body| body.validity.holds(now))
        .collect();
    let mut organizations: Vec<(Option<Severity>, Body)> = holding
        .iter()
        .filter_map(|body| of_body(loaded, body, now))
        .collect();
    organizations.sort_by(|(one, a), (other, b)| {
        (other, &a.body.name, &a.body.number).cmp(&(one, &b.body.name, &b.body.number))
    });
    let soon = now.saturating_add(std::time::Duration::from_hours(24 * SOON_DAYS));
    let mut ending = Vec::new();
    let mut watched = Vec::new();
    let mut keys = keys_of(None, registry.duty(), now, soon);
    let mut names = BTreeMap::new();
    for body in &holding {
        for contact in &body.responders {
            names.insert(contact.id.as_str(), (named(body), contact.name.clone()));
            keys.extend(keys_of(Some(named(body)), contact, now, soon));
            if let Some(until) = contact
                .validity
                .until
                .filter(|until| now < *until && *until <= soon)
            {
                ending.push((until, named(body), contact.name.clone()));
            }
        }
        let has_contact = body.responders.iter().any(|contact| contact.validity.holds(now));
        if !body.sensors.is_empty() && !has_contact {
            watched.push(named(body));
        }
    }
    ending.sort_by(|one, other| (one.0, &one.1.name, &one.2).cmp(&(other.0, &other.1.name, &other.2)));
    let failing = given_up.iter().map(|(responder, channel, failed, last)| {
        let known = names.get(responder.as_str()).cloned();
        let is_duty = registry.duty().id.as_str() == responder;
        let (body, contact) = match known {
            Some((body, contact)) => (Some(body), contact),
            None if is_duty => (None, registry.duty().name.clone()),
            None => (None, "registered no more".to_owned()),
        };
        Failing {
            body,
            contact,
            channel: channel.clone(),
            failed: *failed,
            last: last.to_string(),
        }
    });
    Coverage {
        at: now.to_string(),
        failing: failing.collect(),
        keys,
        switched_off: vec![],
        unconfirmed: vec![],
        organizations: organizations.into_iter().map(|(_, body)| body).collect(),
        ending: ending
            .into_iter()
            .map(|(until, body, contact)| Ending {
                body,
                contact,
                until: until.to_string(),
            })
            .collect(),
        watched_without_contact: watched,
        unnumbered: holding
            .iter()
            .filter(|body| body.number.is_none())
            .map(|body| named(body))
            .collect(),
    }
}

fn of_body(loaded: &Loaded, body: &Organization, now: Timestamp) -> Option<(Option<Severity>, Body)> {
    let number = body.number?;
    let mut levels = Vec::new();
    let mut duty_only = None;
    for severity in Severity::ALL.into_iter().rev() {
        let mut ways: Vec<(Vec<&'static str>, &'static str, Vec<Contact>)> = Vec::new();
        for zone in Zone::ALL {
            let question = Question {
                organization: number,
                sensor: no_sensor()?,
                addresses: BTreeSet::new(),
                domains: BTreeSet::new(),
                systems: BTreeSet::new(),
                zone: *zone,
                severity,
                at: now,
            };
            let route = route(&loaded.routes, &question);
            let mut told: Vec<Contact> = route.responders.iter().map(Contact::of).collect();
            told.sort_by(|one, other| (one.turn, &one.name).cmp(&(other.turn, &other.name)));
            let by = answers(&route);
            if by == "duty" {
                duty_only = duty_only.max(Some(severity));
            }
            match ways
                .iter_mut()
                .find(|(_, other, who)| *other == by && *who == told)
            {
                Some((zones, ..)) => zones.push(zone.as_str()),
                None => ways.push((vec![zone.as_str()], by, told)),
            }
        }
        let is_one = ways.len() == 1;
        levels.extend(ways.into_iter().map(|(zones, by, told)| Level {
            severity: severity.as_str(),
            zones: if is_one { vec![] } else { zones },
            by,
            told,
        }));
    }
    let body = Body {
        body: named(body),
        duty_only: duty_only.map(Severity::as_str),
        levels,
    };
    Some((duty_only, body))
}

/// What is the matter with a contact's keys for mail.
fn keys_of(body: Option<Named>, contact: &Responder, now: Timestamp, soon: Timestamp) -> Vec<KeyTrouble> {
    let flaws = mail_keys::flaws(&contact.keys, mail_keys::email(contact), now);
    let ends = mail_keys::ends(&contact.keys, now);
    let trouble = |key: &'static str| {
        let flaw = flaws
            .iter()
            .find(|(of, _)| *of == key)
            .map(|(_, flaw)| flaw.to_string());
        let until = ends.iter().find(|(of, _)| *of == key).map(|(_, until)| *until);
        let is_told = flaw.is_some() || until.is_some_and(|until| until <= soon);
        is_told.then(|| KeyTrouble {
            body: body.clone(),
            contact: contact.name.clone(),
            key,
            flaw,
            until: until.map(|until| until.to_string()),
        })
    };
    ["certificate", "pgp_key"]
        .into_iter()
        .filter_map(trouble)
        .collect()
}

/// The name of a sensor that nobody has.
fn no_sensor() -> Option<SensorId> {
    SensorId::parse("-").ok()
}

pub(super) fn named(body: &Organization) -> Named {
    Named {
        number: body.number.map(|number| number.to_string()).unwrap_or_default(),
        name: body.name("nb").to_owned(),
    }
}

impl std::fmt::Display for Coverage {
    /// As a person reads it: what is missing first.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bare: Vec<&Body> = self
            .organizations
            .iter()
            .filter(|body| body.duty_only.is_some())
            .collect();
        writeln!(f, "Who would receive nothing, as of {}", self.at)?;
        writeln!(
            f,
            "\n{} of {} bodies have alerts that only the duty contact would get:",
            bare.len(),
            self.organizations.len()
        )?;
        for body in &bare {
            writeln!(
                f,
                "  {} {}: up to {}",
                body.body.number,
                body.body.name,
                body.duty_only.unwrap_or_default()
            )?;
        }
        writeln!(
            f,
            "\nWatched by a sensor, without a contact: {}",
            self.watched_without_contact.len()
        )?;
        for body in &self.watched_without_contact {
            writeln!(f, "  {} {}", body.number, body.name)?;
        }
        let unnumbered = self.unnumbered.len();
        writeln!(
            f,
            "\nWithout an organisation number, so that no alert can name them: {unnumbered}"
        )?;
        for body in &self.unnumbered {
            writeln!(f, "  {}", body.name)?;
        }
        writeln!(
            f,
            "\nContacts that end within {SOON_DAYS} days: {}",
            self.ending.len()
        )?;
        for one in &self.ending {
            writeln!(
                f,
                "  {} {}: {} until {}",
                one.body.number, one.body.name, one.contact, one.until
            )?;
        }
        writeln!(
            f,
            "\nCertificates and keys for mail that can't be used, or end within {SOON_DAYS} days: {}",
            self.keys.len()
        )?;
        for one in &self.keys {
            let whose = one.body.as_ref().map_or("the CERT", |body| body.name.as_str());
            let until = one
                .until
                .as_deref()
                .map_or(String::new(), |until| format!("until {until}"));
            let flaw = one.flaw.as_deref().unwrap_or(&until);
            writeln!(f, "  {whose}, {}: {}: {flaw}", one.contact, one.key)?;
        }
        writeln!(
            f,
            "\nContacts to whom deliveries were given up lately: {}",
            self.failing.len()
        )?;
        for one in &self.failing {
            let whose = one.body.as_ref().map_or("", |body| body.name.as_str());
            writeln!(
                f,
                "  {whose} {}: {} by {}, last {}",
                one.contact, one.failed, one.channel, one.last
            )?;
        }
        writeln!(
            f,
            "\nContacts whose address is switched off: {}",
            self.switched_off.len()
        )?;
        for one in &self.switched_off {
            let whose = one.body.as_ref().map_or("", |body| body.name.as_str());
            writeln!(
                f,
                "  {whose} {}: since {}, came back {} times",
                one.contact, one.since, one.bounces
            )?;
        }
        writeln!(
            f,
            "\nContacts that have not said that they are still right: {}",
            self.unconfirmed.len()
        )?;
        for one in &self.unconfirmed {
            writeln!(
                f,
                "  {} {}: asked {}, {}",
                one.body.name, one.contact, one.asked, one.answer
            )?;
        }
        writeln!(f, "\nWho is told:")?;
        for body in &self.organizations {
            writeln!(f, "  {} {}", body.body.number, body.body.name)?;
            for level in &body.levels {
                let zones = if level.zones.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", level.zones.join(", "))
                };
                let told: Vec<String> = level
                    .told
                    .iter()
                    .map(|contact| format!("{}. {}", contact.turn, contact.name))
                    .collect();
                writeln!(
                    f,
                    "    {}{zones}: {}: {}",
                    level.severity,
                    level.by,
                    told.join(", ")
                )?;
            }
        }
        Ok(())
    }
}
