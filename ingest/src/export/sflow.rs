//! sFlow version 5: samples of packets, each told as a flow of one packet; samples of counters are counted only.
//!
//! "sFlow Version 5", sflow.org, section 5.3 (the datagram format in XDR). Every structure stands behind its length, so
//! what is not known is passed over. A datagram has no time of the day: its flows are of the moment at which it came.

use std::net::IpAddr;

use ingest_event::Timestamp;

use super::{
    CollectError, Collector, Origin, Protocol,
    cursor::Cursor,
    netflow5::has_ports,
    record::{Began, Count, FlowRecord, Translated},
};
use crate::capture::{Sampled, sampled};

/// Formats of samples of enterprise 0 (section 5.2, `sample_data`).
const FLOW_SAMPLE: u32 = 1;
const FLOW_SAMPLE_EXPANDED: u32 = 3;

/// Formats of what a flow sample holds.
const SAMPLED_HEADER: u32 = 1;
const SAMPLED_IPV4: u32 = 3;
const SAMPLED_IPV6: u32 = 4;
const EXTENDED_SWITCH: u32 = 1001;

/// The high bits of an interface say what its low ones mean; 0 is an index.
const INDEX_BITS: u32 = 30;

pub(super) fn collect(
    collector: &mut Collector,
    exporter: IpAddr,
    datagram: &[u8],
    now: Timestamp,
    flow: &mut impl FnMut(&Origin, &FlowRecord),
) -> Result<(), CollectError> {
    let cut = CollectError::HeaderCut {
        bytes: datagram.len(),
    };
    let mut cursor = Cursor::new(datagram);
    let (origin, samples) = header(&mut cursor, exporter, now).ok_or(cut)?;
    let mut sampled = Vec::new();
    for _ in 0..samples {
        let at = datagram.len() - cursor.left();
        let sample = opaque(&mut cursor).ok_or(CollectError::Sample { at })?;
        sampled.push((at, sample));
    }
    collector.sequence(origin.key(), origin.sequence, Some(1), now);
    let mut error = None;
    for (at, (format, body)) in sampled {
        let read = match format {
            FLOW_SAMPLE => flow_sample(body, Interfaces::Short),
            FLOW_SAMPLE_EXPANDED => flow_sample(body, Interfaces::Expanded),
            // Counters, discarded packets, and samples of other enterprises.
            _ => Ok(None),
        };
        match read {
            Ok(Some(mut record)) => {
                record.offset = at as u32;
                (record.start, record.end) = (origin.exported, origin.exported);
                collector.counts.flows += 1;
                flow(&origin, &record);
            }
            Ok(None) => collector.counts.others += 1,
            Err(Cut) => error = error.or(Some(CollectError::Sample { at })),
        }
    }
    error.map_or(Ok(()), Err)
}

/// A length leads out of a sample.
struct Cut;

/// Whether interfaces are one number or two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interfaces {
    Short,
    Expanded,
}

fn header(cursor: &mut Cursor<'_>, exporter: IpAddr, now: Timestamp) -> Option<(Origin, u32)> {
    cursor.u32()?; // the version
    let agent = match cursor.u32()? {
        1 => IpAddr::from(cursor.array::<4>()?),
        2 => IpAddr::from(cursor.array::<16>()?),
        // An agent that does not know its address.
        _ => exporter,
    };
    let (domain, sequence) = (cursor.u32()?, cursor.u32()?);
    cursor.u32()?; // uptime, which nothing refers to
    let origin = Origin {
        exporter: if agent.is_unspecified() { exporter } else { agent },
        protocol: Protocol::Sflow,
        domain,
        sequence,
        exported: now,
    };
    Some((origin, cursor.u32()?))
}

/// A format and the bytes behind their length, padded to four. A last one without its padding is taken.
fn opaque<'a>(cursor: &mut Cursor<'a>) -> Option<(u32, &'a [u8])> {
    let format = cursor.u32()?;
    Some((format, bytes(cursor)?))
}

fn bytes<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = usize::try_from(cursor.u32()?).ok()?;
    let taken = cursor.take(length)?;
    let padding = length.next_multiple_of(4) - length;
    cursor.take(padding.min(cursor.left()))?;
    Some(taken)
}

