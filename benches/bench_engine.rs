//! `bench-engine`: the engine's bench, a program of its own so that it is built with the instructions of this
//! machine and with one allocator for every contender. `scripts/bench engine` builds and runs it.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::path::Path;

use benches::engine::{
    INDICATORS, PARTS, Plan,
    corpora::captures,
    full, quick,
    row::{record, table},
};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the engine beside its floor and its peers, and writes `record/engine.json`.
#[derive(Parser)]
struct Arguments {
    /// A small table in half a minute instead: the floor and ours; nothing is recorded.
    #[arg(long)]
    quick: bool,
    /// With `rsigma-eval` in the small table too.
    #[arg(long)]
    peer: bool,
    /// Rounds by turns; medians count.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Indicators beside the rules.
    #[arg(long, default_value_t = INDICATORS)]
    indicators: usize,
    /// Run on this core; the last one if none is named.
    #[arg(long)]
    core: Option<usize>,
    /// Only these parts: speed, naive, rules, indicators, cores, hostile, loading.
    #[arg(long, value_delimiter = ',')]
    parts: Vec<String>,
    /// Corpora of 100,000 events, even where they fit in the last-level cache.
    #[arg(long)]
    small: bool,
    /// Corpora: mix, raw, evtx, zeek, eve, ecs.
    corpora: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    for part in &arguments.parts {
        anyhow::ensure!(
            PARTS.contains(&part.as_str()),
            "no part is called {part}; there are {}",
            PARTS.join(", ")
        );
    }
    let Some(captures) = captures() else { return Ok(()) };
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let core = arguments.core.unwrap_or(cores.len().saturating_sub(1));
    if let Some(core) = cores.get(core)
        && core_affinity::set_for_current(*core)
    {
        println!("pinned to core {}", core.id);
    }
    let plan = Plan {
        rounds: arguments.rounds,
        corpora: arguments.corpora,
        parts: arguments.parts,
        indicators: arguments.indicators,
        cores,
        beyond_cache: !arguments.small,
    };
    if arguments.quick {
        let plan = Plan {
            beyond_cache: false,
            ..plan
        };
        return quick(&captures, &plan, arguments.peer);
    }
    let rows = full(&captures, &plan)?;
    println!("{}", table(&rows));
    record(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("record/engine.json"),
        &rows,
    )
}
