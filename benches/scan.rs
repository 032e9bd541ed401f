//! One core: an event against all bundled rules and indicators, beside only parsing it and beside `rsigma-eval`.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use detect::detector::{Detector, Findings, Origin};
use detect_alert::{Confidence, Indicator, IndicatorKind, Pap, Tlp};
use detect_engine::{Compiler, Correlator, Ruleset};
use detect_rules::Checked;
use ingest_event::OrganizationNumber;
use rsigma_eval::{Engine, JsonEvent, LogSourceExtractor};

use crate::{
    measure::{Contender, Row, by_turns, rate},
    workload::{BAD_DOMAIN, HIT_EVERY, benign_day},
};

/// Events a round: larger than the last-level cache.
const EVENTS: u64 = 100_000;

/// Rounds, by turns; medians count.
const ROUNDS: usize = 5;

/// # Errors
/// If rules do not load, or a contender finds something else than it should.
pub fn run() -> anyhow::Result<Vec<Row>> {
    let organization = OrganizationNumber::parse("958935420")?;
    let payloads = benign_day(organization, 1, EVENTS);
    let ruleset = ruleset()?;
    let peer = peer()?;

    let mut parse_only = || {
        payloads
            .iter()
            .map(|payload| u64::from(serde_json::from_slice::<serde_json::Value>(payload).is_ok()))
            .sum()
    };
    let observed = detect::clock::now();
    let mut ours = || {
        let mut correlator = Correlator::new(Arc::clone(&ruleset));
        let mut detector = Detector::new(&ruleset);
        let mut findings = Findings::default();
        for (payload, position) in payloads.iter().zip(0..) {
            let origin = Origin {
                organization,
                source: "bench",
                position,
                observed,
            };
            detector.scan(&mut correlator, payload, &origin, &mut findings);
        }
        detector.flush(&mut correlator, &mut findings);
        findings.alerts.len() as u64
    };
    let mut rival = || {
        payloads
            .iter()
            .filter_map(|payload| serde_json::from_slice::<serde_json::Value>(payload).ok())
            .map(|event| peer.evaluate(&JsonEvent::borrow(&event)).len() as u64)
            .sum()
    };
    let measured = by_turns(
        ROUNDS,
        &mut [
            ("parse", &mut parse_only),
            ("ours", &mut ours),
            ("rsigma", &mut rival),
        ],
    )?;
    let [(parse_time, parsed), (our_time, alerts), (rival_time, _)] = measured.as_slice() else {
        anyhow::bail!("three contenders make three results")
    };
    anyhow::ensure!(*parsed == EVENTS, "{parsed} of {EVENTS} events could be parsed");
    anyhow::ensure!(
        *alerts == EVENTS / HIT_EVERY,
        "{alerts} alerts instead of {}",
        EVENTS / HIT_EVERY
    );
    Ok(vec![Row {
        bench: "scan",
        work: "scan, correlate, raise",
        corpus: format!(
            "benign day, {EVENTS} events; {} rules, {} correlations, {} indicators",
            ruleset.rule_count(),
            ruleset.correlation_count(),
            ruleset.indicator_count()
        ),
        unit: "events/CPU s",
        ours: rate(EVENTS, *our_time),
        floor: Some(Contender {
            name: "serde_json Value".to_owned(),
            figure: rate(EVENTS, *parse_time),
        }),
        peer: Some(Contender {
            name: "rsigma-eval 0.23, log-source routing, no indicators".to_owned(),
            figure: rate(EVENTS, *rival_time),
        }),
        bar: None,
        checked: format!("{alerts} alerts, one for each planted hit"),
    }])
}

fn rules() -> [std::path::PathBuf; 2] {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rulesets");
    [root.join("sigma"), root.join("correlations")]
}

/// The bundled rules and the one indicator that the workload hits.
///
/// # Errors
/// If a bundled rule does not load.
pub fn ruleset() -> anyhow::Result<Arc<Ruleset>> {
    let compiler = Compiler::new()
        .rules(checked()?.rules)
        .indicators(vec![indicator()]);
    compiler.compile().map(Arc::new).context("compile the ruleset")
}

/// The bundled rules.
///
/// # Errors
/// If one of them does not load.
pub fn checked() -> anyhow::Result<Checked> {
    let (sources, diagnostics) = detect_rules::read_rules(&rules());
    anyhow::ensure!(diagnostics.is_empty(), "{diagnostics:?}");
    let checked = detect_rules::check(&sources);
    anyhow::ensure!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
    Ok(checked)
}

/// The indicator that the workload hits.
#[must_use]
pub fn indicator() -> Indicator {
    Indicator {
        kind: IndicatorKind::Domain,
        value: BAD_DOMAIN.to_owned(),
        source: "bench".to_owned(),
        confidence: Confidence::High,
        tlp: Tlp::Clear,
        pap: Pap::Clear,
        valid_from: None,
        valid_until: None,
        description: String::new(),
    }
}

fn peer() -> anyhow::Result<Engine> {
    let mut engine = Engine::new();
    let [sigma, _] = rules();
    let collection = rsigma_parser::parse_sigma_directory(&sigma)?;
    let refused = engine.add_rules(collection.rules.iter());
    anyhow::ensure!(refused.is_empty(), "rsigma-eval refused {} rules", refused.len());
    engine.set_logsource_extractor(Some(LogSourceExtractor::new()));
    Ok(engine)
}
