//! Packets to observations: capture files become flows, and what is said in them: DNS, TLS, HTTP, SSH, Kerberos, LDAP, SMB,
//! RDP, SMTP, DHCP and QUIC.
//!
//! Bytes come from any reader in any chunks (`file`), frames become packets (`link`, `packet`), packets are
//! counted to flows (`tracker`, `observer`, `table`, `flow`; `pace` says which of their times are believed), and what is said in a flow is read as far as its metadata goes
//! (`application`); payload is never handed on. The same input yields the same records, byte for byte: only packet
//! time counts, and no order depends on a hash.
//!
//! Nothing here opens files, decompresses, or captures live; those hand in a reader ([`CaptureReader`]) or frames
//! ([`Tracker`]).

mod application;
mod certificate;
mod community_id;
mod datagram;
mod defragment;
mod der;
mod dhcp;
mod dns;
mod extension;
mod file;
mod fingerprint;
mod flow;
mod http;
mod http_walk;
mod kerberos;
mod ldap;
mod link;
mod ntlm;
mod observer;
mod pace;
mod packet;
mod quic;
mod rdp;
mod slots;
mod smb;
mod smtp;
mod ssh;
mod stream;
mod table;
mod tls;
mod told;
mod tracker;
mod tunnel;
mod words;

use std::{io, time::Duration};

use ipnet::IpNet;
use serde::Deserialize;
use thiserror::Error;

use crate::record::Record;

pub(crate) use community_id::{flow_id, flow_id_between};
pub(crate) use dns::OPAQUE_MARK;
pub use file::Frame;
pub use link::{LinkType, UnknownLinkType};
pub(crate) use told::{ACK, FIN, Knows, RST, SYN, Sampled, Told, ends, sampled};
pub use tracker::{Counts, Tracker};

use self::file::{Found, PacketFile};

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
    /// Bytes of half-said things that all conversations together may keep; beyond it, the one that has kept longest is
    /// no longer listened to. Default 64 MiB: thousands of half-sent heads, and a small part of a small machine. What
    /// a conversation is made of, some 350 bytes, comes on top, for each of [`CaptureOptions::flows_max`].
    pub kept_bytes_max: usize,
    /// Whether the same addresses in two VLANs are two networks. Default [`VlanRule::Apart`].
    pub vlans: VlanRule,
    /// Whether what is said in flows is read too. Default `true`; without, a fast line costs less, and there are flows
    /// alone.
    pub metadata: bool,
}

/// What VLANs say of networks.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum VlanRule {
    /// Each is a network of its own: the same addresses in two of them are two machines.
    #[default]
    Apart,
    /// Nothing: a tap marks directions with them, or a switch tags only one.
    Together,
}

/// Reads one capture.
pub struct CaptureReader<R: io::Read> {
    file: PacketFile<R>,
    tracker: Tracker,
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
            kept_bytes_max: 64 * 1024 * 1024,
            vlans: VlanRule::Apart,
            metadata: true,
        }
    }
}

impl<R: io::Read> CaptureReader<R> {
    /// Reads the file header: pcap with microseconds or nanoseconds, or pcapng, of either byte order.
    ///
    /// # Errors
    /// [`CaptureError`] if the input is no capture, has an unknown link type, or fails.
    pub fn new(input: R, options: CaptureOptions) -> Result<Self, CaptureError> {
        Ok(Self {
            file: PacketFile::new(input)?,
            tracker: Tracker::new(options),
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
                Found::Packet(frame) => self.tracker.packet(&frame, out),
                Found::End => return Ok(self.tracker.finish(out)),
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

    /// What became of the packets that could be told apart.
    pub fn counts(&self) -> Counts {
        self.tracker.counts()
    }
}
