//! How well the shipped rules tell attacks from a benign day, beside what others would tell of the same events.
//!
//! Three kinds of labelled traffic go through the detector as in production: generated days (`benign`) with attacks
//! hidden in them (`attacks`), the project's own cases (`real`), and captures by others (`captures`). Each alert is held
//! against the labels (`label`, `verdict`). Nothing here tunes a rule: seed 1 is for looking, and what is quoted is
//! another.

pub mod attacks;
pub mod benign;
pub mod captures;
pub mod draw;
pub mod happening;
pub mod label;
pub mod real;
pub mod rivals;
pub mod verdict;
pub mod watch;

use std::sync::Arc;
use std::{fs, path::Path};

use anyhow::Context as _;
use detect_engine::Ruleset;
use ingest_event::OrganizationNumber;

use crate::engine::corpora;
use happening::Teller;
use label::Attack;
use real::Recording;
use rivals::RIVALS;
use verdict::{Record, Source, Verdict};
use watch::{Watch, Watched};

/// Machines of the generated municipality, besides those that may be infected.
const HOSTS: u64 = 300;

/// Its days, from a Monday on: more than rules learn.
const DAYS: u32 = 20;

/// The seed of what is quoted, unless `VARDE_BENCH_SEED` says another. 1 is for looking.
const SEED: u64 = 20_261_122;

const ORGANIZATION: &str = "840029212";

/// Measures everything; writes `record/quality.json`, unless something is only tried, and returns the tables.
///
/// # Errors
/// If rules do not load, or something can't be read or written.
pub fn run() -> anyhow::Result<String> {
    let seed = number("VARDE_BENCH_SEED", SEED)?;
    let hosts = number("VARDE_BENCH_HOSTS", HOSTS)?;
    let days = u32::try_from(number("VARDE_BENCH_DAYS", u64::from(DAYS))?)?;
    let folder = std::env::var_os("VARDE_BENCH_RULES").map_or_else(watch::bundled, std::path::PathBuf::from);
    let (ruleset, shipped) = watch::shipped(&folder)?;
    let mut verdict = Verdict::new(&shipped, &RIVALS);
    let mut notes = vec![format!(
        "seed {seed}, {hosts} hosts and those infected, {days} days"
    )];
    let (attacks, watched) = generated(&ruleset, seed, hosts, days)?;
    verdict.judge(Source::Generated, &attacks, &watched.ours, &watched.theirs);
    verdict.judge_benign(
        &attacks,
        &watched.ours,
        &watched.theirs,
        (hosts as f64, f64::from(days)),
        watched.events,
    );
    for recording in real::cases(&ruleset)? {
        judge(&mut verdict, Source::Cases, &recording, &mut notes);
    }
    match corpora::captures() {
        Some(folder) => {
            let organization = OrganizationNumber::parse(ORGANIZATION)?;
            let captured = captures::all(&ruleset, &folder, organization)?;
            for recording in &captured.labelled {
                judge(&mut verdict, Source::Captures, recording, &mut notes);
            }
            notes.push(format!(
                "CrowdSec: {} other tests are logs that no source of ours reads",
                captured.no_such_source
            ));
            notes.push(unlabelled(&captured.exercise));
        }
        None => notes.push("skipped: captures not found; VARDE_CAPTURES says where they are".to_owned()),
    }
    let record = verdict.record(notes);
    let is_tried = ["SEED", "HOSTS", "DAYS", "RULES"]
        .iter()
        .any(|name| std::env::var_os(format!("VARDE_BENCH_{name}")).is_some());
    if !is_tried {
        write(&record)?;
    }
    Ok(record.tables())
}

fn number(name: &str, otherwise: u64) -> anyhow::Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("read {name}")),
        Err(_) => Ok(otherwise),
    }
}

/// Days with attacks hidden in them: the labels, and what was told.
///
/// # Errors
/// If the organisation is none.
pub fn generated(
    ruleset: &Arc<Ruleset>,
    seed: u64,
    hosts: u64,
    days: u32,
) -> anyhow::Result<(Vec<Attack>, Watched)> {
    let mut teller = Teller::new(OrganizationNumber::parse(ORGANIZATION)?);
    let mut watch = Watch::new(ruleset);
    let mut day = benign::Day::new(0);
    let mut attacks = Vec::new();
    let infected = attacks::infected(hosts);
    for number in 0..days {
        benign::fill(&mut day, seed, number, 0..hosts);
        benign::fill(&mut day, seed, number, infected.clone());
        benign::fill_common(&mut day, seed, number, hosts);
        attacks.extend(attacks::hide(&mut day, seed, number, hosts));
        let (happenings, next) = day.in_order();
        for happening in &happenings {
            watch.take(&teller.tell(happening));
        }
        day = next;
    }
    Ok((attacks, watch.finish()))
}

/// Recordings are too short for a number of false alerts: those that concern no attack are named.
fn judge(verdict: &mut Verdict, source: Source, recording: &Recording, notes: &mut Vec<String>) {
    let Recording {
        name,
        attacks,
        watched,
    } = recording;
    verdict.judge(source, attacks, &watched.ours, &watched.theirs);
    let beside: Vec<String> = watched
        .ours
        .iter()
        .filter(|told| !attacks.iter().any(|attack| attack.concerns(told)))
        .map(|told| format!("{} about {}", told.rule, told.about.join(" and ")))
        .collect();
    let beside = match beside.len() {
        0 => String::new(),
        _ => format!("; alerts about no attack: {}", beside.join(", ")),
    };
    notes.push(format!(
        "{name}: {} attacks, {} events, {} alerts{beside}",
        attacks.len(),
        watched.events,
        watched.ours.len()
    ));
}

fn unlabelled(recording: &Recording) -> String {
    let watched = &recording.watched;
    let host_days = watched.hosts as f64 * watched.hours as f64 / 24.0;
    format!(
        "{}: {} events of {} addresses inside in {} h, {} alerts, {:.0} per 1,000 hosts and day; an exercise, not benign",
        recording.name,
        watched.events,
        watched.hosts,
        watched.hours,
        watched.ours.len(),
        watched.ours.len() as f64 / (host_days / 1_000.0).max(f64::MIN_POSITIVE)
    )
}

fn write(record: &Record) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("record/quality.json");
    let text = serde_json::to_string_pretty(record)? + "\n";
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests;
