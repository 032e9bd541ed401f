//! What rules about several events cost: time beside the scan (`cost`), memory and restart (`memory`, `entities`).
//!
//! The scan alone has all of SigmaHQ (or the bundled rules), a million indicators and the bundled Sigma rules. The other
//! has the bundled correlations, anomaly rules and models too, with the base rules that only they need.

mod corpus;
mod cost;
mod entities;
mod memory;

use std::{collections::BTreeSet, path::Path, sync::Arc};

use anyhow::Context as _;
use detect::detector::{Detector, Findings, Origin};
use detect_engine::{Compiler, Correlator, Models, Ruleset};
use detect_rules::{BaseOf, CheckedRules, SourceText};
use ingest_event::OrganizationNumber;

use crate::{
    engine::{corpora, made},
    measure::Row,
    scan,
    workload::benign_flows,
};

const INDICATORS: usize = 1_000_000;

const ORGANIZATION: &str = "840029212";

/// What they add to the time of an event.
///
/// # Errors
/// If the rules do not load, or something else is found than should be.
pub fn run() -> anyhow::Result<Vec<Row>> {
    cost::rows(&rulesets()?)
}

/// What an entity takes, and the time of a restart with a million of them.
///
/// # Errors
/// If the rules do not load, or what is restored is not what was saved.
pub fn held() -> anyhow::Result<Vec<Row>> {
    if entities::was_asked()? {
        return Ok(Vec::new());
    }
    entities::rows()
}

/// Memory while a hundred million flows pass.
///
/// # Errors
/// If the rules do not load.
pub fn passing() -> anyhow::Result<Vec<Row>> {
    let ruleset = rulesets()?.with;
    Ok(vec![memory::passing(&ruleset, organization()?)?])
}

/// The same rules three times, with more and more of what correlation needs.
struct Rulesets {
    /// Where the Sigma rules are from.
    name: &'static str,
    /// Without rules that only correlation needs.
    alone: Arc<Ruleset>,
    /// With them, and nobody who takes their matches.
    bases: Arc<Ruleset>,
    /// With everything that is bundled.
    with: Arc<Ruleset>,
}

fn rulesets() -> anyhow::Result<Rulesets> {
    let mut sources = bundled()?;
    let name = match corpora::captures() {
        Some(captures) => {
            sources.extend(corpora::sigma_hq(&captures)?);
            "all of SigmaHQ and the bundled rules"
        }
        None => "the bundled rules",
    };
    let with = check(&sources)?;
    let only = |rules| CheckedRules {
        rules,
        ..CheckedRules::default()
    };
    let mut indicators = made::indicators(7, INDICATORS - 1);
    indicators.push(scan::indicator());
    let organization = organization()?;
    let sample = benign_flows(organization, u64::MAX, 0, 2_048);
    let compile = |rules| {
        let compiler = Compiler::new()
            .rules(rules)
            .models(models()?)
            .indicators(indicators.clone())
            .sample(sample.iter().cloned());
        compiler.compile().map(Arc::new).context("compile the ruleset")
    };
    Ok(Rulesets {
        name,
        alone: compile(only(without_bases(&with)))?,
        bases: compile(only(with.rules.clone()))?,
        with: compile(with)?,
    })
}

/// The bundled rules of every kind.
fn bundled() -> anyhow::Result<Vec<SourceText>> {
    let folder = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../rulesets")
            .join(name)
    };
    let folders = ["sigma", "correlations", "anomaly", "filters"].map(folder);
    let (sources, unread) = detect_rules::read_rules(&folders);
    anyhow::ensure!(unread.is_empty(), "{unread:?}");
    Ok(sources)
}

fn models() -> anyhow::Result<Models> {
    let mut models = Models::off();
    for file in rulesets::files().iter().filter(|file| file.is_model()) {
        models
            .add(&file.content)
            .with_context(|| format!("load {}", file.path))?;
    }
    Ok(models)
}

fn organization() -> anyhow::Result<OrganizationNumber> {
    OrganizationNumber::parse(ORGANIZATION).context("read the organisation")
}

fn check(sources: &[SourceText]) -> anyhow::Result<CheckedRules> {
    let checked = detect_rules::check(sources);
    anyhow::ensure!(!checked.rules.rules.is_empty(), "no rule loads");
    Ok(checked.rules)
}

/// Rules that no correlation or anomaly rule needs, and those that raise alerts themselves.
fn without_bases(rules: &CheckedRules) -> Vec<detect_rules::Rule> {
    let correlations = rules.correlations.iter().flat_map(|rule| &rule.bases);
    let bases = correlations.chain(rules.anomalies.iter().flat_map(|rule| &rule.bases));
    let taken: BTreeSet<usize> = bases
        .filter_map(|base| match base.of {
            BaseOf::Rule(rule) => Some(rule),
            BaseOf::Correlation(_) | BaseOf::Anomaly(_) | BaseOf::Indicators => None,
        })
        .collect();
    let kept = rules.rules.iter().enumerate();
    kept.filter(|(index, rule)| rule.raises || !taken.contains(index))
        .map(|(_, rule)| rule.clone())
        .collect()
}

/// Scans events as the service does; they are numbered from `first` on.
fn feed(
    detector: &mut Detector<'_>,
    correlator: &mut Correlator,
    organization: OrganizationNumber,
    events: &[Vec<u8>],
    first: u64,
    findings: &mut Findings,
) {
    let observed = detect::clock::now();
    for (payload, position) in events.iter().zip(first..) {
        let origin = Origin {
            organization,
            source: "bench",
            position,
            observed,
        };
        detector.scan(correlator, payload, &origin, findings);
    }
}
