//! Which name of EVE says the same as which field of ours, and how each writes it.

use ingest::record::Draft;
use md5::{Digest as _, Md5};

use crate::{
    of_side,
    rewrite::{mail_domain, tls_version},
    text,
};

/// A name of EVE, and what it is among ours.
pub(crate) struct Column {
    pub(crate) eve: &'static str,
    pub(crate) ours: &'static str,
    /// How we write what Suricata writes; empty where that says nothing.
    pub(crate) rewrite: fn(&str) -> String,
    /// Whether we said it: a record and the value as we would write it.
    pub(crate) is_said: fn(&Draft, &str, &str) -> bool,
}

impl Column {
    /// Whether a record says the value, of the other side if the ends are swapped.
    pub(crate) fn holds(&self, draft: &Draft, value: &str, is_swapped: bool) -> bool {
        (self.is_said)(draft, &of_side(self.ours, is_swapped), value)
    }
}

/// The dataset that has what a type of event says.
pub(crate) fn dataset(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "flow" => "network.flow",
        "dns" | "llmnr" => "network.dns",
        "tls" | "quic" => "network.tls",
        "http" => "network.http",
        "ssh" => "network.ssh",
        "smb" => "network.smb",
        "krb5" => "network.kerberos",
        "ldap" => "network.ldap",
        "dhcp" => "network.dhcp",
        "smtp" => "network.smtp",
        _ => return None,
    })
}

/// Ends of a flow.
pub(crate) const ENDS: [Column; 4] = [
    column("src_ip", "source.ip", address),
    column("src_port", "source.port", same),
    column("dest_ip", "destination.ip", address),
    column("dest_port", "destination.port", same),
];

/// What any event may say of its flow.
const BASE: [Column; 5] = [
    column("proto", "network.transport", transport),
    column("community_id", "network.community_id", same),
    column("vlan", "network.vlan.id", same),
    column("icmp_type", "icmp.type", same),
    column("icmp_code", "icmp.code", same),
];

const FLOW: [Column; 7] = [
    column("app_proto", "network.protocol", protocol),
    column("flow.pkts_toserver", "source.packets", same),
    column("flow.pkts_toclient", "destination.packets", same),
    frames("flow.bytes_toserver", "source.bytes"),
    frames("flow.bytes_toclient", "destination.bytes"),
    column("flow.start", "event.start", time),
    column("flow.end", "event.end", time),
];

/// Suricata writes what LLMNR says in a way of its own.
const DNS: [Column; 17] = [
    column("dns.id", "dns.id", same),
    column("dns.type", "dns.type", dns_type),
    column("dns.rrname", "dns.question.name", name),
    column("dns.rrtype", "dns.question.type", same),
    column("dns.queries.rrname", "dns.question.name", name),
    column("dns.queries.rrtype", "dns.question.type", same),
    column("dns.rcode", "dns.response_code", same),
    column("dns.answers.rrtype", "dns.answers.type", same),
    column("dns.answers.rdata", "dns.answers.data", data),
    column("dns.grouped.A", "dns.resolved_ip", address),
    column("dns.grouped.AAAA", "dns.resolved_ip", address),
    column("dns.grouped.CNAME", "dns.answers.data", name),
    column("llmnr.id", "dns.id", same),
    column("llmnr.type", "dns.type", dns_type),
    column("llmnr.queries.rrname", "dns.question.name", name),
    column(
        "llmnr.queries.rrtype",
        "dns.question.type",
        str::to_ascii_uppercase,
    ),
    column("llmnr.answers.a", "dns.resolved_ip", address),
];

const HTTP: [Column; 8] = [
    column("http.http_method", "http.request.method", same),
    column("http.hostname", "url.domain", host),
    Column {
        eve: "http.url",
        ours: "url.original",
        rewrite: same,
        is_said: is_target,
    },
    column("http.status", "http.response.status_code", same),
    column("http.http_user_agent", "user_agent.original", same),
    column("http.http_content_type", "http.response.mime_type", same),
    column("http.protocol", "http.version", http_version),
    column("http.version", "http.version", http_version),
];

const TLS: [Column; 10] = [
    column("tls.sni", "tls.client.server_name", name),
    column("tls.version", "tls.version", tls_version),
    column("tls.subject", "tls.server.subject", same),
    column("tls.issuerdn", "tls.server.issuer", same),
    column("tls.fingerprint", "tls.server.hash.sha1", without_colons),
    column("tls.serial", "tls.server.x509.serial_number", without_colons),
    column("tls.notbefore", "tls.server.not_before", time),
    column("tls.notafter", "tls.server.not_after", time),
    column("tls.ja4", "tls.client.ja4", same),
    column("tls.ja3.string", "tls.client.ja3", md5),
];

const SSH: [Column; 6] = [
    banner("ssh.client.proto_version", "ssh.client.banner"),
    banner("ssh.client.software_version", "ssh.client.banner"),
    banner("ssh.server.proto_version", "ssh.server.banner"),
    banner("ssh.server.software_version", "ssh.server.banner"),
    column("ssh.client.hassh.hash", "ssh.client.hassh", same),
    column("ssh.server.hassh.hash", "ssh.server.hassh", same),
];

const KERBEROS: [Column; 6] = [
    column("krb5.msg_type", "kerberos.request", kerberos_request),
    column("krb5.failed_request", "kerberos.request", kerberos_request),
    column("krb5.cname", "kerberos.client.name", kerberos_text),
    column("krb5.realm", "kerberos.realm", kerberos_text),
    column("krb5.sname", "kerberos.service", kerberos_text),
    column("krb5.error_code", "kerberos.error.name", same),
];

