//! The scan: one event against every rule of its log sources and every indicator.
//!
//! Matches come in a fixed order: rules by number, then indicators by kind, value and source.

use std::sync::Arc;

use detect_alert::{Confidence, Indicator, Pap, Producer, Severity, Tlp};
use ingest_event::{QuarantineReason, SCHEMA_VERSION, Timestamp, field};
use thiserror::Error;

use crate::{
    claim::{CLAIMS_MAX, Claim, ON_SENSOR, RULE},
    class::Classes,
    indicators::{Named, Rejection, RejectionReason, Rejections},
    json::{self, Keep, Marks, Number, Stop},
    keys::Keys,
    literal::Scratch,
    prefilter::{Awake, Crowds},
    record::{Kind, Payload, Record},
    ruleset::{RuleIndex, Ruleset},
    view::EventView,
};

/// Matches events against a ruleset. One per thread; its buffers are used again.
#[derive(Debug)]
pub struct Scanner<'r> {
    ruleset: &'r Ruleset,
    own: Own,
}

/// Scanners over a ruleset that is held and not borrowed: for those who put another in its place while they live, between
/// two batches. What was learnt of classes of events goes with the ruleset.
#[derive(Debug)]
pub struct HeldScanner {
    ruleset: Arc<Ruleset>,
    own: Own,
}

/// What a scanner learns, and its buffers.
#[derive(Debug, Default)]
struct Own {
    marks: Marks,
    keys: Keys,
    record: Record,
    has_all_texts: bool,
    classes: Classes,
    awake: Awake,
    crowds: Crowds,
    scratch: Scratch,
    findings: Vec<Finding>,
    /// Rules that the event matched.
    held: Vec<u32>,
    named: Named,
    stats: ScanStats,
}

/// What scanning costs, counted since the scanner was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanStats {
    /// Events whose rules were looked at.
    pub events: u64,
    /// Rules that were awake for them.
    pub awake: u64,
    /// Rules that were evaluated.
    pub evaluated: u64,
    /// Bytes in which witnesses were looked for.
    pub searched: u64,
}

/// Takes matches. Called once for each rule or indicator that an event matches.
pub trait MatchSink {
    /// Called once for each event that could be read, before it is matched. One that is not admitted, since it is
    /// not what its topic says or not meant for rules, is not matched at all.
    fn admit(&mut self, _event: &EventView<'_>) -> bool {
        true
    }

    /// An event matched.
    fn matched(&mut self, event: &EventView<'_>, hit: Match<'_>);
}

/// One match, inside the engine; an [`detect_alert::Alert`] is what is kept of it.
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    /// What matched.
    pub origin: Origin<'a>,
    /// How grave.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// Who may know.
    pub tlp: Tlp,
    /// What they may do.
    pub pap: Pap,
    /// Whether it raises an alert by itself; the bases of correlations do not.
    pub raises: bool,
    /// The field that names what the alert is about, if the rule's author chose one.
    pub entity: Option<&'a str>,
    /// Why; empty for what raises nothing.
    pub findings: &'a [Finding],
}

/// What matched.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// A rule.
    Rule(RuleIndex, &'a Producer),
    /// An indicator.
    Indicator(&'a Indicator, &'a Ruleset),
}

/// One reason for a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The event's field.
    pub field: String,
    /// Its value, shortened.
    pub value: String,
    /// The rule's pattern or the indicator.
    pub matched: String,
}

