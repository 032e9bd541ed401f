//! One indicator as bytes, and back.
//!
//! ```text
//! kind and flags │ provenance │ value                              │ valid from │ valid until
//!   1 byte       │ varint     │ fixed by kind, or varint and bytes │ varint     │ varint        (times only if flagged)
//! ```
//!
//! Addresses and hashes are held in binary: an IPv4 address takes 6 bytes with everything, a SHA-256 34. Equal
//! indicators have equal bytes.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use detect_alert::IndicatorKind;
use ingest_event::Timestamp;
use ipnet::IpNet;

use super::key::{Seed, Space};

/// Longer values are refused: no browser sends a URL as long, and no other kind comes near.
pub(super) const VALUE_BYTES_MAX: usize = 4096;

/// RFC 1035, section 2.3.4.
pub(super) const DOMAIN_BYTES_MAX: usize = 253;

/// So many digits of a digest tell it from others: 64 bits.
pub(super) const DIGITS_TOLD: usize = 16;

const KIND_MASK: u8 = 0x0f;
const HAS_FROM: u8 = 0x10;
const HAS_UNTIL: u8 = 0x20;
/// The longer of the two forms of an address (IPv6), a prefix (IPv6) or a certificate's fingerprint (SHA-256).
const IS_WIDE: u8 = 0x40;
/// It was taken out again, and its bytes are only still there.
pub(super) const IS_GONE: u8 = 0x80;

const NANOS_PER_SEC: i64 = 1_000_000_000;

/// A decoded indicator: its value still in binary, its provenance still a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) kind: IndicatorKind,
    pub(super) is_wide: bool,
    pub(super) provenance: u32,
    pub(super) value: &'a [u8],
    pub(super) valid_from: Option<Timestamp>,
    pub(super) valid_until: Option<Timestamp>,
}

/// How the value of a kind is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// So many bytes; so many if wide.
    Number(usize, usize),
    /// As numbers, written in hexadecimal digits.
    Digest(usize, usize),
    /// A text in which ASCII case does not matter.
    Text,
    /// A text in which case matters.
    ExactText,
}

const fn form(kind: IndicatorKind) -> Form {
    match kind {
        IndicatorKind::Address => Form::Number(4, 16),
        IndicatorKind::Asn => Form::Number(4, 4),
        IndicatorKind::Certificate => Form::Digest(20, 32),
        // The address, and one byte for the length.
        IndicatorKind::Cidr => Form::Number(5, 17),
        IndicatorKind::Domain | IndicatorKind::Email | IndicatorKind::FileName | IndicatorKind::Ja4 => {
            Form::Text
        }
        IndicatorKind::Ja3 | IndicatorKind::Md5 => Form::Digest(16, 16),
        IndicatorKind::Sha1 => Form::Digest(20, 20),
        IndicatorKind::Sha256 => Form::Digest(32, 32),
        IndicatorKind::Url => Form::ExactText,
    }
}

/// Writes a value as it is held; says whether it is of the wide form. `None` if it is not in the normal form of
/// its kind.
pub(super) fn encode_value(kind: IndicatorKind, value: &str, into: &mut Vec<u8>) -> Option<bool> {
    into.clear();
    let put_address = |address: IpAddr, into: &mut Vec<u8>| match address {
        IpAddr::V4(address) => {
            into.extend_from_slice(&address.octets());
            false
        }
        IpAddr::V6(address) => {
            into.extend_from_slice(&address.octets());
            true
        }
    };
    match kind {
        IndicatorKind::Address => {
            let address = value.parse::<IpAddr>().ok()?.to_canonical();
            Some(put_address(address, into))
        }
        IndicatorKind::Asn => {
            let digits = value.strip_prefix("AS").unwrap_or(value);
            into.extend_from_slice(&digits.parse::<u32>().ok()?.to_be_bytes());
            Some(false)
        }
        IndicatorKind::Cidr => {
            let net = canonical(value.parse::<IpNet>().ok()?)?;
            let is_wide = put_address(net.addr(), into);
            into.push(net.prefix_len());
            Some(is_wide)
        }
        IndicatorKind::Certificate
        | IndicatorKind::Ja3
        | IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256 => {
            let mut digest = [0; 32];
            let length = decode_hex(value.as_bytes(), &mut digest)?;
            into.extend_from_slice(digest.get(..length)?);
            let Form::Digest(narrow, wide) = form(kind) else {
                return None;
            };
            if length == narrow {
                Some(false)
            } else {
                (length == wide).then_some(true)
            }
        }
        IndicatorKind::Domain
        | IndicatorKind::Email
        | IndicatorKind::FileName
        | IndicatorKind::Ja4
        | IndicatorKind::Url => {
            into.extend_from_slice(value.as_bytes());
            let most = if kind == IndicatorKind::Domain {
                DOMAIN_BYTES_MAX
            } else {
                VALUE_BYTES_MAX
            };
            (1..=most).contains(&value.len()).then_some(false)
        }
    }
}