const OTHERS: [Column; 6] = [
    column("krb5.ticket_encryption", "kerberos.ticket.cipher", same),
    column("dhcp.dhcp_type", "dhcp.type", same),
    column("smtp.helo", "smtp.helo", str::to_ascii_lowercase),
    column("smtp.mail_from", "smtp.from.domain", mail_domain),
    column("smtp.rcpt_to", "smtp.to.domains", mail_domain),
    column("ldap.request.bind_request.version", "ldap.version", same),
];

/// The columns of a dataset, ends apart.
pub(crate) fn columns(dataset: &str) -> impl Iterator<Item = &'static Column> {
    let own: &[&'static [Column]] = match dataset {
        "network.flow" => &[&FLOW],
        "network.dns" => &[&DNS],
        "network.http" => &[&HTTP],
        "network.tls" => &[&TLS],
        "network.ssh" => &[&SSH],
        "network.kerberos" => &[&KERBEROS, &OTHERS],
        _ => &[&OTHERS],
    };
    BASE.iter().chain(own.iter().copied().flatten())
}

const fn column(eve: &'static str, ours: &'static str, rewrite: fn(&str) -> String) -> Column {
    Column {
        eve,
        ours,
        rewrite,
        is_said,
    }
}

const fn frames(eve: &'static str, ours: &'static str) -> Column {
    Column {
        eve,
        ours,
        rewrite: same,
        is_said: is_in_frames,
    }
}

const fn banner(eve: &'static str, ours: &'static str) -> Column {
    Column {
        eve,
        ours,
        rewrite: same,
        is_said: is_in_banner,
    }
}

/// The value, or one of the list.
fn is_said(draft: &Draft, ours: &str, value: &str) -> bool {
    let said = draft.fields.get(ours);
    said.is_some_and(|said| said.each().any(|each| each.to_string() == value))
}

/// Suricata counts bytes of frames, we count those of IP: each packet of Ethernet has 14 more.
fn is_in_frames(draft: &Draft, ours: &str, value: &str) -> bool {
    let number = |name: &str| text(draft, name).parse::<u64>().unwrap_or_default();
    let packets = number(&ours.replace("bytes", "packets"));
    [0, 14, 18]
        .into_iter()
        .any(|header| (number(ours) + header * packets).to_string() == value)
}

/// Suricata writes the target, we the address that it is of.
fn is_target(draft: &Draft, ours: &str, value: &str) -> bool {
    let (original, domain) = (text(draft, ours), text(draft, "url.domain"));
    original == value
        || original.to_ascii_lowercase().starts_with("http://") && original.ends_with(value) && {
            let authority = &original["http://".len()..original.len() - value.len()];
            authority.to_ascii_lowercase().contains(&domain)
        }
}

/// `SSH-2.0-OpenSSH_7.4` is of version 2.0 and the software `OpenSSH_7.4`.
fn is_in_banner(draft: &Draft, ours: &str, value: &str) -> bool {
    let banner = text(draft, ours);
    let mut parts = banner.splitn(3, '-').skip(1);
    let version = parts.next().unwrap_or_default();
    let software = parts
        .next()
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_default();
    [version, software].contains(&value)
}

fn same(text: &str) -> String {
    text.to_owned()
}

fn address(text: &str) -> String {
    text.parse::<std::net::IpAddr>()
        .map_or_else(|_| text.to_owned(), |address| address.to_string())
}

fn name(text: &str) -> String {
    text.trim_end_matches('.').to_ascii_lowercase()
}

/// Without the port.
fn host(text: &str) -> String {
    let host = text.rsplit_once(':').filter(|(host, _)| !host.contains(':'));
    name(host.map_or(text, |(host, _)| host))
}

fn data(text: &str) -> String {
    name(&address(text))
}

fn transport(text: &str) -> String {
    match text {
        "IP-in-IP" => "4".to_owned(),
        "IPv6" => "41".to_owned(),
        "GRE" => "47".to_owned(),
        other => other.to_ascii_lowercase(),
    }
}

/// Protocols that both recognise.
fn protocol(text: &str) -> String {
    match text {
        "krb5" => "kerberos",
        "dcerpc" => "",
        "dhcp" | "dns" | "http" | "ldap" | "quic" | "rdp" | "smb" | "smtp" | "ssh" | "tls" => text,
        _ => "",
    }
    .to_owned()
}

/// Without zeros at the end of the second, and in UTC.
fn time(text: &str) -> String {
    let time = text.split_once('+').map_or(text, |(time, _)| time);
    let (whole, part) = time.split_once('.').unwrap_or((time, ""));
    match part.trim_end_matches('0') {
        "" => format!("{whole}Z"),
        part => format!("{whole}.{part}Z"),
    }
}

fn dns_type(text: &str) -> String {
    match text {
        "request" => "query",
        "response" => "answer",
        other => other,
    }
    .to_owned()
}

fn http_version(text: &str) -> String {
    text.trim_start_matches("HTTP/").to_owned()
}

fn without_colons(text: &str) -> String {
    text.replace(':', "").to_ascii_lowercase()
}

fn md5(text: &str) -> String {
    hex::encode(Md5::digest(text))
}

fn kerberos_request(text: &str) -> String {
    text.split('_')
        .nth(1)
        .filter(|word| ["AS", "TGS"].contains(word))
        .unwrap_or_default()
        .to_owned()
}

fn kerberos_text(text: &str) -> String {
    if text.starts_with('<') { "" } else { text }.to_owned()
}
