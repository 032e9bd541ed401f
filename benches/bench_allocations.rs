//! `bench-allocations`: how often the scanner allocates, counted by an allocator that does nothing else than the
//! system's and count. A program of its own, since a program has one allocator.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::{alloc::System, path::Path};

use benches::engine::{
    BUILD, CORPORA, Plan, Setup, allocations,
    corpora::captures,
    made,
    row::{record, table},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Fewer than elsewhere: they allocate when they are loaded, not when they are looked up.
const INDICATORS: usize = 100_000;

fn main() -> anyhow::Result<()> {
    let Some(captures) = captures() else { return Ok(()) };
    let plan = Plan {
        rounds: 1,
        corpora: Vec::new(),
        parts: Vec::new(),
        indicators: INDICATORS,
        cores: Vec::new(),
        beyond_cache: false,
    };
    let setup = Setup::read(&captures, &plan, &CORPORA)?;
    let ruleset = setup.compile(setup.checked.rules.clone(), made::indicators(7, INDICATORS))?;
    let count = || {
        let stats = ALLOCATOR.stats();
        stats.allocations + stats.reallocations
    };
    let rows: Vec<_> = setup
        .corpora
        .iter()
        .map(|corpus| allocations::row(corpus, &ruleset, &count))
        .collect();
    println!("{BUILD}\n{}", table(&rows));
    record(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("record/engine.json"),
        &rows,
    )
}
