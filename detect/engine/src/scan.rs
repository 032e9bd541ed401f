//! The scan: one event against every rule of its log sources and every indicator.
//!
//! Matches come in a fixed order: rules by number, then indicators by kind, value and source.

use detect_alert::{Confidence, Indicator, Pap, Producer, ProducerKind, RuleId, Severity, Texts, Tlp};
use detect_rules::log_source::{self, TRAIT_COUNT, Traits};
use ingest_event::{DecodeError, Defaults, Event, QuarantineReason, SCHEMA_VERSION, Timestamp, Value, field};
use rustc_hash::FxHashMap;
use thiserror::Error;

use crate::{
    indicators::Named,
    prefilter::Marks,
    record::{Kind, Record, TOO_MANY_FIELDS},
    ruleset::{RuleIndex, Ruleset},
};

/// So many combinations of dataset, channel, event id and so on are remembered with their rules. Real traffic
/// has hundreds; hostile traffic can make up any number, and then the memory is emptied and filled anew.
const CLASSES_MAX: usize = 4096;

/// Matches events against a ruleset. One per thread; its buffers are used again.
#[derive(Debug)]
pub struct Scanner<'r> {
    ruleset: &'r Ruleset,
    record: Record,
    classes: FxHashMap<String, Vec<u32>>,
    key: String,
    findings: Vec<Finding>,
    marks: Marks,
    named: Named,
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
    /// Why.
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
            record: Record::default(),
            classes: FxHashMap::default(),
            key: String::new(),
            findings: Vec::new(),
            marks: Marks::default(),
            named: Named::default(),
        }
    }

    /// Scans one event, flat or nested JSON, and returns its time.
    ///
    /// # Errors
    /// If the bytes are no event; [`ScanError::reason`] says where they go.
    pub fn scan(&mut self, payload: &[u8], sink: &mut impl MatchSink) -> Result<Timestamp, ScanError> {
        let text = std::str::from_utf8(payload).map_err(ScanError::NotUtf8)?;
        self.record.read(&self.ruleset.names, text).map_err(|error| {
            if error.to_string().starts_with(TOO_MANY_FIELDS) {
                ScanError::TooManyFields
            } else {
                ScanError::NotJson(error)
            }
        })?;
        let timestamp = self.envelope()?;
        let view = EventView {
            payload,
            timestamp,
            record: &self.record,
            ruleset: self.ruleset,
        };
        if !sink.admit(&view) {
            return Ok(timestamp);
        }
        let class = class(self.ruleset, &self.record, &mut self.key);
        if CLASSES_MAX <= self.classes.len() && !self.classes.contains_key(&self.key) {
            self.classes.clear();
        }
        if !self.classes.contains_key(&self.key) {
            self.classes.insert(
                self.key.clone(),
                candidates(self.ruleset, &Traits::from_texts(class.0)),
            );
        }
        let rules = self.classes.get(&self.key).map_or(&[][..], Vec::as_slice);
        let prefilter = &self.ruleset.prefilter;
        prefilter.look(&self.record, rules.len(), &mut self.marks);
        for index in rules {
            if !prefilter.may_match(*index, &self.marks) {
                continue;
            }
            let Some(rule) = self.ruleset.rules.get(*index as usize) else {
                continue;
            };
            if !rule.program.holds(&self.record) {
                continue;
            }
            self.findings.clear();
            rule.program
                .explain(&self.record, &self.ruleset.names, &mut self.findings);
            sink.matched(
                &view,
                Match {
                    origin: Origin::Rule(RuleIndex(*index), &rule.producer),
                    severity: rule.severity,
                    confidence: rule.confidence,
                    tlp: rule.tlp,
                    pap: rule.pap,
                    raises: rule.raises,
                    entity: rule.entity.as_deref(),
                    findings: &self.findings,
                },
            );
        }
        indicators(&view, &mut self.named, sink);
        Ok(timestamp)
    }

    fn envelope(&self) -> Result<Timestamp, ScanError> {
        let fields = &self.ruleset.envelope;
        if let Some(entry) = self.record.values(fields.schema).next()
            && let Kind::Integer(version) = entry.kind
            && SCHEMA_VERSION < version
        {
            return Err(ScanError::SchemaTooNew { version });
        }
        let text = self
            .record
            .first_text(fields.timestamp)
            .ok_or(ScanError::NoTimestamp)?;
        text.parse().map_err(|_| ScanError::BadTimestamp)
    }
}

/// The texts that decide an event's log source.
struct Class<'a>([Option<&'a str>; TRAIT_COUNT]);

/// The event's class, and in `key` a text that is the same for events of the same class.
fn class<'a>(ruleset: &Ruleset, record: &'a Record, key: &mut String) -> Class<'a> {
    key.clear();
    let texts = ruleset.envelope.traits.each_ref().map(|fields| {
        let text = fields.iter().find_map(|field| record.first_text(*field));
        key.push_str(text.unwrap_or("\u{1}"));
        key.push('\u{1f}');
        text
    });
    Class(texts)
}

fn candidates(ruleset: &Ruleset, traits: &Traits<'_>) -> Vec<u32> {
    let sources = log_source::of_event(traits);
    let mut rules: Vec<u32> = ruleset
        .sources
        .iter()
        .filter(|(rule, _)| {
            let is_for_all = rule.category.is_none() && rule.product.is_none() && rule.service.is_none();
            is_for_all || sources.iter().any(|event| rule.accepts(event))
        })
        .flat_map(|(_, rules)| rules.iter().copied())
        .collect();
    rules.sort_unstable();
    rules
}

