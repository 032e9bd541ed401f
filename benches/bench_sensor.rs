//! `bench-sensor`: what the sensor's promises cost. `scripts/bench sensor` builds and runs it.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::path::{Path, PathBuf};

use benches::{
    measure::{Row, record, table},
    sensor,
};
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures events under pseudonym and through the spool beside the same without, and writes `record/sensor.json`.
#[derive(Parser)]
struct Arguments {
    /// Nothing is recorded; nor is a part of it.
    #[arg(long)]
    dry: bool,
    /// Run on this core; the last one if none is named.
    #[arg(long)]
    core: Option<usize>,
    /// No other program runs.
    #[arg(long)]
    alone: bool,
    /// Only the traffic of these names: mix, office, dense, syslog; rest is memory where nothing comes.
    #[arg(long)]
    only: Vec<String>,
    /// One contender, as this program runs it itself.
    #[command(subcommand)]
    contender: Option<One>,
}

#[derive(Subcommand)]
enum One {
    /// A capture to events.
    Events { capture: PathBuf, out: PathBuf },
    /// A capture to flows alone.
    Flows { capture: PathBuf, out: PathBuf },
    /// The floor.
    Floor { capture: PathBuf },
    /// What a live flow takes.
    Memory { capture: PathBuf },
    /// A capture in memory to events so many times, for a profiler: full, pseudonym or spool.
    Pass {
        way: String,
        times: usize,
        capture: PathBuf,
    },
    /// One connection of syslog to events.
    Syslog { port: u16, out: PathBuf },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.contender {
        Some(One::Events { capture, out }) => {
            println!("{} events", sensor::events::run(capture, out, true)?);
            return Ok(());
        }
        Some(One::Flows { capture, out }) => {
            println!("{} flows", sensor::events::run(capture, out, false)?);
            return Ok(());
        }
        Some(One::Floor { capture }) => {
            let found = sensor::floor::run(capture)?;
            println!(
                "{} packets, {} flows, {} names",
                found.packets, found.flows, found.names
            );
            return Ok(());
        }
        Some(One::Memory { capture }) => {
            let (flows, bytes) = sensor::memory::run(capture)?;
            println!("{flows} flows in {bytes} bytes");
            return Ok(());
        }
        Some(One::Pass { way, times, capture }) => {
            println!("{} events", sensor::passes(way, *times, capture)?);
            return Ok(());
        }
        Some(One::Syslog { port, out }) => {
            println!("{} events", sensor::syslog::run(*port, out)?);
            return Ok(());
        }
        None => {}
    }
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let core = arguments.core.unwrap_or(cores.len().saturating_sub(1));
    if let Some(core) = cores.get(core)
        && core_affinity::set_for_current(*core)
    {
        println!("pinned to core {}", core.id);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.varde/bench");
    let mut rows = Vec::new();
    for traffic in sensor::traffic::make(&sensor::captures()?, &folder)? {
        if arguments.only.is_empty() || arguments.only.iter().any(|name| name == traffic.name) {
            if !arguments.alone {
                rows.extend(sensor::peers::rows(&traffic, &folder)?);
            }
            if traffic.name == "mix" {
                rows.extend(sensor::run(&traffic)?);
                rows.push(sensor::known::row(&traffic)?);
            }
        }
    }
    if !arguments.alone && (arguments.only.is_empty() || arguments.only.iter().any(|name| name == "syslog")) {
        rows.extend(sensor::syslog::row(&folder)?);
    }
    if arguments.only.is_empty() || arguments.only.iter().any(|name| name == "rest") {
        rows.extend(sensor::rest::row(&folder)?);
    }
    println!("{}", table(&rows));
    let [four, six] = sensor::cipher()?;
    println!("the cipher alone, each address new: {four:.0} IPv4 and {six:.0} IPv6 addresses a second");
    // A part would take the place of the whole.
    if arguments.dry || arguments.alone || !arguments.only.is_empty() {
        return Ok(());
    }
    record("sensor", &rows.iter().collect::<Vec<&Row>>())
}
