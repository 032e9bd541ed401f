//! The same events and rules give byte-identical alerts (D6): whatever the batches and partitions, with events that come
//! out of order or twice, and with detectors that die, change their rules, or take over from each other.
//!
//! In one process without a bus, many drawn runs over made traffic; then the service itself on the embedded bus and on
//! real Kafka. The cases are run so in `replay-data/tests/determinism.rs`. A failed run says its seed; `VARDE_SEED` runs
//! that one alone, `VARDE_LONG=1` many more.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    reason = "what fails in a test's helper fails the test; other tests use what is shared here too"
)]

#[path = "determinism/events.rs"]
mod events;
#[path = "determinism/plant.rs"]
mod plant;
#[path = "determinism/service.rs"]
mod service;

use events::{Random, benign_day, made, organization, ruleset, seeds};

#[test]
fn made_traffic_raises_the_same_however_it_is_run() {
    let rules = [ruleset(false), ruleset(true)];
    let mut alerts = 0;
    for seed in seeds(12, 2_000) {
        let happening = made(&mut Random::new(seed), 1, organization(seed));
        alerts += plant::check("made", &happening, &rules, seed);
    }
    assert!(0 < alerts, "nothing was raised, so nothing was shown");
}

/// Small numbers of everything at which groups, partitions and detectors still mix.
const SEEDS: [(u64, u32); 2] = [(1, 5), (2, 12)];

#[tokio::test(flavor = "multi_thread")]
async fn detectors_that_come_and_go_on_the_embedded_bus_raise_the_same() {
    for (seed, partitions) in SEEDS {
        let folder = tempfile::tempdir().expect("a folder");
        let happening = made(&mut Random::new(seed), 12, organization(seed));
        let config = service::embedded(folder.path());
        service::check(&config, &happening, &ruleset(false), partitions, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn detectors_that_come_and_go_on_kafka_raise_the_same() {
    let Ok(bootstrap) = std::env::var("VARDE_TEST_KAFKA") else {
        println!("skipped: VARDE_TEST_KAFKA is not set (scripts/kafka start prints it)");
        return;
    };
    // The broker may have been used before.
    let now = detect::clock::now().as_nanos().unsigned_abs();
    let happening = made(&mut Random::new(3), 40, organization(now));
    let config = service::kafka(bootstrap);
    service::check(&config, &happening, &ruleset(false), 7, 3).await;
}

/// Signals are small beside events (D7).
const SHARE_MAX: f64 = 0.05;

#[test]
fn signals_of_a_benign_day_are_a_small_part_of_its_events() {
    let day = benign_day();
    for partitions in [1, 4] {
        let (events, signals) = plant::bytes(&day, &ruleset(false), partitions);
        let share = signals as f64 / events as f64;
        println!(
            "{partitions} partitions: {signals} bytes of signals for {events} bytes of events: {:.2} %",
            share * 100.0
        );
        assert!(share <= SHARE_MAX, "{share}");
    }
}
