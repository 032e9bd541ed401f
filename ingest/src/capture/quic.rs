//! QUIC's first packets: the TLS hellos in them (RFC 9000, 9001; version 2 by RFC 9369).
//!
//! Initial packets are encrypted with keys that follow from the packet itself, so that everybody on the way can read them
//! (RFC 9001 section 5.2); nothing else is. A hello may be spread over several packets, in any order. Kept of a flow are at
//! most [`CRYPTO_BYTES_MAX`] of each side, until both hellos are there or [`PACKETS_MAX`] packets were read.

mod keys;

use super::{
    application::{Mark, Said, Telling},
    tls::{self, ClientHello, Server},
};

use keys::Keys;

/// Bytes of the hellos of one side: post-quantum keys and tickets fit.
const CRYPTO_BYTES_MAX: usize = 16 * 1024;
/// Pieces that wait for those before them; clients that shuffle send about ten.
const PIECES_MAX: usize = 64;
/// Initial packets read of one flow: a hello takes one to four, answers and acknowledgments as many.
const PACKETS_MAX: u32 = 32;
/// RFC 9000 section 17.2.
const CONNECTION_ID_BYTES_MAX: usize = 20;

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// A flow until both sides have said hello.
#[derive(Debug)]
pub(super) struct Connection {
    version: Version,
    keys: Box<Keys>,
    client: Crypto,
    server: Crypto,
    hello: Option<(Mark, Box<ClientHello>)>,
    answer: Option<Box<Server>>,
    packets: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// The stream of handshake bytes of one side.
#[derive(Debug, Default)]
struct Crypto {
    bytes: Vec<u8>,
    /// How many of `bytes` are there without a gap.
    whole: usize,
    /// Other ranges that are there.
    pieces: Vec<(usize, usize)>,
}

/// A long header packet of a kind that has a length.
struct Long<'a> {
    is_initial: bool,
    version: Version,
    destination_id: &'a [u8],
    /// Where the packet number begins.
    number_at: usize,
    packet: &'a [u8],
    rest: &'a [u8],
}

/// Whether a datagram begins with an Initial packet.
pub(super) fn is_initial(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0xc0..)) && long(bytes).is_some_and(|long| long.is_initial)
}

impl Connection {
    /// A connection that begins with this datagram of its client; none if the datagram can't be opened.
    pub(super) fn begin(bytes: &[u8]) -> Option<Self> {
        let long = long(bytes)?;
        let keys = Keys::derive(long.version, long.destination_id)?;
        keys.open(true, long.packet, long.number_at)?;
        Some(Self {
            version: long.version,
            keys: Box::new(keys),
            client: Crypto::default(),
            server: Crypto::default(),
            hello: None,
            answer: None,
            packets: 0,
        })
    }

    /// Takes a datagram in. False when nothing more of interest is to come.
    pub(super) fn hear(&mut self, by_client: bool, mut bytes: &[u8], telling: &mut Telling<'_>) -> bool {
        while let Some(long) = long(bytes) {
            bytes = long.rest;
            if !long.is_initial {
                continue;
            }
            self.packets += 1;
            if PACKETS_MAX < self.packets {
                return false;
            }
            if let Some(payload) = self.open(by_client, &long) {
                let crypto = if by_client {
                    &mut self.client
                } else {
                    &mut self.server
                };
                crypto.take_frames(&payload);
                if !self.listen(by_client, telling) {
                    return false;
                }
            }
        }
        true
    }

    /// Says what is known, also if the server said nothing.
    pub(super) fn finish(&mut self, telling: &mut Telling<'_>) {
        if let Some((mark, hello)) = self.hello.take() {
            let server = self.answer.take();
            telling.tell(mark, Said::Tls { hello, server });
        }
    }

    /// Bytes kept.
    pub(super) const fn weight(&self) -> usize {
        size_of::<Self>() + size_of::<Keys>() + self.client.bytes.len() + self.server.bytes.len()
    }

    fn open(&mut self, by_client: bool, long: &Long<'_>) -> Option<Vec<u8>> {
        let opened = self.keys.open(by_client, long.packet, long.number_at);
        if opened.is_some() || !by_client {
            return opened;
        }
        // After a Retry the client begins anew with an id that the server chose (RFC 9001 section 5.2).
        let keys = Keys::derive(long.version, long.destination_id)?;
        let opened = keys.open(by_client, long.packet, long.number_at)?;
        *self.keys = keys;
        self.version = long.version;
        self.client = Crypto::default();
        self.server = Crypto::default();
        Some(opened)
    }

    /// Reads the hello of one side if it is whole. False when both were read.
    fn listen(&mut self, by_client: bool, telling: &mut Telling<'_>) -> bool {
        if by_client && self.hello.is_none() {
            let Some(body) = self.client.message(CLIENT_HELLO) else {
                return true;
            };
            let Some((mut hello, mark)) = tls::client_hello(body).zip(telling.mark()) else {
                return false;
            };
            hello.quic = Some(match self.version {
                Version::One => 1,
                Version::Two => 2,
            });
            self.hello = Some((mark, Box::new(hello)));
        } else if !by_client && self.answer.is_none() {
            let Some(body) = self.server.message(SERVER_HELLO) else {
                return true;
            };
            self.answer = tls::server_hello(body).map(|hello| {
                Box::new(Server {
                    hello,
                    certificate: None,
                })
            });
        }
        self.hello.is_none() || self.answer.is_none()
    }
}

