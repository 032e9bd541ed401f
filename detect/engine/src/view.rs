//! What a sink sees: the event that is scanned, and what matched it.

use detect_alert::{Producer, ProducerKind, RuleId, Texts};
use ingest_event::{DecodeError, Defaults, Event, Timestamp, Value, field};

use crate::{
    claim::CLAIMS_MAX,
    json::{self, Number},
    record::{Entry, Kind, Record},
    ruleset::Ruleset,
    scan::Origin,
};

/// A scanned event, as its matches see it. Valid during one call of [`crate::MatchSink::matched`].
#[derive(Clone, Copy, Debug)]
pub struct EventView<'a> {
    pub(crate) payload: &'a str,
    pub(crate) timestamp: Timestamp,
    pub(crate) record: &'a Record,
    pub(crate) ruleset: &'a Ruleset,
}

impl<'a> EventView<'a> {
    /// The event's bytes.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload.as_bytes()
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

    /// Whether it left its sensor before what was taken in earlier there; see [`crate::Moment::overtakes`].
    #[must_use]
    pub fn overtakes(&self) -> bool {
        let stream = self.ruleset.envelope.stream;
        self.record.first_text(stream, self.payload) == Some(field::STREAM_ALERT)
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
            Some(field) => self.record.values(field).map(|entry| self.value(entry)).collect(),
            None => ingest_event::codec::flatten(self.payload())
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
        ingest_event::decode(self.payload(), defaults)
    }

    pub(crate) fn value(&self, entry: &Entry) -> Value {
        let raw = entry.raw(self.payload);
        match entry.kind {
            Kind::Null => Value::Null,
            Kind::Bool(flag) => Value::Bool(flag),
            Kind::Number => match json::number(raw) {
                Number::Integer(number) => Value::Integer(number),
                Number::Unsigned(number) => Value::Unsigned(number),
                Number::Float(number) => Value::Float(number),
            },
            Kind::Text => {
                let mut text = String::with_capacity(raw.len());
                json::unescape_into(raw, &mut text);
                Value::String(text)
            }
        }
    }

    /// What it says that it matched on its sensor.
    pub(crate) fn claims(&self) -> Vec<String> {
        let entries = self.record.values(self.ruleset.envelope.matched);
        let texts = entries.filter(|entry| entry.kind == Kind::Text);
        texts
            .take(CLAIMS_MAX)
            .map(|entry| self.value(entry).to_string())
            .collect()
    }

    fn envelope(&self, name: &str) -> Option<&'a str> {
        self.record
            .first_text(self.ruleset.names.get(name)?, self.payload)
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
                incident: None,
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
