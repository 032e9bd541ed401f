//! What a record says, much as zone files write it: names in lower case and without their final dot, texts without
//! quotes, one text a record.
//!
//! Whoever carries something out of a network or into it does so in records of any type, so that none is left without
//! its data; of keys, signatures and what has no form the beginning is told.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Answer, type_text,
    wire::{Reader, Record},
};

/// Bytes of keys, digests, signatures and what has no text form that are written: all of a digest, and enough of what
/// is longer to know it by.
const OPAQUE_BYTES_MAX: usize = 128;
/// Parameters of a service (RFC 9460) and types of a bitmap (RFC 4034 section 4.1.2) that are written; more are not in use.
const PARTS_MAX: usize = 64;
/// Bytes of a string that goes on in the next one: a longer one there can't be.
const STRING_BYTES_MAX: usize = 255;
/// What data without a form begins with, its length and it itself behind.
pub(crate) const OPAQUE_MARK: &str = "\\# ";

/// Type, data as text, and the address if it is one.
pub(super) fn answer(record: &Record<'_>) -> Answer {
    let text = text(record).unwrap_or_else(|| opaque_text(record.data.rest()));
    (record.kind, text, address(record))
}

fn address(record: &Record<'_>) -> Option<IpAddr> {
    let mut data = record.data;
    match record.kind {
        1 => data.u32().map(|bits| Ipv4Addr::from_bits(bits).into()),
        28 => data.u128().map(|bits| Ipv6Addr::from_bits(bits).into()),
        _ => None,
    }
}

/// The data as text; `None` if it is not what its type says. What is behind it counts for nothing, as for resolvers.
pub(super) fn text(record: &Record<'_>) -> Option<String> {
    let mut data = record.data;
    if data.rest().is_empty() {
        return Some(String::new());
    }
    let data = &mut data;
    Some(match record.kind {
        // A and AAAA.
        1 | 28 => address(record)?.to_string(),
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, NSAP-PTR, DNAME.
        2..=5 | 7..=9 | 12 | 23 | 39 => data.name()?,
        // MX, AFSDB, RT, KX.
        15 | 18 | 21 | 36 => format!("{} {}", data.u16()?, data.name()?),
        // MINFO, RP.
        14 | 17 => format!("{} {}", data.name()?, data.name()?),
        // SOA.
        6 => {
            let mut text = format!("{} {}", data.name()?, data.name()?);
            for _ in 0..5 {
                let _ = write!(text, " {}", data.u32()?);
            }
            text
        }
        // SRV.
        33 => format!("{} {} {} {}", data.u16()?, data.u16()?, data.u16()?, data.name()?),
        // TXT, SPF.
        16 | 99 => strings_text(data.rest()),
        // HINFO, X25, ISDN, the second of which has one or two strings.
        13 | 19 | 20 => {
            let mut text = quoted(data.string()?);
            while !data.rest().is_empty() {
                text = format!("{text} {}", quoted(data.string()?));
            }
            text
        }
        // NAPTR.
        35 => {
            let numbers = format!("{} {}", data.u16()?, data.u16()?);
            let mut string = || Some(quoted(data.string()?));
            let strings = format!("{} {} {}", string()?, string()?, string()?);
            format!("{numbers} {strings} {}", data.name()?)
        }
        // RFC 7553 section 4.5.
        256 => format!("{} {} {}", data.u16()?, data.u16()?, quoted(data.rest())),
        // RFC 8659 section 4.1.1.
        257 => {
            let (flags, tag) = (data.u8()?, data.string()?);
            let tag = String::from_utf8_lossy(tag);
            format!("{flags} {tag} {}", quoted(data.rest()))
        }
        // WKS, RFC 1035 section 3.4.2.
        11 => {
            let mut text = format!("{} {}", Ipv4Addr::from_bits(data.u32()?), data.u8()?);
            push_bits(&mut text, data.rest(), 0, |port| port.to_string());
            text
        }
        // NXT, RFC 2535 section 5.2.
        30 => {
            let mut text = data.name()?;
            push_bits(&mut text, data.rest(), 0, type_text);
            text
        }
        // NSEC, RFC 4034 section 4.1.
        47 => {
            let mut text = data.name()?;
            while !data.rest().is_empty() {
                let window = data.u8()?;
                push_bits(&mut text, data.string()?, window, type_text);
            }
            text
        }
        // SVCB and HTTPS.
        64 | 65 => service_text(data)?,
        // DS, CDS.
        43 | 59 => format!(
            "{} {} {} {}",
            data.u16()?,
            data.u8()?,
            data.u8()?,
            hex(data.rest())
        ),
        // KEY, DNSKEY, CDNSKEY.
        25 | 48 | 60 => format!(
            "{} {} {} {}",
            data.u16()?,
            data.u8()?,
            data.u8()?,
            base64(data.rest())
        ),
        // SIG and RRSIG, RFC 4034 section 3.2, with times in seconds.
        24 | 46 => {
            let covered = type_text(data.u16()?);
            let algorithm = format!("{} {}", data.u8()?, data.u8()?);
            let times = format!("{} {} {}", data.u32()?, data.u32()?, data.u32()?);
            let signer = format!("{} {}", data.u16()?, data.name()?);
            format!("{covered} {algorithm} {times} {signer} {}", base64(data.rest()))
        }
        // CERT.
        37 => format!(
            "{} {} {} {}",
            data.u16()?,
            data.u16()?,
            data.u8()?,
            base64(data.rest())
        ),
        // SSHFP, RFC 4255 section 3.2.
        44 => format!("{} {} {}", data.u8()?, data.u8()?, hex(data.rest())),
        // IPSECKEY, RFC 4025 section 3.
        45 => {
            let (precedence, kind, algorithm) = (data.u8()?, data.u8()?, data.u8()?);
            let gateway = match kind {
                0 => ".".to_owned(),
                1 => Ipv4Addr::from_bits(data.u32()?).to_string(),
                2 => Ipv6Addr::from_bits(data.u128()?).to_string(),
                3 => data.name()?,
                _ => return None,
            };
            format!(
                "{precedence} {kind} {algorithm} {gateway} {}",
                base64(data.rest())
            )
        }
        // TLSA and SMIMEA, RFC 6698 section 2.2, RFC 8162 section 2.
        52 | 53 => format!(
            "{} {} {} {}",
            data.u8()?,
            data.u8()?,
            data.u8()?,
            hex(data.rest())
        ),
        // ZONEMD.
        63 => format!(
            "{} {} {} {}",
            data.u32()?,
            data.u8()?,
            data.u8()?,
            hex(data.rest())
        ),
        // EUI48 and EUI64, RFC 7043.
        108 => pairs(data.bytes(6)?),
        109 => pairs(data.bytes(8)?),
        // What else there is, that of which a name or an address can be told by trying them out as well (DHCID, NSEC3).
        _ => opaque_text(data.rest()),
    })
}