/// RFC 9000 section 17.2: a long header of version 1 or 2, up to its packet number. Packets without a length (Retry,
/// version negotiation) and short headers are none.
fn long(bytes: &[u8]) -> Option<Long<'_>> {
    let (&[first, a, b, c, d], rest) = bytes.split_first_chunk::<5>()?;
    if first & 0xc0 != 0xc0 {
        return None;
    }
    let kind = first >> 4 & 3;
    let (version, is_initial, is_retry) = match u32::from_be_bytes([a, b, c, d]) {
        1 => (Version::One, kind == 0, kind == 3),
        0x6b33_43cf => (Version::Two, kind == 1, kind == 0),
        _ => return None,
    };
    if is_retry {
        return None;
    }
    let mut rest = rest;
    let destination_id = take_id(&mut rest)?;
    take_id(&mut rest)?;
    if is_initial {
        let token_bytes = usize::try_from(take_number(&mut rest)?).ok()?;
        rest = rest.get(token_bytes..)?;
    }
    let length = usize::try_from(take_number(&mut rest)?).ok()?;
    let number_at = bytes.len() - rest.len();
    let (packet, rest) = bytes.split_at_checked(number_at.checked_add(length)?)?;
    Some(Long {
        is_initial,
        version,
        destination_id,
        number_at,
        packet,
        rest,
    })
}

fn take_id<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&length, after) = rest.split_first()?;
    let length = usize::from(length);
    if CONNECTION_ID_BYTES_MAX < length {
        return None;
    }
    let (id, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(id)
}

/// RFC 9000 section 16: the first two bits say how many bytes there are.
fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let (&first, _) = rest.split_first()?;
    let (digits, after) = rest.split_at_checked(1 << (first >> 6))?;
    *rest = after;
    let mut number = u64::from(first & 0x3f);
    for digit in digits.iter().skip(1) {
        number = number << 8 | u64::from(*digit);
    }
    Some(number)
}

impl Crypto {
    /// Takes the handshake bytes out of the frames of a packet (RFC 9000 section 19).
    fn take_frames(&mut self, payload: &[u8]) {
        let mut rest = payload;
        while let Some((&kind, after)) = rest.split_first() {
            rest = after;
            let taken = match kind {
                // Padding and ping.
                0 | 1 => Some(()),
                2 | 3 => skip_acknowledgment(kind, &mut rest),
                6 => self.take_frame(&mut rest),
                // Whatever else: a farewell.
                _ => None,
            };
            if taken.is_none() {
                return;
            }
        }
    }

    fn take_frame(&mut self, rest: &mut &[u8]) -> Option<()> {
        let offset = usize::try_from(take_number(rest)?).ok()?;
        let length = usize::try_from(take_number(rest)?).ok()?;
        let (data, after) = rest.split_at_checked(length)?;
        *rest = after;
        self.put(offset, data);
        Some(())
    }

    /// Puts a piece in its place. What was there stays.
    fn put(&mut self, offset: usize, data: &[u8]) {
        let Some(end) = offset
            .checked_add(data.len())
            .filter(|end| *end <= CRYPTO_BYTES_MAX)
        else {
            return;
        };
        if end <= self.whole || PIECES_MAX <= self.pieces.len() {
            return;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let fresh = offset.max(self.whole);
        if let (Some(place), Some(data)) = (self.bytes.get_mut(fresh..end), data.get(fresh - offset..)) {
            place.copy_from_slice(data);
        }
        self.pieces.push((offset, end));
        while let Some(at) = self.pieces.iter().position(|(start, _)| *start <= self.whole) {
            let (_, end) = self.pieces.swap_remove(at);
            self.whole = self.whole.max(end);
        }
    }

    /// The body of the first message, if it is of this kind and whole.
    fn message(&self, kind: u8) -> Option<&[u8]> {
        let (&[found, a, b, c], rest) = self.bytes.get(..self.whole)?.split_first_chunk::<4>()?;
        let body = rest.get(..u32::from_be_bytes([0, a, b, c]) as usize)?;
        (found == kind).then_some(body)
    }
}

/// RFC 9000 section 19.3: largest, delay, ranges; and the counts of congestion.
fn skip_acknowledgment(kind: u8, rest: &mut &[u8]) -> Option<()> {
    take_number(rest)?;
    take_number(rest)?;
    let ranges = take_number(rest)?;
    take_number(rest)?;
    // Each range takes two bytes or more, so what is there bounds the loop.
    for _ in 0..ranges.min(rest.len() as u64) * 2 {
        take_number(rest)?;
    }
    if kind == 3 {
        for _ in 0..3 {
            take_number(rest)?;
        }
    }
    Some(())
}
