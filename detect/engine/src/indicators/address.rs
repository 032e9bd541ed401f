//! Addresses in an event's texts: where they lie, told from their first bytes, and their numbers.
//!
//! Most addresses of most events are in parts of the address space that no indicator is in. [`sight`] reads just
//! enough of a text to ask for its part; what it says of a text that is no address does not matter, since such a
//! text names nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::memchr3;

/// The longest spelling of an IPv4 address.
pub(super) const V4_TEXT_BYTES_MAX: usize = 15;

/// The longest spelling of an IPv6 address without an IPv4 address at its end.
const V6_TEXT_BYTES_MAX: usize = 39;

const HIGH_BITS: u64 = every(0x80);

/// What the first bytes of a text say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// If it is an address, then of IPv4, in the block with these first 16 bits, spelled with these bytes.
    V4(u16, Spelled),
    /// If it is an address, then of IPv6, in the block with these first 32 bits.
    V6(u32),
    /// It may be any address, or none.
    Unclear,
}

/// The bytes of an IPv4 address as it is spelled, which it is in one way only: it can be looked up without being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spelled {
    /// The first eight bytes, the first one lowest.
    pub(super) low: u64,
    /// The last eight.
    pub(super) high: u64,
}

/// Looks at the first bytes of a text without blanks at its ends.
#[inline]
pub(super) fn sight(text: &[u8]) -> Sight {
    if let Some(spelled) = spelled(text)
        && let Some(block) = block_v4(spelled.low)
    {
        return Sight::V4(block, spelled);
    }
    match block_v6(text) {
        // IPv4 addresses are written so too.
        None | Some(0) => Sight::Unclear,
        Some(block) => Sight::V6(block),
    }
}

/// An IPv4 address as it is spelled.
pub(super) fn spell(address: Ipv4Addr) -> Option<Spelled> {
    let mut text = [0_u8; V4_TEXT_BYTES_MAX];
    let mut length = 0;
    for octet in address.octets() {
        for (unit, is_written) in [(100, 100 <= octet), (10, 10 <= octet), (1, true)] {
            if is_written {
                *text.get_mut(length)? = b'0' + octet / unit % 10;
                length += 1;
            }
        }
        if let Some(stop) = text.get_mut(length) {
            *stop = b'.';
        }
        length += 1;
    }
    spelled(text.get(..length - 1)?)
}

/// Seven to fifteen digits and full stops.
#[inline]
fn spelled(text: &[u8]) -> Option<Spelled> {
    if V4_TEXT_BYTES_MAX < text.len() {
        return None;
    }
    let spelled = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(low), Some(high)) => Spelled {
            low: u64::from_le_bytes(*low),
            high: u64::from_le_bytes(*high),
        },
        _ => {
            let [a, b, c, d, e, f, g] = *text.first_chunk::<7>()?;
            let all = u64::from_le_bytes([a, b, c, d, e, f, g, b'.']);
            Spelled { low: all, high: all }
        }
    };
    (are_digits_or_stops(spelled.low) & are_digits_or_stops(spelled.high)).then_some(spelled)
}

/// Whether every byte is one of `./0123456789`.
#[inline]
const fn are_digits_or_stops(word: u64) -> bool {
    // Adding carries into the highest bit of what is more than `9`, and of what is not less than `.`.
    let more = word.wrapping_add(every(0x7f - b'9'));
    let not_less = word.wrapping_add(every(0x80 - b'.'));
    (more | word | !not_less) & HIGH_BITS == 0
}

/// The first two of four numbers, from the first eight bytes, which are digits and full stops.
#[inline]
fn block_v4(word: u64) -> Option<u16> {
    let stops = zeros(word ^ every(b'.'));
    let first = stops.trailing_zeros() / 8;
    let stops = stops & stops.wrapping_sub(1);
    if stops == 0 {
        return None;
    }
    let second = stops.trailing_zeros() / 8;
    let rest = word >> (8 * (first + 1));
    let block = octet_before(word, first) << 8 | octet_before(rest, second - first - 1);
    Some(block as u16)
}

/// The number of up to three digits before the byte at `end`.
#[inline]
const fn octet_before(word: u64, end: u32) -> u64 {
    // Three digits at the lower end, the hundreds lowest, zeros for those that are not there.
    let digits = word.wrapping_shl(64 - 8 * end) >> 40 & 0x0f_0f_0f;
    // 100, 10 and 1 times them add up in the third byte.
    digits.wrapping_mul(100 << 16 | 10 << 8 | 1) >> 16 & 0xff
}

