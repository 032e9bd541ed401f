//! How long it takes until rules are live: all of SigmaHQ, from a cache, and one changed rule.

use std::{sync::Arc, time::Instant};

use anyhow::Context as _;
use cpu_time::ProcessTime;
use detect_engine::{CacheKey, Cached, Compiler};
use detect_rules::{Checker, Options, check};

use super::{
    Setup,
    row::{Limit, Row},
    turns::middle,
};

/// Each is done this often; the middle one counts.
const ROUNDS: usize = 5;

/// Rows for loading. What is promised is held against the CPU time of all threads on one core, which is what the
/// wall says on a quiet machine.
///
/// # Errors
/// If SigmaHQ does not compile.
pub fn rows(setup: &Setup) -> anyhow::Result<Vec<Row>> {
    let rules = &setup.checked.rules;
    let read = timed(Vec::new(), |()| Ok(check(&setup.sources).rules.rules.len()))?;
    let copies = || (0..ROUNDS).map(|_| rules.clone()).collect();
    let compiled = timed(copies(), |rules| {
        Ok(Compiler::new().rules(rules).compile()?.rule_count())
    })?;
    let again = timed(copies(), |rules| {
        Ok(setup.compile(rules, Vec::new())?.rule_count())
    })?;
    let all = read.cpu + compiled.cpu;
    let all = Row::new(
        "compile and load SigmaHQ",
        &format!("{} rules from YAML in memory", rules.rules.len()),
        "CPU s",
        all,
    )
    .bar("seconds", all, Limit::AtMost(1.0))
    .checked(format!(
        "reading and checking {}; compiling without a sample of events {}, with one {}",
        read.as_text(),
        compiled.as_text(),
        again.as_text()
    ));

    Ok(vec![all, cached(setup)?, live(setup)?])
}

/// Files in memory and the cache's bytes to a ruleset that scans; programs are compiled when events ask for them, or
/// all at once beside the scanning.
fn cached(setup: &Setup) -> anyhow::Result<Row> {
    let options = Options::default();
    let ruleset = setup.compile(setup.checked.rules.clone(), Vec::new())?;
    let key = CacheKey::of(&setup.sources, &options);
    let bytes = Cached::to_bytes(&key, &setup.checked, &ruleset).context("write the cache")?;
    let load = || -> anyhow::Result<_> {
        let cached = Cached::from_bytes(&CacheKey::of(&setup.sources, &options), &bytes)?;
        let compiler = Compiler::new().rules(cached.checked.rules);
        Ok(compiler.cached(cached.prefilters).compile()?)
    };
    let loaded = timed(Vec::<()>::new(), |()| Ok(load()?.rule_count()))?;
    let whole = timed(Vec::<()>::new(), |()| {
        let ruleset = load()?;
        ruleset.compile_the_rest();
        Ok(ruleset.rule_count())
    })?;
    let name = "load SigmaHQ from a cached database";
    let config = format!("{} bytes in memory, checked against the files", bytes.len());
    Ok(Row::new(name, &config, "CPU s", loaded.cpu)
        .bar("seconds", loaded.cpu, Limit::AtMost(0.1))
        .checked(format!(
            "until events are scanned {}; until every rule's program is compiled {}",
            loaded.as_text(),
            whole.as_text()
        )))
}

/// One of all rules looks for something else: checked, and compiled with what the ruleset in use has.
fn live(setup: &Setup) -> anyhow::Result<Row> {
    let options = Options::default();
    let mut sources = setup.sources.clone();
    let place = sources
        .iter()
        .position(|source| source.text.contains("category: process_creation"))
        .context("SigmaHQ has such rules")?;
    let mut checker = Checker::default();
    let rules = checker.check(&sources, &options).rules;
    let mut ruleset = Arc::new(setup.compile(rules, Vec::new())?);
    let mut turn = 0;
    let mut change = |checker: &mut Checker| {
        turn += 1;
        if let (Some(source), Some(first)) = (sources.get_mut(place), setup.sources.get(place)) {
            source.text = first.text.replace("|contains", &format!("{turn}|contains"));
        }
        checker.check(&sources, &options).rules
    };
    let check_alone = timed(Vec::<()>::new(), |()| Ok(change(&mut checker).rules.len()))?;
    let both = timed(Vec::<()>::new(), |()| {
        let rules = change(&mut checker);
        let compiler = Compiler::new().rules(rules).earlier(Arc::clone(&ruleset));
        ruleset = Arc::new(compiler.compile()?);
        Ok(ruleset.rule_count())
    })?;
    Ok(Row::new(
        "one changed rule live",
        "a rule for process creation",
        "CPU s",
        both.cpu,
    )
    .bar("seconds", both.cpu, Limit::AtMost(0.2))
    .checked(format!(
        "checking {}; checking and compiling {}",
        check_alone.as_text(),
        both.as_text()
    )))
}

/// Seconds on the wall and of all threads' CPU time.
#[derive(Clone, Copy, Debug)]
struct Taken {
    wall: f64,
    cpu: f64,
}

impl Taken {
    fn as_text(self) -> String {
        format!("{:.4} s of CPU ({:.4} s on the wall)", self.cpu, self.wall)
    }
}

/// The middle of the rounds; each takes one of `inputs` with it.
fn timed<T: Default>(
    mut inputs: Vec<T>,
    mut work: impl FnMut(T) -> anyhow::Result<usize>,
) -> anyhow::Result<Taken> {
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let input = inputs.pop().unwrap_or_default();
        let (wall, cpu) = (Instant::now(), ProcessTime::now());
        let count = work(input)?;
        walls.push(wall.elapsed().as_secs_f64());
        cpus.push(cpu.elapsed().as_secs_f64());
        anyhow::ensure!(0 < count, "nothing was loaded");
    }
    Ok(Taken {
        wall: middle(walls),
        cpu: middle(cpus),
    })
}
