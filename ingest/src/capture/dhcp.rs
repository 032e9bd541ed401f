//! DHCP of both versions: which device asks, by which name, and which address it gets.
//!
//! RFC 2131 and 2132, the client's full name by RFC 4702 and 4704, RFC 8415. Every message is a record of its own; nothing
//! is kept.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ingest_event::{Fields, field};

use super::{
    packet::Ports,
    words::{text, u8_at, u16_be},
};

pub(super) const DATASET: &str = "network.dhcp";

/// RFC 2131 section 2: where the options begin, after their mark.
const OPTIONS_AT: usize = 240;
const MARK: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
/// Options looked at of one message: clients send a dozen.
const OPTIONS_MAX: usize = 64;
/// RFC 8415 section 7.2.
const PORTS_V6: [u16; 2] = [546, 547];
const RELAY_FORWARD: u8 = 12;
const RELAY_REPLY: u8 = 13;
/// Relays on the way: RFC 8415 section 7.6 allows eight.
const RELAYS_MAX: usize = 8;
const RELAY_HEADER_BYTES: usize = 34;

/// What a message said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) by_client: bool,
    kind: Option<&'static str>,
    mac: Option<String>,
    host_name: Option<String>,
    full_name: Option<String>,
    requested: Option<IpAddr>,
    assigned: Option<IpAddr>,
    vendor_class: Option<String>,
}

/// Reads a datagram; none if it is no message.
pub(super) fn read(bytes: &[u8], ports: Ports) -> Option<Message> {
    if bytes.get(OPTIONS_AT - MARK.len()..OPTIONS_AT) == Some(&MARK) {
        return v4(bytes);
    }
    let is_v6 = PORTS_V6.contains(&ports.source) || PORTS_V6.contains(&ports.destination);
    is_v6.then(|| v6(bytes)).flatten()
}

fn v4(bytes: &[u8]) -> Option<Message> {
    let (operation, hardware, length) = (u8_at(bytes, 0)?, u8_at(bytes, 1)?, u8_at(bytes, 2)?);
    if !matches!(operation, 1 | 2) {
        return None;
    }
    let mut said = Message {
        by_client: operation == 1,
        // Ethernet.
        mac: ((hardware, length) == (1, 6))
            .then(|| bytes.get(28..34).map(mac))
            .flatten(),
        assigned: bytes.get(16..20).and_then(address),
        ..Message::default()
    };
    let mut rest = bytes.get(OPTIONS_AT..)?;
    for _ in 0..OPTIONS_MAX {
        let Some((&kind, after)) = rest.split_first() else {
            break;
        };
        match kind {
            0 => {
                rest = after;
                continue;
            }
            255 => break,
            _ => {}
        }
        let Some((&length, after)) = after.split_first() else {
            break;
        };
        let Some((value, after)) = after.split_at_checked(usize::from(length)) else {
            break;
        };
        match kind {
            12 => said.host_name = text(value),
            50 => said.requested = address(value),
            53 => said.kind = u8_at(value, 0).and_then(kind_v4),
            60 => said.vendor_class = text(value),
            // Flags and two codes come first; the third flag says how the name is written.
            81 => {
                let name = value.get(3..).unwrap_or_default();
                let in_labels = u8_at(value, 0).is_some_and(|flags| flags & 4 != 0);
                said.full_name = if in_labels { labels(name) } else { text(name) };
            }
            _ => {}
        }
        rest = after;
    }
    Some(said)
}

