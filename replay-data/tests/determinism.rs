//! Every case gives byte-identical alerts however its events are cut, spread, repeated and read, as made traffic does in
//! `detect/tests/determinism.rs`, which has the machinery. `VARDE_SEED` runs one seed alone, `VARDE_LONG=1` many.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    reason = "what fails in a test's helper fails the test; each test uses a part of what is shared"
)]

#[path = "determinism/cases.rs"]
mod cases;
#[path = "../../detect/tests/determinism/events.rs"]
mod events;
#[path = "../../detect/tests/determinism/plant.rs"]
mod plant;

use cases::of_cases;
use events::{ruleset, seeds};

#[test]
fn every_case_raises_the_same_however_it_is_run() {
    let rules = [ruleset(false), ruleset(true)];
    for (name, happening) in of_cases() {
        for seed in seeds(3, 100) {
            plant::check(&name, &happening, &rules, seed);
        }
    }
}

/// Signals are small beside events (D7): on a benign day less than a twentieth. In this quarter of an hour every twentieth
/// event is a refused connection or a mistyped password, and a signal carries the event that an alert would show.
const SHARE_MAX: f64 = 0.05;

#[test]
fn signals_of_ordinary_traffic_are_a_small_part_of_its_events() {
    let (_, happening) = of_cases()
        .into_iter()
        .find(|(name, _)| name == "ordinary-traffic")
        .expect("the case");
    for partitions in [1, 4] {
        let (events, signals) = plant::bytes(&happening, &ruleset(false), partitions);
        let share = signals as f64 / events as f64;
        println!(
            "{partitions} partitions: {signals} bytes of signals for {events} bytes of events: {:.2} %",
            share * 100.0
        );
        assert!(share <= SHARE_MAX, "{share}");
    }
}
