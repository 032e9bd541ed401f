//! Suricata's EVE JSON, versions 4 to 8 (<https://docs.suricata.io/en/latest/output/eve/eve-json-format.html>).
//!
//! | event type | dataset |
//! |---|---|
//! | `flow`, `netflow` | `network.flow` |
//! | `dns` (formats 1, 2 and 3) | `network.dns` |
//! | `tls` | `network.tls` |
//! | `http` | `network.http` |
//! | any other, `alert` among them | `suricata.<event type>` |
//!
//! The tables hold for every event type, since an alert carries the flow, name or request it was raised on. What no
//! table names is kept under `suricata.eve.`. Payload is dropped later, by [`crate::disclose`].

use std::borrow::Cow;
use std::sync::LazyLock;

use ingest_event::{Fields, QuarantineReason, Timestamp, Value, field};

use super::columns::{Columns, Read, Table, bad};
use super::{Normalized, Reject, network};

/// Fields of every event type.
pub(super) const COMMON: Columns = Columns::declared(&[
    ("src_ip", field::SOURCE_IP, Read::Address),
    ("src_port", field::SOURCE_PORT, Read::Port),
    ("dest_ip", field::DESTINATION_IP, Read::Address),
    ("dest_port", field::DESTINATION_PORT, Read::Port),
    ("proto", field::NETWORK_TRANSPORT, Read::Lower),
    ("app_proto", field::NETWORK_PROTOCOL, Read::Lower),
    ("community_id", field::NETWORK_COMMUNITY_ID, Read::Plain),
    ("in_iface", "observer.ingress.interface.name", Read::Plain),
    ("vlan", "network.vlan.id", Read::Plain),
    ("ether.src_mac", "source.mac", Read::Plain),
    ("ether.dest_mac", "destination.mac", Read::Plain),
    ("flow.bytes_toserver", field::SOURCE_BYTES, Read::Count),
    ("flow.bytes_toclient", field::DESTINATION_BYTES, Read::Count),
    ("flow.pkts_toserver", field::SOURCE_PACKETS, Read::Count),
    ("flow.pkts_toclient", field::DESTINATION_PACKETS, Read::Count),
    ("flow.start", field::EVENT_START, Read::Time),
    ("flow.end", field::EVENT_END, Read::Time),
    ("netflow.bytes", field::SOURCE_BYTES, Read::Count),
    ("netflow.pkts", field::SOURCE_PACKETS, Read::Count),
    ("netflow.start", field::EVENT_START, Read::Time),
    ("netflow.end", field::EVENT_END, Read::Time),
]);

/// DNS: format 1 has one answer an event, format 2 lists, format 3 (Suricata 8) lists queries too.
pub(super) const DNS: Columns = Columns::declared(&[
    ("dns.id", field::DNS_ID, Read::Text),
    ("dns.rcode", field::DNS_RESPONSE_CODE, Read::Plain),
    ("dns.rrname", field::DNS_QUESTION_NAME, Read::Name),
    ("dns.rrtype", field::DNS_QUESTION_TYPE, Read::Plain),
    ("dns.queries.rrname", field::DNS_QUESTION_NAME, Read::Name),
    ("dns.queries.rrtype", field::DNS_QUESTION_TYPE, Read::Plain),
    ("dns.query.rrname", field::DNS_QUESTION_NAME, Read::Name),
    ("dns.query.rrtype", field::DNS_QUESTION_TYPE, Read::Plain),
    ("dns.answers.rdata", field::DNS_ANSWERS_DATA, Read::Plain),
    ("dns.answers.rrtype", field::DNS_ANSWERS_TYPE, Read::Plain),
    ("dns.answers.rrname", "dns.answers.name", Read::Plain),
    ("dns.answers.ttl", "dns.answers.ttl", Read::Plain),
    ("dns.rdata", field::DNS_ANSWERS_DATA, Read::Plain),
    ("dns.ttl", "dns.answers.ttl", Read::Plain),
]);

