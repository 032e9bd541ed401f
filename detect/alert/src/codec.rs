//! The wire format of an alert: one JSON object, flat ECS names; nested lists only for evidence and samples.
//!
//! | name | meaning |
//! |---|---|
//! | `@timestamp` | time of the event that completed it |
//! | `event.kind` | always `alert` |
//! | `event.id`, `event.dataset` | that event |
//! | `event.severity` | 1 (informational) to 5 (critical) |
//! | `rule.id`, `rule.name`, `rule.version`, `rule.ruleset`, `rule.author`, `rule.license`, `rule.description`, `rule.reference` | what produced it |
//! | `threat.indicator.*` | the indicator, for indicator matches |
//! | `organization.id`, `observer.name` | whose network, which sensor |
//! | `varde.alert.id` | the alert's own id |
//! | `varde.alert.*` | level, confidence, TLP, PAP, entity, evidence, window, samples, texts |
//! | every field of the completing event | as it was on the event: `source.ip`, `destination.ip`, `log.file.path`, … |

use ingest_event::{EventId, Fields, OrganizationNumber, SensorId, Timestamp, Value, field};
use serde_json::{Map, Value as Json, json};
use thiserror::Error;

use crate::{
    Alert, AlertId, Entity, EventSample, Evidence, IndicatorRef, Producer, ProducerKind, RuleId,
    RulesetVersion, Texts, Window,
};

/// The version this crate writes and the highest it reads.
pub const SCHEMA_VERSION: i64 = 1;

/// Why a record is no alert.
#[derive(Debug, Error)]
pub enum AlertDecodeError {
    /// Not JSON.
    #[error("read the record as a JSON object")]
    NotJson(#[source] serde_json::Error),
    /// A field is missing or has a value that it can't have.
    #[error("read `{name}` of the alert: it is missing or has a value that it can't have")]
    BadField {
        /// The field.
        name: &'static str,
    },
    /// A newer schema.
    #[error(
        "read alert schema version {version}: this reader knows up to {SCHEMA_VERSION}, upgrade it first"
    )]
    SchemaTooNew {
        /// The version it says.
        version: i64,
    },
}

/// The alert as one line of JSON, without the newline. Equal alerts give equal bytes.
#[must_use]
pub fn encode(alert: &Alert) -> Vec<u8> {
    let mut json = Json::Object(document(alert));
    // In some builds a crate beside us makes objects keep the order in which they were filled.
    json.sort_all_objects();
    json.to_string().into_bytes()
}

fn document(alert: &Alert) -> Map<String, Json> {
    let mut map = Map::new();
    if let Some(last) = alert.events.last() {
        for (name, value) in last.fields.iter() {
            map.insert(name.to_owned(), json!(value));
        }
        map.insert(field::EVENT_ID.to_owned(), json!(last.id));
        map.insert(field::EVENT_DATASET.to_owned(), json!(last.dataset));
    }
    let producer = &alert.producer;
    let mut set = |name: &str, value: Json| {
        map.insert(name.to_owned(), value);
    };
    set(field::TIMESTAMP, json!(alert.timestamp.to_string()));
    set("event.kind", json!("alert"));
    set("event.severity", json!(alert.severity.number()));
    set(field::ORGANIZATION_ID, json!(alert.organization));
    set(field::OBSERVER_NAME, json!(alert.sensor));
    set("rule.id", json!(producer.id.0));
    set("rule.name", json!(producer.name));
    set("rule.version", json!(producer.version));
    set("rule.ruleset", json!(producer.ruleset.0));
    set("rule.author", json!(producer.authors));
    if let Some(license) = &producer.license {
        set("rule.license", json!(license));
    }
    set("rule.description", json!(producer.description));
    set("rule.reference", json!(producer.references));
    set("tags", json!(producer.tags));
    set(field::VARDE_ZONE, json!(alert.zone));
    set(field::VARDE_MARKING, json!(alert.marking));
    set(field::VARDE_EXERCISE, json!(alert.exercise));
    set("varde.alert.schema", json!(SCHEMA_VERSION));
    set("varde.alert.id", json!(alert.id.as_str()));
    set("varde.alert.produced_by", json!(producer.kind.as_str()));
    set("varde.alert.level", json!(alert.severity.as_str()));
    set("varde.alert.confidence", json!(alert.confidence.as_str()));
    set("varde.alert.tlp", json!(alert.tlp.as_str()));
    set("varde.alert.pap", json!(alert.pap.as_str()));
    set("varde.alert.entity.field", json!(alert.entity.field));
    set("varde.alert.entity.value", json!(alert.entity.value));
    set("varde.alert.false_positives", json!(producer.false_positives));
    if let Some(incident) = &producer.incident {
        set("varde.alert.incident", json!(incident));
    }
    set("varde.alert.summary", json!(producer.summary));
    set("varde.alert.first_step", json!(producer.first_step));
    set(
        "varde.alert.evidence",
        alert.evidence.iter().map(evidence_json).collect(),
    );
    set(
        "varde.alert.events",
        alert.events.iter().map(sample_json).collect(),
    );
    if let Some(window) = &alert.window {
        set("varde.alert.window", window_json(window));
    }
    if let Some(indicator) = &alert.indicator {
        let is_ipv6 = indicator.value.contains(':');
        set("threat.indicator.type", json!(indicator.kind.ecs_type(is_ipv6)));
        set("threat.indicator.name", json!(indicator.value));
        set("threat.indicator.provider", json!(indicator.source));
        set("threat.indicator.description", json!(indicator.description));
        set(
            "threat.indicator.confidence",
            json!(title_case(indicator.confidence.as_str())),
        );
        set(
            "threat.indicator.marking.tlp",
            json!(indicator.tlp.as_str().trim_start_matches("TLP:")),
        );
        set("varde.alert.indicator.pap", json!(indicator.pap.as_str()));
        set("varde.alert.indicator.kind", json!(indicator.kind.as_str()));
        if let Some(name) = indicator_value_field(indicator) {
            set(name, json!(indicator.value));
        }
    }
    map
}

