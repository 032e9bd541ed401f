//! What events are made of records, and what sFlow samples say.

use super::writer::Bytes;
use super::*;
use crate::record::Draft;

fn flow(source: &str, destination: &str, ports: (u16, u16)) -> FlowRecord {
    FlowRecord {
        offset: 24,
        source: ip(source),
        destination: ip(destination),
        protocol: 6,
        ports: Some(ports),
        icmp: None,
        forward: Count {
            packets: 10,
            bytes: 1_000,
        },
        backward: None,
        tcp_flags: None,
        tcp_flags_backward: None,
        began: Began::Unknown,
        start: SENT,
        end: SENT.saturating_add(Duration::from_secs(2)),
        sampling: 1,
        ingress: Some(3),
        egress: None,
        vlan: Some(20),
        translated: Translated::default(),
        firewall_event: None,
    }
}

const BACK: Option<Count> = Some(Count {
    packets: 7,
    bytes: 9_000,
});

fn event(record: &FlowRecord) -> Draft {
    let origin = Origin {
        exporter: ip("2001:db8::9"),
        protocol: Protocol::Ipfix,
        domain: 7,
        sequence: 41,
        exported: SENT,
    };
    let home = [
        "192.0.2.0/24".parse().expect("a network"),
        "2001:db8::/48".parse().expect("a network"),
    ];
    draft(&origin, record, &home)
}

#[test]
fn an_event_has_the_fields_of_a_flow_and_says_who_told_it() {
    for (source, destination, family) in [
        ("192.0.2.1", "198.51.100.2", "ipv4"),
        ("2001:db8::1", "2001:db8:1::2", "ipv6"),
    ] {
        let event = event(&flow(source, destination, (40_000, 443)));
        for (name, expected) in [
            (field::SOURCE_IP, source),
            (field::DESTINATION_IP, destination),
            (field::SOURCE_PORT, "40000"),
            (field::DESTINATION_PORT, "443"),
            (field::NETWORK_TYPE, family),
            (field::NETWORK_TRANSPORT, "tcp"),
            (field::NETWORK_DIRECTION, "outbound"),
            (field::EVENT_MODULE, "ipfix"),
            (field::EVENT_START, "2023-11-14T22:13:20Z"),
            (field::EVENT_DURATION, "2000000000"),
            (field::SOURCE_BYTES, "1000"),
            (field::SOURCE_PACKETS, "10"),
            (field::DESTINATION_BYTES, "0"),
            (field::NETWORK_BYTES, "1000"),
            (field::NETWORK_VLAN_ID, "20"),
            (field::OBSERVER_INGRESS_INTERFACE_ID, "3"),
            (field::OBSERVER_EGRESS_INTERFACE_ID, ""),
            (field::VARDE_EXPORTER_IP, "2001:db8::9"),
            (field::VARDE_EXPORTER_DOMAIN, "7"),
            (field::VARDE_FLOW_SAMPLING, ""),
        ] {
            assert_eq!(text(&event, name), expected, "{name}");
        }
        assert_eq!(
            (event.dataset.as_ref(), event.position, event.ordinal),
            ("network.flow", 41, 24)
        );
        // The same flow seen from the other side has the same name.
        let answer = self::event(&flow(destination, source, (443, 40_000)));
        for name in [
            field::NETWORK_COMMUNITY_ID,
            field::SOURCE_IP,
            field::DESTINATION_PORT,
            field::NETWORK_DIRECTION,
        ] {
            assert_eq!(text(&answer, name), text(&event, name), "{name}");
        }
        assert_eq!(text(&answer, field::SOURCE_BYTES), "0");
        assert_eq!(text(&answer, field::DESTINATION_BYTES), "1000");
    }
}