/// The first two of eight groups.
#[inline]
fn block_v6(text: &[u8]) -> Option<u32> {
    let text = text.strip_prefix(b"[").unwrap_or(text);
    let (first, length) = group(window(text, 0)?)?;
    let (second, _) = group(window(text, length + 1)?)?;
    let is_begun = length != 0;
    is_begun.then_some(u32::from(first) << 16 | u32::from(second))
}

/// Eight bytes of a text from a place, zeros after its end. None of a text that is shorter than `::`.
#[inline]
fn window(text: &[u8], at: usize) -> Option<u64> {
    let rest = text.get(at..)?;
    if let Some(chunk) = rest.first_chunk::<8>() {
        return Some(u64::from_le_bytes(*chunk));
    }
    if let Some(last) = text.last_chunk::<8>() {
        let word = u64::from_le_bytes(*last);
        return Some(word.checked_shr(8 * (8 - rest.len()) as u32).unwrap_or_default());
    }
    let byte = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
    Some(rest.iter().rev().fold(0, byte))
}

/// The number of up to four hexadecimal digits before the first colon, and how many there are.
#[inline]
fn group(word: u64) -> Option<(u16, usize)> {
    let length = zeros(word ^ every(b':')).trailing_zeros() / 8;
    if 4 < length {
        return None;
    }
    let placed = placed(word, length);
    are_hexadecimal(placed).then(|| (number(placed), length as usize))
}

/// The first `length` of up to four bytes at the upper end of four.
#[inline]
const fn placed(word: u64, length: u32) -> u32 {
    ((word as u32 as u64) << (32 - 8 * length)) as u32
}

/// The number of four hexadecimal digits, the first one lowest.
#[inline]
const fn number(digits: u32) -> u16 {
    // A letter's low half is nine less than its value, and bit 6 says that it is a letter.
    let values = (digits & 0x0f0f_0f0f) + 9 * (digits >> 6 & 0x0101_0101);
    let pairs = (values << 4 | values >> 8) & 0x00ff_00ff;
    (pairs << 8 | pairs >> 16) as u16
}

/// Whether four bytes are hexadecimal digits, apart from zeros.
#[inline]
const fn are_hexadecimal(digits: u32) -> bool {
    const LOW_BITS: u32 = 0x7f7f_7f7f;
    const HIGH_BITS: u32 = 0x8080_8080;
    const fn every(byte: u8) -> u32 {
        u32::from_ne_bytes([byte; 4])
    }
    let low = digits & LOW_BITS;
    let letters = low | every(0x20);
    let is_digit = (low + every(0x80 - b'0')) & !(low + every(0x7f - b'9'));
    let is_letter = (letters + every(0x80 - b'a')) & !(letters + every(0x7f - b'f'));
    let is_zero = !(low + LOW_BITS);
    (is_digit | is_letter | is_zero) & !digits & HIGH_BITS == HIGH_BITS
}

/// The highest bit of every byte that is zero.
#[inline]
const fn zeros(word: u64) -> u64 {
    const LOW_BITS: u64 = every(0x7f);
    !(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS)
}

const fn every(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// An address in any spelling, in brackets or with a zone too.
#[inline]
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let bytes = text.as_bytes();
    if let Some(v4) = dotted(bytes) {
        return Some(IpAddr::V4(v4));
    }
    if let Some(v6) = groups(bytes) {
        return Some(IpAddr::V6(v6));
    }
    // Neither is common.
    memchr3(b'%', b'[', b'.', bytes)?;
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let bare = bare.split_once('%').map_or(bare, |(bare, _)| bare);
    bare.parse::<IpAddr>().ok()
}

/// Up to eight groups of hexadecimal digits with colons between them, and `::` once for zeros: what the standard
/// library reads, apart from an IPv4 address at the end.
fn groups(text: &[u8]) -> Option<Ipv6Addr> {
    if V6_TEXT_BYTES_MAX < text.len() {
        return None;
    }
    let mut groups = [0_u16; 8];
    let mut count = 0;
    // Before which group the zeros are.
    let mut gap = None;
    let mut at = 0;
    if text.starts_with(b"::") {
        (gap, at) = (Some(0), 2);
    }
    while at < text.len() {
        let word = window(text, at)?;
        let ends = zeros(word ^ every(b':')) | zeros(word);
        let length = ends.trailing_zeros() / 8;
        if length == 0 {
            // The second of two colons; the first one ended a group.
            if gap.is_some() || count == 0 {
                return None;
            }
            (gap, at) = (Some(count), at + 1);
            continue;
        }
        let digits = placed(word, length.min(4));
        if 4 < length || !are_hexadecimal(digits) {
            return None;
        }
        *groups.get_mut(count)? = number(digits);
        (count, at) = (count + 1, at + length as usize);
        match text.get(at) {
            None => break,
            // Between groups, or the first of two.
            Some(b':') if at + 1 < text.len() => at += 1,
            Some(_) => return None,
        }
    }
    match gap {
        Some(gap) if count < groups.len() => {
            let zeros = groups.len() - count;
            groups.get_mut(gap..)?.rotate_right(zeros);
            Some(Ipv6Addr::from(groups))
        }
        None if count == groups.len() => Some(Ipv6Addr::from(groups)),
        Some(_) | None => None,
    }
}