fn indicators(view: &EventView<'_>, named: &mut Named, sink: &mut impl MatchSink) {
    let index = &view.ruleset.indicators;
    named.look_up(index, view.record);
    named.matches(
        index,
        &view.ruleset.names,
        view.timestamp,
        &mut |indicator, findings| {
            sink.matched(
                view,
                Match {
                    origin: Origin::Indicator(indicator, view.ruleset),
                    severity: severity(indicator.confidence),
                    confidence: indicator.confidence,
                    tlp: indicator.tlp,
                    pap: indicator.pap,
                    raises: true,
                    entity: None,
                    findings,
                },
            );
        },
    );
}

const fn severity(confidence: Confidence) -> Severity {
    match confidence {
        Confidence::Low => Severity::Low,
        Confidence::Medium => Severity::Medium,
        Confidence::High => Severity::High,
    }
}

/// A scanned event, as its matches see it. Valid during one call of [`MatchSink::matched`].
#[derive(Clone, Copy, Debug)]
pub struct EventView<'a> {
    payload: &'a [u8],
    timestamp: Timestamp,
    record: &'a Record,
    ruleset: &'a Ruleset,
}

impl<'a> EventView<'a> {
    /// The event's bytes.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// When it happened.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Its id, if it has one of its own; see [`EventView::to_event`] for events that do not.
    #[must_use]
    pub fn id(&self) -> Option<&'a str> {
        self.envelope(field::EVENT_ID)
    }

    /// The organisation that it claims. The topic decides (D3), not this.
    #[must_use]
    pub fn organization(&self) -> Option<&'a str> {
        self.envelope(field::ORGANIZATION_ID)
    }

    /// The sensor that it claims.
    #[must_use]
    pub fn sensor(&self) -> Option<&'a str> {
        self.envelope(field::OBSERVER_NAME)
    }

    /// Which kind of event it is.
    #[must_use]
    pub fn dataset(&self) -> Option<&'a str> {
        self.envelope(field::EVENT_DATASET)
    }

    /// The network zone that it claims.
    #[must_use]
    pub fn zone(&self) -> Option<&'a str> {
        self.envelope(field::VARDE_ZONE)
    }

    /// Whether it belongs to an exercise.
    #[must_use]
    pub fn exercise(&self) -> bool {
        self.envelope(field::VARDE_EXERCISE) == Some("true")
    }

    /// The values of a field. One that no rule asks for is found by reading the event again.
    #[must_use]
    pub fn get(&self, name: &str) -> Vec<Value> {
        match self.ruleset.names.get(name) {
            Some(field) => self
                .record
                .values(field)
                .map(|entry| match entry.kind {
                    Kind::Null => Value::Null,
                    Kind::Bool(flag) => Value::Bool(flag),
                    Kind::Integer(number) => Value::Integer(number),
                    Kind::Unsigned(number) => Value::Unsigned(number),
                    Kind::Float(number) => Value::Float(number),
                    Kind::Text => Value::String(self.record.text(entry).to_owned()),
                })
                .collect(),
            None => ingest_event::codec::flatten(self.payload)
                .ok()
                .and_then(|fields| Some(fields.get(name)?.each().cloned().collect()))
                .unwrap_or_default(),
        }
    }

    /// The whole event, decoded.
    ///
    /// # Errors
    /// If an envelope field can't be read.
    pub fn to_event(&self, defaults: &Defaults) -> Result<Event, DecodeError> {
        ingest_event::decode(self.payload, defaults)
    }

    fn envelope(&self, name: &str) -> Option<&'a str> {
        self.record.first_text(self.ruleset.names.get(name)?)
    }
}

impl Origin<'_> {
    /// What an alert says of its producer. An indicator's id is its kind and value, so that two feeds that
    /// name the same thing make one incident.
    #[must_use]
    pub fn producer(&self) -> Producer {
        match self {
            Self::Rule(_, producer) => (*producer).clone(),
            Self::Indicator(indicator, ruleset) => Producer {
                kind: ProducerKind::Indicator,
                id: RuleId(format!("{}:{}", indicator.kind, indicator.value)),
                name: format!("Known bad {}: {}", indicator.kind, indicator.value),
                version: ruleset.version().0.clone(),
                ruleset: ruleset.version().clone(),
                authors: vec![indicator.source.clone()],
                license: None,
                description: indicator.description.clone(),
                references: Vec::new(),
                tags: Vec::new(),
                false_positives: Vec::new(),
                summary: texts([
                    ("nb", "Trafikk til eller fra noe som er kjent som skadelig."),
                    ("nn", "Trafikk til eller frå noko som er kjent som skadeleg."),
                    ("en", "Traffic to or from something that is known to be harmful."),
                ]),
                first_step: texts([
                    (
                        "nb",
                        "Finn maskinen som er nevnt, og hvem som bruker den. Koble den fra nettet hvis trafikken ikke kan forklares.",
                    ),
                    (
                        "nn",
                        "Finn maskina som er nemnd, og kven som bruker ho. Kople ho frå nettet om trafikken ikkje kan forklarast.",
                    ),
                    (
                        "en",
                        "Find the machine that is named and who uses it. Disconnect it if the traffic can't be explained.",
                    ),
                ]),
            },
        }
    }
}

fn texts(pairs: [(&str, &str); 3]) -> Texts {
    pairs
        .into_iter()
        .map(|(language, text)| (language.to_owned(), text.to_owned()))
        .collect()
}
