//! One bidirectional flow: who began it, what went each way, how it ended; and the record that says so.
//!
//! The source is who began: the sender of the first packet, unless that packet shows that it is an answer
//! (a SYN with ACK; or, for a flow whose beginning was not captured, a packet from a port below 1024 to one above).

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use ingest_event::{Fields, Timestamp, field};
use ipnet::IpNet;

use super::{
    application::{Application, Conversation, Statement},
    community_id::{community_id, icmp_ports},
    datagram::Exchange,
    packet::{Packet, Ports, TcpFlags, Transport, protocol},
    tunnel::Origin,
};
use crate::record::Draft;

pub(super) const DATASET: &str = "network.flow";
/// ECS has no field for these; the names follow Zeek's and Suricata's.
const ICMP_TYPE: &str = "icmp.type";
const ICMP_CODE: &str = "icmp.code";

/// What makes packets one flow: both directions give the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlowKey {
    low: (IpAddr, u16),
    high: (IpAddr, u16),
    /// The protocol below the segment: one number, so that there is one to hash.
    kind: u64,
}

/// Three numbers instead of a dozen: each packet is looked up by it.
impl Hash for FlowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let number = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        state.write_u128(number(self.low.0));
        state.write_u128(number(self.high.0));
        let ports = u128::from(self.low.1) << 16 | u128::from(self.high.1);
        state.write_u128(ports << 64 | u128::from(self.kind));
    }
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From who began.
    Forward,
    /// From who answered.
    Backward,
}

/// A flow while packets come in.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) key: FlowKey,
    pub(super) peers: Peers,
    /// Number of the packet that began this record.
    pub(super) position: u64,
    /// Which of that packet's statements it is.
    ordinal: u32,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    forward: Count,
    backward: Count,
    tcp: TcpProgress,
    icmp: Option<(u8, u8)>,
    /// Somebody on the way said that the destination can't be reached.
    pub(super) unreachable: bool,
    pub(super) application: Option<Application>,
    pub(super) listening: Listening,
    /// Its place among those that keep bytes; zero if it keeps none.
    pub(super) keeper: u64,
    /// Where its first packet came through, if not over bare wire.
    pub(super) origin: Option<Box<Origin>>,
}

/// Whether what is said in a flow is listened to.
#[derive(Debug)]
pub(super) enum Listening {
    /// Nothing was said yet.
    NotYet,
    On(Box<Conversation>),
    /// Datagrams of which later ones belong to earlier ones.
    Datagrams(Box<Exchange>),
    /// Nothing more of interest is to come.
    Over,
}

impl Listening {
    /// Bytes kept, for the budget of all flows.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::On(conversation) => conversation.weight(),
            Self::Datagrams(exchange) => exchange.weight(),
            Self::NotYet | Self::Over => 0,
        }
    }
}

/// Both ends, as they are written into every record of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peers {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    /// Source and destination port, or what stands in their place for ICMP.
    ports: Option<(u16, u16)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    packets: u64,
    bytes: u64,
}

/// What was seen of a TCP connection.
#[derive(Clone, Copy, Debug, Default)]
struct TcpProgress {
    syn: bool,
    syn_ack: bool,
    fin_forward: bool,
    fin_backward: bool,
    rst: bool,
    /// Number of the first byte of each direction, by its SYN.
    start_forward: Option<u32>,
    start_backward: Option<u32>,
}

/// The key of a packet, and whether its sender is the lower end.
pub(super) fn key(packet: &Packet<'_>) -> FlowKey {
    let (ports, two_way) = place(packet);
    let (source_port, destination_port) = ports.unwrap_or_default();
    let source = (packet.source, source_port);
    let destination = (packet.destination, destination_port);
    let (low, high) = if !two_way || source <= destination {
        (source, destination)
    } else {
        (destination, source)
    };
    FlowKey {
        low,
        high,
        kind: packet.origin.segment() << 8 | u64::from(packet.protocol),
    }
}

/// The key of the TCP, UDP or SCTP flow between two ends of a segment.
pub(super) fn key_of(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    ports: Ports,
    segment: u64,
) -> FlowKey {
    let (source, destination) = ((source, ports.source), (destination, ports.destination));
    FlowKey {
        low: source.min(destination),
        high: source.max(destination),
        kind: segment << 8 | u64::from(protocol),
    }
}

