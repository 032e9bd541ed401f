//! What a bundle's `configuration.yml` may say: a few keys that neither say what is read, nor what may leave, nor where it
//! goes (decision 0013). Any other key refuses the whole bundle.

use ingest_event::Marking;
use serde::Deserialize;

use crate::config::{self, CaptureSource};

/// The name of the file in a bundle.
pub const FILE: &str = "configuration.yml";

/// What the centre adds to a sensor's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overlay {
    /// Added to the site's own.
    pub home_networks: Vec<String>,
    /// Added to the site's own.
    pub home_domains: Vec<String>,
    /// Where the file says nothing; bytes.
    pub spool_bytes_max: Option<u64>,
    /// Where the file says nothing.
    pub canary_secs: Option<u64>,
    /// Where the file says nothing.
    pub marking: Option<Marking>,
    /// For every capture.
    pub capture: CaptureOverlay,
}

/// What the centre adds to captures, where the file says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CaptureOverlay {
    /// Silence after which a flow that is no TCP is over.
    pub flow_idle_secs: Option<u64>,
    /// Silence after which a TCP connection is over.
    pub flow_idle_tcp_secs: Option<u64>,
    /// Age at which a flow that goes on is told.
    pub flow_active_secs: Option<u64>,
    /// Flows kept at once.
    pub flows_max: Option<usize>,
}

impl Overlay {
    /// Reads one.
    ///
    /// # Errors
    /// Line, key and what is known instead, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(text).map_err(|error| config::said(&error))
    }
}

impl CaptureOverlay {
    pub(crate) fn fill(&self, capture: &mut CaptureSource) {
        capture.flow_idle_secs = capture.flow_idle_secs.or(self.flow_idle_secs);
        capture.flow_idle_tcp_secs = capture.flow_idle_tcp_secs.or(self.flow_idle_tcp_secs);
        capture.flow_active_secs = capture.flow_active_secs.or(self.flow_active_secs);
        capture.flows_max = capture.flows_max.or(self.flows_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_bundle_may_not_say_is_refused_by_name() {
        for (text, refused) in [
            ("home_networks: [10.9.0.0/16, \"2001:db8:9::/48\"]", None),
            ("marking: protected\ncapture: { flows_max: 1000 }", None),
            ("", None),
            ("# nothing\nspool_bytes_max: 5000000\ncanary_secs: 30", None),
            ("sources: []", Some("sources")),
            ("privacy: []", Some("privacy")),
            ("bus: { embedded: { directory: /tmp } }", Some("bus")),
            ("sensor: another", Some("sensor")),
            ("enrolment: varde1-x", Some("enrolment")),
            ("capture: { filter: port 1 }", Some("filter")),
            ("capture: { interface: eth9 }", Some("interface")),
        ] {
            match (Overlay::parse(text), refused) {
                (Ok(_), None) => {}
                (Err(told), Some(key)) => assert!(told.contains(&format!("`{key}`")), "{told}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }
}
