//! The traffic that sensors are measured on, as capture files: mixed, of an office, and dense.
//!
//! *Mixed* are all captures at hand, interleaved by the time since each began, several times over with other addresses.
//! *Office* are the ones that a normal day has most bytes of, repeated. *Dense* is drawn from a seed: two packets a flow, half
//! of them DNS, half of them a scan's. Files lie under `.varde/bench` beside the project, which git does not see, and are
//! made once.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

/// Frames of Ethernet, as files of captures call it.
const ETHERNET: u32 = 1;

/// How often the captures are in the mixed one, each time with other addresses.
const MIX_TIMES: u32 = 6;

/// How often those of the office are repeated.
const OFFICE_TIMES: u32 = 16;

/// Captures of an office are those with at least so many bytes a packet: transfers, not probes.
const OFFICE_BYTES_A_PACKET: usize = 500;

/// Flows of the dense one.
pub const DENSE_FLOWS: u32 = 700_000;

/// The snapshot length of what is written.
const SNAPLEN: u32 = 262_144;

/// A capture file with what is in it.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// `mix`, `office` or `dense`.
    pub name: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// Its packets.
    pub packets: u64,
}

/// A frame with its time, in microseconds.
struct Timed {
    at: u64,
    bytes: Vec<u8>,
}

/// Makes the three, from the captures in memory.
///
/// # Errors
/// If a file can't be written.
pub fn make(captures: &[Vec<u8>], folder: &Path) -> anyhow::Result<[Traffic; 3]> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let read: Vec<Vec<Timed>> = captures.iter().map(|capture| frames(capture)).collect();
    let heavy = |frames: &&Vec<Timed>| {
        let bytes: usize = frames.iter().map(|frame| frame.bytes.len()).sum();
        100 <= frames.len() && OFFICE_BYTES_A_PACKET * frames.len() <= bytes
    };
    let office: Vec<&Vec<Timed>> = read.iter().filter(heavy).collect();
    Ok([
        write(
            folder,
            "mix",
            repeated(&read.iter().collect::<Vec<_>>(), MIX_TIMES),
        )?,
        write(folder, "office", repeated(&office, OFFICE_TIMES))?,
        write(folder, "dense", dense())?,
    ])
}

/// Frames of Ethernet of one capture, from the first one's time; as far as it can be read.
fn frames(capture: &[u8]) -> Vec<Timed> {
    let mut frames = Vec::new();
    let Ok(mut reader) = create_reader(1 << 20, capture) else {
        return frames;
    };
    let (mut link, mut nanos) = (Vec::new(), false);
    loop {
        match reader.next() {
            Ok((used, block)) => {
                match block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        link.push((header.network.0.unsigned_abs(), 1_000_000, 0));
                        nanos = header.is_nanosecond_precision();
                    }
                    PcapBlockOwned::Legacy(packet) => {
                        let fraction = if nanos {
                            packet.ts_usec / 1_000
                        } else {
                            packet.ts_usec
                        };
                        let at = u64::from(packet.ts_sec) * 1_000_000 + u64::from(fraction);
                        if link.first().is_some_and(|link| link.0 == ETHERNET) {
                            frames.push(Timed {
                                at,
                                bytes: packet.data.to_vec(),
                            });
                        }
                    }
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                        let units = interface.ts_resolution().unwrap_or(1_000_000);
                        let kind = interface.linktype.0.unsigned_abs();
                        link.push((kind, units, interface.ts_offset()));
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        let interface = link.get(packet.if_id as usize);
                        if let Some(&(ETHERNET, units, offset)) = interface {
                            let at = packet.decode_ts_f64(offset.unsigned_abs(), units);
                            let bytes = packet.data.get(..packet.caplen as usize).unwrap_or_default();
                            frames.push(Timed {
                                at: (at * 1e6) as u64,
                                bytes: bytes.to_vec(),
                            });
                        }
                    }
                    PcapBlockOwned::NG(_) => {}
                }
                reader.consume(used);
            }
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    let start = frames.iter().map(|frame| frame.at).min().unwrap_or(0);
    for frame in &mut frames {
        frame.at -= start;
    }
    frames
}

/// All captures so many times, in order of time. A capture that lasts longer than a minute is pressed into one, or the
/// few long ones would come alone at the end.
fn repeated(captures: &[&Vec<Timed>], times: u32) -> Vec<Timed> {
    const SPAN: u64 = 60_000_000;
    let mut all = Vec::new();
    for time in 0..times {
        for frames in captures {
            let last = frames.iter().map(|frame| frame.at).max().unwrap_or(0);
            for frame in *frames {
                let at = if SPAN < last {
                    (u128::from(frame.at) * u128::from(SPAN) / u128::from(last)) as u64
                } else {
                    frame.at
                };
                let mut bytes = frame.bytes.clone();
                readdress(&mut bytes, time);
                all.push(Timed {
                    at: u64::from(time) * 10_000_000 + at,
                    bytes,
                });
            }
        }
    }
    all.sort_by_key(|frame| frame.at);
    all
}

