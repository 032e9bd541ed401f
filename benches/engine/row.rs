//! What is recorded: rows with their promises, merged over the builds in `record/engine.json`.

use std::{fs, path::Path};

use anyhow::Context as _;
use comfy_table::{Table, presets};
use serde::{Deserialize, Serialize};

use super::turns::Ratio;

/// One line of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// With Hyperscan, or Rust alone.
    pub build: String,
    /// What is done.
    pub work: String,
    /// On what.
    pub corpus: String,
    /// What is counted.
    pub unit: String,
    /// Ours; nothing if there is no such thing yet.
    pub ours: Option<f64>,
    /// Others in the same rounds.
    pub beside: Vec<Beside>,
    /// What is promised of it.
    pub bars: Vec<Bar>,
    /// What was checked before the figure counts, and what else is to be known.
    pub checked: String,
}

/// Another in the same rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Beside {
    /// Its name and version.
    pub name: String,
    /// Its figure, in the row's unit.
    pub figure: f64,
    /// Ours in relation to it, round by round.
    pub ratio: Option<Ratio>,
}

/// A promise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bar {
    /// In words, such as `ours ÷ P`.
    pub what: String,
    /// What came out.
    pub measured: f64,
    /// At least this, or at most.
    pub limit: Limit,
}

/// Which way a promise goes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// More is better.
    AtLeast(f64),
    /// Less is better.
    AtMost(f64),
}

impl Bar {
    /// Whether it is kept.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match self.limit {
            Limit::AtLeast(limit) => limit <= self.measured,
            Limit::AtMost(limit) => self.measured <= limit,
        }
    }

    fn as_text(&self) -> String {
        let (sign, limit) = match self.limit {
            Limit::AtLeast(limit) => ("≥", limit),
            Limit::AtMost(limit) => ("≤", limit),
        };
        let verdict = if self.is_met() { "met" } else { "NOT MET" };
        format!("{} {} {sign} {limit}: {verdict}", self.what, short(self.measured))
    }
}

impl Row {
    /// A row without anything beside it.
    #[must_use]
    pub fn new(work: &str, corpus: &str, unit: &str, ours: f64) -> Self {
        Self {
            build: super::BUILD.to_owned(),
            work: work.to_owned(),
            corpus: corpus.to_owned(),
            unit: unit.to_owned(),
            ours: Some(ours),
            beside: Vec::new(),
            bars: Vec::new(),
            checked: String::new(),
        }
    }

    /// Promises something.
    #[must_use]
    pub fn bar(mut self, what: &str, measured: f64, limit: Limit) -> Self {
        self.bars.push(Bar {
            what: what.to_owned(),
            measured,
            limit,
        });
        self
    }

    /// Says what was checked.
    #[must_use]
    pub fn checked(mut self, checked: String) -> Self {
        self.checked = checked;
        self
    }
}

/// Three digits that matter.
#[must_use]
pub fn short(figure: f64) -> String {
    if figure.abs() < 0.095 && figure != 0.0 {
        format!("{figure:.4}")
    } else if figure < 100.0 {
        format!("{figure:.3}")
    } else {
        format!("{figure:.0}")
    }
}

/// The rows for people.
#[must_use]
pub fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "build",
        "work",
        "corpus",
        "unit",
        "ours",
        "beside it",
        "promised",
        "checked",
    ]);
    for row in rows {
        let beside: Vec<String> = row
            .beside
            .iter()
            .map(|beside| {
                let ratio = beside.ratio.map_or_else(String::new, |ratio| {
                    format!(
                        ", ours ×{} ({}–{})",
                        short(ratio.median),
                        short(ratio.worst),
                        short(ratio.best)
                    )
                });
                format!("{} {}{ratio}", short(beside.figure), beside.name)
            })
            .collect();
        let bars: Vec<String> = row.bars.iter().map(Bar::as_text).collect();
        table.add_row([
            row.build.clone(),
            row.work.clone(),
            row.corpus.clone(),
            row.unit.clone(),
            row.ours.map_or_else(|| "not yet".to_owned(), short),
            beside.join("\n"),
            bars.join("\n"),
            row.checked.clone(),
        ]);
    }
    table
}

/// Puts the rows into the record: those of the same build and work that are there are replaced.
///
/// # Errors
/// If the record can't be read or written.
pub fn record(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let mut all: Vec<Row> = match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    all.retain(|old| {
        !rows
            .iter()
            .any(|new| new.build == old.build && new.work == old.work)
    });
    all.extend_from_slice(rows);
    let text = serde_json::to_string_pretty(&all)? + "\n";
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_go_both_ways() {
        let bar = |measured, limit| Bar {
            what: String::new(),
            measured,
            limit,
        };
        assert!(bar(0.5, Limit::AtLeast(0.5)).is_met());
        assert!(!bar(0.49, Limit::AtLeast(0.5)).is_met());
        assert!(bar(1.0, Limit::AtMost(1.1)).is_met());
        assert!(!bar(1.2, Limit::AtMost(1.1)).is_met());
    }

    #[test]
    fn a_second_run_replaces_its_own_rows() {
        let path = std::env::temp_dir().join(format!("bench-record-{}.json", std::process::id()));
        let row = |build: &str, ours| Row {
            build: build.to_owned(),
            ..Row::new("scan", "mix", "events/s", ours)
        };
        record(&path, &[row("one", 1.0), row("two", 2.0)]).expect("written");
        record(&path, &[row("two", 3.0)]).expect("written");
        let rows: Vec<Row> = serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON");
        fs::remove_file(&path).expect("removed");
        let figures: Vec<f64> = rows.iter().filter_map(|row| row.ours).collect();
        assert_eq!(figures, [1.0, 3.0]);
    }
}