/// What has no form of its own, as RFC 3597 section 5 writes it, which is how [`crate::disclose`] knows it: there may be
/// names and addresses in it.
fn opaque_text(bytes: &[u8]) -> String {
    format!("{OPAQUE_MARK}{} {}", bytes.len(), hex(bytes))
}

/// Adds what each set bit stands for: number 256 `window` and its place.
fn push_bits(text: &mut String, bits: &[u8], window: u8, name: impl Fn(u16) -> String) {
    let first = usize::from(window) * 256;
    let set = bits.iter().enumerate().flat_map(|(at, byte)| {
        let bits = (0..8).filter(move |bit| byte & 0x80 >> bit != 0);
        bits.filter_map(move |bit| u16::try_from(first + at * 8 + bit).ok())
    });
    for number in set.take(PARTS_MAX) {
        text.push(' ');
        text.push_str(&name(number));
    }
}

/// RFC 9460 section 2.1.
fn service_text(data: &mut Reader<'_>) -> Option<String> {
    let mut text = format!("{} {}", data.u16()?, data.name()?);
    for _ in 0..PARTS_MAX {
        if data.rest().is_empty() {
            break;
        }
        let key = data.u16()?;
        let length = data.u16()?;
        let value = data.bytes(length.into())?;
        text.push(' ');
        text.push_str(&parameter_text(key, value));
    }
    Some(text)
}

