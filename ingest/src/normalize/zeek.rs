//! Zeek's logs, as columns with a header or as JSON (<https://docs.zeek.org/en/current/script-reference/log-files.html>).
//!
//! | log | dataset |
//! |---|---|
//! | `conn` | `network.flow` |
//! | `dns` | `network.dns` |
//! | `ssl` | `network.tls` |
//! | `http` | `network.http` |
//! | any other | `zeek.<log>` |
//!
//! What no table names is kept under `zeek.<log>.`, with Zeek's own names.

pub(super) mod tables;
mod tsv;

use std::borrow::Cow;

use ingest_event::{Fields, QuarantineReason, Value, field};

use super::columns::{Read, bad, convert, whole};
use super::{Normalized, NormalizerOptions, Reject, network, time};

pub(super) use tsv::Header;

/// The prefix of datasets named after a log, and of the option that names the log of JSON lines.
const PREFIX: &str = "zeek.";
/// Of NetBIOS names, which Zeek logs as DNS (RFC 1002 section 4.2.1.1).
const PORT_NETBIOS_NAMES: u64 = 137;

/// A line of JSON. Which log it is of: `_path` (as the JSON streaming script writes it), `@stream` (as shippers do),
/// the configured dataset, or what its fields give away.
pub(super) fn normalize_json(mut native: Fields, options: &NormalizerOptions) -> Result<Normalized, Reject> {
    let named = native.remove("_path").or_else(|| native.remove("@stream"));
    let path = match named {
        Some(Value::String(path)) if is_name(&path) => path,
        Some(other) => return Err(bad("_path", &other, "the name of a Zeek log")),
        None => match options
            .dataset
            .as_deref()
            .and_then(|dataset| dataset.strip_prefix(PREFIX))
        {
            Some(path) => path.to_owned(),
            None => guess(&native).to_owned(),
        },
    };
    normalize(&path, native)
}

/// A log's name becomes part of a dataset's name, so it can't be just anything.
fn is_name(path: &str) -> bool {
    (1..=64).contains(&path.len())
        && path
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// Zeek's plain JSON writer names no log; the columns that only one log has do.
fn guess(native: &Fields) -> &'static str {
    const TELLING: [(&str, &str); 16] = [
        ("conn_state", "conn"),
        ("trans_id", "dns"),
        ("qtype_name", "dns"),
        ("cert_chain_fps", "ssl"),
        ("next_protocol", "ssl"),
        ("server_name", "ssl"),
        ("cipher", "ssl"),
        ("status_code", "http"),
        ("uri", "http"),
        ("auth_attempts", "ssh"),
        ("seen_bytes", "files"),
        ("mailfrom", "smtp"),
        ("certificate.serial", "x509"),
        ("request_type", "kerberos"),
        ("share_type", "smb_mapping"),
        ("note", "notice"),
    ];
    TELLING
        .iter()
        .find(|(column, _)| native.get(column).is_some())
        .map_or("unknown", |(_, path)| path)
}

/// One record of the log `path`, with Zeek's names and types.
fn normalize(path: &str, mut native: Fields) -> Result<Normalized, Reject> {
    let timestamp = match native.remove("ts") {
        None | Some(Value::Null) => {
            return Err(Reject::new(
                QuarantineReason::NoTimestamp,
                "the Zeek record has no `ts`",
            ));
        }
        Some(value) => time(&value).ok_or_else(|| bad("ts", &value, "seconds since 1970, or RFC 3339"))?,
    };
    let (host, target) = match path {
        "http" => (native.remove("host"), native.remove("uri")),
        _ => (None, None),
    };
    let mut fields = tables::of(path).apply(native, &format!("{PREFIX}{path}"))?;
    fields.set("event.module", "zeek");
    let dataset = match path {
        "conn" => {
            flow(&mut fields);
            Cow::Borrowed("network.flow")
        }
        "dns" => {
            dns(&mut fields);
            Cow::Borrowed("network.dns")
        }
        "ssl" => {
            default_protocol(&mut fields, "tls");
            // Zeek logs QUIC's and DTLS' handshakes here too, and not what carried them.
            Cow::Borrowed("network.tls")
        }
        "http" => {
            let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
            network::url(&mut fields, text(&host).as_deref(), text(&target).as_deref());
            default_protocol(&mut fields, "http");
            if fields.get(field::HTTP_STATUS).and_then(whole) == Some(0) {
                // So Zeek writes that it found no answer.
                fields.remove(field::HTTP_STATUS);
            }
            Cow::Borrowed("network.http")
        }
        "ssh" => {
            ssh(&mut fields);
            Cow::Borrowed("zeek.ssh")
        }
        other => Cow::Owned(format!("{PREFIX}{other}")),
    };
    Ok(Normalized {
        timestamp,
        dataset,
        fields,
    })
}

