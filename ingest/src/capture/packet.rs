//! One packet: from an IP header to ports, flags and payload.
//!
//! Of fragments the first has ports and a payload that is cut; later ones have neither, and [`super::table`] counts
//! them to the flow of the first one where it is known. What they say together is put together in
//! [`super::defragment`].

use std::net::IpAddr;

use etherparse::{LaxIpSlice, TcpSlice, UdpSlice, err::ip::LaxHeaderSliceError};
use ingest_event::{QuarantineReason, Timestamp};

use super::{
    defragment::Assembled,
    extension,
    file::Frame,
    link::Carried,
    tunnel::{self, Inside, Origin, TUNNELS_MAX, Tunnel},
};
use crate::record::Refusal;

/// IP protocol numbers, <https://www.iana.org/assignments/protocol-numbers>.
pub(super) mod protocol {
    pub(in super::super) const ICMP: u8 = 1;
    pub(in super::super) const TCP: u8 = 6;
    pub(in super::super) const UDP: u8 = 17;
    pub(in super::super) const IPV4: u8 = 4;
    pub(in super::super) const IPV6: u8 = 41;
    pub(in super::super) const GRE: u8 = 47;
    pub(in super::super) const ICMP6: u8 = 58;
    pub(in super::super) const SCTP: u8 = 132;
}

/// One IP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    /// From 1.
    pub(super) number: u64,
    pub(super) timestamp: Timestamp,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    /// Length by the IP header, header included.
    pub(super) ip_bytes: u64,
    pub(super) transport: Transport<'a>,
    /// Which piece of a packet this is, if it is one.
    pub(super) fragment: Option<Fragment<'a>>,
    /// What it came through.
    pub(super) origin: Origin,
    /// Number of its first statement, so that a packet that was inside of fragments and the last of those fragments are
    /// told apart.
    pub(super) ordinal: u32,
}

/// A piece of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment<'a> {
    pub(super) identification: u32,
    /// Bytes of the packet's payload before it.
    pub(super) offset: usize,
    /// Whether others come after it.
    pub(super) more: bool,
    /// What the first piece begins with: for IPv6 maybe an extension header.
    pub(super) protocol: u8,
    pub(super) bytes: &'a [u8],
    /// Whether all of the piece was captured.
    pub(super) is_whole: bool,
}

/// First statement of a packet that was inside of fragments: more than one packet can say.
const ORDINAL_ASSEMBLED: u32 = 1 << 16;

/// What follows the IP header.
#[derive(Clone, Copy, Debug)]
pub(super) enum Transport<'a> {
    Tcp {
        ports: Ports,
        sequence: u32,
        acknowledgment: u32,
        flags: TcpFlags,
        payload: Payload<'a>,
    },
    Udp {
        ports: Ports,
        payload: Payload<'a>,
    },
    /// ICMP of either version: type, code, and what follows the first eight bytes.
    Icmp {
        kind: u8,
        code: u8,
        body: &'a [u8],
    },
    /// SCTP, or TCP and UDP of which only the ports are legible.
    OnlyPorts {
        ports: Ports,
    },
    /// A packet in a packet, until it is opened: protocols 4, 41 and 47.
    Carrier {
        payload: Payload<'a>,
    },
    /// A later fragment.
    LaterFragment,
    /// No ports: another protocol, or cut before them.
    Opaque,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) source: u16,
    pub(super) destination: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TcpFlags {
    pub(super) syn: bool,
    pub(super) ack: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
}

/// Bytes captured, and how many there were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload<'a> {
    pub(super) bytes: &'a [u8],
    /// At least `bytes.len()`; more if the capture or a fragment cut it.
    pub(super) wire_bytes: usize,
}

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading<'a> {
    Packet(Packet<'a>),
    /// It carries something else.
    NotIp,
    /// The capture ends before its addresses.
    Cut,
}

/// Reads a frame: the packet inside all tunnels.
pub(super) fn read<'a>(frame: &Frame<'a>) -> Result<Reading<'a>, Refusal> {
    let cut = frame.bytes.len() < frame.wire_bytes;
    let damaged = |what: &str| {
        let detail = format!("packet {}: {what}", frame.number);
        Refusal::new(QuarantineReason::Malformed, detail, frame.number, frame.bytes)
    };
    let (carried, vlans) = frame.link.carried(frame.bytes);
    let bytes = match carried {
        Carried::Ip(bytes) => bytes,
        Carried::NotIp => return Ok(Reading::NotIp),
        Carried::Short if cut => return Ok(Reading::Cut),
        Carried::Short => return Err(damaged("ends inside its link header")),
    };
    let ip = match LaxIpSlice::from_slice(bytes) {
        Ok((ip, _)) => ip,
        Err(LaxHeaderSliceError::Len(_)) if cut => return Ok(Reading::Cut),
        Err(LaxHeaderSliceError::Len(_)) => return Err(damaged("ends inside its IP header")),
        Err(LaxHeaderSliceError::Content(error)) => return Err(damaged(&error.to_string())),
    };
    let link_bytes = frame.bytes.len() - bytes.len();
    let wire_bytes = frame.wire_bytes.saturating_sub(link_bytes);
    let origin = Origin {
        vlans,
        ..Origin::default()
    };
    let place = Place {
        number: frame.number,
        timestamp: frame.timestamp,
        ordinal: 0,
    };
    let packet = packet(place, &ip, bytes, wire_bytes, origin);
    // As a rule there is nothing to open, and nothing is moved.
    Ok(Reading::Packet(if packet.transport.may_carry() {
        innermost(packet)
    } else {
        packet
    }))
}

