//! What a record says, as zone files write it: names in lower case and without their final dot, one text a record.
//!
//! Whoever carries something out of a network or into it does so in records of any type, so that none is left without
//! its data; of keys, signatures and what has no form the beginning is told.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use simple_dns::{
    CharacterString,
    rdata::{RData, RRSIG, SVCB, SVCParam, TXT},
};

use super::{Answer, name_text, type_text};

/// Bytes of keys, digests, signatures and what has no text form that are written: all of a digest, and enough of what
/// is longer to know it by.
const OPAQUE_BYTES_MAX: usize = 128;
/// Parameters of a service (RFC 9460) and types of a bitmap (RFC 4034 section 4.1.2) that are written; more are not in use.
const PARTS_MAX: usize = 64;

/// Type, data as text, and the address if it is one.
pub(super) fn answer_text(data: &RData<'_>) -> Answer {
    let kind = data.type_code().into();
    let address = match data {
        RData::A(a) => Some(IpAddr::V4(Ipv4Addr::from_bits(a.address))),
        RData::AAAA(aaaa) => Some(IpAddr::V6(Ipv6Addr::from_bits(aaaa.address))),
        _ => None,
    };
    let text = address.map_or_else(|| text(data), |address| address.to_string());
    (kind, text, address)
}

fn text(data: &RData<'_>) -> String {
    match data {
        RData::CNAME(name) => name_text(&name.0),
        RData::NS(name) => name_text(&name.0),
        RData::PTR(name) => name_text(&name.0),
        RData::MB(name) => name_text(&name.0),
        RData::MG(name) => name_text(&name.0),
        RData::MR(name) => name_text(&name.0),
        RData::MD(name) => name_text(&name.0),
        RData::MF(name) => name_text(&name.0),
        RData::MX(mx) => format!("{} {}", mx.preference, name_text(&mx.exchange)),
        RData::KX(kx) => format!("{} {}", kx.preference, name_text(&kx.exchanger)),
        RData::AFSDB(afsdb) => format!("{} {}", afsdb.subtype, name_text(&afsdb.hostname)),
        RData::RP(rp) => format!("{} {}", name_text(&rp.mbox), name_text(&rp.txt)),
        RData::SRV(srv) => {
            let target = name_text(&srv.target);
            format!("{} {} {} {target}", srv.priority, srv.weight, srv.port)
        }
        RData::SOA(soa) => {
            let (primary, mailbox) = (name_text(&soa.mname), name_text(&soa.rname));
            format!("{primary} {mailbox} {}", soa.serial)
        }
        RData::TXT(txt) => txt_text(txt),
        RData::HINFO(hinfo) => format!("{} {}", quoted(&hinfo.cpu), quoted(&hinfo.os)),
        // RFC 8659 section 4.1.1.
        RData::CAA(caa) => format!(
            "{} {} \"{}\"",
            caa.flag,
            caa.tag,
            String::from_utf8_lossy(&caa.value)
        ),
        RData::NAPTR(naptr) => format!(
            "{} {} {} {} {} {}",
            naptr.order,
            naptr.preference,
            quoted(&naptr.flags),
            quoted(&naptr.services),
            quoted(&naptr.regexp),
            name_text(&naptr.replacement)
        ),
        RData::SVCB(service) => service_text(service),
        RData::HTTPS(service) => service_text(&service.0),
        RData::DS(ds) => {
            let digest = hex::encode(bounded(&ds.digest));
            format!("{} {} {} {digest}", ds.key_tag, ds.algorithm, ds.digest_type)
        }
        RData::DNSKEY(key) => {
            let public = base64(&key.public_key);
            format!("{} {} {} {public}", key.flags, key.protocol, key.algorithm)
        }
        RData::RRSIG(signature) => signature_text(signature),
        RData::NSEC(nsec) => {
            let mut text = name_text(&nsec.next_name);
            for kind in nsec.types().take(PARTS_MAX) {
                text.push(' ');
                text.push_str(&type_text(kind.into()));
            }
            text
        }
        RData::CERT(cert) => {
            let certificate = base64(&cert.certificate);
            format!(
                "{} {} {} {certificate}",
                cert.type_code, cert.key_tag, cert.algorithm
            )
        }
        RData::DHCID(dhcid) => format!(
            "{} {} {}",
            dhcid.identifier,
            dhcid.digest_type,
            base64(&dhcid.digest)
        ),
        RData::IPSECKEY(key) => format!("{} {} {}", key.precedence, key.algorithm, base64(&key.public_key)),
        RData::ZONEMD(zone) => {
            let digest = hex::encode(bounded(&zone.digest));
            format!("{} {} {} {digest}", zone.serial, zone.scheme, zone.algorithm)
        }
        RData::EUI48(eui) => hex::encode(eui.address),
        RData::EUI64(eui) => hex::encode(eui.address),
        RData::NULL(kind, bytes) => opaque_text(*kind, bytes.get_data()),
        // Types of long ago, which hold a few bytes or nothing.
        _ => String::new(),
    }
}

