//! Capture files: from bytes to packets. Reads pcap and pcapng of either byte order, in any chunks.
//!
//! It does not look into packets. pcap has one link type; in pcapng each interface of each section has its own,
//! with its own clock. Nothing is read ahead beyond the record at hand and one chunk, so memory does not grow
//! with the file.

use std::io;

use ingest_event::{QuarantineReason, Timestamp};
use pcap_parser::{Block, parse_block_be, parse_block_le, parse_pcap_header, traits::PcapNGPacketBlock};

use super::{CaptureError, link::LinkType, link::UnknownLinkType};
use crate::record::Refusal;

/// Bytes asked of the input at once: large enough that system calls do not show, small enough for the smallest sensor.
const CHUNK_BYTES: usize = 64 * 1024;
/// Longest packet record; what libpcap accepts (`MAXIMUM_SNAPLEN`). Anything longer is a damaged header.
const PACKET_BYTES_MAX: usize = 262_144;
/// Longest pcapng block: room for secrets and comments, and a bound on what a damaged length can make us hold.
const BLOCK_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Interfaces of one section: far more than a machine has; a bound on a hostile file.
const INTERFACES_MAX: usize = 65_536;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MARK: u32 = 0x1a2b_3c4d;
const NANOS_PER_SEC: i128 = 1_000_000_000;

/// Packets of one input, in order.
pub(super) struct PacketFile<R> {
    input: Bytes<R>,
    format: Format,
    packets: u64,
    bytes: u64,
    last: Option<Timestamp>,
    ended: bool,
}

/// What the next step through the file found.
pub(super) enum Found<'a> {
    /// A packet.
    Packet(Frame<'a>),
    /// Something that can't be read.
    Refused(Refusal),
    /// Nothing more.
    End,
}

/// One captured frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// From 1.
    pub number: u64,
    /// When it was captured.
    pub timestamp: Timestamp,
    /// What its bytes begin with.
    pub link: LinkType,
    /// What was captured.
    pub bytes: &'a [u8],
    /// Length on the wire; more than was captured when the capture had a snapshot length.
    pub wire_bytes: usize,
}

enum Format {
    Pcap(Pcap),
    PcapNg {
        big_endian: bool,
        interfaces: Vec<Interface>,
    },
}

#[derive(Clone, Copy)]
struct Pcap {
    big_endian: bool,
    nanos_per_tick: i64,
    header_bytes: usize,
    link: LinkType,
}

struct Interface {
    link: Result<LinkType, UnknownLinkType>,
    ticks_per_sec: u128,
    offset_secs: i64,
    snapshot_bytes: usize,
}

/// What a step found, without borrowing the buffer.
enum Step {
    Packet {
        at: usize,
        length: usize,
        wire_bytes: usize,
        timestamp: Timestamp,
        link: LinkType,
    },
    Refused(Refusal),
    /// Can't be read, and nothing after it can.
    Fatal(Refusal),
    Nothing,
    End,
}

impl<R: io::Read> PacketFile<R> {
    /// Reads the header.
    pub(super) fn new(input: R) -> Result<Self, CaptureError> {
        let mut input = Bytes {
            input,
            held: Vec::new(),
            start: 0,
        };
        let format = if input.fill(4)? && input.u32_at(0, false) == Some(SECTION_HEADER) {
            Format::PcapNg {
                big_endian: false,
                interfaces: Vec::new(),
            }
        } else {
            Format::Pcap(pcap_header(&mut input)?)
        };
        Ok(Self {
            input,
            format,
            packets: 0,
            bytes: 0,
            last: None,
            ended: false,
        })
    }

    /// Packets so far, refused ones included.
    pub(super) const fn packets(&self) -> u64 {
        self.packets
    }

    /// Captured bytes of packets so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next packet.
    pub(super) fn next(&mut self) -> Result<Found<'_>, CaptureError> {
        loop {
            if self.ended {
                return Ok(Found::End);
            }
            let step = match &self.format {
                Format::Pcap(pcap) => pcap_step(&mut self.input, *pcap, self.packets + 1),
                Format::PcapNg { .. } => self.block_step(),
            };
            // After an error of the input there is nothing more to read.
            self.ended |= step.is_err();
            match step? {
                Step::Packet {
                    at,
                    length,
                    wire_bytes,
                    timestamp,
                    link,
                } => {
                    self.packets += 1;
                    self.bytes += length as u64;
                    self.last = Some(timestamp);
                    let bytes = self.input.held.get(at..at + length).unwrap_or_default();
                    let wire_bytes = wire_bytes.max(length);
                    return Ok(Found::Packet(Frame {
                        number: self.packets,
                        timestamp,
                        link,
                        bytes,
                        wire_bytes,
                    }));
                }
                Step::Refused(refusal) => {
                    self.packets += 1;
                    return Ok(Found::Refused(refusal));
                }
                Step::Fatal(refusal) => {
                    self.packets += 1;
                    self.ended = true;
                    return Ok(Found::Refused(refusal));
                }
                Step::Nothing => {}
                Step::End => self.ended = true,
            }
        }
    }

    /// One pcapng block.
    fn block_step(&mut self) -> Result<Step, CaptureError> {
        let Format::PcapNg {
            big_endian,
            interfaces,
        } = &mut self.format
        else {
            return Ok(Step::End);
        };
        let number = self.packets + 1;
        let input = &mut self.input;
        if !input.fill(12)? {
            return Ok(input.truncated(12, number));
        }
        if input.u32_at(0, false) == Some(SECTION_HEADER) {
            *big_endian = input.u32_at(8, true) == Some(BYTE_ORDER_MARK);
            interfaces.clear();
        }
        let length = input.u32_at(4, *big_endian).unwrap_or(0) as usize;
        if !(12..=BLOCK_BYTES_MAX).contains(&length) {
            let detail = format!(
                "block before packet {number} claims {length} bytes (12 to {BLOCK_BYTES_MAX} are possible); \
                 the rest of the file can't be read"
            );
            return Ok(Step::Fatal(input.refusal(
                QuarantineReason::Malformed,
                detail,
                number,
                12,
            )));
        }
        if !input.fill(length)? {
            return Ok(input.truncated(length, number));
        }
        let at = input.start;
        let step = block(input, length, *big_endian, interfaces, number, self.last);
        self.input.start = at + length;
        Ok(step)
    }
}

