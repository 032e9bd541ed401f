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
    pub(super) const NAME: &str = "another name for the same type";
    pub(super) const CARRIES: &str = "Zeek counts what carries Teredo too";
    pub(super) const DIVIDED: &str = "Zeek divides flows at other pauses";
    pub(super) const BEGUN: &str =
        "of a flow that began before the capture we take the well-known port for the server's";
    pub(super) const GTP: &str = "the same addresses are in several captures, and GTP is not read";
    pub(super) const NTP: &str =
        "we take the request for the first packet, though the answer was captured before it";
    pub(super) const NO_REQUEST: &str = "an answer to something that is no request is not told";
    pub(super) const ZERO: &str = "Zeek writes 0 where it found no answer";
}

/// Differences that stay.
pub(crate) const EXPLAINED: [Explained; 44] = [
    Explained {
        part: "core.cisco-fabric-path: 1.1.1.",
        why: "frames of FabricPath are not read",
        fields: &[("(tuple)", 7), ("source.bytes", 25), ("source.packets", 25)],
    },
    Explained {
        part: "core.cisco-fabric-path: 1234::",
        why: "frames of FabricPath are not read",
        fields: &[("(tuple)", 7), ("source.bytes", 25), ("source.packets", 25)],
    },
    Explained {
        part: "core.tunnels.ayiya: ::  ff02",
        why: "AYIYA is not read",
        fields: &[("(tuple)", 1)],
    },
    Explained {
        part: "core.tunnels.ayiya: fe80::216:cbff",
        why: "AYIYA is not read",
        fields: &[("(tuple)", 3)],
    },
    Explained {
        part: "http.http-methods: 128.2.6.136 ",
        why: why::NO_REQUEST,
        fields: &[("(record)", 26)],
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
        part: "core.tunnels.ayiya: 2001:4978:f:4c::",
        why: "AYIYA is not read",
        fields: &[("(tuple)", 2)],
    },
    Explained {
        part: "core.tunnels.ayiya: 192.168.3.101 53796",
        why: why::BEGUN,
        fields: &[("(client)", 1)],
    },
    Explained {
        part: "core.tunnels.ayiya-large-identity: fd00::1 40000",
        why: "AYIYA is not read",
        fields: &[("(tuple)", 1)],
    },
    Explained {
        part: "core.tunnels.gtp.inner_ipv6: fe80::224c:4fff:fe43:414c",
        why: "GTP is not read",
        fields: &[("(tuple)", 2)],
    },
    Explained {
        part: "core.tunnels.gtp.outer_ip_frag: 10.131.47.185 1923",
        why: "GTP is not read",
        fields: &[("(tuple)", 1)],
    },
    Explained {
        part: "core.tunnels.gtp.outer_ip_frag: 239.114.155.111 2152",
        why: why::GTP,
        fields: &[
            ("destination.bytes", 1),
            ("destination.packets", 1),
            ("source.bytes", 1),
            ("source.packets", 1),
        ],
    },
    Explained {
        part: "core.tunnels.gtp.different_dl_and_ul: 10.131.17.170 51803",
        why: "GTP is not read",
        fields: &[("(tuple)", 1)],
    },
    Explained {
        part: "core.tunnels.gtp.different_dl_and_ul: 207.233.125.40 2152",
        why: why::GTP,
        fields: &[("source.bytes", 1), ("source.packets", 1)],
    },
    Explained {
        part: "core.tunnels.gre-over-udp: 172.17.0.2",
        why: "GRE over UDP is not read",
        fields: &[("(tuple)", 2)],
    },
    Explained {
        part: "opt.basic: 141.142.220.226 137 141.142.220.255 137: NIMLOC / ours NB",
        why: why::NAME,
        fields: &[("dns.question.type", 7)],
    },
    Explained {
        part: "opt.basic: 141.142.220.238 56641 141.142.220.255 137: NIMLOC / ours NB",
        why: why::NAME,
        fields: &[("dns.question.type", 1)],
    },
    Explained {
        part: "dns.binds: 10.87.3.74 51871 10.87.1.10 53: query-65534 / ours TYPE65534",
        why: why::NAME,
        fields: &[("dns.question.type", 1)],
    },
    Explained {
        part: "dns.loc: 79.141.82.250 57483 192.188.22.52 53: * / ours ANY",
        why: why::NAME,
        fields: &[("dns.question.type", 1)],
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
        part: "173.194.75.103 80: 0 / ours 4",
        why: why::ZERO,
        fields: &[("http.response.status_code", 7)],
    },
    Explained {
        part: "http.http-09: 127.0.0.1 4296",
        why: "HTTP 0.9 is not read",
        fields: &[("(record)", 4)],
    },
    Explained {
        part: "http-09-content-length-confusion: 127.0.0.1 46982 127.0.0.1 80: ",
        why: "HTTP 0.9 is not read",
        fields: &[("http.response.status_code", 2)],
    },
    Explained {
        part: "http.no-version: 131.243.1.23 1035",
        why: "HTTP 0.9 is not read",
        fields: &[("(record)", 2)],
    },
    Explained {
        part: "http-bad-request-with-version: 192.168.122.130 49157",
        why: "a request that no server would know",
        fields: &[("(record)", 1)],
    },
    Explained {
        part: "ssl.tls13-version: 192.168.86.23 63449",
        why: "drafts of 1.3 count as 1.3",
        fields: &[("tls.version", 1)],
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
        part: "core.vlan-mpls: 10.20.80.1 50343 10.0.0.15 80: 0 / ours ",
        why: why::ZERO,
        fields: &[("http.response.status_code", 1)],
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
