//! Where our reading of a capture differs from Suricata's, and why.

use crate::count::Explained;

/// Tests of which the events can't be compared, by the start of their names.
pub(crate) const LEFT_OUT: [(&str, &str); 2] = [
    (
        "exception-policy-midstream-06",
        "Suricata was told to let go of what began before the capture",
    ),
    (
        "http-xff-eve-reverse-overwrite",
        "Suricata was told to write the address that a proxy names",
    ),
];

const CARRIER: &str = "what carries a tunnel is told with the flow inside";
const OPCODE: &str = "an operation that DNS does not have makes it no DNS";
const ANSWER: &str = "an answer to something that was not captured is not told";
const HTTP2: &str = "HTTP/2 in clear text is not read";
const SEED: &str = "Suricata was given a seed";
const GQUIC: &str = "QUIC of before its standard is not read";
const LATE: &str = "a packet long after the end of a connection is a flow of its own";
const FRAMES: &str = "Suricata counts padding of frames, and what it takes off of tunnels";

/// Differences that stay: field, what stands in it, and why.
pub(crate) const EXPLAINED: [Explained; 35] = [
    ("(count)", "llmnr-invalid-opcode", OPCODE),
    ("(record)", "llmnr-invalid-opcode", OPCODE),
    (
        "(client)",
        "decode-teredo-01: src_ip 75.126",
        "of a connection that began before the capture we take the well-known port for the server's",
    ),
    ("(count)", "bug-4571-06: 2", CARRIER),
    ("(count)", "bug-6402-01: 2", CARRIER),
    ("(count)", "vxlan-decoder-02: 4", CARRIER),
    ("(count)", "vxlan-non-zero-reserved-fields: 1", CARRIER),
    ("(record)", "bug-4571-04", CARRIER),
    ("(record)", "bug-4571-06", CARRIER),
    ("(record)", "bug-6402-01", CARRIER),
    ("(record)", "bug-7725-01", CARRIER),
    ("(record)", "decode-teredo-01: src_ip 65.55", CARRIER),
    (
        "(record)",
        "decode-teredo-01: src_ip 192.168.2.16, src_port 3797",
        CARRIER,
    ),
    ("(record)", "vxlan", CARRIER),
    ("network.transport", "bug-6402-01", CARRIER),
    ("(count)", "community-id-ipv4", SEED),
    ("network.community_id", "community-id-ipv4", SEED),
    (
        "(count)",
        "smtp-quit",
        "to say goodbye and nothing else makes it no SMTP",
    ),
    (
        "network.protocol",
        "smtp-quit",
        "to say goodbye and nothing else makes it no SMTP",
    ),
    (
        "(record)",
        "sctp-pkt-too-small",
        "half a header of SCTP has no ports, which Suricata writes as 0",
    ),
    ("destination.bytes", "decode-erspan-typeII-01", FRAMES),
    ("source.bytes", "decode-erspan-typeII-01", FRAMES),
    ("source.bytes", "stream-async-6063-cli", FRAMES),
    ("destination.bytes", "decode-teredo-01: 445", LATE),
    ("destination.packets", "decode-teredo-01: 5", LATE),
    (
        "destination.bytes",
        "decode-teredo-01: 0",
        "an echo and its reply are one flow",
    ),
    (
        "destination.packets",
        "decode-teredo-01: 0",
        "an echo and its reply are one flow",
    ),
    (
        "icmp.type",
        "decode-erspan-typeII-01: 0 / ours 8",
        "an echo and its reply are one flow",
    ),
    (
        "source.packets",
        "eve-flow-esp",
        "Suricata takes each association of IPsec for a flow",
    ),
    ("(count)", "http2-", HTTP2),
    ("(record)", "http2-", HTTP2),
    ("http.version", "http2-", HTTP2),
    ("(count)", "stream-async-6063-srv", ANSWER),
    ("(record)", "stream-async-6063-srv", ANSWER),
    ("(record)", "quic-cyu", GQUIC),
];
