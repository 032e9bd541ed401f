//! The organisations there are, looked up by number and moment.

use std::collections::BTreeMap;

use ingest_event::{OrganizationNumber, Timestamp};
use thiserror::Error;

use crate::{Organization, Responder};

/// Every organisation, and the CERT's own duty contact. No organisation number holds twice at one moment, and no
/// sensor watches two organisations.
#[derive(Clone, Debug)]
pub struct Registry {
    organizations: Vec<Organization>,
    by_number: BTreeMap<OrganizationNumber, Vec<usize>>,
    duty: Responder,
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
}

impl Registry {
    /// Takes organisations together.
    ///
    /// # Errors
    /// If a number or a sensor is given twice.
    pub fn new(organizations: Vec<Organization>, duty: Responder) -> Result<Self, RegistryError> {
        let mut by_number: BTreeMap<OrganizationNumber, Vec<usize>> = BTreeMap::new();
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
        Ok(Self {
            organizations,
            by_number,
            duty,
        })
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
