//! Bytes to a conversation of two machines, and that to the frames of a capture.
//!
//! A message is a byte that says how it comes ([`Message`]), two bytes of length (big endian), and so many bytes; what is cut,
//! ends.

use etherparse::PacketBuilder;

/// Bytes of one segment: larger messages are several.
const SEGMENT_BYTES: usize = 1_400;

/// Header of a classic pcap file of Ethernet frames (draft-ietf-opsawg-pcap section 4), in microseconds.
const HEADER: [u8; 24] = [
    0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
];

/// When the first packet comes, in seconds since 1970.
const BEGINNING: u32 = 1_772_438_400;

/// Seconds before a message: none, some, more than a flow that is no TCP is silent, more than one that is.
const PAUSES: [u32; 4] = [0, 1, 70, 700];

/// Where two machines speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// To this port.
    Tcp(u16),
    /// To this port.
    Udp(u16),
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The byte that says the rest.
    pub kind: u8,
    /// Whether the one that was called says it: bit 0.
    pub is_answer: bool,
    /// Whether a segment before it never came: bit 1.
    pub is_behind_loss: bool,
    /// Whether it comes in the place of what its sender said last: bit 2.
    pub is_again: bool,
    /// TCP's flags FIN and RST: bits 3 and 4.
    pub ends: [bool; 2],
    /// Seconds before it: bits 6 and 7.
    pub pause: u32,
    /// What is said.
    pub bytes: &'a [u8],
}

/// The messages that bytes stand for.
#[must_use]
pub fn messages(mut bytes: &[u8]) -> Vec<Message<'_>> {
    let mut out = Vec::new();
    while let [kind, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (said, behind) = rest.split_at(length);
        let has = |bit: u8| kind & 1 << bit != 0;
        out.push(Message {
            kind: *kind,
            is_answer: has(0),
            is_behind_loss: has(1),
            is_again: has(2),
            ends: [has(3), has(4)],
            pause: PAUSES.get(usize::from(kind >> 6)).copied().unwrap_or(0),
            bytes: said,
        });
        bytes = behind;
    }
    out
}

/// The bytes that stand for messages: what [`messages`] reads.
#[must_use]
pub fn written(messages: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, bytes) in messages {
        let bytes = bytes.get(..usize::from(u16::MAX)).unwrap_or(bytes);
        out.push(*kind);
        out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(bytes);
    }
    out
}

/// A capture of the conversation.
#[must_use]
pub fn capture(transport: Transport, is_v6: bool, bytes: &[u8]) -> Vec<u8> {
    let mut wire = Wire {
        file: HEADER.to_vec(),
        is_v6,
        now: BEGINNING,
        sequences: [1_000, 5_000],
    };
    if let Transport::Tcp(port) = transport {
        for is_answer in [false, true] {
            wire.segment(is_answer, port, true, [false; 2], b"");
        }
        wire.segment(false, port, false, [false; 2], b"");
    }
    for message in messages(bytes) {
        wire.now = wire.now.saturating_add(message.pause);
        match transport {
            Transport::Tcp(port) => wire.say(port, &message),
            Transport::Udp(port) => wire.datagram(port, &message),
        }
    }
    wire.file
}

struct Wire {
    file: Vec<u8>,
    is_v6: bool,
    now: u32,
    /// What each of the two says next.
    sequences: [u32; 2],
}

impl Wire {
    fn say(&mut self, port: u16, message: &Message<'_>) {
        let length = u32::try_from(message.bytes.len()).unwrap_or(0);
        if let Some(own) = self.sequences.get_mut(usize::from(message.is_answer)) {
            if message.is_behind_loss {
                *own = own.wrapping_add(100);
            }
            if message.is_again {
                *own = own.wrapping_sub(length);
            }
        }
        let mut parts = message.bytes.chunks(SEGMENT_BYTES).peekable();
        while let Some(part) = parts.next() {
            let ends = match parts.peek() {
                Some(_) => [false; 2],
                None => message.ends,
            };
            self.segment(message.is_answer, port, false, ends, part);
        }
        if message.bytes.is_empty() {
            self.segment(message.is_answer, port, false, message.ends, b"");
        }
    }

    fn addressed(&self, is_answer: bool) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
        let ethernet = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let (mut v4, mut v6) = ([[10, 0, 0, 7], [192, 0, 2, 9]], [[0x20; 16], [0x21; 16]]);
        if is_answer {
            v4.reverse();
            v6.reverse();
        }
        let ([from4, to4], [from6, to6]) = (v4, v6);
        if self.is_v6 {
            ethernet.ipv6(from6, to6, 64)
        } else {
            ethernet.ipv4(from4, to4, 64)
        }
    }

    fn segment(&mut self, is_answer: bool, port: u16, is_syn: bool, ends: [bool; 2], payload: &[u8]) {
        let [client, server] = self.sequences;
        let (from, to, own, other) = match is_answer {
            true => (port, 40_000, server, client),
            false => (40_000, port, client, server),
        };
        let [is_fin, is_rst] = ends;
        let mut step = self.addressed(is_answer).tcp(from, to, own, 60_000);
        if is_syn {
            step = step.syn();
        }
        if is_fin {
            step = step.fin();
        }
        if is_rst {
            step = step.rst();
        }
        if !is_syn || is_answer {
            step = step.ack(other);
        }
        let mut frame = Vec::with_capacity(step.size(payload.len()));
        if step.write(&mut frame, payload).is_ok() {
            self.packet(&frame);
        }
        let said = u32::try_from(payload.len()).unwrap_or(0) + u32::from(is_syn);
        if let Some(own) = self.sequences.get_mut(usize::from(is_answer)) {
            *own = own.wrapping_add(said);
        }
    }

    fn datagram(&mut self, port: u16, message: &Message<'_>) {
        let (from, to) = match message.is_answer {
            true => (port, 40_000),
            false => (40_000, port),
        };
        let step = self.addressed(message.is_answer).udp(from, to);
        let mut frame = Vec::with_capacity(step.size(message.bytes.len()));
        if step.write(&mut frame, message.bytes).is_ok() {
            self.packet(&frame);
        }
    }

    fn packet(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).unwrap_or(0).to_le_bytes();
        self.file.extend_from_slice(&self.now.to_le_bytes());
        self.file.extend_from_slice(&[0; 4]);
        self.file.extend_from_slice(&length);
        self.file.extend_from_slice(&length);
        self.file.extend_from_slice(frame);
    }
}
