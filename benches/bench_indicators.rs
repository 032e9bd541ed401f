//! `bench-indicators`: the store of indicators alone, a program of its own so that nothing else fills its memory and
//! caches. `scripts/bench indicators` builds and runs it.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use benches::{
    indicators,
    measure::{Row, record, table},
};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the store of indicators beside its limits and peers, and writes `record/indicators.json`.
#[derive(Parser)]
struct Arguments {
    /// Only a million indicators; nothing is recorded.
    #[arg(long)]
    small: bool,
    /// Run on this core; the last one if none is named.
    #[arg(long)]
    core: Option<usize>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let core = arguments.core.unwrap_or(cores.len().saturating_sub(1));
    if let Some(core) = cores.get(core)
        && core_affinity::set_for_current(*core)
    {
        println!("pinned to core {}", core.id);
    }
    let rows = indicators::run(arguments.small)?;
    println!("{}", table(&rows));
    if arguments.small {
        return Ok(());
    }
    record("indicators", &rows.iter().collect::<Vec<&Row>>())
}
