//! What each field tells about whom: what may leave the building is decided by it, field by field.
//!
//! A constant of [`crate::field`] can't be made without its class; names that sources bring along and that have no constant
//! are [`OTHERS`]. A name that is in neither is a stranger's, and is withheld.

use super::{DECLARED, index};

/// What a field tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The sensor's own words about the event.
    Envelope,
    /// How machines talk: ports, counts, versions, fingerprints, results.
    Traffic,
    /// A name for a flow that is computed from its addresses, and so tells them to whoever tries them all.
    FlowId,
    /// An address.
    Address,
    /// A hardware address.
    Mac,
    /// A machine or a service by its name, on our networks or elsewhere.
    Host,
    /// A machine or a domain of our own networks by its name.
    Machine,
    /// A service with the machine it runs on: `cifs/files.example.org`.
    Service,
    /// A share: `\\server\share`; those of homes carry the names of users.
    Share,
    /// Names in a certificate.
    Certificate,
    /// A target of HTTP: host, path and query.
    Url,
    /// What was typed into a form.
    Query,
    /// A person, in a log.
    User,
    /// A person, in a packet. Never leaves.
    PacketUser,
    /// A person by a mail address.
    Mail,
    /// What programs, units and actions are called in logs; anybody may choose it.
    Word,
    /// What programs say of themselves; addresses and names may stand in it.
    Text,
    /// What a program logged; anything may stand in it.
    Message,
    /// Which rules and indicators of the centre matched.
    Match,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 19] = [
        Self::Envelope,
        Self::Traffic,
        Self::FlowId,
        Self::Address,
        Self::Mac,
        Self::Host,
        Self::Machine,
        Self::Service,
        Self::Share,
        Self::Certificate,
        Self::Url,
        Self::Query,
        Self::User,
        Self::PacketUser,
        Self::Mail,
        Self::Word,
        Self::Text,
        Self::Message,
        Self::Match,
    ];

    /// The word for it in what is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Traffic => "traffic",
            Self::FlowId => "flow id",
            Self::Address => "address",
            Self::Mac => "hardware address",
            Self::Host => "name",
            Self::Machine => "own name",
            Self::Service => "service",
            Self::Share => "share",
            Self::Certificate => "certificate",
            Self::Url => "url",
            Self::Query => "query",
            Self::User => "user",
            Self::PacketUser => "user in packets",
            Self::Mail => "mail address",
            Self::Word => "word",
            Self::Text => "text",
            Self::Message => "message",
            Self::Match => "match",
        }
    }
}

/// The class of a field, if it is declared.
#[must_use]
pub fn class(name: &str) -> Option<Class> {
    index::find(name)
}

/// Whether a field holds a name of a user that stood in packets: asked of every field there is, and few are.
#[must_use]
pub fn is_packet_user(name: &str) -> bool {
    use std::sync::LazyLock;
    static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let declared = DECLARED.iter().chain(OTHERS);
        declared
            .filter(|(_, class)| *class == Class::PacketUser)
            .map(|(name, _)| *name)
            .collect()
    });
    NAMES.contains(&name)
}

/// Whether a name is declared; in constants, so that a table with another one does not compile.
#[must_use]
pub const fn is_declared(name: &str) -> bool {
    is_among(name, DECLARED) || is_among(name, OTHERS)
}

const fn is_among(name: &str, declared: &[(&str, Class)]) -> bool {
    let mut at = 0;
    #[expect(
        clippy::indexing_slicing,
        reason = "below the length; constants have no iterators"
    )]
    while at < declared.len() {
        if is_same(name.as_bytes(), declared[at].0.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = one.len();
    #[expect(
        clippy::indexing_slicing,
        reason = "below the length of both; constants have no iterators"
    )]
    while 0 < at {
        // From the end: names begin alike.
        at -= 1;
        if one[at] != other[at] {
            return false;
        }
    }
    true
}

