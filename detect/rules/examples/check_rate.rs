//! How long checking rule files takes: `cargo run --release -p detect-rules --example check_rate -- DIR …`.
//!
//! Prints, for each of some turns, wall time and the processor time of all threads together. Says nothing of compiling the
//! rules; that is `detect-engine`.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints, and a measurement reads the clock"
)]

use std::{path::PathBuf, time::Instant};

use detect_rules::{CheckedRules, check, read_rules};

/// So many turns; the first warms the caches.
const TURNS: usize = 7;

fn main() {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (sources, unread) = read_rules(&paths);
    println!("{} files, {} unread", sources.len(), unread.len());
    for turn in 0..TURNS {
        let (start, cpu) = (Instant::now(), cpu_ms());
        let checked = check(&sources);
        println!(
            "turn {turn}: {} rules, {} refused, {:.0} ms wall, {} ms of processor time",
            checked.rules.rules.len(),
            checked
                .diagnostics
                .iter()
                .filter(|found| found.is_error())
                .count(),
            start.elapsed().as_secs_f64() * 1000.0,
            cpu_ms() - cpu,
        );
        cache(&checked.rules);
    }
}

/// How long the rules take from a cache: written and read once with `postcard`.
fn cache(rules: &CheckedRules) {
    let bytes = postcard::to_stdvec(rules).unwrap_or_default();
    let (start, cpu) = (Instant::now(), cpu_ms());
    let read: Result<CheckedRules, _> = postcard::from_bytes(&bytes);
    let took = start.elapsed().as_secs_f64() * 1000.0;
    let count = read.map_or(0, |rules| rules.rules.len());
    println!(
        "        from {} bytes: {count} rules, {took:.1} ms wall, {} ms of processor time",
        bytes.len(),
        cpu_ms() - cpu,
    );
}

/// User and system time of this process in milliseconds, in steps of 10 (`proc(5)`: ticks of 1/100 s); 0 where there is no
/// `/proc`.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |index: usize| {
        after_name
            .split_whitespace()
            .nth(index)
            .and_then(|text| text.parse::<u64>().ok())
    };
    (ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0)) * 10
}
