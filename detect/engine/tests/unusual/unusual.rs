//! Events and one anomaly rule, run through scanner and correlator as the detector does.

use std::sync::Arc;

use detect_alert::Alert;
use detect_engine::{
    AlertSink, Compiler, Correlated, Correlator, Models, Moment, Observing, Ruleset, Scanner, Stage,
};
use detect_rules::{SourceText, check};
use ingest_event::{Defaults, OrganizationNumber, SensorId, Timestamp};

pub(crate) const BASES: &str = "
title: Any connection outwards
id: 11111111-1111-4111-8111-111111111111
name: outbound
logsource: { category: network_connection }
detection:
  selection: { event.dataset: network.flow, network.direction: outbound }
  condition: selection
---
title: Any flow
id: 11111111-1111-4111-8111-111111111112
name: any_flow
logsource: { category: network_connection }
detection:
  selection: { event.dataset: network.flow }
  condition: selection
---
title: Any question
id: 11111111-1111-4111-8111-111111111113
name: question
logsource: { category: dns }
detection:
  selection: { event.dataset: network.dns }
  condition: selection
---
";

/// The start of all: a Monday.
pub(crate) const MONDAY: i64 = 1_772_409_600;

pub(crate) fn ruleset(anomaly: &str) -> Arc<Ruleset> {
    ruleset_with(anomaly, Models::off())
}

pub(crate) fn ruleset_with(anomaly: &str, models: Models) -> Arc<Ruleset> {
    ruleset_by(anomaly, |compiler| compiler.models(models))
}

pub(crate) fn ruleset_by(anomaly: &str, also: impl FnOnce(Compiler) -> Compiler) -> Arc<Ruleset> {
    let text = format!(
        "{BASES}title: Unusual\nid: 22222222-2222-4222-8222-222222222222\n{anomaly}\nlevel: medium\n"
    );
    let checked = check(&[SourceText {
        path: "r.yml".to_owned(),
        text,
    }]);
    assert!(checked.diagnostics.is_empty(), "{}", checked.diagnostics[0]);
    let compiler = also(Compiler::new().rules(checked.rules));
    Arc::new(compiler.compile().expect("compiles"))
}

/// A flow at a second after [`MONDAY`].
pub(crate) fn flow(at: i64, source: &str, destination: &str, more: &str) -> (i64, String) {
    let time = Timestamp::from_millis((MONDAY + at) * 1000);
    let text = format!(
        r#"{{"@timestamp":"{time}","event.dataset":"network.flow","network.direction":"outbound","source.ip":"{source}","destination.ip":"{destination}"{more}}}"#
    );
    (at, text)
}

pub(crate) fn question(at: i64, source: &str, name: &str) -> (i64, String) {
    let time = Timestamp::from_millis((MONDAY + at) * 1000);
    let text = format!(
        r#"{{"@timestamp":"{time}","event.dataset":"network.dns","network.direction":"outbound","source.ip":"{source}","dns.question.name":"{name}"}}"#
    );
    (at, text)
}

pub(crate) struct Run {
    pub(crate) correlator: Correlator,
    pub(crate) ruleset: Arc<Ruleset>,
    pub(crate) stage: Stage,
    pub(crate) observing: Observing,
    pub(crate) correlated: Correlated,
    pub(crate) defaults: Defaults,
}

impl Run {
    pub(crate) fn new(ruleset: &Arc<Ruleset>, stage: Stage) -> Self {
        Self {
            correlator: Correlator::for_stage(Arc::clone(ruleset), stage),
            ruleset: Arc::clone(ruleset),
            stage,
            observing: Observing::default(),
            correlated: Correlated::default(),
            defaults: Defaults {
                organization: OrganizationNumber::parse("910244132").expect("a number"),
                sensor: SensorId::parse("test").expect("a name"),
            },
        }
    }

    pub(crate) fn feed(&mut self, event: &str) {
        self.feed_at(event, None);
    }

    /// Read at a time of its own.
    pub(crate) fn feed_at(&mut self, event: &str, read: Option<Timestamp>) {
        let ruleset = Arc::clone(&self.ruleset);
        let mut sink = AlertSink::new(&self.defaults, &mut self.observing);
        let timestamp = Scanner::new(&ruleset)
            .scan(event.as_bytes(), &mut sink)
            .expect("an event");
        let moment = Moment {
            read: read.unwrap_or(timestamp),
            ..Moment::of(timestamp)
        };
        sink.finish_event(&mut self.correlator, moment, &mut self.correlated);
    }

    pub(crate) fn restart(&mut self) {
        let snapshot = self.correlator.snapshot();
        self.correlator =
            Correlator::restore(Arc::clone(&self.ruleset), self.stage, &snapshot).expect("restores");
    }

    pub(crate) fn finish(mut self) -> Vec<Alert> {
        self.correlator.flush(&mut self.correlated);
        self.correlated.alerts
    }
}

pub(crate) const V6: &str = "2001:db8:20::7";

pub(crate) const BEACON: &str = "anomaly:
  type: beacon
  rules: [outbound]
  group-by: [source.ip, destination.ip]
  timespan: 24h
  condition: { gte: 0.8, minimum: 16, field: source.bytes }
varde: { entity: source.ip }";

/// The same, if few machines call it; one that was not called before is graver.
pub(crate) const CALLED_BY_FEW: &str = "anomaly:
  type: beacon
  rules: [outbound]
  group-by: [source.ip, destination.ip]
  timespan: 24h
  learning: 7d
  condition: { gte: 0.8, minimum: 16, field: source.bytes, at-most-callers: 2 }
varde: { entity: source.ip }";