/// Ports, or what is in their place, and whether an answer belongs to the same flow.
fn place(packet: &Packet<'_>) -> (Option<(u16, u16)>, bool) {
    match packet.transport {
        Transport::Tcp { ports, .. } | Transport::Udp { ports, .. } | Transport::OnlyPorts { ports } => {
            (Some((ports.source, ports.destination)), true)
        }
        Transport::Icmp { kind, code, .. } => {
            let (ports, two_way) = icmp_ports(packet.protocol, kind, code);
            (Some(ports), two_way)
        }
        Transport::Carrier { .. } | Transport::LaterFragment | Transport::Opaque => (None, true),
    }
}

impl Flow {
    /// The flow that a packet begins; the packet itself is not counted yet.
    pub(super) fn begin(packet: &Packet<'_>) -> Self {
        let (ports, _) = place(packet);
        let peers = Peers {
            source: packet.source,
            destination: packet.destination,
            protocol: packet.protocol,
            ports,
        };
        Self {
            key: key(packet),
            peers: if is_answer(packet) { peers.swapped() } else { peers },
            position: packet.number,
            ordinal: packet.ordinal,
            first: packet.timestamp,
            last: packet.timestamp,
            forward: Count::default(),
            backward: Count::default(),
            tcp: TcpProgress::default(),
            icmp: match packet.transport {
                Transport::Icmp { kind, code, .. } => Some((kind, code)),
                Transport::Tcp { .. }
                | Transport::Udp { .. }
                | Transport::OnlyPorts { .. }
                | Transport::Carrier { .. }
                | Transport::LaterFragment
                | Transport::Opaque => None,
            },
            unreachable: false,
            application: None,
            listening: Listening::NotYet,
            keeper: 0,
            origin: (packet.origin != Origin::default()).then(|| Box::new(packet.origin)),
        }
    }

    /// Starts the next record of a long flow at `packet`, and returns the one before it. What is known of the
    /// connection and of the conversation goes on.
    pub(super) fn split(&mut self, packet: &Packet<'_>) -> Self {
        let next = Self {
            position: packet.number,
            ordinal: packet.ordinal,
            first: packet.timestamp,
            last: packet.timestamp,
            forward: Count::default(),
            backward: Count::default(),
            listening: std::mem::replace(&mut self.listening, Listening::Over),
            origin: self.origin.clone(),
            ..*self
        };
        let mut before = std::mem::replace(self, next);
        before.keeper = 0;
        before
    }

    /// Counts a packet.
    pub(super) fn count(&mut self, packet: &Packet<'_>, direction: Direction) {
        self.first = self.first.min(packet.timestamp);
        self.last = self.last.max(packet.timestamp);
        let count = match direction {
            Direction::Forward => &mut self.forward,
            Direction::Backward => &mut self.backward,
        };
        count.packets += 1;
        count.bytes = count.bytes.saturating_add(packet.ip_bytes);
        if let Transport::Tcp {
            flags,
            sequence,
            acknowledgment,
            ..
        } = packet.transport
        {
            self.tcp.see(flags, direction);
            self.tcp.start(flags, sequence, acknowledgment, direction);
        }
    }

    /// Which way a packet of this flow goes.
    pub(super) fn direction(&self, packet: &Packet<'_>) -> Direction {
        let same_port = match (self.peers.ports, place(packet).0) {
            (Some((own, _)), Some((other, _))) => own == other,
            (None, _) | (_, None) => true,
        };
        if packet.source == self.peers.source && same_port {
            Direction::Forward
        } else {
            Direction::Backward
        }
    }

    /// The conversation of a TCP connection, begun if nothing was said before.
    pub(super) fn conversation(&mut self) -> Option<&mut Conversation> {
        if matches!(self.listening, Listening::NotYet) {
            let conversation = Conversation::new(self.tcp.start_forward, self.tcp.start_backward);
            self.listening = Listening::On(Box::new(conversation));
        }
        match &mut self.listening {
            Listening::On(conversation) => Some(conversation),
            Listening::NotYet | Listening::Datagrams(_) | Listening::Over => None,
        }
    }

    /// Whether it is over while its conversation may still keep something.
    pub(super) const fn is_listened_to_its_end(&self) -> bool {
        matches!(self.listening, Listening::On(_)) && self.is_over()
    }

    /// Packets of both directions.
    pub(super) const fn packets(&self) -> u64 {
        self.forward.packets.saturating_add(self.backward.packets)
    }

    /// Stops listening; what still waited for an answer goes to `statements`. False if nobody listened.
    pub(super) fn give_up(&mut self, statements: &mut Vec<Statement>) -> bool {
        match std::mem::replace(&mut self.listening, Listening::Over) {
            Listening::On(mut conversation) => {
                conversation.finish(statements);
                true
            }
            Listening::Datagrams(mut exchange) => {
                exchange.finish(statements);
                true
            }
            Listening::NotYet | Listening::Over => false,
        }
    }

