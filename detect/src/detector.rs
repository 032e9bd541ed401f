//! One event against everything: scan → correlate → raise, for the service and for `varde replay` alike.
//!
//! Pure: no bus, no clock, no file. The same payloads in the same order give the same findings.

use std::time::Duration;

use detect_alert::{
    Alert, AlertId, Confidence, Entity, EventSample, Evidence, Pap, Producer, ProducerKind, RuleId, Severity,
    Texts, Tlp,
};
use detect_engine::{
    AlertSink, Correlated, Correlator, EventView, Match, MatchSink, Moment, Observing, Rejections, Ruleset,
    Scanner, Signal,
};
use ingest_event::{
    Defaults, Event, EventId, Fields, Marking, OrganizationNumber, Purpose, QuarantineReason,
    QuarantineRecord, RAW_BYTES_MAX, SensorId, Timestamp, Zone, derive_id,
};

use crate::bound::bounded;

/// The rule id of canaries: alerts that prove the way is open, never shown as incidents.
pub const CANARY_RULE: &str = "varde:canary";

/// The dataset of canary events, stamped at each sensor.
pub const CANARY_DATASET: &str = "varde.canary";

/// What a sensor says of itself: no rule looks at it, and whoever only says that it is there may see nothing any more.
pub const OWN_DATASETS: [&str; 2] = ["varde.heartbeat", "varde.shed"];

/// The rule id of alerts about events that claim an organisation which their topic does not belong to.
pub const WRONG_ORGANIZATION_RULE: &str = "varde:wrong-organization";

/// Where a payload came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Whose topic it came on: proved by the broker, not claimed by the payload (D3).
    pub organization: OrganizationNumber,
    /// The topic, or the input file of a replay.
    pub source: &'a str,
    /// Offset in the topic, or number of the event in a replay.
    pub position: u64,
    /// When it was read.
    pub observed: Timestamp,
}

/// What came of some events.
#[derive(Debug, Default)]
pub struct Findings {
    /// In the order of the events, and per event in the order of the rules.
    pub alerts: Vec<Alert>,
    /// What could not be read or is not believed.
    pub quarantined: Vec<QuarantineRecord>,
    /// What has to be held together with events of other partitions.
    pub signals: Vec<Signal>,
}

impl Findings {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.quarantined.is_empty() && self.signals.is_empty()
    }
}

impl Findings {
    /// Adds what the correlator found.
    pub fn take(&mut self, correlated: &mut Correlated) {
        self.alerts.extend(correlated.alerts.drain(..).map(bounded));
        self.signals.append(&mut correlated.signals);
    }
}

/// Scans events of one thread against one ruleset; its buffers are used again.
pub struct Detector<'r> {
    scanner: Scanner<'r>,
    /// What events without a sensor and organisation of their own get; kept from event to event.
    defaults: Option<Defaults>,
    observing: Observing,
    correlated: Correlated,
    ruleset: &'r Ruleset,
}

impl<'r> Detector<'r> {
    /// A detector over a ruleset.
    #[must_use]
    pub fn new(ruleset: &'r Ruleset) -> Self {
        Self {
            scanner: Scanner::new(ruleset),
            defaults: None,
            observing: Observing::default(),
            correlated: Correlated::default(),
            ruleset,
        }
    }

    /// Scans one event, lets the correlator count it, and adds what came of it to `findings`. False if a sensor only said
    /// something of itself: that it is there does not mean that it sees anything.
    pub fn scan(
        &mut self,
        correlator: &mut Correlator,
        payload: &[u8],
        origin: &Origin<'_>,
        findings: &mut Findings,
    ) -> bool {
        let mut defaults = self
            .defaults
            .take()
            .unwrap_or_else(|| unnamed(origin.organization));
        defaults.organization = origin.organization;
        let is_seen = self.scan_as(&defaults, correlator, payload, origin, findings);
        self.defaults = Some(defaults);
        is_seen
    }

