//! One observation.

use crate::{EventId, Fields, Marking, OrganizationNumber, Purpose, SensorId, Timestamp, Zone};

/// One observation by one sensor, with everything that decides where it may go (D4).
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its id, for good.
    pub id: EventId,
    /// The sensor that saw it.
    pub sensor: SensorId,
    /// Whose network it is.
    pub organization: OrganizationNumber,
    /// The sensor's running number, from 1 without gaps; 0 for shippers that do not count.
    pub sequence: u64,
    /// When it happened.
    pub timestamp: Timestamp,
    /// When the sensor read it (`event.created`).
    pub observed: Timestamp,
    /// Which kind of event, for example `network.flow`.
    pub dataset: String,
    /// In which part of the network.
    pub zone: Zone,
    /// How the record is protected.
    pub marking: Marking,
    /// What it was collected for.
    pub purpose: Purpose,
    /// Whether it belongs to an exercise.
    pub exercise: bool,
    /// What was seen, by ECS name. Never an envelope name.
    pub fields: Fields,
}