/// TLS, and QUIC where it says the same.
pub(super) const TLS: Columns = Columns::declared(&[
    ("tls.sni", field::TLS_SERVER_NAME, Read::Name),
    ("tls.version", field::TLS_VERSION, Read::TlsVersion),
    ("tls.ja3.hash", field::TLS_JA3, Read::Lower),
    ("tls.ja3s.hash", "tls.server.ja3s", Read::Lower),
    ("tls.ja4", field::TLS_JA4, Read::Plain),
    ("tls.subject", "tls.server.subject", Read::Plain),
    ("tls.issuerdn", "tls.server.issuer", Read::Plain),
    ("tls.fingerprint", "tls.server.hash.sha1", Read::Plain),
    ("tls.serial", "tls.server.x509.serial_number", Read::Plain),
    ("tls.notbefore", "tls.server.not_before", Read::Time),
    ("tls.notafter", "tls.server.not_after", Read::Time),
    ("tls.session_resumed", "tls.resumed", Read::Plain),
    ("quic.sni", field::TLS_SERVER_NAME, Read::Name),
    ("quic.ja3.hash", field::TLS_JA3, Read::Lower),
    ("quic.ja4", field::TLS_JA4, Read::Plain),
]);

/// HTTP; host and target become `url.*` afterwards.
pub(super) const HTTP: Columns = Columns::declared(&[
    ("http.http_method", field::HTTP_METHOD, Read::Plain),
    ("http.status", field::HTTP_STATUS, Read::Count),
    ("http.http_user_agent", field::USER_AGENT, Read::Plain),
    ("http.http_refer", "http.request.referrer", Read::Plain),
    ("http.http_content_type", "http.response.mime_type", Read::Plain),
    ("http.length", "http.response.body.bytes", Read::Count),
    ("http.http_port", "url.port", Read::Port),
]);

/// Files and mail.
pub(super) const CONTENT: Columns = Columns::declared(&[
    ("fileinfo.filename", "file.name", Read::Plain),
    ("fileinfo.size", "file.size", Read::Count),
    ("fileinfo.md5", "file.hash.md5", Read::Lower),
    ("fileinfo.sha1", "file.hash.sha1", Read::Lower),
    ("fileinfo.sha256", "file.hash.sha256", Read::Lower),
    ("files.filename", "file.name", Read::Plain),
    ("files.md5", "file.hash.md5", Read::Lower),
    ("files.sha1", "file.hash.sha1", Read::Lower),
    ("files.sha256", "file.hash.sha256", Read::Lower),
    ("smtp.mail_from", "email.from.address", Read::Mailbox),
    ("smtp.rcpt_to", "email.to.address", Read::Mailbox),
]);

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&[COMMON, DNS, TLS, HTTP, CONTENT]));

pub(super) fn normalize(mut native: Fields) -> Result<Normalized, Reject> {
    let timestamp = match native.remove("timestamp") {
        None | Some(Value::Null) => {
            return Err(Reject::new(
                QuarantineReason::NoTimestamp,
                "the EVE record has no `timestamp`",
            ));
        }
        Some(value) => super::time(&value).ok_or_else(|| bad("timestamp", &value, "a time (RFC 3339)"))?,
    };
    let kind = match native.remove("event_type") {
        Some(Value::String(kind)) if is_name(&kind) => kind,
        Some(other) => {
            return Err(bad(
                "event_type",
                &other,
                "one lower-case word, as Suricata writes it",
            ));
        }
        None => {
            return Err(Reject::new(
                QuarantineReason::BadField,
                "the EVE record has no `event_type`",
            ));
        }
    };
    let (host, target) = (native.remove("http.hostname"), native.remove("http.url"));
    let version = native.remove("http.protocol");
    let dns_type = native.remove("dns.type");
    let mut fields = TABLE.apply(native, "suricata.eve")?;
    fields.set("event.module", "suricata");
    if host.is_some() || target.is_some() {
        network::url(
            &mut fields,
            host.as_ref().and_then(Value::as_str),
            target.as_ref().and_then(Value::as_str),
        );
    }
    if let Some(version) = version.as_ref().and_then(Value::as_str) {
        fields.set("http.version", version.trim_start_matches("HTTP/"));
    }
    if matches!(fields.text(field::NETWORK_PROTOCOL), Some("failed" | "unknown")) {
        // Suricata's words for "not recognised": no protocol of that name exists.
        fields.remove(field::NETWORK_PROTOCOL);
    }
    dns(&mut fields, dns_type.as_ref().and_then(Value::as_str));
    if kind == "flow" {
        flow(&mut fields);
    }
    network::sum(&mut fields);
    let dataset = match kind.as_str() {
        "flow" | "netflow" => Cow::Borrowed("network.flow"),
        "dns" => Cow::Borrowed("network.dns"),
        "tls" => Cow::Borrowed("network.tls"),
        "http" => Cow::Borrowed("network.http"),
        other => Cow::Owned(format!("suricata.{other}")),
    };
    protocol(&mut fields, &dataset);
    Ok(Normalized {
        timestamp,
        dataset,
        fields,
    })
}

