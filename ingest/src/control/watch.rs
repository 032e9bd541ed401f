//! Whether a sensor fares worse with a bundle than before: figures and a verdict, without a clock.

use std::collections::BTreeMap;

use prometheus::IntCounterVec;
use prometheus::core::Collector;

use super::standing::Watched;
use crate::metrics::Metrics;

/// The share of lost records may rise by so many of a thousand: bursts differ from one five minutes to the next.
pub const LOST_PERMILLE_MORE_MAX: u64 = 50;

/// Fewer lost records than this are no reason: the share of a handful is chance.
pub const LOST_MIN: u64 = 100;

/// What a source that can't be read is called among kinds of sources.
const UNREADABLE: &str = "unreadable file";

/// A sensor's figures at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    read: u64,
    /// Lost before they were read.
    dropped: u64,
    /// Lost because the spool was full.
    shed: u64,
    failures: BTreeMap<String, u64>,
    /// Attempts to publish that failed: while the way out is closed, a spool that overflows is no bundle's fault.
    unpublished: u64,
}

impl Figures {
    /// Those of now.
    #[must_use]
    pub fn of(metrics: &Metrics) -> Self {
        let mut failures = by_label(&metrics.source_restarts);
        failures.insert(UNREADABLE.to_owned(), metrics.source_failures.get());
        let sum = |counters: &IntCounterVec| by_label(counters).values().sum::<u64>();
        Self {
            read: sum(&metrics.records_read),
            dropped: sum(&metrics.kernel_drops),
            shed: sum(&metrics.records_shed) + sum(&metrics.spooled_shed),
            failures,
            unpublished: metrics.publish_failures.get(),
        }
    }

    /// What came since `start`, to compare a bundle with.
    #[must_use]
    pub fn since(&self, start: &Self) -> Watched {
        Watched {
            failing: self.failed_since(start).map(str::to_owned).collect(),
            lost_permille: self.permille(start, self.lost(start)),
            ..Watched::default()
        }
    }

    /// Why it is worse than `before` since `start`, if it is.
    #[must_use]
    pub fn worse(&self, start: &Self, before: &Watched) -> Option<String> {
        let fails = |kind: &&str| !before.failing.iter().any(|known| known == kind);
        if let Some(kind) = self.failed_since(start).find(fails) {
            return Some(format!("a source that did not fail before fails with it: {kind}"));
        }
        let lost = if start.unpublished < self.unpublished {
            self.dropped.saturating_sub(start.dropped)
        } else {
            self.lost(start)
        };
        let share = self.permille(start, lost);
        if LOST_MIN <= lost && before.lost_permille + LOST_PERMILLE_MORE_MAX < share {
            let before = before.lost_permille;
            return Some(format!(
                "{lost} records were lost with it, {share} of a thousand; before it were {before}"
            ));
        }
        None
    }

    fn failed_since<'a>(&'a self, start: &'a Self) -> impl Iterator<Item = &'a str> {
        let before = |kind: &str| start.failures.get(kind).copied().unwrap_or(0);
        let more = move |(kind, count): (&'a String, &u64)| (before(kind) < *count).then_some(kind.as_str());
        self.failures.iter().filter_map(more)
    }

    fn lost(&self, start: &Self) -> u64 {
        let sum = |figures: &Self| figures.dropped + figures.shed;
        sum(self).saturating_sub(sum(start))
    }

    fn permille(&self, start: &Self, lost: u64) -> u64 {
        let read = self.read.saturating_sub(start.read);
        lost.saturating_mul(1_000)
            .checked_div(read.max(lost))
            .unwrap_or(0)
    }
}

fn by_label(counters: &IntCounterVec) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for family in counters.collect() {
        for metric in family.get_metric() {
            let label = metric.get_label().first().map_or("", |label| label.value());
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "counters of whole numbers, far below 2^53"
            )]
            let count = metric.get_counter().get_value() as u64;
            *sums.entry(label.to_owned()).or_default() += count;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was read, lost, and the restarts of captures, after so much of each; then the verdict's first words.
    fn check(before: (u64, u64, u64), after: (u64, u64, u64), told: Option<&str>) {
        let metrics = Metrics::new().expect("metrics");
        let add = |(read, lost, restarts): (u64, u64, u64)| {
            metrics.records_read.with_label_values(&["pcap"]).inc_by(read);
            metrics.kernel_drops.with_label_values(&["capture"]).inc_by(lost);
            metrics
                .source_restarts
                .with_label_values(&["capture"])
                .inc_by(restarts);
        };
        let start = Figures::of(&metrics);
        add(before);
        let applied = Figures::of(&metrics);
        let watched = applied.since(&start);
        add(after);
        let worse = Figures::of(&metrics).worse(&applied, &watched);
        match (&worse, told) {
            (None, None) => {}
            (Some(worse), Some(told)) => assert!(worse.contains(told), "{worse}"),
            _ => panic!("{before:?} {after:?}: {worse:?}"),
        }
    }

    #[test]
    fn only_what_was_not_so_before_is_worse() {
        check((1_000, 0, 0), (1_000, 0, 0), None);
        check((1_000, 0, 0), (1_000, 0, 1), Some("capture"));
        check((1_000, 0, 1), (1_000, 0, 9), None);
        check((1_000, 0, 0), (1_000, 99, 0), None);
        check((10_000, 0, 0), (10_000, 500, 0), None);
        check((10_000, 0, 0), (10_000, 510, 0), Some("510 records were lost"));
        check((10_000, 1_000, 0), (10_000, 1_400, 0), None);
        check((0, 0, 0), (0, 100, 0), Some("1000 of a thousand"));
    }

    #[test]
    fn the_way_out_is_no_bundles_fault() {
        let metrics = Metrics::new().expect("metrics");
        let start = Figures::of(&metrics);
        let worse = || Figures::of(&metrics).worse(&start, &start.since(&start));
        metrics.publish_refused.set(1);
        assert_eq!(worse(), None);
        metrics
            .records_shed
            .with_label_values(&["syslog_udp"])
            .inc_by(LOST_MIN);
        assert!(worse().is_some(), "a spool that is too small");
        metrics.publish_failures.inc();
        assert_eq!(worse(), None, "the gateway is away");
        metrics
            .kernel_drops
            .with_label_values(&["capture"])
            .inc_by(LOST_MIN);
        assert!(worse().is_some(), "what the kernel drops is another matter");
    }
}
