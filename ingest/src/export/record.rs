//! A flow as an exporter told it: a fixed struct without a heap, so that decoding allocates nothing.
//!
//! Filled by [`super::reading`], [`super::netflow5`] and [`super::sflow`]; [`super::event`] makes an event of it.

use std::net::IpAddr;

use ingest_event::Timestamp;

/// One flow record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// Byte of its datagram at which the record begins: tells the records of a datagram apart, whether or not those
    /// before it could be read already.
    pub offset: u32,
    /// Sender of the forward direction.
    pub source: IpAddr,
    /// Its receiver.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Source and destination port, for protocols that have them.
    pub ports: Option<(u16, u16)>,
    /// Type and code of ICMP of either version.
    pub icmp: Option<(u8, u8)>,
    /// From source to destination, as the exporter counted; not multiplied by `sampling`.
    pub forward: Count,
    /// The other way, where the exporter tells both in one record (RFC 5103).
    pub backward: Option<Count>,
    /// All flags of TCP that were seen, from source to destination.
    pub tcp_flags: Option<u8>,
    /// The other way.
    pub tcp_flags_backward: Option<u8>,
    /// Who began, where the exporter says so.
    pub began: Began,
    /// First packet.
    pub start: Timestamp,
    /// Last packet.
    pub end: Timestamp,
    /// One packet in so many was looked at; 1 if all were.
    pub sampling: u32,
    /// SNMP index of the interface at which it came in.
    pub ingress: Option<u32>,
    /// And of that at which it went out.
    pub egress: Option<u32>,
    /// VLAN on the way in.
    pub vlan: Option<u16>,
    /// The ends after address translation, where a firewall tells them.
    pub translated: Translated,
    /// What a firewall did (`firewallEvent`, element 233).
    pub firewall_event: Option<u8>,
}

/// Which end of a flow sent the first packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Began {
    /// The exporter does not say.
    #[default]
    Unknown,
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// Packets and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes by the IP header, header included.
    pub bytes: u64,
}

/// Ends after address translation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// Source address.
    pub source: Option<IpAddr>,
    /// Destination address.
    pub destination: Option<IpAddr>,
    /// Source port.
    pub source_port: Option<u16>,
    /// Destination port.
    pub destination_port: Option<u16>,
}
