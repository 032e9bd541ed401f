//! Zeek's columns by log, and their ECS names.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ingest_event::field;

use crate::normalize::columns::{Columns, Read, Table};

/// Columns of every log; the second spelling is that of shippers that flatten names.
pub(in crate::normalize) const COMMON: Columns = Columns::declared(&[
    ("id.orig_h", field::SOURCE_IP, Read::Address),
    ("id.orig_p", field::SOURCE_PORT, Read::Port),
    ("id.resp_h", field::DESTINATION_IP, Read::Address),
    ("id.resp_p", field::DESTINATION_PORT, Read::Port),
    ("id_orig_h", field::SOURCE_IP, Read::Address),
    ("id_orig_p", field::SOURCE_PORT, Read::Port),
    ("id_resp_h", field::DESTINATION_IP, Read::Address),
    ("id_resp_p", field::DESTINATION_PORT, Read::Port),
    ("community_id", field::NETWORK_COMMUNITY_ID, Read::Plain),
]);

/// `conn`: bytes are those of the IP packets, as everywhere in `network.flow`; Zeek's payload bytes stay its own.
pub(in crate::normalize) const CONN: Columns = Columns::declared(&[
    ("proto", field::NETWORK_TRANSPORT, Read::Lower),
    ("service", field::NETWORK_PROTOCOL, Read::Lower),
    ("duration", field::EVENT_DURATION, Read::Seconds),
    ("orig_ip_bytes", field::SOURCE_BYTES, Read::Count),
    ("resp_ip_bytes", field::DESTINATION_BYTES, Read::Count),
    ("orig_pkts", field::SOURCE_PACKETS, Read::Count),
    ("resp_pkts", field::DESTINATION_PACKETS, Read::Count),
    ("orig_l2_addr", "source.mac", Read::Plain),
    ("resp_l2_addr", "destination.mac", Read::Plain),
    ("vlan", "network.vlan.id", Read::Plain),
    ("inner_vlan", "network.inner.vlan.id", Read::Plain),
]);

/// `dns`.
pub(in crate::normalize) const DNS: Columns = Columns::declared(&[
    ("proto", field::NETWORK_TRANSPORT, Read::Lower),
    ("trans_id", field::DNS_ID, Read::Text),
    ("query", field::DNS_QUESTION_NAME, Read::Name),
    ("qtype_name", field::DNS_QUESTION_TYPE, Read::Plain),
    ("qclass_name", "dns.question.class", Read::Plain),
    ("rcode_name", field::DNS_RESPONSE_CODE, Read::Plain),
    ("answers", field::DNS_ANSWERS_DATA, Read::Plain),
    ("TTLs", "dns.answers.ttl", Read::Plain),
    ("rtt", field::EVENT_DURATION, Read::Seconds),
]);

/// `ssl`.
pub(in crate::normalize) const SSL: Columns = Columns::declared(&[
    ("version", field::TLS_VERSION, Read::TlsVersion),
    ("server_name", field::TLS_SERVER_NAME, Read::Name),
    ("ja3", field::TLS_JA3, Read::Lower),
    ("ja3s", "tls.server.ja3s", Read::Lower),
    ("ja4", field::TLS_JA4, Read::Plain),
    ("cipher", "tls.cipher", Read::Plain),
    ("curve", "tls.curve", Read::Plain),
    ("subject", "tls.server.subject", Read::Plain),
    ("issuer", "tls.server.issuer", Read::Plain),
    ("client_subject", "tls.client.subject", Read::Plain),
    ("client_issuer", "tls.client.issuer", Read::Plain),
    ("next_protocol", "tls.next_protocol", Read::Plain),
    ("established", "tls.established", Read::Plain),
    ("resumed", "tls.resumed", Read::Plain),
    ("not_valid_before", "tls.server.not_before", Read::Time),
    ("not_valid_after", "tls.server.not_after", Read::Time),
]);

/// `http`; host and target become `url.*`.
pub(in crate::normalize) const HTTP: Columns = Columns::declared(&[
    ("method", field::HTTP_METHOD, Read::Plain),
    ("status_code", field::HTTP_STATUS, Read::Count),
    ("user_agent", field::USER_AGENT, Read::Plain),
    ("referrer", "http.request.referrer", Read::Plain),
    ("version", "http.version", Read::Text),
    ("request_body_len", "http.request.body.bytes", Read::Count),
    ("response_body_len", "http.response.body.bytes", Read::Count),
    ("resp_mime_types", "http.response.mime_type", Read::Plain),
    ("orig_mime_types", "http.request.mime_type", Read::Plain),
    ("username", field::USER_NAME, Read::Plain),
]);

