//! Contenders as they are run: processes on one core, by turns, with the processor's time that they and their children
//! took, and the most memory that they had.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

/// Ticks of `/proc` in a second: the same on all machines of today (`proc(5)`, `USER_HZ`).
const TICKS: u64 = 100;

/// One contender.
pub struct Program {
    /// Its name and version.
    pub name: String,
    /// What is run.
    pub command: Vec<String>,
    /// How often it may be run until it does not fail: a peer may crash.
    pub tries: usize,
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The processor's time.
    pub time: Duration,
    /// What it printed last.
    pub said: String,
}

/// Runs each once per round, by turns; gives each one's median time and what it said.
///
/// # Errors
/// If one can't be started, fails, or says something else in another round.
pub fn by_turns(rounds: usize, programs: &[Program]) -> anyhow::Result<Vec<Ran>> {
    let mut times = vec![Vec::with_capacity(rounds); programs.len()];
    let mut said: Vec<Option<String>> = vec![None; programs.len()];
    for _ in 0..rounds {
        for ((program, times), said) in programs.iter().zip(&mut times).zip(&mut said) {
            let ran = tried(program)?;
            times.push(ran.time);
            if let Some(before) = said
                && *before != ran.said
            {
                anyhow::bail!("{} said `{before}` and then `{}`", program.name, ran.said);
            }
            *said = Some(ran.said);
        }
    }
    Ok(times
        .into_iter()
        .zip(said)
        .map(|(times, said)| Ran {
            time: crate::measure::median(times),
            said: said.unwrap_or_default(),
        })
        .collect())
}

/// Runs one until it does not fail; the time of the run that counts.
fn tried(program: &Program) -> anyhow::Result<Ran> {
    for _ in 1..program.tries {
        if let Ok(ran) = run(program) {
            return Ok(ran);
        }
    }
    run(program)
}

/// Runs one to its end.
///
/// # Errors
/// If it can't be started or fails.
pub fn run(program: &Program) -> anyhow::Result<Ran> {
    let before = children()?;
    let (first, rest) = program.command.split_first().context("a command is named")?;
    let output = Command::new(first)
        .args(rest)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("run {first}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{} failed: {}",
        program.name,
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(Ran {
        time: children()?.saturating_sub(before),
        said: said.lines().last().unwrap_or_default().to_owned(),
    })
}

/// The processor's time of all children that have ended, theirs included (`proc(5)`, fields 16 and 17 of `stat`).
///
/// # Errors
/// If the system does not say.
pub fn children() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("read /proc/self/stat")?;
    // The second field, the name, may hold blanks.
    let (_, fields) = stat
        .rsplit_once(')')
        .context("find the fields of /proc/self/stat")?;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS))
}
