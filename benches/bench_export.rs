//! `bench-export`: flow export alone. `scripts/bench export` builds and runs it.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use benches::{
    export,
    measure::{Row, record, table},
};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the decoders of flow export beside their peer, and writes `record/export.json`.
#[derive(Parser)]
struct Arguments {
    /// Nothing is recorded.
    #[arg(long)]
    dry: bool,
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
    let rows = export::run()?;
    println!("{}", table(&rows));
    if arguments.dry {
        return Ok(());
    }
    record("export", &rows.iter().collect::<Vec<&Row>>())
}
