//! Where our reading of a capture differs from Zeek's, and why.

use crate::count::Explained;

/// Where we mean to differ, or can't compare: folder and log, and why.
pub(crate) const DIFFERENCES: [(&str, &str); 9] = [
    (
        "ssh.basic/ssh.log",
        "the capture at hand has the client's side only",
    ),
    ("ssh.half-duplex-server/ssh.log", "so has this one"),
    ("ftp.gridftp/ssl.log", "TLS in base64 inside FTP is not read"),
    ("krb.smb_gssapi/kerberos.log", "Kerberos inside SMB is not read"),
    ("krb-tcp-tso/kerberos.log: nothing", "nor is it here"),
    (
        "quic.vector-max-size-crash/quic.log",
        "a packet that was made to break readers",
    ),
    ("ssl.dtls-stun-dpd/ssl.log", "DTLS is not read"),
    ("ssl.dtls/ssl.log", "nor is it here"),
    (
        "ssl.tls13-experiment/ssl.log",
        "an experiment's number for TLS 1.3",
    ),
];

/// Fields that both tell. Zeek's version of HTTP is that of the answer, ours that of the request.
pub(crate) const FIELDS: [&str; 22] = [
    "destination.bytes",
    "destination.packets",
    "dns.answers.data",
    "dns.id",
    "dns.question.name",
    "dns.question.type",
    "dns.resolved_ip",
    "dns.response_code",
    "dns.type",
    "http.request.method",
    "http.response.status_code",
    "network.protocol",
    "network.transport",
    "network.vlan.id",
    "source.bytes",
    "source.packets",
    "tls.cipher",
    "tls.client.server_name",
    "tls.version",
    "url.domain",
    "url.original",
    "user_agent.original",
];

/// Protocols that both recognise.
pub(crate) const PROTOCOLS: [&str; 10] = [
    "dhcp", "dns", "http", "kerberos", "ldap", "quic", "rdp", "smtp", "ssh", "tls",
];

/// Folders whose captures hold what we do not read, or are not those at hand, by the start of their names.
pub(crate) const LEFT_OUT: [(&str, &str); 13] = [
    (
        "core.ipv6-frag",
        "the capture is not at hand; another has the same addresses",
    ),
    ("core.pcap.dynamic-filter", "Zeek was told to leave packets out"),
    (
        "scripts.base.frameworks.netcontrol.packetfilter",
        "Zeek was told to leave packets out",
    ),
    (
        "scripts.base.protocols.dhcp.dhcp-all-msg-types",
        "the capture is not at hand; another has the same addresses",
    ),
    (
        "scripts.base.protocols.ftp.gridftp",
        "the capture at hand has more packets",
    ),
    (
        "scripts.base.protocols.ldap.sasl-signed-clear",
        "the capture at hand has more packets",
    ),
    (
        "scripts.base.protocols.ssh.basic",
        "the captures at hand have the client's side only",
    ),
    (
        "scripts.base.protocols.ssh.half-duplex",
        "the captures at hand are cut otherwise",
    ),
    (
        "scripts.policy.protocols.ssl.decryption",
        "Zeek was given the keys",
    ),
    ("signatures.eval-condition", "Zeek was given names of protocols"),
    (
        "spicy.protocol-analyzer-data-in",
        "Zeek was given traffic that is not in the capture",
    ),
    (
        "scripts.base.protocols.dns.dnskey",
        "the capture is not at hand; another has the same addresses",
    ),
    (
        "core.tunnels.geneve-ipv6",
        "the capture is not at hand; another has the same addresses",
    ),
];

/// Why some differ.
mod why {
    pub(super) const CARRIES: &str = "Zeek counts what carries Teredo too";
    pub(super) const DIVIDED: &str = "Zeek divides flows at other pauses";
    pub(super) const BEGUN: &str =
        "of a flow that began before the capture we take the well-known port for the server's";
    pub(super) const NTP: &str =
        "we take the request for the first packet, though the answer was captured before it";
}

