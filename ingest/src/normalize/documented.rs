//! Each field of each mapping is read as its table says, and `docs/datasets.md` says what the tables say.
//!
//! `UPDATE_EXPECT=1 cargo test -p ingest documented` writes the document anew.

use std::fmt::Write as _;

use ingest_event::field;

use super::columns::{Column, Columns, Read};
use super::*;

/// What logs in words say, which no table maps: the ECS name, and where it stands in the line.
type Said = &'static [(&'static str, &'static str)];

const ACCESS: Said = &[
    (field::URL_DOMAIN, "the virtual host, where it is written first"),
    (field::SOURCE_IP, "the client"),
    ("source.domain", "the client, if it is a name"),
    (field::USER_NAME, "the user"),
    (field::HTTP_METHOD, "the request's method"),
    (field::URL_ORIGINAL, "its target"),
    (field::URL_PATH, "the path of it"),
    (field::URL_QUERY, "the query of it"),
    ("http.version", "its version"),
    (field::HTTP_STATUS, "the status"),
    ("http.response.body.bytes", "the bytes of the answer"),
    ("http.request.referrer", "the referrer"),
    (field::USER_AGENT, "the user agent"),
    (field::EVENT_OUTCOME, "`failure` from status 400 on"),
];

const MAIL: Said = &[
    (
        field::EVENT_ACTION,
        "`mail_connect`, `mail_disconnect`, `mail_login`, `mail_reject`, `mail_command`",
    ),
    (field::EVENT_OUTCOME, "of logins, commands and rejected mail"),
    (field::NETWORK_PROTOCOL, "`smtp`, `imap`, `pop3`, `sieve`"),
    (field::SOURCE_IP, "`NAME[ADDRESS]`, `rip=`"),
    ("source.domain", "`NAME[ADDRESS]`, unless it is unknown"),
    (field::DESTINATION_IP, "`lip=`"),
    (field::USER_NAME, "`sasl_username=`, `user=<…>`, `pam(…)`"),
    (field::SMTP_HELO, "`helo=<…>`"),
    (field::SMTP_FROM_DOMAIN, "the domain of `from=<…>`"),
    (field::SMTP_TO_DOMAINS, "the domain of `to=<…>`"),
    ("error.code", "the enhanced status code of rejected mail"),
];

const SSHD: Said = &[
    (
        field::EVENT_ACTION,
        "`ssh_login`, `ssh_connect`, `ssh_disconnect`, `ssh_probe`",
    ),
    (field::EVENT_OUTCOME, "of logins"),
    (field::USER_NAME, "who tried, of `sshd`"),
    (field::SOURCE_IP, "from where, of `sshd`"),
    (field::SOURCE_PORT, "from which port, of `sshd`"),
    ("varde.repeated", "how often, of `message repeated N times`"),
];

/// Lines whose events have all the fields that are said of them.
const LINES: [(&str, Format, Said, &[&str]); 3] = [
    (
        "web.access",
        Format::Access,
        ACCESS,
        &[
            r#"www.example.no:443 2001:db8::7 - ola nordmann [02/Mar/2026:09:15:00 +0100] "GET /a/b?c=d HTTP/1.1" 404 1234 "https://example.no/" "curl/8.0 \"x\"""#,
            r#"pc-7.example.no - - [02/Mar/2026:09:15:00 +0100] "\x16\x03" 400 0 "-" "-""#,
        ],
    ),
    (
        "mail.log",
        Format::Syslog,
        MAIL,
        &[
            "Mar  2 09:15:00 mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from pc-7.example.no[192.0.2.7]: 504 5.5.2 <X>: Helo command rejected: need fully-qualified hostname; from=<a@example.com> to=<b@example.no> proto=ESMTP helo=<X>",
            "Mar  2 09:15:00 mx dovecot: imap-login: Disconnected (auth failed, 1 attempts in 6 secs): user=<ola@example.no>, method=PLAIN, rip=2001:db8::7, lip=2001:db8::1, TLS, session=<x>",
        ],
    ),
    (
        "system.auth",
        Format::Syslog,
        SSHD,
        &[
            "Mar  2 09:15:00 srv sshd[7]: message repeated 3 times: [ Failed password for ola from 2001:db8::7 port 4022 ssh2]",
        ],
    ),
];

