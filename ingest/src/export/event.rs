//! A flow record as an event: the same fields as a flow that our own capture saw, and who told it.
//!
//! What an exporter counted of sampled packets is multiplied by the interval, and the event says so in
//! `varde.flow.sampling`. A record of one direction that can only be an answer (from a service's port, an echo reply) is
//! told as one: who asked is the source, as in all other flows.

use ingest_event::{Fields, field};
use ipnet::IpNet;

use super::{
    Origin,
    record::{Began, Count, FlowRecord, Translated},
};
use crate::capture::{ACK, FIN, Knows, RST, SYN, Told, ends};
use crate::record::Draft;

/// The same as of flows from packets, Suricata and Zeek; `event.module` says who saw it.
pub const DATASET: &str = "network.flow";

/// As [`crate::capture`] has them; ECS has no field for these.
const ICMP_TYPE: &str = "icmp.type";
const ICMP_CODE: &str = "icmp.code";

/// The event of a record. Its place is the datagram's own number and the record's byte in it, so that the same datagram
/// makes the same ids whenever it is read, and whichever of its records could be read at once.
#[must_use]
pub fn draft(origin: &Origin, record: &FlowRecord, home: &[IpNet]) -> Draft {
    let sampled = |count: Count| Count {
        packets: count.packets.saturating_mul(u64::from(record.sampling)),
        bytes: count.bytes.saturating_mul(u64::from(record.sampling)),
    };
    let began = began(record);
    let turned;
    let record = if began == Began::Destination {
        turned = turn(record);
        &turned
    } else {
        record
    };
    let told = Told {
        source: record.source,
        destination: record.destination,
        protocol: record.protocol,
        ports: record.ports,
        icmp: record.icmp,
        knows: if began == Began::Unknown {
            Knows::Nothing
        } else {
            Knows::Began
        },
    };
    let (mut fields, is_answer) = ends(&told, home);
    let (forward, backward) = (sampled(record.forward), record.backward.map(sampled));
    let (source, destination) = if is_answer {
        (backward.unwrap_or_default(), forward)
    } else {
        (forward, backward.unwrap_or_default())
    };
    fields.set(field::EVENT_MODULE, origin.protocol.module());
    fields.set(field::EVENT_START, record.start);
    fields.set(field::EVENT_END, record.end);
    let nanos = record.end.since(record.start).as_nanos();
    fields.set(field::EVENT_DURATION, u64::try_from(nanos).unwrap_or(u64::MAX));
    fields.set(field::SOURCE_PACKETS, source.packets);
    fields.set(field::SOURCE_BYTES, source.bytes);
    fields.set(field::DESTINATION_PACKETS, destination.packets);
    fields.set(field::DESTINATION_BYTES, destination.bytes);
    fields.set(
        field::NETWORK_PACKETS,
        source.packets.saturating_add(destination.packets),
    );
    fields.set(
        field::NETWORK_BYTES,
        source.bytes.saturating_add(destination.bytes),
    );
    if let Some((kind, code)) = record.icmp {
        fields.set(ICMP_TYPE, kind);
        fields.set(ICMP_CODE, code);
    }
    fields.set_some(field::VARDE_FLOW_STATE, state(record, is_answer));
    if 1 < record.sampling {
        fields.set(field::VARDE_FLOW_SAMPLING, record.sampling);
    }
    fields.set(field::VARDE_EXPORTER_IP, origin.exporter);
    fields.set(field::VARDE_EXPORTER_DOMAIN, origin.domain);
    surroundings(&mut fields, record, is_answer);
    Draft {
        timestamp: record.start,
        dataset: DATASET.into(),
        trusted: None,
        fields,
        position: u64::from(origin.sequence),
        ordinal: record.offset,
    }
}

/// Who began, by what the exporter says and the record shows: a SYN without an ACK, or a direction that is empty. The
/// flags of a whole direction together say no more, since both ends end with SYN and ACK; and that the forward direction
/// is who began (RFC 5103 section 5) not every exporter keeps: some put the lower address first.
fn began(record: &FlowRecord) -> Began {
    let only_syn = |flags: Option<u8>| flags.is_some_and(|flags| flags & SYN != 0 && flags & ACK == 0);
    match (record.began, record.backward) {
        (Began::Source, _) => Began::Source,
        (Began::Destination, Some(_)) => Began::Destination,
        (Began::Destination, None) => Began::Unknown,
        (Began::Unknown, _) if only_syn(record.tcp_flags) => Began::Source,
        (Began::Unknown, Some(_)) if only_syn(record.tcp_flags_backward) => Began::Destination,
        (Began::Unknown, Some(backward)) if record.forward.packets == 0 && backward.packets != 0 => {
            Began::Destination
        }
        (Began::Unknown, _) => Began::Unknown,
    }
}

