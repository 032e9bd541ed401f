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

/// Why some differ.
mod why {
    pub(super) const BEGUN: &str =
        "of a flow that began before the capture we take the well-known port for the server's";
    pub(super) const OPCODE: &str = "an operation that DNS does not have makes it no DNS";
    pub(super) const GOODBYE: &str = "to say goodbye and nothing else makes it no SMTP";
    pub(super) const LATE: &str = "a packet long after the end of a connection is a flow of its own";
    pub(super) const FRAMES: &str = "Suricata counts padding of frames, and the frame inside a tunnel";
    pub(super) const ECHO: &str = "an echo and its reply are one flow";
    pub(super) const CARRIER: &str =
        "what carries a tunnel is told with the flow inside, and has none of its own";
    pub(super) const SEED: &str = "Suricata was given a seed for the Community ID";
    pub(super) const HTTP2: &str = "HTTP/2 in clear text is not read";
    pub(super) const ESP: &str = "Suricata takes each association of IPsec for a flow";
}

/// Differences that stay.
pub(crate) const EXPLAINED: [Explained; 25] = [
    Explained {
        part: "llmnr-invalid-opcode: ",
        why: why::OPCODE,
        fields: &[("(count)", 1), ("(record)", 1)],
    },
    Explained {
        part: "smtp-quit: ",
        why: why::GOODBYE,
        fields: &[("(count)", 1), ("network.protocol", 1)],
    },
    Explained {
        part: "decode-teredo-01: src_ip 75.126",
        why: why::BEGUN,
        fields: &[("(client)", 2)],
    },
    Explained {
        part: "vxlan-decoder-01: src_port 53",
        why: why::BEGUN,
        fields: &[("(client)", 1)],
    },
    Explained {
        part: "bug-4571-06: ",
        why: why::CARRIER,
        fields: &[("(count)", 1), ("(record)", 1)],
    },
    Explained {
        part: "bug-6402-01: ",
        why: why::CARRIER,
        fields: &[("(count)", 1), ("(record)", 1), ("network.transport", 1)],
    },
    Explained {
        part: "community-id-ipv4: ",
        why: why::SEED,
        fields: &[("(count)", 2), ("network.community_id", 2)],
    },
    Explained {
        part: "decode-teredo-01: src_ip 192.168.2.16, src_port 3797",
        why: why::CARRIER,
        fields: &[("(tuple)", 1)],
    },
    Explained {
        part: "sctp-pkt-too-small: ",
        why: "of half a header of SCTP, which Suricata gives ports of 0, the ports are read",
        fields: &[("(tuple)", 1)],
    },
    Explained {
        part: "decode-erspan-typeII-01: 244",
        why: why::FRAMES,
        fields: &[("destination.bytes", 1), ("source.bytes", 1)],
    },
    Explained {
        part: "decode-erspan-typeII-01: 0 / ours 8",
        why: why::ECHO,
        fields: &[("icmp.type", 1)],
    },
    Explained {
        part: "stream-async-6063-cli-01: 696",
        why: why::FRAMES,
        fields: &[("source.bytes", 1)],
    },
    Explained {
        part: "stream-async-6063-cli-02: 696",
        why: why::FRAMES,
        fields: &[("source.bytes", 1)],
    },
    Explained {
        part: "decode-teredo-01: 445",
        why: why::LATE,
        fields: &[("destination.bytes", 1)],
    },
    Explained {
        part: "decode-teredo-01: 5 /",
        why: why::LATE,
        fields: &[("destination.packets", 1)],
    },
    Explained {
        part: "decode-teredo-01: 0 /",
        why: why::ECHO,
        fields: &[("destination.bytes", 1), ("destination.packets", 1)],
    },
    Explained {
        part: "decode-teredo-01: 108 / ours 40",
        why: why::LATE,
        fields: &[("source.bytes", 1)],
    },
    Explained {
        part: "decode-teredo-01: 162 / ours 80",
        why: why::LATE,
        fields: &[("source.bytes", 1)],
    },
    Explained {
        part: "decode-teredo-01: 2 / ours 1 ",
        why: why::LATE,
        fields: &[("source.packets", 1)],
    },
    Explained {
        part: "decode-teredo-01: 3 / ours 2 ",
        why: why::LATE,
        fields: &[("source.packets", 1)],
    },
    Explained {
        part: "eve-flow-esp: 2 / ours 4",
        why: why::ESP,
        fields: &[("source.packets", 1)],
    },
    Explained {
        part: "http2-compression-bug: ",
        why: why::HTTP2,
        fields: &[("(count)", 1), ("(record)", 7)],
    },
    Explained {
        part: "http2-long-frame: ",
        why: why::HTTP2,
        fields: &[("(count)", 1), ("(record)", 1)],
    },
    Explained {
        part: "http2-deflate: 2 / ours 1.1",
        why: why::HTTP2,
        fields: &[("http.version", 1)],
    },
    Explained {
        part: "quic-cyu: ",
        why: "QUIC of before its standard is not read",
        fields: &[("(record)", 1)],
    },
];
