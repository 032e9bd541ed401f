//! `scripts/bench [NAME…]`: runs the benches, prints one table, writes it under `benches/record/`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::{fs, path::Path};

use anyhow::Context as _;
use benches::{
    latency,
    measure::{Bar, Contender, Row},
    reading, replay, scan,
};
use clap::Parser;
use comfy_table::{Table, presets};

/// Measures Varde's works beside their floors and peers.
#[derive(Parser)]
struct Arguments {
    /// Which works: scan, replay, reading, latency. All if none is named.
    names: Vec<String>,
}

type Bench = fn() -> anyhow::Result<Vec<Row>>;

const BENCHES: [(&str, Bench); 4] = [
    ("scan", scan::run),
    ("replay", replay::run),
    ("reading", reading::run),
    ("latency", latency::run),
];

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    for name in &arguments.names {
        anyhow::ensure!(
            BENCHES.iter().any(|(known, _)| known == name),
            "no bench is called {name}; there are {}",
            BENCHES.map(|(known, _)| known).join(", ")
        );
    }
    let mut rows = Vec::new();
    for (name, bench) in BENCHES {
        if arguments.names.is_empty() || arguments.names.iter().any(|wanted| wanted == name) {
            rows.extend(bench().with_context(|| format!("run the bench {name}"))?);
        }
    }
    println!("{}", table(&rows));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("record");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    for (name, _) in BENCHES {
        let own: Vec<&Row> = rows.iter().filter(|row| row.bench == name).collect();
        if !own.is_empty() {
            let path = folder.join(format!("{name}.json"));
            let text = serde_json::to_string_pretty(&own)? + "\n";
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        }
    }
    Ok(())
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "work", "corpus", "unit", "ours", "floor", "peer", "÷ floor", "÷ peer", "bar", "met", "checked",
    ]);
    for row in rows {
        let contender = |contender: &Option<Contender>| {
            contender
                .as_ref()
                .map_or_else(String::new, |it| format!("{} {}", figure(it.figure), it.name))
        };
        let ratio = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let bar = |bar: &Bar| format!("≥ {} of the {}", bar.at_least, bar.against.as_str());
        table.add_row([
            row.work.to_owned(),
            row.corpus.clone(),
            row.unit.to_owned(),
            figure(row.ours),
            contender(&row.floor),
            contender(&row.peer),
            ratio(row.to_floor()),
            ratio(row.to_peer()),
            row.bar.as_ref().map_or_else(String::new, bar),
            match row.is_met() {
                None => "",
                Some(true) => "yes",
                Some(false) => "NO",
            }
            .to_owned(),
            row.checked.clone(),
        ]);
    }
    table
}

fn figure(figure: f64) -> String {
    if figure < 100.0 {
        format!("{figure:.2}")
    } else {
        format!("{figure:.0}")
    }
}
