//! Which fields of an event are looked at, and as what: ECS, Sysmon, Zeek and Suricata's EVE.

use detect_alert::IndicatorKind;

/// What a field may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holds {
    /// An address.
    Address,
    /// The number of an autonomous system.
    Asn,
    /// Fingerprint of a certificate, perhaps with colons.
    Certificate,
    /// E-mail addresses, perhaps with names in words; several as a header writes them.
    Email,
    /// The name of a file, perhaps with its path.
    FileName,
    /// One hash of a file, or Sysmon's `SHA1=…,MD5=…`.
    Hash,
    /// A host: an address or a domain, perhaps with a port.
    Host,
    /// JA3 fingerprint.
    Ja3,
    /// JA4 fingerprint.
    Ja4,
    /// A URL, or its path if another field has its host.
    Url,
}

impl Holds {
    /// The kinds of indicators that such a field may name.
    #[must_use]
    pub const fn kinds(self) -> &'static [IndicatorKind] {
        use IndicatorKind as Kind;
        match self {
            Self::Address => &[Kind::Address, Kind::Cidr],
            Self::Asn => &[Kind::Asn],
            Self::Certificate => &[Kind::Certificate],
            Self::Email => &[Kind::Email, Kind::Domain],
            Self::FileName => &[Kind::FileName],
            Self::Hash => &[Kind::Md5, Kind::Sha1, Kind::Sha256],
            Self::Host => &[Kind::Domain, Kind::Address, Kind::Cidr],
            Self::Ja3 => &[Kind::Ja3],
            Self::Ja4 => &[Kind::Ja4],
            Self::Url => &[Kind::Url, Kind::Domain, Kind::Address, Kind::Cidr],
        }
    }
}

/// A field that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndicatorField {
    /// Its flat name.
    pub name: &'static str,
    /// What it may hold.
    pub holds: Holds,
    /// The field with the host of a URL that is only a path.
    pub host: Option<&'static str>,
}

const fn field(name: &'static str, holds: Holds) -> IndicatorField {
    IndicatorField {
        name,
        holds,
        host: None,
    }
}

const fn url(name: &'static str, host: &'static str) -> IndicatorField {
    IndicatorField {
        name,
        holds: Holds::Url,
        host: Some(host),
    }
}