/// A prefix without the bits after its length; one of IPv4-mapped addresses is one of IPv4.
fn canonical(net: IpNet) -> Option<IpNet> {
    match net.trunc() {
        IpNet::V6(v6) => match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
            (Some(v4), Some(length)) => IpNet::new(IpAddr::V4(v4), length).ok(),
            _ => Some(IpNet::V6(v6)),
        },
        v4 @ IpNet::V4(_) => Some(v4),
    }
}

/// Hexadecimal digits to up to 32 bytes; says how many.
pub(super) fn decode_hex(digits: &[u8], into: &mut [u8; 32]) -> Option<usize> {
    let value = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (pairs, rest) = digits.as_chunks::<2>();
    for (at, [high, low]) in pairs.iter().enumerate() {
        *into.get_mut(at)? = value(*high)? << 4 | value(*low)?;
    }
    rest.is_empty().then_some(pairs.len())
}

impl Entry<'_> {
    /// Appends the entry.
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        into.push(
            kind_number(self.kind)
                | flag(self.valid_from.is_some(), HAS_FROM)
                | flag(self.valid_until.is_some(), HAS_UNTIL)
                | flag(self.is_wide, IS_WIDE),
        );
        put_number(u64::from(self.provenance), into);
        match form(self.kind) {
            Form::Number(..) | Form::Digest(..) => {}
            Form::Text | Form::ExactText => put_number(self.value.len() as u64, into),
        }
        into.extend_from_slice(self.value);
        for time in [self.valid_from, self.valid_until].into_iter().flatten() {
            put_time(time, into);
        }
    }

    /// Whether it has this value; `other` has the length and form of its kind.
    pub(super) fn has_value(&self, is_wide: bool, other: &[u8]) -> bool {
        self.is_wide == is_wide
            && match form(self.kind) {
                Form::Text => self.value.eq_ignore_ascii_case(other),
                Form::Number(..) | Form::Digest(..) | Form::ExactText => self.value == other,
            }
    }

    /// What it is found by.
    pub(super) fn hash(&self, seed: Seed) -> u64 {
        hash(seed, self.kind, self.value)
    }

    /// Whether it counts at a time.
    pub(super) fn validity(&self, at: Timestamp) -> Validity {
        if self.valid_from.is_some_and(|from| at < from) {
            Validity::NotYet
        } else if self.valid_until.is_some_and(|until| until <= at) {
            Validity::Expired
        } else {
            Validity::Valid
        }
    }
}

/// The value in its normal form.
pub(super) fn text(kind: IndicatorKind, is_wide: bool, value: &[u8]) -> String {
    let address = |bytes: &[u8]| -> Option<IpAddr> {
        if is_wide {
            Some(IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk::<16>()?)))
        } else {
            Some(IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?)))
        }
    };
    match kind {
        IndicatorKind::Address => address(value).map(|address| address.to_string()),
        IndicatorKind::Asn => value
            .first_chunk::<4>()
            .map(|bytes| format!("AS{}", u32::from_be_bytes(*bytes))),
        IndicatorKind::Cidr => value.last().and_then(|length| {
            let net = IpNet::new(address(value)?, *length).ok()?;
            Some(net.to_string())
        }),
        IndicatorKind::Certificate
        | IndicatorKind::Ja3
        | IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256 => {
            let mut text = String::with_capacity(2 * value.len());
            for byte in value {
                // Writing to a String does not fail.
                let _ = write!(text, "{byte:02x}");
            }
            Some(text)
        }
        IndicatorKind::Domain
        | IndicatorKind::Email
        | IndicatorKind::FileName
        | IndicatorKind::Ja4
        | IndicatorKind::Url => Some(String::from_utf8_lossy(value).into_owned()),
    }
    .unwrap_or_default()
}

