//! The time of an event with and without rules about several events, by turns on one core.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use cpu_time::ThreadTime;
use detect::detector::{Detector, Findings};
use detect_engine::{Correlator, Ruleset};
use ingest_event::OrganizationNumber;

use super::{INDICATORS, Rulesets, corpus::Corpus, feed, organization};
use crate::{
    measure::{Against, Bar, Contender, Row, median, rate},
    workload::HIT_EVERY,
};

/// Events of one round, at most: more than three minutes of an organisation with 500 a second.
const EVENTS_MOST: u64 = 100_000;

/// Rounds that count; one before them fills the tables.
const ROUNDS: usize = 9;

/// What rules about several events may add.
const ADDED_MOST: f64 = 0.4;

/// One row for each corpus.
pub(super) fn rows(rulesets: &Rulesets) -> anyhow::Result<Vec<Row>> {
    let organization = organization()?;
    let flows = "flows, nearly all observed by some rule";
    let mut rows = vec![row(rulesets, organization, flows, &mut Corpus::Outbound)?];
    for (name, flows_only) in [
        ("flows of a generated day", true),
        ("a generated day: flows, names, handshakes, logs", false),
    ] {
        let mut corpus = Corpus::day(organization, flows_only);
        rows.push(row(rulesets, organization, name, &mut corpus)?);
    }
    Ok(rows)
}

fn row(
    rulesets: &Rulesets,
    organization: OrganizationNumber,
    name: &str,
    corpus: &mut Corpus,
) -> anyhow::Result<Row> {
    let mut runs =
        [&rulesets.alone, &rulesets.bases, &rulesets.with].map(|ruleset| Run::new(ruleset, organization));
    let each = (corpus.len() / (ROUNDS as u64 + 1)).min(EVENTS_MOST);
    let mut events = 0;
    for round in 0..=ROUNDS {
        let chunk = corpus.chunk(organization, events, each);
        // Who is first finds the events in no cache: each is it as often as the others.
        for turn in 0..runs.len() {
            let at = (round + turn) % runs.len();
            let run = runs.get_mut(at).context("find the contender")?;
            run.take(&chunk, events);
        }
        events += each;
    }
    let [alone, bases, with] = runs.map(Run::finish);
    anyhow::ensure!(
        alone.alerts == bases.alerts && bases.alerts <= with.alerts,
        "{} alerts of the scan alone, {} and {} of the others",
        alone.alerts,
        bases.alerts,
        with.alerts
    );
    anyhow::ensure!(
        !matches!(corpus, Corpus::Outbound) || alone.alerts == events / HIT_EVERY,
        "{} alerts of the scan alone",
        alone.alerts
    );
    Ok(Row {
        bench: "correlate",
        work: "scan and correlate",
        corpus: format!(
            "{name}: {each} events a round; {}, {INDICATORS} indicators, {} correlations and anomaly rules",
            rulesets.name,
            rulesets.with.correlation_count()
        ),
        unit: "events/s",
        ours: rate(each, with.time),
        floor: None,
        peer: Some(Contender {
            name: "the scan alone".to_owned(),
            figure: rate(each, alone.time),
        }),
        bar: Some(Bar {
            against: Against::Peer,
            at_least: 1.0 / (1.0 + ADDED_MOST),
        }),
        checked: format!(
            "{} alerts of single events, {} with the others; ns an event: scan {}, with the rules that only correlation needs {}, correlated {}; {}",
            alone.alerts,
            with.alerts,
            nanos(alone.time, each),
            nanos(bases.time, each),
            nanos(with.time, each),
            with.told,
        ),
    })
}

fn nanos(time: Duration, events: u64) -> u128 {
    time.as_nanos() / u128::from(events.max(1))
}

/// One ruleset's way through the rounds.
struct Run<'r> {
    organization: OrganizationNumber,
    detector: Detector<'r>,
    correlator: Correlator,
    findings: Findings,
    alerts: u64,
    times: Vec<Duration>,
}

struct Finished {
    alerts: u64,
    time: Duration,
    told: String,
}

impl<'r> Run<'r> {
    fn new(ruleset: &'r Arc<Ruleset>, organization: OrganizationNumber) -> Self {
        Self {
            organization,
            detector: Detector::new(ruleset),
            correlator: Correlator::new(Arc::clone(ruleset)),
            findings: Findings::default(),
            alerts: 0,
            times: Vec::new(),
        }
    }

    fn take(&mut self, events: &[Vec<u8>], first: u64) {
        let start = ThreadTime::now();
        let Self {
            detector,
            correlator,
            findings,
            ..
        } = self;
        feed(detector, correlator, self.organization, events, first, findings);
        self.times.push(start.elapsed());
        self.alerts += self.findings.alerts.drain(..).len() as u64;
        self.findings.quarantined.clear();
        self.findings.signals.clear();
    }

    fn finish(mut self) -> Finished {
        let measured = self.times.split_off(1);
        let mut last = Findings::default();
        self.detector.flush(&mut self.correlator, &mut last);
        let stats = self.correlator.stats();
        Finished {
            alerts: self.alerts + last.alerts.len() as u64,
            time: median(measured),
            told: format!(
                "{} groups, {} put out for room, {} events late, {} of zones that are not learned from",
                self.correlator.group_count(),
                stats.groups_evicted,
                stats.events_late,
                stats.events_protected
            ),
        }
    }
}
