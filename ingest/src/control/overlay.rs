//! What a bundle's `configuration.yml` may say: a few keys that neither say what is read, nor what may leave, nor where it
//! goes (decision 0013). Any other key refuses the whole bundle.

use std::ops::RangeInclusive;

use ingest_event::Marking;
use ingest_trust::signing::VerifyingKey;
use serde::Deserialize;

use crate::config::{self, CaptureSource};

/// The name of the file in a bundle.
pub const FILE: &str = "configuration.yml";

/// The smallest spool: some minutes of a busy sensor.
const SPOOL_BYTES_MIN: u64 = 64 << 20;

/// A canary at least this often, as the centre misses a sensor by it, and no more often than costs nothing.
const CANARY_SECS: RangeInclusive<u64> = 5..=300;

/// Shorter ones cut flows to pieces; longer ones keep what is over.
const FLOW_IDLE_SECS: RangeInclusive<u64> = 5..=3_600;
const FLOW_IDLE_TCP_SECS: RangeInclusive<u64> = 30..=24 * 3_600;

/// What goes on is told within a day.
const FLOW_ACTIVE_SECS: RangeInclusive<u64> = 60..=24 * 3_600;

/// With what each keeps of its packets, the most is some hundred MiB.
const FLOWS_MAX: RangeInclusive<u64> = 1_000..=1 << 20;

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
    /// Whose questions about pseudonyms are believed, where the file says nothing.
    pub reveal_keys: Vec<VerifyingKey>,
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
        let overlay: Self = serde_saphyr::from_str(text).map_err(|error| config::said(&error))?;
        overlay.is_within_bounds()?;
        Ok(overlay)
    }

    /// Whether what it says of the spool suits a disk: what is `held` in it stays, and no more is promised than is
    /// `free`; bytes.
    ///
    /// # Errors
    /// Why not, for people.
    pub fn suits(&self, held: u64, free: u64) -> Result<(), String> {
        let Some(bytes) = self.spool_bytes_max else {
            return Ok(());
        };
        if (held..=held.saturating_add(free)).contains(&bytes) {
            return Ok(());
        }
        Err(format!(
            "`spool_bytes_max` is {bytes}; {held} bytes are in the spool, and the disk has {free} more"
        ))
    }

    /// A number that a person mistyped at the centre must not end what every sensor sees.
    fn is_within_bounds(&self) -> Result<(), String> {
        let capture = &self.capture;
        let flows_max = capture.flows_max.map(|flows| flows as u64);
        for (key, said, bounds) in [
            (
                "spool_bytes_max",
                self.spool_bytes_max,
                SPOOL_BYTES_MIN..=u64::MAX,
            ),
            ("canary_secs", self.canary_secs, CANARY_SECS),
            ("flow_idle_secs", capture.flow_idle_secs, FLOW_IDLE_SECS),
            (
                "flow_idle_tcp_secs",
                capture.flow_idle_tcp_secs,
                FLOW_IDLE_TCP_SECS,
            ),
            ("flow_active_secs", capture.flow_active_secs, FLOW_ACTIVE_SECS),
            ("flows_max", flows_max, FLOWS_MAX),
        ] {
            if let Some(said) = said
                && !bounds.contains(&said)
            {
                let (least, most) = bounds.into_inner();
                return Err(format!("`{key}` is {said}; a bundle may say {least} to {most}"));
            }
        }
        Ok(())
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
            ("# nothing\nspool_bytes_max: 67108864\ncanary_secs: 30", None),
            ("spool_bytes_max: 67108863", Some("spool_bytes_max")),
            ("canary_secs: 0", Some("canary_secs")),
            ("canary_secs: 301", Some("canary_secs")),
            ("capture: { flow_idle_secs: 0 }", Some("flow_idle_secs")),
            ("capture: { flow_idle_tcp_secs: 29 }", Some("flow_idle_tcp_secs")),
            ("capture: { flow_active_secs: 86401 }", Some("flow_active_secs")),
            ("capture: { flows_max: 1 }", Some("flows_max")),
            ("capture: { flows_max: 1048577 }", Some("flows_max")),
            ("reveal: { policy: never }", Some("reveal")),
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

    #[test]
    fn a_spool_holds_what_it_has_and_fits_the_disk() {
        let (held, free) = (100 << 20, 50 << 20);
        for (text, suits) in [
            ("", true),
            ("spool_bytes_max: 104857600", true),
            ("spool_bytes_max: 104857599", false),
            ("spool_bytes_max: 157286400", true),
            ("spool_bytes_max: 157286401", false),
        ] {
            let overlay = Overlay::parse(text).expect("reads");
            assert_eq!(overlay.suits(held, free).is_ok(), suits, "{text}");
        }
    }
}