/// What the library does not read: the text of SPF as in TXT, keys and certificates that are told by their digest as
/// their specifications write them, anything else in hexadecimal digits.
fn opaque_text(kind: u16, bytes: &[u8]) -> String {
    match (kind, bytes) {
        (99, _) => {
            let (mut rest, mut text) = (bytes, Vec::new());
            while let Some((length, after)) = rest.split_first() {
                let (string, next) = after
                    .split_at_checked(usize::from(*length))
                    .unwrap_or((after, &[]));
                text.extend_from_slice(string);
                rest = next;
            }
            String::from_utf8_lossy(&text).into_owned()
        }
        // RFC 4255 section 3.2.
        (44, [algorithm, kind, digest @ ..]) => {
            format!("{algorithm} {kind} {}", hex::encode(bounded(digest)))
        }
        // RFC 6698 section 2.2, RFC 8162 section 2.
        (52 | 53, [usage, selector, matching, data @ ..]) => {
            format!("{usage} {selector} {matching} {}", hex::encode(bounded(data)))
        }
        _ => hex::encode(bounded(bytes)),
    }
}

/// RFC 4034 section 3.2, times in seconds.
fn signature_text(signature: &RRSIG<'_>) -> String {
    format!(
        "{} {} {} {} {} {} {} {} {}",
        type_text(signature.type_covered),
        signature.algorithm,
        signature.labels,
        signature.original_ttl,
        signature.signature_expiration,
        signature.signature_inception,
        signature.key_tag,
        name_text(&signature.signer_name),
        base64(&signature.signature)
    )
}

/// RFC 9460 section 2.1.
fn service_text(service: &SVCB<'_>) -> String {
    let mut text = format!("{} {}", service.priority, name_text(&service.target));
    for parameter in service.iter_params().take(PARTS_MAX) {
        text.push(' ');
        // Writing to a String can't fail.
        let _ = match parameter {
            SVCParam::Mandatory(keys) => write!(text, "mandatory={}", list(keys.iter())),
            SVCParam::Alpn(protocols) => write!(text, "alpn={}", list(protocols.iter())),
            SVCParam::NoDefaultAlpn => write!(text, "no-default-alpn"),
            SVCParam::Port(port) => write!(text, "port={port}"),
            SVCParam::Ipv4Hint(hints) => {
                write!(
                    text,
                    "ipv4hint={}",
                    list(hints.iter().copied().map(Ipv4Addr::from_bits))
                )
            }
            SVCParam::Ipv6Hint(hints) => {
                write!(
                    text,
                    "ipv6hint={}",
                    list(hints.iter().copied().map(Ipv6Addr::from_bits))
                )
            }
            // With the length that the library takes off.
            SVCParam::Ech(list) => {
                let length = u16::try_from(list.len()).unwrap_or(u16::MAX).to_be_bytes();
                write!(text, "ech={}", base64(&[&length, bounded(list)].concat()))
            }
            SVCParam::InvalidKey => write!(text, "key65535"),
            SVCParam::Unknown(key, value) => write!(text, "key{key}={}", hex::encode(bounded(value))),
        };
    }
    text
}

fn list(items: impl Iterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.take(PARTS_MAX).map(|item| item.to_string()).collect();
    items.join(",")
}

/// The strings of a TXT record, one after the other; bytes that are no UTF-8 are replaced.
fn txt_text(txt: &TXT<'_>) -> String {
    String::try_from(txt.clone())
        .unwrap_or_else(|not_utf8| String::from_utf8_lossy(not_utf8.as_bytes()).into_owned())
}

fn quoted(string: &CharacterString<'_>) -> String {
    format!("\"{string}\"")
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bounded(bytes))
}

fn bounded(bytes: &[u8]) -> &[u8] {
    bytes.get(..OPAQUE_BYTES_MAX).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use simple_dns::Packet;

    use super::*;

    /// Reads an answer with one record.
    #[track_caller]
    fn check(kind: u16, data: &[u8], expected: &str) {
        let mut message = b"\0\x07\x84\0\0\0\0\x01\0\0\0\0\x07example\x02no\0".to_vec();
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 60]);
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
        let packet = Packet::parse(&message).expect("a message");
        let (read, text, _) = answer_text(&packet.answers[0].rdata);
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
        check(6, &[name, name, &[0, 0, 0, 9], &[0; 16]].concat(), "b.no b.no 9");
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
            check(kind, b"\x03a=b\x02=c\0\x01d", "a=b=cd");
            check(kind, b"\x02\xff!", "\u{fffd}!");
        }
        check(65_399, &[0xab; 3], "ababab");
        check(10, &[0xab; OPAQUE_BYTES_MAX + 1], &"ab".repeat(OPAQUE_BYTES_MAX));
        check(
            48,
            &[1; 4 + OPAQUE_BYTES_MAX + 1],
            &format!("257 1 1 {}", STANDARD.encode([1; OPAQUE_BYTES_MAX])),
        );
    }
}
