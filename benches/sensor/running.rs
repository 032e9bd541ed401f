//! Contenders as they are run: processes on one core, by turns, with the processor's time that they and their children
//! took.

use std::fs;
use std::process::{Command, Output, Stdio};
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
    /// Looks what a run did, after its time was taken; `None` where it is what it printed last.
    pub did: Option<Did>,
    /// Whether it may do something else in another round: where its own clock ends flows.
    pub varies: bool,
}

impl Program {
    /// One that does not fail, does the same each time and prints what.
    pub fn new(name: &str, command: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            command,
            tries: 1,
            did: None,
            varies: false,
        }
    }
}

/// What a run did, from what it printed and left behind.
pub type Did = Box<dyn Fn(&Output) -> anyhow::Result<String>>;

/// How a run went.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The processor's time.
    pub time: Duration,
    /// What it did; in each round, where that varies.
    pub said: String,
    /// Runs that failed before, of all rounds.
    pub failed: usize,
}

/// Runs each once per round, by turns; gives each one's median time and what it did.
///
/// # Errors
/// If one can't be started, fails more often than it may, or did something else in another round.
pub fn by_turns(rounds: usize, programs: &[Program]) -> anyhow::Result<Vec<Ran>> {
    let mut rans: Vec<Vec<Ran>> = vec![Vec::with_capacity(rounds); programs.len()];
    for _ in 0..rounds {
        for (program, rans) in programs.iter().zip(&mut rans) {
            let ran = run(program)?;
            if let Some(before) = rans.last() {
                anyhow::ensure!(
                    program.varies || before.said == ran.said,
                    "{} said `{}` and then `{}`",
                    program.name,
                    before.said,
                    ran.said
                );
            }
            rans.push(ran);
        }
    }
    Ok(rans
        .into_iter()
        .map(|rans| {
            let mut said: Vec<&str> = rans.iter().map(|ran| ran.said.as_str()).collect();
            said.sort_unstable();
            said.dedup();
            Ran {
                time: crate::measure::median(rans.iter().map(|ran| ran.time).collect()),
                said: said.join(" or "),
                failed: rans.iter().map(|ran| ran.failed).sum(),
            }
        })
        .collect())
}

/// Runs one to its end, so often until it does not fail; the time is of the run that counts.
///
/// # Errors
/// If it can't be started, fails each time, or did not do what it should.
#[expect(
    clippy::print_stderr,
    reason = "why a run failed is seen, though another counts"
)]
pub fn run(program: &Program) -> anyhow::Result<Ran> {
    let mut failed = 0;
    loop {
        let (time, output) = once(program)?;
        if output.status.success() {
            let said = match &program.did {
                Some(did) => did(&output)?,
                None => last_line(&output.stdout),
            };
            return Ok(Ran { time, said, failed });
        }
        failed += 1;
        let why = format!(
            "{} failed, {}: {}",
            program.name,
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        anyhow::ensure!(failed < program.tries, why);
        eprintln!("{why}");
    }
}

fn once(program: &Program) -> anyhow::Result<(Duration, Output)> {
    let before = children()?;
    let (first, rest) = program.command.split_first().context("a command is named")?;
    let output = Command::new(first)
        .args(rest)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {first}"))?;
    Ok((children()?.saturating_sub(before), output))
}

/// The last line of what was printed.
pub fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().last().unwrap_or_default().to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails as often as that, and then says which run it was.
    fn crashing(times: usize, folder: &std::path::Path) -> Vec<String> {
        let script = format!(
            "echo run >> {0}; runs=$(wc -l < {0}); [ $runs -gt {times} ] || exit 3; echo run $runs",
            folder.join("runs").display()
        );
        ["sh", "-c", &script].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_run_that_crashed_is_counted_and_another_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let program = |tries, times| Program {
            tries,
            varies: true,
            ..Program::new("peer", crashing(times, folder.path()))
        };
        let ran = by_turns(2, &[program(3, 2)]).unwrap();
        assert_eq!(
            (ran[0].failed, ran[0].said.as_str()),
            (2, "run 3 or run 4"),
            "two before the first round's"
        );
        let error = run(&program(3, 9)).unwrap_err().to_string();
        assert!(
            error.contains("peer failed, exit status: 3"),
            "after the third: {error}"
        );
        assert_eq!(
            fs::read_to_string(folder.path().join("runs"))
                .unwrap()
                .lines()
                .count(),
            7
        );
    }

    #[test]
    fn who_does_something_else_in_another_round_counts_only_where_that_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let program = Program::new("peer", crashing(0, folder.path()));
        let error = by_turns(2, &[program]).unwrap_err().to_string();
        assert!(error.contains("said `run 1` and then `run 2`"), "{error}");
    }
}