/// Reads the file header of a pcap.
fn pcap_header<R: io::Read>(input: &mut Bytes<R>) -> Result<Pcap, CaptureError> {
    const HEADER_BYTES: usize = 24;
    let whole = input.fill(HEADER_BYTES)?;
    let head = input
        .held
        .get(..HEADER_BYTES.min(input.held.len()))
        .unwrap_or_default();
    if head.is_empty() {
        return Err(CaptureError::Empty);
    }
    let known = matches!(
        input.u32_at(0, false),
        Some(0xa1b2_c3d4 | 0xa1b2_3c4d | 0xa1b2_cd34 | 0xd4c3_b2a1 | 0x4d3c_b2a1)
    );
    if known && !whole {
        return Err(CaptureError::HeaderCut { bytes: head.len() });
    }
    let (_, header) = parse_pcap_header(head).map_err(|_| CaptureError::NotACapture {
        start: head.iter().take(8).copied().collect(),
    })?;
    // The upper bits hold the length of the frame check sequence.
    let link = LinkType::parse(header.network.0.cast_unsigned() & 0xffff)?;
    input.start = HEADER_BYTES;
    Ok(Pcap {
        big_endian: header.is_bigendian(),
        nanos_per_tick: if header.is_nanosecond_precision() {
            1
        } else {
            1_000
        },
        header_bytes: if header.is_modified_format() { 24 } else { 16 },
        link,
    })
}

/// One record of a pcap.
fn pcap_step<R: io::Read>(input: &mut Bytes<R>, pcap: Pcap, number: u64) -> Result<Step, CaptureError> {
    if !input.fill(pcap.header_bytes)? {
        return Ok(input.truncated(pcap.header_bytes, number));
    }
    let word = |index: usize| input.u32_at(index * 4, pcap.big_endian).unwrap_or(0);
    let (seconds, ticks, length, wire_bytes) = (word(0), word(1), word(2) as usize, word(3) as usize);
    if PACKET_BYTES_MAX < length {
        let detail = format!(
            "record of packet {number} claims {length} bytes (at most {PACKET_BYTES_MAX} are possible); \
             the rest of the file can't be read"
        );
        let refusal = input.refusal(QuarantineReason::Malformed, detail, number, pcap.header_bytes);
        return Ok(Step::Fatal(refusal));
    }
    if !input.fill(pcap.header_bytes + length)? {
        return Ok(input.truncated(pcap.header_bytes + length, number));
    }
    let at = input.start + pcap.header_bytes;
    input.start = at + length;
    let nanos = i64::from(seconds) * 1_000_000_000 + i64::from(ticks) * pcap.nanos_per_tick;
    let timestamp = Timestamp::from_nanos(nanos);
    Ok(Step::Packet {
        at,
        length,
        wire_bytes,
        timestamp,
        link: pcap.link,
    })
}