    fn scan_as(
        &mut self,
        defaults: &Defaults,
        correlator: &mut Correlator,
        payload: &[u8],
        origin: &Origin<'_>,
        findings: &mut Findings,
    ) -> bool {
        let mut intake = Intake {
            sink: AlertSink::new(defaults, &mut self.observing),
            origin,
            kind: Admission::Ordinary { overtakes: false },
        };
        let timestamp = match self.scanner.scan(payload, &mut intake) {
            Ok(timestamp) => timestamp,
            Err(error) => {
                findings
                    .quarantined
                    .push(quarantine(error.reason(), chain(&error), payload, origin));
                return true;
            }
        };
        let Intake { mut sink, kind, .. } = intake;
        let is_seen = !matches!(kind, Admission::Canary | Admission::OwnWords);
        match kind {
            Admission::Ordinary { overtakes } => {
                if 0 < sink.undecodable()
                    && let Err(error) = ingest_event::decode(payload, defaults)
                {
                    findings
                        .quarantined
                        .push(quarantine(error.reason(), chain(&error), payload, origin));
                }
                let moment = Moment {
                    at: timestamp,
                    read: origin.observed,
                    overtakes,
                };
                sink.finish_event(correlator, moment, &mut self.correlated);
                findings.alerts.extend(sink.alerts().drain(..).map(bounded));
                findings.take(&mut self.correlated);
            }
            Admission::Canary => match ingest_event::decode(payload, defaults) {
                Ok(event) => findings.alerts.push(self.canary(&event)),
                Err(error) => {
                    findings
                        .quarantined
                        .push(quarantine(error.reason(), chain(&error), payload, origin));
                }
            },
            Admission::OwnWords => {}
            Admission::WrongOrganization { claimed } => {
                let detail = "the event claims another organisation than its topic; give the sensor the organisation \
                              number that its certificate is for";
                let reason = QuarantineReason::WrongOrganization;
                findings
                    .quarantined
                    .push(quarantine(reason, detail.to_owned(), payload, origin));
                findings
                    .alerts
                    .push(self.wrong_organization(payload, &claimed, origin, defaults));
            }
        }
        is_seen
    }

    /// Lets the correlator give out what waits for its turn: the input is at its end, or nothing came for a while.
    pub fn flush(&mut self, correlator: &mut Correlator, findings: &mut Findings) {
        correlator.flush(&mut self.correlated);
        findings.take(&mut self.correlated);
    }

    /// Nothing has come for so long: what nothing coming makes true is told of.
    pub fn elapse(&mut self, correlator: &mut Correlator, elapsed: Duration, findings: &mut Findings) {
        correlator.elapse(elapsed, &mut self.correlated);
        findings.take(&mut self.correlated);
    }

    /// How often indicators that events name were no matches, since the last time.
    pub fn take_rejections(&mut self) -> Rejections {
        self.scanner.take_rejections()
    }

    fn canary(&self, event: &Event) -> Alert {
        let texts = Texts::new();
        self.integrity(
            CANARY_RULE,
            "Canary",
            Severity::Informational,
            event,
            [texts.clone(), texts],
            Vec::new(),
        )
    }

    fn wrong_organization(
        &self,
        payload: &[u8],
        claimed: &str,
        origin: &Origin<'_>,
        defaults: &Defaults,
    ) -> Alert {
        // Whatever it claims to be, it is told of as an event of the organisation whose topic it came on.
        let mut event = ingest_event::decode(payload, defaults).unwrap_or_else(|_| Event {
            id: EventId::derive(&[b"unreadable", payload]),
            sensor: defaults.sensor.clone(),
            organization: origin.organization,
            sequence: 0,
            timestamp: origin.observed,
            observed: origin.observed,
            dataset: "unknown".to_owned(),
            zone: Zone::Administration,
            marking: Marking::Unmarked,
            purpose: Purpose::SecurityMonitoring,
            exercise: false,
            fields: Fields::new(),
        });
        event.organization = origin.organization;
        event.fields = Fields::new();
        let evidence = Evidence {
            event: event.id.clone(),
            field: ingest_event::field::ORGANIZATION_ID.to_owned(),
            value: claimed.chars().take(64).collect(),
            matched: format!("is not {}, whose topic it came on", origin.organization),
        };
        let summary = [
            (
                "nb",
                "En sensor hos dere sender hendelser på vegne av en annen virksomhet.",
            ),
            (
                "nn",
                "Ein sensor hos dykk sender hendingar på vegner av ei anna verksemd.",
            ),
            (
                "en",
                "One of your sensors sends events in the name of another organisation.",
            ),
        ];
        let first_step = [
            (
                "nb",
                "Sjekk organisasjonsnummeret i sensorens oppsett. Er det riktig, kan sensoren være overtatt: ring oss.",
            ),
            (
                "nn",
                "Sjekk organisasjonsnummeret i oppsettet til sensoren. Er det rett, kan sensoren vere overteken: ring oss.",
            ),
            (
                "en",
                "Check the organisation number in the sensor's configuration. If it is right, the sensor may be taken over: call us.",
            ),
        ];
        let texts = [texts(summary), texts(first_step)];
        let name = "Event Claims Another Organisation";
        self.integrity(
            WRONG_ORGANIZATION_RULE,
            name,
            Severity::High,
            &event,
            texts,
            vec![evidence],
        )
    }

