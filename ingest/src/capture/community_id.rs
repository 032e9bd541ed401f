//! Community ID version 1: one name for a flow, whichever tool saw it and from whichever side.
//!
//! Specification: <https://github.com/corelight/community-id-spec>. Seed 0, SHA-1, base64.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

use ingest_event::{Fields, Value, field};

use super::packet::protocol;

/// The Community ID of the flow that an event is about, from the fields it has now; `None` where they don't say enough.
/// For ICMP the ports are type and code, as Zeek has them, or stand under names of their own.
pub(crate) fn flow_id(fields: &Fields) -> Option<String> {
    let address = |name| fields.text(name).and_then(|text| text.parse::<IpAddr>().ok());
    flow_id_between(
        fields,
        address(field::SOURCE_IP)?,
        address(field::DESTINATION_IP)?,
    )
}

/// The same where the addresses in the fields are known.
pub(crate) fn flow_id_between(fields: &Fields, source: IpAddr, destination: IpAddr) -> Option<String> {
    let small = |name: &str| match fields.get(name) {
        Some(Value::Integer(number)) => u16::try_from(*number).ok(),
        _ => None,
    };
    let ports = || Some((small(field::SOURCE_PORT)?, small(field::DESTINATION_PORT)?));
    let number = match fields.text(field::NETWORK_TRANSPORT)? {
        "tcp" => protocol::TCP,
        "udp" => protocol::UDP,
        "sctp" => protocol::SCTP,
        "icmp" => protocol::ICMP,
        "ipv6-icmp" => protocol::ICMP6,
        other => other.parse().ok()?,
    };
    let ports = match number {
        protocol::TCP | protocol::UDP | protocol::SCTP => Some(ports()?),
        protocol::ICMP | protocol::ICMP6 => {
            let named = |kind, code| Some((small(kind)?, small(code)?));
            let (kind, code) = named("icmp.type", "icmp.code")
                .or_else(|| named("suricata.eve.icmp_type", "suricata.eve.icmp_code"))
                .or_else(ports)?;
            Some(icmp_ports(number, u8::try_from(kind).ok()?, u8::try_from(code).ok()?).0)
        }
        _ => None,
    };
    Some(community_id(source, destination, number, ports))
}

/// The Community ID of a flow. For ICMP of either version the ports are what [`icmp_ports`] says; without
/// ports they are `None`.
pub(super) fn community_id(
    source: IpAddr,
    destination: IpAddr,
    number: u8,
    ports: Option<(u16, u16)>,
) -> String {
    let one_way =
        ports.is_some_and(|(kind, code)| is_icmp(number) && counterpart(number, kind) != Some(code));
    let (source_port, destination_port) = ports.unwrap_or_default();
    let forward = one_way || (source, source_port) <= (destination, destination_port);
    let (first, second) = if forward {
        ((source, source_port), (destination, destination_port))
    } else {
        ((destination, destination_port), (source, source_port))
    };
    // Put together first: the hash then takes it in one go.
    let mut said = Said {
        bytes: [0; 40],
        length: 0,
    };
    said.put(&[0, 0]);
    for address in [first.0, second.0] {
        match address {
            IpAddr::V4(address) => said.put(&address.octets()),
            IpAddr::V6(address) => said.put(&address.octets()),
        }
    }
    said.put(&[number, 0]);
    if ports.is_some() {
        said.put(&first.1.to_be_bytes());
        said.put(&second.1.to_be_bytes());
    }
    let mut id = String::with_capacity(ID_BYTES);
    id.push_str("1:");
    STANDARD.encode_string(Sha1::digest(said.bytes()), &mut id);
    id
}

/// Length of an ID: the version, and 20 bytes in base64.
const ID_BYTES: usize = 30;

/// What is hashed: seed, two addresses, protocol, padding and two ports.
struct Said {
    bytes: [u8; 40],
    length: usize,
}

impl Said {
    fn put(&mut self, more: &[u8]) {
        let end = self.length + more.len();
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(more);
            self.length = end;
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Type and code of an ICMP message in the place of ports: the type and its answer's type where there is one
/// (echo and echo reply), else type and code. The second value says whether there is one.
pub(super) fn icmp_ports(number: u8, kind: u8, code: u8) -> ((u16, u16), bool) {
    let kind = u16::from(kind);
    match counterpart(number, kind) {
        Some(answer) => ((kind, answer), true),
        None => ((kind, u16::from(code)), false),
    }
}

const fn is_icmp(number: u8) -> bool {
    matches!(number, protocol::ICMP | protocol::ICMP6)
}

/// The message type that answers one, by the tables of the specification.
const fn counterpart(number: u8, kind: u16) -> Option<u16> {
    Some(match (number, kind) {
        (protocol::ICMP, 8) => 0, // echo
        (protocol::ICMP, 0) => 8,
        (protocol::ICMP, 13) => 14, // timestamp
        (protocol::ICMP, 14) => 13,
        (protocol::ICMP, 15) => 16, // information
        (protocol::ICMP, 16) => 15,
        (protocol::ICMP, 10) => 9, // router solicitation
        (protocol::ICMP, 9) => 10,
        (protocol::ICMP, 17) => 18, // address mask
        (protocol::ICMP, 18) => 17,
        (protocol::ICMP6, 128) => 129, // echo
        (protocol::ICMP6, 129) => 128,
        (protocol::ICMP6, 133) => 134, // router solicitation
        (protocol::ICMP6, 134) => 133,
        (protocol::ICMP6, 135) => 136, // neighbour solicitation
        (protocol::ICMP6, 136) => 135,
        (protocol::ICMP6, 130) => 131, // multicast listener
        (protocol::ICMP6, 131) => 130,
        (protocol::ICMP6, 139) => 140, // who are you
        (protocol::ICMP6, 140) => 139,
        (protocol::ICMP6, 144) => 145, // home agent
        (protocol::ICMP6, 145) => 144,
        _ => return None,
    })
}