/// Every field that is looked at.
pub const FIELDS: &[IndicatorField] = &[
    // ECS (https://www.elastic.co/docs/reference/ecs).
    field("source.ip", Holds::Address),
    field("destination.ip", Holds::Address),
    field("client.ip", Holds::Address),
    field("server.ip", Holds::Address),
    field("host.ip", Holds::Address),
    field("source.nat.ip", Holds::Address),
    field("destination.nat.ip", Holds::Address),
    field("dns.resolved_ip", Holds::Address),
    field("related.ip", Holds::Address),
    field("source.as.number", Holds::Asn),
    field("destination.as.number", Holds::Asn),
    field("client.as.number", Holds::Asn),
    field("server.as.number", Holds::Asn),
    field("dns.answers.data", Holds::Host),
    field("dns.answers.name", Holds::Host),
    field("dns.question.name", Holds::Host),
    field("url.domain", Holds::Host),
    field("destination.domain", Holds::Host),
    field("source.domain", Holds::Host),
    field("server.domain", Holds::Host),
    field("client.domain", Holds::Host),
    field("tls.client.server_name", Holds::Host),
    field("related.hosts", Holds::Host),
    url("url.original", "url.domain"),
    url("url.full", "url.domain"),
    url("http.request.referrer", "url.domain"),
    field("email.from.address", Holds::Email),
    field("email.sender.address", Holds::Email),
    field("email.to.address", Holds::Email),
    field("email.reply_to.address", Holds::Email),
    field("user.email", Holds::Email),
    field("file.hash.md5", Holds::Hash),
    field("file.hash.sha1", Holds::Hash),
    field("file.hash.sha256", Holds::Hash),
    field("process.hash.md5", Holds::Hash),
    field("process.hash.sha1", Holds::Hash),
    field("process.hash.sha256", Holds::Hash),
    field("dll.hash.md5", Holds::Hash),
    field("dll.hash.sha1", Holds::Hash),
    field("dll.hash.sha256", Holds::Hash),
    field("hash.md5", Holds::Hash),
    field("hash.sha1", Holds::Hash),
    field("hash.sha256", Holds::Hash),
    field("related.hash", Holds::Hash),
    field("file.name", Holds::FileName),
    field("file.path", Holds::FileName),
    field("process.name", Holds::FileName),
    field("process.executable", Holds::FileName),
    field("dll.name", Holds::FileName),
    field("tls.client.ja3", Holds::Ja3),
    field("tls.client.ja4", Holds::Ja4),
    field("tls.server.hash.sha1", Holds::Certificate),
    field("tls.server.hash.sha256", Holds::Certificate),
    field("tls.client.hash.sha1", Holds::Certificate),
    field("tls.client.hash.sha256", Holds::Certificate),
    field("file.x509.hash.sha1", Holds::Certificate),
    field("file.x509.hash.sha256", Holds::Certificate),
    // Ours: where the packet really went of which the rest tells what was inside.
    field("varde.tunnel.source.ip", Holds::Address),
    field("varde.tunnel.destination.ip", Holds::Address),
    // Sysmon and the Security log of Windows.
    field("SourceIp", Holds::Address),
    field("DestinationIp", Holds::Address),
    field("IpAddress", Holds::Address),
    field("SourceAddress", Holds::Address),
    field("DestAddress", Holds::Address),
    field("QueryName", Holds::Host),
    field("DestinationHostname", Holds::Host),
    field("SourceHostname", Holds::Host),
    field("Hashes", Holds::Hash),
    field("Image", Holds::FileName),
    field("ParentImage", Holds::FileName),
    field("ImageLoaded", Holds::FileName),
    field("TargetFilename", Holds::FileName),
    field("NewProcessName", Holds::FileName),
    // Zeek (https://docs.zeek.org/en/current/script-reference/log-files.html).
    field("id.orig_h", Holds::Address),
    field("id.resp_h", Holds::Address),
    field("tx_hosts", Holds::Address),
    field("rx_hosts", Holds::Address),
    field("host", Holds::Host),
    field("query", Holds::Host),
    field("answers", Holds::Host),
    field("server_name", Holds::Host),
    field("san.dns", Holds::Host),
    url("uri", "host"),
    field("referrer", Holds::Url),
    field("mailfrom", Holds::Email),
    field("rcptto", Holds::Email),
    field("from", Holds::Email),
    field("to", Holds::Email),
    field("md5", Holds::Hash),
    field("sha1", Holds::Hash),
    field("sha256", Holds::Hash),
    field("filename", Holds::FileName),
    field("ja3", Holds::Ja3),
    field("ja4", Holds::Ja4),
    field("fingerprint", Holds::Certificate),
    field("cert_chain_fps", Holds::Certificate),
    field("client_cert_chain_fps", Holds::Certificate),
    // EVE (https://docs.suricata.io/en/latest/output/eve/eve-json-format.html).
    field("src_ip", Holds::Address),
    field("dest_ip", Holds::Address),
    field("tls.sni", Holds::Host),
    field("tls.fingerprint", Holds::Certificate),
    field("tls.ja3.hash", Holds::Ja3),
    field("tls.ja4", Holds::Ja4),
    field("quic.sni", Holds::Host),
    field("quic.ja3.hash", Holds::Ja3),
    field("quic.ja4", Holds::Ja4),
    field("http.hostname", Holds::Host),
    url("http.url", "http.hostname"),
    field("http.http_refer", Holds::Url),
    field("dns.rrname", Holds::Host),
    field("dns.rdata", Holds::Host),
    field("dns.query.rrname", Holds::Host),
    field("dns.queries.rrname", Holds::Host),
    field("dns.answers.rrname", Holds::Host),
    field("dns.answers.rdata", Holds::Host),
    field("dns.grouped.A", Holds::Address),
    field("dns.grouped.AAAA", Holds::Address),
    field("dns.grouped.CNAME", Holds::Host),
    field("fileinfo.filename", Holds::FileName),
    field("fileinfo.md5", Holds::Hash),
    field("fileinfo.sha1", Holds::Hash),
    field("fileinfo.sha256", Holds::Hash),
    field("email.from", Holds::Email),
    field("email.to", Holds::Email),
    field("smtp.mail_from", Holds::Email),
    field("smtp.rcpt_to", Holds::Email),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_named_once_and_every_kind_has_a_field() {
        let mut names: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for kind in IndicatorKind::ALL {
            let is_held = FIELDS.iter().any(|field| field.holds.kinds().contains(&kind));
            assert!(is_held, "{kind}");
        }
        for field in FIELDS {
            let Some(host) = field.host else { continue };
            let is_host = |other: &IndicatorField| other.name == host && other.holds == Holds::Host;
            assert!(FIELDS.iter().any(is_host), "{}", field.name);
        }
    }
}
