//! The hello of SSL 2 with which clients of long ago ask for SSL 3 or TLS (RFC 5246 appendix E.2). What is answered is
//! TLS. Old devices still say it, and scanners do, to see who answers.

use super::ClientHello;

/// Length, of which the highest bit says that nothing fills up; kind; version; lengths of ciphers, session, challenge.
const HEADER_BYTES: usize = 11;
/// Of the header, what the length does not count.
const LENGTH_BYTES: usize = 2;

/// Whether a stream begins with one: what it says of its parts adds up. Eleven bytes are enough.
pub(in super::super) fn is_hello(bytes: &[u8]) -> bool {
    parts(bytes).is_some()
}

/// Whether a few first bytes may become one.
pub(in super::super) const fn may_be_hello(start: &[u8]) -> bool {
    matches!(
        start,
        [0x80..=0xff] | [0x80..=0xff, _] | [0x80..=0xff, _, 1] | [0x80..=0xff, _, 1, 3, ..]
    )
}

/// Its length, and what it offers. `None` until all of it is there.
pub(super) fn hello(bytes: &[u8]) -> Option<(usize, ClientHello)> {
    let (length, version, ciphers) = parts(bytes)?;
    let whole = bytes.get(..length)?;
    let (kinds, _) = whole.get(HEADER_BYTES..)?.split_at_checked(ciphers)?;
    let ciphers = kinds
        .as_chunks::<3>()
        .0
        .iter()
        // Those with another first byte are SSL 2's own.
        .filter_map(|kind| kind.strip_prefix(&[0]))
        .filter_map(|cipher| Some(u16::from_be_bytes(*cipher.first_chunk()?)))
        .collect();
    let hello = ClientHello {
        version,
        ciphers,
        ..ClientHello::default()
    };
    Some((length, hello))
}

/// Bytes of the whole message, the version asked for, and the bytes that ciphers take.
fn parts(bytes: &[u8]) -> Option<(usize, u16, usize)> {
    let &[high, low, 1, 3, minor @ 0..=3, c0, c1, s0, s1, r0, r1] = bytes.first_chunk::<HEADER_BYTES>()?
    else {
        return None;
    };
    let number = |high, low| usize::from(u16::from_be_bytes([high, low]));
    let (ciphers, session, challenge) = (number(c0, c1), number(s0, s1), number(r0, r1));
    let length = LENGTH_BYTES + number(high & 0x7f, low);
    let adds_up = length == HEADER_BYTES + ciphers + session + challenge;
    let is_one = high & 0x80 != 0
        && adds_up
        && ciphers != 0
        && ciphers.is_multiple_of(3)
        && matches!(session, 0 | 16)
        && (16..=32).contains(&challenge);
    is_one.then(|| (length, u16::from_be_bytes([3, minor]), ciphers))
}