#[test]
fn who_began_is_the_source_and_the_state_is_what_the_flags_tell() {
    let question = (40_000, 443);
    let answer = (443, 40_000);
    let high = (40_000, 8_443);
    // Ports, what came back, flags of both ways, what the exporter says: who is the source, and the state.
    for (ports, backward, flags, began, is_turned, state) in [
        (
            question,
            None,
            (Some(0x02), None),
            Began::Unknown,
            false,
            "attempted",
        ),
        (
            question,
            None,
            (Some(0x1b), None),
            Began::Unknown,
            false,
            "established",
        ),
        (question, None, (Some(0x06), None), Began::Unknown, false, "reset"),
        (answer, None, (Some(0x14), None), Began::Unknown, true, "rejected"),
        (
            answer,
            None,
            (Some(0x1b), None),
            Began::Unknown,
            true,
            "established",
        ),
        (
            answer,
            None,
            (Some(0x02), None),
            Began::Unknown,
            false,
            "attempted",
        ),
        (
            question,
            BACK,
            (Some(0x1b), Some(0x1b)),
            Began::Unknown,
            false,
            "closed",
        ),
        (
            question,
            BACK,
            (Some(0x1a), Some(0x12)),
            Began::Unknown,
            false,
            "established",
        ),
        (
            question,
            BACK,
            (Some(0x02), Some(0x14)),
            Began::Unknown,
            false,
            "rejected",
        ),
        (
            question,
            BACK,
            (Some(0x1a), Some(0x16)),
            Began::Unknown,
            false,
            "reset",
        ),
        (
            answer,
            BACK,
            (Some(0x12), Some(0x1a)),
            Began::Unknown,
            true,
            "established",
        ),
        (
            answer,
            BACK,
            (Some(0x12), Some(0x1a)),
            Began::Source,
            false,
            "established",
        ),
        (
            answer,
            BACK,
            (Some(0x14), Some(0x02)),
            Began::Unknown,
            true,
            "rejected",
        ),
        (
            high,
            BACK,
            (Some(0x12), Some(0x1a)),
            Began::Destination,
            true,
            "established",
        ),
        (
            high,
            Some(Count::default()),
            (Some(0x02), Some(0)),
            Began::Unknown,
            false,
            "attempted",
        ),
        (high, None, (None, None), Began::Destination, false, ""),
    ] {
        for (one, other) in [("192.0.2.1", "198.51.100.2"), ("2001:db8::1", "2001:db8:1::2")] {
            let record = FlowRecord {
                backward,
                tcp_flags: flags.0,
                tcp_flags_backward: flags.1,
                began,
                ..flow(one, other, ports)
            };
            let event = event(&record);
            let (source, own) = if is_turned {
                (other, field::DESTINATION_BYTES)
            } else {
                (one, field::SOURCE_BYTES)
            };
            assert_eq!(text(&event, field::SOURCE_IP), source, "{record:?}");
            assert_eq!(text(&event, own), "1000", "{record:?}");
            assert_eq!(text(&event, field::VARDE_FLOW_STATE), state, "{record:?}");
        }
    }
    let empty = FlowRecord {
        forward: Count::default(),
        backward: BACK,
        ..flow("192.0.2.1", "198.51.100.2", (8_443, 40_000))
    };
    assert_eq!(text(&event(&empty), field::SOURCE_IP), "198.51.100.2");
    assert_eq!(text(&event(&empty), field::SOURCE_BYTES), "9000");
}

#[test]
fn what_a_firewall_translates_is_told() {
    for (source, destination, outside) in [
        ("192.0.2.1", "198.51.100.2", "203.0.113.1"),
        ("2001:db8::1", "2001:db8:1::2", "2001:db8:2::3"),
    ] {
        let record = FlowRecord {
            translated: Translated {
                source: Some(ip(outside)),
                source_port: Some(61_000),
                destination: Some(ip(destination)),
                destination_port: Some(443),
            },
            firewall_event: Some(3),
            sampling: 10,
            egress: Some(4),
            ..flow(source, destination, (40_000, 443))
        };
        let event = event(&record);
        for (name, _) in event.fields.iter() {
            assert!(crate::disclose::class(name).is_some(), "{name} has no class");
        }
        assert_eq!(text(&event, field::SOURCE_NAT_IP), outside);
        assert_eq!(text(&event, field::SOURCE_NAT_PORT), "61000");
        assert_eq!(
            text(&event, field::DESTINATION_NAT_IP),
            "",
            "it was not translated"
        );
        assert_eq!(text(&event, field::EVENT_ACTION), "flow_denied");
    }
}

#[test]
fn an_answer_alone_is_no_echo_of_its_own() {
    for (one, other, protocol, reply) in [
        ("192.0.2.1", "198.51.100.2", 1, 0),
        ("2001:db8::1", "2001:db8:1::2", 58, 129),
    ] {
        let record = FlowRecord {
            protocol,
            ports: None,
            icmp: Some((reply, 0)),
            ..flow(one, other, (0, 0))
        };
        assert_eq!(text(&event(&record), field::SOURCE_IP), other);
    }
}