/// Whether an indicator counts at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    NotYet,
    Valid,
    Expired,
}

/// What a value of a kind is found by.
#[inline]
pub(super) fn hash(seed: Seed, kind: IndicatorKind, value: &[u8]) -> u64 {
    let space = Space::Kind(kind);
    match form(kind) {
        Form::Number(..) | Form::Digest(..) => seed.bytes(space, value),
        Form::Text | Form::ExactText => seed.text(space, value),
    }
}

/// The first digits of a digest, as events write them.
pub(super) fn first_digits(value: &[u8]) -> [u8; DIGITS_TOLD] {
    let mut digits = [0; DIGITS_TOLD];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(value) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    digits
}

const fn digit(value: u8) -> u8 {
    if value < 10 {
        b'0' + value
    } else {
        b'a' - 10 + value
    }
}

/// The entry at the beginning of the bytes, and its length.
pub(super) fn decode(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    let (head, mut rest) = bytes.split_first()?;
    let kind = kind_of(head & KIND_MASK)?;
    let is_wide = head & IS_WIDE != 0;
    let provenance = u32::try_from(take_number(&mut rest)?).ok()?;
    let length = match form(kind) {
        Form::Number(narrow, wide) | Form::Digest(narrow, wide) => {
            if is_wide {
                wide
            } else {
                narrow
            }
        }
        Form::Text | Form::ExactText => usize::try_from(take_number(&mut rest)?).ok()?,
    };
    let (value, mut rest) = rest.split_at_checked(length)?;
    let valid_from = if head & HAS_FROM == 0 {
        None
    } else {
        Some(take_time(&mut rest)?)
    };
    let valid_until = if head & HAS_UNTIL == 0 {
        None
    } else {
        Some(take_time(&mut rest)?)
    };
    let entry = Entry {
        kind,
        is_wide,
        provenance,
        value,
        valid_from,
        valid_until,
    };
    Some((entry, bytes.len() - rest.len()))
}

/// Place of a kind in [`IndicatorKind::ALL`].
pub(super) const fn kind_number(kind: IndicatorKind) -> u8 {
    kind as u8
}

fn kind_of(number: u8) -> Option<IndicatorKind> {
    IndicatorKind::ALL.get(usize::from(number)).copied()
}

