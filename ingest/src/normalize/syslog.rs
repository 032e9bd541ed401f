//! Syslog, RFC 3164 and RFC 5424, with or without `<PRI>`, as daemons and files really have it.
//!
//! | written by | dataset |
//! |---|---|
//! | `sshd`, `sudo`, `su`, `login` and their like | `system.auth` |
//! | Postfix and Dovecot | `mail.log` |
//! | anything, with CEF or LEEF for a message | `cef.log`, `leef.log` |
//! | anything, with an audit record for a message | `auditd.log` |
//! | any other | `system.syslog` |
//!
//! A line without a time of its own gets that of the line before, or of its arrival, and says so in
//! `varde.timestamp_missing`. What sshd says about logins becomes fields in [`super::sshd`].

use std::net::IpAddr;

use chrono::{Datelike, FixedOffset};
use ingest_event::{Fields, QuarantineReason, Timestamp, Value, field};
use jiff::civil;
use syslog_loose::{IncompleteDate, Message, ProcId, Protocol, Variant, parse_message_with_year_exact_tz};

use super::ndjson::TIMESTAMP_MISSING;
use super::{Normalized, NormalizerOptions, Reject, YearRule, auditd, cef, mail, sshd};

/// Programs that log who got in.
const AUTH: [&str; 10] = [
    "dropbear",
    "gdm-password",
    "login",
    "polkitd",
    "sshd",
    "sshd-auth",
    "sshd-session",
    "su",
    "sudo",
    "systemd-logind",
];

/// Programs that pass audit records on.
const AUDIT: [&str; 6] = ["audisp-syslog", "audisp", "audispd", "audit", "auditd", "kernel"];

/// Stands for a year that is not known: RFC 3164 is younger.
const YEAR_UNKNOWN: i32 = 1;

/// Years that are tried for a time without one: 29 February comes back within eight.
const YEARS_BACK: i16 = 8;

/// How far ahead of its receiver a sender's clock may be before its time is taken for last year's.
const AHEAD_SECS: i64 = 24 * 3600;

/// Whether a line is syslog: it begins with a priority or a time as syslog writes them.
#[must_use]
pub fn looks_like_syslog(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    if text.is_empty() || text.starts_with(['{', '#']) {
        return false;
    }
    let has_priority = priority(text).is_some();
    match parse(text, YearRule::Fixed(2000), 0, None) {
        Ok(message) => message.timestamp.is_some() && (has_priority || message.hostname.is_some()),
        Err(_) => has_priority,
    }
}

pub(super) fn normalize(
    text: &str,
    options: &NormalizerOptions,
    last: Option<Timestamp>,
) -> Result<Normalized, Reject> {
    let parsed = parse(text, options.year, options.utc_offset_secs, last).ok();
    let Some(message) = parsed else {
        return without_header(text, last);
    };
    let mut fields = Fields::new();
    let timestamp = match message.timestamp {
        Some(time) if time.year() == YEAR_UNKNOWN => {
            return Err(Reject::new(
                QuarantineReason::NoTimestamp,
                "the time has no year; say which with `year`",
            ));
        }
        Some(time) => time
            .timestamp_nanos_opt()
            .map(Timestamp::from_nanos)
            .ok_or_else(|| {
                Reject::new(
                    QuarantineReason::BadField,
                    "the time lies outside the years 1677 to 2262",
                )
            })?,
        None => missing(&mut fields, last)?,
    };
    header(&message, &mut fields);
    finish(message.appname, message.msg, timestamp, fields)
}

/// A line that has no time at all, perhaps not even a priority.
fn without_header(text: &str, last: Option<Timestamp>) -> Result<Normalized, Reject> {
    let mut fields = Fields::new();
    let timestamp = missing(&mut fields, last)?;
    let text = match priority(text) {
        Some((priority, rest)) => {
            set_priority(&mut fields, i64::from(priority >> 3), i64::from(priority & 7));
            rest
        }
        None => text,
    };
    finish(None, text, timestamp, fields)
}

