//! Tunnels: from a packet to the packet that it carries.
//!
//! IP in IP (RFC 2003, 4213), GRE (RFC 2784, 2890; PPTP's of RFC 2637), ERSPAN I to III inside GRE, VXLAN (RFC 7348),
//! Geneve (RFC 8926), Teredo (RFC 4380), and by their ports GRE (RFC 8086), GTP-U and AYIYA in UDP. What is inside is what is reported; where it came through is said with it. What can't be
//! opened stays what it is, a packet of the outer flow, so that nothing vanishes. Nothing is kept here.

mod broker;
mod gtp;

use std::net::IpAddr;

use ingest_event::{Fields, field};

use super::{
    link::{self, Carried, LinkType, Vlans},
    packet::{Payload, Ports},
};

/// Tunnels within tunnels that are opened: two are in use, a few more are a mistake or an attack.
pub(super) const TUNNELS_MAX: u8 = 4;

const PORT_VXLAN: u16 = 4789;
const PORT_GENEVE: u16 = 6081;
/// GRE in UDP (RFC 8086 section 8.4).
const PORT_GRE: u16 = 4754;
/// Of Teredo's servers; its clients have any (RFC 4380 section 2.7).
const PORT_TEREDO: u16 = 3544;
/// RFC 4380 section 2.6: the prefix of a client's address.
const PREFIX_TEREDO: [u8; 4] = [0x20, 0x01, 0, 0];
/// Ethernet as it is bridged through GRE and Geneve (RFC 7637 section 3.2).
const ETHERTYPE_BRIDGED: u16 = 0x6558;
const ETHERTYPE_PPP: u16 = 0x880b;
const ETHERTYPE_ERSPAN: u16 = 0x88be;
const ETHERTYPE_ERSPAN_3: u16 = 0x22eb;

/// What a packet came through, where that is not bare wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// Tags of the frame, or of the frame inside the tunnel.
    pub(super) vlans: Vlans,
    /// The innermost tunnel.
    pub(super) tunnel: Option<Tunnel>,
    /// Whether tags tell nothing of networks, as those of a tap that marks directions.
    pub(super) tags_are_marks: bool,
}

/// A tunnel as one packet shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tunnel {
    pub(super) kind: Kind,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// VXLAN or Geneve network, GRE key, ERSPAN session, GTP's number of the tunnel.
    pub(super) id: Option<u32>,
    /// How many tunnels there are around the packet, this one included.
    pub(super) depth: u8,
}

/// How it is tunnelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ip,
    Gre,
    Erspan,
    Vxlan,
    Geneve,
    Teredo,
    Gtp,
    Ayiya,
}

/// What was found in a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inside<'a> {
    pub(super) kind: Kind,
    pub(super) id: Option<u32>,
    pub(super) vlans: Vlans,
    /// An IP packet.
    pub(super) bytes: &'a [u8],
}

/// What follows an IP header whose protocol is 4, 41 or 47.
pub(super) fn in_ip(protocol_is_gre: bool, body: &[u8]) -> Option<Inside<'_>> {
    if protocol_is_gre {
        return gre(body);
    }
    by_version(Kind::Ip, None, body)
}

/// IP, whatever its version.
fn by_version(kind: Kind, id: Option<u32>, bytes: &[u8]) -> Option<Inside<'_>> {
    matches!(bytes.first()? >> 4, 4 | 6).then_some(Inside {
        kind,
        id,
        vlans: Vlans::default(),
        bytes,
    })
}

/// Whether a datagram may be a tunnel's.
pub(super) const fn may_be_in_udp(ports: Ports, payload: Payload<'_>) -> bool {
    // Teredo has a port for its servers only; its packets begin with a version of IP, or with zero before that.
    matches!(ports.destination, PORT_VXLAN | PORT_GENEVE | PORT_GRE | gtp::PORT)
        || broker::is_of(ports)
        || matches!(payload.bytes, [0x60..=0x6f, ..] | [0, 0 | 1, ..])
}