/// Differences that stay.
pub(crate) const EXPLAINED: [Explained; 22] = [
    Explained {
        part: "http.http-methods: 128.2.6.136 46578",
        why: "an unknown method without a version is not read",
        fields: &[("http.request.method", 1), ("url.domain", 1), ("url.original", 1)],
    },
    Explained {
        part: "core.tunnels.teredo: 192.168.2.16 3797",
        why: why::CARRIES,
        fields: &[
            ("destination.bytes", 1),
            ("destination.packets", 1),
            ("source.bytes", 1),
            ("source.packets", 1),
        ],
    },
    Explained {
        part: "core.tunnels.teredo_bubble_with_payload: 192.168.2.16 3797",
        why: why::CARRIES,
        fields: &[
            ("destination.bytes", 1),
            ("destination.packets", 1),
            ("source.bytes", 1),
            ("source.packets", 1),
        ],
    },
    Explained {
        part: "core.tunnels.teredo: 192.168.2.16 1576",
        why: why::DIVIDED,
        fields: &[
            ("destination.bytes", 1),
            ("destination.packets", 1),
            ("source.bytes", 2),
            ("source.packets", 2),
        ],
    },
    Explained {
        part: "core.tunnels.teredo: 192.168.2.16 1577",
        why: why::DIVIDED,
        fields: &[("source.bytes", 2), ("source.packets", 2)],
    },
    Explained {
        part: "core.tunnels.teredo: 192.168.2.16 1920",
        why: why::DIVIDED,
        fields: &[
            ("destination.bytes", 2),
            ("destination.packets", 2),
            ("source.bytes", 2),
            ("source.packets", 2),
        ],
    },
    Explained {
        part: "dns.loc: 79.141.82.250 57483 192.188.22.52 53: LOC:",
        why: "places of LOC are not told",
        fields: &[("dns.answers.data", 1)],
    },
    Explained {
        part: "dns.dynamic-update: 192.168.1.105 62763",
        why: "what an update changes is not told",
        fields: &[("dns.answers.data", 1)],
    },
    Explained {
        part: "dns.dynamic-update: 192.168.1.106 62763",
        why: "what an update changes is not told",
        fields: &[("dns.answers.data", 1)],
    },
    Explained {
        part: "ssl.tls13-experiment: 192.168.0.2 62873",
        why: "an experiment's number for TLS 1.3 is not known",
        fields: &[("tls.version", 1)],
    },
    Explained {
        part: "ssl.dtls: 192.168.6.86 63721",
        why: "DTLS is not read",
        fields: &[("(record)", 1)],
    },
    Explained {
        part: "ssl.dtls-stun-dpd: 192.168.6.82 51462",
        why: "DTLS is not read",
        fields: &[("(record)", 1)],
    },
    Explained {
        part: "core.tunnels.gtp.different_dl_and_ul: 10.131.17.170 51803",
        why: "Zeek reads escapes back",
        fields: &[("url.original", 2)],
    },
    Explained {
        part: "core.tunnels.gtp.outer_ip_frag: 10.131.47.185 1923",
        why: "Zeek reads escapes back",
        fields: &[("url.original", 1)],
    },
    Explained {
        part: "http.http-filename: 10.1.9.63 63526",
        why: "Zeek reads escapes back",
        fields: &[("url.original", 1)],
    },
    Explained {
        part: "core.tunnels.teredo: 2001:0:4137:9e50:8000:f12a:b9c8:2815 1286",
        why: "Zeek reads escapes back",
        fields: &[("url.original", 1)],
    },
    Explained {
        part: "core.tunnels.teredo_bubble_with_payload: 2001:0:4137:9e50:8000:f12a:b9c8:2815 1286",
        why: "Zeek reads escapes back",
        fields: &[("url.original", 1)],
    },
    Explained {
        part: "misordered-ntp: 192.168.1.95 123 17.253.4.253 123",
        why: why::NTP,
        fields: &[
            ("(client)", 1),
            ("destination.bytes", 1),
            ("destination.packets", 1),
            ("source.bytes", 1),
            ("source.packets", 1),
        ],
    },
    Explained {
        part: "frameworks.logging.field-extension: 173.192.163.128 80",
        why: why::BEGUN,
        fields: &[("(client)", 1)],
    },
    Explained {
        part: "frameworks.logging.field-extension-complex: 173.192.163.128 80",
        why: why::BEGUN,
        fields: &[("(client)", 1)],
    },
    Explained {
        part: "frameworks.logging.field-extension-optional: 173.192.163.128 80",
        why: why::BEGUN,
        fields: &[("(client)", 1)],
    },
    Explained {
        part: "frameworks.logging.scope_sep: 173.192.163.128 80",
        why: why::BEGUN,
        fields: &[("(client)", 1)],
    },
];