/// RFC 9460 section 14.3.2; what is not as it should be is told as it is.
fn parameter_text(key: u16, value: &[u8]) -> String {
    let four = value.as_chunks::<4>();
    let six = value.as_chunks::<16>();
    match (key, value) {
        (0, _) if value.len().is_multiple_of(2) => {
            let keys = value.as_chunks::<2>().0.iter();
            format!("mandatory={}", list(keys.map(|key| u16::from_be_bytes(*key))))
        }
        (1, _) => {
            let (mut protocols, mut place) = (Vec::new(), Reader::new(value, 0));
            while let Some(protocol) = place.string() {
                protocols.push(String::from_utf8_lossy(protocol));
            }
            format!("alpn={}", list(protocols.into_iter()))
        }
        (2, []) => "no-default-alpn".to_owned(),
        (3, [high, low]) => format!("port={}", u16::from_be_bytes([*high, *low])),
        (4, _) if four.1.is_empty() => {
            format!("ipv4hint={}", list(four.0.iter().copied().map(Ipv4Addr::from)))
        }
        (5, _) => format!("ech={}", base64(value)),
        (6, _) if six.1.is_empty() => {
            format!("ipv6hint={}", list(six.0.iter().copied().map(Ipv6Addr::from)))
        }
        (key, value) => format!("key{key}={}", hex(value)),
    }
}

fn list(items: impl Iterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.take(PARTS_MAX).map(|item| item.to_string()).collect();
    items.join(",")
}