/// What a datagram carries, by its port or by what it says.
pub(super) fn in_udp<'a>(ports: Ports, payload: Payload<'a>) -> Option<Inside<'a>> {
    match ports.destination {
        PORT_VXLAN => vxlan(payload.bytes),
        PORT_GENEVE => geneve(payload.bytes),
        PORT_GRE => gre(payload.bytes),
        gtp::PORT => gtp::read(payload.bytes),
        _ if broker::is_of(ports) => broker::read(payload.bytes),
        _ => teredo(ports, payload),
    }
}

/// RFC 4380 section 5.1.1: maybe proofs of who sends it and an address that it came from, then a packet of IPv6 that
/// ends where the datagram does. One of its ends is a Teredo client, if neither asks a server for an address.
fn teredo(ports: Ports, payload: Payload<'_>) -> Option<Inside<'_>> {
    let mut bytes = payload.bytes;
    if let [0, 1, client, authentication, ..] = bytes {
        // Both of these, a number used once and how far it is confirmed.
        bytes = bytes.get(4 + usize::from(*client) + usize::from(*authentication) + 9..)?;
    }
    if bytes.starts_with(&[0, 0]) {
        bytes = bytes.get(8..)?;
    }
    let header = bytes.first_chunk::<40>()?;
    let [first, _, _, _, high, low, ..] = *header;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let is_client = |at: usize| header.get(at..at + 4) == Some(&PREFIX_TEREDO[..]);
    let has_server = [ports.source, ports.destination].contains(&PORT_TEREDO);
    // Of a packet that is cut off in the capture as well.
    let wire_bytes = payload
        .wire_bytes
        .checked_sub(payload.bytes.len() - bytes.len())?;
    if first >> 4 != 6
        || wire_bytes != header.len() + length
        || !has_server && !is_client(8) && !is_client(24)
    {
        return None;
    }
    Some(Inside {
        kind: Kind::Teredo,
        id: None,
        vlans: Vlans::default(),
        bytes,
    })
}

/// RFC 7348 section 5: flags of which one must be set, and 24 bits of network.
fn vxlan(bytes: &[u8]) -> Option<Inside<'_>> {
    let ([flags, _, _, _, a, b, c, _], frame) = bytes.split_first_chunk::<8>()?;
    if flags & 0x08 == 0 {
        return None;
    }
    let id = u32::from_be_bytes([0, *a, *b, *c]);
    bridged(Kind::Vxlan, Some(id), frame)
}

/// RFC 8926 section 3.4: version, length of the options in words, ethertype, and 24 bits of network.
fn geneve(bytes: &[u8]) -> Option<Inside<'_>> {
    let (&[first, _, high, low, a, b, c, _], rest) = bytes.split_first_chunk::<8>()?;
    if first >> 6 != 0 {
        return None;
    }
    let rest = rest.get(usize::from(first & 0x3f) * 4..)?;
    let id = u32::from_be_bytes([0, a, b, c]);
    by_ethertype(Kind::Geneve, Some(id), u16::from_be_bytes([high, low]), rest)
}

fn gre(bytes: &[u8]) -> Option<Inside<'_>> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGMENT: u16 = 0x0080;
    let (&[a, b, c, d], mut rest) = bytes.split_first_chunk::<4>()?;
    let (flags, kind) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let version = flags & 7;
    if flags & ROUTING != 0 || 1 < version {
        return None;
    }
    let mut word = |there: bool| {
        if !there {
            return Some(None);
        }
        let (word, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        Some(Some(u32::from_be_bytes(*word)))
    };
    word(flags & CHECKSUM != 0)?;
    let key = word(flags & KEY != 0)?;
    let sequence = word(flags & SEQUENCE != 0)?;
    word(version == 1 && flags & ACKNOWLEDGMENT != 0)?;
    match kind {
        // PPTP: half of the key is a length.
        ETHERTYPE_PPP => from_carried(
            Kind::Gre,
            key.map(|key| key & 0xffff),
            (link::ppp(rest, link::ppp_start(rest)), Vlans::default()),
        ),
        // The first version has no header of its own, and no sequence.
        ETHERTYPE_ERSPAN if sequence.is_none() => bridged(Kind::Erspan, None, rest),
        ETHERTYPE_ERSPAN => erspan(rest, 8),
        ETHERTYPE_ERSPAN_3 => {
            let more = rest.get(11)? & 1 == 1;
            erspan(rest, if more { 20 } else { 12 })
        }
        kind => by_ethertype(Kind::Gre, key, kind, rest),
    }
}