/// Why an event can't be scanned.
#[derive(Debug, Error)]
pub enum ScanError {
    /// Not UTF-8.
    #[error("read the event as UTF-8")]
    NotUtf8(#[source] std::str::Utf8Error),
    /// Not JSON.
    #[error("read the event as a JSON object")]
    NotJson(#[source] serde_json::Error),
    /// More fields than the limit.
    #[error("read the event: it has more than {} fields", ingest_event::FIELDS_MAX)]
    TooManyFields,
    /// No `@timestamp`.
    #[error("find `@timestamp` in the event")]
    NoTimestamp,
    /// A time that is none.
    #[error("read `@timestamp`: it is no RFC 3339 time")]
    BadTimestamp,
    /// Written by a newer schema.
    #[error("read schema version {version}: this reader knows up to {SCHEMA_VERSION}, upgrade it first")]
    SchemaTooNew {
        /// The version it says.
        version: i64,
    },
}

impl ScanError {
    /// The reason to put in quarantine.
    #[must_use]
    pub const fn reason(&self) -> QuarantineReason {
        match self {
            Self::NotUtf8(_) => QuarantineReason::NotUtf8,
            Self::NotJson(_) => QuarantineReason::NotJson,
            Self::TooManyFields => QuarantineReason::TooManyFields,
            Self::NoTimestamp => QuarantineReason::NoTimestamp,
            Self::BadTimestamp => QuarantineReason::BadField,
            Self::SchemaTooNew { .. } => QuarantineReason::SchemaTooNew,
        }
    }
}

impl<'r> Scanner<'r> {
    /// A scanner over a ruleset.
    #[must_use]
    pub fn new(ruleset: &'r Ruleset) -> Self {
        Self {
            ruleset,
            own: Own::default(),
        }
    }

    /// Scans one event, flat or nested JSON, and returns its time.
    ///
    /// # Errors
    /// If the bytes are no event; [`ScanError::reason`] says where they go.
    pub fn scan(&mut self, payload: &[u8], sink: &mut impl MatchSink) -> Result<Timestamp, ScanError> {
        let payload = self.read(payload)?;
        let timestamp = self.envelope(payload)?;
        let view = EventView {
            payload,
            timestamp,
            record: &self.own.record,
            ruleset: self.ruleset,
        };
        if !sink.admit(&view) {
            return Ok(timestamp);
        }
        self.rules(payload, timestamp, sink);
        if self.own.record.has(self.ruleset.envelope.matched) {
            self.claimed_rules(payload, timestamp, sink);
        }
        self.indicators(payload, timestamp, sink);
        Ok(timestamp)
    }

    /// What it cost so far.
    #[must_use]
    pub fn stats(&self) -> ScanStats {
        self.own.stats
    }

    fn read<'p>(&mut self, payload: &'p [u8]) -> Result<&'p str, ScanError> {
        self.own.keys.make_room();
        self.own.marks.mark(payload);
        let text = match simdutf8::basic::from_utf8(payload) {
            Ok(text) => text,
            Err(_) => std::str::from_utf8(payload).map_err(ScanError::NotUtf8)?,
        };
        // Keywords are looked for in the event's bytes; where these don't say all, in every text.
        let is_plain = Payload::new(text, &self.own.marks).is_plain;
        self.read_keeping(text, if is_plain { Keep::Asked } else { Keep::AllTexts })?;
        Ok(text)
    }

    fn read_keeping(&mut self, text: &str, keep: Keep) -> Result<(), ScanError> {
        let names = &self.ruleset.names;
        self.own.record.clear(names, &self.own.marks);
        self.own.has_all_texts = keep == Keep::AllTexts || !names.has_keywords;
        let keep = if names.has_keywords { keep } else { Keep::Asked };
        match json::read(
            text,
            &self.own.marks,
            &mut self.own.keys,
            names,
            keep,
            &mut self.own.record,
        ) {
            Ok(()) => {
                self.own.record.settle_envelope(text);
                Ok(())
            }
            Err(Stop::TooManyFields) => Err(ScanError::TooManyFields),
            Err(Stop::NotJson) => Err(ScanError::NotJson(not_json(text))),
        }
    }

