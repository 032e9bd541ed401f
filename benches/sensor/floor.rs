//! The least that a sensor must do: read the file, find the headers, keep a table of flows, and look at the first payload of
//! each for a name. No reassembly, no defragmentation, nothing written: what a core can do at most.

use std::collections::HashMap;
use std::fs::File;
use std::net::IpAddr;
use std::path::Path;

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::{PcapBlockOwned, PcapError, create_reader};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Ends {
    low: (IpAddr, u16),
    high: (IpAddr, u16),
    protocol: u8,
}

#[derive(Default)]
struct Flow {
    packets: u64,
    bytes: u64,
    first: u64,
    last: u64,
    heard: bool,
}

/// What was found: packets with ports, flows and names.
#[derive(Debug, Default)]
pub struct Found {
    /// Packets with ports.
    pub packets: u64,
    /// Flows, both ways as one.
    pub flows: u64,
    /// Names asked for, greeted or called.
    pub names: u64,
}

/// Reads a capture.
///
/// # Errors
/// If it can't be read.
pub fn run(path: &Path) -> anyhow::Result<Found> {
    let mut reader = create_reader(1 << 20, File::open(path)?).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut flows: HashMap<Ends, Flow, rustc_hash::FxBuildHasher> = HashMap::default();
    let mut found = Found::default();
    loop {
        match reader.next() {
            Ok((used, block)) => {
                if let PcapBlockOwned::Legacy(packet) = block {
                    let at = u64::from(packet.ts_sec) * 1_000_000 + u64::from(packet.ts_usec);
                    count(packet.data, at, &mut flows, &mut found);
                }
                reader.consume(used);
            }
            Err(PcapError::Incomplete(_)) => reader.refill().map_err(|error| anyhow::anyhow!("{error}"))?,
            Err(PcapError::Eof) => break,
            Err(error) => anyhow::bail!("{error}"),
        }
    }
    found.flows = flows.len() as u64;
    std::hint::black_box(&flows);
    Ok(found)
}

fn count(
    frame: &[u8],
    at: u64,
    flows: &mut HashMap<Ends, Flow, rustc_hash::FxBuildHasher>,
    found: &mut Found,
) {
    let Ok(sliced) = LaxSlicedPacket::from_ethernet(frame) else {
        return;
    };
    let (source, destination): (IpAddr, IpAddr) = match &sliced.net {
        Some(LaxNetSlice::Ipv4(ip)) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        Some(LaxNetSlice::Ipv6(ip)) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        _ => return,
    };
    let (ports, protocol, payload) = match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => ((tcp.source_port(), tcp.destination_port()), 6, tcp.payload()),
        Some(TransportSlice::Udp(udp)) => ((udp.source_port(), udp.destination_port()), 17, udp.payload()),
        _ => return,
    };
    found.packets += 1;
    let (from, to) = ((source, ports.0), (destination, ports.1));
    let ends = Ends {
        low: from.min(to),
        high: from.max(to),
        protocol,
    };
    let flow = flows.entry(ends).or_default();
    if flow.packets == 0 {
        flow.first = at;
    }
    flow.packets += 1;
    flow.bytes += frame.len() as u64;
    flow.last = at;
    if !flow.heard && !payload.is_empty() {
        flow.heard = true;
        let name = if protocol == 17 && (ports.0 == 53 || ports.1 == 53) {
            question(payload)
        } else if payload.starts_with(&[0x16, 3]) {
            server_name(payload)
        } else {
            host(payload)
        };
        found.names += u64::from(name.is_some_and(|name| std::hint::black_box(name) != 0));
    }
}

/// The length of a DNS question's name.
fn question(message: &[u8]) -> Option<usize> {
    let mut at = 12;
    while let Some(&length) = message.get(at) {
        if length == 0 || length >= 0xc0 {
            return Some(at - 12);
        }
        at += 1 + usize::from(length);
    }
    None
}

/// The length of the server's name in a ClientHello (RFC 6066 section 3).
fn server_name(record: &[u8]) -> Option<usize> {
    let u16_at = |at: usize| {
        Some(usize::from(u16::from_be_bytes([
            *record.get(at)?,
            *record.get(at + 1)?,
        ])))
    };
    let mut at = 43;
    at += 1 + usize::from(*record.get(at)?);
    at += 2 + u16_at(at)?;
    at += 1 + usize::from(*record.get(at)?);
    let end = at + 2 + u16_at(at)?;
    at += 2;
    while at + 4 <= end {
        let (kind, length) = (u16_at(at)?, u16_at(at + 2)?);
        if kind == 0 {
            return Some(length);
        }
        at += 4 + length;
    }
    None
}

/// The length of a request's `Host`.
fn host(payload: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(payload).ok()?;
    request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("host"))
        .map(|header| header.value.len())
}
