//! How fast one thread scans real events with all of SigmaHQ, beside how fast `serde_json` reads the same bytes
//! into a `Value`. Rates of one machine mean little; the ratio of the two does.
//!
//! `cargo run --release -p detect-engine --example scan_rate [events of each corpus]`

#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that a person starts and reads"
)]

#[path = "../tests/corpora/corpora.rs"]
mod corpora;

use std::time::{Duration, Instant};

use detect_engine::{Compiler, EventView, Match, MatchSink, Scanner};
use detect_rules::check;

/// Each is measured this often; the best counts.
const ROUNDS: usize = 3;

#[derive(Default)]
struct Count(u64);

impl MatchSink for Count {
    fn matched(&mut self, _: &EventView<'_>, _: Match<'_>) {
        self.0 += 1;
    }
}

fn best(mut work: impl FnMut()) -> Duration {
    (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed()
        })
        .min()
        .unwrap_or_default()
}

fn main() {
    let Some(root) = corpora::captures() else { return };
    let count = std::env::args()
        .nth(1)
        .map_or(usize::MAX, |text| text.parse().expect("a number of events"));
    let checked = check(&corpora::sigma_hq(&root));
    let rules = checked.rules.rules.len();
    let own = Compiler::new()
        .rules(checked.rules.clone())
        .compile()
        .expect("compiles");
    let all = Compiler::new()
        .rules(corpora::for_all_events(checked).rules)
        .compile()
        .expect("compiles");
    println!("{rules} rules");
    for corpus in ["windows-mix-20k", "zeek-apt29"] {
        let lines = corpora::events(&root, corpus, count);
        let parse = best(|| {
            for line in &lines {
                let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
                std::hint::black_box(&value);
            }
        });
        for (which, ruleset) in [("rules of its log sources", &own), ("every rule", &all)] {
            let mut scanner = Scanner::new(ruleset);
            let mut found = 0;
            let scan = best(|| {
                let mut sink = Count::default();
                for line in &lines {
                    scanner.scan(line.as_bytes(), &mut sink).expect("an event");
                }
                found = sink.0;
            });
            println!(
                "{corpus}, {which}: {} events, {found} matches, {:.0} events/s, {:.2} × the time of serde_json",
                lines.len(),
                lines.len() as f64 / scan.as_secs_f64(),
                scan.as_secs_f64() / parse.as_secs_f64(),
            );
        }
    }
}
