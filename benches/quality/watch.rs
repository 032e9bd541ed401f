//! Events in, alerts out, as in production: the detector scans what the sensor tells and the correlator counts it.
//! Beside it the rivals look at the same events.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use detect::detector::{Detector, Findings, Origin};
use detect_alert::Severity;
use detect_engine::{Compiler, Correlator, Models, Ruleset};
use ingest_event::{Event, encode, field};

use super::label::{Kind, Told};
use super::rivals::Rivals;

/// A rule that raises alerts.
#[derive(Clone, Debug)]
pub struct Shipped {
    /// Its title.
    pub title: String,
    /// What it is for.
    pub kind: Kind,
    /// How long it only watches.
    pub learns_days: f64,
    /// Whether its alerts wake anybody: informational ones are only shown.
    pub wakes: bool,
}

/// The folder of the bundled rules.
#[must_use]
pub fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rulesets")
}

/// The rules of a folder such as `rulesets`, compiled, and those among them that raise alerts. No indicators: what is
/// asked is what the rules find.
///
/// # Errors
/// If one does not load.
pub fn shipped(folder: &Path) -> anyhow::Result<(Arc<Ruleset>, Vec<Shipped>)> {
    let folders = ["sigma", "correlations", "anomaly"].map(|name| folder.join(name));
    let (sources, unread) = detect_rules::read_rules(&folders);
    anyhow::ensure!(unread.is_empty(), "{unread:?}");
    let checked = detect_rules::check(&sources);
    let refused = checked.diagnostics.iter().find(|found| found.is_error());
    anyhow::ensure!(refused.is_none(), "{refused:?}");
    let rules = checked.rules;
    let single = rules
        .rules
        .iter()
        .map(|rule| (rule.raises, &rule.producer, rule.severity, 0));
    let correlations = rules
        .correlations
        .iter()
        .map(|rule| (rule.raises, &rule.producer, rule.severity, 0));
    let anomalies = rules
        .anomalies
        .iter()
        .map(|rule| (rule.raises, &rule.producer, rule.severity, rule.learning_ns));
    let all = single.chain(correlations).chain(anomalies);
    let mut shipped: Vec<Shipped> = all
        .filter(|(raises, ..)| *raises)
        .map(|(_, producer, severity, learning)| Shipped {
            title: producer.name.clone(),
            kind: Kind::of(&producer.tags),
            learns_days: learning as f64 / 86_400e9,
            wakes: severity > Severity::Informational,
        })
        .collect();
    shipped.sort_by(|left, right| left.title.cmp(&right.title));
    Ok((compile(rules)?, shipped))
}

/// Compiles rules, with the bundled models.
///
/// # Errors
/// If a model is damaged, or a limit of the engine is met.
pub fn compile(rules: detect_rules::CheckedRules) -> anyhow::Result<Arc<Ruleset>> {
    let mut models = Models::off();
    for file in rulesets::files().iter().filter(|file| file.is_model()) {
        models
            .add(&file.content)
            .with_context(|| format!("load {}", file.path))?;
    }
    let compiled = Compiler::new().rules(rules).models(models).compile();
    compiled.map(Arc::new).context("compile the ruleset")
}

/// What watches a stream of events.
pub struct Watch<'r> {
    detector: Detector<'r>,
    correlator: Correlator,
    findings: Findings,
    rivals: Rivals,
    payload: Vec<u8>,
    watched: Watched,
    inside: BTreeSet<String>,
    hours: BTreeMap<i64, u64>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Watched {
    /// Alerts of ours.
    pub ours: Vec<Told>,
    /// What the rivals told.
    pub theirs: Vec<Told>,
    /// Events looked at.
    pub events: u64,
    /// Events that could not be read.
    pub refused: u64,
    /// Addresses that something went out from.
    pub hosts: usize,
    /// Hours with a hundred events and more.
    pub hours: usize,
}

impl<'r> Watch<'r> {
    /// With these rules.
    #[must_use]
    pub fn new(ruleset: &'r Arc<Ruleset>) -> Self {
        Self {
            detector: Detector::new(ruleset),
            correlator: Correlator::new(Arc::clone(ruleset)),
            findings: Findings::default(),
            rivals: Rivals::default(),
            payload: Vec::new(),
            watched: Watched::default(),
            inside: BTreeSet::new(),
            hours: BTreeMap::new(),
        }
    }

    /// Looks at an event. They come in the order in which they are told.
    pub fn take(&mut self, event: &Event) {
        self.watched.events += 1;
        *self
            .hours
            .entry(event.timestamp.as_nanos() / 3_600_000_000_000)
            .or_default() += 1;
        let direction = event.fields.text(field::NETWORK_DIRECTION);
        if let (Some("outbound" | "internal"), Some(from)) = (direction, event.fields.get(field::SOURCE_IP)) {
            let from = from.to_string();
            if !self.inside.contains(&from) {
                self.inside.insert(from);
            }
        }
        self.rivals.take(event);
        self.payload.clear();
        encode(event, &mut self.payload);
        let origin = Origin {
            organization: event.organization,
            source: "quality",
            position: self.watched.events,
            observed: event.observed,
        };
        self.detector
            .scan(&mut self.correlator, &self.payload, &origin, &mut self.findings);
        self.gather();
    }

    /// The stream is over.
    #[must_use]
    pub fn finish(mut self) -> Watched {
        self.detector.flush(&mut self.correlator, &mut self.findings);
        self.gather();
        self.watched.theirs = self.rivals.finish();
        self.watched.hosts = self.inside.len();
        self.watched.hours = self.hours.values().filter(|count| **count >= 100).count();
        self.watched
    }

    fn gather(&mut self) {
        let alerts = self.findings.alerts.drain(..);
        self.watched.ours.extend(alerts.map(|alert| Told::of(&alert)));
        self.watched.refused += self.findings.quarantined.len() as u64;
        self.findings.quarantined.clear();
        self.findings.signals.clear();
    }
}
