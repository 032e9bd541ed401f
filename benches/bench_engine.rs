//! `bench-engine [--quick]`: the engine's bench, a program of its own so that it is built with the instructions of
//! this machine and with one allocator for every contender. `scripts/bench engine` builds and runs it.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use benches::engine::{INDICATORS, Plan, corpora::captures, quick};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the engine beside its floor and its peers.
#[derive(Parser)]
struct Arguments {
    /// A small table in half a minute: the floor and ours.
    #[arg(long)]
    quick: bool,
    /// With `rsigma-eval` in the small table too.
    #[arg(long)]
    peer: bool,
    /// Rounds by turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Indicators beside the rules.
    #[arg(long, default_value_t = INDICATORS)]
    indicators: usize,
    /// Run on this core.
    #[arg(long)]
    core: Option<usize>,
    /// Corpora in the small table: mix, raw, evtx, zeek, eve, ecs.
    corpora: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
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
        indicators: arguments.indicators,
    };
    anyhow::ensure!(arguments.quick, "only --quick yet");
    quick(&captures, &plan, arguments.peer)
}
