//! A notification as a line of RFC 5424, with the fields of ECS in its structured data.

use std::fmt::Write as _;

use detect_alert::Severity;
use ingest_event::Timestamp;

use crate::{
    state::State,
    store::{Stored, StoredNotification},
};

/// Structured data of ours: 32473 is the number that RFC 5612 gives to whoever has none of IANA's.
const SD_ID: &str = "varde@32473";
/// Security and authorization (RFC 5424, 6.2.1).
const FACILITY: u8 = 4;
/// Bytes that every collector takes (RFC 5425, 4.3.1, asks for 2048 and says 8192); what is longer is cut at its end.
const BYTES_MAX: usize = 8_192;
/// Characters of one value.
const VALUE_CHARS_MAX: usize = 300;
/// Characters of what a person reads.
const TEXT_CHARS_MAX: usize = 600;

/// The line for a notification. It holds no link with which one answers: logs are read by many.
pub(super) fn of(state: &State, notification: &StoredNotification, stored: &Stored) -> String {
    let (incident, alert) = (&stored.incident, &stored.incident.lead);
    let brief = state.notices.brief(state, notification, stored);
    let address = format!("{}/incidents/{}", state.public_url, incident.id.as_str());
    let severity = severity(alert.severity);
    let fields = [
        ("event.kind", "alert".to_owned()),
        ("event.id", incident.id.as_str().to_owned()),
        ("event.action", notification.reason.as_str().to_owned()),
        ("event.severity", alert.severity.number().to_string()),
        ("log.level", alert.severity.as_str().to_owned()),
        ("event.start", incident.first_seen.to_string()),
        ("event.end", incident.last_seen.to_string()),
        ("event.count", incident.count.to_string()),
        ("rule.id", alert.producer.id.0.clone()),
        ("rule.name", alert.producer.name.clone()),
        ("rule.version", alert.producer.version.clone()),
        ("organization.id", stored.owner.to_string()),
        ("observer.name", alert.sensor.as_str().to_owned()),
        ("threat.indicator.marking.tlp", alert.tlp.as_str().to_owned()),
        ("related.field", alert.entity.field.clone()),
        ("related.value", alert.entity.value.clone()),
        ("event.url", address),
        ("labels.exercise", alert.exercise.to_string()),
    ];
    let host = host(&state.public_url);
    message(
        severity,
        state.now(),
        &host,
        notification.reason.as_str(),
        &fields,
        &brief.title,
    )
}

/// A line with a severity of RFC 5424, 6.2.1.
pub(crate) fn message(
    severity: u8,
    now: Timestamp,
    host: &str,
    kind: &str,
    fields: &[(&str, String)],
    text: &str,
) -> String {
    let mut line = format!(
        "<{}>1 {} {} varde-alerting - {} [{SD_ID}",
        FACILITY * 8 + severity.min(7),
        to_microseconds(now),
        visible(host, 255),
        visible(kind, 32),
    );
    for (name, value) in fields {
        // Into memory: there is nothing that could fail.
        let _ = write!(line, " {}=\"{}\"", visible(name, 32), escaped(value));
    }
    line.push_str("] \u{feff}");
    line.push_str(&on_one_line(text, TEXT_CHARS_MAX));
    if BYTES_MAX < line.len() {
        let end = (0..=BYTES_MAX).rev().find(|end| line.is_char_boundary(*end));
        line.truncate(end.unwrap_or_default());
    }
    line
}

/// RFC 5424, 6.2.3: at most six digits after the second.
fn to_microseconds(now: Timestamp) -> String {
    let text = now.to_string();
    let (time, zone) = (text.trim_end_matches('Z'), "Z");
    match time.split_once('.') {
        Some((whole, part)) => format!("{whole}.{}{zone}", part.get(..6).unwrap_or(part)),
        None => text,
    }
}

fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 2,
        Severity::High => 3,
        Severity::Medium => 4,
        Severity::Low => 5,
        Severity::Informational => 6,
    }
}

/// The host of an address, as the name of who writes.
fn host(url: &str) -> String {
    let host = reqwest::Url::parse(url).ok();
    let host = host.and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_default()
}

/// Printable ASCII without what ends a field (RFC 5424, section 6); `-` for none.
fn visible(text: &str, most: usize) -> String {
    let fits = |letter: &char| letter.is_ascii_graphic() && !matches!(letter, '=' | ']' | '"');
    let text: String = text.chars().filter(fits).take(most).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

/// A value of structured data: `"`, `\` and `]` behind a backslash (RFC 5424, 6.3.3).
fn escaped(value: &str) -> String {
    let mut written = String::with_capacity(value.len());
    for letter in on_one_line(value, VALUE_CHARS_MAX).chars() {
        if matches!(letter, '"' | '\\' | ']') {
            written.push('\\');
        }
        written.push(letter);
    }
    written
}

/// Without what begins a new line or can't be seen: else a value could be a line of its own.
fn on_one_line(text: &str, most: usize) -> String {
    let hidden = |letter: char| {
        letter.is_control()
            || matches!(
                letter,
                '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{feff}'
            )
    };
    let shown = text
        .chars()
        .map(|letter| if hidden(letter) { '\u{2423}' } else { letter });
    shown.take(most).collect()
}
