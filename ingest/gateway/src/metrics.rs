//! What the gateway counts. Names are an interface.
//!
//! | name | meaning |
//! |---|---|
//! | `ingest_gateway_records_total{stream}` | records that are durable on the bus |
//! | `ingest_gateway_record_bytes_total` | bytes of them |
//! | `ingest_gateway_refused_total{reason}` | requests that were refused |
//! | `ingest_gateway_handshakes_refused_total{reason}` | connections that did not come about |
//! | `ingest_gateway_certificates_issued_total` | certificates issued |
//! | `ingest_gateway_unreadable_total{of}` | records of `varde.sensors`, `varde.control` and `varde.reveals` that are not what they should be |
//! | `ingest_gateway_connections` | connections that stand |
//! | `ingest_gateway_bytes_in_flight` | bytes of records under way |
//! | `ingest_gateway_sensors_waiting` | requests that wait for a person |
//! | `ingest_gateway_registry_read_timestamp_seconds` | when who is who was last looked at, seconds since 1970 |
//!
//! No organisation, sensor or address is ever a label: labels are bounded by lists in the code.

use ingest_trust::wire::Reason;
use prometheus::{Encoder, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

/// Reasons of [`Metrics::handshakes_refused`].
pub const HANDSHAKES: [&str; 6] = ["certificate", "protocol", "timeout", "source", "sensor", "full"];

/// What can be unreadable.
pub const UNREADABLE: [&str; 4] = ["sensors", "bundle", "part", "reveal"];

/// Counters of one service.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Records on the bus.
    pub records: IntCounterVec,
    /// Their bytes.
    pub record_bytes: IntCounter,
    /// Requests refused.
    pub refused: IntCounterVec,
    /// Connections that did not come about.
    pub handshakes_refused: IntCounterVec,
    /// Certificates issued.
    pub certificates_issued: IntCounter,
    /// Records of the gateway's own topics that can't be read.
    pub unreadable: IntCounterVec,
    /// Connections now.
    pub connections: IntGauge,
    /// Bytes under way now.
    pub bytes_in_flight: IntGauge,
    /// Requests that wait now.
    pub sensors_waiting: IntGauge,
    /// When the registry was read.
    pub registry_read: IntGauge,
}

impl Metrics {
    /// Registers all of them, at zero.
    ///
    /// # Errors
    /// Only if two have the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let labelled = |name: &str, help: &str, label: &str, values: &[&str]| {
            let vector = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(vector.clone()))?;
            for value in values {
                vector.with_label_values(&[value]).inc_by(0);
            }
            Ok::<_, prometheus::Error>(vector)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let reasons = REASONS.map(word);
        Ok(Self {
            records: labelled(
                "ingest_gateway_records_total",
                "Records that are durable on the bus.",
                "stream",
                &["events", "quarantine", "reveals"],
            )?,
            record_bytes: counter(
                "ingest_gateway_record_bytes_total",
                "Bytes of records on the bus.",
            )?,
            refused: labelled(
                "ingest_gateway_refused_total",
                "Requests that were refused.",
                "reason",
                &reasons,
            )?,
            handshakes_refused: labelled(
                "ingest_gateway_handshakes_refused_total",
                "Connections that did not come about.",
                "reason",
                &HANDSHAKES,
            )?,
            certificates_issued: counter("ingest_gateway_certificates_issued_total", "Certificates issued.")?,
            unreadable: labelled(
                "ingest_gateway_unreadable_total",
                "Records of the gateway's own topics that are not what they should be.",
                "of",
                &UNREADABLE,
            )?,
            connections: gauge("ingest_gateway_connections", "Connections that stand.")?,
            bytes_in_flight: gauge("ingest_gateway_bytes_in_flight", "Bytes of records under way.")?,
            sensors_waiting: gauge(
                "ingest_gateway_sensors_waiting",
                "Requests that wait for a person.",
            )?,
            registry_read: gauge(
                "ingest_gateway_registry_read_timestamp_seconds",
                "When who is who was last looked at, seconds since 1970.",
            )?,
            registry,
        })
    }

    /// Counts a refused request.
    pub fn refuse(&self, reason: Reason) {
        self.refused.with_label_values(&[word(reason)]).inc();
    }

    /// Counts a connection that did not come about.
    pub fn turn_away(&self, reason: &'static str) {
        self.handshakes_refused.with_label_values(&[reason]).inc();
    }

    /// The text exposition format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        // Writing to a Vec does not fail.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }
}

/// All reasons.
pub const REASONS: [Reason; 10] = [
    Reason::Code,
    Reason::Request,
    Reason::Denied,
    Reason::Revoked,
    Reason::Certificate,
    Reason::Forbidden,
    Reason::TooLarge,
    Reason::Body,
    Reason::Busy,
    Reason::Away,
];

/// A reason as it is written.
#[must_use]
pub const fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Code => "code",
        Reason::Request => "request",
        Reason::Denied => "denied",
        Reason::Revoked => "revoked",
        Reason::Certificate => "certificate",
        Reason::Forbidden => "forbidden",
        Reason::TooLarge => "too_large",
        Reason::Body => "body",
        Reason::Busy => "busy",
        Reason::Away => "away",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_at_the_top_names_every_metric() {
        let source = include_str!("metrics.rs");
        let table: String = source
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        for family in Metrics::new().expect("registered").registry.gather() {
            assert!(
                table.contains(&format!("`{}", family.name())),
                "{}",
                family.name()
            );
        }
    }

    #[test]
    fn a_reason_is_counted_as_it_is_written() {
        for reason in REASONS {
            let written = serde_json::to_value(reason).expect("JSON");
            assert_eq!(written.as_str(), Some(word(reason)));
        }
    }
}