/// An event type becomes part of a dataset's name, so it can't be just anything.
fn is_name(kind: &str) -> bool {
    (1..=32).contains(&kind.len())
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Records of a protocol are of that protocol, also where Suricata does not repeat it.
fn protocol(fields: &mut Fields, dataset: &str) {
    let Some(name) = ["dns", "tls", "http"]
        .into_iter()
        .find(|name| dataset.strip_prefix("network.") == Some(name))
    else {
        return;
    };
    if fields.get(field::NETWORK_PROTOCOL).is_none() {
        fields.set(field::NETWORK_PROTOCOL, name);
    }
}

fn dns(fields: &mut Fields, kind: Option<&str>) {
    let Some(kind) = kind else { return };
    let answer = matches!(kind, "answer" | "response");
    fields.set(field::DNS_TYPE, if answer { "answer" } else { "query" });
    // With several queries the first names and types the event; all are in the source's own record.
    for name in [field::DNS_QUESTION_NAME, field::DNS_QUESTION_TYPE] {
        if let Some(Value::List(items)) = fields.get(name) {
            let first = items.first().cloned();
            fields.set_some(name, first);
        }
    }
    for (from, kind) in [
        ("A", "A"),
        ("AAAA", "AAAA"),
        ("CNAME", "CNAME"),
        ("MX", "MX"),
        ("TXT", "TXT"),
    ] {
        let Some(grouped) = fields.remove(&format!("suricata.eve.dns.grouped.{from}")) else {
            continue;
        };
        if fields.get(field::DNS_ANSWERS_DATA).is_none() || fields.get("suricata.eve.dns.grouped").is_some() {
            fields.set("suricata.eve.dns.grouped", true);
            for item in grouped.each() {
                fields.append(field::DNS_ANSWERS_TYPE, Value::from(kind));
                fields.append(field::DNS_ANSWERS_DATA, item.clone());
            }
        }
    }
    fields.remove("suricata.eve.dns.grouped");
    network::resolved(fields);
    // Old versions report an answer as sent: from the server.
    let port = |name| fields.get(name).and_then(super::columns::whole);
    if answer && port(field::SOURCE_PORT) == Some(53) && port(field::DESTINATION_PORT) != Some(53) {
        network::swap_sides(fields);
    }
}

fn flow(fields: &mut Fields) {
    let at = |name| fields.text(name).and_then(|text| text.parse::<Timestamp>().ok());
    if let (Some(start), Some(end)) = (at(field::EVENT_START), at(field::EVENT_END)) {
        fields.set(
            field::EVENT_DURATION,
            u64::try_from(end.since(start).as_nanos()).unwrap_or(u64::MAX),
        );
    }
    if fields.text(field::NETWORK_TRANSPORT) != Some("tcp") {
        return;
    }
    let answered = fields
        .get(field::DESTINATION_PACKETS)
        .and_then(super::columns::whole)
        .unwrap_or(0);
    let reset = fields.get("suricata.eve.tcp.rst") == Some(&Value::Bool(true));
    let state = match (fields.text("suricata.eve.flow.state"), reset) {
        (_, false) if answered == 0 => "attempted",
        (Some("new"), true) => "rejected",
        (Some("established"), false) => "established",
        (Some("closed"), false) => "closed",
        (_, true) if answered <= 1 => "rejected",
        (_, true) => "reset",
        (_, false) => "other",
    };
    fields.set(field::VARDE_FLOW_STATE, state);
}
