//! How things are measured: contenders run by turns in one process on one pinned core, and only the ratios of
//! their medians are quoted.

use std::{fs, path::Path, time::Duration};

use anyhow::Context as _;
use comfy_table::{Table, presets};
use cpu_time::ThreadTime;
use serde::Serialize;

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The bench it belongs to.
    pub bench: &'static str,
    /// What is done.
    pub work: &'static str,
    /// On what.
    pub corpus: String,
    /// What is counted, for example `events/s`.
    pub unit: &'static str,
    /// Ours.
    pub ours: f64,
    /// The least that any program must do, in the same run.
    pub floor: Option<Contender>,
    /// What others use, in the same run.
    pub peer: Option<Contender>,
    /// What is promised, as a ratio.
    pub bar: Option<Bar>,
    /// What was checked before a figure counts, for example the number of matches.
    pub checked: String,
}

/// Something that ran beside ours.
#[derive(Clone, Debug, Serialize)]
pub struct Contender {
    /// Its name and version.
    pub name: String,
    /// Its figure, in the row's unit.
    pub figure: f64,
}

/// A promise about a ratio.
#[derive(Clone, Debug, Serialize)]
pub struct Bar {
    /// `ours / floor` or `ours / peer`.
    pub against: Against,
    /// At least this.
    pub at_least: f64,
}

/// What a bar is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The floor.
    Floor,
    /// The peer.
    Peer,
}

impl Against {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Peer => "peer",
        }
    }
}

impl Row {
    /// `ours / floor`.
    #[must_use]
    pub fn to_floor(&self) -> Option<f64> {
        self.floor.as_ref().map(|floor| self.ours / floor.figure)
    }

    /// `ours / peer`.
    #[must_use]
    pub fn to_peer(&self) -> Option<f64> {
        self.peer.as_ref().map(|peer| self.ours / peer.figure)
    }

    /// Whether the promise is kept; `None` without one.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        let bar = self.bar.as_ref()?;
        let ratio = match bar.against {
            Against::Floor => self.to_floor(),
            Against::Peer => self.to_peer(),
        }?;
        Some(ratio >= bar.at_least)
    }
}

/// Runs each contender once per round, by turns, and gives each one's median CPU time of this thread.
///
/// A contender returns what it counted; it must be the same in every round, so that no work is optimised away
/// or skipped.
///
/// # Errors
/// If a contender counts differently in two rounds.
pub fn by_turns(
    rounds: usize,
    contenders: &mut [(&str, &mut dyn FnMut() -> u64)],
) -> anyhow::Result<Vec<(Duration, u64)>> {
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    let mut counts = vec![None; contenders.len()];
    for _ in 0..rounds {
        for (((name, run), times), count) in contenders.iter_mut().zip(&mut times).zip(&mut counts) {
            let start = ThreadTime::now();
            let counted = run();
            times.push(start.elapsed());
            if count.is_some_and(|before| before != counted) {
                anyhow::bail!("{name} counted {count:?} and then {counted}");
            }
            *count = Some(counted);
        }
    }
    Ok(times
        .into_iter()
        .zip(counts)
        .map(|(times, count)| (median(times), count.unwrap_or(0)))
        .collect())
}

/// The middle one, or the lower of the two middle ones.
#[must_use]
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times
        .get(times.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or_default()
}

/// `count` per second of `time`.
#[must_use]
pub fn rate(count: u64, time: Duration) -> f64 {
    // Counts are far below 2^52.
    count as f64 / time.as_secs_f64().max(1e-9)
}

/// Writes a bench's rows to `record/NAME.json`.
///
/// # Errors
/// If the file can't be written.
pub fn record(name: &str, rows: &[&Row]) -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("record");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let path = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(rows)? + "\n";
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

/// The rows as a person reads them.
#[must_use]
pub fn table(rows: &[Row]) -> Table {
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

/// Resident memory of this process (`proc(5)`); 0 where there is no `/proc`.
#[must_use]
pub fn resident_mib() -> u64 {
    let pages: Option<u64> = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse().ok());
    (pages.unwrap_or(0) * 4_096) >> 20
}

/// Memory that this process has for itself (`proc(5)`), without that of files; `None` where there is no `/proc`.
#[must_use]
pub fn anonymous_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contender_that_counts_differently_is_caught() {
        let mut calls = 0;
        let mut drifting = || {
            calls += 1;
            calls
        };
        assert!(by_turns(2, &mut [("drifting", &mut drifting)]).is_err());
    }

    #[test]
    fn medians_are_in_the_middle() {
        let times = [5, 1, 9].map(Duration::from_secs).to_vec();
        assert_eq!(median(times), Duration::from_secs(5));
    }
}