    /// Both sides said goodbye, or one hung up.
    pub(super) const fn is_over(&self) -> bool {
        self.tcp.rst || self.is_closed()
    }

    /// Both sides said goodbye.
    pub(super) const fn is_closed(&self) -> bool {
        self.tcp.fin_forward && self.tcp.fin_backward
    }

    /// The flow as a record.
    pub(super) fn draft(&self, home: &[IpNet]) -> Draft {
        let (forward, backward) = (self.forward, self.backward);
        let ports = self.peers.ports();
        // In the order of their names, which is cheapest.
        let mut fields = Fields::with_room(ROOM);
        fields.set(field::DESTINATION_BYTES, backward.bytes);
        fields.set(field::DESTINATION_IP, self.peers.destination);
        fields.set(field::DESTINATION_PACKETS, backward.packets);
        fields.set_some(field::DESTINATION_PORT, ports.map(|(_, destination)| destination));
        let nanos = self.last.since(self.first).as_nanos();
        fields.set(field::EVENT_DURATION, u64::try_from(nanos).unwrap_or(u64::MAX));
        fields.set(field::EVENT_END, self.last);
        fields.set(field::EVENT_START, self.first);
        if let Some((kind, code)) = self.icmp {
            fields.set(ICMP_CODE, code);
            fields.set(ICMP_TYPE, kind);
        }
        fields.set(field::NETWORK_BYTES, forward.bytes.saturating_add(backward.bytes));
        fields.set(field::NETWORK_COMMUNITY_ID, self.peers.community_id());
        fields.set_some(field::NETWORK_DIRECTION, self.peers.direction(home));
        fields.set(field::NETWORK_PACKETS, self.packets());
        fields.set_some(field::NETWORK_PROTOCOL, self.application.map(Application::as_str));
        self.peers.set_kind(&mut fields);
        fields.set(field::SOURCE_BYTES, forward.bytes);
        fields.set(field::SOURCE_IP, self.peers.source);
        fields.set(field::SOURCE_PACKETS, forward.packets);
        fields.set_some(field::SOURCE_PORT, ports.map(|(source, _)| source));
        if self.peers.protocol == protocol::TCP {
            fields.set(field::VARDE_FLOW_STATE, self.state());
        }
        if let Some(origin) = &self.origin {
            origin.write(&mut fields);
        }
        Draft {
            timestamp: self.first,
            dataset: DATASET.into(),
            trusted: None,
            fields,
            position: self.position,
            // A packet begins at most one record of a flow; what else it says has the numbers after.
            ordinal: self.ordinal,
        }
    }

    /// The fields that everything said in the flow has, with `peers` as its ends.
    pub(super) fn fields(&self, peers: Peers, home: &[IpNet]) -> Fields {
        let mut fields = peers.fields(home);
        if let Some(origin) = &self.origin {
            origin.write(&mut fields);
        }
        fields
    }

    /// How the connection went, as [`field::VARDE_FLOW_STATE`] lists it.
    fn state(&self) -> &'static str {
        let tcp = self.tcp;
        let both = self.forward.packets != 0 && self.backward.packets != 0;
        if tcp.syn && !tcp.syn_ack && (tcp.rst || self.unreachable) {
            "rejected"
        } else if tcp.rst {
            "reset"
        } else if tcp.fin_forward && tcp.fin_backward {
            "closed"
        } else if both && (!tcp.syn || tcp.syn_ack) {
            // Also when the capture began in the middle of it.
            "established"
        } else if tcp.syn && !both {
            "attempted"
        } else {
            "other"
        }
    }
}

/// Whether the first packet of a flow that was seen is an answer.
fn is_answer(packet: &Packet<'_>) -> bool {
    let from_service = |ports: Ports| ports.source < 1024 && 1024 <= ports.destination;
    match packet.transport {
        Transport::Tcp { ports, flags, .. } => flags.syn && flags.ack || !flags.syn && from_service(ports),
        Transport::Udp { ports, .. } => from_service(ports),
        // Echo replies and their like: the type says it.
        Transport::Icmp { kind, .. } => match packet.protocol {
            protocol::ICMP => matches!(kind, 0 | 14 | 16 | 18),
            _ => matches!(kind, 129 | 136 | 140 | 145),
        },
        Transport::OnlyPorts { .. }
        | Transport::Carrier { .. }
        | Transport::LaterFragment
        | Transport::Opaque => false,
    }
}

impl Direction {
    /// The other way.
    pub(super) const fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Backward,
            Self::Backward => Self::Forward,
        }
    }
}

