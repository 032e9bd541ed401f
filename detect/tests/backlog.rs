//! A backlog is worked off with flat memory, and what is in it is found.
//!
//! The long form (`VARDE_LONG=1`, release, with `VARDE_TEST_KAFKA`) has 10,000,000 events, 3,000 rules and 1,000,000
//! indicators; `VARDE_BACKLOG` is another number of events.

#[path = "lab/lab.rs"]
mod lab;

use detect::{live::Live, metrics::Metrics};
use lab::{
    Lab, ORGANIZATIONS, compile, event, indicators, is_long, quiet_event, resident_bytes, rules, until,
};

/// So much may memory grow while a backlog is worked off: what librdkafka reads ahead, and the allocator's slack.
const GROWTH_BYTES_MAX: usize = 96 << 20;

/// One of so many events of the backlog raises an alert.
const HIT_EVERY: u64 = 1_000;

fn long_count() -> u64 {
    let given = std::env::var("VARDE_BACKLOG").ok();
    given.and_then(|count| count.parse().ok()).unwrap_or(10_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_worked_off_with_flat_memory() {
    let (lab, count) = match Lab::kafka().await {
        Some(lab) if is_long() => (lab, long_count()),
        Some(lab) => (lab, 200_000),
        None => (Lab::embedded().await, 40_000),
    };
    let topic = lab.topic(ORGANIZATIONS[0]).await;
    let earlier = lab.events().await;
    let producer = lab.bus.producer().expect("a producer");
    for first in (0..count).step_by(10_000) {
        let record = |number: u64| match number % HIT_EVERY {
            0 => event(&lab.run, ORGANIZATIONS[0], number),
            _ => quiet_event(&lab.run, ORGANIZATIONS[0], number),
        };
        let chunk = first..count.min(first + 10_000);
        producer
            .publish(&topic, chunk.map(record).collect())
            .await
            .expect("published");
    }
    drop(producer);
    let live = Live::new(if is_long() {
        compile(&rules(3_000, 0), indicators(1_000_000, 0))
    } else {
        compile(&rules(200, 0), Vec::new())
    });
    let metrics = Metrics::new().expect("registered");
    let running = lab.detector(&live, &metrics).await;
    let scanned = || metrics.events_scanned.get();
    until("it is under way", || earlier + count / 10 <= scanned()).await;
    let (before, begun) = (resident_bytes(), std::time::Instant::now());
    let (mut middle, mut peak) = (0, before);
    until("the backlog is worked off", || {
        let now = resident_bytes();
        peak = peak.max(now);
        if middle == 0 && earlier + count / 2 <= scanned() {
            middle = now;
        }
        earlier + count <= scanned()
    })
    .await;
    let (end, time) = (resident_bytes(), begun.elapsed());
    running.stop().await;
    let growth = peak.saturating_sub(before);
    println!(
        "{count} events worked off: {} MiB resident at a tenth, {} MiB at half, {} MiB at the end, {} MiB at most; {time:.1?} for \
         the last nine tenths",
        before >> 20,
        middle >> 20,
        end >> 20,
        peak >> 20
    );
    assert!(growth <= GROWTH_BYTES_MAX, "memory grew by {growth} bytes");
    let told = lab.alerts().await;
    let expected: Vec<u64> = (0..count).step_by(HIT_EVERY as usize).collect();
    let found: Vec<u64> = told.keys().copied().collect();
    assert_eq!(found, expected);
    assert!(told.values().all(|told| told.times == 1));
}
