//! What others saw of packets, understood as our own capture understands them: ends, direction, Community ID.
//!
//! For [`crate::export`]: an exporter tells a flow without its packets, or the first bytes of one packet.

use std::net::IpAddr;

use ingest_event::{Fields, Timestamp};
use ipnet::IpNet;

use super::{
    file::Frame,
    flow::{Direction, Flow},
    link::LinkType,
    packet::{self, Packet, Payload, Ports, Reading, TcpFlags, Transport, protocol},
    tunnel::Origin,
};

/// A packet of which the first bytes were sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sampled {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ports: Option<(u16, u16)>,
    pub(crate) icmp: Option<(u8, u8)>,
    /// Bits as in the header (RFC 9293 section 3.1).
    pub(crate) tcp_flags: Option<u8>,
    /// The frame's outer tag.
    pub(crate) vlan: Option<u16>,
    /// By the IP header, header included.
    pub(crate) bytes: u64,
}

/// The ends of a flow, its sender first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ports: Option<(u16, u16)>,
    pub(crate) icmp: Option<(u8, u8)>,
    pub(crate) knows: Knows,
}

/// What is known of who began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knows {
    /// The sender did.
    Began,
    /// Nothing but what kind of packets they are and between which ports.
    Nothing,
}

/// Bits of TCP's flags.
pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

/// Reads the start of a frame of a link type (numbers as in captures): the packet inside all tunnels. `None` if it
/// carries no IP that can be read.
pub(crate) fn sampled(link: u32, header: &[u8], wire_bytes: usize) -> Option<Sampled> {
    let frame = Frame {
        number: 0,
        timestamp: Timestamp::EPOCH,
        link: LinkType::parse(link).ok()?,
        bytes: header,
        wire_bytes: wire_bytes.max(header.len()),
    };
    let Ok(Reading::Packet(packet)) = packet::read(&frame) else {
        return None;
    };
    let both = |ports: Ports| Some((ports.source, ports.destination));
    let (ports, icmp, tcp_flags) = match packet.transport {
        Transport::Tcp { ports, flags, .. } => {
            let bit = |is_set, bit| if is_set { bit } else { 0 };
            let flags = bit(flags.syn, SYN) | bit(flags.ack, ACK) | bit(flags.fin, FIN) | bit(flags.rst, RST);
            (both(ports), None, Some(flags))
        }
        Transport::Udp { ports, .. } | Transport::OnlyPorts { ports } => (both(ports), None, None),
        Transport::Icmp { kind, code, .. } => (None, Some((kind, code)), None),
        Transport::Carrier { .. } | Transport::LaterFragment | Transport::Opaque => (None, None, None),
    };
    Some(Sampled {
        source: packet.source,
        destination: packet.destination,
        protocol: packet.protocol,
        ports,
        icmp,
        tcp_flags,
        vlan: packet.origin.vlans.first().copied().filter(|vlan| *vlan != 0),
        bytes: packet.ip_bytes,
    })
}

/// The fields that every record of the flow has, and whether its sender answered: then the other end is the source.
pub(crate) fn ends(told: &Told, home: &[IpNet]) -> (Fields, bool) {
    let payload = Payload {
        bytes: &[],
        wire_bytes: 0,
    };
    let ports = told
        .ports
        .map(|(source, destination)| Ports { source, destination });
    let transport = match (told.protocol, ports, told.icmp) {
        (protocol::TCP, Some(ports), _) => Transport::Tcp {
            ports,
            sequence: 0,
            acknowledgment: 0,
            flags: TcpFlags {
                // Who sends one began, and this one is asked for as the flow's first packet.
                syn: told.knows == Knows::Began,
                ack: false,
                fin: false,
                rst: false,
            },
            payload,
        },
        (protocol::UDP, Some(ports), _) if told.knows == Knows::Nothing => Transport::Udp { ports, payload },
        (_, Some(ports), _) => Transport::OnlyPorts { ports },
        (_, None, Some((kind, code))) => Transport::Icmp {
            kind,
            code,
            body: &[],
        },
        (_, None, None) => Transport::Opaque,
    };
    let packet = Packet {
        number: 0,
        timestamp: Timestamp::EPOCH,
        source: told.source,
        destination: told.destination,
        protocol: told.protocol,
        ip_bytes: 0,
        transport,
        fragment: None,
        origin: Origin::default(),
        ordinal: 0,
    };
    let flow = Flow::begin(&packet);
    let is_answer = flow.direction(&packet) == Direction::Backward;
    (flow.fields(flow.peers, home), is_answer)
}