impl TcpProgress {
    const fn see(&mut self, flags: TcpFlags, direction: Direction) {
        self.syn |= flags.syn && !flags.ack;
        self.syn_ack |= flags.syn && flags.ack;
        self.rst |= flags.rst;
        match direction {
            Direction::Forward => self.fin_forward |= flags.fin,
            Direction::Backward => self.fin_backward |= flags.fin,
        }
    }

    /// Learns where each direction begins. A SYN counts as one byte (RFC 9293 section 3.4); of several SYNs with
    /// different numbers, which is how scanners hide, the one that is acknowledged counts.
    const fn start(&mut self, flags: TcpFlags, sequence: u32, acknowledgment: u32, direction: Direction) {
        if !flags.syn {
            return;
        }
        let (own, other) = match direction {
            Direction::Forward => (&mut self.start_forward, &mut self.start_backward),
            Direction::Backward => (&mut self.start_backward, &mut self.start_forward),
        };
        if flags.ack {
            *own = Some(sequence.wrapping_add(1));
            *other = Some(acknowledgment);
        } else if own.is_none() {
            *own = Some(sequence.wrapping_add(1));
        }
    }
}

/// Fields of most records of a flow, and of what is said in one, and the two that are added under pseudonym.
const ROOM: usize = 32;

impl Peers {
    /// The same two ends seen from the other side.
    pub(super) const fn swapped(self) -> Self {
        let ports = match self.ports {
            Some((source, destination)) => Some((destination, source)),
            None => None,
        };
        Self {
            source: self.destination,
            destination: self.source,
            protocol: self.protocol,
            ports,
        }
    }

    /// The ends as `direction` sees them: its sender is the source.
    pub(super) const fn sent(self, direction: Direction) -> Self {
        match direction {
            Direction::Forward => self,
            Direction::Backward => self.swapped(),
        }
    }

    /// Source and destination port; `None` for protocols without.
    pub(super) const fn ports(self) -> Option<(u16, u16)> {
        match self.protocol {
            protocol::ICMP | protocol::ICMP6 => None,
            _ => self.ports,
        }
    }

    /// Addresses, ports and what follows from them.
    fn fields(self, home: &[IpNet]) -> Fields {
        // In the order of their names, which is cheapest.
        let mut fields = Fields::with_room(ROOM);
        let ports = self.ports();
        fields.set(field::DESTINATION_IP, self.destination);
        fields.set_some(field::DESTINATION_PORT, ports.map(|(_, destination)| destination));
        fields.set(field::NETWORK_COMMUNITY_ID, self.community_id());
        fields.set_some(field::NETWORK_DIRECTION, self.direction(home));
        self.set_kind(&mut fields);
        fields.set(field::SOURCE_IP, self.source);
        fields.set_some(field::SOURCE_PORT, ports.map(|(source, _)| source));
        fields
    }

    fn community_id(self) -> String {
        community_id(self.source, self.destination, self.protocol, self.ports)
    }

    fn direction(self, home: &[IpNet]) -> Option<&'static str> {
        network_direction(self.source, self.destination, home)
    }

    /// What carries it.
    fn set_kind(self, fields: &mut Fields) {
        match transport_name(self.protocol) {
            Some(name) => fields.set(field::NETWORK_TRANSPORT, name),
            None => fields.set(field::NETWORK_TRANSPORT, self.protocol.to_string()),
        }
        let kind = if self.source.is_ipv4() { "ipv4" } else { "ipv6" };
        fields.set(field::NETWORK_TYPE, kind);
    }
}

const fn transport_name(number: u8) -> Option<&'static str> {
    Some(match number {
        protocol::ICMP => "icmp",
        protocol::ICMP6 => "ipv6-icmp",
        protocol::TCP => "tcp",
        protocol::UDP => "udp",
        protocol::SCTP => "sctp",
        _ => return None,
    })
}

/// Where a flow goes as seen from the home networks; nothing when none are configured. What is sent to a group or
/// to everybody on the wire stays where it was sent from.
fn network_direction(source: IpAddr, destination: IpAddr, home: &[IpNet]) -> Option<&'static str> {
    if home.is_empty() {
        return None;
    }
    let is_home = |address: IpAddr| home.iter().any(|network| network.contains(&address));
    let everybody = match destination {
        IpAddr::V4(address) => address.is_broadcast() || address.is_multicast(),
        IpAddr::V6(address) => address.is_multicast(),
    };
    let source_is_home = is_home(source);
    let destination_is_home = if everybody {
        source_is_home
    } else {
        is_home(destination)
    };
    Some(match (source_is_home, destination_is_home) {
        (true, true) => "internal",
        (true, false) => "outbound",
        (false, true) => "inbound",
        (false, false) => "external",
    })
}
