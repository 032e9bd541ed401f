//! The names of topics: part of the interface, never changed in place.

use crate::OrganizationNumber;

/// Every event topic starts with this; the organisation number follows (D3).
pub const EVENTS_PREFIX: &str = "varde.events.";

/// What could not be read or is not believed, with its reason; one record each ([`crate::QuarantineRecord`]). The
/// organisation number follows ([`quarantine`]); the name alone is for what belongs to no organisation.
pub const QUARANTINE: &str = "varde.quarantine";

/// What has to be held together with events of other partitions, keyed so that a group's come together (D7).
pub const SIGNALS: &str = "varde.signals";

/// State of the correlate stage by event partition and partition of the signals, compacted.
pub const CHECKPOINTS: &str = "varde.checkpoints";

/// Who is who among sensors: codes, requests, decisions, status; compacted (decision 0013).
pub const SENSORS: &str = "varde.sensors";

/// Signed bundles for sensors and the parts of their files; compacted (decision 0013).
pub const CONTROL: &str = "varde.control";

/// Signed questions of the CERT to sites, what a pseudonym stands for; compacted (decision 0022).
pub const REVEALS: &str = "varde.reveals";

/// Every topic of answers starts with this; the organisation number follows (decision 0022).
pub const REVEALED_PREFIX: &str = "varde.revealed.";

/// The events of one organisation: the only topic its sensors may write to.
#[must_use]
pub fn events(organization: OrganizationNumber) -> String {
    format!("{EVENTS_PREFIX}{organization}")
}

/// What was put aside of one organisation: nobody sees another's.
#[must_use]
pub fn quarantine(organization: OrganizationNumber) -> String {
    format!("{QUARANTINE}.{organization}")
}

/// What one organisation's sensors answered to the CERT.
#[must_use]
pub fn revealed(organization: OrganizationNumber) -> String {
    format!("{REVEALED_PREFIX}{organization}")
}

/// The organisation whose answers a topic holds; `None` for any other topic.
#[must_use]
pub fn revealed_by(topic: &str) -> Option<OrganizationNumber> {
    OrganizationNumber::parse(topic.strip_prefix(REVEALED_PREFIX)?).ok()
}

/// The organisation whose events a topic holds; `None` for any other topic.
#[must_use]
pub fn organization(topic: &str) -> Option<OrganizationNumber> {
    OrganizationNumber::parse(topic.strip_prefix(EVENTS_PREFIX)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_names_its_organization() {
        let oslo = OrganizationNumber::parse("958935420").expect("valid");
        assert_eq!(organization(&events(oslo)), Some(oslo));
        assert_eq!(organization("varde.events.123456789"), None);
        assert_eq!(organization(QUARANTINE), None);
        assert_eq!(organization(&quarantine(oslo)), None);
        assert_eq!(quarantine(oslo), "varde.quarantine.958935420");
        assert_eq!(revealed_by(&revealed(oslo)), Some(oslo));
        assert_eq!(revealed_by(&events(oslo)), None);
        assert_eq!(revealed_by(REVEALS), None);
    }
}
