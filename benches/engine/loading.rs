//! How long it takes until rules are live: all of SigmaHQ, from a cache, and one changed rule.

use std::time::Instant;

use anyhow::Context as _;
use cpu_time::ProcessTime;
use detect_engine::Compiler;
use detect_rules::check;

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

    let mut cached = Row::new("load SigmaHQ from a cached database", "", "s", 0.0);
    cached.ours = None;

    let changed = setup
        .sources
        .iter()
        .find(|source| source.text.contains("category: process_creation"))
        .context("SigmaHQ has such rules")?;
    let one = timed(Vec::new(), |()| {
        let mut source = changed.clone();
        source.text = source.text.replace("title: ", "title: Changed ");
        Ok(check(&[source]).rules.rules.len())
    })?;
    let live = one.cpu + again.cpu;
    let live = Row::new(
        "one changed rule live",
        "checked alone, all compiled again with a sample of events",
        "CPU s",
        live,
    )
    .bar("seconds", live, Limit::AtMost(0.2))
    .checked(format!(
        "checking {}; compiling {}",
        one.as_text(),
        again.as_text()
    ));
    Ok(vec![all, cached, live])
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