fn v6(mut bytes: &[u8]) -> Option<Message> {
    for _ in 0..RELAYS_MAX {
        if !matches!(u8_at(bytes, 0)?, RELAY_FORWARD | RELAY_REPLY) {
            break;
        }
        let options = bytes.get(RELAY_HEADER_BYTES..)?;
        bytes = options_v6(options).find(|(kind, _)| *kind == 9)?.1;
    }
    let kind = u8_at(bytes, 0)?;
    let mut said = Message {
        by_client: !matches!(kind, 2 | 7 | 10),
        kind: Some(kind_v6(kind)?),
        ..Message::default()
    };
    for (kind, value) in options_v6(bytes.get(4..)?).take(OPTIONS_MAX) {
        match kind {
            1 => said.mac = device(value),
            // Addresses stand in options of their own, behind identity and two times.
            3 => {
                let inner = value.get(12..).unwrap_or_default();
                let found = options_v6(inner).find(|(kind, _)| *kind == 5);
                let assigned = found.and_then(|(_, value)| address(value.get(..16)?));
                if said.by_client {
                    said.requested = assigned;
                } else {
                    said.assigned = assigned;
                }
            }
            16 => said.vendor_class = value.get(6..).and_then(text),
            39 => said.full_name = value.get(1..).and_then(labels),
            _ => {}
        }
    }
    Some(said)
}

/// Number and value of each option, as far as they are whole (RFC 8415 section 21.1).
fn options_v6(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (kind, length) = (u16_be(bytes, 0)?, u16_be(bytes, 2)?);
        let (value, rest) = bytes.get(4..)?.split_at_checked(usize::from(length))?;
        bytes = rest;
        Some((kind, value))
    })
}

/// RFC 8415 section 11: identifiers made of an Ethernet address, with and without a time.
fn device(identifier: &[u8]) -> Option<String> {
    match (u16_be(identifier, 0)?, u16_be(identifier, 2)?) {
        (1, 1) => identifier.get(8..14).map(mac),
        (3, 1) => identifier.get(4..10).map(mac),
        _ => None,
    }
}

/// As ECS writes it.
fn mac(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 3);
    for (index, octet) in octets.iter().enumerate() {
        let separator = if index == 0 { "" } else { "-" };
        // Writing to a String can't fail.
        let _ = write!(text, "{separator}{octet:02X}");
    }
    text
}

/// An address that is not all zeros.
fn address(octets: &[u8]) -> Option<IpAddr> {
    let address = match octets.len() {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?)),
        16 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)),
        _ => return None,
    };
    (!address.is_unspecified()).then_some(address)
}

/// A name in labels without pointers (RFC 1035 section 3.1), maybe without its end.
fn labels(mut bytes: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    // A name has at most 127 labels.
    for _ in 0..127 {
        let Some((&length, rest)) = bytes.split_first() else {
            break;
        };
        if length == 0 || 63 < length {
            break;
        }
        let Some((label, rest)) = rest.split_at_checked(usize::from(length)) else {
            break;
        };
        parts.extend(text(label));
        bytes = rest;
    }
    text(parts.join(".").as_bytes())
}

/// RFC 2132 section 9.6.
const fn kind_v4(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "discover",
        2 => "offer",
        3 => "request",
        4 => "decline",
        5 => "ack",
        6 => "nak",
        7 => "release",
        8 => "inform",
        _ => return None,
    })
}

/// RFC 8415 section 7.3.
const fn kind_v6(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "solicit",
        2 => "advertise",
        3 => "request",
        4 => "confirm",
        5 => "renew",
        6 => "rebind",
        7 => "reply",
        8 => "release",
        9 => "decline",
        10 => "reconfigure",
        11 => "information-request",
        _ => return None,
    })
}

impl Message {
    /// Adds what was said to the fields of the flow.
    pub(super) fn write(self, fields: &mut Fields) {
        fields.set(field::NETWORK_PROTOCOL, "dhcp");
        fields.set_some(field::DHCP_TYPE, self.kind);
        fields.set_some(field::DHCP_CLIENT_MAC, self.mac);
        fields.set_some(field::DHCP_HOST_NAME, self.host_name);
        fields.set_some(field::DHCP_FULL_NAME, self.full_name);
        fields.set_some(field::DHCP_REQUESTED_IP, self.requested);
        fields.set_some(field::DHCP_ASSIGNED_IP, self.assigned);
        fields.set_some(field::DHCP_VENDOR_CLASS, self.vendor_class);
    }
}
