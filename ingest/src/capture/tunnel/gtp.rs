//! GTP-U, in which mobile networks carry what their phones and modems say (3GPP TS 29.281).

use super::{Inside, Kind, by_version};

/// To which every packet goes (section 4.4.2).
pub(super) const PORT: u16 = 2152;
/// Section 5.1: version 1, and that it is GTP and not what charges for it.
const VERSION_BITS: u8 = 0xf0;
const VERSION: u8 = 0x30;
/// Any of an extension, a sequence number and an N-PDU number; with one of them there is room for all.
const OPTIONAL: u8 = 0x07;
const EXTENSION: u8 = 0x04;
/// Table 6.1-1: a packet of someone's.
const G_PDU: u8 = 255;
/// Extension headers followed: three are defined for packets.
const EXTENSIONS_MAX: usize = 8;

/// Section 5.1: flags, kind of message, length of what follows, number of the tunnel; then a packet of IP.
pub(super) fn read(bytes: &[u8]) -> Option<Inside<'_>> {
    let (&[flags, kind, high, low, a, b, c, d], mut rest) = bytes.split_first_chunk::<8>()?;
    let is_cut = rest.len() < usize::from(u16::from_be_bytes([high, low]));
    if flags & VERSION_BITS != VERSION || kind != G_PDU || is_cut {
        return None;
    }
    if flags & OPTIONAL != 0 {
        let (&[_, _, _, extension], after) = rest.split_first_chunk::<4>()?;
        rest = after;
        if flags & EXTENSION != 0 {
            rest = after_extensions(extension, rest)?;
        }
    }
    by_version(Kind::Gtp, Some(u32::from_be_bytes([a, b, c, d])), rest)
}

/// Section 5.2.1: each begins with its length in words of four bytes, and ends with the type of the next.
fn after_extensions(mut kind: u8, mut rest: &[u8]) -> Option<&[u8]> {
    for _ in 0..EXTENSIONS_MAX {
        if kind == 0 {
            return Some(rest);
        }
        let length = usize::from(*rest.first()?) * 4;
        kind = *rest.get(length.checked_sub(1)?)?;
        rest = rest.get(length..)?;
    }
    None
}