/// Gives both ends of an IPv4 packet another third byte, the same for the same number, and mends the checksums by what
/// changed (RFC 1624). Fragments and cut packets keep the sums that they had.
fn readdress(frame: &mut [u8], time: u32) {
    let by = [0_u8, 0x15, 0x2a, 0x3f, 0x54, 0x69, 0x7e, 0x93, 0xa8]
        .get(time as usize % 9)
        .copied()
        .unwrap_or(0);
    let Some(start) = frame.get(12..14).and_then(|kind| match kind {
        [0x08, 0x00] => Some(14),
        [0x81, 0x00] => Some(18),
        _ => None,
    }) else {
        return;
    };
    let Some(packet) = frame.get_mut(start..) else {
        return;
    };
    let head = match packet.first() {
        Some(byte) if byte >> 4 == 4 => usize::from(byte & 15) * 4,
        _ => return,
    };
    if by == 0 || packet.len() < head.max(20) {
        return;
    }
    let protocol = packet.get(9).copied().unwrap_or(0);
    let sum_at = match protocol {
        6 => Some(head + 16),
        17 => Some(head + 6),
        _ => None,
    };
    for at in [14, 18] {
        let Some(byte) = packet.get_mut(at) else { return };
        let (before, after) = (*byte, *byte ^ by);
        *byte = after;
        let (before, after) = (u16::from(before) << 8, u16::from(after) << 8);
        for sum_at in [Some(10), sum_at].into_iter().flatten() {
            let Some([high, low]) = packet.get_mut(sum_at..sum_at + 2) else {
                continue;
            };
            let sum = u16::from_be_bytes([*high, *low]);
            if sum == 0 && protocol == 17 {
                continue;
            }
            let mut next = u32::from(!sum) + u32::from(!before) + u32::from(after);
            while 0xffff < next {
                next = (next & 0xffff) + (next >> 16);
            }
            let [to_high, to_low] = (!(next as u16)).to_be_bytes();
            (*high, *low) = (to_high, to_low);
        }
    }
}

/// Two packets a flow, flow after flow.
fn dense() -> Vec<Timed> {
    let mut frames = Vec::with_capacity(2 * DENSE_FLOWS as usize);
    for flow in 0..DENSE_FLOWS {
        let at = u64::from(flow) * 100;
        let host = flow.wrapping_mul(2_654_435_761);
        let client = [10, 20, (host >> 8) as u8, host as u8];
        let port = 1_024 + (flow % 60_000) as u16;
        let (there, back) = if flow % 2 == 0 {
            let server = [192, 0, 2, (flow >> 8) as u8];
            let name = format!("host{flow}.example.no");
            let query = dns(flow as u16, &name, None);
            let answer = dns(flow as u16, &name, Some([198, 51, 100, flow as u8]));
            (
                datagram(client, server, port, 53, &query),
                datagram(server, client, 53, port, &answer),
            )
        } else {
            let server = [198, 18, (flow >> 8) as u8, flow as u8];
            let to = (flow >> 4) as u16;
            (
                segment(client, server, port, to, 2),
                segment(server, client, to, port, 0x14),
            )
        };
        frames.push(Timed { at, bytes: there });
        frames.push(Timed {
            at: at + 40,
            bytes: back,
        });
    }
    frames
}

fn dns(id: u16, name: &str, answer: Option<[u8; 4]>) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend(if answer.is_some() { [0x81, 0x80] } else { [1, 0] });
    message.extend([0, 1, 0, u8::from(answer.is_some()), 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    if let Some(address) = answer {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        message.extend(address);
    }
    message
}

fn datagram(from: [u8; 4], to: [u8; 4], from_port: u16, to_port: u16, payload: &[u8]) -> Vec<u8> {
    let mut transport = Vec::with_capacity(8 + payload.len());
    transport.extend(from_port.to_be_bytes());
    transport.extend(to_port.to_be_bytes());
    transport.extend((8 + payload.len() as u16).to_be_bytes());
    // No checksum: allowed in IPv4 (RFC 768).
    transport.extend([0, 0]);
    transport.extend(payload);
    packet(from, to, 17, &transport)
}

fn segment(from: [u8; 4], to: [u8; 4], from_port: u16, to_port: u16, flags: u8) -> Vec<u8> {
    let mut transport = Vec::with_capacity(20);
    transport.extend(from_port.to_be_bytes());
    transport.extend(to_port.to_be_bytes());
    transport.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    let mut pseudo = [&from[..], &to[..], &[0, 6, 0, 20]].concat();
    pseudo.extend(&transport);
    let sum = checksum(&pseudo).to_be_bytes();
    transport.splice(16..18, sum);
    packet(from, to, 6, &transport)
}

fn packet(from: [u8; 4], to: [u8; 4], protocol: u8, transport: &[u8]) -> Vec<u8> {
    let length = (20 + transport.len() as u16).to_be_bytes();
    let mut head = vec![0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
    head.extend(from);
    head.extend(to);
    let sum = checksum(&head).to_be_bytes();
    head.splice(10..12, sum);
    let ethernet = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    [&ethernet[..], &head, transport].concat()
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
            [high] => u32::from(*high) << 8,
            _ => 0,
        })
        .sum();
    while 0xffff < sum {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn write(folder: &Path, name: &'static str, frames: Vec<Timed>) -> anyhow::Result<Traffic> {
    // 2026-03-02T08:00:00Z: captures of today, for whoever doubts old ones.
    const START: u64 = 1_772_438_400;
    let path = folder.join(format!("{name}.pcap"));
    let mut out = BufWriter::new(File::create(&path).with_context(|| format!("make {}", path.display()))?);
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, SNAPLEN, ETHERNET] {
        out.write_all(&u32::to_le_bytes(word))?;
    }
    let packets = frames.len() as u64;
    for frame in frames {
        let length = frame.bytes.len() as u32;
        for word in [
            (START + frame.at / 1_000_000) as u32,
            (frame.at % 1_000_000) as u32,
            length,
            length,
        ] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&frame.bytes)?;
    }
    out.flush()?;
    Ok(Traffic { name, path, packets })
}
