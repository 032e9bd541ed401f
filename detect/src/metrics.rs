//! What the detector counts. Names are an interface; meanings are in `docs/operating.md`.
//!
//! No organisation, address or rule is ever a label: labels are bounded by lists in the code, and by the names of warning
//! lists in the operator's own files.

use detect_engine::{CorrelatorStats, Rejections, Stage};
use detect_rules::Code;
use ingest_event::{QuarantineReason, Timestamp};
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::load::Loaded;

/// What looking at changed files comes to.
const RESULTS: [&str; 3] = ["taken", "same", "refused"];

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
    /// Indicators that events name and that are no matches, by reason and warning list.
    pub indicators_rejected: IntCounterVec,
    /// Publishes and polls that had to be tried again.
    pub bus_retries: IntCounter,
    /// Records that the bus refused for good.
    pub records_refused: IntCounter,
    /// Checkpoints published.
    pub checkpoints_published: IntCounter,
    /// Bytes of checkpoints, compressed.
    pub checkpoint_bytes: IntCounter,
    /// Seconds that the loop took to write checkpoints.
    pub checkpoint_seconds: Histogram,
    /// Bytes of records of signals.
    pub signal_bytes: IntCounter,
    /// Signals that were taken.
    pub signals_received: IntCounter,
    /// Records of signals that were passed over, by reason.
    pub signals_refused: IntCounterVec,
    /// Groups that are held, by stage.
    pub groups: IntGaugeVec,
    /// Observations that wait for their turn, by stage.
    pub observations_waiting: IntGaugeVec,
    /// Groups that were put out because there were too many, by stage.
    pub groups_evicted: IntCounterVec,
    /// Groups that were let go since their organisation's events are in several partitions now.
    pub groups_dropped: IntCounter,
    /// First observations of a group to be that were forgotten since too many others came, by stage.
    pub knocks_lost: IntCounterVec,
    /// Observations that were not simply counted, by stage and what became of them.
    pub observations_odd: IntCounterVec,
    /// Rules, correlations and indicators in the ruleset in use.
    pub ruleset_size: IntGaugeVec,
    /// Rules and indicators that were left out of it, by what they are.
    pub ruleset_refused: IntGaugeVec,
    /// 1 for the version in use; no other version is there.
    pub ruleset_info: IntGaugeVec,
    /// When it was taken, seconds since 1970.
    pub ruleset_seconds: IntGauge,
    /// 1 if the files are in use as they are, 0 if the last change was refused.
    pub ruleset_current: IntGauge,
    /// Changes of the files, by what became of them.
    pub reloads: IntCounterVec,
    /// Starts with a cache of rules, by what became of it.
    pub cache_reads: IntCounterVec,
    /// Caches of rules that were to be written.
    pub cache_writes: IntCounterVec,
    /// Seconds from a change that was noticed to a ruleset or a refusal.
    pub reload_seconds: Histogram,
    /// Seconds that the loop took to change to another ruleset.
    pub swap_seconds: Histogram,
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
        let labelled =
            |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
                let vector = IntCounterVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(vector.clone()))?;
                Ok(vector)
            };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let gauges = |name: &str, help: &str, label: &str| -> Result<IntGaugeVec, prometheus::Error> {
            let vector = IntGaugeVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(vector.clone()))?;
            Ok(vector)
        };
        // Doubling from `first` seconds.
        let histogram = |name: &str, help: &str, first: f64| -> Result<Histogram, prometheus::Error> {
            let buckets = prometheus::exponential_buckets(first, 2.0, 14)?;
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
            registry.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        let metrics = Self {
            events_scanned: counter("detect_events_scanned_total", "Events scanned.")?,
            events_quarantined: labelled(
                "detect_events_quarantined_total",
                "Events put aside in varde.quarantine, by reason.",
                &["reason"],
            )?,
            events_repeated: counter(
                "detect_events_repeated_total",
                "Events passed over because the checkpoint already holds their effects.",
            )?,
            alerts_published: labelled(
                "detect_alerts_published_total",
                "Alerts published, by what produced them.",
                &["produced_by"],
            )?,
            indicators_rejected: labelled(
                "detect_indicators_rejected_total",
                "Indicators that events name and that are no matches, by reason and warning list.",
                &["reason", "list"],
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
            checkpoint_bytes: counter(
                "detect_checkpoint_bytes_total",
                "Bytes of checkpoints, compressed.",
            )?,
            checkpoint_seconds: histogram(
                "detect_checkpoint_seconds",
                "Seconds that the loop took to write the checkpoints that were due.",
                0.000_5,
            )?,
            signal_bytes: counter("detect_signal_bytes_total", "Bytes of records of signals.")?,
            signals_received: counter("detect_signals_received_total", "Signals that were taken.")?,
            signals_refused: labelled(
                "detect_signals_refused_total",
                "Records of signals that were passed over, by reason.",
                &["reason"],
            )?,
            groups: gauges("detect_groups", "Groups that are held, by stage.", "stage")?,
            observations_waiting: gauges(
                "detect_observations_waiting",
                "Observations that wait for their turn, by stage.",
                "stage",
            )?,
            groups_evicted: labelled(
                "detect_groups_evicted_total",
                "Groups that were put out because there were too many, by stage.",
                &["stage"],
            )?,
            groups_dropped: counter(
                "detect_groups_dropped_total",
                "Groups that were let go since their organisation's events are in several partitions now.",
            )?,
            knocks_lost: labelled(
                "detect_knocks_lost_total",
                "First observations of a group to be that were forgotten since too many others came, by stage.",
                &["stage"],
            )?,
            observations_odd: labelled(
                "detect_observations_odd_total",
                "Observations that were not simply counted, by stage and what became of them.",
                &["stage", "what"],
            )?,
            ruleset_size: gauges(
                "detect_ruleset_size",
                "Rules, correlations and indicators in the ruleset in use.",
                "kind",
            )?,
            ruleset_refused: gauges(
                "detect_ruleset_refused",
                "Rules and indicators that were left out of the ruleset in use.",
                "kind",
            )?,
            ruleset_info: gauges(
                "detect_ruleset_info",
                "1 for the version of the ruleset in use.",
                "version",
            )?,
            ruleset_seconds: gauge(
                "detect_ruleset_timestamp_seconds",
                "When the ruleset in use was taken, seconds since 1970.",
            )?,
            ruleset_current: gauge(
                "detect_ruleset_current",
                "1 if the files are in use as they are, 0 if the last change was refused.",
            )?,
            reloads: labelled(
                "detect_reloads_total",
                "Changes of the files of rules and indicators, by what became of them.",
                &["result"],
            )?,
            cache_reads: labelled(
                "detect_rules_cache_reads_total",
                "Starts with a cache of rules, by what became of it.",
                &["result"],
            )?,
            cache_writes: labelled(
                "detect_rules_cache_writes_total",
                "Caches of rules that were to be written, by what became of them.",
                &["result"],
            )?,
            reload_seconds: histogram(
                "detect_reload_seconds",
                "Seconds to read and compile a change, off the path of events.",
                0.005,
            )?,
            swap_seconds: histogram(
                "detect_swap_seconds",
                "Seconds that the loop of events took to change to another ruleset.",
                0.000_01,
            )?,
            canary_seconds: gauge(
                "detect_canary_timestamp_seconds",
                "When the last canary was published as an alert, seconds since 1970.",
            )?,
            batch_seconds: histogram(
                "detect_batch_seconds",
                "Seconds to scan and correlate one batch.",
                0.000_5,
            )?,
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
        for reason in ["fenced", "unreadable"] {
            metrics.signals_refused.with_label_values(&[reason]).inc_by(0);
        }
        for stage in [Stage::Scan, Stage::Signals] {
            metrics.held(stage, 0, 0);
            let none = CorrelatorStats::default();
            metrics.correlated(stage, &none, &none);
        }
        for result in RESULTS {
            metrics.reloads.with_label_values(&[result]).inc_by(0);
        }
        Ok(metrics)
    }

    /// What a stage holds.
    pub fn held(&self, stage: Stage, groups: usize, waiting: usize) {
        for (gauges, count) in [(&self.groups, groups), (&self.observations_waiting, waiting)] {
            gauges
                .with_label_values(&[name(stage)])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// What happened in a stage between two looks at the counters of one partition.
    pub fn correlated(&self, stage: Stage, before: &CorrelatorStats, now: &CorrelatorStats) {
        let since = |count: fn(&CorrelatorStats) -> u64| count(now).saturating_sub(count(before));
        self.groups_evicted
            .with_label_values(&[name(stage)])
            .inc_by(since(|stats| stats.groups_evicted));
        self.knocks_lost
            .with_label_values(&[name(stage)])
            .inc_by(since(|stats| stats.knocks_lost));
        for (what, count) in [
            ("late", since(|stats| stats.events_late)),
            ("ahead", since(|stats| stats.events_ahead)),
            ("outside", since(|stats| stats.events_outside)),
            ("repeated", since(|stats| stats.events_repeated)),
            ("full", since(|stats| stats.windows_full)),
            ("protected", since(|stats| stats.events_protected)),
        ] {
            self.observations_odd
                .with_label_values(&[name(stage), what])
                .inc_by(count);
        }
    }

    /// Indicators were named and are no matches.
    pub fn rejected(&self, rejections: &Rejections) {
        for rejected in rejections.iter() {
            let reason = rejected.reason.as_str().replace(' ', "_");
            self.indicators_rejected
                .with_label_values(&[reason.as_str(), rejected.list.unwrap_or_default()])
                .inc_by(rejected.count);
        }
    }

    /// Another ruleset is in use from now on.
    pub fn loaded(&self, loaded: &Loaded, now: Timestamp) {
        let ruleset = &loaded.ruleset;
        let refused = loaded
            .diagnostics
            .iter()
            .filter(|found| found.is_error() && !is_of_indicators(found.code));
        let set = |gauges: &IntGaugeVec, kind: &str, count: usize| {
            gauges
                .with_label_values(&[kind])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        };
        set(&self.ruleset_size, "rule", ruleset.rule_count());
        set(&self.ruleset_size, "correlation", ruleset.correlation_count());
        set(&self.ruleset_size, "indicator", ruleset.indicator_count());
        set(&self.ruleset_refused, "rule", refused.count());
        let refused = usize::try_from(loaded.refused_indicators).unwrap_or(usize::MAX);
        set(&self.ruleset_refused, "indicator", refused);
        self.ruleset_info.reset();
        set(&self.ruleset_info, &ruleset.version().0, 1);
        self.ruleset_seconds.set(now.as_millis() / 1_000);
        self.ruleset_current.set(1);
    }

    /// What became of the cache at the start: `used`, or the reason why not.
    pub fn cache_read(&self, result: &str) {
        self.cache_reads.with_label_values(&[result]).inc();
    }

    /// What became of a cache: `written` or `failed`.
    pub fn cache_written(&self, result: &str) {
        self.cache_writes.with_label_values(&[result]).inc();
    }

    /// What a change of the files came to: `taken`, `same` or `refused`.
    pub fn reloaded(&self, result: &str) {
        self.reloads.with_label_values(&[result]).inc();
        self.ruleset_current.set(i64::from(result != "refused"));
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

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Whole => "whole",
        Stage::Organization | Stage::Scan => "scan",
        Stage::Signals => "signals",
    }
}

/// Codes from R020 to R039 are about indicators.
fn is_of_indicators(code: Code) -> bool {
    matches!(code.as_str().get(..3), Some("R02" | "R03"))
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
