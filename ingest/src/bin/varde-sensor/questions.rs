//! `reveal`: what a pseudonym stands for, for somebody who asked on site, and what the centre asks through the gateway.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use ingest::clock::Clock;
use ingest::config::Config;
use ingest::site::questions::Questions;
use ingest::site::reveal::{self, Step};

use crate::site::{self, shown};

/// What is asked for, and who answers.
#[derive(clap::Args)]
pub(crate) struct RevealOptions {
    /// The configuration, YAML.
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        default_value = "/etc/varde/sensor.yml"
    )]
    config: PathBuf,
    #[command(flatten)]
    asked: Asked,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// A request that came by another way than the gateway.
#[derive(clap::Args)]
pub(crate) struct Asked {
    /// Pseudonyms as they stand in an alert.
    #[arg(value_name = "PSEUDONYM", conflicts_with = "request")]
    pub(crate) pseudonyms: Vec<String>,
    /// A request in YAML: `asked_by`, `reason`, `pseudonyms`.
    #[arg(long, value_name = "FILE")]
    pub(crate) request: Option<PathBuf>,
    /// Say yes to the request, in this name.
    #[arg(long, value_name = "NAME", requires = "request", conflicts_with = "refuse")]
    pub(crate) approve: Option<String>,
    /// Say no to the request, in this name.
    #[arg(long, value_name = "NAME", requires = "request")]
    pub(crate) refuse: Option<String>,
}

/// What the centre asks through the gateway.
#[derive(clap::Subcommand)]
enum Verb {
    /// What waits for an answer.
    List,
    /// Say yes to a question: the centre is told what the pseudonyms stand for.
    Approve(Answered),
    /// Say no to a question.
    Refuse(Answered),
    /// Everything that was asked and answered, checked.
    Log,
}

#[derive(clap::Args)]
struct Answered {
    /// The question, as `list` names it.
    #[arg(value_name = "ID")]
    id: String,
    /// Who answers: your name.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why: it is told to the centre, and written down.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl RevealOptions {
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }
}

/// Does what is said.
pub(crate) fn reveal(config: &Config, options: RevealOptions) -> anyhow::Result<ExitCode> {
    match options.verb {
        None => {
            let asked = &options.asked;
            anyhow::ensure!(
                asked.request.is_some() || !asked.pseudonyms.is_empty(),
                "say what for: pseudonyms, `--request FILE`, or `list`, `approve`, `refuse`, `log`"
            );
            site::answer(config, options.asked)
        }
        Some(Verb::List) => list(config),
        Some(Verb::Approve(answered)) => answer(config, &answered, true),
        Some(Verb::Refuse(answered)) => answer(config, &answered, false),
        Some(Verb::Log) => log(config),
    }
}

fn list(config: &Config) -> anyhow::Result<ExitCode> {
    let waiting = Questions::at(&config.state)
        .list()
        .context("read what is asked")?;
    let mut out = std::io::stdout().lock();
    for one in &waiting {
        let question = &one.question;
        let stands = match &one.answer {
            Some(_) => "answered, on its way to the centre".to_owned(),
            None => format!("to be answered before {}", question.until),
        };
        writeln!(out, "{}: {stands}", question.id)?;
        let [asked_by, approved_by, incident, reason] = [
            &question.asked_by,
            &question.approved_by,
            &question.incident,
            &question.reason,
        ]
        .map(|text| shown(text));
        writeln!(
            out,
            "    {asked_by} asks, {approved_by} agrees, for incident {incident}"
        )?;
        writeln!(out, "    because: {reason}")?;
        for pseudonym in &question.pseudonyms {
            writeln!(out, "    {}", shown(pseudonym))?;
        }
    }
    if waiting.is_empty() {
        writeln!(out, "the centre asks nothing")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn answer(config: &Config, answered: &Answered, approved: bool) -> anyhow::Result<ExitCode> {
    let by = (&answered.by[..], &answered.reason[..]);
    let now = Clock::System.now();
    let answer = Questions::at(&config.state).answer(config, &answered.id, approved, by, now)?;
    let mut out = std::io::stdout().lock();
    for value in &answer.values {
        let clear = value.stood_for.as_deref().unwrap_or("not known here");
        writeln!(out, "{} is {}", shown(&value.pseudonym), shown(clear))?;
    }
    let word = if approved { "the centre is told" } else { "refused" };
    writeln!(out, "{word}; written down as {}", answer.digest)?;
    Ok(ExitCode::SUCCESS)
}

fn log(config: &Config) -> anyhow::Result<ExitCode> {
    let (lines, last) = reveal::lines(&config.state)?;
    let mut out = std::io::stdout().lock();
    for line in lines {
        let what = match (line.step, line.approved) {
            (Step::Answered, true) => "revealed",
            (Step::Answered, false) => "refused",
            (step, _) => step.as_str(),
        };
        let [asked_by, reason, question, by, because] = [
            &line.asked_by,
            &line.reason,
            &line.question,
            &line.answered_by,
            &line.because,
        ]
        .map(|text| shown(text));
        writeln!(out, "{} {what}: {}", line.at, shown(&line.pseudonyms.join(", ")))?;
        writeln!(out, "    asked by {asked_by}: {reason}")?;
        for (name, text) in [("question", question), ("answered by", by), ("because", because)] {
            if !text.is_empty() {
                writeln!(out, "    {name} {text}")?;
            }
        }
    }
    writeln!(out, "the log is whole and ends with {last}")?;
    Ok(ExitCode::SUCCESS)
}
