//! Packets built one by one, in both address families, and the records that they must become.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

#[path = "capture/lab.rs"]
mod lab;

use std::time::Duration;

use ingest::{capture::CaptureOptions, record::Record};
use ingest_event::QuarantineReason;

use lab::{ACK, FIN, Lab, RST, SYN, check, events, families, ip, read, tcp_frame};

/// `example.org` asked for with `kind`, as a resolver writes it.
fn dns_query(kind: u16) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(b"\x03WwW\x07example\x03org\x00");
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message
}

fn dns_answer(address: std::net::IpAddr) -> Vec<u8> {
    let (kind, data) = match address {
        std::net::IpAddr::V4(address) => (1_u16, address.octets().to_vec()),
        std::net::IpAddr::V6(address) => (28, address.octets().to_vec()),
    };
    let mut message = dns_query(kind);
    message[2] = 0x81;
    message[3] = 0x80;
    message[7] = 2;
    message.extend(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06\x03web\xc0\x10");
    message.extend(b"\x03web\xc0\x10");
    message.extend(kind.to_be_bytes());
    message.extend([0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
    message.extend(data);
    message
}

#[test]
fn a_question_and_its_answer_are_one_flow_and_two_messages() {
    for family in families() {
        let (client, server) = ((family.client, 40_000), (family.server, 53));
        let kind = if family.client.is_ipv4() { 1 } else { 28 };
        let mut lab = Lab::new();
        lab.udp(client, server, &dns_query(kind))
            .udp(server, client, &dns_answer(family.server));

        let flows = lab.events("network.flow");
        assert_eq!(flows.len(), 1);
        let query_bytes = dns_query(kind).len() as i64 + 8 + family.ip_header_bytes;
        check(
            &flows[0],
            &[
                ("source.ip", &family.client.to_string()),
                ("source.port", "40000"),
                ("destination.ip", &family.server.to_string()),
                ("destination.port", "53"),
                ("source.packets", "1"),
                ("source.bytes", &query_bytes.to_string()),
                ("destination.packets", "1"),
                ("network.packets", "2"),
                ("network.transport", "udp"),
                ("network.type", family.name),
                ("network.protocol", "dns"),
                ("event.start", "2026-03-02T08:00:00.001Z"),
                ("event.end", "2026-03-02T08:00:00.002Z"),
                ("event.duration", "1000000"),
                ("varde.flow.state", "(absent)"),
                ("network.direction", "(absent)"),
            ],
        );
        let messages = lab.events("network.dns");
        assert_eq!(messages.len(), 2);
        for (message, kind_of, position) in [(&messages[0], "query", 1), (&messages[1], "answer", 2)] {
            assert_eq!(message.position, position);
            check(
                message,
                &[
                    ("dns.type", kind_of),
                    ("dns.id", "4660"),
                    ("dns.question.name", "www.example.org"),
                    ("dns.question.type", if kind == 1 { "A" } else { "AAAA" }),
                    ("source.ip", &family.client.to_string()),
                    ("destination.port", "53"),
                ],
            );
            assert_eq!(
                message.fields.get("network.community_id"),
                flows[0].fields.get("network.community_id")
            );
        }
        check(
            &messages[1],
            &[
                ("dns.response_code", "NOERROR"),
                ("dns.answers.data", &format!("web.example.org, {}", family.server)),
                ("dns.resolved_ip", &family.server.to_string()),
            ],
        );
    }
}

#[test]
fn how_a_connection_went_is_told() {
    type Play = fn(&mut Lab, (std::net::IpAddr, u16), (std::net::IpAddr, u16));
    let table: [(&str, &str, Play); 8] = [
        ("attempted", "SYN only", |lab, a, b| {
            lab.tcp(a, b, SYN, 0, b"").tcp(a, b, SYN, 0, b"");
        }),
        ("rejected", "SYN, RST", |lab, a, b| {
            lab.tcp(a, b, SYN, 0, b"").tcp(b, a, RST | ACK, 0, b"");
        }),
        ("established", "handshake", |lab, a, b| {
            lab.open(a, b);
        }),
        ("established", "in the middle", |lab, a, b| {
            lab.tcp(b, a, ACK, 9, b"x").tcp(a, b, ACK, 5, b"y");
        }),
        ("closed", "FIN from both", |lab, a, b| {
            lab.open(a, b)
                .tcp(a, b, FIN | ACK, 1, b"")
                .tcp(b, a, FIN | ACK, 1, b"")
                .tcp(a, b, ACK, 2, b"");
        }),
        ("reset", "RST after the handshake", |lab, a, b| {
            lab.open(a, b).tcp(b, a, RST, 1, b"");
        }),
        ("other", "one side, in the middle", |lab, a, b| {
            lab.tcp(a, b, ACK, 1, b"x");
        }),
        ("established", "SYN-ACK first", |lab, a, b| {
            lab.tcp(b, a, SYN | ACK, 0, b"").tcp(a, b, ACK, 1, b"");
        }),
    ];
    for family in families() {
        let (client, server) = ((family.client, 50_000), (family.server, 443));
        for (state, what, play) in table {
            let mut lab = Lab::new();
            play(&mut lab, client, server);
            let flows = lab.events("network.flow");
            assert_eq!(flows.len(), 1, "{what}");
            let source = family.client.to_string();
            check(
                &flows[0],
                &[
                    ("varde.flow.state", state),
                    ("source.ip", &source),
                    ("destination.port", "443"),
                ],
            );
        }
    }
}

#[test]
fn an_unreachable_port_rejects_the_connection_it_quotes() {
    for family in families() {
        let (client, server) = ((family.client, 50_000), (family.server, 23));
        let syn = tcp_frame(client, server, SYN, 0, b"");
        let mut error = Vec::new();
        let step = ip(family.server, family.client);
        match family.client.is_ipv4() {
            true => step.icmpv4_raw(3, 3, [0; 4]).write(&mut error, &syn[14..]),
            false => step.icmpv6_raw(1, 4, [0; 4]).write(&mut error, &syn[14..]),
        }
        .unwrap();
        let mut lab = Lab::new();
        lab.frame(&syn).frame(&error);
        let flows = lab.events("network.flow");
        check(
            &flows[0],
            &[("varde.flow.state", "rejected"), ("network.transport", "tcp")],
        );
        check(
            &flows[1],
            &[("network.transport", family.icmp), ("source.port", "(absent)")],
        );
    }
}

#[test]
fn an_echo_and_its_reply_are_one_flow_without_ports() {
    for family in families() {
        let mut lab = Lab::new();
        lab.echo(family.client, family.server, false)
            .echo(family.server, family.client, true);
        let flows = lab.events("network.flow");
        assert_eq!(flows.len(), 1);
        let kind = if family.client.is_ipv4() { "8" } else { "128" };
        check(
            &flows[0],
            &[
                ("network.transport", family.icmp),
                ("source.ip", &family.client.to_string()),
                ("source.port", "(absent)"),
                ("icmp.type", kind),
                ("icmp.code", "0"),
                ("source.packets", "1"),
                ("destination.packets", "1"),
            ],
        );
    }
}

#[test]
fn silence_and_age_end_a_flow_by_packet_time_alone() {
    for family in families() {
        let (client, server) = ((family.client, 40_000), (family.server, 9_999));
        for (gap_secs, packets, flows) in [(59, 3, 1), (61, 3, 3), (50, 60, 2)] {
            let mut lab = Lab::new();
            for _ in 0..packets {
                lab.udp(client, server, b"x").wait(Duration::from_secs(gap_secs));
            }
            let found = lab.events("network.flow");
            assert_eq!(found.len(), flows, "{packets} packets {gap_secs} s apart");
            let counted: i64 = found
                .iter()
                .map(|flow| {
                    flow.fields
                        .get("network.packets")
                        .unwrap()
                        .to_string()
                        .parse::<i64>()
                        .unwrap()
                })
                .sum();
            assert_eq!(counted, packets, "no packet is lost or counted twice");
        }
    }
}

#[test]
fn a_full_table_lets_the_most_silent_flow_go() {
    for family in families() {
        let mut lab = Lab::new();
        for port in [1001, 1002, 1001, 1003] {
            lab.udp((family.client, 40_000), (family.server, port), b"x");
        }
        let options = CaptureOptions {
            flows_max: 2,
            ..CaptureOptions::default()
        };
        let flows = events(read(&lab.bytes[..], options), "network.flow");
        let ports: Vec<String> = flows
            .iter()
            .map(|flow| flow.fields.get("destination.port").unwrap().to_string())
            .collect();
        assert_eq!(ports, ["1002", "1001", "1003"]);
    }
}

#[test]
fn direction_follows_the_home_networks() {
    for family in families() {
        for (home, expected) in [
            (vec![family.client], "outbound"),
            (vec![family.server], "inbound"),
            (vec![family.client, family.server], "internal"),
            (vec!["203.0.113.1".parse().unwrap()], "external"),
        ] {
            let mut lab = Lab::new();
            lab.udp((family.client, 40_000), (family.server, 9_999), b"x");
            let options = CaptureOptions {
                home_networks: home.into_iter().map(Into::into).collect(),
                ..CaptureOptions::default()
            };
            let flows = events(read(&lab.bytes[..], options), "network.flow");
            check(&flows[0], &[("network.direction", expected)]);
        }
    }
}

#[test]
fn a_cut_file_keeps_what_came_before_and_says_what_is_missing() {
    for family in families() {
        let mut lab = Lab::new();
        lab.udp((family.client, 40_000), (family.server, 9_999), b"whole")
            .udp((family.client, 40_001), (family.server, 9_999), b"cut");
        let records = read(&lab.bytes[..lab.bytes.len() - 2], CaptureOptions::default());
        let Record::Refused(refusal) = &records[0] else {
            panic!("{records:?}")
        };
        assert_eq!(
            (refusal.reason, refusal.position),
            (QuarantineReason::Truncated, 2)
        );
        assert!(refusal.detail.contains("packet 2: 2 of "), "{}", refusal.detail);
        let flows = events(records, "network.flow");
        check(&flows[0], &[("source.port", "40000")]);
        assert_eq!(flows.len(), 1);
    }
}

#[test]
fn a_damaged_packet_is_refused_and_a_shortened_one_is_not() {
    for family in families() {
        let frame = tcp_frame((family.client, 40_000), (family.server, 80), ACK, 1, &[b'x'; 100]);
        let mut damaged = frame.clone();
        damaged[14] = 0x30;
        let mut lab = Lab::new();
        lab.frame(&damaged)
            .cut_frame(&frame, 60 + usize::from(family.name == "ipv6") * 20)
            .frame(&frame[..20])
            .cut_frame(&frame, 20);
        let records = lab.records();
        let refused: Vec<u64> = records
            .iter()
            .filter_map(|record| match record {
                Record::Refused(refusal) => Some(refusal.position),
                Record::Event(_) => None,
            })
            .collect();
        assert_eq!(refused, [1, 3]);
        let flows = events(records, "network.flow");
        let bytes = 120 + family.ip_header_bytes;
        check(
            &flows[0],
            &[("source.bytes", &bytes.to_string()), ("source.packets", "1")],
        );
    }
}

#[test]
fn a_packet_of_ipv6_without_payload_is_not_as_long_as_its_padded_frame() {
    let family = families()[1];
    let mut frame = [0; 60];
    frame[12..14].copy_from_slice(&[0x86, 0xdd]);
    frame[14] = 0x60;
    // A number for experiments (RFC 3692).
    frame[20] = 253;
    for (at, address) in [(22, family.client), (38, family.server)] {
        let std::net::IpAddr::V6(address) = address else {
            panic!()
        };
        frame[at..at + 16].copy_from_slice(&address.octets());
    }
    let mut lab = Lab::new();
    lab.frame(&frame);
    check(&lab.events("network.flow")[0], &[("source.bytes", "40")]);
}

/// A pcapng block in either byte order.
fn block(big_endian: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let word = |value: u32| {
        if big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let padded = [body, &vec![0; (4 - body.len() % 4) % 4]].concat();
    let length = word(padded.len() as u32 + 12);
    [&word(kind)[..], &length, &padded, &length].concat()
}

#[test]
fn interfaces_of_a_pcapng_have_their_own_link_type_and_clock() {
    for family in families() {
        for big_endian in [false, true] {
            let word = |value: u32| {
                if big_endian {
                    value.to_be_bytes()
                } else {
                    value.to_le_bytes()
                }
            };
            let half = |value: u16| {
                if big_endian {
                    value.to_be_bytes()
                } else {
                    value.to_le_bytes()
                }
            };
            let frame = tcp_frame((family.client, 1), (family.server, 2), SYN, 0, b"");
            let section = [&word(0x1a2b_3c4d)[..], &half(1), &half(0), &[0xff; 8]].concat();
            let interface = |link: u16, resolution: u8| {
                let option = [&half(9)[..], &half(1), &[resolution, 0, 0, 0], &[0; 4]].concat();
                block(
                    big_endian,
                    1,
                    &[&half(link)[..], &half(0), &word(0), &option].concat(),
                )
            };
            let packet = |interface: u32, ticks: u64, bytes: &[u8]| {
                let length = word(bytes.len() as u32);
                let head = [
                    word(interface),
                    word((ticks >> 32) as u32),
                    word(ticks as u32),
                    length,
                    length,
                ];
                block(big_endian, 6, &[&head.concat(), bytes].concat())
            };
            let file = [
                block(big_endian, 0x0a0d_0d0a, &section),
                interface(1, 9),
                interface(101, 0x80 | 10),
                interface(127, 6),
                packet(0, 1_500_000_000, &frame),
                packet(1, 2 * 1024 + 512, &frame[14..]),
                packet(2, 0, &frame),
                packet(7, 0, &frame),
            ]
            .concat();
            let records = read(&file[..], CaptureOptions::default());
            let refused: Vec<_> = records
                .iter()
                .filter_map(|record| match record {
                    Record::Refused(refusal) => Some((refusal.reason, refusal.position)),
                    Record::Event(_) => None,
                })
                .collect();
            assert_eq!(
                refused,
                [
                    (QuarantineReason::UnknownFormat, 3),
                    (QuarantineReason::Malformed, 4)
                ]
            );
            let flows = events(records, "network.flow");
            check(
                &flows[0],
                &[
                    ("source.packets", "2"),
                    ("event.start", "1970-01-01T00:00:01.500Z"),
                    ("event.end", "1970-01-01T00:00:02.500Z"),
                ],
            );
        }
    }
}

#[test]
fn what_is_no_capture_is_refused_as_a_whole_and_named() {
    for (bytes, expected) in [
        (&b""[..], "it is empty"),
        (b"hello, world", "begins neither a pcap nor a pcapng"),
        (b"\xd4\xc3\xb2\xa1\x02\x00", "it has 6 bytes"),
    ] {
        let error = ingest::capture::CaptureReader::new(bytes, CaptureOptions::default())
            .err()
            .expect("refused");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let mut lab = Lab::new();
    lab.bytes[20] = 127;
    let error = ingest::capture::CaptureReader::new(&lab.bytes[..], CaptureOptions::default())
        .err()
        .expect("refused");
    assert!(
        error.to_string().contains("link type 127 (IEEE 802.11 radiotap)"),
        "{error}"
    );
}