/// ECS has one field per kind of indicator.
fn indicator_value_field(indicator: &IndicatorRef) -> Option<&'static str> {
    use crate::IndicatorKind as Kind;
    match indicator.kind {
        Kind::Address => Some("threat.indicator.ip"),
        Kind::Domain => Some("threat.indicator.url.domain"),
        Kind::Email => Some("threat.indicator.email.address"),
        Kind::FileName => Some("threat.indicator.file.name"),
        Kind::Md5 => Some("threat.indicator.file.hash.md5"),
        Kind::Sha1 => Some("threat.indicator.file.hash.sha1"),
        Kind::Sha256 => Some("threat.indicator.file.hash.sha256"),
        Kind::Url => Some("threat.indicator.url.full"),
        Kind::Asn | Kind::Certificate | Kind::Cidr | Kind::Ja3 | Kind::Ja4 => None,
    }
}

fn title_case(code: &str) -> String {
    let mut letters = code.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        .unwrap_or_default()
}

fn evidence_json(evidence: &Evidence) -> Json {
    json!({
        "event_id": evidence.event, "field": evidence.field, "value": evidence.value, "matched": evidence.matched,
    })
}

fn sample_json(sample: &EventSample) -> Json {
    json!({
        "id": sample.id, "timestamp": sample.timestamp.to_string(), "dataset": sample.dataset,
        "fields": sample.fields,
    })
}

fn window_json(window: &Window) -> Json {
    json!({
        "start": window.start.to_string(), "end": window.end.to_string(), "count": window.count,
        "threshold": window.threshold, "group_by": window.group_by,
    })
}

/// Reads an alert that [`encode`] wrote.
///
/// # Errors
/// If it is no JSON object, a field is missing or wrong, or the schema is newer.
pub fn decode(payload: &[u8]) -> Result<Alert, AlertDecodeError> {
    let map: Map<String, Json> = serde_json::from_slice(payload).map_err(AlertDecodeError::NotJson)?;
    let reader = Reader(&map);
    let version = map.get("varde.alert.schema").and_then(Json::as_i64).unwrap_or(0);
    if version > SCHEMA_VERSION {
        return Err(AlertDecodeError::SchemaTooNew { version });
    }
    Ok(Alert {
        id: AlertId::parse(reader.text("varde.alert.id")?).ok_or_else(|| bad("varde.alert.id"))?,
        timestamp: reader.parse(field::TIMESTAMP)?,
        organization: reader.parse::<OrganizationNumber>(field::ORGANIZATION_ID)?,
        sensor: reader.parse::<SensorId>(field::OBSERVER_NAME)?,
        zone: reader.parse(field::VARDE_ZONE)?,
        marking: reader.parse(field::VARDE_MARKING)?,
        exercise: map
            .get(field::VARDE_EXERCISE)
            .and_then(Json::as_bool)
            .ok_or_else(|| bad(field::VARDE_EXERCISE))?,
        severity: reader.parse("varde.alert.level")?,
        confidence: reader.parse("varde.alert.confidence")?,
        tlp: reader.parse("varde.alert.tlp")?,
        pap: reader.parse("varde.alert.pap")?,
        producer: reader.producer()?,
        indicator: reader.indicator()?,
        entity: Entity {
            field: reader.text("varde.alert.entity.field")?.to_owned(),
            value: reader.text("varde.alert.entity.value")?.to_owned(),
        },
        evidence: reader.list("varde.alert.evidence", evidence_from)?,
        window: map
            .get("varde.alert.window")
            .map(|window| window_from(window).ok_or_else(|| bad("varde.alert.window")))
            .transpose()?,
        events: reader.list("varde.alert.events", sample_from)?,
    })
}

struct Reader<'a>(&'a Map<String, Json>);

