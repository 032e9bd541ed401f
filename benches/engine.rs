//! The engine on one pinned core: all of SigmaHQ and a million indicators, beside only reading the same bytes and
//! beside others that match the same rules. Run by `scripts/bench engine`, which also builds it without Hyperscan.
//!
//! Not here: reading from Kafka (`reading`), memory and look-ups of indicators alone (`indicators`).

pub mod allocations;
pub mod contender;
pub mod corpora;
pub mod growth;
pub mod hostile;
pub mod loading;
pub mod made;
pub mod matching;
pub mod row;
pub mod speed;
pub mod turns;

use std::{path::Path, time::Instant};

use anyhow::Context as _;
use detect_alert::Indicator;
use detect_engine::{Compiler, Ruleset};
use detect_rules::{Checked, CheckedRules, SourceText, check};
use ingest_event::OrganizationNumber;

use self::{
    contender::{ours, rsigma, rsigma_engine, sonic},
    corpora::{Corpus, Kind, captured, last_level_cache, sigma_hq, zeek},
    matching::Judge,
    row::Row,
    turns::by_turns,
};
use crate::workload::benign_day;

/// Indicators beside the rules.
pub const INDICATORS: usize = 1_000_000;

/// Events of a corpus that are measured, at least.
pub const EVENTS: usize = 100_000;

/// So many events of each corpus are shown to the compiler.
const SAMPLE: usize = 4_000;

/// The name of the build without the C library.
pub const RUST_ALONE: &str = "Rust alone";

/// Which build this is.
pub const BUILD: &str = if cfg!(feature = "hyperscan") {
    "with Hyperscan"
} else {
    RUST_ALONE
};

/// All corpora.
pub const CORPORA: [&str; 6] = ["mix", "raw", "evtx", "zeek", "eve", "ecs"];

/// How the bench runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rounds by turns.
    pub rounds: usize,
    /// Which corpora; those of the mode if empty.
    pub corpora: Vec<String>,
    /// Which parts of the bench; all if empty.
    pub parts: Vec<String>,
    /// Indicators beside the rules.
    pub indicators: usize,
    /// The machine's cores, read before the program is pinned to one of them.
    pub cores: Vec<core_affinity::CoreId>,
    /// Corpora are larger than the last-level cache.
    pub beyond_cache: bool,
}

/// Rules, corpora and what is measured on them.
pub struct Setup {
    /// SigmaHQ's files.
    pub sources: Vec<SourceText>,
    /// SigmaHQ, checked.
    pub checked: Checked,
    /// In the order of [`CORPORA`].
    pub corpora: Vec<Corpus>,
}

impl Setup {
    /// Reads rules and corpora.
    ///
    /// # Errors
    /// If the captures can't be read.
    pub fn read(captures: &Path, plan: &Plan, otherwise: &[&str]) -> anyhow::Result<Self> {
        let sources = sigma_hq(captures)?;
        let checked = check(&sources);
        let least_bytes = if plan.beyond_cache {
            more_than_the_cache()
        } else {
            0
        };
        let corpora = CORPORA
            .into_iter()
            .filter(|name| {
                if plan.corpora.is_empty() {
                    otherwise.contains(name)
                } else {
                    plan.corpora.iter().any(|wanted| wanted == name)
                }
            })
            .map(|name| corpus(captures, name, EVENTS, least_bytes))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            sources,
            checked,
            corpora,
        })
    }

    /// Compiles rules and indicators, trained on the events of all corpora that nothing is measured on.
    ///
    /// # Errors
    /// If they do not compile.
    pub fn compile(&self, rules: CheckedRules, indicators: Vec<Indicator>) -> anyhow::Result<Ruleset> {
        trained(Compiler::new().rules(rules).indicators(indicators), &self.corpora)
            .compile()
            .context("compile SigmaHQ")
    }

    fn corpus(&self, name: &str) -> Option<&Corpus> {
        self.corpora.iter().find(|corpus| corpus.name == name)
    }
}

/// Shows the compiler events of each corpus that nothing is measured on.
fn trained(compiler: Compiler, corpora: &[Corpus]) -> Compiler {
    corpora.iter().fold(compiler, |compiler, corpus| {
        let step = corpus.training.len().div_ceil(SAMPLE).max(1);
        compiler.sample(corpus.training.iter().step_by(step).cloned())
    })
}

