//! The engine on one pinned core: all of SigmaHQ and a million indicators, beside only reading the same bytes and
//! beside others that match the same rules. Run by `scripts/bench engine`, which also builds it without Hyperscan.
//!
//! Not here: reading from Kafka (`reading`), memory and look-ups of indicators alone (`indicators`).

pub mod contender;
pub mod corpora;
pub mod made;
pub mod turns;

use std::path::Path;

use anyhow::Context as _;
use detect_engine::{Compiler, Ruleset};
use detect_rules::{Checked, check};
use ingest_event::OrganizationNumber;

use self::{
    contender::{ours, rsigma, rsigma_engine, sonic},
    corpora::{Corpus, Kind, captured, last_level_cache, sigma_hq, zeek},
    turns::by_turns,
};
use crate::workload::benign_day;

/// Indicators beside the rules.
pub const INDICATORS: usize = 1_000_000;

/// Events of a corpus that are measured, at least.
pub const EVENTS: usize = 100_000;

/// How the bench runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rounds by turns.
    pub rounds: usize,
    /// Corpora, by a part of their names; all if empty.
    pub corpora: Vec<String>,
    /// Indicators beside the rules.
    pub indicators: usize,
}

/// A small table for whoever works on the engine: P and ours on four corpora, in half a minute.
///
/// # Errors
/// If the captures can't be read or ours refuses an event.
#[expect(clippy::print_stdout, reason = "the table is what it is for")]
pub fn quick(captures: &Path, plan: &Plan, with_peer: bool) -> anyhow::Result<()> {
    let sources = sigma_hq(captures)?;
    let checked = check(&sources);
    let started = std::time::Instant::now();
    let indicators = made::indicators(7, plan.indicators);
    let made = started.elapsed();
    let peer = if with_peer {
        Some(rsigma_engine(&sources)?)
    } else {
        None
    };
    println!(
        "{:<10} {:>6} {:>8} {:>9} {:>9} {:>7} {:>14} {:>7} {:>9}",
        "corpus", "bytes", "events", "P ev/s", "ours ev/s", "ours/P", "(worst..best)", "ours/R", "matches"
    );
    let mut compiled = None;
    for name in ["mix", "raw", "evtx", "zeek", "eve", "ecs"] {
        let wanted = if plan.corpora.is_empty() {
            !matches!(name, "evtx" | "ecs")
        } else {
            plan.corpora.iter().any(|wanted| wanted == name)
        };
        if !wanted {
            continue;
        }
        let corpus = corpus(captures, name, EVENTS, 0)?;
        let started = std::time::Instant::now();
        let ruleset = ruleset(&checked, indicators.clone())?;
        compiled = Some(started.elapsed());
        let mut contenders = vec![sonic(), ours("ours", &ruleset)];
        if let Some(peer) = &peer {
            contenders.push(rsigma(peer).every(4));
        }
        let turns = by_turns(&corpus, plan.rounds, &mut contenders)?;
        let count = turns.count("ours");
        let ratio = turns.ratio("ours", "sonic-rs Value").context("both ran")?;
        let peer_ratio = turns.ratio("ours", "rsigma-eval 0.23, routing");
        println!(
            "{:<10} {:>6} {:>8} {:>9.0} {:>9.0} {:>7.3} {:>14} {:>7} {:>9}",
            corpus.name,
            corpus.mean_bytes(),
            corpus.len(),
            turns.rate("sonic-rs Value"),
            turns.rate("ours"),
            ratio.median,
            format!("({:.3}..{:.3})", ratio.worst, ratio.best),
            peer_ratio.map_or_else(String::new, |ratio| format!("{:.2}", ratio.median)),
            count & 0xffff_ffff
        );
        anyhow::ensure!(count >> 32 == 0, "ours refused {} events", count >> 32);
    }
    println!(
        "{} rules; {} indicators made in {made:.1?}; last compile {:.2?}",
        checked.rules.rules.len(),
        plan.indicators,
        compiled.unwrap_or_default()
    );
    Ok(())
}

/// SigmaHQ and indicators.
///
/// # Errors
/// If it does not compile.
pub fn ruleset(checked: &Checked, indicators: Vec<detect_alert::Indicator>) -> anyhow::Result<Ruleset> {
    Compiler::new()
        .rules(checked.rules.clone())
        .indicators(indicators)
        .compile()
        .context("compile SigmaHQ")
}

/// One of `mix`, `raw`, `evtx`, `zeek`, `eve` and `ecs`.
///
/// # Errors
/// If its file can't be read, or nothing is called so.
pub fn corpus(captures: &Path, name: &str, least: usize, least_bytes: usize) -> anyhow::Result<Corpus> {
    let host = |file: &str| captured(captures, file);
    let (kind, events) = match name {
        "mix" => (Kind::Host, host("windows-mix-20k")?),
        "raw" => (Kind::Host, host("windows-raw-20k")?),
        "evtx" => (Kind::Host, host("evtx-samples")?),
        "zeek" => (Kind::Flow, zeek(captures)?),
        "eve" => (Kind::Flow, made::eve(5, 200_000)),
        "ecs" => (
            Kind::Flow,
            benign_day(OrganizationNumber::parse("958935420")?, 6, 200_000),
        ),
        other => anyhow::bail!("no corpus is called {other}"),
    };
    Ok(Corpus::new(name, kind, events, least, least_bytes))
}

/// At least so many bytes of events: more than the last-level cache holds.
#[must_use]
pub fn more_than_the_cache() -> usize {
    last_level_cache() + (16 << 20)
}
