//! The organisations there are, looked up by number and moment.

use std::collections::{BTreeMap, BTreeSet};

use ingest_event::{OrganizationNumber, Timestamp};
use thiserror::Error;

use crate::succession::{Body, Fate, Successions};
use crate::{Channel, Organization, Responder, ResponderId, Sector};

/// Every organisation, and the CERT's own duty contact. No organisation number holds twice at one moment, and no
/// sensor watches two organisations.
#[derive(Clone, Debug)]
pub struct Registry {
    organizations: Vec<Organization>,
    by_number: BTreeMap<OrganizationNumber, Vec<usize>>,
    by_sector: BTreeMap<Sector, Vec<usize>>,
    successions: Successions,
    duty: Responder,
}

/// Who answers for an organisation number at a moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing<'a> {
    /// The organisation that has it.
    Holds(&'a Organization),
    /// It ended; this one has its place.
    Succeeded {
        /// Who it was.
        former: &'a Organization,
        /// Who it is now.
        by: &'a Organization,
    },
    /// It ended, and several have parts of it: a person says which.
    Split {
        /// Who it was, or became before it was split.
        of: &'a Body,
        /// Since when.
        on: Timestamp,
        /// Who may have it now, registered or not.
        into: Vec<&'a Body>,
        /// Those of them that are registered.
        candidates: Vec<&'a Organization>,
    },
    /// Nobody registered.
    Unknown,
}

/// Why organisations can't be taken together.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RegistryError {
    /// Two rows for one number hold at the same time.
    #[error(
        "organisation number {number} is given twice ({first} and {second}) for the same time: end one of them"
    )]
    NumberTwice {
        /// The number.
        number: OrganizationNumber,
        /// The name of the first.
        first: String,
        /// The name of the second.
        second: String,
    },
    /// A sensor with two organisations.
    #[error("sensor {sensor} is given to both {first} and {second}: remove it from one of them")]
    SensorTwice {
        /// The sensor.
        sensor: String,
        /// The name of the first.
        first: String,
        /// The name of the second.
        second: String,
    },
    /// Two bodies that answer for one sector at the same time.
    #[error("the sector {sector} is answered for by both {first} and {second}: remove it from one of them")]
    SectorTwice {
        /// The sector.
        sector: Sector,
        /// The name of the first.
        first: String,
        /// The name of the second.
        second: String,
    },
    /// A body that is a part of itself, by way of others.
    #[error("{} are parts of each other in a circle: give one of them another `parent`, or none", numbers.iter().map(OrganizationNumber::as_str).collect::<Vec<_>>().join(" → "))]
    ParentCircle {
        /// From one of them upwards until it comes again.
        numbers: Vec<OrganizationNumber>,
    },
}

impl Registry {
    /// Takes organisations together.
    ///
    /// # Errors
    /// If a number, a sensor or a sector is given twice, or bodies are parts of each other in a circle.
    pub fn new(organizations: Vec<Organization>, duty: Responder) -> Result<Self, RegistryError> {
        let mut by_number: BTreeMap<OrganizationNumber, Vec<usize>> = BTreeMap::new();
        let mut by_sector: BTreeMap<Sector, Vec<usize>> = BTreeMap::new();
        let mut sensors = BTreeMap::new();
        for (index, organization) in organizations.iter().enumerate() {
            let name = || organization.name("nb").to_owned();
            for sensor in &organization.sensors {
                if let Some(first) = sensors.insert(sensor.clone(), name()) {
                    let sensor = sensor.to_string();
                    return Err(RegistryError::SensorTwice {
                        sensor,
                        first,
                        second: name(),
                    });
                }
            }
            for sector in organization.sectors.iter().copied() {
                let those = by_sector.entry(sector).or_default();
                for earlier in those.iter().filter_map(|row| organizations.get(*row)) {
                    if overlap(earlier, organization) {
                        let first = earlier.name("nb").to_owned();
                        return Err(RegistryError::SectorTwice {
                            sector,
                            first,
                            second: name(),
                        });
                    }
                }
                those.push(index);
            }
            let Some(number) = organization.number else {
                continue;
            };
            let rows = by_number.entry(number).or_default();
            for earlier in rows.iter().filter_map(|row| organizations.get(*row)) {
                if overlap(earlier, organization) {
                    let first = earlier.name("nb").to_owned();
                    return Err(RegistryError::NumberTwice {
                        number,
                        first,
                        second: name(),
                    });
                }
            }
            rows.push(index);
        }
        if let Some(numbers) = circle(&organizations) {
            return Err(RegistryError::ParentCircle { numbers });
        }
        Ok(Self {
            organizations,
            by_number,
            by_sector,
            successions: Successions::default(),
            duty,
        })
    }

    /// The same, knowing what became of whom.
    #[must_use]
    pub fn with_successions(mut self, successions: Successions) -> Self {
        self.successions = successions;
        self
    }

    /// What became of whom.
    #[must_use]
    pub fn successions(&self) -> &Successions {
        &self.successions
    }