fn flow_sample(body: &[u8], interfaces: Interfaces) -> Result<Option<FlowRecord>, Cut> {
    let mut cursor = Cursor::new(body);
    let sample = SampleHeader::read(&mut cursor, interfaces).ok_or(Cut)?;
    let (mut found, mut vlan) = (None, None);
    for _ in 0..sample.records {
        let (format, body) = opaque(&mut cursor).ok_or(Cut)?;
        match format {
            SAMPLED_HEADER => found = packet_header(body).ok_or(Cut)?.or(found),
            SAMPLED_IPV4 => found = found.or(Some(packet_fields::<4>(body).ok_or(Cut)?)),
            SAMPLED_IPV6 => found = found.or(Some(packet_fields::<16>(body).ok_or(Cut)?)),
            EXTENDED_SWITCH => vlan = Cursor::new(body).u32().and_then(|vlan| u16::try_from(vlan).ok()),
            _ => {}
        }
    }
    Ok(found.map(|packet| FlowRecord {
        offset: 0,
        source: packet.source,
        destination: packet.destination,
        protocol: packet.protocol,
        ports: packet.ports,
        icmp: packet.icmp,
        forward: Count {
            packets: 1,
            bytes: packet.bytes,
        },
        backward: None,
        tcp_flags: packet.tcp_flags,
        tcp_flags_backward: None,
        began: Began::Unknown,
        start: Timestamp::EPOCH,
        end: Timestamp::EPOCH,
        sampling: sample.rate.max(1),
        ingress: sample.ingress,
        egress: sample.egress,
        vlan: vlan.filter(|vlan| *vlan != 0).or(packet.vlan),
        translated: Translated::default(),
        firewall_event: None,
    }))
}

struct SampleHeader {
    rate: u32,
    ingress: Option<u32>,
    egress: Option<u32>,
    records: u32,
}

impl SampleHeader {
    fn read(cursor: &mut Cursor<'_>, interfaces: Interfaces) -> Option<Self> {
        let is_expanded = interfaces == Interfaces::Expanded;
        // Its number and source; expanded, the source is a kind and an index.
        cursor.take(if is_expanded { 12 } else { 8 })?;
        let rate = cursor.u32()?;
        cursor.take(8)?; // the pool and what was dropped
        let mut interface = || {
            let (format, value) = if is_expanded {
                (cursor.u32()?, cursor.u32()?)
            } else {
                let both = cursor.u32()?;
                (both >> INDEX_BITS, both)
            };
            Some(Some(value).filter(|value| format == 0 && *value != 0))
        };
        let (ingress, egress) = (interface()?, interface()?);
        Some(Self {
            rate,
            ingress,
            egress,
            records: cursor.u32()?,
        })
    }
}

/// The start of a frame (`sampled_header`). `None` if it leads out of the record, `Some(None)` if it carries no IP.
fn packet_header(body: &[u8]) -> Option<Option<Sampled>> {
    let mut cursor = Cursor::new(body);
    let protocol = cursor.u32()?;
    let frame_bytes = usize::try_from(cursor.u32()?).ok()?;
    cursor.u32()?; // what was stripped off its end
    let header = bytes(&mut cursor)?;
    // `header_protocol`, as link types of captures.
    let link = match protocol {
        1 => 1,
        7 => 9,
        11 | 12 => 101,
        _ => return Some(None),
    };
    Some(sampled(link, header, frame_bytes))
}

/// The fields of a packet (`sampled_ipv4` and `sampled_ipv6`).
fn packet_fields<const BYTES: usize>(body: &[u8]) -> Option<Sampled>
where
    IpAddr: From<[u8; BYTES]>,
{
    let mut cursor = Cursor::new(body);
    let bytes = u64::from(cursor.u32()?);
    let protocol = cursor.u32()? as u8;
    let (source, destination) = (cursor.array::<BYTES>()?, cursor.array::<BYTES>()?);
    let ports = (cursor.u32()? as u16, cursor.u32()? as u16);
    let tcp_flags = cursor.u32()? as u8;
    Some(Sampled {
        source: IpAddr::from(source),
        destination: IpAddr::from(destination),
        protocol,
        ports: has_ports(protocol).then_some(ports),
        icmp: None,
        tcp_flags: (protocol == 6).then_some(tcp_flags),
        vlan: None,
        bytes,
    })
}
