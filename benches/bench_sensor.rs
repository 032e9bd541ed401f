//! `bench-sensor`: what the sensor's promises cost. `scripts/bench sensor` builds and runs it.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use benches::{
    measure::{Row, record, table},
    sensor,
};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures events under pseudonym and through the spool beside the same without, and writes `record/sensor.json`.
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
    let rows = sensor::run()?;
    println!("{}", table(&rows));
    let [four, six] = sensor::cipher()?;
    println!("the cipher alone, each address new: {four:.0} IPv4 and {six:.0} IPv6 addresses a second");
    if arguments.dry {
        return Ok(());
    }
    record("sensor", &rows.iter().collect::<Vec<&Row>>())
}
