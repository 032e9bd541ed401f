//! NetFlow version 5: a header of 24 bytes and at most 30 records of 48, IPv4 only.
//!
//! Cisco, "NetFlow Export Datagram Format", tables B-3 and B-4.

use std::net::{IpAddr, Ipv4Addr};

use ingest_event::Timestamp;

use super::{
    CollectError, Collector, Origin, Protocol,
    cursor::Cursor,
    reading::Surroundings,
    record::{Began, Count, FlowRecord, Translated},
    sent,
};

const HEADER_BYTES: usize = 24;
const RECORD_BYTES: usize = 48;

/// The most that a datagram has. A header that says more is wrong, and the datagram's length counts.
const RECORDS_MAX: usize = 30;

/// The low bits of the header's last field are the sampling interval, the two high ones its kind.
const INTERVAL_BITS: u16 = 0x3fff;

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
    let header = Header::read(datagram).ok_or(cut)?;
    let exported = sent(header.secs, now);
    let origin = Origin {
        exporter,
        protocol: Protocol::Netflow5,
        domain: u32::from(header.engine),
        sequence: header.sequence,
        // A device without a clock has no fraction of it either.
        exported: if header.secs == 0 {
            exported
        } else {
            Timestamp::from_nanos(exported.as_nanos() + i64::from(header.nanos))
        },
    };
    let around = Surroundings {
        exported: origin.exported,
        uptime: Some(header.uptime),
        system_init: None,
    };
    let sampling = u32::from(header.sampling & INTERVAL_BITS).max(1);
    let fitting = datagram.len().saturating_sub(HEADER_BYTES) / RECORD_BYTES;
    let announced = if usize::from(header.count) <= RECORDS_MAX {
        usize::from(header.count)
    } else {
        fitting
    };
    if fitting < announced {
        return Err(CollectError::Cut {
            announced: HEADER_BYTES + announced * RECORD_BYTES,
            bytes: datagram.len(),
        });
    }
    let bodies = datagram.get(HEADER_BYTES..).unwrap_or_default();
    for (number, body) in bodies.chunks_exact(RECORD_BYTES).take(announced).enumerate() {
        let offset = HEADER_BYTES + number * RECORD_BYTES;
        if let Some(record) = record(body, offset as u32, sampling, &around) {
            collector.counts.flows += 1;
            flow(&origin, &record);
        }
    }
    collector.sequence(origin.key(), header.sequence, Some(announced as u32), now);
    Ok(())
}

struct Header {
    count: u16,
    uptime: u32,
    secs: u32,
    nanos: u32,
    sequence: u32,
    engine: u16,
    sampling: u16,
}

impl Header {
    fn read(datagram: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(datagram.get(2..)?);
        Some(Self {
            count: cursor.u16()?,
            uptime: cursor.u32()?,
            secs: cursor.u32()?,
            nanos: cursor.u32()?,
            sequence: cursor.u32()?,
            engine: cursor.u16()?,
            sampling: cursor.u16()?,
        })
    }
}

/// `None` only for a body of another length.
fn record(body: &[u8], offset: u32, sampling: u32, around: &Surroundings) -> Option<FlowRecord> {
    let mut cursor = Cursor::new(body);
    let (source, destination) = (cursor.array::<4>()?, cursor.array::<4>()?);
    cursor.take(4)?; // the next hop
    let (ingress, egress) = (cursor.u16()?, cursor.u16()?);
    let forward = Count {
        packets: u64::from(cursor.u32()?),
        bytes: u64::from(cursor.u32()?),
    };
    let (first, last) = (cursor.u32()?, cursor.u32()?);
    let ports = (cursor.u16()?, cursor.u16()?);
    cursor.u8()?; // padding
    let (tcp_flags, protocol) = (cursor.u8()?, cursor.u8()?);
    let time = |uptime| Timestamp::from_nanos(around.day(uptime).unwrap_or(around.exported.as_nanos()));
    let [kind, code] = ports.1.to_be_bytes();
    let end = time(last);
    let index = |index: u16| Some(u32::from(index)).filter(|index| *index != 0);
    Some(FlowRecord {
        offset,
        source: IpAddr::V4(Ipv4Addr::from(source)),
        destination: IpAddr::V4(Ipv4Addr::from(destination)),
        protocol,
        ports: has_ports(protocol).then_some(ports),
        // The destination port of ICMP is its type and code.
        icmp: (protocol == 1).then_some((kind, code)),
        forward,
        backward: None,
        tcp_flags: (protocol == 6).then_some(tcp_flags),
        tcp_flags_backward: None,
        began: Began::Unknown,
        start: time(first).min(end),
        end,
        sampling,
        ingress: index(ingress),
        egress: index(egress),
        vlan: None,
        translated: Translated::default(),
        firewall_event: None,
    })
}

/// Whether a protocol's header begins with two ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
pub(super) const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 33 | 132 | 136)
}
