//! How long it takes until rules are live: all of SigmaHQ, from a cache, and one changed rule.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use cpu_time::ProcessTime;
use detect_engine::Compiler;
use detect_rules::{SourceText, check};

use super::row::{Limit, Row};

/// Each is done this often; the middle one counts.
const ROUNDS: usize = 5;

/// Rows for loading.
///
/// # Errors
/// If SigmaHQ does not compile.
pub fn rows(sources: &[SourceText]) -> anyhow::Result<Vec<Row>> {
    let checked = check(sources);
    let (read, read_cpu) = timed(|| Ok(check(sources).rules.rules.len()))?;
    let mut clones: Vec<_> = (0..ROUNDS).map(|_| checked.rules.clone()).collect();
    let (compiled, compiled_cpu) = timed(|| {
        let rules = clones.pop().context("one for each round")?;
        Ok(Compiler::new().rules(rules).compile()?.rule_count())
    })?;
    let count = checked.rules.rules.len();
    let all = Row::new(
        "compile and load SigmaHQ",
        &format!("{count} rules from YAML in memory"),
        "s",
        read + compiled,
    )
    .bar("seconds", read + compiled, Limit::AtMost(1.0))
    .checked(format!(
        "wall time; reading and checking {read:.3} s ({read_cpu:.3} s of CPU), compiling {compiled:.3} s \
         ({compiled_cpu:.3} s of CPU)"
    ));

    let changed = sources.iter().position(|source| source.text.contains("category: process_creation"));
    let (one, one_cpu) = timed(|| {
        let source = changed.and_then(|at| sources.get(at)).context("SigmaHQ has such rules")?;
        let mut source = source.clone();
        source.text = source.text.replace("title: ", "title: Changed ");
        let one = check(&[source]);
        anyhow::ensure!(one.rules.rules.len() == 1, "the changed rule loads");
        Ok(one.rules.rules.len())
    })?;
    let live = Row::new(
        "one changed rule live",
        "checked alone, all compiled again",
        "s",
        one + compiled,
    )
    .bar("seconds", one + compiled, Limit::AtMost(0.2))
    .checked(format!(
        "wall time; checking {one:.4} s ({one_cpu:.4} s of CPU), compiling all again {compiled:.3} s"
    ));
    Ok(vec![all, live])
}

/// Seconds on the wall and of all threads' CPU time, the middle of the rounds.
fn timed(mut work: impl FnMut() -> anyhow::Result<usize>) -> anyhow::Result<(f64, f64)> {
    let mut taken: Vec<(Duration, Duration)> = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let (wall, cpu) = (Instant::now(), ProcessTime::now());
        let count = work()?;
        taken.push((wall.elapsed(), cpu.elapsed()));
        anyhow::ensure!(0 < count, "nothing was loaded");
    }
    let middle = |figures: Vec<f64>| super::turns::middle(figures);
    Ok((
        middle(taken.iter().map(|(wall, _)| wall.as_secs_f64()).collect()),
        middle(taken.iter().map(|(_, cpu)| cpu.as_secs_f64()).collect()),
    ))
}
