//! The figures of flow export: what its collector counts, and what is held.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::export::{CollectError, Counts};

/// All figures of all ports for flow export; clones share them.
#[derive(Clone, Debug)]
pub struct ExportMetrics {
    datagrams: IntCounter,
    refused: IntCounterVec,
    records: IntCounterVec,
    gaps: IntCounter,
    missed: IntCounter,
    templates: IntGauge,
    sets_waiting: IntGauge,
    sets_resumed: IntCounter,
    sets_dropped: IntCounter,
}

/// What a datagram of an address that may not export counts as.
const STRANGER: &str = "unknown_exporter";

impl ExportMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let by = |name: &str, help: &str, label: &str| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let refused = by(
            "ingest_export_refused_total",
            "Datagrams of exporters of which something was refused.",
            "reason",
        )?;
        for code in CollectError::CODES.into_iter().chain([STRANGER]) {
            // At zero from the start, so that a first one can be told.
            refused.with_label_values(&[code]);
        }
        Ok(Self {
            datagrams: counter("ingest_export_datagrams_total", "Datagrams of exporters.")?,
            refused,
            records: by("ingest_export_records_total", "Records of exporters.", "kind")?,
            gaps: counter("ingest_export_gaps_total", "Jumps in exporters' numbers.")?,
            missed: counter(
                "ingest_export_missed_total",
                "What is missing by exporters' numbers.",
            )?,
            templates: gauge("ingest_export_templates", "Templates held.")?,
            sets_waiting: gauge("ingest_export_sets_waiting", "Sets that wait for their template.")?,
            sets_resumed: counter(
                "ingest_export_sets_resumed_total",
                "Sets read when their template came.",
            )?,
            sets_dropped: counter(
                "ingest_export_sets_dropped_total",
                "Sets whose template never came.",
            )?,
        })
    }

    /// Adds what one collector counted since it counted `before`.
    pub(crate) fn advance(&self, before: Counts, after: Counts) {
        let since = |of: fn(&Counts) -> u64| of(&after).saturating_sub(of(&before));
        self.datagrams.inc_by(since(|counts| counts.datagrams));
        for (kind, of) in [
            ("flow", (|counts| counts.flows) as fn(&Counts) -> u64),
            ("options", |counts| counts.options),
            ("other", |counts| counts.others),
        ] {
            self.records.with_label_values(&[kind]).inc_by(since(of));
        }
        self.gaps.inc_by(since(|counts| counts.gaps));
        self.missed.inc_by(since(|counts| counts.missed));
        self.sets_resumed.inc_by(since(|counts| counts.sets_resumed));
        self.sets_dropped.inc_by(since(|counts| counts.sets_dropped));
        // Several ports have one figure: each adds what it has more.
        let more = |of: fn(&Counts) -> u64| of(&after).cast_signed() - of(&before).cast_signed();
        self.templates.add(more(|counts| counts.templates));
        self.sets_waiting.add(more(|counts| counts.sets_waiting));
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, error: CollectError) {
        self.refused.with_label_values(&[error.code()]).inc();
    }

    /// Counts a datagram of an address that may not export.
    pub(crate) fn stranger(&self) {
        self.refused.with_label_values(&[STRANGER]).inc();
    }
}
