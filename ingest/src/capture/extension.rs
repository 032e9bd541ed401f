//! Extension headers of IPv6 (RFC 8200 section 4), as far as they say that a packet is a piece of one.
//!
//! etherparse takes them apart too, but goes through those of a packet that is cut without looking where it ends.

/// Extension headers (<https://www.iana.org/assignments/ipv6-parameters>).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// What a fragment header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) identification: u32,
    /// In units of eight bytes.
    pub(super) offset: u16,
    /// Whether more pieces follow.
    pub(super) more: bool,
    /// What the first piece begins with: maybe headers that were fragmented with the rest.
    pub(super) protocol: u8,
    /// Bytes of the headers up to the piece.
    pub(super) header_bytes: usize,
}

/// Which piece it is. `None` if no header of these, of which the first is of this kind, says that it is one.
pub(super) fn piece(first: u8, headers: &[u8]) -> Option<Piece> {
    let (mut kind, mut rest) = (first, headers);
    loop {
        let (header, next, behind) = header(kind, rest)?;
        if kind == FRAGMENT
            && let [_, _, high, low, id @ ..] = header
        {
            let place = u16::from_be_bytes([*high, *low]);
            let (offset, more) = (place >> 3, place & 1 != 0);
            if offset != 0 || more {
                return Some(Piece {
                    identification: u32::from_be_bytes(*id.first_chunk()?),
                    offset,
                    more,
                    protocol: next,
                    header_bytes: headers.len() - behind.len(),
                });
            }
        }
        (kind, rest) = (next, behind);
    }
}

/// What is behind the headers with which bytes of this kind begin, and of which kind that is.
pub(super) fn behind(first: u8, bytes: &[u8]) -> (u8, &[u8]) {
    let (mut kind, mut rest) = (first, bytes);
    while let Some((_, next, behind)) = header(kind, rest) {
        (kind, rest) = (next, behind);
    }
    (kind, rest)
}

/// A header, the kind of what is behind it, and that.
fn header(kind: u8, bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let [next, length, ..] = *bytes else { return None };
    let length = match kind {
        HOP_BY_HOP | ROUTING | DESTINATION => 8 * (usize::from(length) + 1),
        // RFC 4302 section 2.2.
        AUTHENTICATION => 4 * (usize::from(length) + 2),
        FRAGMENT => 8,
        _ => return None,
    };
    let (header, behind) = bytes.split_at_checked(length)?;
    Some((header, next, behind))
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
        let expected = Piece {
            identification: 258,
            offset: 0x1231 >> 3,
            more: true,
            protocol: 17,
            header_bytes: headers.len(),
        };
        assert_eq!(piece(HOP_BY_HOP, &headers), Some(expected));
        // What is behind it does not belong to it.
        let longer = [&headers[..], &[0; 8]].concat();
        assert_eq!(piece(HOP_BY_HOP, &longer), Some(expected));
        assert_eq!(behind(HOP_BY_HOP, &longer), (17, &[0; 8][..]));
        for end in 0..headers.len() {
            assert_eq!(piece(HOP_BY_HOP, &headers[..end]), None, "{end}");
        }
        let whole = [17, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(piece(FRAGMENT, &whole), None, "the only piece is no piece");
    }
}
