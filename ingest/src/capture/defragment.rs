//! Fragments: the pieces of one IP packet, put together (RFC 791 section 3.2, RFC 8200 section 4.5).
//!
//! Bounded in number, size and packet time. Pieces that overlap without being the same are an attack or an error, and the
//! packet is given up, as Linux and RFC 5722 have it. Of what is given up, the first piece is handed out as it is.

use std::{collections::VecDeque, net::IpAddr, time::Duration};

use ingest_event::Timestamp;

use super::{
    packet::{Fragment, Packet},
    tunnel::Origin,
};

/// Packets of which pieces are waited for: pieces of one packet come close together.
const WAITING_MAX: usize = 64;
/// Longest packet, by the width of its length.
const BYTES_MAX: usize = 65_535;
/// Pieces of one packet: 65,535 bytes over links of 1,280 make 52.
const PIECES_MAX: usize = 64;
/// How long pieces are waited for: as long as Linux does.
const PATIENCE: Duration = Duration::from_secs(30);

/// All packets of which pieces are waited for.
#[derive(Debug, Default)]
pub(super) struct Defragmenter {
    waiting: VecDeque<Waiting>,
    given_up: u64,
}

/// What was in a packet of which all pieces are there, or only the first.
#[derive(Debug)]
pub(super) struct Assembled {
    /// The packet that completed it, or that was the first piece.
    pub(super) number: u64,
    pub(super) timestamp: Timestamp,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    pub(super) origin: Origin,
    /// What follows the IP header.
    pub(super) bytes: Vec<u8>,
    /// Whether it is all of it.
    pub(super) is_whole: bool,
}

#[derive(Debug)]
struct Waiting {
    assembled: Assembled,
    identification: u32,
    begun: Timestamp,
    /// Beginning and end of each piece, in the order in which they came.
    pieces: Vec<(usize, usize)>,
    end: Option<usize>,
}

impl Defragmenter {
    /// Packets of which pieces never came, or did not fit.
    pub(super) const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// The next packet that was waited for too long at `now`, if its first piece is there.
    pub(super) fn expire(&mut self, now: Timestamp) -> Option<Assembled> {
        while let Some(front) = self.waiting.front_mut() {
            if PATIENCE < front.begun.since(now) {
                // The clock was set back: it is waited for from now on.
                front.begun = now;
            }
            if now.since(front.begun) <= PATIENCE {
                break;
            }
            if let Some(first) = self.give_up(0) {
                return Some(first);
            }
        }
        None
    }

    /// The next packet that is still waited for, when nothing more comes.
    pub(super) fn finish(&mut self) -> Option<Assembled> {
        while !self.waiting.is_empty() {
            if let Some(first) = self.give_up(0) {
                return Some(first);
            }
        }
        None
    }

    /// Takes a piece in, and hands out what it completes or makes impossible.
    pub(super) fn take(&mut self, packet: &Packet<'_>, piece: Fragment<'_>) -> Option<Assembled> {
        let known = self
            .waiting
            .iter()
            .position(|waiting| waiting.belongs(packet, piece));
        let Some(at) = known else {
            let evicted = (WAITING_MAX <= self.waiting.len())
                .then(|| self.give_up(0))
                .flatten();
            let mut begun = Waiting::begin(packet, piece);
            // A piece that can't be any packet's is not waited on.
            if begun.put(packet, piece).is_some() {
                self.waiting.push_back(begun);
            } else {
                self.given_up += 1;
            }
            return evicted;
        };
        let waiting = self.waiting.get_mut(at)?;
        match waiting.put(packet, piece) {
            Some(Completed::Not) => None,
            Some(Completed::Now) => {
                let Waiting { mut assembled, .. } = self.waiting.remove(at)?;
                assembled.number = packet.number;
                assembled.timestamp = packet.timestamp;
                assembled.is_whole = true;
                Some(assembled)
            }
            None => self.give_up(at),
        }
    }

    /// Gives a packet up: its first piece, if that is there.
    fn give_up(&mut self, at: usize) -> Option<Assembled> {
        let Waiting {
            mut assembled,
            pieces,
            ..
        } = self.waiting.remove(at)?;
        self.given_up += 1;
        let (_, end) = pieces.into_iter().find(|(start, _)| *start == 0)?;
        assembled.bytes.truncate(end);
        Some(assembled)
    }
}

enum Completed {
    Now,
    Not,
}

impl Waiting {
    fn begin(packet: &Packet<'_>, piece: Fragment<'_>) -> Self {
        Self {
            assembled: Assembled {
                number: packet.number,
                timestamp: packet.timestamp,
                source: packet.source,
                destination: packet.destination,
                protocol: piece.protocol,
                origin: packet.origin,
                bytes: Vec::new(),
                is_whole: false,
            },
            identification: piece.identification,
            begun: packet.timestamp,
            pieces: Vec::new(),
            end: None,
        }
    }

    fn belongs(&self, packet: &Packet<'_>, piece: Fragment<'_>) -> bool {
        self.identification == piece.identification
            && self.assembled.source == packet.source
            && self.assembled.destination == packet.destination
            // RFC 8200 section 4.5: of IPv6 the first piece says it for all.
            && (self.assembled.source.is_ipv6() || self.assembled.protocol == piece.protocol)
            && self.assembled.origin.segment() == packet.origin.segment()
    }

    /// Puts a piece in its place; none if it does not fit with the others.
    fn put(&mut self, packet: &Packet<'_>, piece: Fragment<'_>) -> Option<Completed> {
        let (start, end) = (piece.offset, piece.offset + piece.bytes.len());
        let same = |held: &(usize, usize)| *held == (start, end);
        if self.pieces.iter().any(same) {
            return Some(Completed::Not);
        }
        let overlaps = |held: &(usize, usize)| held.0 < end && start < held.1;
        let is_last = !piece.more;
        let fits = self
            .end
            .is_none_or(|known| if is_last { known == end } else { end <= known })
            && (!is_last || self.pieces.iter().all(|(_, held)| *held <= end));
        if BYTES_MAX < end
            || start == end
            || PIECES_MAX <= self.pieces.len()
            || self.pieces.iter().any(overlaps)
            || !fits
        {
            return None;
        }
        if is_last {
            self.end = Some(end);
        }
        if start == 0 {
            self.assembled.number = packet.number;
            self.assembled.timestamp = packet.timestamp;
            self.assembled.protocol = piece.protocol;
        }
        if self.assembled.bytes.len() < end {
            self.assembled.bytes.resize(end, 0);
        }
        self.assembled
            .bytes
            .get_mut(start..end)?
            .copy_from_slice(piece.bytes);
        self.pieces.push((start, end));
        let held: usize = self.pieces.iter().map(|(start, end)| end - start).sum();
        Some(if self.end == Some(held) {
            Completed::Now
        } else {
            Completed::Not
        })
    }
}
