//! Indicators as CSV (RFC 4180) with a header: `type,value,source,confidence,tlp,pap,valid_from,valid_until,description`, all but `value` optional.
//! Columns in any order; only `value` is needed.

use csv::{ReaderBuilder, StringRecord};
use detect_alert::{Confidence, Indicator, IndicatorKind, Pap, Tlp};
use ingest_event::Timestamp;

use super::normal::{self, Refused};
use crate::{Code, Diagnostic};

const COLUMNS: [&str; 9] = [
    "type",
    "value",
    "source",
    "confidence",
    "tlp",
    "pap",
    "valid_from",
    "valid_until",
    "description",
];

/// Whether the first line names a column `value`.
pub(super) fn is_table(text: &str) -> bool {
    first_line(text)
        .split(',')
        .any(|name| name.trim().trim_matches('"').eq_ignore_ascii_case("value"))
}

fn first_line(text: &str) -> &str {
    text.lines()
        .find(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .unwrap_or_default()
}

/// Reads the rows.
pub(super) fn read(path: &str, source: &str, text: &str) -> (Vec<Indicator>, Vec<Diagnostic>) {
    let mut reader = ReaderBuilder::new()
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut diagnostics = Vec::new();
    let columns: Vec<String> = reader
        .headers()
        .map(|names| names.iter().map(str::to_lowercase).collect())
        .unwrap_or_default();
    for name in &columns {
        if !COLUMNS.contains(&name.as_str()) {
            let refused = column(
                &format!("there is no column `{name}`"),
                &format!("the columns are {}", COLUMNS.join(", ")),
            );
            let mut diagnostic = refused.at(path, 1, first_line(text));
            diagnostic.level = crate::Level::Warning;
            diagnostics.push(diagnostic);
        }
    }
    let mut indicators = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record
                    .position()
                    .map_or(1, |position| usize::try_from(position.line()).unwrap_or(1));
                match row(&columns, &record, source) {
                    Ok(indicator) => indicators.push(indicator),
                    Err(refused) => {
                        let piece = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
                        diagnostics.push(refused.at(path, line, piece));
                    }
                }
            }
            Err(error) => {
                let line = error
                    .position()
                    .map_or(1, |position| usize::try_from(position.line()).unwrap_or(1));
                let refused = column(&error.to_string(), "check quotes and commas (RFC 4180)");
                diagnostics.push(refused.at(path, line, ""));
            }
        }
    }
    (indicators, diagnostics)
}

fn row(columns: &[String], record: &StringRecord, source: &str) -> Result<Indicator, Refused> {
    let cell = |name: &str| {
        let index = columns.iter().position(|column| column == name)?;
        record.get(index).filter(|text| !text.is_empty())
    };
    let kind = cell("type").map(kind).transpose()?;
    let (kind, value) = normal::parse(cell("value").unwrap_or_default(), kind)?;
    let confidence = match cell("confidence") {
        None => Confidence::Medium,
        Some(text) => confidence(text)?,
    };
    let tlp = match cell("tlp") {
        None => Tlp::Green,
        Some(text) => text.parse().map_err(|error: ingest_event::UnknownCode| {
            column(&error.to_string(), "correct the column `tlp`")
        })?,
    };
    let pap = match cell("pap") {
        None => Pap::Green,
        Some(text) => text.parse().map_err(|error: ingest_event::UnknownCode| {
            column(&error.to_string(), "correct the column `pap`")
        })?,
    };
    Ok(Indicator {
        kind,
        value,
        source: cell("source").unwrap_or(source).to_owned(),
        confidence,
        tlp,
        pap,
        valid_from: cell("valid_from").map(time).transpose()?,
        valid_until: cell("valid_until").map(time).transpose()?,
        description: cell("description").unwrap_or_default().to_owned(),
    })
}

/// Our codes, and the names that MISP and STIX use for the same things.
fn kind(text: &str) -> Result<IndicatorKind, Refused> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "ip-src" | "ip-dst" | "ipv4" | "ipv6" | "ipv4-addr" | "ipv6-addr" | "address"
            if !text.contains('/') =>
        {
            IndicatorKind::Address
        }
        "hostname" | "domain-name" | "fqdn" => IndicatorKind::Domain,
        "uri" | "link" => IndicatorKind::Url,
        "email-src" | "email-dst" | "email-addr" => IndicatorKind::Email,
        "ja3-fingerprint-md5" => IndicatorKind::Ja3,
        "sha-1" => IndicatorKind::Sha1,
        "sha-256" => IndicatorKind::Sha256,
        _ => text.parse().map_err(|error: ingest_event::UnknownCode| {
            column(&error.to_string(), "correct the column `type`")
        })?,
    })
}

/// A word, or a number from 0 to 100 (STIX 2.1, appendix A: up to 29 is low, up to 69 medium).
fn confidence(text: &str) -> Result<Confidence, Refused> {
    if let Ok(number) = text.parse::<u8>() {
        return Ok(match number {
            0..=29 => Confidence::Low,
            30..=69 => Confidence::Medium,
            70.. => Confidence::High,
        });
    }
    text.parse().map_err(|error: ingest_event::UnknownCode| {
        column(
            &error.to_string(),
            "write low, medium, high, or a number from 0 to 100",
        )
    })
}

fn time(text: &str) -> Result<Timestamp, Refused> {
    text.parse()
        .or_else(|_| format!("{text}T00:00:00Z").parse())
        .map_err(|_| {
            column(
                &format!("`{text}` is no time"),
                "write 2026-11-22 or 2026-11-22T10:00:00Z",
            )
        })
}

fn column(detail: &str, mend: &str) -> Refused {
    Refused {
        code: Code::BadColumn,
        detail: detail.to_owned(),
        mend: mend.to_owned(),
    }
}
