//! Figures of island mode.

use prometheus::{IntCounter, IntGauge, Registry};

/// Whether the way out is cut, and what was told on site.
#[derive(Clone, Debug)]
pub struct IslandMetrics {
    /// 1 while nothing was taken of what waits for longer than `island` says.
    pub is_cut: IntGauge,
    /// Words on site.
    pub told: IntCounter,
    /// Words beyond what is told in an hour.
    pub cut: IntCounter,
}

impl IslandMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let is_cut = IntGauge::new("ingest_island", "1 while the way to the centre is cut.")?;
        registry.register(Box::new(is_cut.clone()))?;
        Ok(Self {
            is_cut,
            told: counter(
                "ingest_local_alerts_total",
                "What was told on site while it was cut.",
            )?,
            cut: counter(
                "ingest_local_alerts_cut_total",
                "What was not told on site, since so much was.",
            )?,
        })
    }
}
