//! JA3 and JA4: names for the way a client says hello.
//!
//! JA3: <https://github.com/salesforce/ja3>. JA4 (only the TLS client part, which is BSD-3):
//! <https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md>.

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::tls::{ClientHello, extension};

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
    let mut text = format!("t{version}{name}{ciphers:02}{extensions:02}{first}{last}_");
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

/// First and last character of the protocol's name; of its hexadecimal form if one of them is no letter or digit.
fn alpn_ends(name: &[u8]) -> [char; 2] {
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else {
        return ['0', '0'];
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(first), char::from(last)];
    }
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    [digit(first >> 4), digit(last & 0x0f)]
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