/// Tables of columns: title, dataset, how the source calls a field, columns, and how a line with one field is made.
struct Mapped {
    title: &'static str,
    dataset: &'static str,
    format: Format,
    columns: Vec<Column>,
    line: fn(&str, &str) -> String,
}

fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

fn mapped() -> Vec<Mapped> {
    let eve = |title, dataset, columns: Columns| Mapped {
        title,
        dataset,
        format: Format::Eve,
        columns: columns.to_vec(),
        line: |name, value| {
            format!(
                r#"{{"timestamp":"2026-03-02T09:15:00Z","event_type":"anomaly","{name}":{}}}"#,
                quoted(value)
            )
        },
    };
    let line = |title, dataset, format, columns: Columns, line| Mapped {
        title,
        dataset,
        format,
        columns: columns.to_vec(),
        line,
    };
    vec![
        eve("Suricata, every event", "any of Suricata's", eve::COMMON),
        eve("Suricata, DNS", "`network.dns` and where it occurs", eve::DNS),
        eve(
            "Suricata, TLS and QUIC",
            "`network.tls` and where it occurs",
            eve::TLS,
        ),
        eve("Suricata, HTTP", "`network.http` and where it occurs", eve::HTTP),
        eve(
            "Suricata, alerts and content",
            "`suricata.alert` and where it occurs",
            eve::CONTENT,
        ),
        line(
            "Windows",
            "`windows.<log>`",
            Format::Ndjson,
            windows::DATA,
            |name, value| {
                let rest = if name == "EventID" { "" } else { r#""EventID":1,"# };
                format!(
                    r#"{{"EventTime":"2026-03-02 09:15:00","Channel":"Security",{rest}"{name}":{}}}"#,
                    quoted(value)
                )
            },
        ),
        line(
            "The journal",
            "`system.auth`, `system.syslog`, `mail.log`",
            Format::Ndjson,
            journald::COLUMNS,
            |name, value| {
                format!(
                    r#"{{"__REALTIME_TIMESTAMP":"1772442900000000","MESSAGE":"x","{name}":{}}}"#,
                    quoted(value)
                )
            },
        ),
        line(
            "The Linux audit daemon",
            "`auditd.log`",
            Format::Auditd,
            auditd::COLUMNS,
            |name, value| match name {
                "node" => format!("node={value} type=SYSCALL msg=audit(1772442900.123:7): a=b"),
                _ => format!(r#"type=SYSCALL msg=audit(1772442900.123:7): {name}="{value}" a=b"#),
            },
        ),
        line("CEF", "`cef.log`", Format::Syslog, cef::CEF, |name, value| {
            format!("Mar  2 09:15:00 fw CEF:0|Vendor|Wall|1|100|Blocked|5|x=y {name}={value}")
        }),
        line("LEEF", "`leef.log`", Format::Syslog, cef::LEEF, |name, value| {
            format!("Mar  2 09:15:00 fw LEEF:2.0|Vendor|Wall|1|100|^|x=y^{name}={value}")
        }),
    ]
}

/// A value as a source may write it, and as it is read.
fn samples(read: Read) -> &'static [(&'static str, &'static str)] {
    match read {
        Read::Plain | Read::Text => &[("Ab-7", "Ab-7")],
        Read::Lower => &[("ABC-7", "abc-7")],
        Read::Name => &[("WWW.Example.no.", "www.example.no")],
        Read::Address => &[("192.0.2.7", "192.0.2.7"), ("2001:DB8::7", "2001:db8::7")],
        Read::Port => &[("443", "443")],
        Read::Count => &[("70000", "70000")],
        Read::Seconds => &[("1.5", "1500000000")],
        Read::Time => &[("2026-03-02T08:14:58Z", "2026-03-02T08:14:58Z")],
        Read::TlsVersion => &[("TLSv12", "1.2")],
        Read::Mailbox => &[("<ola@example.no>", "ola@example.no")],
    }
}

#[track_caller]
fn check(format: Format, dataset: Option<&str>, line: &str, name: &str, expected: &str) {
    let options = NormalizerOptions {
        dataset: dataset.map(ToOwned::to_owned),
        home_networks: Vec::new(),
        year: YearRule::Fixed(2026),
        utc_offset_secs: 0,
    };
    let mut out = Vec::new();
    Normalizer::new(format, options).line(line.as_bytes(), 1, &mut out);
    let [Record::Event(draft)] = out.as_slice() else {
        panic!("{line}: {out:?}");
    };
    let seen = draft.fields.get(name).map(ToString::to_string);
    assert_eq!(
        seen.as_deref(),
        Some(expected),
        "{name} of {line}: {:#?}",
        draft.fields
    );
}

#[test]
fn each_field_of_each_table_is_read() {
    for source in mapped() {
        for (from, to, read) in &source.columns {
            for (written, expected) in samples(*read) {
                check(source.format, None, &(source.line)(from, written), to, expected);
            }
        }
    }
    for (log, columns) in zeek::tables::BY_LOG {
        for (from, to, read) in columns.iter().chain(zeek::tables::COMMON.iter()) {
            for (written, expected) in samples(*read) {
                let line = format!(r#"{{"ts":1772442900.1,"uid":"C1","{from}":{}}}"#, quoted(written));
                check(
                    Format::ZeekJson,
                    Some(&format!("zeek.{log}")),
                    &line,
                    to,
                    expected,
                );
            }
        }
    }
}

#[test]
fn each_field_that_is_said_of_words_is_read_and_no_other() {
    for (dataset, format, said, lines) in LINES {
        let mut seen = std::collections::BTreeSet::new();
        for line in lines {
            let options = NormalizerOptions {
                dataset: None,
                home_networks: Vec::new(),
                year: YearRule::Fixed(2026),
                utc_offset_secs: 0,
            };
            let mut out = Vec::new();
            Normalizer::new(format, options).line(line.as_bytes(), 1, &mut out);
            let [Record::Event(draft)] = out.as_slice() else {
                panic!("{line}: {out:?}");
            };
            assert_eq!(draft.dataset, dataset, "{line}");
            seen.extend(draft.fields.iter().map(|(name, _)| name.to_owned()));
        }
        // What the header of a line says, and what is added to every event with addresses, stands elsewhere.
        let common = [
            "log.syslog.",
            "host.",
            "process.",
            "network.",
            "message",
            "event.module",
        ];
        let own: Vec<&str> = seen
            .iter()
            .map(String::as_str)
            .filter(|name| {
                said.iter().any(|(known, _)| known == name)
                    || !common.iter().any(|start| name.starts_with(start))
            })
            .collect();
        let mut expected: Vec<&str> = said.iter().map(|(name, _)| *name).collect();
        expected.sort_unstable();
        assert_eq!(own, expected, "{dataset}");
    }
}

const fn how(read: Read) -> &'static str {
    match read {
        Read::Plain => "as it is",
        Read::Text => "as text",
        Read::Lower => "in lower case",
        Read::Name => "a domain name, in lower case, without the last dot",
        Read::Address => "an address, IPv4 or IPv6",
        Read::Port => "a port",
        Read::Count => "a whole number",
        Read::Seconds => "seconds, kept as nanoseconds",
        Read::Time => "a time",
        Read::TlsVersion => "a version such as `1.2`",
        Read::Mailbox => "a mail address",
    }
}

fn table(out: &mut String, title: &str, dataset: &str, columns: &[Column]) {
    let _ = writeln!(out, "\n### {title}\n\nDataset: {dataset}.\n");
    let _ = writeln!(out, "| field | becomes | read as |\n|---|---|---|");
    for (from, to, read) in columns {
        let _ = writeln!(out, "| `{from}` | `{to}` | {} |", how(*read));
    }
}

fn pairs<'t>(out: &mut String, heads: [&str; 2], rows: impl Iterator<Item = [String; 2]> + 't) {
    let _ = writeln!(out, "| {} | {} |\n|---|---|", heads[0], heads[1]);
    for [left, right] in rows {
        let _ = writeln!(out, "| {left} | {right} |");
    }
}