/// Four numbers with full stops between them, as the standard library reads them, without a branch for each digit:
/// digits come in no pattern that a processor could foresee.
#[inline]
fn dotted(text: &[u8]) -> Option<Ipv4Addr> {
    const STOPS: u128 = u128::from_ne_bytes([b'.'; 16]);
    const LOW_BITS: u128 = u128::from_ne_bytes([0x7f; 16]);
    let word = up_to_15(text)?;
    // The highest bit of each byte that is a full stop.
    let x = word ^ STOPS;
    let mut stops = !(((x & LOW_BITS) + LOW_BITS) | x | LOW_BITS);
    let mut starts = [0_u32; 5];
    for (index, start) in starts.iter_mut().enumerate().skip(1) {
        *start = if index == 4 {
            text.len() as u32 + 1
        } else {
            stops.trailing_zeros() / 8 + 1
        };
        stops &= stops.wrapping_sub(1);
    }
    let [first, second, third, fourth, end] = starts;
    // The fourth clearing leaves what a fourth full stop would have set.
    let (a, a_fits) = octet(word, first, second);
    let (b, b_fits) = octet(word, second, third);
    let (c, c_fits) = octet(word, third, fourth);
    let (d, d_fits) = octet(word, fourth, end);
    let address = a << 24 | b << 16 | c << 8 | d;
    (a_fits & b_fits & c_fits & d_fits).then(|| Ipv4Addr::from(address))
}

/// The number from `start` to the full stop before `next`, and whether it is one of up to 255 without leading
/// zeros. A full stop inside is no digit.
#[inline]
fn octet(word: u128, start: u32, next: u32) -> (u32, bool) {
    let length = next.wrapping_sub(start).wrapping_sub(1);
    let fits = length.wrapping_sub(1) < 3;
    // One to three digits at the upper end of the word, zeros before them.
    let shift = if fits { 8 * (4 - length) } else { 0 };
    let digits = (word >> ((8 * start) & 127)) as u32 ^ 0x3030_3030;
    let placed = digits << shift;
    let are_digits = (((placed & 0x7f7f_7f7f) + 0x7676_7676) | placed) & 0x8080_8080 == 0;
    let number = (placed >> 24) + 10 * (placed >> 16 & 0xff) + 100 * (placed >> 8 & 0xff);
    let has_leading_zero = (1 < length) & (digits & 0xff == 0);
    (number, fits & are_digits & (number <= 255) & !has_leading_zero)
}