fn missing(fields: &mut Fields, last: Option<Timestamp>) -> Result<Timestamp, Reject> {
    fields.set(TIMESTAMP_MISSING, true);
    last.ok_or_else(|| {
        Reject::new(
            QuarantineReason::NoTimestamp,
            "the line has no time that syslog knows, nor has one before it",
        )
    })
}

/// The event of a message, by what wrote it and what it says. `appname` is as the header has it.
pub(super) fn finish(
    appname: Option<&str>,
    message: &str,
    timestamp: Timestamp,
    mut fields: Fields,
) -> Result<Normalized, Reject> {
    let message = message.trim();
    // Behind a header without a program, `CEF:0|…` looks like one.
    let whole = appname
        .filter(|appname| matches!(*appname, "CEF" | "LEEF"))
        .map(|appname| format!("{appname}:{message}"));
    let said = match &whole {
        Some(whole) => {
            fields.remove("process.name");
            fields.remove("log.syslog.appname");
            whole
        }
        None => message,
    };
    let program = appname.map(program);
    // Daemons that people talk to write what these say into their messages: it is no CEF and no audit record there.
    let speaks_for_others = appname.is_some_and(mail::is_mail)
        || program.is_some_and(|program| AUTH.binary_search(&program).is_ok());
    let cef = (!speaks_for_others)
        .then(|| cef::read(said, &mut fields))
        .flatten();
    if let Some((dataset, own)) = cef {
        let module = dataset.split('.').next().unwrap_or(dataset);
        fields.set(field::EVENT_MODULE, module);
        return Ok(Normalized {
            timestamp: own.unwrap_or(timestamp),
            dataset: dataset.into(),
            fields,
        });
    }
    let is_audit = program.is_some_and(|program| AUDIT.contains(&program));
    if is_audit && auditd::looks_like_audit(message) {
        let mut record = auditd::normalize(message)?;
        // The header is of who sends; the record's own words are of whom it tells.
        let keeps = |name: &str| name.starts_with("process.") || name == field::MESSAGE;
        for (name, value) in fields {
            if !keeps(&name) || record.fields.get(&name).is_none() {
                record.fields.set(name, value);
            }
        }
        return Ok(record);
    }
    fields.set("event.module", "system");
    fields.set(field::MESSAGE, message);
    if let Some(appname) = appname.filter(|appname| mail::is_mail(appname)) {
        mail::read(appname, message, &mut fields);
        return Ok(Normalized {
            timestamp,
            dataset: "mail.log".into(),
            fields,
        });
    }
    if program.is_some_and(|program| program.starts_with("sshd")) {
        sshd::read(message, &mut fields);
    }
    let auth = program.is_some_and(|program| AUTH.binary_search(&program).is_ok());
    let dataset = if auth { "system.auth" } else { "system.syslog" };
    Ok(Normalized {
        timestamp,
        dataset: dataset.into(),
        fields,
    })
}

/// `sshd(pam_unix)` and `/usr/sbin/sshd` are sshd.
pub(super) fn program(appname: &str) -> &str {
    let name = appname.split_once('(').map_or(appname, |(name, _)| name);
    name.rsplit('/').next().unwrap_or(name)
}

fn header(message: &Message<&str>, fields: &mut Fields) {
    if let (Some(facility), Some(severity)) = (message.facility, message.severity) {
        set_priority(fields, i64::from(facility as i32), i64::from(severity as i32));
    }
    if let Protocol::RFC5424(version) = message.protocol {
        fields.set("log.syslog.version", version.to_string());
    }
    if let Some(host) = message.hostname {
        fields.set(field::HOST_NAME, host);
        fields.set("log.syslog.hostname", host);
        if let Ok(address) = host.parse::<IpAddr>() {
            fields.set("host.ip", address);
        }
    }
    if let Some(appname) = message.appname {
        fields.set("process.name", program(appname));
        fields.set("log.syslog.appname", appname);
    }
    match &message.procid {
        Some(ProcId::PID(pid)) => {
            fields.set("process.pid", i64::from(*pid));
            fields.set("log.syslog.procid", pid.to_string());
        }
        Some(ProcId::Name(name)) => fields.set("log.syslog.procid", *name),
        None => {}
    }
    fields.set_some("log.syslog.msgid", message.msgid);
    for element in &message.structured_data {
        for (name, value) in element.params() {
            let name = format!("log.syslog.structured_data.{}.{name}", element.id);
            fields.append(name, Value::from(value));
        }
    }
}

