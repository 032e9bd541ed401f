//! AYIYA, with which tunnel brokers carry IPv6 to who has none (draft-massar-v6ops-ayiya-02).

use super::{Inside, Kind, Ports, by_version};

/// Of the broker; who asks it has any.
const PORT: u16 = 5072;
/// Section 3.1: what carries a packet on, in the low half of its byte.
const FORWARD: u8 = 1;
/// Protocols of IP in which the packet may be.
const IPV4: u8 = 4;
const IPV6: u8 = 41;

pub(super) const fn is_of(ports: Ports) -> bool {
    ports.source == PORT || ports.destination == PORT
}

/// Section 3.1: lengths of the identity (a power of two) and of the signature (words of four bytes), the operation, the
/// protocol of what follows, a time; then identity, signature and packet.
pub(super) fn read(bytes: &[u8]) -> Option<Inside<'_>> {
    let (&[identity, signature, operation, next, _, _, _, _], rest) = bytes.split_first_chunk::<8>()?;
    if operation & 0x0f != FORWARD || !matches!(next, IPV4 | IPV6) {
        return None;
    }
    let skipped = (1_usize << (identity >> 4)) + usize::from(signature >> 4) * 4;
    by_version(Kind::Ayiya, None, rest.get(skipped..)?)
}
