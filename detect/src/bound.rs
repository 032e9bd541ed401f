//! Cuts an alert to what fits in a record of `varde.alerts`.
//!
//! A message of a megabyte says no more in an alert than its first kilobytes, and the event itself is still whole on
//! its own topic.

use detect_alert::{Alert, EventSample};
use ingest_event::{Fields, Value};

/// The most bytes of an encoded alert: what the topic takes, less room for the producer's texts and the record's head.
pub const ALERT_BYTES_MAX: usize = 900 << 10;

/// A value is cut at this: ten samples of ordinary events stay far below the limit.
const TEXT_BYTES_MAX: usize = 4_096;

/// So many reasons are kept: a person reads a handful.
const EVIDENCE_MAX: usize = 50;

/// Entity, group and reasons are cut at this: longer ones are no names, and a person could not tell them apart. The
/// alert's id still tells: it was derived from the whole.
const LABEL_BYTES_MAX: usize = 512;

/// JSON may write one byte as six (`\u0000`).
const ESCAPE_FACTOR: usize = 6;

/// What is left of the last event where samples would not fit: this many fields, names and values this long.
const LEAST: Limits = Limits {
    fields: 128,
    name: 128,
    text: 256,
};

struct Limits {
    fields: usize,
    name: usize,
    text: usize,
}

/// The same alert, or what fits of it.
#[must_use]
pub fn bounded(mut alert: Alert) -> Alert {
    alert.evidence.truncate(EVIDENCE_MAX);
    for evidence in &mut alert.evidence {
        for text in [&mut evidence.field, &mut evidence.value, &mut evidence.matched] {
            cut_text(text, LABEL_BYTES_MAX);
        }
    }
    for text in [&mut alert.entity.field, &mut alert.entity.value] {
        cut_text(text, LABEL_BYTES_MAX);
    }
    for (name, value) in alert.window.iter_mut().flat_map(|window| &mut window.group_by) {
        cut_text(name, LABEL_BYTES_MAX);
        cut_text(value, LABEL_BYTES_MAX);
    }
    for sample in &mut alert.events {
        cut(
            &mut sample.fields,
            &Limits {
                fields: usize::MAX,
                name: usize::MAX,
                text: TEXT_BYTES_MAX,
            },
        );
    }
    let bytes: usize = alert.events.iter().map(size).sum();
    if ALERT_BYTES_MAX / ESCAPE_FACTOR < bytes {
        // The last one completed the alert.
        alert.events.drain(..alert.events.len().saturating_sub(1));
        for sample in &mut alert.events {
            cut(&mut sample.fields, &LEAST);
        }
    }
    alert
}

fn cut_text(text: &mut String, bytes_max: usize) {
    if bytes_max < text.len() {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
}

fn size(sample: &EventSample) -> usize {
    sample
        .fields
        .iter()
        .map(|(name, value)| name.len() + text_bytes(value))
        .sum()
}

/// Bytes of a value's text; most are texts, which need not be written out for it.
fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Unsigned(_)
        | Value::Float(_)
        | Value::List(_) => value.to_string().len(),
    }
}

fn cut(fields: &mut Fields, limits: &Limits) {
    let fits = |name: &str, value: &Value| name.len() <= limits.name && text_bytes(value) <= limits.text;
    if fields.len() <= limits.fields && fields.iter().all(|(name, value)| fits(name, value)) {
        return;
    }
    *fields = std::mem::take(fields)
        .iter()
        .filter(|(name, _)| name.len() <= limits.name)
        .take(limits.fields)
        .map(|(name, value)| {
            let text = value.to_string();
            let kept = if text.len() <= limits.text {
                value.clone()
            } else {
                let end = text.floor_char_boundary(limits.text);
                Value::from(format!(
                    "{}… (cut, {} bytes)",
                    text.get(..end).unwrap_or(""),
                    text.len()
                ))
            };
            (name.to_owned(), kept)
        })
        .collect();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use detect_engine::{Compiler, Correlator};
    use detect_rules::{SourceText, check};
    use ingest_event::{OrganizationNumber, Timestamp};

    use super::*;
    use crate::detector::{Detector, Findings, Origin};

    const RULE: &str = "title: Any\nid: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a003\nstatus: test\nlogsource: { category: any }\n\
                        detection: { selection: { hit: 1 }, condition: selection }\nlevel: low\n";

    /// The alert for an event of category `any` with these further members.
    fn alert(members: &str) -> Alert {
        let checked = check(&[SourceText {
            path: "rule.yml".into(),
            text: RULE.to_owned(),
        }]);
        let ruleset = Arc::new(Compiler::new().rules(checked.rules).compile().expect("compiled"));
        let payload =
            format!(r#"{{"@timestamp":"2026-03-02T08:00:00Z","category":"any","hit":1,{members}}}"#);
        let mut findings = Findings::default();
        let origin = Origin {
            organization: OrganizationNumber::parse("958935420").expect("valid"),
            source: "test",
            position: 0,
            observed: Timestamp::EPOCH,
        };
        let mut correlator = Correlator::new(Arc::clone(&ruleset));
        Detector::new(&ruleset).scan(&mut correlator, payload.as_bytes(), &origin, &mut findings);
        findings.alerts.pop().expect("an alert")
    }

    #[test]
    fn the_largest_event_still_makes_an_alert_that_fits() {
        let control = "\\u0000".repeat(100_000);
        let many: Vec<String> = (0..3_000)
            .map(|n| format!(r#""f{n}":"{}""#, "x".repeat(200)))
            .collect();
        let long_host = format!(r#""host.name":"{}""#, "h".repeat(700_000));
        let long_name = format!(r#""{}":1"#, "n".repeat(500_000));
        for members in [
            format!(r#""message":"{control}""#),
            many.join(","),
            long_host,
            long_name,
        ] {
            let bytes = detect_alert::encode(&alert(&members)).len();
            assert!(bytes <= ALERT_BYTES_MAX, "{bytes} bytes");
        }
    }

    #[test]
    fn an_ordinary_event_is_whole() {
        let alert = alert(r#""message":"hei","source.ip":"2001:db8::1""#);
        let fields = &alert.events.last().expect("one").fields;
        assert_eq!(fields.text("message"), Some("hei"));
        assert_eq!(fields.text("source.ip"), Some("2001:db8::1"));
    }
}
