//! JA3 and JA4: names for the way a client says hello; JA3S for the way a server does.
//!
//! JA3: <https://github.com/salesforce/ja3>. JA4 (only the TLS client part, which is BSD-3):
//! <https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md>.

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::tls::{ClientHello, ServerHello, extension};

/// Values that clients send to keep servers tolerant (RFC 8701); no fingerprint counts them.
pub(super) const fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

/// MD5 of version, ciphers, extensions, groups and point formats, in the client's order.
pub(super) fn ja3(hello: &ClientHello) -> String {
    let mut text = hello.version.to_string();
    for list in [&hello.ciphers, &hello.extensions, &hello.groups] {
        text.push(',');
        join(
            &mut text,
            '-',
            without_grease(list).map(|value| value.to_string()),
        );
    }
    text.push(',');
    join(&mut text, '-', hello.point_formats.iter().map(u8::to_string));
    hex::encode(Md5::digest(text))
}

/// MD5 of version, cipher and extensions, in the server's order.
pub(super) fn ja3s(hello: &ServerHello) -> String {
    let mut text = format!("{},{},", hello.legacy_version, hello.cipher);
    join(&mut text, '-', hello.extensions.iter().map(u16::to_string));
    hex::encode(Md5::digest(text))
}

/// Transport, version, SNI, counts and ALPN; then hashes of the sorted ciphers, and of the sorted extensions with
/// the signature algorithms.
pub(super) fn ja4(hello: &ClientHello) -> String {
    let version = match hello.highest_version() {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0200 | 0x0002 => "s2",
        _ => "00",
    };
    let name = if hello.extensions.contains(&extension::SERVER_NAME) {
        'd'
    } else {
        'i'
    };
    let ciphers = without_grease(&hello.ciphers).count().min(99);
    let extensions = without_grease(&hello.extensions).count().min(99);
    let [first, last] = alpn_ends(hello.first_alpn.as_deref().unwrap_or_default());
    let transport = if hello.quic.is_some() { 'q' } else { 't' };
    let mut text = format!("{transport}{version}{name}{ciphers:02}{extensions:02}{first}{last}_");
    text.push_str(&short_hash(&sorted(without_grease(&hello.ciphers))));
    text.push('_');
    let unnamed = without_grease(&hello.extensions)
        .filter(|number| !matches!(*number, extension::SERVER_NAME | extension::ALPN));
    let mut said = sorted(unnamed);
    if !hello.signature_algorithms.is_empty() && !hello.extensions.is_empty() {
        said.push('_');
        join(
            &mut said,
            ',',
            without_grease(&hello.signature_algorithms).map(|value| format!("{value:04x}")),
        );
    }
    text.push_str(&short_hash(&said));
    text
}

/// First and last character of the protocol's name; 9 for what is no ASCII, as the authors' programs write it.
fn alpn_ends(name: &[u8]) -> [char; 2] {
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else {
        return ['0', '0'];
    };
    [first, last].map(|byte| if byte.is_ascii() { char::from(byte) } else { '9' })
}

fn without_grease(values: &[u16]) -> impl Iterator<Item = u16> {
    values.iter().copied().filter(|value| !is_grease(*value))
}

fn sorted(values: impl Iterator<Item = u16>) -> String {
    let mut values: Vec<u16> = values.collect();
    values.sort_unstable();
    let mut text = String::new();
    join(&mut text, ',', values.iter().map(|value| format!("{value:04x}")));
    text
}

fn join(text: &mut String, separator: char, items: impl Iterator<Item = String>) {
    for (index, item) in items.enumerate() {
        if index != 0 {
            text.push(separator);
        }
        text.push_str(&item);
    }
}

/// The first twelve digits of SHA-256; zeros for nothing.
fn short_hash(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(12);
    }
    let mut short = String::with_capacity(12);
    for byte in Sha256::digest(text).iter().take(6) {
        // Writing to a String can't fail.
        let _ = write!(short, "{byte:02x}");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> ClientHello {
        ClientHello {
            version: 0x0303,
            ciphers: vec![0x1a1a, 0x1302, 0x1301],
            extensions: vec![
                0x2a2a,
                extension::ALPN,
                extension::SERVER_NAME,
                extension::GROUPS,
                43,
            ],
            groups: vec![0x3a3a, 29, 23],
            point_formats: vec![0],
            signature_algorithms: vec![0x0403, 0x0804],
            supported_versions: vec![0x4a4a, 0x0304, 0x0303],
            first_alpn: Some(b"h2".to_vec()),
            server_name: Some("example.org".to_owned()),
            quic: None,
        }
    }

    #[test]
    fn ja3_keeps_the_order_and_leaves_grease_out() {
        let expected = hex::encode(Md5::digest("771,4866-4865,16-0-10-43,29-23,0"));
        assert_eq!(ja3(&hello()), expected);
        let mut reordered = hello();
        reordered.ciphers.swap(1, 2);
        assert_ne!(ja3(&reordered), expected);
    }

    #[test]
    fn ja3s_is_of_what_the_server_took() {
        let answer = ServerHello {
            legacy_version: 0x0303,
            version: 0x0304,
            cipher: 0x1301,
            extensions: vec![43, 51],
            ..ServerHello::default()
        };
        assert_eq!(ja3s(&answer), hex::encode(Md5::digest("771,4865,43-51")));
    }

    #[test]
    fn ja4_names_the_transport() {
        let over_quic = ClientHello {
            quic: Some(1),
            ..hello()
        };
        assert_eq!(ja4(&hello()).replacen('t', "q", 1), ja4(&over_quic));
    }

    #[test]
    fn ja4_does_not_depend_on_the_order() {
        let expected = ja4(&hello());
        assert!(expected.starts_with("t13d0204h2_"), "{expected}");
        let mut reordered = hello();
        reordered.ciphers.swap(1, 2);
        reordered.extensions.reverse();
        assert_eq!(ja4(&reordered), expected);
    }

    #[test]
    fn ja4_says_what_is_not_there() {
        let empty = ClientHello {
            version: 0x0301,
            ..ClientHello::default()
        };
        assert_eq!(ja4(&empty), "t10i000000_000000000000_000000000000");
    }

    #[test]
    fn grease_is_both_bytes_alike() {
        for (value, grease) in [
            (0x0a0a, true),
            (0xfafa, true),
            (0x0a1a, false),
            (0x1301, false),
            (0x0a0b, false),
        ] {
            assert_eq!(is_grease(value), grease, "{value:04x}");
        }
    }
}
