//! The UDP payloads of a capture, in order.

use std::net::IpAddr;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_parser::{LegacyPcapSlice, PcapBlockOwned, PcapNGSlice, pcapng::Block};

/// Sender, destination port and payload.
pub(crate) fn datagrams(capture: &[u8]) -> Vec<(IpAddr, u16, &[u8])> {
    let blocks: Vec<PcapBlockOwned<'_>> = match LegacyPcapSlice::from_slice(capture) {
        Ok(blocks) => blocks.map_while(Result::ok).collect(),
        Err(_) => PcapNGSlice::from_slice(capture)
            .expect("a capture")
            .map_while(Result::ok)
            .collect(),
    };
    let mut link = 1;
    let mut found = Vec::new();
    for block in blocks {
        let frame = match block {
            PcapBlockOwned::LegacyHeader(header) => {
                link = header.network.0;
                continue;
            }
            PcapBlockOwned::Legacy(block) => block.data,
            PcapBlockOwned::NG(Block::EnhancedPacket(block)) => block.data,
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                link = interface.linktype.0;
                continue;
            }
            PcapBlockOwned::NG(_) => continue,
        };
        let sliced = match link {
            1 => SlicedPacket::from_ethernet(frame),
            113 => SlicedPacket::from_linux_sll(frame),
            276 => SlicedPacket::from_ip(frame.get(20..).unwrap_or_default()),
            101 => SlicedPacket::from_ip(frame),
            other => panic!("link type {other}"),
        };
        let Ok(packet) = sliced else { continue };
        let from = match &packet.net {
            Some(NetSlice::Ipv4(v4)) => IpAddr::V4(v4.header().source_addr()),
            Some(NetSlice::Ipv6(v6)) => IpAddr::V6(v6.header().source_addr()),
            _ => continue,
        };
        if let Some(TransportSlice::Udp(udp)) = &packet.transport {
            let (port, payload) = (udp.destination_port(), udp.payload());
            // What the capture holds lives as long as the capture.
            let start = payload.as_ptr() as usize - capture.as_ptr() as usize;
            found.push((from, port, &capture[start..start + payload.len()]));
        }
    }
    found
}