/// LEB128: seven bits a byte, the lowest first.
pub(super) fn put_number(mut number: u64, into: &mut Vec<u8>) {
    while 0x7f < number {
        into.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

pub(super) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Whole seconds take five bytes, others up to ten. The lowest bit says which.
fn put_time(time: Timestamp, into: &mut Vec<u8>) {
    let nanos = time.as_nanos();
    let zigzag = |number: i64| (number << 1 ^ number >> 63) as u64;
    if nanos % NANOS_PER_SEC == 0 {
        put_number(zigzag(nanos / NANOS_PER_SEC) << 1, into);
    } else {
        put_number(1, into);
        put_number(zigzag(nanos), into);
    }
}

fn take_time(bytes: &mut &[u8]) -> Option<Timestamp> {
    let unzigzag = |number: u64| (number >> 1) as i64 ^ -((number & 1) as i64);
    let first = take_number(bytes)?;
    let nanos = if first & 1 == 0 {
        unzigzag(first >> 1).checked_mul(NANOS_PER_SEC)?
    } else {
        unzigzag(take_number(bytes)?)
    };
    Some(Timestamp::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(
        kind: IndicatorKind,
        written: &str,
        from: Option<i64>,
        until: Option<i64>,
    ) -> (String, usize) {
        let mut value = Vec::new();
        let is_wide = encode_value(kind, written, &mut value).expect("in normal form");
        let entry = Entry {
            kind,
            is_wide,
            provenance: 300,
            value: &value,
            valid_from: from.map(Timestamp::from_nanos),
            valid_until: until.map(Timestamp::from_nanos),
        };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        bytes.extend_from_slice(b"what follows");
        let (back, length) = decode(&bytes).expect("decodes");
        assert_eq!(back, entry);
        assert_eq!(length + 12, bytes.len());
        (text(back.kind, back.is_wide, back.value), length)
    }

    #[test]
    fn kinds_are_numbered_as_they_are_listed() {
        for (number, kind) in IndicatorKind::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(kind_number(kind)), number, "{kind}");
        }
    }

    #[test]
    fn values_come_back_in_their_normal_form() {
        use IndicatorKind as Kind;
        for (kind, text, normal, length) in [
            (Kind::Address, "192.0.2.7", "192.0.2.7", 7),
            (Kind::Address, "::ffff:192.0.2.7", "192.0.2.7", 7),
            (Kind::Address, "2001:DB8:0::7", "2001:db8::7", 19),
            (Kind::Asn, "AS64500", "AS64500", 7),
            (Kind::Cidr, "192.0.2.0/24", "192.0.2.0/24", 8),
            (Kind::Cidr, "::ffff:192.0.2.0/120", "192.0.2.0/24", 8),
            (Kind::Cidr, "2001:db8::/32", "2001:db8::/32", 20),
            (Kind::Domain, "bad.example", "bad.example", 15),
            (Kind::Url, "http://bad.example/A?b", "http://bad.example/A?b", 26),
            (
                Kind::Md5,
                "0CC175B9C0F1B6A831C399E269772661",
                "0cc175b9c0f1b6a831c399e269772661",
                19,
            ),
            (
                Kind::Certificate,
                "86F7E437FAA5A7FCE15D1DDCB9EAEAEA377667B8",
                "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8",
                23,
            ),
        ] {
            assert_eq!(
                round_trip(kind, text, None, None),
                (normal.to_owned(), length),
                "{text}"
            );
        }
    }

    #[test]
    fn times_come_back_and_whole_seconds_are_short() {
        let second = NANOS_PER_SEC;
        for time in [
            0,
            -1,
            1,
            second,
            -second,
            1_767_225_600 * second,
            i64::MAX,
            i64::MIN,
        ] {
            round_trip(IndicatorKind::Address, "192.0.2.7", Some(time), None);
            round_trip(IndicatorKind::Address, "192.0.2.7", None, Some(time));
        }
        let (_, length) = round_trip(
            IndicatorKind::Address,
            "192.0.2.7",
            Some(1_767_225_600 * second),
            Some(1_798_761_600 * second),
        );
        assert_eq!(length, 7 + 2 * 5);
    }

    #[test]
    fn what_is_not_in_normal_form_is_refused() {
        use IndicatorKind as Kind;
        let long = "a".repeat(VALUE_BYTES_MAX + 1);
        for (kind, text) in [
            (Kind::Address, "192.0.2.256"),
            (Kind::Address, ""),
            (Kind::Cidr, "192.0.2.0/33"),
            (Kind::Asn, "AS4294967296"),
            (Kind::Md5, "0cc175b9c0f1b6a831c399e26977266"),
            (Kind::Sha256, "0cc175b9c0f1b6a831c399e269772661"),
            (Kind::Domain, ""),
            (Kind::Domain, &long),
            (Kind::Url, &long),
        ] {
            assert_eq!(encode_value(kind, text, &mut Vec::new()), None, "{kind} {text}");
        }
    }

    #[test]
    fn cut_bytes_are_no_entry() {
        let mut bytes = Vec::new();
        Entry {
            kind: IndicatorKind::Domain,
            is_wide: false,
            provenance: 5,
            value: b"bad.example",
            valid_from: Some(Timestamp::from_nanos(5)),
            valid_until: None,
        }
        .encode(&mut bytes);
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None, "{length}");
        }
    }
}