/// What fragments say together: a packet to listen to, which is not to be counted; or, if they carried one, the packet
/// inside, which is.
pub(super) fn assembled(from: &Assembled) -> (Packet<'_>, bool) {
    let (protocol, bytes) = match from.source.is_ipv6() {
        true => extension::behind(from.protocol, &from.bytes),
        false => (from.protocol, from.bytes.as_slice()),
    };
    let outer = Packet {
        number: from.number,
        timestamp: from.timestamp,
        source: from.source,
        destination: from.destination,
        protocol,
        ip_bytes: 0,
        transport: transport(protocol, bytes, 0),
        fragment: None,
        origin: from.origin,
        ordinal: 0,
    };
    // Half a packet is not opened: what is missing would be missed in the wrong flow.
    if from.is_whole
        && outer.depth() < TUNNELS_MAX
        && outer.transport.may_carry()
        && let Some(inner) = open(&outer, ORDINAL_ASSEMBLED)
    {
        return (innermost(inner), true);
    }
    (outer, false)
}

/// Where a packet was read.
#[derive(Clone, Copy)]
struct Place {
    number: u64,
    timestamp: Timestamp,
    ordinal: u32,
}

/// The packet inside all tunnels that may be opened.
fn innermost(mut packet: Packet<'_>) -> Packet<'_> {
    while packet.transport.may_carry()
        && packet.fragment.is_none()
        && packet.depth() < TUNNELS_MAX
        && let Some(inner) = open(&packet, packet.ordinal)
    {
        packet = inner;
    }
    packet
}

/// The packet inside a packet, if that is a tunnel's and legible.
fn open<'a>(outer: &Packet<'a>, ordinal: u32) -> Option<Packet<'a>> {
    let (inside, payload) = match outer.transport {
        Transport::Carrier { payload } => {
            let is_gre = outer.protocol == protocol::GRE;
            (tunnel::in_ip(is_gre, payload.bytes), payload)
        }
        Transport::Udp { ports, payload } => (tunnel::in_udp(ports, payload), payload),
        Transport::Tcp { .. }
        | Transport::Icmp { .. }
        | Transport::OnlyPorts { .. }
        | Transport::LaterFragment
        | Transport::Opaque => return None,
    };
    let Inside {
        kind,
        id,
        vlans,
        bytes,
    } = inside?;
    let (ip, _) = LaxIpSlice::from_slice(bytes).ok()?;
    let origin = Origin {
        // Those of the frame inside where it has any.
        vlans: if vlans == [0; 2] {
            outer.origin.vlans
        } else {
            vlans
        },
        tunnel: Some(Tunnel {
            kind,
            source: outer.source,
            destination: outer.destination,
            id,
            depth: outer.depth() + 1,
        }),
        tags_are_marks: outer.origin.tags_are_marks,
    };
    let header_bytes = payload.bytes.len() - bytes.len();
    let wire_bytes = payload.wire_bytes.saturating_sub(header_bytes);
    let place = Place {
        number: outer.number,
        timestamp: outer.timestamp,
        ordinal,
    };
    Some(packet(place, &ip, bytes, wire_bytes, origin))
}

impl Packet<'_> {
    /// How many tunnels there are around it.
    fn depth(&self) -> u8 {
        self.origin.tunnel.map_or(0, |tunnel| tunnel.depth)
    }
}

impl Transport<'_> {
    /// Whether a packet may be inside.
    const fn may_carry(&self) -> bool {
        match self {
            Self::Carrier { .. } => true,
            Self::Udp { ports, payload } => tunnel::may_be_in_udp(*ports, *payload),
            Self::Tcp { .. }
            | Self::Icmp { .. }
            | Self::OnlyPorts { .. }
            | Self::LaterFragment
            | Self::Opaque => false,
        }
    }
}

/// The addresses, protocol and ports inside the body of an ICMP error: the packet that it is about.
pub(super) fn quoted(body: &[u8]) -> Option<(IpAddr, IpAddr, u8, Ports)> {
    let (ip, _) = LaxIpSlice::from_slice(body).ok()?;
    let payload = ip.payload();
    let ports = ports(payload.payload)?;
    Some((
        ip.source_addr(),
        ip.destination_addr(),
        payload.ip_number.0,
        ports,
    ))
}