/// A whole pcapng block of `length` bytes at the start of what is held.
fn block<R>(
    input: &Bytes<R>,
    length: usize,
    big_endian: bool,
    interfaces: &mut Vec<Interface>,
    number: u64,
    last: Option<Timestamp>,
) -> Step {
    let bytes = input
        .held
        .get(input.start..input.start + length)
        .unwrap_or_default();
    let parsed = if big_endian {
        parse_block_be(bytes)
    } else {
        parse_block_le(bytes)
    };
    let refused = |reason, detail: String| Step::Refused(Refusal::new(reason, detail, number, bytes));
    let Ok((_, block)) = parsed else {
        let detail = format!("damaged pcapng block where packet {number} would be; it is left out");
        return refused(QuarantineReason::Malformed, detail);
    };
    let (interface, wire_bytes, data, ticks) = match &block {
        Block::InterfaceDescription(described) => {
            if interfaces.len() < INTERFACES_MAX {
                interfaces.push(Interface {
                    link: LinkType::parse(described.linktype.0.cast_unsigned() & 0xffff),
                    ticks_per_sec: ticks_per_sec(described.if_tsresol),
                    offset_secs: described.if_tsoffset,
                    snapshot_bytes: described.snaplen as usize,
                });
            }
            return Step::Nothing;
        }
        Block::EnhancedPacket(packet) => {
            let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
            (
                packet.if_id as usize,
                packet.origlen as usize,
                packet.packet_data(),
                Some(ticks),
            )
        }
        Block::SimplePacket(packet) => (0, packet.origlen as usize, packet.packet_data(), None),
        _ => return Step::Nothing,
    };
    let Some(interface) = interfaces.get(interface) else {
        let detail = format!("packet {number} names interface {interface}, which the file does not describe");
        return refused(QuarantineReason::Malformed, detail);
    };
    let link = match interface.link {
        Ok(link) => link,
        Err(unknown) => {
            return refused(
                QuarantineReason::UnknownFormat,
                format!("packet {number}: {unknown}"),
            );
        }
    };
    // A simple packet block has no time of its own: the packet before it is the best that is known.
    let Some(timestamp) = ticks.map_or(last, |ticks| Some(interface.time(ticks))) else {
        let detail = format!("packet {number} has no time, nor has any packet before it");
        return refused(QuarantineReason::NoTimestamp, detail);
    };
    let length = match (ticks, interface.snapshot_bytes) {
        (Some(_), _) | (None, 0) => data.len(),
        // A simple packet block does not say how much was captured; the snapshot length does.
        (None, snapshot_bytes) => data.len().min(snapshot_bytes),
    }
    .min(if ticks.is_none() { wire_bytes } else { usize::MAX });
    // Where packet bytes begin in an enhanced and in a simple packet block.
    let at = input.start + if ticks.is_some() { 28 } else { 12 };
    Step::Packet {
        at,
        length,
        wire_bytes,
        timestamp,
        link,
    }
}

/// `if_tsresol`: a negative power of ten, or of two with the top bit set (pcapng, section 4.2).
fn ticks_per_sec(resolution: u8) -> u128 {
    let exponent = u32::from(resolution & 0x7f);
    let base: u128 = if resolution & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(exponent).unwrap_or(u128::MAX)
}

impl Interface {
    fn time(&self, ticks: u64) -> Timestamp {
        let ticks = u128::from(ticks);
        let whole = i128::try_from(ticks / self.ticks_per_sec).unwrap_or(i128::MAX);
        // The fraction is below one second, and a u64 of ticks times 10⁹ fits in 128 bits.
        let fraction = (ticks % self.ticks_per_sec) * NANOS_PER_SEC.unsigned_abs() / self.ticks_per_sec;
        let nanos = (whole + i128::from(self.offset_secs)) * NANOS_PER_SEC
            + i128::try_from(fraction).unwrap_or_default();
        let bounded = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Timestamp::from_nanos(i64::try_from(bounded).unwrap_or_default())
    }
}

/// Input with what was read and not yet used: `held[start..]`.
struct Bytes<R> {
    input: R,
    held: Vec<u8>,
    start: usize,
}

impl<R: io::Read> Bytes<R> {
    /// Makes `need` bytes available; false if the input ends before.
    fn fill(&mut self, need: usize) -> Result<bool, CaptureError> {
        if need <= self.held.len().saturating_sub(self.start) {
            return Ok(true);
        }
        self.held.drain(..self.start.min(self.held.len()));
        self.start = 0;
        while self.held.len() < need {
            let before = self.held.len();
            self.held.resize(before + CHUNK_BYTES, 0);
            let read = self.input.read(self.held.get_mut(before..).unwrap_or_default());
            self.held
                .truncate(before + read.as_ref().map_or(0, |read| (*read).min(CHUNK_BYTES)));
            match read {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // How decompressors say that their input was cut: the same as a file that was cut.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(source) => return Err(CaptureError::Read { source }),
            }
        }
        Ok(true)
    }
}

impl<R> Bytes<R> {
    fn u32_at(&self, offset: usize, big_endian: bool) -> Option<u32> {
        let word = self.held.get(self.start + offset..)?.first_chunk()?;
        Some(if big_endian {
            u32::from_be_bytes(*word)
        } else {
            u32::from_le_bytes(*word)
        })
    }

    fn refusal(&self, reason: QuarantineReason, detail: String, number: u64, bytes: usize) -> Refusal {
        let rest = self.held.get(self.start..).unwrap_or_default();
        Refusal::new(reason, detail, number, rest.get(..bytes).unwrap_or(rest))
    }

    /// The input ended where `need` bytes were wanted: the end if nothing is left, else a cut record.
    fn truncated(&self, need: usize, number: u64) -> Step {
        let have = self.held.len().saturating_sub(self.start);
        if have == 0 {
            return Step::End;
        }
        let detail = format!(
            "the file ends inside packet {number}: {} of {need} bytes are missing; what came before was read",
            need.saturating_sub(have)
        );
        Step::Fatal(self.refusal(QuarantineReason::Truncated, detail, number, have))
    }
}
