//! What of captures and logs each target reads.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use ingest::source::{Format, recognize};
use ingest_fuzz::conversation::{Transport, written};
use ingest_fuzz::{Reader, Target};
use pcap_parser::traits::PcapNGPacketBlock as _;
use pcap_parser::{Block, LegacyPcapSlice, PcapBlockOwned, PcapNGSlice};

/// Larger files are no good seeds.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Seeds for each target: enough to begin with.
const SEEDS_MAX: usize = 600;

/// Bytes of a seed; of a Windows event log, a chunk.
const SEED_BYTES_MAX: usize = 4 << 10;
const EVTX_HEADER_BYTES: usize = 4096;
const EVTX_CHUNK_BYTES: usize = 65_536;

/// Ports on which exporters send flows.
const EXPORT_PORTS: [u16; 6] = [2055, 4432, 4739, 6343, 9995, 9996];

/// Two machines, the one that spoke first, and what they said.
type Conversations = BTreeMap<(IpAddr, u16, IpAddr, u16, bool), Vec<(u8, Vec<u8>)>>;

type Found = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// Adds what is under a folder.
pub(crate) fn add(folder: &Path, found: &mut Found) {
    let mut files = Vec::new();
    walk(folder, &mut files);
    files.sort();
    for path in files {
        let Ok(bytes) = fs::read(&path) else { continue };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("pcap" | "pcapng" | "cap" | "trace") => {
                put(found, |target| target.reader == Reader::Capture, &bytes);
                conversations(&bytes, found);
            }
            Some("evtx") => {
                let chunks = bytes.get(EVTX_HEADER_BYTES..).unwrap_or_default();
                if let Some(chunk) = chunks.get(..EVTX_CHUNK_BYTES) {
                    let seeds = found.entry("evtx").or_default();
                    if seeds.len() < SEEDS_MAX / 10 {
                        seeds.push(chunk.to_vec());
                    }
                }
            }
            _ => log(&bytes, found),
        }
    }
}

fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, out);
        } else if entry
            .metadata()
            .is_ok_and(|metadata| metadata.len() <= FILE_BYTES_MAX)
        {
            out.push(path);
        }
    }
}

fn put(found: &mut Found, is_meant: impl Fn(&Target) -> bool, bytes: &[u8]) {
    let bytes = bytes.get(..SEED_BYTES_MAX).unwrap_or(bytes);
    for target in Target::ALL.iter().filter(|target| is_meant(target)) {
        let seeds = found.entry(target.name).or_default();
        if seeds.len() < SEEDS_MAX && !bytes.is_empty() {
            seeds.push(bytes.to_vec());
        }
    }
}

fn log(bytes: &[u8], found: &mut Found) {
    let head = bytes.get(..SEED_BYTES_MAX).unwrap_or(bytes);
    let Ok(format) = recognize(head) else { return };
    put(found, |target| target.reader == Reader::Lines(format), bytes);
    if format == Format::Syslog {
        put(found, |target| target.reader == Reader::Stream, bytes);
    }
    put(found, |target| target.reader == Reader::File, head);
}

fn conversations(bytes: &[u8], found: &mut Found) {
    let mut conversations = Conversations::new();
    frames(bytes, |frame| take(frame, &mut conversations));
    for ((_, from, _, to, is_tcp), said) in conversations {
        let bytes = written(&said);
        let is_there = |port: u16| from == port || to == port;
        let is_meant = |target: &Target| match target.reader {
            Reader::Conversation(Transport::Tcp(9_999)) => is_tcp,
            Reader::Conversation(Transport::Tcp(port)) => is_tcp && is_there(port),
            Reader::Conversation(Transport::Udp(port)) => !is_tcp && is_there(port),
            Reader::Flows => !is_tcp && EXPORT_PORTS.into_iter().any(is_there),
            _ => false,
        };
        put(found, is_meant, &bytes);
    }
}

fn frames(bytes: &[u8], mut take: impl FnMut(&[u8])) {
    let mut each = |block: PcapBlockOwned<'_>| match block {
        PcapBlockOwned::Legacy(packet) => take(packet.data),
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => take(packet.packet_data()),
        _ => {}
    };
    if let Ok(blocks) = LegacyPcapSlice::from_slice(bytes) {
        blocks.map_while(Result::ok).for_each(&mut each);
    } else if let Ok(blocks) = PcapNGSlice::from_slice(bytes) {
        blocks.map_while(Result::ok).for_each(&mut each);
    }
}

fn take(frame: &[u8], conversations: &mut Conversations) {
    let Ok(packet) = SlicedPacket::from_ethernet(frame) else {
        return;
    };
    let (from, to): (IpAddr, IpAddr) = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        Some(NetSlice::Ipv6(ip)) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        _ => return,
    };
    let (source, destination, payload, is_tcp) = match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => (tcp.source_port(), tcp.destination_port(), tcp.payload(), true),
        Some(TransportSlice::Udp(udp)) => (udp.source_port(), udp.destination_port(), udp.payload(), false),
        _ => return,
    };
    if payload.is_empty() {
        return;
    }
    let back = (to, destination, from, source, is_tcp);
    if let Some(said) = conversations.get_mut(&back) {
        said.push((1, payload.to_vec()));
        return;
    }
    let said = conversations
        .entry((from, source, to, destination, is_tcp))
        .or_default();
    said.push((0, payload.to_vec()));
}
