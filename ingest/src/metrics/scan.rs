//! Figures of detection on the sensor.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::scan::{Found, HitKind};

/// What was held against rules and indicators, and what came of it.
#[derive(Clone, Debug)]
pub struct ScanMetrics {
    events: IntCounter,
    matches: IntCounterVec,
    cut: IntCounter,
    /// Events that matched and did not pass others, since so many had in that hour.
    pub held_back: IntCounter,
    /// Rules and indicators that could not be loaded as a whole: the former stay.
    pub load_failures: IntCounter,
    rules: IntGauge,
    indicators: IntGauge,
}

impl ScanMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let matches = IntCounterVec::new(
            Opts::new("ingest_matches_total", "Matches on the sensor, by kind."),
            &["kind"],
        )?;
        registry.register(Box::new(matches.clone()))?;
        for kind in HitKind::ALL {
            matches.with_label_values(&[kind.as_str()]).inc_by(0);
        }
        Ok(Self {
            events: counter(
                "ingest_scanned_events_total",
                "Events held against rules and indicators.",
            )?,
            matches,
            cut: counter(
                "ingest_matches_cut_total",
                "Matches beyond what is written on one event.",
            )?,
            held_back: counter(
                "ingest_matches_held_back_total",
                "Events that matched and stayed in their stream, since many had passed.",
            )?,
            load_failures: counter(
                "ingest_ruleset_failures_total",
                "Rules and indicators that could not be loaded; the former stay.",
            )?,
            rules: gauge("ingest_rules", "Rules that are held against events.")?,
            indicators: gauge("ingest_indicators", "Indicators that are held against events.")?,
        })
    }

    /// What is loaded.
    pub(crate) fn holds(&self, rules: usize, indicators: usize) {
        self.rules.set(i64::try_from(rules).unwrap_or(i64::MAX));
        self.indicators.set(i64::try_from(indicators).unwrap_or(i64::MAX));
    }

    /// So many events were looked at, and this was found.
    pub(crate) fn looked<'a>(&self, events: u64, found: impl Iterator<Item = &'a Found>) {
        self.events.inc_by(events);
        for found in found {
            self.cut.inc_by(found.cut());
            for hit in found.hits() {
                self.matches.with_label_values(&[hit.kind.as_str()]).inc();
            }
        }
    }

    /// Events, and matches of all kinds.
    #[must_use]
    pub(crate) fn counts(&self) -> (u64, u64) {
        let of = |kind: HitKind| self.matches.with_label_values(&[kind.as_str()]).get();
        (self.events.get(), HitKind::ALL.into_iter().map(of).sum())
    }

    /// Matches of a kind.
    #[must_use]
    pub fn matches(&self, kind: HitKind) -> u64 {
        self.matches.with_label_values(&[kind.as_str()]).get()
    }
}
