//! Parts of an event's texts, found without copying: addresses, the ends of domains, the hosts of URLs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::{memchr, memchr3, memrchr};

use super::key::{Seed, Space};

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
    let mut groups = [0_u16; 8];
    let mut count = 0;
    // Before which group the zeros are.
    let mut gap = None;
    let mut group = 0_u16;
    let mut digits = 0;
    let mut rest = text;
    if let Some(after) = text.strip_prefix(b"::") {
        gap = Some(0);
        rest = after;
    }
    let ends_in_gap = text.ends_with(b"::");
    for byte in rest {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' | b'A'..=b'F' => (byte | 0x20) - b'a' + 10,
            b':' if digits != 0 => {
                *groups.get_mut(count)? = group;
                (count, group, digits) = (count + 1, 0, 0);
                continue;
            }
            b':' if gap.is_none() && count != 0 => {
                gap = Some(count);
                continue;
            }
            _ => return None,
        };
        if digits == 4 {
            return None;
        }
        group = group << 4 | u16::from(digit);
        digits += 1;
    }
    if digits != 0 {
        *groups.get_mut(count)? = group;
        count += 1;
    } else if !ends_in_gap {
        return None;
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

/// The last two labels of a domain, or all of it.
#[inline]
pub(super) fn last_two_labels(name: &[u8]) -> &[u8] {
    let mut stops = 0;
    let before = name.iter().rposition(|byte| {
        stops += u32::from(*byte == b'.');
        stops == 2
    });
    before.and_then(|stop| name.get(stop + 1..)).unwrap_or(name)
}

/// Who is asked for a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    /// The host as it is written, in brackets if it is an IPv6 address; without user and port.
    pub(super) host: &'a [u8],
}

impl<'a> Authority<'a> {
    /// Of an absolute URL: what is between `://` and the path, query or fragment.
    #[inline]
    pub(super) fn of_url(url: &'a [u8]) -> Option<Self> {
        let rest = match url.strip_prefix(b"http").or_else(|| url.strip_prefix(b"HTTP")) {
            Some([b's' | b'S', b':', b'/', b'/', rest @ ..] | [b':', b'/', b'/', rest @ ..]) => rest,
            Some(_) | None => {
                let colon = memchr(b':', url)?;
                url.get(colon + 1..)?.strip_prefix(b"//")?
            }
        };
        Some(Self::of_start(rest))
    }

    /// Of what follows `://`, or of a host with its port.
    #[inline]
    pub(super) fn of_start(text: &'a [u8]) -> Self {
        let end = memchr3(b'/', b'?', b'#', text).unwrap_or(text.len());
        let authority = text.get(..end).unwrap_or_default();
        let after_user = memrchr(b'@', authority).map_or(0, |at| at + 1);
        let mut host = authority.get(after_user..).unwrap_or_default();
        // A port ends with a digit, if it is not left out.
        if host
            .last()
            .is_some_and(|last| last.is_ascii_digit() || *last == b':')
            && let Some(colon) = memrchr(b':', host)
            && let Some((name, [_, port @ ..])) = host.split_at_checked(colon)
            && port.iter().all(u8::is_ascii_digit)
        {
            host = name;
        }
        Self {
            host: trim_stops(host),
        }
    }

    /// The key of the host: the same for all spellings in ASCII that have one normal form.
    pub(super) fn hash(&self, seed: Seed) -> u64 {
        let v6 = self
            .host
            .strip_prefix(b"[")
            .and_then(|host| host.strip_suffix(b"]"))
            .and_then(|inside| std::str::from_utf8(inside).ok())
            .and_then(|inside| inside.parse::<Ipv6Addr>().ok());
        match v6 {
            Some(v6) => seed.bytes(Space::UrlHost, &v6.octets()),
            None => seed.text(Space::UrlHost, self.host),
        }
    }
}

/// Without full stops at the end.
#[inline]
pub(super) fn trim_end(mut name: &[u8]) -> &[u8] {
    while let [rest @ .., b'.'] = name {
        name = rest;
    }
    name
}

/// Without what normal forms of domains leave out at the ends.
#[inline]
fn trim_stops(host: &[u8]) -> &[u8] {
    let mut host = trim_end(host);
    while let Some(rest) = host.strip_prefix(b"*.").or_else(|| host.strip_prefix(b".")) {
        host = rest;
    }
    host
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
            assert_eq!(super::address(text), read.parse().ok(), "{text}");
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
                let address = Ipv6Addr::from(number);
                prop_assert_eq!(super::address(&address.to_string()), Some(IpAddr::V6(address)));
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
    fn authorities() {
        for (url, host) in [
            ("http://bad.example/a", Some("bad.example")),
            ("http://bad.example", Some("bad.example")),
            ("http://user:pass@bad.example:8080?x@y:1", Some("bad.example")),
            ("https://bad.example.:443/", Some("bad.example")),
            ("https://[2001:db8::1]:443/", Some("[2001:db8::1]")),
            ("https://[2001:db8::1]/", Some("[2001:db8::1]")),
            ("https:///", Some("")),
            ("mailto:somebody", None),
            ("no url", None),
        ] {
            let authority = Authority::of_url(url.as_bytes());
            assert_eq!(
                authority.map(|authority| authority.host),
                host.map(str::as_bytes),
                "{url}"
            );
        }
    }

    #[test]
    fn ends_of_domains() {
        for (name, two) in [
            ("a.b.example.org", "example.org"),
            ("example.org", "example.org"),
            ("org", "org"),
            ("", ""),
        ] {
            assert_eq!(last_two_labels(name.as_bytes()), two.as_bytes());
        }
    }
}