    fn envelope(&self, payload: &str) -> Result<Timestamp, ScanError> {
        let fields = &self.ruleset.envelope;
        if let Some(entry) = self.own.record.values(fields.schema).next()
            && entry.kind == Kind::Number
            && let Number::Integer(version) = json::number(entry.raw(payload))
            && SCHEMA_VERSION < version
        {
            return Err(ScanError::SchemaTooNew { version });
        }
        let text = self
            .own
            .record
            .first_text(fields.timestamp, payload)
            .ok_or(ScanError::NoTimestamp)?;
        text.parse().map_err(|_| ScanError::BadTimestamp)
    }

    fn rules(&mut self, payload: &str, timestamp: Timestamp, sink: &mut impl MatchSink) {
        let bytes = Payload::new(payload, &self.own.marks);
        let class =
            self.own
                .classes
                .of_event(self.ruleset, &mut self.own.record, bytes, &mut self.own.scratch);
        let prefilter = class.prefilter();
        self.own.awake.start(self.ruleset.rules.len());
        for rule in prefilter.always() {
            self.own.awake.wake(*rule);
        }
        let searched = prefilter.look(
            &mut self.own.record,
            bytes,
            &mut self.own.scratch,
            &mut self.own.awake,
        );
        self.own.stats.searched += searched as u64;
        let awake = self.own.awake.rules();
        self.own.held.clear();
        self.own.stats.events += 1;
        self.own.stats.awake += awake.len() as u64;
        let has_keywords = |rule: &u32| {
            let rule = self.ruleset.rules.get(*rule as usize);
            rule.is_some_and(|rule| rule.program.has_keywords())
        };
        if !self.own.has_all_texts && awake.iter().any(has_keywords) {
            let names = &self.ruleset.names;
            self.own.record.clear(names, &self.own.marks);
            // It was read before, and so it can be again.
            let _read = json::read(
                payload,
                &self.own.marks,
                &mut self.own.keys,
                names,
                Keep::AllTexts,
                &mut self.own.record,
            );
            self.own.record.settle_envelope(payload);
        }
        self.own.crowds.look(
            self.ruleset,
            class.number_and_rules(),
            awake,
            &mut self.own.record,
            bytes,
            &mut self.own.scratch,
        );
        for index in awake {
            let Some(rule) = self.ruleset.rules.get(*index as usize) else {
                continue;
            };
            self.own.stats.evaluated += 1;
            if !rule.program.holds(&mut self.own.record, bytes) {
                continue;
            }
            self.own.held.push(*index);
            self.own.findings.clear();
            // What raises nothing is not explained: most events are observed by some rule and shown by none.
            if rule.raises {
                rule.program.explain(
                    &mut self.own.record,
                    bytes,
                    &self.ruleset.names,
                    &mut self.own.findings,
                );
            }
            let view = EventView {
                payload,
                timestamp,
                record: &self.own.record,
                ruleset: self.ruleset,
            };
            sink.matched(&view, rule.matched(*index, &self.own.findings));
        }
    }

    /// The rules that the event matched on its sensor, where it was in clear, and did not match here.
    #[cold]
    fn claimed_rules(&mut self, payload: &str, timestamp: Timestamp, sink: &mut impl MatchSink) {
        let view = EventView {
            payload,
            timestamp,
            record: &self.own.record,
            ruleset: self.ruleset,
        };
        let mut claimed = Vec::new();
        for text in view.claims() {
            let Some(Claim::Rule(id)) = Claim::read(&text) else {
                continue;
            };
            match self.ruleset.numbers.get(id) {
                Some(rule) if !self.own.held.contains(rule) && !claimed.contains(rule) => claimed.push(*rule),
                Some(_) => {}
                None => self.own.named.rejections.count(Rejection {
                    reason: RejectionReason::Unknown,
                    list: None,
                }),
            }
        }
        claimed.sort_unstable();
        for index in claimed {
            let Some(rule) = self.ruleset.rules.get(index as usize) else {
                continue;
            };
            self.own.findings.clear();
            if rule.raises {
                self.own.findings.push(Finding {
                    field: field::VARDE_MATCHED.to_owned(),
                    value: format!("{RULE}{}", rule.producer.id.0),
                    matched: format!("{}{ON_SENSOR}", rule.producer.name),
                });
            }
            sink.matched(&view, rule.matched(index, &self.own.findings));
        }
    }