/// A small table for whoever works on the engine: P and ours on four corpora, in half a minute.
///
/// # Errors
/// If the captures can't be read or ours refuses an event.
#[expect(clippy::print_stdout, reason = "the table is what it is for")]
pub fn quick(captures: &Path, plan: &Plan, with_peer: bool) -> anyhow::Result<()> {
    let setup = Setup::read(captures, plan, &["mix", "raw", "zeek", "eve"])?;
    let indicators = made::indicators(7, plan.indicators);
    let peer = with_peer.then(|| rsigma_engine(&setup.sources)).transpose()?;
    let started = Instant::now();
    let ruleset = setup.compile(setup.checked.rules.clone(), indicators)?;
    println!(
        "{BUILD}; {} rules, {} indicators, compiled in {:.2?}",
        ruleset.rule_count(),
        ruleset.indicator_count(),
        started.elapsed()
    );
    println!(
        "{:<10} {:>6} {:>8} {:>9} {:>9} {:>7} {:>14} {:>7} {:>9}",
        "corpus", "bytes", "events", "P ev/s", "ours ev/s", "ours/P", "(worst..best)", "ours/R", "matches"
    );
    for corpus in &setup.corpora {
        let mut contenders = vec![sonic(), ours("ours", &ruleset)];
        if let Some(peer) = &peer {
            contenders.push(rsigma(peer).every(4));
        }
        let turns = by_turns(corpus, plan.rounds, &mut contenders)?;
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
    Ok(())
}

/// The parts of the full bench, by name.
pub const PARTS: [&str; 7] = [
    "speed",
    "naive",
    "rules",
    "indicators",
    "cores",
    "hostile",
    "loading",
];

/// The full bench.
///
/// # Errors
/// If the captures can't be read, an event is refused, or two who should agree do not.
#[expect(clippy::print_stderr, reason = "it takes minutes and says where it is")]
pub fn full(captures: &Path, plan: &Plan) -> anyhow::Result<Vec<Row>> {
    let setup = Setup::read(captures, plan, &CORPORA)?;
    let ruleset = setup.compile(setup.checked.rules.clone(), made::indicators(7, plan.indicators))?;
    let wanted = |part: &str| {
        let is_wanted = plan.parts.is_empty() || plan.parts.iter().any(|wanted| wanted == part);
        if is_wanted {
            eprintln!("measuring: {part}");
        }
        is_wanted
    };
    let mut rows = Vec::new();
    if wanted("speed") {
        let engine = rsigma_engine(&setup.sources)?;
        let judge = Judge::new(&ruleset, &setup.checked, &engine, &setup.sources)?;
        rows.extend(speed::rows(
            &setup.corpora,
            &ruleset,
            &engine,
            &judge,
            plan.rounds,
        )?);
    }
    if wanted("naive") {
        rows.extend(speed::naive(&setup.corpora, &ruleset, &setup.sources)?);
    }
    let some: Vec<&Corpus> = ["mix", "zeek"]
        .into_iter()
        .filter_map(|name| setup.corpus(name))
        .collect();
    if wanted("rules") {
        let twice = growth::twice(&setup.checked.rules);
        let more = setup.compile(twice, made::indicators(7, plan.indicators))?;
        let pair = (
            (&ruleset, "SigmaHQ"),
            (&more, "SigmaHQ and a variant of each rule"),
        );
        rows.extend(growth::grown(
            "twice the rules",
            &some,
            pair.0,
            pair.1,
            (plan.rounds, 1.1),
        )?);
    }
    if wanted("indicators") {
        let more = setup.compile(
            setup.checked.rules.clone(),
            made::indicators(7, plan.indicators * 10),
        )?;
        let flows: Vec<&Corpus> = setup
            .corpora
            .iter()
            .filter(|corpus| corpus.name != "evtx")
            .collect();
        let pair = ((&ruleset, "once"), (&more, "ten times"));
        rows.extend(growth::grown(
            &format!("ten times {} indicators", plan.indicators),
            &flows,
            pair.0,
            pair.1,
            (plan.rounds, 1.05),
        )?);
        rows.push(speed::with_hits(&ruleset, plan.rounds)?);
    }
    if let Some(mix) = setup.corpus("mix") {
        if wanted("cores") {
            rows.push(growth::two_cores(mix, &ruleset, plan.rounds, &plan.cores)?);
        }
        if wanted("hostile") {
            rows.extend(hostile::events(mix, &ruleset, &setup.checked)?);
            rows.extend(hostile::rules(mix, &setup)?);
        }
    }
    if wanted("loading") {
        rows.extend(loading::rows(&setup)?);
    }
    Ok(rows)
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
