//! `scripts/bench [NAME…]`: runs the benches, prints one table, writes it under `benches/record/`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use anyhow::Context as _;
use benches::{
    correlate, incidents, latency, live,
    measure::{Row, record, table},
    quality, reading, replay, scan, storm,
};
use clap::Parser;

/// As `varde-detector` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Varde's works beside their floors and peers.
#[derive(Parser)]
struct Arguments {
    /// Which works: correlate, correlate-memory, correlate-flows, scan, replay, reading, latency, live, storm, incidents, quality. All if none is named.
    names: Vec<String>,
}

type Bench = fn() -> anyhow::Result<Vec<Row>>;

const BENCHES: [(&str, Bench); 10] = [
    ("correlate", correlate::run),
    ("correlate-memory", correlate::held),
    ("correlate-flows", correlate::passing),
    ("scan", scan::run),
    ("replay", replay::run),
    ("reading", reading::run),
    ("latency", latency::run),
    ("live", live::run),
    ("storm", storm::run),
    ("incidents", incidents::run),
];

/// Asks what is found and not how fast, so it has tables of its own.
const QUALITY: &str = "quality";

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    for name in &arguments.names {
        anyhow::ensure!(
            name == QUALITY || BENCHES.iter().any(|(known, _)| known == name),
            "no bench is called {name}; there are {} and {QUALITY}",
            BENCHES.map(|(known, _)| known).join(", ")
        );
    }
    let is_wanted =
        |name: &str| arguments.names.is_empty() || arguments.names.iter().any(|wanted| wanted == name);
    if is_wanted(QUALITY) {
        println!("{}", quality::run().context("run the bench quality")?);
    }
    let mut rows = Vec::new();
    for (name, bench) in BENCHES {
        if is_wanted(name) {
            rows.extend(bench().with_context(|| format!("run the bench {name}"))?);
        }
    }
    if !rows.is_empty() {
        println!("{}", table(&rows));
    }
    for (name, _) in BENCHES {
        let own: Vec<&Row> = rows.iter().filter(|row| row.bench == name).collect();
        if !own.is_empty() {
            record(name, &own)?;
        }
    }
    Ok(())
}
