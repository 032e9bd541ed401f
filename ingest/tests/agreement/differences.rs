//! Where our reading of a capture differs from Zeek's, and why.

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
pub(crate) const FIELDS: [&str; 26] = [
    "destination.bytes",
    "destination.ip",
    "destination.packets",
    "destination.port",
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
    "source.ip",
    "source.packets",
    "source.port",
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
pub(crate) const LEFT_OUT: [(&str, &str); 18] = [
    ("core.cisco-fabric-path", "frames of FabricPath are not read"),
    (
        "core.ipv6-frag",
        "the capture is not at hand; another has the same addresses",
    ),
    ("core.pcap.dynamic-filter", "Zeek was told to leave packets out"),
    ("core.tunnels.ayiya", "AYIYA is not read"),
    ("core.tunnels.gtp", "GTP is not read"),
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
    ("scripts.base.protocols.ssl.dtls", "DTLS is not read"),
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
    ("core.tunnels.gre-over-udp", "GRE over UDP is not read"),
];

const NAME: &str = "another name for the same";
const DIVIDED: &str = "Zeek counts what carries Teredo too, and divides flows at other pauses";

/// Differences that stay: field, what stands in it, and why.
pub(crate) const EXPLAINED: [(&str, &str, &str); 19] = [
    ("(record)", "http-09", "HTTP 0.9 is not read"),
    ("(record)", "no-version", "nor is an answer without its version"),
    (
        "(record)",
        "http.http-bad-request-with-version",
        "a request that no server would know",
    ),
    (
        "(record)",
        "http.http-methods",
        "an answer to something that is no request is not told",
    ),
    (
        "http.response.status_code",
        ": 0 / ours",
        "Zeek writes 0 where it found no answer",
    ),
    ("http.response.status_code", "http-09", "HTTP 0.9 is not read"),
    ("url.original", "http-filename", "Zeek reads escapes back"),
    ("url.original", "core.tunnels.teredo", "Zeek reads escapes back"),
    ("source.bytes", "core.tunnels.teredo", DIVIDED),
    ("source.packets", "core.tunnels.teredo", DIVIDED),
    ("destination.bytes", "core.tunnels.teredo", DIVIDED),
    ("destination.packets", "core.tunnels.teredo", DIVIDED),
    (
        "dns.answers.data",
        "dynamic-update",
        "what an update changes is not told",
    ),
    ("dns.answers.data", "dns.loc", "places of LOC are not told"),
    ("dns.question.type", "NIMLOC / ours NB", NAME),
    ("dns.question.type", "query-65534 / ours TYPE65534", NAME),
    ("dns.question.type", "* / ours ANY", NAME),
    (
        "tls.version",
        "tls13-",
        "drafts of 1.3 count as 1.3, and an experiment's number is not known",
    ),
    (
        "network.protocol",
        ": tls / ours quic",
        "Zeek's log of handshakes does not say what carried them",
    ),
];