fn document() -> String {
    let mut out = String::from(include_str!("datasets.head.txt"));
    out.push_str("\n## Tables\n");
    for source in mapped() {
        table(&mut out, source.title, source.dataset, &source.columns);
        let code = |text: &str| format!("`{text}`");
        match source.title {
            "Windows" => {
                out.push_str("\nWhat stands around an event's data in EVTX gets the names that collectors give it:\n\n");
                let rows = windows::SYSTEM.iter().map(|(from, to)| [code(from), code(to)]);
                pairs(&mut out, ["in `Event.System`", "becomes"], rows);
                out.push_str("\n`Hashes` of Sysmon:\n\n");
                let rows = windows::HASHES.iter().map(|(from, to)| [code(from), code(to)]);
                pairs(&mut out, ["digest", "becomes"], rows);
                out.push_str("\nThe dataset by log; any other is `windows.` and its name, in lower case and without `Microsoft-Windows-`:\n\n");
                let rows = windows::CHANNELS
                    .iter()
                    .map(|(from, to)| [code(from), format!("`windows.{to}`")]);
                pairs(&mut out, ["log", "dataset"], rows);
                out.push_str("\nEvents of the log Security:\n\n");
                let rows = windows::ACTIONS.iter().map(|(id, action, outcome)| {
                    let outcome = if outcome.is_empty() {
                        String::new()
                    } else {
                        format!(", `{outcome}`")
                    };
                    [id.to_string(), format!("`{action}`{outcome}")]
                });
                pairs(&mut out, ["event id", "`event.action`, `event.outcome`"], rows);
            }
            "CEF" => {
                out.push_str("\nThe header of CEF, and its first four parts of LEEF, in order: ");
                let names: Vec<String> = cef::HEADER.iter().map(|name| code(name)).collect();
                let _ = writeln!(out, "{}.", names.join(", "));
            }
            _ => {}
        }
    }
    table(
        &mut out,
        "Zeek, every log",
        "any of Zeek's",
        &zeek::tables::COMMON,
    );
    for (log, columns) in zeek::tables::BY_LOG {
        let dataset = match *log {
            "conn" => "`network.flow`".to_owned(),
            "dns" => "`network.dns`".to_owned(),
            "ssl" => "`network.tls`".to_owned(),
            "http" => "`network.http`".to_owned(),
            other => format!("`zeek.{other}`"),
        };
        table(&mut out, &format!("Zeek, `{log}`"), &dataset, columns);
    }
    out.push_str("\n## Words\n\nLogs that are written for people are read by program text; this is what comes of them.\n");
    for (dataset, _, said, _) in LINES {
        let _ = writeln!(out, "\n### `{dataset}`\n");
        pairs(
            &mut out,
            ["field", "from"],
            said.iter()
                .map(|(name, from)| [format!("`{name}`"), (*from).to_owned()]),
        );
    }
    out
}

#[test]
fn the_document_says_what_the_tables_say() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/datasets.md");
    let expected = document();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &expected).expect("written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == expected,
        "docs/datasets.md is not what the tables say; UPDATE_EXPECT=1 cargo test -p ingest documented writes it"
    );
}