/// Facility and severity (RFC 5424 section 6.2.1).
pub(super) fn set_priority(fields: &mut Fields, facility: i64, severity: i64) {
    fields.set("log.syslog.facility.code", facility);
    fields.set("log.syslog.severity.code", severity);
    fields.set("log.syslog.priority", facility * 8 + severity);
    const SEVERITIES: [&str; 8] = [
        "emergency",
        "alert",
        "critical",
        "error",
        "warning",
        "notice",
        "informational",
        "debug",
    ];
    let name = usize::try_from(severity)
        .ok()
        .and_then(|index| SEVERITIES.get(index));
    fields.set_some("log.syslog.severity.name", name.copied());
}

/// `<0>` to `<191>` and what follows (RFC 5424 section 6.2.1).
fn priority(text: &str) -> Option<(u8, &str)> {
    let (digits, rest) = text.strip_prefix('<')?.split_once('>')?;
    let fits = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let value: u8 = fits.then(|| digits.parse().ok())??;
    (value <= 191).then_some((value, rest))
}

fn parse(
    text: &str,
    rule: YearRule,
    utc_offset_secs: i32,
    last: Option<Timestamp>,
) -> Result<Message<&str>, String> {
    let offset = FixedOffset::east_opt(utc_offset_secs).or_else(|| FixedOffset::east_opt(0));
    let year = |date: IncompleteDate| year(date, rule, utc_offset_secs, last);
    parse_message_with_year_exact_tz(text, year, offset, Variant::Either)
}

/// The year of a date without one.
fn year(date: IncompleteDate, rule: YearRule, utc_offset_secs: i32, last: Option<Timestamp>) -> i32 {
    let seconds = |year: i16| {
        let (month, day, hour, minute, second) = date;
        let small = |number: u32| i8::try_from(number).ok();
        let time = civil::DateTime::new(
            year,
            small(month)?,
            small(day)?,
            small(hour)?,
            small(minute)?,
            small(second)?,
            0,
        );
        let zoned = time.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(zoned.timestamp().as_second() - i64::from(utc_offset_secs))
    };
    let year_of = |time: Timestamp| {
        jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos()))
            .map_or(1970, |time| time.to_zoned(jiff::tz::TimeZone::UTC).year())
    };
    let found = match (rule, last) {
        (YearRule::Unknown, _) => return YEAR_UNKNOWN,
        (YearRule::Fixed(first), None) => Some(first),
        (YearRule::Fixed(first), Some(last)) => {
            // The year that brings it nearest to the line before; never one before the log's first.
            let (near, last) = (year_of(last), last.as_millis() / 1_000);
            (near.saturating_sub(1)..=near.saturating_add(1))
                .filter(|year| first <= *year)
                .min_by_key(|year| seconds(*year).map_or(u64::MAX, |time| time.abs_diff(last)))
        }
        (YearRule::Before(now), _) => {
            let (this, latest) = (year_of(now), now.as_millis() / 1_000 + AHEAD_SECS);
            // One year further than this: New Year comes earlier in the east.
            (this.saturating_sub(YEARS_BACK)..=this.saturating_add(1))
                .rev()
                .find(|year| seconds(*year).is_some_and(|time| time <= latest))
        }
    };
    i32::from(found.unwrap_or(1970))
}