/// The same record of both directions from the other side.
fn turn(record: &FlowRecord) -> FlowRecord {
    FlowRecord {
        source: record.destination,
        destination: record.source,
        ports: record.ports.map(|(source, destination)| (destination, source)),
        forward: record.backward.unwrap_or_default(),
        backward: Some(record.forward),
        tcp_flags: record.tcp_flags_backward,
        tcp_flags_backward: record.tcp_flags,
        translated: Translated {
            source: record.translated.destination,
            destination: record.translated.source,
            source_port: record.translated.destination_port,
            destination_port: record.translated.source_port,
        },
        ..*record
    }
}

/// Where the flow went through the exporter, and what that made of it.
fn surroundings(fields: &mut Fields, record: &FlowRecord, is_answer: bool) {
    fields.set_some(field::OBSERVER_INGRESS_INTERFACE_ID, text(record.ingress));
    fields.set_some(field::OBSERVER_EGRESS_INTERFACE_ID, text(record.egress));
    fields.set_some(field::NETWORK_VLAN_ID, text(record.vlan));
    let translated = record.translated;
    let own = (translated.source, translated.source_port);
    let other = (translated.destination, translated.destination_port);
    let (source, destination) = if is_answer { (other, own) } else { (own, other) };
    // What is the same behind the firewall was not translated.
    let changed = |address: Option<_>, before| address.filter(|address| *address != before);
    let (before, after) = if is_answer {
        (record.destination, record.source)
    } else {
        (record.source, record.destination)
    };
    for ((address, port), before, ip_name, port_name) in [
        (source, before, field::SOURCE_NAT_IP, field::SOURCE_NAT_PORT),
        (
            destination,
            after,
            field::DESTINATION_NAT_IP,
            field::DESTINATION_NAT_PORT,
        ),
    ] {
        if let Some(address) = changed(address.filter(|address| !address.is_unspecified()), before) {
            fields.set(ip_name, address);
            fields.set_some(port_name, port.filter(|port| *port != 0));
        }
    }
    // `firewallEvent` in IANA's registry.
    let action = match record.firewall_event {
        Some(1) => Some("flow_created"),
        Some(2) => Some("flow_deleted"),
        Some(3) => Some("flow_denied"),
        Some(4) => Some("flow_alert"),
        Some(5) => Some("flow_update"),
        Some(_) | None => None,
    };
    fields.set_some(field::EVENT_ACTION, action);
}

/// ECS keeps ids of interfaces and VLANs as text.
fn text(number: Option<impl ToString>) -> Option<String> {
    number.map(|number| number.to_string())
}

/// How a TCP connection went, as far as its flags tell, as [`field::VARDE_FLOW_STATE`] lists it.
fn state(record: &FlowRecord, is_answer: bool) -> Option<&'static str> {
    let flags = record.tcp_flags.filter(|_| record.protocol == 6)?;
    let backward = record.tcp_flags_backward.unwrap_or(0);
    let has = |flags: u8, bit: u8| flags & bit != 0;
    let count = match record.backward {
        Some(_) if is_answer => record.forward,
        Some(backward) => backward,
        None => Count::default(),
    };
    let answered = count.packets != 0;
    let (own, other) = if is_answer && record.backward.is_some() {
        (backward, flags)
    } else {
        (flags, backward)
    };
    Some(match record.backward {
        Some(_) if has(own | other, RST) && has(own, SYN) && !has(other, SYN) => "rejected",
        // A direction of its own that only says no.
        None if is_answer && has(own, RST) && !has(own, SYN) => "rejected",
        _ if has(own | other, RST) => "reset",
        Some(_) if has(own, FIN) && has(other, FIN) => "closed",
        Some(_) if answered && (has(own, ACK) || !has(own, SYN)) => "established",
        Some(_) if has(own, SYN) && !answered => "attempted",
        None if has(own, SYN) && !has(own, ACK) => "attempted",
        // Who began acknowledges only what was answered, and who answers acknowledges the beginning.
        None if has(own, ACK) => "established",
        Some(_) | None => "other",
    })
}