fn words(words: &[u32]) -> Bytes {
    words.iter().fold(bytes(), |out, word| out.u32(*word))
}

/// A datagram of an agent, with samples of a format.
fn sflow(agent: IpAddr, samples: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let kind = if agent.is_ipv4() { 1 } else { 2 };
    let head = words(&[5, kind])
        .bytes(&octets(agent))
        .bytes(&words(&[4, 77, 1_000, samples.len() as u32]).0);
    let whole = samples.iter().fold(head, |out, (format, body)| {
        out.u32(*format).u32(body.len() as u32).bytes(body)
    });
    whole.0
}

/// A flow sample's head: one packet in 512, in at 3, out at 4.
fn sample(is_expanded: bool, records: &[(u32, Vec<u8>)]) -> (u32, Vec<u8>) {
    let count = records.len() as u32;
    let head = if is_expanded {
        words(&[1, 0, 3, 512, 1, 0, 0, 3, 0, 4, count])
    } else {
        words(&[1, 3, 512, 1, 0, 3, 4, count])
    };
    let body = records.iter().fold(head, |out, (format, body)| {
        out.u32(*format).u32(body.len() as u32).bytes(body)
    });
    (if is_expanded { 3 } else { 1 }, body.0)
}

#[test]
fn samples_of_sflow_are_flows_of_one_packet() {
    for (source, destination, _) in families() {
        let udp = [0x9c, 0x40, 0, 53, 0, 8, 0, 0];
        let (ethertype, packet) = match source {
            IpAddr::V4(_) => (
                [8, 0],
                [
                    &[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0][..],
                    &octets(source),
                    &octets(destination),
                    &udp,
                ]
                .concat(),
            ),
            IpAddr::V6(_) => (
                [0x86, 0xdd],
                [
                    &[0x60, 0, 0, 0, 0, 8, 17, 64][..],
                    &octets(source),
                    &octets(destination),
                    &udp,
                ]
                .concat(),
            ),
        };
        let frame = [&[2; 12][..], &ethertype, &packet].concat();
        let padding = vec![0; frame.len().next_multiple_of(4) - frame.len()];
        let head = |protocol: u32, bytes: &[u8]| words(&[protocol, 99, 4, bytes.len() as u32]).bytes(bytes).0;
        let fields = words(&[60, 17])
            .bytes(&octets(source))
            .bytes(&octets(destination))
            .bytes(&words(&[40_000, 53, 0, 0]).0)
            .0;
        let own = if source.is_ipv4() { (11, 3) } else { (12, 4) };
        let length = packet.len() as u64;
        for (is_expanded, records, bytes, vlan) in [
            (
                false,
                vec![(1, [head(1, &frame), padding.clone()].concat())],
                length,
                None,
            ),
            (
                true,
                vec![(1, [head(1, &frame), padding.clone()].concat())],
                length,
                None,
            ),
            (false, vec![(1, head(own.0, &packet))], length, None),
            (
                true,
                vec![(1_001, words(&[20, 0, 30, 0]).0), (own.1, fields.clone())],
                60,
                Some(20),
            ),
            (
                false,
                vec![(4_413 << 12 | 9, vec![1; 12]), (own.1, fields.clone())],
                60,
                None,
            ),
        ] {
            let mut run = Run::new();
            let samples = [sample(is_expanded, &records), (2, vec![9; 40]), (4, vec![])];
            run.read(&sflow(source, &samples)).expect("reads");
            let [(origin, flow)] = run.flows[..] else {
                panic!("{:?}", run.flows)
            };
            assert_eq!((origin.exporter, origin.domain, origin.sequence), (source, 4, 77));
            assert_eq!((flow.source, flow.destination), (source, destination));
            assert_eq!((flow.protocol, flow.ports), (17, Some((40_000, 53))));
            assert_eq!((flow.forward, flow.sampling), (Count { packets: 1, bytes }, 512));
            assert_eq!((flow.ingress, flow.egress, flow.vlan), (Some(3), Some(4), vlan));
            assert_eq!((flow.start, run.collector.counts().others), (NOW, 2));
            let event = event(&flow);
            assert_eq!(text(&event, field::SOURCE_PACKETS), "512");
            assert_eq!(text(&event, field::NETWORK_BYTES), (512 * bytes).to_string());
        }
    }
}