    /// Who answers for a number at a moment: itself, or after a merger who has its place.
    #[must_use]
    pub fn standing(&self, number: OrganizationNumber, at: Timestamp) -> Standing<'_> {
        if let Some(own) = self.find(number, at) {
            return Standing::Holds(own);
        }
        let ended = self.rows(number).filter(|row| !row.validity.begins_after(at));
        let Some(former) = ended.max_by_key(|row| row.validity.until) else {
            return Standing::Unknown;
        };
        let Some(municipality) = &former.municipality else {
            return Standing::Unknown;
        };
        match self.successions.fate(municipality, at) {
            Fate::Itself => Standing::Unknown,
            Fate::Became(body) => match self.of_municipality(&body.number, at) {
                Some(by) => Standing::Succeeded { former, by },
                None => Standing::Unknown,
            },
            Fate::Split { of, on, into } => {
                let candidates = into
                    .iter()
                    .filter_map(|body| self.of_municipality(&body.number, at))
                    .collect();
                Standing::Split {
                    of,
                    on,
                    into,
                    candidates,
                }
            }
        }
    }

    /// Who answers for a sector at a moment.
    #[must_use]
    pub fn of_sector(&self, sector: Sector, at: Timestamp) -> Option<&Organization> {
        let rows = self.by_sector.get(&sector).map_or(&[][..], Vec::as_slice);
        let mut bodies = rows.iter().filter_map(|row| self.organizations.get(*row));
        bodies.find(|organization| organization.validity.holds(at))
    }

    /// The organisation of a municipality number at a moment.
    #[must_use]
    pub fn of_municipality(&self, number: &str, at: Timestamp) -> Option<&Organization> {
        self.organizations.iter().find(|organization| {
            organization.municipality.as_deref() == Some(number) && organization.validity.holds(at)
        })
    }

    /// The organisations whose incidents are this one's now: itself, and those whose place it alone has.
    #[must_use]
    pub fn lineage(&self, number: OrganizationNumber, at: Timestamp) -> BTreeSet<OrganizationNumber> {
        let numbers = self.by_number.keys().copied();
        let is_its = |other: &OrganizationNumber| match self.standing(*other, at) {
            Standing::Succeeded { by, .. } => by.number == Some(number),
            Standing::Holds(_) | Standing::Split { .. } | Standing::Unknown => *other == number,
        };
        numbers.filter(is_its).chain([number]).collect()
    }

    /// The organisations that were or are called so, or have such a number, official or of the organisation, or are what such
    /// a one was or became: in lower case, as a part of it.
    #[must_use]
    pub fn called(&self, text: &str) -> BTreeSet<OrganizationNumber> {
        let text = text.to_lowercase();
        let fits = |name: &str| name.to_lowercase().contains(&text);
        let is_named = |organization: &&Organization| {
            let own = organization.names.values().map(String::as_str);
            let numbers = [organization.number.as_ref().map(OrganizationNumber::as_str)];
            let place = organization.municipality.as_deref().unwrap_or_default();
            let former = self.successions.former(place);
            let later = self.successions.later(place);
            let bodies = former.values().chain(later.values());
            let others = bodies.flat_map(|body| [body.name.as_str(), body.number.as_str()]);
            own.chain(numbers.into_iter().flatten())
                .chain(organization.municipality.as_deref())
                .chain(others)
                .any(fits)
        };
        let named = self.organizations.iter().filter(is_named);
        named.filter_map(|organization| organization.number).collect()
    }

    /// The organisation with a number at a moment.
    #[must_use]
    pub fn find(&self, number: OrganizationNumber, at: Timestamp) -> Option<&Organization> {
        self.rows(number)
            .find(|organization| organization.validity.holds(at))
    }

    /// The name to show for a number: that of the newest row.
    #[must_use]
    pub fn display_name(&self, number: OrganizationNumber, language: &str) -> Option<&str> {
        self.rows(number)
            .max_by_key(|row| row.validity.from)
            .map(|row| row.name(language))
    }

    /// All of them, in the order given.
    #[must_use]
    pub fn organizations(&self) -> &[Organization] {
        &self.organizations
    }

    /// Whether somebody is a contact of any organisation, now, and reached so.
    #[must_use]
    pub fn has_contact(&self, id: &ResponderId, channel: &Channel, at: Timestamp) -> bool {
        let contacts = self.organizations.iter().flat_map(|one| &one.responders);
        contacts
            .filter(|contact| contact.id == *id && contact.validity.holds(at))
            .any(|contact| contact.channels.contains(channel))
    }

    /// Who is told when nobody else is.
    #[must_use]
    pub fn duty(&self) -> &Responder {
        &self.duty
    }

    fn rows(&self, number: OrganizationNumber) -> impl Iterator<Item = &Organization> {
        let rows = self.by_number.get(&number).map_or(&[][..], Vec::as_slice);
        rows.iter().filter_map(|row| self.organizations.get(*row))
    }
}

fn overlap(a: &Organization, b: &Organization) -> bool {
    let starts_before_end = |a: &Organization, b: &Organization| match (a.validity.from, b.validity.until) {
        (Some(from), Some(until)) => from < until,
        (None, _) | (_, None) => true,
    };
    starts_before_end(a, b) && starts_before_end(b, a)
}

/// Bodies that are parts of each other in a circle, whenever they are. Each body is walked over once.
fn circle(organizations: &[Organization]) -> Option<Vec<OrganizationNumber>> {
    let mut above: BTreeMap<OrganizationNumber, Vec<OrganizationNumber>> = BTreeMap::new();
    for organization in organizations {
        if let (Some(number), Some(parent)) = (organization.number, organization.parent) {
            above.entry(number).or_default().push(parent);
        }
    }
    let mut done = BTreeSet::new();
    for start in above.keys().copied() {
        // A way from `start` upwards, with what is still to be tried at each place of it.
        let mut way = vec![start];
        let mut left = vec![above.get(&start).cloned().unwrap_or_default()];
        while let Some(next) = left.last_mut().map(Vec::pop) {
            match next {
                Some(parent) if way.contains(&parent) => {
                    let from = way.iter().position(|one| *one == parent).unwrap_or_default();
                    return Some(way.iter().skip(from).copied().chain([parent]).collect());
                }
                Some(parent) if done.contains(&parent) => {}
                Some(parent) => {
                    way.push(parent);
                    left.push(above.get(&parent).cloned().unwrap_or_default());
                }
                None => {
                    left.pop();
                    done.extend(way.pop());
                }
            }
        }
    }
    None
}
