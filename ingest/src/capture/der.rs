//! DER and BER as Kerberos and LDAP use them: tag, length, contents (ITU-T X.690), with tags of one byte and lengths
//! that are given. Only steps through; nothing is copied or kept.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const GENERAL_STRING: u8 = 0x1b;
pub(super) const SEQUENCE: u8 = 0x30;

/// One element: its tag and its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) body: &'a [u8],
}

/// Tag, bytes of the header, bytes of the contents, which need not be there yet.
pub(super) fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if tag & 0x1f == 0x1f {
        return None;
    }
    if first < 0x80 {
        return Some((tag, 2, usize::from(first)));
    }
    let count = usize::from(first & 0x7f);
    let digits = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
    let length = digits
        .iter()
        .fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
    Some((tag, 2 + count, length))
}

/// The first element, and what follows it.
pub(super) fn first(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, head, length) = header(bytes)?;
    let (body, rest) = bytes.get(head..)?.split_at_checked(length)?;
    Some((Element { tag, body }, rest))
}

/// The elements one after the other, as far as they are whole.
pub(super) fn each(mut bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let (element, rest) = first(bytes)?;
        bytes = rest;
        Some(element)
    })
}

/// The contents of the first element if it has this tag.
pub(super) fn expect(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    first(bytes)
        .filter(|(element, _)| element.tag == tag)
        .map(|(element, _)| element.body)
}

/// The contents of the element with context tag `number`.
pub(super) fn context(bytes: &[u8], number: u8) -> Option<&[u8]> {
    each(bytes)
        .find(|element| element.tag == 0xa0 | number)
        .map(|element| element.body)
}

/// A number of up to four bytes that stands as an element in `bytes`.
pub(super) fn number(bytes: &[u8], tag: u8) -> Option<i32> {
    integer(expect(bytes, tag)?)
}

/// A number of up to four bytes by its contents.
pub(super) fn integer(body: &[u8]) -> Option<i32> {
    let negative = body.first()? & 0x80 != 0;
    if 4 < body.len() {
        return None;
    }
    let start = if negative { -1 } else { 0 };
    Some(
        body.iter()
            .fold(start, |number, byte| number << 8 | i32::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_a_short_and_a_long_form() {
        for (bytes, expected) in [
            (&[0x30, 3][..], Some((0x30, 2, 3))),
            (&[0x30, 0x81, 0xff], Some((0x30, 3, 255))),
            (&[0x6a, 0x82, 1, 2], Some((0x6a, 4, 258))),
            (&[0x30, 0x84, 0, 0, 1, 0], Some((0x30, 6, 256))),
            (&[0x30, 0x80], None),
            (&[0x30, 0x85, 1, 1, 1, 1, 1], None),
            (&[0x1f, 1, 1], None),
            (&[0x30], None),
        ] {
            assert_eq!(header(bytes), expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn numbers_keep_their_sign() {
        for (body, expected) in [
            (&[5][..], Some(5)),
            (&[0xff], Some(-1)),
            (&[0, 0x80], Some(128)),
            (&[0xff, 0x7b], Some(-133)),
            (&[0x7f, 0xff, 0xff, 0xff], Some(i32::MAX)),
            (&[1, 0, 0, 0, 0], None),
            (&[], None),
        ] {
            assert_eq!(integer(body), expected, "{body:02x?}");
        }
    }

    #[test]
    fn what_is_cut_is_not_there() {
        assert_eq!(first(&[0x30, 2, 1]), None);
        assert_eq!(each(&[2, 1, 7, 2, 2, 1]).count(), 1);
        assert_eq!(context(&[0xa1, 1, 5, 0xa2, 1, 6], 2), Some(&[6][..]));
    }
}
