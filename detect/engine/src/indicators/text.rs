//! Parts of an event's texts, found without copying: the ends of domains, the hosts of URLs.

use std::net::IpAddr;

use memchr::{memchr, memrchr};
use wide::u8x16;

use super::{
    address::address,
    key::{Seed, Space},
};

/// The last two labels of a domain, or all of it.
#[inline]
pub(super) fn last_two_labels(name: &[u8]) -> &[u8] {
    // One bit for each of the last 32 bytes that is a full stop.
    let start = name.len().saturating_sub(32);
    let near = name.get(start..).unwrap_or(name);
    let stops = match (near.first_chunk::<16>(), near.last_chunk::<16>()) {
        (Some(first), Some(last)) => stops(first) | stops(last) << (near.len() - 16),
        _ => stops(&up_to_15(near).to_le_bytes()),
    };
    let Some(last) = stops.checked_ilog2() else {
        return if start == 0 { name } else { far_two_labels(name) };
    };
    match (stops ^ 1 << last).checked_ilog2() {
        Some(before) => near.get(before as usize + 1..).unwrap_or(name),
        None if start == 0 => name,
        None => far_two_labels(name),
    }
}

/// Up to fifteen bytes, the first one lowest, zeros after them.
#[inline]
fn up_to_15(bytes: &[u8]) -> u128 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        // The two overlap, and where they do they are the same.
        let last = u128::from(u64::from_le_bytes(*last)) << (8 * (bytes.len() - 8));
        return u128::from(u64::from_le_bytes(*first)) | last;
    }
    let word = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
    u128::from(bytes.iter().rev().fold(0, word))
}

/// One bit for each byte that is a full stop.
#[inline]
fn stops(bytes: &[u8; 16]) -> u32 {
    u8x16::new(*bytes).simd_eq(u8x16::splat(b'.')).to_bitmask()
}

/// Of names with long labels.
#[cold]
fn far_two_labels(name: &[u8]) -> &[u8] {
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
        let (end, has_user) = end_of_authority(text);
        let authority = text.get(..end).unwrap_or_default();
        let after_user = if has_user {
            memrchr(b'@', authority).map_or(0, |at| at + 1)
        } else {
            0
        };
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

    /// The host, if it is an address. IPv4 inside IPv6 is IPv4.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.host {
            [b'[', inside @ .., b']'] => address(std::str::from_utf8(inside).ok()?),
            [.., b'0'..=b'9'] => address(std::str::from_utf8(self.host).ok()?),
            _ => None,
        }
        .map(|address| address.to_canonical())
    }

    /// The key of the host: the same for all spellings in ASCII that have one normal form.
    pub(super) fn hash(&self, seed: Seed) -> u64 {
        match self.address() {
            Some(IpAddr::V6(v6)) => seed.bytes(Space::UrlHost, &v6.octets()),
            Some(IpAddr::V4(v4)) => seed.bytes(Space::UrlHost, &v4.octets()),
            None => seed.text(Space::UrlHost, self.host),
        }
    }
}

/// Where the path, query or fragment begins, and whether there may be an `@` before.
#[inline]
fn end_of_authority(text: &[u8]) -> (usize, bool) {
    let mut has_user = false;
    let (chunks, rest) = text.as_chunks::<16>();
    for (chunk, start) in chunks.iter().zip((0..).step_by(16)) {
        let (ends, users) = ends_and_users(chunk);
        has_user |= users;
        if ends != 0 {
            return (start + ends.trailing_zeros() as usize, has_user);
        }
    }
    let (ends, users) = ends_and_users(&up_to_15(rest).to_le_bytes());
    let start = text.len() - rest.len();
    let end = start + (ends.trailing_zeros() as usize).min(rest.len());
    (end, has_user | users)
}

#[inline]
fn ends_and_users(bytes: &[u8; 16]) -> (u32, bool) {
    let bytes = u8x16::new(*bytes);
    let is = |byte| bytes.simd_eq(u8x16::splat(byte));
    let ends = is(b'/') | is(b'?') | is(b'#');
    (ends.to_bitmask(), is(b'@').to_bitmask() != 0)
}

/// Whether a text has one of two characters.
#[inline]
pub(super) fn has_either(text: &[u8], one: u8, other: u8) -> bool {
    let has = |bytes: &[u8; 16]| {
        let bytes = u8x16::new(*bytes);
        (bytes.simd_eq(u8x16::splat(one)) | bytes.simd_eq(u8x16::splat(other))).to_bitmask() != 0
    };
    let (chunks, rest) = text.as_chunks::<16>();
    chunks.iter().any(has) || has(&up_to_15(rest).to_le_bytes())
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
            (".", "."),
            ("a..", "."),
        ] {
            assert_eq!(last_two_labels(name.as_bytes()), two.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn ends_of_domains_of_any_length(name in "([a-z]{0,40}\\.?){0,6}") {
            prop_assert_eq!(last_two_labels(name.as_bytes()), far_two_labels(name.as_bytes()), "{}", name);
        }
    }
}