/// The strings of a TXT record with a blank between, but behind one that is full: that goes on. The last may be cut off;
/// bytes that are no UTF-8 are replaced.
fn strings_text(mut rest: &[u8]) -> String {
    let (mut text, mut goes_on) = (Vec::with_capacity(rest.len()), true);
    while let Some((length, after)) = rest.split_first() {
        let (string, next) = after
            .split_at_checked(usize::from(*length))
            .unwrap_or((after, &[]));
        if !goes_on && !string.is_empty() {
            text.push(b' ');
        }
        goes_on = (goes_on && string.is_empty()) || string.len() == STRING_BYTES_MAX;
        text.extend_from_slice(string);
        rest = next;
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn quoted(string: &[u8]) -> String {
    format!("\"{}\"", String::from_utf8_lossy(string))
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bounded(bytes))
}

fn hex(bytes: &[u8]) -> String {
    hex::encode(bounded(bytes))
}

fn pairs(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join("-")
}

fn bounded(bytes: &[u8]) -> &[u8] {
    bytes.get(..OPAQUE_BYTES_MAX).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a record.
    #[track_caller]
    fn check(kind: u16, data: &[u8], expected: &str) {
        let mut message = b"\x07example\x02no\0".to_vec();
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 60]);
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
        let record = Reader::new(&message, 0).record().expect("a record");
        let (read, text, _) = answer(&record);
        assert_eq!((read, text.as_str()), (kind, expected));
    }

    #[test]
    fn records_are_written_as_in_zone_files() {
        let name: &[u8] = b"\x01B\x02no\0";
        let after = |head: &[u8]| [head, name].concat();
        check(1, &[192, 0, 2, 7], "192.0.2.7");
        check(2, name, "b.no");
        check(15, &after(&[0, 10]), "10 b.no");
        check(33, &after(&[0, 1, 0, 2, 0, 53]), "1 2 53 b.no");
        let numbers = [[0, 0, 0, 9], [0; 4], [0; 4], [0; 4], [0, 0, 1, 0]].concat();
        check(6, &[name, name, &numbers].concat(), "b.no b.no 9 0 0 0 256");
        check(13, b"\x03arm\x05linux", "\"arm\" \"linux\"");
        check(17, &after(name), "b.no b.no");
        check(257, b"\0\x05issueca.no", "0 issue \"ca.no\"");
        check(
            35,
            &after(b"\0\x01\0\x02\x01s\x03sip\x02!!"),
            "1 2 \"s\" \"sip\" \"!!\" b.no",
        );
        check(43, &[0, 7, 8, 2, 0xab, 0xcd], "7 8 2 abcd");
        check(48, &[1, 1, 3, 8, 1, 2, 3], "257 3 8 AQID");
        check(37, &[0, 1, 0, 7, 8, 1, 2, 3], "1 7 8 AQID");
        check(44, &[4, 2, 0xab, 0xcd], "4 2 abcd");
        check(52, &[3, 1, 1, 0xab, 0xcd], "3 1 1 abcd");
        check(
            47,
            &after(&[])
                .iter()
                .copied()
                .chain([0, 1, 0x40])
                .collect::<Vec<u8>>(),
            "b.no A",
        );
        let signature = [0, 1, 8, 2, 0, 0, 0, 60, 0, 0, 0, 9, 0, 0, 0, 8, 0, 7];
        check(
            46,
            &[&after(&signature), &[1, 2, 3][..]].concat(),
            "A 8 2 60 9 8 7 b.no AQID",
        );
    }

    #[test]
    fn no_name_and_no_address_is_told_in_digits_only() {
        let name: &[u8] = b"\x01B\x02no\0";
        let after = |head: &[u8]| [head, name].concat();
        check(28, &Ipv6Addr::from_bits(0xfd00 << 112 | 7).octets(), "fd00::7");
        check(39, name, "b.no");
        check(23, name, "b.no");
        check(21, &after(&[0, 7]), "7 b.no");
        check(14, &after(name), "b.no b.no");
        check(30, &[name, &[0x40, 0, 0, 8]].concat(), "b.no A AAAA");
        check(256, b"\0\x01\0\x02https://b.no/x", "1 2 \"https://b.no/x\"");
        check(20, b"\x03150\x01a", "\"150\" \"a\"");
        check(11, &[192, 0, 2, 7, 6, 0, 0, 0, 0x40], "192.0.2.7 6 25");
        // No type has a number above the last one.
        let types: String = (65_287..=u16::MAX)
            .step_by(8)
            .map(|at| format!(" TYPE{at}"))
            .collect();
        check(
            47,
            &[name, &[255, 255], &[1; 255]].concat(),
            &format!("b.no{types}"),
        );
        let six = Ipv6Addr::from_bits(0xfd00 << 112 | 7).octets();
        for (kind, gateway, text) in [
            (0, &[][..], "."),
            (1, &[192, 0, 2, 7], "192.0.2.7"),
            (2, &six, "fd00::7"),
            (3, name, "b.no"),
        ] {
            check(
                45,
                &[&[9, kind, 2], gateway, &[1, 2, 3]].concat(),
                &format!("9 {kind} 2 {text} AQID"),
            );
        }
        check(108, &[0, 0x1b, 0x21, 0xaa, 0xbb, 0xcc], "00-1b-21-aa-bb-cc");
        check(
            109,
            &[0, 0x1b, 0x21, 0xff, 0xfe, 0xaa, 0xbb, 0xcc],
            "00-1b-21-ff-fe-aa-bb-cc",
        );
        // A6 and APL hold addresses, DHCID what an address and a name hash to.
        for kind in [38, 42, 49] {
            check(kind, &[0xab; 2], "\\# 2 abab");
        }
    }

    #[test]
    fn services_are_told_with_their_parameters() {
        let parameters = [
            &b"\0\x01\0"[..],
            b"\0\x01\0\x06\x02h2\x02h3",
            b"\0\x03\0\x02\x20\xfb",
            b"\0\x04\0\x04\xc0\0\x02\x07",
            b"\0\x05\0\x05\0\x03\x01\x02\x03",
            b"\x02\0\0\x02\xab\xcd",
        ]
        .concat();
        let expected = "1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.7 ech=AAMBAgM= key512=abcd";
        check(64, &parameters, expected);
        check(65, &parameters, expected);
    }

    #[test]
    fn of_texts_no_string_is_left_out_and_of_what_is_opaque_the_beginning_is_told() {
        for kind in [16, 99] {
            check(kind, b"\0\x03a=b\x02=c\0\x01d\x09e", "a=b =c d e");
            check(kind, b"\x02\xff!", "\u{fffd}!");
        }
        let full = [&[255][..], &[b'a'; 255], b"\x01b\x01c"].concat();
        check(16, &full, &("a".repeat(255) + "b c"));
        check(65_399, &[0xab; 3], "\\# 3 ababab");
        let long = format!("\\# 129 {}", "ab".repeat(OPAQUE_BYTES_MAX));
        check(10, &[0xab; OPAQUE_BYTES_MAX + 1], &long);
        // An address of three bytes, and one of nothing.
        check(1, &[1, 2, 3], "\\# 3 010203");
        check(28, &[], "");
        check(
            48,
            &[1; 4 + OPAQUE_BYTES_MAX + 1],
            &format!("257 1 1 {}", STANDARD.encode([1; OPAQUE_BYTES_MAX])),
        );
    }
}
