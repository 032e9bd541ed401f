//! Where our reading of a capture differs from Suricata's, and why.

use crate::count::Explained;

/// Tests of which the events can't be compared, by the start of their names.
pub(crate) const LEFT_OUT: [(&str, &str); 5] = [
    (
        "community-id-ipv4",
        "Suricata was given a seed for the Community ID",
    ),
    (
        "exception-policy-midstream-06",
        "Suricata was told to let go of what began before the capture",
    ),
    ("http2-", "HTTP/2 in clear text is not read"),
    (
        "http-xff-eve-reverse-overwrite",
        "Suricata was told to write the address that a proxy names",
    ),
    ("quic-cyu", "QUIC of before its standard is not read"),
];

const OPCODE: &str = "an operation that DNS does not have makes it no DNS";
const GOODBYE: &str = "to say goodbye and nothing else makes it no SMTP";
const ANSWER: &str = "an answer to something that was not captured is not told";
const LATE: &str = "a packet long after the end of a connection is a flow of its own";
const FRAMES: &str = "Suricata counts padding of frames, and the frame inside a tunnel";
const ECHO: &str = "an echo and its reply are one flow";

/// Differences that stay: field, what stands in it, and why.
pub(crate) const EXPLAINED: [Explained; 17] = [
    ("(count)", "llmnr-invalid-opcode", OPCODE),
    ("(record)", "llmnr-invalid-opcode", OPCODE),
    ("(count)", "smtp-quit", GOODBYE),
    ("network.protocol", "smtp-quit", GOODBYE),
    ("(count)", "stream-async-6063-srv", ANSWER),
    ("(record)", "stream-async-6063-srv", ANSWER),
    (
        "(client)",
        "decode-teredo-01: src_ip 75.126",
        "of a connection that began before the capture we take the well-known port for the server's",
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
    ("destination.bytes", "decode-teredo-01: 0", ECHO),
    ("destination.packets", "decode-teredo-01: 0", ECHO),
    ("icmp.type", "decode-erspan-typeII-01: 0 / ours 8", ECHO),
    (
        "source.packets",
        "eve-flow-esp",
        "Suricata takes each association of IPsec for a flow",
    ),
];
