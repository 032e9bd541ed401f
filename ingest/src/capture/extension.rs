//! Extension headers of IPv6 (RFC 8200 section 4), as far as they say that a packet is a piece of one.
//!
//! etherparse takes them apart too, but goes through those of a packet that is cut without looking where it ends.

/// Extension headers (<https://www.iana.org/assignments/ipv6-parameters>).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// Identification, offset in units of eight bytes, and whether more pieces follow. `None` if no header of these, of which the
/// first is of this kind, says that it is a piece.
pub(super) fn piece(first: u8, headers: &[u8]) -> Option<(u32, u16, bool)> {
    let (mut kind, mut rest) = (first, headers);
    loop {
        let [next, length, ..] = *rest else { return None };
        let bytes = match kind {
            HOP_BY_HOP | ROUTING | DESTINATION => 8 * (usize::from(length) + 1),
            // RFC 4302 section 2.2.
            AUTHENTICATION => 4 * (usize::from(length) + 2),
            FRAGMENT => 8,
            _ => return None,
        };
        let (header, behind) = rest.split_at_checked(bytes)?;
        if kind == FRAGMENT
            && let [_, _, high, low, id @ ..] = header
        {
            let place = u16::from_be_bytes([*high, *low]);
            let (offset, more) = (place >> 3, place & 1 != 0);
            if offset != 0 || more {
                return Some((u32::from_be_bytes(*id.first_chunk()?), offset, more));
            }
        }
        (kind, rest) = (next, behind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fragment header behind all others, whole, and cut anywhere.
    #[test]
    fn a_piece_is_found_behind_other_headers_and_not_beyond_the_end() {
        let headers = [
            &[ROUTING, 0, 1, 4, 0, 0, 0, 0][..],
            &[DESTINATION, 1, 1, 12],
            &[0; 12],
            &[AUTHENTICATION, 0, 1, 4, 0, 0, 0, 0],
            &[FRAGMENT, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[17, 0, 0x12, 0x31, 0, 0, 1, 2],
        ]
        .concat();
        assert_eq!(piece(HOP_BY_HOP, &headers), Some((258, 0x1231 >> 3, true)));
        for end in 0..headers.len() {
            assert_eq!(piece(HOP_BY_HOP, &headers[..end]), None, "{end}");
        }
        let whole = [17, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(piece(FRAGMENT, &whole), None, "the only piece is no piece");
    }
}
