//! What rules about several events add to the time of a flow event, and what memory does over many of them.
//!
//! The scan alone has all of SigmaHQ (or the bundled rules), a million indicators and the bundled Sigma rules. The other
//! has the bundled correlations and anomaly rules too, with the base rules that only they need.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use anyhow::Context as _;
use detect::detector::{Detector, Findings, Origin};
use detect_engine::{Compiler, Correlator, Ruleset};
use detect_rules::{BaseOf, CheckedRules, SourceText};
use ingest_event::OrganizationNumber;

use crate::{
    engine::{corpora, made},
    measure::{Against, Bar, Contender, Row, by_turns, rate, resident_mib},
    scan,
    workload::{HIT_EVERY, benign_flows},
};

/// Flow events of one round: more than three minutes of an organisation with 500 a second.
const EVENTS: u64 = 100_000;

const ROUNDS: usize = 9;

const INDICATORS: usize = 1_000_000;

/// Flow events for the row of memory, unless `VARDE_BENCH_FLOWS` says another number.
const LONG: u64 = 100_000_000;

/// Flow events that are made at a time.
const CHUNK: u64 = 200_000;

const ORGANIZATION: &str = "840029212";

/// # Errors
/// If the rules do not load, or something else is found than should be.
pub fn run() -> anyhow::Result<Vec<Row>> {
    let captures = corpora::captures();
    let (name, alone, with) = rulesets(captures.as_deref())?;
    let organization = OrganizationNumber::parse(ORGANIZATION)?;
    let chunks: Vec<Vec<Vec<u8>>> = (0..=ROUNDS as u64)
        .map(|round| benign_flows(organization, 1 + round, round * EVENTS, EVENTS))
        .collect();
    let mut states = [&alone, &with].map(|ruleset| State {
        detector: Detector::new(ruleset),
        correlator: Correlator::new(Arc::clone(ruleset)),
        alerts: 0,
        next: 0,
    });
    // The first of the chunks fills the tables; time goes on from round to round.
    for state in &mut states {
        state.take(organization, &chunks);
    }
    let [scan, both] = &mut states;
    let mut scan_alone = || scan.take(organization, &chunks);
    let mut correlate_too = || both.take(organization, &chunks);
    let measured = by_turns(
        ROUNDS,
        &mut [
            ("scan", &mut scan_alone),
            ("scan and correlate", &mut correlate_too),
        ],
    )?;
    let [(scan_time, _), (both_time, _)] = measured.as_slice() else {
        anyhow::bail!("two contenders make two results")
    };
    let (hits, alerts) = (scan.alerts, both.alerts);
    let all = EVENTS * (ROUNDS as u64 + 1);
    anyhow::ensure!(hits == all / HIT_EVERY, "{hits} alerts of the scan alone");
    let corpus = format!(
        "benign flows, {EVENTS} events a round; {name}, {INDICATORS} indicators, {} correlations and anomaly rules",
        with.correlation_count()
    );
    Ok(vec![
        Row {
            bench: "correlate",
            work: "scan and correlate",
            corpus,
            unit: "events/s",
            ours: rate(EVENTS, *both_time),
            floor: None,
            peer: Some(Contender {
                name: "the scan alone".to_owned(),
                figure: rate(EVENTS, *scan_time),
            }),
            bar: Some(Bar {
                against: Against::Peer,
                at_least: 1.0 / 1.4,
            }),
            checked: format!("{hits} planted hits, {alerts} alerts with them"),
        },
        memory(&with, organization)?,
    ])
}

/// What goes on from round to round.
struct State<'r> {
    detector: Detector<'r>,
    correlator: Correlator,
    alerts: u64,
    next: usize,
}

impl State<'_> {
    /// Takes the next chunk; how many events it had.
    fn take(&mut self, organization: OrganizationNumber, chunks: &[Vec<Vec<u8>>]) -> u64 {
        let Some(events) = chunks.get(self.next) else {
            return 0;
        };
        let first = self.next as u64 * EVENTS;
        let mut findings = Findings::default();
        let Self {
            detector, correlator, ..
        } = self;
        feed(detector, correlator, organization, events, first, &mut findings);
        self.alerts += findings.alerts.len() as u64;
        self.next += 1;
        events.len() as u64
    }
}

/// The scan alone, and with everything that is bundled.
fn rulesets(captures: Option<&Path>) -> anyhow::Result<(&'static str, Arc<Ruleset>, Arc<Ruleset>)> {
    let folder = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../rulesets")
            .join(name)
    };
    let folders = ["sigma", "correlations", "anomaly", "filters"].map(folder);
    let (mut sources, unread) = detect_rules::read_rules(&folders);
    anyhow::ensure!(unread.is_empty(), "{unread:?}");
    let name = match captures {
        Some(captures) => {
            sources.extend(corpora::sigma_hq(captures)?);
            "all of SigmaHQ and the bundled rules"
        }
        None => "the bundled rules",
    };
    let with = check(&sources)?;
    let alone = CheckedRules {
        rules: without_bases(&with),
        ..CheckedRules::default()
    };
    let mut indicators = made::indicators(7, INDICATORS - 1);
    indicators.push(scan::indicator());
    let organization = OrganizationNumber::parse(ORGANIZATION)?;
    let sample = benign_flows(organization, u64::MAX, 0, 2_048);
    let compile = |rules| {
        let compiler = Compiler::new()
            .rules(rules)
            .indicators(indicators.clone())
            .sample(sample.iter().cloned());
        compiler.compile().map(Arc::new).context("compile the ruleset")
    };
    Ok((name, compile(alone)?, compile(with)?))
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

/// Resident memory while many events pass, after each tenth of them.
fn memory(ruleset: &Arc<Ruleset>, organization: OrganizationNumber) -> anyhow::Result<Row> {
    let count: u64 = match std::env::var("VARDE_BENCH_FLOWS") {
        Ok(count) => count.parse().context("read VARDE_BENCH_FLOWS")?,
        Err(_) => LONG,
    };
    let started = cpu_time::ThreadTime::now();
    let mut detector = Detector::new(ruleset);
    let mut correlator = Correlator::new(Arc::clone(ruleset));
    let (mut resident, mut alerts, mut scanned) = (Vec::new(), 0, 0);
    while scanned < count {
        let events = benign_flows(organization, 1_000 + scanned / CHUNK, scanned, CHUNK);
        let mut findings = Findings::default();
        feed(
            &mut detector,
            &mut correlator,
            organization,
            &events,
            scanned,
            &mut findings,
        );
        alerts += findings.alerts.len();
        scanned += CHUNK;
        if scanned % (count / 10).max(CHUNK) < CHUNK {
            resident.push(resident_mib());
        }
    }
    let stats = correlator.stats();
    let shown: Vec<String> = resident.iter().map(u64::to_string).collect();
    Ok(Row {
        bench: "correlate",
        work: "memory while flows pass",
        corpus: format!("benign flows, {scanned} events of two thousand hosts, as many servers as there are"),
        unit: "events/s",
        ours: rate(scanned, started.elapsed()),
        floor: None,
        peer: None,
        bar: None,
        checked: format!(
            "MiB resident after each tenth: {}; {} groups, {} put out for room, {} events late, {alerts} alerts; the time includes making the events",
            shown.join(", "),
            correlator.group_count(),
            stats.groups_evicted,
            stats.events_late
        ),
    })
}