/// Names without a constant: of tables of columns, and of ECS records that shippers write.
pub const OTHERS: &[(&str, Class)] = &[
    ("client.ip", Class::Address),
    ("destination.mac", Class::Mac),
    ("dns.answers.name", Class::Host),
    ("dns.answers.ttl", Class::Traffic),
    ("dns.question.class", Class::Traffic),
    ("email.from.address", Class::Mail),
    ("email.message_id", Class::Mail),
    ("email.to.address", Class::Mail),
    ("email.x_mailer", Class::Text),
    ("event.category", Class::Traffic),
    ("event.code", Class::Traffic),
    ("event.kind", Class::Traffic),
    ("event.provider", Class::Traffic),
    ("event.severity", Class::Traffic),
    ("event.type", Class::Traffic),
    ("file.hash.md5", Class::Traffic),
    ("file.hash.sha1", Class::Traffic),
    ("file.hash.sha256", Class::Traffic),
    ("file.mime_type", Class::Traffic),
    ("file.name", Class::Message),
    ("file.path", Class::Message),
    ("file.size", Class::Traffic),
    ("file.x509.alternative_names", Class::Certificate),
    ("file.x509.issuer.distinguished_name", Class::Certificate),
    ("file.x509.not_after", Class::Traffic),
    ("file.x509.not_before", Class::Traffic),
    ("file.x509.public_key_algorithm", Class::Traffic),
    ("file.x509.public_key_size", Class::Traffic),
    ("file.x509.serial_number", Class::Certificate),
    ("file.x509.signature_algorithm", Class::Traffic),
    ("file.x509.subject.distinguished_name", Class::Certificate),
    ("host.hostname", Class::Machine),
    ("host.ip", Class::Address),
    ("host.mac", Class::Mac),
    ("http.request.body.bytes", Class::Traffic),
    ("http.request.mime_type", Class::Text),
    ("http.request.referrer", Class::Url),
    ("http.response.body.bytes", Class::Traffic),
    ("http.response.mime_type", Class::Text),
    ("http.version", Class::Traffic),
    ("icmp.code", Class::Traffic),
    ("icmp.type", Class::Traffic),
    ("log.level", Class::Traffic),
    ("log.syslog.appname", Class::Word),
    ("log.syslog.facility.code", Class::Traffic),
    ("log.syslog.facility.name", Class::Traffic),
    ("log.syslog.hostname", Class::Machine),
    ("log.syslog.msgid", Class::Word),
    ("log.syslog.priority", Class::Traffic),
    ("log.syslog.procid", Class::Word),
    ("log.syslog.severity.code", Class::Traffic),
    ("log.syslog.severity.name", Class::Traffic),
    ("log.syslog.version", Class::Traffic),
    ("observer.ingress.interface.name", Class::Traffic),
    ("process.command_line", Class::Message),
    ("process.executable", Class::Message),
    ("process.name", Class::Word),
    ("process.parent.command_line", Class::Message),
    ("process.parent.executable", Class::Message),
    ("process.parent.name", Class::Word),
    ("process.pid", Class::Traffic),
    ("server.ip", Class::Address),
    ("source.mac", Class::Mac),
    ("suricata.eve.alert.action", Class::Traffic),
    ("suricata.eve.alert.category", Class::Text),
    ("suricata.eve.alert.gid", Class::Traffic),
    // Words of whoever wrote the rule; its keys are those that rule sets use.
    ("suricata.eve.alert.metadata.affected_product", Class::Text),
    ("suricata.eve.alert.metadata.attack_target", Class::Text),
    ("suricata.eve.alert.metadata.attack_type", Class::Text),
    ("suricata.eve.alert.metadata.confidence", Class::Text),
    ("suricata.eve.alert.metadata.created_at", Class::Text),
    ("suricata.eve.alert.metadata.cve", Class::Text),
    ("suricata.eve.alert.metadata.deployment", Class::Text),
    ("suricata.eve.alert.metadata.former_category", Class::Text),
    ("suricata.eve.alert.metadata.impact_flag", Class::Text),
    ("suricata.eve.alert.metadata.malware_family", Class::Text),
    ("suricata.eve.alert.metadata.mitre_tactic_id", Class::Text),
    ("suricata.eve.alert.metadata.mitre_tactic_name", Class::Text),
    ("suricata.eve.alert.metadata.mitre_technique_id", Class::Text),
    ("suricata.eve.alert.metadata.mitre_technique_name", Class::Text),
    ("suricata.eve.alert.metadata.performance_impact", Class::Text),
    ("suricata.eve.alert.metadata.policy", Class::Text),
    ("suricata.eve.alert.metadata.reviewed_at", Class::Text),
    ("suricata.eve.alert.metadata.ruleset", Class::Text),
    ("suricata.eve.alert.metadata.service", Class::Text),
    ("suricata.eve.alert.metadata.severity", Class::Text),
    ("suricata.eve.alert.metadata.signature_deployment", Class::Text),
    ("suricata.eve.alert.metadata.signature_severity", Class::Text),
    ("suricata.eve.alert.metadata.tag", Class::Text),
    ("suricata.eve.alert.metadata.tls_state", Class::Text),
    ("suricata.eve.alert.metadata.updated_at", Class::Text),
    ("suricata.eve.alert.rev", Class::Traffic),
    ("suricata.eve.alert.severity", Class::Traffic),
    ("suricata.eve.alert.signature", Class::Text),
    ("suricata.eve.alert.signature_id", Class::Traffic),
    ("suricata.eve.anomaly.event", Class::Traffic),
    ("suricata.eve.anomaly.layer", Class::Traffic),
    ("suricata.eve.anomaly.type", Class::Traffic),
    ("suricata.eve.dns.flags", Class::Traffic),
    ("suricata.eve.dns.version", Class::Traffic),
    ("suricata.eve.flow.age", Class::Traffic),
    ("suricata.eve.flow.alerted", Class::Traffic),
    ("suricata.eve.flow.reason", Class::Traffic),
    ("suricata.eve.flow.state", Class::Traffic),
    ("suricata.eve.flow_id", Class::Traffic),
    ("suricata.eve.icmp_code", Class::Traffic),
    ("suricata.eve.icmp_type", Class::Traffic),
    ("suricata.eve.pcap_cnt", Class::Traffic),
    ("suricata.eve.pkt_src", Class::Traffic),
    // Flags of packets.
    ("suricata.eve.tcp.ack", Class::Traffic),
    ("suricata.eve.tcp.cwr", Class::Traffic),
    ("suricata.eve.tcp.ecn", Class::Traffic),
    ("suricata.eve.tcp.fin", Class::Traffic),
    ("suricata.eve.tcp.psh", Class::Traffic),
    ("suricata.eve.tcp.rst", Class::Traffic),
    ("suricata.eve.tcp.state", Class::Traffic),
    ("suricata.eve.tcp.syn", Class::Traffic),
    ("suricata.eve.tcp.tc_gap", Class::Traffic),
    ("suricata.eve.tcp.tc_max_regions", Class::Traffic),
    ("suricata.eve.tcp.tcp_flags", Class::Traffic),
    ("suricata.eve.tcp.tcp_flags_tc", Class::Traffic),
    ("suricata.eve.tcp.tcp_flags_ts", Class::Traffic),
    ("suricata.eve.tcp.ts_gap", Class::Traffic),
    ("suricata.eve.tcp.ts_max_regions", Class::Traffic),
    ("suricata.eve.tcp.urg", Class::Traffic),
    ("suricata.eve.tx_id", Class::Traffic),
    ("tls.client.issuer", Class::Certificate),
    ("tls.client.subject", Class::Certificate),
    ("tls.curve", Class::Traffic),
    ("tls.established", Class::Traffic),
    ("tls.next_protocol", Class::Traffic),
    ("tls.resumed", Class::Traffic),
    ("url.port", Class::Traffic),
    ("url.scheme", Class::Traffic),
    ("user.domain", Class::Machine),
    ("user.email", Class::Mail),
    ("user.target.name", Class::User),
    ("varde.repeated", Class::Traffic),
    ("varde.timestamp_missing", Class::Traffic),
    ("zeek.conn.conn_state", Class::Traffic),
    ("zeek.conn.history", Class::Traffic),
    ("zeek.conn.ip_proto", Class::Traffic),
    ("zeek.conn.local_orig", Class::Traffic),
    ("zeek.conn.local_resp", Class::Traffic),
    ("zeek.conn.missed_bytes", Class::Traffic),
    ("zeek.conn.orig_bytes", Class::Traffic),
    ("zeek.conn.resp_bytes", Class::Traffic),
    ("zeek.conn.uid", Class::Traffic),
    ("zeek.dns.uid", Class::Traffic),
    ("zeek.http.uid", Class::Traffic),
    ("zeek.notice.note", Class::Traffic),
    ("zeek.ssh.uid", Class::Traffic),
    ("zeek.ssl.uid", Class::Traffic),
    ("destination.domain", Class::Host),
    ("error.code", Class::Traffic),
    ("file.pe.imphash", Class::Traffic),
    ("observer.hostname", Class::Machine),
    ("observer.product", Class::Word),
    ("observer.vendor", Class::Word),
    ("observer.version", Class::Word),
    ("process.parent.pid", Class::Traffic),
    ("process.title", Class::Message),
    ("process.working_directory", Class::Message),
    ("rule.name", Class::Word),
    ("source.domain", Class::Host),
    ("systemd.transport", Class::Traffic),
    ("systemd.unit", Class::Word),
    ("user.audit.id", Class::User),
    ("user.effective.id", Class::User),
    ("user.id", Class::User),
    ("varde.encoding", Class::Traffic),
    // Windows' own names, which rules for it are written in.
    ("Channel", Class::Traffic),
    ("ClientAddress", Class::Address),
    ("CommandLine", Class::Message),
    ("Computer", Class::Machine),
    ("DestAddress", Class::Address),
    ("DestPort", Class::Traffic),
    ("DestinationHostname", Class::Host),
    ("DestinationIp", Class::Address),
    ("DestinationPort", Class::Traffic),
    ("EventID", Class::Traffic),
    ("Hostname", Class::Machine),
    ("Image", Class::Message),
    ("IpAddress", Class::Address),
    ("IpPort", Class::Traffic),
    ("Keywords", Class::Traffic),
    ("Level", Class::Traffic),
    ("LogonType", Class::Traffic),
    ("NewProcessName", Class::Message),
    ("Opcode", Class::Traffic),
    ("ParentCommandLine", Class::Message),
    ("ParentImage", Class::Message),
    ("ParentProcessName", Class::Message),
    ("Provider_Name", Class::Traffic),
    ("QueryName", Class::Host),
    ("SourceAddress", Class::Address),
    ("SourceIp", Class::Address),
    ("SourcePort", Class::Traffic),
    ("Status", Class::Traffic),
    ("SubStatus", Class::Traffic),
    ("SubjectDomainName", Class::Machine),
    ("SubjectUserName", Class::User),
    ("TargetDomainName", Class::Machine),
    ("TargetFilename", Class::Message),
    ("TargetUserName", Class::User),
    ("Task", Class::Traffic),
    ("User", Class::User),
    ("WorkstationName", Class::Machine),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_field_is_declared_once() {
        let all: Vec<&str> = DECLARED.iter().chain(OTHERS).map(|(name, _)| *name).collect();
        let different: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), different.len());
        for (name, expected) in [
            ("rdp.cookie", Some(Class::PacketUser)),
            ("source.ip", Some(Class::Address)),
            ("user.name", Some(Class::User)),
            ("suricata.eve.alert.metadata.tag", Some(Class::Text)),
            ("suricata.eve.alert.metadata.kari", None),
            ("suricata.eve.tcp.kari", None),
            ("suricata.eve.alert.payload", None),
            ("made.up", None),
            ("", None),
        ] {
            assert_eq!(class(name), expected, "{name}");
        }
        assert!(all.into_iter().all(is_declared));
        assert!(!is_declared("source.io") && !is_declared(""));
    }
}