impl Reader<'_> {
    fn text(&self, name: &'static str) -> Result<&str, AlertDecodeError> {
        self.0.get(name).and_then(Json::as_str).ok_or_else(|| bad(name))
    }

    fn parse<T: std::str::FromStr>(&self, name: &'static str) -> Result<T, AlertDecodeError> {
        self.text(name)?.parse().map_err(|_| bad(name))
    }

    fn list<T>(
        &self,
        name: &'static str,
        read: impl Fn(&Json) -> Option<T>,
    ) -> Result<Vec<T>, AlertDecodeError> {
        let items = self
            .0
            .get(name)
            .and_then(Json::as_array)
            .ok_or_else(|| bad(name))?;
        items
            .iter()
            .map(|item| read(item).ok_or_else(|| bad(name)))
            .collect()
    }

    fn texts(&self, name: &'static str) -> Result<Vec<String>, AlertDecodeError> {
        self.list(name, |item| item.as_str().map(str::to_owned))
    }

    fn by_language(&self, name: &'static str) -> Result<Texts, AlertDecodeError> {
        let members = self
            .0
            .get(name)
            .and_then(Json::as_object)
            .ok_or_else(|| bad(name))?;
        members
            .iter()
            .map(|(language, text)| Some((language.clone(), text.as_str()?.to_owned())))
            .collect::<Option<Texts>>()
            .ok_or_else(|| bad(name))
    }

    fn producer(&self) -> Result<Producer, AlertDecodeError> {
        let kind = self.text("varde.alert.produced_by")?;
        Ok(Producer {
            kind: ProducerKind::ALL
                .into_iter()
                .find(|known| known.as_str() == kind)
                .ok_or_else(|| bad("varde.alert.produced_by"))?,
            id: RuleId(self.text("rule.id")?.to_owned()),
            name: self.text("rule.name")?.to_owned(),
            version: self.text("rule.version")?.to_owned(),
            ruleset: RulesetVersion(self.text("rule.ruleset")?.to_owned()),
            authors: self.texts("rule.author")?,
            license: self
                .0
                .get("rule.license")
                .and_then(Json::as_str)
                .map(str::to_owned),
            description: self.text("rule.description")?.to_owned(),
            references: self.texts("rule.reference")?,
            tags: self.texts("tags")?,
            false_positives: self.texts("varde.alert.false_positives")?,
            incident: self
                .0
                .get("varde.alert.incident")
                .and_then(Json::as_str)
                .map(str::to_owned),
            summary: self.by_language("varde.alert.summary")?,
            first_step: self.by_language("varde.alert.first_step")?,
        })
    }

    fn indicator(&self) -> Result<Option<IndicatorRef>, AlertDecodeError> {
        if !self.0.contains_key("varde.alert.indicator.kind") {
            return Ok(None);
        }
        Ok(Some(IndicatorRef {
            kind: self.parse("varde.alert.indicator.kind")?,
            value: self.text("threat.indicator.name")?.to_owned(),
            source: self.text("threat.indicator.provider")?.to_owned(),
            confidence: self.parse("threat.indicator.confidence")?,
            tlp: self.parse("threat.indicator.marking.tlp")?,
            pap: self.parse("varde.alert.indicator.pap")?,
            description: self.text("threat.indicator.description")?.to_owned(),
        }))
    }
}

fn evidence_from(json: &Json) -> Option<Evidence> {
    Some(Evidence {
        event: EventId::parse(json.get("event_id")?.as_str()?).ok()?,
        field: json.get("field")?.as_str()?.to_owned(),
        value: json.get("value")?.as_str()?.to_owned(),
        matched: json.get("matched")?.as_str()?.to_owned(),
    })
}

fn sample_from(json: &Json) -> Option<EventSample> {
    Some(EventSample {
        id: EventId::parse(json.get("id")?.as_str()?).ok()?,
        timestamp: timestamp(json.get("timestamp")?)?,
        dataset: json.get("dataset")?.as_str()?.to_owned(),
        fields: fields_from(json.get("fields")?)?,
    })
}

fn fields_from(json: &Json) -> Option<Fields> {
    json.as_object()?
        .iter()
        .map(|(name, value)| Some((name.clone(), Value::from_json(value.clone())?)))
        .collect::<Option<Vec<_>>>()
        .map(|pairs| pairs.into_iter().collect())
}

fn window_from(json: &Json) -> Option<Window> {
    Some(Window {
        start: timestamp(json.get("start")?)?,
        end: timestamp(json.get("end")?)?,
        count: json.get("count")?.as_u64()?,
        threshold: json.get("threshold")?.as_str()?.to_owned(),
        group_by: json
            .get("group_by")?
            .as_array()?
            .iter()
            .map(|pair| {
                Some((
                    pair.get(0)?.as_str()?.to_owned(),
                    pair.get(1)?.as_str()?.to_owned(),
                ))
            })
            .collect::<Option<_>>()?,
    })
}

fn timestamp(json: &Json) -> Option<Timestamp> {
    json.as_str()?.parse().ok()
}

#[cold]
fn bad(name: &'static str) -> AlertDecodeError {
    AlertDecodeError::BadField { name }
}

#[cfg(test)]
mod tests;
