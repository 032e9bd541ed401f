//! What a rule says of itself: who wrote it, how grave it is, what a responder should read.

use std::collections::HashMap;

use detect_alert::{Confidence, Pap, Producer, ProducerKind, RuleId, RulesetVersion, Severity, Texts, Tlp};
use rsigma_parser::{Level as SigmaLevel, Status};

use super::document::Document;
use crate::{Code, Diagnostic};

/// The longest word that rules can share.
const INCIDENT_BYTES_MAX: usize = 64;

/// A refusal with room for its details on the heap.
pub(super) type Refusal = Box<Diagnostic>;

/// The parts of `SigmaRule` and `CorrelationRule` that are the same.
pub(super) struct Meta<'r> {
    pub(super) kind: ProducerKind,
    pub(super) id: Option<&'r str>,
    pub(super) title: &'r str,
    pub(super) author: Option<&'r str>,
    pub(super) license: Option<&'r str>,
    pub(super) description: Option<&'r str>,
    pub(super) date: Option<&'r str>,
    pub(super) modified: Option<&'r str>,
    pub(super) references: &'r [String],
    pub(super) tags: &'r [String],
    pub(super) false_positives: &'r [String],
    pub(super) level: Option<SigmaLevel>,
    pub(super) status: Option<Status>,
    /// The `varde:` mapping as JSON, if there is one.
    pub(super) varde: Option<serde_json::Value>,
}

/// What [`Meta`] comes to.
pub(super) struct About {
    pub(super) producer: Producer,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    pub(super) tlp: Tlp,
    pub(super) pap: Pap,
    pub(super) entity: Option<String>,
}

/// The `varde` mapping out of a rule's custom attributes.
pub(super) fn varde<V: serde::Serialize>(attributes: &HashMap<String, V>) -> Option<serde_json::Value> {
    attributes
        .get("varde")
        .and_then(|value| serde_json::to_value(value).ok())
}

/// Reads what a rule says of itself.
pub(super) fn read(document: &Document<'_>, meta: Meta<'_>) -> Result<About, Refusal> {
    let id = meta
        .id
        .filter(|id| !id.trim().is_empty())
        .ok_or_else(|| Box::new(missing(document, "id")))?;
    if meta.title.trim().is_empty() {
        return Err(Box::new(missing(document, "title")));
    }
    let varde = meta.varde.unwrap_or(serde_json::Value::Null);
    if !varde.is_null() && !varde.is_object() {
        return Err(bad_varde(document, "varde:", "it is no mapping"));
    }
    let confidence = match varde.get("confidence").and_then(serde_json::Value::as_str) {
        Some(text) => text.parse().map_err(|error: ingest_event::UnknownCode| {
            bad_varde(document, "confidence:", &error.to_string())
        })?,
        None => match meta.status {
            Some(Status::Stable) => Confidence::High,
            Some(Status::Experimental | Status::Unsupported | Status::Deprecated) => Confidence::Low,
            Some(Status::Test) | None => Confidence::Medium,
        },
    };
    Ok(About {
        producer: Producer {
            kind: meta.kind,
            id: RuleId(id.to_owned()),
            name: meta.title.to_owned(),
            version: meta.modified.or(meta.date).unwrap_or("1").to_owned(),
            ruleset: RulesetVersion(String::new()),
            authors: authors(meta.author),
            license: meta.license.map(str::to_owned),
            description: meta.description.unwrap_or_default().trim().to_owned(),
            references: meta.references.to_vec(),
            tags: meta.tags.to_vec(),
            false_positives: meta.false_positives.to_vec(),
            incident: incident(document, &varde)?,
            summary: texts(document, &varde, "summary")?,
            first_step: texts(document, &varde, "first_step")?,
        },
        severity: match meta.level {
            Some(SigmaLevel::Informational) => Severity::Informational,
            Some(SigmaLevel::Low) => Severity::Low,
            Some(SigmaLevel::Medium) | None => Severity::Medium,
            Some(SigmaLevel::High) => Severity::High,
            Some(SigmaLevel::Critical) => Severity::Critical,
        },
        confidence,
        tlp: meta
            .tags
            .iter()
            .filter_map(|tag| tag.strip_prefix("tlp.")?.parse().ok())
            .max()
            .unwrap_or(Tlp::Amber),
        pap: meta
            .tags
            .iter()
            .filter_map(|tag| tag.strip_prefix("pap.")?.parse().ok())
            .max()
            .unwrap_or(Pap::Green),
        entity: varde
            .get("entity")
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned),
    })
}

/// The diagnostic for a field that is not there.
pub(super) fn missing(document: &Document<'_>, field: &str) -> Diagnostic {
    let mend = match field {
        "id" => {
            "add `id:` with a UUID of its own (`uuidgen` makes one): incidents and suppressions refer to it"
        }
        "title" => "add `title:`, the name of the rule in at most 256 characters",
        "logsource" => "add `logsource:` with at least one of `category`, `product` and `service`",
        "condition" => "add `condition:` to `detection:`, for example `condition: selection`",
        _ => "add it; a rule has `title`, `id`, `logsource` and `detection` with `condition`",
    };
    document.error(Code::MissingField, 1, &format!("`{field}` is missing"), mend)
}

/// The names in a text like `A Name (@handle, company), Another`: divided at commas outside of brackets.
fn authors(text: Option<&str>) -> Vec<String> {
    let mut depth = 0_usize;
    let divides = |letter: char| {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    };
    let names = text.unwrap_or_default().split(divides);
    names
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// The word that several rules share whose alerts about one entity are one incident.
fn incident(document: &Document<'_>, varde: &serde_json::Value) -> Result<Option<String>, Refusal> {
    let Some(value) = varde.get("incident") else {
        return Ok(None);
    };
    let is_word = |text: &&str| {
        (1..=INCIDENT_BYTES_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    match value.as_str().filter(is_word) {
        Some(word) => Ok(Some(word.to_owned())),
        None => Err(bad_varde(
            document,
            "incident:",
            "`incident` is no word of at most 64 letters a to z, digits and underscores",
        )),
    }
}

fn texts(document: &Document<'_>, varde: &serde_json::Value, key: &str) -> Result<Texts, Refusal> {
    let Some(value) = varde.get(key) else {
        return Ok(Texts::new());
    };
    value
        .as_object()
        .and_then(|members| {
            members
                .iter()
                .map(|(language, text)| Some((language.clone(), text.as_str()?.trim().to_owned())))
                .collect()
        })
        .ok_or_else(|| {
            bad_varde(
                document,
                key,
                &format!("`{key}` is no mapping of language to text"),
            )
        })
}

fn bad_varde(document: &Document<'_>, place: &str, detail: &str) -> Refusal {
    let line = document.line_with(place).unwrap_or(1);
    let mend = "`varde:` is a mapping: owner, legal_basis, purpose, review, confidence (low, medium, high), entity, incident (one word that several rules share), and summary and first_step with nb, nn and en";
    Box::new(document.error(Code::BadVarde, line, detail, mend))
}