    /// An alert that the pipeline raises itself; what it is about is the sensor.
    fn integrity(
        &self,
        rule: &str,
        name: &str,
        severity: Severity,
        event: &Event,
        [summary, first_step]: [Texts; 2],
        evidence: Vec<Evidence>,
    ) -> Alert {
        let rule = RuleId(rule.to_owned());
        Alert {
            id: AlertId::derive(&rule, event.organization, &[event.id.as_str()]),
            timestamp: event.timestamp,
            organization: event.organization,
            sensor: event.sensor.clone(),
            zone: event.zone,
            marking: event.marking,
            exercise: event.exercise,
            severity,
            confidence: Confidence::High,
            tlp: Tlp::Amber,
            pap: Pap::Green,
            producer: Producer {
                kind: ProducerKind::Integrity,
                id: rule,
                name: name.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ruleset: self.ruleset.version().clone(),
                authors: vec!["Varde".to_owned()],
                license: None,
                description: String::new(),
                references: Vec::new(),
                tags: Vec::new(),
                false_positives: Vec::new(),
                incident: None,
                summary,
                first_step,
            },
            indicator: None,
            entity: Entity {
                field: ingest_event::field::OBSERVER_NAME.to_owned(),
                value: event.sensor.as_str().to_owned(),
            },
            evidence,
            window: None,
            events: vec![EventSample {
                id: event.id.clone(),
                timestamp: event.timestamp,
                dataset: event.dataset.clone(),
                fields: event.fields.clone(),
            }],
        }
    }
}

#[expect(clippy::expect_used, reason = "a literal that is a valid sensor id")]
fn unnamed(organization: OrganizationNumber) -> Defaults {
    Defaults {
        organization,
        sensor: SensorId::parse("unnamed").expect("a valid sensor id"),
    }
}

/// What is done with an event that could be read.
enum Admission {
    /// Rules and indicators look at it.
    Ordinary {
        /// It passed what waited at its sensor.
        overtakes: bool,
    },
    /// It proves that the way is open.
    Canary,
    /// Its sensor's words about itself: no rule looks at them, and they move no time.
    OwnWords,
    /// It is put aside.
    WrongOrganization { claimed: String },
}

struct Intake<'a> {
    sink: AlertSink<'a>,
    origin: &'a Origin<'a>,
    kind: Admission,
}

impl MatchSink for Intake<'_> {
    fn admit(&mut self, event: &EventView<'_>) -> bool {
        self.kind = match event.organization() {
            Some(claimed) if claimed != self.origin.organization.as_str() => Admission::WrongOrganization {
                claimed: claimed.to_owned(),
            },
            _ if event.dataset() == Some(CANARY_DATASET) => Admission::Canary,
            _ if event
                .dataset()
                .is_some_and(|dataset| OWN_DATASETS.contains(&dataset)) =>
            {
                Admission::OwnWords
            }
            _ => Admission::Ordinary {
                overtakes: event.overtakes(),
            },
        };
        matches!(self.kind, Admission::Ordinary { .. })
    }

    fn matched(&mut self, event: &EventView<'_>, hit: Match<'_>) {
        self.sink.matched(event, hit);
    }
}

/// What is put aside of a record on a topic that starts as event topics do and names no organisation.
pub(crate) fn unknown_topic(
    payload: &[u8],
    topic: &str,
    position: u64,
    observed: Timestamp,
) -> QuarantineRecord {
    let kept = payload.get(..RAW_BYTES_MAX).unwrap_or(payload);
    QuarantineRecord {
        id: EventId::derive(&[b"quarantine", topic.as_bytes(), &position.to_le_bytes(), payload]),
        reason: QuarantineReason::WrongOrganization,
        detail:
            "the topic names no organisation; event topics are varde.events.<organisation number>, its check \
                 digit included"
                .to_owned(),
        organization: None,
        sensor: None,
        source: topic.to_owned(),
        position,
        observed,
        length: payload.len() as u64,
        digest: derive_id(&[kept]),
    }
}

fn quarantine(
    reason: QuarantineReason,
    detail: String,
    payload: &[u8],
    origin: &Origin<'_>,
) -> QuarantineRecord {
    QuarantineRecord {
        reason,
        detail,
        organization: Some(origin.organization),
        ..unknown_topic(payload, origin.source, origin.position, origin.observed)
    }
}

fn texts(pairs: [(&str, &str); 3]) -> Texts {
    pairs
        .into_iter()
        .map(|(language, text)| (language.to_owned(), text.to_owned()))
        .collect()
}

/// The error with its causes: each `Display` leaves its source out.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