/// `files`.
pub(in crate::normalize) const FILES: Columns = Columns::declared(&[
    ("filename", "file.name", Read::Plain),
    ("mime_type", "file.mime_type", Read::Plain),
    ("total_bytes", "file.size", Read::Count),
    ("md5", "file.hash.md5", Read::Lower),
    ("sha1", "file.hash.sha1", Read::Lower),
    ("sha256", "file.hash.sha256", Read::Lower),
]);

/// `x509`.
pub(in crate::normalize) const X509: Columns = Columns::declared(&[
    (
        "certificate.subject",
        "file.x509.subject.distinguished_name",
        Read::Plain,
    ),
    (
        "certificate.issuer",
        "file.x509.issuer.distinguished_name",
        Read::Plain,
    ),
    ("certificate.serial", "file.x509.serial_number", Read::Plain),
    ("certificate.not_valid_before", "file.x509.not_before", Read::Time),
    ("certificate.not_valid_after", "file.x509.not_after", Read::Time),
    (
        "certificate.key_alg",
        "file.x509.public_key_algorithm",
        Read::Plain,
    ),
    (
        "certificate.sig_alg",
        "file.x509.signature_algorithm",
        Read::Plain,
    ),
    ("certificate.key_length", "file.x509.public_key_size", Read::Count),
    ("san.dns", "file.x509.alternative_names", Read::Plain),
]);

/// `smtp`.
pub(in crate::normalize) const SMTP: Columns = Columns::declared(&[
    ("mailfrom", "email.from.address", Read::Mailbox),
    ("rcptto", "email.to.address", Read::Mailbox),
    ("user_agent", "email.x_mailer", Read::Plain),
    ("msg_id", "email.message_id", Read::Mailbox),
]);

/// `kerberos`, `ntlm`, `rdp`, `ftp`: who.
pub(in crate::normalize) const LOGINS: Columns = Columns::declared(&[
    ("client", field::USER_NAME, Read::Plain),
    ("username", field::USER_NAME, Read::Plain),
    ("cookie", field::USER_NAME, Read::Plain),
    ("user", field::USER_NAME, Read::Plain),
]);

/// `smb_files`.
pub(in crate::normalize) const SMB_FILES: Columns = Columns::declared(&[
    ("name", "file.name", Read::Plain),
    ("size", "file.size", Read::Count),
    ("action", field::EVENT_ACTION, Read::Lower),
]);

/// `notice`: addresses under names of their own when there is no connection.
pub(in crate::normalize) const NOTICE: Columns = Columns::declared(&[
    ("proto", field::NETWORK_TRANSPORT, Read::Lower),
    ("msg", field::MESSAGE, Read::Plain),
]);

/// `dhcp`.
pub(in crate::normalize) const DHCP: Columns = Columns::declared(&[
    ("host_name", field::HOST_NAME, Read::Lower),
    ("client_addr", field::SOURCE_IP, Read::Address),
    ("server_addr", field::DESTINATION_IP, Read::Address),
    ("mac", "source.mac", Read::Plain),
]);

/// `syslog`: what Zeek saw pass by.
pub(in crate::normalize) const SYSLOG: Columns = Columns::declared(&[
    ("proto", field::NETWORK_TRANSPORT, Read::Lower),
    ("facility", "log.syslog.facility.name", Read::Lower),
    ("severity", "log.syslog.severity.name", Read::Lower),
    ("message", field::MESSAGE, Read::Plain),
]);

/// Logs that only say which transport.
const TRANSPORT: Columns = Columns::declared(&[("proto", field::NETWORK_TRANSPORT, Read::Lower)]);

/// Tables by log; those of logs that are not named hold [`COMMON`] only.
pub(in crate::normalize) const BY_LOG: &[(&str, Columns)] = &[
    ("conn", CONN),
    ("dns", DNS),
    ("ssl", SSL),
    ("http", HTTP),
    ("files", FILES),
    ("x509", X509),
    ("smtp", SMTP),
    ("kerberos", LOGINS),
    ("ntlm", LOGINS),
    ("rdp", LOGINS),
    ("ftp", LOGINS),
    ("smb_files", SMB_FILES),
    ("notice", NOTICE),
    ("dhcp", DHCP),
    ("syslog", SYSLOG),
];

static TABLES: LazyLock<BTreeMap<&'static str, Table>> = LazyLock::new(|| {
    BY_LOG
        .iter()
        .map(|(log, columns)| (*log, Table::new(&[COMMON, *columns])))
        .collect()
});

static OTHER: LazyLock<Table> = LazyLock::new(|| Table::new(&[COMMON, TRANSPORT]));

/// The table of a log.
pub(super) fn of(path: &str) -> &'static Table {
    TABLES.get(path).unwrap_or(&OTHER)
}
