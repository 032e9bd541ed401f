//! Packets to observations: capture files become flows, DNS messages, TLS handshakes and HTTP requests.
//!
//! Bytes come from any reader in any chunks ([`file`]), frames become packets ([`link`], [`packet`]), packets are
//! counted to flows ([`table`], [`flow`]), and what is said in a flow is read as far as its metadata goes
//! ([`application`]); payload is never handed on. The same input yields the same records, byte for byte: only packet
//! time counts, and no order depends on a hash.
//!
//! Nothing here opens files, decompresses, or captures live; those hand in a reader or frames.

mod application;
mod community_id;
mod dns;
mod file;
mod flow;
mod link;
mod packet;
mod table;

use std::{io, time::Duration};

use ipnet::IpNet;
use thiserror::Error;

use crate::record::{Draft, Record};

pub use link::UnknownLinkType;

use self::{
    application::Application,
    file::{Found, PacketFile},
    flow::{Flow, Peers},
    packet::{Packet, Transport, protocol},
    table::FlowTable,
};

/// Packets, and at the end flows, of one [`CaptureReader::read`]: enough to keep the cost of a call small beside
/// its work, few enough that the caller can stop or publish in between.
const BITE: usize = 256;

/// How packets become flows.
#[derive(Clone, Debug)]
pub struct CaptureOptions {
    /// The organisation's own networks; they decide `network.direction`, which is left out when there are none.
    pub home_networks: Vec<IpNet>,
    /// Silence after which a flow that is no TCP is over. Default 60 s, as Zeek has it for UDP.
    pub flow_idle: Duration,
    /// Silence after which a TCP connection is over. Default 300 s, as Zeek has it.
    pub flow_idle_tcp: Duration,
    /// Age at which a flow that goes on is reported and a new record begun. Default 1800 s, as NetFlow exporters have it.
    pub flow_active: Duration,
    /// Flows kept at once; beyond it, the one that has been silent longest is reported and let go. Default 262,144.
    pub flows_max: usize,
}

/// Reads one capture.
pub struct CaptureReader<R: io::Read> {
    file: PacketFile<R>,
    table: FlowTable,
    home: Vec<IpNet>,
    ended: Vec<Flow>,
}

/// Why a capture can't be read at all.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// Not one byte.
    #[error("read a capture: it is empty")]
    Empty,
    /// Too short for a file header.
    #[error("read a capture: it has {bytes} bytes, and its header alone has 24")]
    HeaderCut {
        /// How many bytes there are.
        bytes: usize,
    },
    /// Another kind of file.
    #[error("read a capture: {start:02x?} begins neither a pcap nor a pcapng file")]
    NotACapture {
        /// The first bytes, at most eight.
        start: Vec<u8>,
    },
    /// Frames of a kind that this reader can't take apart.
    #[error(transparent)]
    UnknownLinkType(#[from] UnknownLinkType),
    /// The input failed. [`CaptureReader::read`] may be called again for the flows seen until then.
    #[error("read the next bytes of a capture")]
    Read {
        /// Why.
        source: io::Error,
    },
}

impl Default for CaptureOptions {
    fn default() -> Self {
        Self {
            home_networks: Vec::new(),
            flow_idle: Duration::from_secs(60),
            flow_idle_tcp: Duration::from_secs(300),
            flow_active: Duration::from_secs(1800),
            flows_max: 262_144,
        }
    }
}

impl<R: io::Read> CaptureReader<R> {
    /// Reads the file header: pcap with microseconds or nanoseconds, or pcapng, of either byte order.
    ///
    /// # Errors
    /// [`CaptureError`] if the input is no capture, has an unknown link type, or fails.
    pub fn new(input: R, options: CaptureOptions) -> Result<Self, CaptureError> {
        let table = FlowTable::new(&options);
        Ok(Self {
            file: PacketFile::new(input)?,
            table,
            home: options.home_networks,
            ended: Vec::new(),
        })
    }

    /// Reads on and appends what was found. False at the end, when every flow has been handed out.
    ///
    /// # Errors
    /// [`CaptureError::Read`] if the input fails. What was found before stays in `out`, and calling again
    /// hands out the flows that are still open.
    pub fn read(&mut self, out: &mut Vec<Record>) -> Result<bool, CaptureError> {
        for _ in 0..BITE {
            match self.file.next()? {
                Found::Refused(refusal) => out.push(Record::Refused(refusal)),
                Found::Packet(frame) => match packet::read(&frame) {
                    Ok(Some(packet)) => observe(&mut self.table, &packet, &self.home, &mut self.ended, out),
                    Ok(None) => {}
                    Err(refusal) => out.push(Record::Refused(refusal)),
                },
                Found::End => return Ok(self.drain(out)),
            }
        }
        Ok(true)
    }

    /// Packets read so far, refused ones included.
    pub const fn packets(&self) -> u64 {
        self.file.packets()
    }

    /// Captured bytes of those packets.
    pub const fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// Flows let go early because [`CaptureOptions::flows_max`] was reached.
    pub const fn flows_evicted(&self) -> u64 {
        self.table.evicted()
    }

    /// Hands out the next open flows, in the order in which they fell silent. False when there are none left.
    fn drain(&mut self, out: &mut Vec<Record>) -> bool {
        for _ in 0..BITE {
            let Some(flow) = self.table.oldest() else {
                return false;
            };
            finish(flow, &self.home, out);
        }
        true
    }
}

/// Counts a packet and reads what it says.
fn observe(
    table: &mut FlowTable,
    packet: &Packet<'_>,
    home: &[IpNet],
    ended: &mut Vec<Flow>,
    out: &mut Vec<Record>,
) {
    while let Some(flow) = table.expire(packet.timestamp) {
        finish(flow, home, out);
    }
    let Some((flow, direction)) = table.count(packet, ended) else {
        return;
    };
    if let Transport::Udp { ports, payload } = packet.transport {
        let sender = flow.peers.sent(direction);
        let said = if dns::is_port(ports.source) || dns::is_port(ports.destination) {
            dns::expected(payload.bytes)
        } else {
            dns::unexpected(payload.bytes)
        };
        if let Some(message) = said {
            flow.application = Some(Application::Dns);
            out.push(Record::Event(dns_draft(message, sender, packet, 1, home)));
        }
    }
    if let Transport::Icmp { kind, body, .. } = packet.transport
        && matches!(
            (packet.protocol, kind),
            (protocol::ICMP, 3) | (protocol::ICMP6, 1)
        )
        && let Some((source, destination, number, ports)) = packet::quoted(body)
        && let Some(flow) = table.get_mut(&flow::key_of(source, destination, number, ports))
    {
        flow.unreachable = true;
    }
    for flow in ended.drain(..) {
        finish(flow, home, out);
    }
}

/// A DNS message as a record: the source is who asks.
fn dns_draft(
    message: dns::Message,
    sender: Peers,
    packet: &Packet<'_>,
    ordinal: u32,
    home: &[IpNet],
) -> Draft {
    let peers = if message.is_answer {
        sender.swapped()
    } else {
        sender
    };
    let mut fields = peers.fields(home);
    message.write(&mut fields);
    Draft {
        timestamp: packet.timestamp,
        dataset: dns::DATASET.into(),
        fields,
        position: packet.number,
        ordinal,
    }
}

/// Hands out a flow that is over.
fn finish(flow: Flow, home: &[IpNet], out: &mut Vec<Record>) {
    out.push(Record::Event(flow.draft(home)));
}
