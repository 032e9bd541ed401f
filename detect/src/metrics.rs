//! What the detector counts. Names are an interface; meanings are in `docs/operating.md`.
//!
//! No organisation, address or rule is ever a label: labels are bounded by lists in the code.

use ingest_event::QuarantineReason;
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// Counters of one detector.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Events scanned.
    pub events_scanned: IntCounter,
    /// Events put aside, by reason.
    pub events_quarantined: IntCounterVec,
    /// Events passed over since their effects are in the checkpoint already.
    pub events_repeated: IntCounter,
    /// Alerts published, by what produced them.
    pub alerts_published: IntCounterVec,
    /// Publishes and polls that had to be tried again.
    pub bus_retries: IntCounter,
    /// Records that the bus refused for good.
    pub records_refused: IntCounter,
    /// Checkpoints published.
    pub checkpoints_published: IntCounter,
    /// Checkpoints that did not fit in a record and were not written.
    pub checkpoints_too_large: IntCounter,
    /// Rules, correlations and indicators in the loaded ruleset.
    pub ruleset_size: prometheus::IntGaugeVec,
    /// Time of the last canary, seconds since 1970.
    pub canary_seconds: IntGauge,
    /// Seconds to scan and correlate one batch.
    pub batch_seconds: Histogram,
}

impl Metrics {
    /// Registers all of them, at zero.
    ///
    /// # Errors
    /// Only if two have the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let labelled = |name: &str, help: &str, label: &str| -> Result<IntCounterVec, prometheus::Error> {
            let vector = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(vector.clone()))?;
            Ok(vector)
        };
        let metrics = Self {
            events_scanned: counter("detect_events_scanned_total", "Events scanned.")?,
            events_quarantined: labelled(
                "detect_events_quarantined_total",
                "Events put aside in varde.quarantine, by reason.",
                "reason",
            )?,
            events_repeated: counter(
                "detect_events_repeated_total",
                "Events passed over because the checkpoint already holds their effects.",
            )?,
            alerts_published: labelled(
                "detect_alerts_published_total",
                "Alerts published, by what produced them.",
                "produced_by",
            )?,
            bus_retries: counter(
                "detect_bus_retries_total",
                "Publishes and polls that had to be tried again.",
            )?,
            checkpoints_published: counter("detect_checkpoints_published_total", "Checkpoints published.")?,
            records_refused: counter(
                "detect_records_refused_total",
                "Alerts and quarantine records that the bus refused for good; each is told in the log.",
            )?,
            checkpoints_too_large: counter(
                "detect_checkpoints_too_large_total",
                "Checkpoints that did not fit in a record; the last one that did still holds.",
            )?,
            ruleset_size: {
                let vector = prometheus::IntGaugeVec::new(
                    Opts::new(
                        "detect_ruleset_size",
                        "Rules, correlations and indicators loaded.",
                    ),
                    &["kind"],
                )?;
                registry.register(Box::new(vector.clone()))?;
                vector
            },
            canary_seconds: {
                let gauge = IntGauge::new(
                    "detect_canary_timestamp_seconds",
                    "When the last canary was published as an alert, seconds since 1970.",
                )?;
                registry.register(Box::new(gauge.clone()))?;
                gauge
            },
            batch_seconds: {
                let histogram = Histogram::with_opts(
                    HistogramOpts::new("detect_batch_seconds", "Seconds to scan and correlate one batch.")
                        .buckets(prometheus::exponential_buckets(0.000_5, 2.0, 14)?),
                )?;
                registry.register(Box::new(histogram.clone()))?;
                histogram
            },
            registry,
        };
        for reason in QuarantineReason::ALL {
            metrics
                .events_quarantined
                .with_label_values(&[reason.as_str()])
                .inc_by(0);
        }
        for kind in detect_alert::ProducerKind::ALL {
            metrics
                .alerts_published
                .with_label_values(&[kind.as_str()])
                .inc_by(0);
        }
        Ok(metrics)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_there_from_the_start() {
        let text = Metrics::new().expect("registered").text();
        for reason in QuarantineReason::ALL {
            assert!(text.contains(&format!(r#"reason="{reason}""#)), "{reason}");
        }
    }
}