    /// The indicators that the event matched there.
    #[cold]
    fn claimed_indicators(&mut self, payload: &str, timestamp: Timestamp) {
        let ruleset = self.ruleset;
        let view = EventView {
            payload,
            timestamp,
            record: &self.own.record,
            ruleset,
        };
        let entries = view.record.values(ruleset.envelope.matched);
        for _ in entries.skip(CLAIMS_MAX) {
            self.own.named.rejections.count(Rejection {
                reason: RejectionReason::TooMany,
                list: None,
            });
        }
        for text in view.claims() {
            let Some(claim) = Claim::read(&text) else {
                self.own.named.rejections.count(Rejection {
                    reason: RejectionReason::Unknown,
                    list: None,
                });
                continue;
            };
            let (meant, field) = match claim {
                Claim::Rule(_) => continue,
                Claim::Indicator { kind, value, field } => (Some((kind, value.to_owned())), field),
                Claim::Restricted { hash, field } => (ruleset.indicators.restricted(&hash), field),
            };
            let field = ruleset.names.get(field).unwrap_or(ruleset.envelope.matched);
            let named = &mut self.own.named;
            let is_known =
                meant.is_some_and(|(kind, value)| named.claim(&ruleset.indicators, kind, &value, field));
            if !is_known {
                self.own.named.rejections.count(Rejection {
                    reason: RejectionReason::Unknown,
                    list: None,
                });
            }
        }
    }

    /// How often indicators that events named were no matches, since the last time this was asked.
    #[must_use]
    pub fn take_rejections(&mut self) -> Rejections {
        self.own.named.rejections.take()
    }

    fn indicators(&mut self, payload: &str, timestamp: Timestamp, sink: &mut impl MatchSink) {
        let index = &self.ruleset.indicators;
        self.own.named.look_up(index, &mut self.own.record, payload);
        if self.own.record.has(self.ruleset.envelope.matched) {
            self.claimed_indicators(payload, timestamp);
        }
        let view = EventView {
            payload,
            timestamp,
            record: &self.own.record,
            ruleset: self.ruleset,
        };
        let names = &self.ruleset.names;
        self.own
            .named
            .matches(index, names, timestamp, &mut |indicator, findings| {
                sink.matched(
                    &view,
                    Match {
                        origin: Origin::Indicator(indicator, self.ruleset),
                        severity: severity(indicator.confidence),
                        confidence: indicator.confidence,
                        tlp: indicator.tlp,
                        pap: indicator.pap,
                        raises: true,
                        entity: None,
                        findings,
                    },
                );
            });
    }
}

impl HeldScanner {
    /// Over this ruleset.
    #[must_use]
    pub fn new(ruleset: Arc<Ruleset>) -> Self {
        Self {
            ruleset,
            own: Own::default(),
        }
    }

    /// Lets `scan` have the scanner for a batch; it costs nothing worth a count of events.
    pub fn with<T>(&mut self, scan: impl FnOnce(&mut Scanner<'_>) -> T) -> T {
        let mut scanner = Scanner {
            ruleset: &self.ruleset,
            own: std::mem::take(&mut self.own),
        };
        let scanned = scan(&mut scanner);
        self.own = scanner.own;
        scanned
    }
}

/// What `serde_json` says of an event that could not be read.
#[cold]
fn not_json(text: &str) -> serde_json::Error {
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        Err(error) => error,
        Ok(_) => serde::de::Error::custom("the event is not well formed"),
    }
}

const fn severity(confidence: Confidence) -> Severity {
    match confidence {
        Confidence::Low => Severity::Low,
        Confidence::Medium => Severity::Medium,
        Confidence::High => Severity::High,
    }
}