/// draft-foschiano-erspan-03: the VLAN, which the frame may have lost, is in the low twelve bits of the first word, the
/// session in the low ten of the second.
fn erspan(bytes: &[u8], header_bytes: usize) -> Option<Inside<'_>> {
    let &[a, b, c, d] = bytes.first_chunk::<4>()?;
    let (vlan, session) = (
        u16::from_be_bytes([a, b]) & 0x0fff,
        u16::from_be_bytes([c, d]) & 0x03ff,
    );
    let mut inside = bridged(Kind::Erspan, Some(session.into()), bytes.get(header_bytes..)?)?;
    if inside.vlans == Vlans::default() {
        inside.vlans = [vlan, 0];
    }
    Some(inside)
}

fn by_ethertype(kind: Kind, id: Option<u32>, ethertype: u16, rest: &[u8]) -> Option<Inside<'_>> {
    if ethertype == ETHERTYPE_BRIDGED {
        return bridged(kind, id, rest);
    }
    from_carried(kind, id, link::by_ethertype(ethertype, rest))
}

fn bridged(kind: Kind, id: Option<u32>, frame: &[u8]) -> Option<Inside<'_>> {
    from_carried(kind, id, LinkType::Ethernet.carried(frame))
}

fn from_carried(kind: Kind, id: Option<u32>, (carried, vlans): (Carried<'_>, Vlans)) -> Option<Inside<'_>> {
    match carried {
        Carried::Ip(bytes) => Some(Inside {
            kind,
            id,
            vlans,
            bytes,
        }),
        Carried::NotIp | Carried::Short => None,
    }
}

impl Origin {
    /// Which of several networks with the same addresses a packet is in: 48 bits, of both VLANs and of the tunnel's
    /// network; zero for what is not there. Keys and sessions of other tunnels may differ by direction.
    pub(super) const fn segment(&self) -> u64 {
        let [outer, inner] = if self.tags_are_marks { [0; 2] } else { self.vlans };
        let network = match self.tunnel {
            Some(Tunnel {
                kind: Kind::Vxlan | Kind::Geneve,
                id: Some(id),
                ..
            }) => id & 0x00ff_ffff,
            Some(_) | None => 0,
        };
        // No `u64::from` in a constant function; each of them is wider than what it holds.
        (outer as u64 & 0xfff) << 36 | (inner as u64 & 0xfff) << 24 | network as u64
    }

    /// Adds where a flow came through to its fields.
    pub(super) fn write(&self, fields: &mut Fields) {
        let [outer, inner] = self.vlans;
        if outer != 0 {
            fields.set(field::NETWORK_VLAN_ID, outer.to_string());
        }
        if inner != 0 {
            fields.set(field::NETWORK_INNER_VLAN_ID, inner.to_string());
        }
        if let Some(tunnel) = self.tunnel {
            fields.set(field::VARDE_TUNNEL_TYPE, tunnel.kind.as_str());
            fields.set(field::VARDE_TUNNEL_SOURCE_IP, tunnel.source);
            fields.set(field::VARDE_TUNNEL_DESTINATION_IP, tunnel.destination);
            fields.set_some(field::VARDE_TUNNEL_ID, tunnel.id);
            fields.set(field::VARDE_TUNNEL_DEPTH, tunnel.depth);
        }
    }
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Gre => "gre",
            Self::Erspan => "erspan",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::Teredo => "teredo",
            Self::Gtp => "gtp",
            Self::Ayiya => "ayiya",
        }
    }
}
