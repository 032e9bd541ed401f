//! SSH before it is encrypted: the line with which each side greets, and the algorithms that it offers.
//!
//! RFC 4253 sections 4.2 and 7.1. HASSH: <https://github.com/salesforce/hassh>. Kept of a flow are two lines of at most
//! 255 bytes and two fingerprints, until both sides have offered.

use ingest_event::{Fields, field};
use md5::{Digest, Md5};

use super::{
    application::{Mark, Said, Step, Talk, Telling},
    words::{text, u32_be},
};

pub(super) const DATASET: &str = "network.ssh";

/// RFC 4253 section 4.2, with the line end.
const BANNER_BYTES_MAX: usize = 255;
/// What a server may say before it greets: a few lines that no client shows.
const BEFORE_BYTES_MAX: usize = 4096;
/// RFC 4253 section 6.1: what every implementation must be able to read.
const PACKET_BYTES_MAX: u32 = 35_000;
const KEXINIT: u8 = 20;
const COOKIE_BYTES: usize = 16;

/// What both sides said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Greeting {
    client: Half,
    server: Half,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Half {
    banner: Option<String>,
    hassh: Option<String>,
}

/// A connection until both sides have offered.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    mark: Option<Mark>,
    said: Greeting,
    client_over: bool,
    server_over: bool,
    before_bytes: usize,
}

impl Talk for Exchange {
    fn read(&mut self, by_client: bool, held: &[u8], telling: &mut Telling<'_>) -> Step {
        if self.mark.is_none() {
            self.mark = telling.mark();
        }
        let (half, over) = if by_client {
            (&mut self.said.client, &mut self.client_over)
        } else {
            (&mut self.said.server, &mut self.server_over)
        };
        if *over {
            return Step::Used(held.len());
        }
        let step = if half.banner.is_none() {
            match banner(half, held) {
                Line::Greeting(used) => Step::Used(used),
                Line::Before(used) => {
                    self.before_bytes += used;
                    if BEFORE_BYTES_MAX < self.before_bytes {
                        return Step::Over;
                    }
                    Step::Used(used)
                }
                Line::Partial => Step::Wait,
                Line::Not => return Step::Over,
            }
        } else {
            match packet(held) {
                Some(Ok((payload, used))) => {
                    half.hassh = hassh(payload, by_client);
                    *over = true;
                    Step::Used(used)
                }
                Some(Err(NotSsh)) => {
                    *over = true;
                    Step::Used(held.len())
                }
                None => Step::Wait,
            }
        };
        // The first version has no offers that could be read.
        let is_old = |half: &Half| {
            let banner = half.banner.as_deref();
            banner.is_some_and(|banner| banner.starts_with("SSH-1.") && !banner.starts_with("SSH-1.99"))
        };
        let whole = self.client_over && self.server_over;
        if whole || is_old(&self.said.client) && is_old(&self.said.server) {
            return Step::Over;
        }
        step
    }

    fn finish(&mut self, telling: &mut Telling<'_>) {
        if let Some(mark) = self.mark.take() {
            telling.tell(mark, Said::Ssh(Box::new(std::mem::take(&mut self.said))));
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + 2 * BANNER_BYTES_MAX
    }
}

enum Line {
    Greeting(usize),
    Before(usize),
    Partial,
    Not,
}

/// Reads a line before or with the greeting.
fn banner(half: &mut Half, held: &[u8]) -> Line {
    let Some(end) = held.iter().position(|byte| *byte == b'\n') else {
        return if held.len() < BANNER_BYTES_MAX {
            Line::Partial
        } else {
            Line::Not
        };
    };
    let line = held.get(..end).unwrap_or_default();
    if !line.starts_with(b"SSH-") {
        return Line::Before(end + 1);
    }
    half.banner = text(line.get(..BANNER_BYTES_MAX).unwrap_or(line));
    Line::Greeting(end + 1)
}

/// What should be a packet is none.
struct NotSsh;

/// The payload of the first packet, and how long the packet is; none if it isn't there yet.
fn packet(held: &[u8]) -> Option<Result<(&[u8], usize), NotSsh>> {
    let length = u32_be(held, 0)?;
    let &padding = held.get(4)?;
    let payload_bytes = (length as usize).checked_sub(1 + usize::from(padding));
    let Some(payload_bytes) = payload_bytes.filter(|_| length <= PACKET_BYTES_MAX) else {
        return Some(Err(NotSsh));
    };
    let whole = held.get(..4 + length as usize)?;
    Some(Ok((whole.get(5..5 + payload_bytes)?, whole.len())))
}

/// MD5 of what one side offers: key exchange, then encryption, integrity and compression for what it sends.
fn hassh(payload: &[u8], by_client: bool) -> Option<String> {
    let (&[KEXINIT], rest) = payload.split_first_chunk::<1>()? else {
        return None;
    };
    let mut rest = rest.get(COOKIE_BYTES..)?;
    let mut lists: [&[u8]; 8] = [&[]; 8];
    for list in &mut lists {
        let length = u32_be(rest, 0)? as usize;
        *list = rest.get(4..)?.get(..length)?;
        rest = rest.get(4 + length..)?;
    }
    // RFC 4253 section 7.1: in each pair, from client to server comes first.
    let [
        exchange,
        _,
        encryption_up,
        encryption_down,
        integrity_up,
        integrity_down,
        compression_up,
        compression_down,
    ] = lists;
    let own = if by_client {
        [exchange, encryption_up, integrity_up, compression_up]
    } else {
        [exchange, encryption_down, integrity_down, compression_down]
    };
    Some(hex::encode(Md5::digest(own.join(&b';'))))
}

impl Greeting {
    /// Adds what both sides said to the fields of the flow.
    pub(super) fn write(self, fields: &mut Fields) {
        fields.set(field::NETWORK_PROTOCOL, "ssh");
        fields.set_some(field::SSH_CLIENT_BANNER, self.client.banner);
        fields.set_some(field::SSH_CLIENT_HASSH, self.client.hassh);
        fields.set_some(field::SSH_SERVER_BANNER, self.server.banner);
        fields.set_some(field::SSH_SERVER_HASSH, self.server.hassh);
    }
}
