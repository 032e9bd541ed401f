//! What is held while many flows pass.

use std::sync::Arc;

use anyhow::Context as _;
use detect::detector::{Detector, Findings};
use detect_engine::Correlator;
use ingest_event::OrganizationNumber;

use super::feed;
use crate::{
    measure::{Row, rate, resident_mib},
    workload::benign_flows,
};

/// Flow events that pass, unless `VARDE_BENCH_FLOWS` says another number.
const LONG: u64 = 100_000_000;

/// Flow events that are made at a time.
const CHUNK: u64 = 200_000;

/// Resident memory while many events pass, after each tenth of them.
pub(super) fn passing(
    ruleset: &Arc<detect_engine::Ruleset>,
    organization: OrganizationNumber,
) -> anyhow::Result<Row> {
    let count: u64 = match std::env::var("VARDE_BENCH_FLOWS") {
        Ok(count) => count.parse().context("read VARDE_BENCH_FLOWS")?,
        Err(_) => LONG,
    };
    let started = cpu_time::ThreadTime::now();
    let mut detector = Detector::new(ruleset);
    let mut correlator = Correlator::new(Arc::clone(ruleset));
    let (mut resident, mut alerts, mut scanned) = (Vec::new(), 0, 0);
    while scanned < count {
        let events = benign_flows(organization, 1_000 + scanned / CHUNK, scanned, CHUNK);
        let mut findings = Findings::default();
        feed(
            &mut detector,
            &mut correlator,
            organization,
            &events,
            scanned,
            &mut findings,
        );
        alerts += findings.alerts.len();
        scanned += CHUNK;
        if scanned % (count / 10).max(CHUNK) < CHUNK {
            resident.push(resident_mib());
        }
    }
    let stats = correlator.stats();
    let shown: Vec<String> = resident.iter().map(u64::to_string).collect();
    Ok(Row {
        bench: "correlate-flows",
        work: "memory while flows pass",
        corpus: format!("benign flows, {scanned} events of two thousand hosts, as many servers as there are"),
        unit: "events/s",
        ours: rate(scanned, started.elapsed()),
        floor: None,
        peer: None,
        bar: None,
        checked: format!(
            "MiB resident after each tenth: {}; {} groups, {} put out for room, {} events late, {alerts} alerts; the time includes making the events",
            shown.join(", "),
            correlator.group_count(),
            stats.groups_evicted,
            stats.events_late
        ),
    })
}