fn default_protocol(fields: &mut Fields, name: &'static str) {
    if fields.get(field::NETWORK_PROTOCOL).is_none() {
        fields.set(field::NETWORK_PROTOCOL, name);
    }
    if name == "http" && fields.get(field::NETWORK_TRANSPORT).is_none() {
        fields.set(field::NETWORK_TRANSPORT, "tcp");
    }
}

fn flow(fields: &mut Fields) {
    network::sum(fields);
    let protocol = match fields.text(field::NETWORK_PROTOCOL) {
        Some("ssl") => Some("tls"),
        Some("krb" | "krb_tcp") => Some("kerberos"),
        Some("ldap_tcp" | "ldap_udp") => Some("ldap"),
        Some(_) | None => None,
    };
    fields.set_some(field::NETWORK_PROTOCOL, protocol);
    if fields.text(field::NETWORK_TRANSPORT) == Some("icmp") {
        // Zeek writes type and code where ports are.
        for (port, name) in [
            (field::SOURCE_PORT, "icmp.type"),
            (field::DESTINATION_PORT, "icmp.code"),
        ] {
            let number = fields.remove(port);
            fields.set_some(name, number);
        }
    }
    if fields.text(field::NETWORK_TRANSPORT) == Some("icmp")
        && fields
            .text(field::SOURCE_IP)
            .is_some_and(|address| address.contains(':'))
    {
        // Zeek says `icmp` for both families.
        fields.set(field::NETWORK_TRANSPORT, "ipv6-icmp");
    }
    if fields.text(field::NETWORK_TRANSPORT) != Some("tcp") {
        return;
    }
    let state = match fields.text("zeek.conn.conn_state") {
        Some("S0") => "attempted",
        Some("REJ") => "rejected",
        Some("S1" | "S2" | "S3") => "established",
        Some("SF") => "closed",
        Some("RSTO" | "RSTR") => "reset",
        Some(_) => "other",
        None => return,
    };
    fields.set(field::VARDE_FLOW_STATE, state);
}

fn dns(fields: &mut Fields) {
    default_protocol(fields, "dns");
    let is_netbios = fields.get(field::DESTINATION_PORT).and_then(whole) == Some(PORT_NETBIOS_NAMES);
    let kind = fields.text(field::DNS_QUESTION_TYPE);
    let kind = kind.and_then(|kind| question_type(kind, is_netbios));
    fields.set_some(field::DNS_QUESTION_TYPE, kind);
    let answered =
        fields.get(field::DNS_RESPONSE_CODE).is_some() || fields.get(field::DNS_ANSWERS_DATA).is_some();
    fields.set(field::DNS_TYPE, if answered { "answer" } else { "query" });
    network::resolved(fields);
}

/// What other sources call a type that Zeek has a name of its own for (RFC 3597 section 5).
fn question_type(zeek: &str, is_netbios: bool) -> Option<String> {
    match zeek {
        "*" => Some("ANY".to_owned()),
        // One number, of which DNS made something else than NetBIOS (RFC 1002 section 4.2.1.2).
        "NIMLOC" if is_netbios => Some("NB".to_owned()),
        _ => zeek.strip_prefix("query-").map(|number| format!("TYPE{number}")),
    }
}

fn ssh(fields: &mut Fields) {
    default_protocol(fields, "ssh");
    fields.set(field::EVENT_ACTION, "ssh_login");
    let outcome = match fields.remove("zeek.ssh.auth_success") {
        Some(Value::Bool(true)) => "success",
        Some(Value::Bool(false)) => "failure",
        Some(_) | None => "unknown",
    };
    fields.set(field::EVENT_OUTCOME, outcome);
}

/// Reads a column's value by Zeek's type for it; `None` for a type that stays text.
fn typed(kind: &str, text: &str) -> Result<Value, Reject> {
    let value = Value::from(text);
    let read = |value: Option<Value>, expected| value.ok_or_else(|| bad(kind, &Value::from(text), expected));
    match kind {
        "bool" => match text {
            "T" => Ok(Value::Bool(true)),
            "F" => Ok(Value::Bool(false)),
            _ => Err(bad(kind, &value, "T or F")),
        },
        "count" => read(text.parse::<u64>().ok().map(Value::from), "a whole number from 0"),
        "int" => read(text.parse::<i64>().ok().map(Value::from), "a whole number"),
        "double" | "interval" => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            read(number.map(Value::from), "a number")
        }
        "port" => read(convert(Read::Port, value, kind)?, "a port"),
        // Addresses, subnets, enumerations, patterns and texts; times are read where they are used.
        _ => Ok(value),
    }
}