/// Seven to fifteen bytes, the first one lowest, the others zero.
#[inline]
fn up_to_15(text: &[u8]) -> Option<u128> {
    if 15 < text.len() {
        return None;
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        // The last eight bytes overlap the first; only those after them are kept.
        let after = u128::from(u64::from_le_bytes(*last)) >> (8 * (16 - text.len()));
        return Some(u128::from(u64::from_le_bytes(*first)) | after << 64);
    }
    let bytes = text.first_chunk::<7>()?;
    let [a, b, c, d, e, f, g] = *bytes;
    Some(u128::from(u64::from_le_bytes([a, b, c, d, e, f, g, 0])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ipv4_is_read_as_the_standard_library_reads_it() {
        for text in [
            "1.2.3.4",
            "0.0.0.0",
            "255.255.255.255",
            "10.0.0.1",
            "203.0.113.70",
            "256.1.1.1",
            "1.1.1.999",
            "01.2.3.4",
            "1.2.3.00",
            "1.2.3",
            "1.2.3.",
            ".1.2.3",
            "1..2.3",
            "1.2.3.4.5",
            "1.2.3.4.",
            "1.2.3.4 ",
            "1.2.3.a",
            "1.2.3.4/24",
            "1111.2.3.4",
            "1.2.3.4444",
            "1,2,3,4",
            "\u{7f}.2.3.4",
            "1.2.3.\u{b2}\u{b2}",
            "",
            "1",
            "255.255.255.2555",
        ] {
            assert_eq!(dotted(text.as_bytes()), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn ipv6_is_read_as_the_standard_library_reads_it() {
        for text in [
            "::",
            "::1",
            "1::",
            "1::2",
            ":",
            ":::",
            "1:",
            ":1",
            "1:::2",
            "1::2::3",
            "2001:db8::1",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "12345::",
            "g::",
            "1::2:",
            "",
        ] {
            assert_eq!(groups(text.as_bytes()), text.parse().ok(), "{text}");
        }
        for (text, read) in [
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
        ] {
            assert_eq!(address(text), read.parse().ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_ipv6_like_text_is_read_as_the_standard_library_reads_it(
            text in "(::|:)?([0-9a-fA-F]{0,5}(::|:|:::)?){0,9}",
            bits in any::<u128>(),
            mask in any::<u128>(),
        ) {
            prop_assert_eq!(groups(text.as_bytes()), text.parse().ok(), "{}", text);
            // Runs of zeros are where the spellings differ.
            for number in [bits, bits & mask, bits & mask & mask << 16 & mask << 32, bits & 0xffff << 48] {
                let v6 = Ipv6Addr::from(number);
                prop_assert_eq!(address(&v6.to_string()), Some(IpAddr::V6(v6)));
            }
        }

        #[test]
        fn any_ipv4_like_text_is_read_as_the_standard_library_reads_it(
            text in "[0-9]{0,4}[.x]?[0-9]{0,3}\\.[0-9]{0,3}\\.[0-9:/. ]{0,4}",
            number in any::<u32>(),
        ) {
            prop_assert_eq!(dotted(text.as_bytes()), text.parse().ok(), "{}", text);
            let address = Ipv4Addr::from(number);
            prop_assert_eq!(dotted(address.to_string().as_bytes()), Some(address));
        }
    }

    #[test]
    fn an_address_is_sighted_where_it_is() {
        for (text, expected) in [
            ("10.20.30.40", Some(0x0a14)),
            ("1.2.3.4", Some(0x0102)),
            ("255.255.255.255", Some(0xffff)),
            ("203.0.113.7", Some(0xcb00)),
            ("100.64.0.1", Some(0x6440)),
        ] {
            let block = match sight(text.as_bytes()) {
                Sight::V4(block, spelled) => {
                    assert_eq!(spell(text.parse().expect("an address")), Some(spelled), "{text}");
                    Some(block)
                }
                Sight::V6(_) | Sight::Unclear => None,
            };
            assert_eq!(block, expected, "{text}");
        }
        for (text, expected) in [
            ("2001:db8::1", Sight::V6(0x2001_0db8)),
            ("2001:0DB8:0000:0000:0000:0000:0000:0001", Sight::V6(0x2001_0db8)),
            ("[2001:db8::1]", Sight::V6(0x2001_0db8)),
            ("fe80::1%eth0", Sight::V6(0xfe80_0000)),
            ("2::", Sight::V6(0x0002_0000)),
            ("::1", Sight::Unclear),
            ("::ffff:192.0.2.1", Sight::Unclear),
            ("0:0:0:0:0:ffff:192.0.2.1", Sight::Unclear),
            ("192.0.2.1%1", Sight::Unclear),
            ("[192.0.2.1]", Sight::Unclear),
            ("", Sight::Unclear),
            ("bad.example", Sight::Unclear),
            ("cafe:8080", Sight::Unclear),
            ("a.no:80", Sight::Unclear),
        ] {
            assert_eq!(sight(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        /// What is sighted is where the address is, however it is spelled: one that is sighted elsewhere would be missed.
        #[test]
        fn any_address_is_sighted_where_it_is(
            v4 in any::<u32>(),
            bits in any::<u128>(),
            mask in any::<u128>(),
            text in "(::|:|\\[)?([0-9a-fA-F]{0,5}(::|:|\\.|%)?){0,9}\\]?",
        ) {
            let v4 = Ipv4Addr::from(v4);
            let v6 = Ipv6Addr::from(bits & mask);
            let groups: Vec<String> = v6.segments().iter().map(|group| format!("{group:04X}")).collect();
            for text in [v4.to_string(), v6.to_string(), format!("[{v6}]"), groups.join(":"), text] {
                let Some(address) = address(&text) else { continue };
                match (sight(text.as_bytes()), address) {
                    (Sight::V4(block, spelled), IpAddr::V4(v4)) => {
                        prop_assert_eq!(u32::from(v4) >> 16, u32::from(block), "{}", text);
                        prop_assert_eq!(spell(v4), Some(spelled), "{}", text);
                    }
                    (Sight::V6(block), IpAddr::V6(v6)) => {
                        prop_assert_eq!((u128::from(v6) >> 96) as u32, block, "{}", text);
                        prop_assert_eq!(v6.to_ipv4_mapped(), None, "{}", text);
                    }
                    (Sight::Unclear, _) => {}
                    (sight, address) => prop_assert!(false, "{text}: {sight:?} of {address}"),
                }
            }
        }
    }
}
