//! How fast one thread scans real events with all of SigmaHQ, and how many rules it evaluates for them.
//!
//! A tool for whoever works on the engine; rates of one machine mean little, see `benches/` for ratios.
//! `cargo run --release -p detect-engine --example scan_rate [corpus…]`

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
const ROUNDS: usize = 8;

/// A round reads about so many bytes: a few hundred ticks.
const ROUND_BYTES: usize = 150 << 20;

#[derive(Default)]
struct Count(u64);

impl MatchSink for Count {
    fn matched(&mut self, _: &EventView<'_>, _: Match<'_>) {
        self.0 += 1;
    }
}

/// Time that this thread was running (proc(5), `schedstat`): what else runs on the machine does not count.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text.split(' ').next().expect("three numbers");
    Duration::from_nanos(nanos.parse().expect("a number"))
}

fn best(mut work: impl FnMut()) -> Duration {
    (0..ROUNDS)
        .map(|_| {
            let started = on_cpu();
            work();
            on_cpu() - started
        })
        .min()
        .unwrap_or_default()
}

fn main() {
    let Some(root) = corpora::captures() else { return };
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.is_empty() {
        wanted = corpora::CORPORA.map(str::to_owned).into();
    }
    let checked = check(&corpora::sigma_hq(&root));
    println!("{} rules", checked.rules.rules.len());
    for corpus in wanted {
        let all: Vec<Vec<u8>> = corpora::events(&root, &corpus, usize::MAX)
            .into_iter()
            .map(String::into_bytes)
            .collect();
        let odd = all.iter().skip(1).step_by(2).cloned();
        let started = Instant::now();
        let ruleset = Compiler::new()
            .rules(checked.rules.clone())
            .sample(odd)
            .compile()
            .expect("compiles");
        let compiled = started.elapsed();
        let lines: Vec<&Vec<u8>> = all.iter().step_by(2).collect();
        // Time on the processor is counted in ticks of some milliseconds.
        let bytes: usize = lines.iter().map(|line| line.len()).sum();
        let repeats = ROUND_BYTES / bytes + 1;
        let mut scanner = Scanner::new(&ruleset);
        let mut found = 0;
        let scan = best(|| {
            let mut sink = Count::default();
            for line in std::iter::repeat_n(&lines, repeats).flatten() {
                scanner.scan(line, &mut sink).expect("an event");
            }
            found = sink.0 / repeats as u64;
        });
        let validate = best(|| {
            for line in std::iter::repeat_n(&lines, repeats).flatten() {
                let read: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(line);
                assert!(read.is_ok(), "JSON");
            }
        });
        let stats = scanner.stats();
        println!(
            "{corpus}: {} events, {found} matches, {:.0} ns an event, {:.2} × the time in which serde_json only checks it; {:.2} rules awake, {:.2} evaluated, {:.0} bytes searched; compiled in {compiled:.2?}",
            lines.len(),
            scan.as_nanos() as f64 / (lines.len() * repeats) as f64,
            scan.as_secs_f64() / validate.as_secs_f64(),
            stats.awake as f64 / stats.events as f64,
            stats.evaluated as f64 / stats.events as f64,
            stats.searched as f64 / stats.events as f64,
        );
    }
}