fn packet<'a>(
    place: Place,
    ip: &LaxIpSlice<'a>,
    held: &'a [u8],
    wire_bytes: usize,
    origin: Origin,
) -> Packet<'a> {
    let payload = ip.payload();
    let number = payload.ip_number.0;
    let (declared, fragment) = match ip {
        LaxIpSlice::Ipv4(v4) => {
            let header = v4.header();
            let declared = usize::from(header.total_len());
            let fragment = header.is_fragmenting_payload().then(|| Fragment {
                identification: header.identification().into(),
                offset: usize::from(header.fragments_offset().value()) * 8,
                more: header.more_fragments(),
                protocol: number,
                bytes: payload.payload,
                is_whole: false,
            });
            (
                Some(declared).filter(|declared| header.slice().len() <= *declared),
                fragment,
            )
        }
        LaxIpSlice::Ipv6(v6) => {
            let payload_bytes = usize::from(v6.header().payload_length());
            let headers = v6.extensions().slice();
            let piece = extension::piece(v6.header().next_header().0, headers);
            let fragment = piece.map(|piece| Fragment {
                identification: piece.identification,
                offset: usize::from(piece.offset) * 8,
                more: piece.more,
                protocol: piece.protocol,
                // What looks like more headers belongs to the piece.
                bytes: held
                    .get(40 + piece.header_bytes..40 + headers.len() + payload.payload.len())
                    .unwrap_or_default(),
                is_whole: false,
            });
            let may_be_offloaded = matches!(ip.payload().ip_number.0, protocol::TCP | protocol::UDP);
            (
                Some(40 + payload_bytes).filter(|_| payload_bytes != 0 || !may_be_offloaded),
                fragment,
            )
        }
    };
    // A length of zero is what segmentation offload leaves behind: the packet is as long as it was on the wire.
    let ip_bytes = declared.unwrap_or(wire_bytes);
    let missing = ip_bytes.saturating_sub(held.len());
    let (protocol, transport) = match fragment {
        Some(later) if later.offset != 0 => (later.protocol, Transport::LaterFragment),
        Some(_) | None => (number, transport(number, payload.payload, missing)),
    };
    Packet {
        number: place.number,
        timestamp: place.timestamp,
        source: ip.source_addr(),
        destination: ip.destination_addr(),
        protocol,
        ip_bytes: ip_bytes as u64,
        transport,
        fragment: fragment.map(|fragment| Fragment {
            is_whole: missing == 0,
            ..fragment
        }),
        origin,
        ordinal: place.ordinal,
    }
}

fn transport(number: u8, bytes: &[u8], missing: usize) -> Transport<'_> {
    match number {
        protocol::TCP => TcpSlice::from_slice(bytes).map_or_else(
            |_| only_ports(bytes),
            |tcp| Transport::Tcp {
                ports: Ports {
                    source: tcp.source_port(),
                    destination: tcp.destination_port(),
                },
                sequence: tcp.sequence_number(),
                acknowledgment: tcp.acknowledgment_number(),
                flags: TcpFlags {
                    syn: tcp.syn(),
                    ack: tcp.ack(),
                    fin: tcp.fin(),
                    rst: tcp.rst(),
                },
                payload: Payload {
                    bytes: tcp.payload(),
                    wire_bytes: tcp.payload().len() + missing,
                },
            },
        ),
        protocol::UDP => UdpSlice::from_slice_lax(bytes).map_or_else(
            |_| only_ports(bytes),
            |udp| Transport::Udp {
                ports: Ports {
                    source: udp.source_port(),
                    destination: udp.destination_port(),
                },
                payload: Payload {
                    bytes: udp.payload(),
                    wire_bytes: udp.payload().len() + missing,
                },
            },
        ),
        protocol::ICMP | protocol::ICMP6 => match bytes {
            [kind, code, rest @ ..] => Transport::Icmp {
                kind: *kind,
                code: *code,
                body: rest.get(6..).unwrap_or_default(),
            },
            _ => Transport::Opaque,
        },
        protocol::SCTP => only_ports(bytes),
        protocol::IPV4 | protocol::IPV6 | protocol::GRE => Transport::Carrier {
            payload: Payload {
                bytes,
                wire_bytes: bytes.len() + missing,
            },
        },
        _ => Transport::Opaque,
    }
}

fn only_ports(bytes: &[u8]) -> Transport<'_> {
    ports(bytes).map_or(Transport::Opaque, |ports| Transport::OnlyPorts { ports })
}

fn ports(bytes: &[u8]) -> Option<Ports> {
    let [a, b, c, d] = *bytes.first_chunk::<4>()?;
    Some(Ports {
        source: u16::from_be_bytes([a, b]),
        destination: u16::from_be_bytes([c, d]),
    })
}
