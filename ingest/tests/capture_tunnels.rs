//! Packets inside packets: what is inside is reported, with what it came through, whatever both address families are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

#[path = "capture/lab.rs"]
mod lab;

use std::net::IpAddr;

use etherparse::IpNumber;

use lab::{ACK, Family, Lab, check, families, ip, tcp_frame};

const ETHERNET_BYTES: usize = 14;

/// A request as a frame on the wire.
fn inner(family: Family) -> Vec<u8> {
    let request = b"GET /inside HTTP/1.1\r\nHost: inside.example.org\r\n\r\n";
    tcp_frame((family.client, 50_000), (family.server, 80), ACK, 1, request)
}

fn ethertype(family: Family) -> [u8; 2] {
    if family.client.is_ipv4() {
        [0x08, 0x00]
    } else {
        [0x86, 0xdd]
    }
}

fn in_protocol(outer: Family, number: IpNumber, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    ip(outer.server, outer.client)
        .write(&mut frame, number, body)
        .unwrap();
    frame
}

fn in_udp(outer: Family, port: u16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    ip(outer.server, outer.client)
        .udp(60_000, port)
        .write(&mut frame, body)
        .unwrap();
    frame
}

/// A packet of GTP-U, in tunnel 66051.
fn gtp(flags: u8, options: &[u8], packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(options.len() + packet.len()).unwrap();
    [
        &[flags, 255][..],
        &length.to_be_bytes(),
        &[0, 1, 2, 3],
        options,
        packet,
    ]
    .concat()
}

/// `inside` in every kind of tunnel: what it is called, its number, and the frame.
fn tunnels(outer: Family, inside: Family) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let frame = inner(inside);
    let packet = &frame[ETHERNET_BYTES..];
    let kind = ethertype(inside);
    let gre = |head: &[u8], rest: &[u8]| in_protocol(outer, IpNumber::GRE, &[head, rest].concat());
    let bare = if inside.client.is_ipv4() {
        IpNumber::IPV4
    } else {
        IpNumber::IPV6
    };
    let ppp = if inside.client.is_ipv4() { 0x21 } else { 0x57 };
    let tagged = [&frame[..12], &[0x81, 0, 0, 7], &frame[12..]].concat();
    vec![
        ("ip", "(absent)", in_protocol(outer, bare, packet)),
        ("gre", "(absent)", gre(&[&[0, 0][..], &kind].concat(), packet)),
        (
            "gre",
            "258",
            gre(
                &[&[0xb0, 0][..], &kind, &[0xaa, 0xbb, 0, 0, 0, 0, 1, 2, 0, 0, 0, 9]].concat(),
                packet,
            ),
        ),
        ("gre", "(absent)", gre(&[0, 0, 0x65, 0x58], &frame)),
        (
            "gre",
            "772",
            gre(
                &[
                    0x30, 0x81, 0x88, 0x0b, 0, 40, 3, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0x03, 0, ppp,
                ],
                packet,
            ),
        ),
        ("erspan", "(absent)", gre(&[0, 0, 0x88, 0xbe], &frame)),
        (
            "erspan",
            "515",
            gre(
                &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0xfa, 3, 0, 0, 0, 0],
                &tagged,
            ),
        ),
        (
            "erspan",
            "3",
            gre(
                &[
                    0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0,
                    0, 0,
                ],
                &frame,
            ),
        ),
        (
            "gre",
            "(absent)",
            in_udp(outer, 4754, &[&[0, 0][..], &kind, packet].concat()),
        ),
        ("gtp", "66051", in_udp(outer, 2152, &gtp(0x30, &[], packet))),
        (
            "gtp",
            "66051",
            in_udp(
                outer,
                2152,
                &gtp(0x36, &[0, 9, 0, 0x85, 1, 0, 0, 0xc0, 1, 0, 0, 0], packet),
            ),
        ),
        (
            "ayiya",
            "(absent)",
            in_udp(
                outer,
                5072,
                &[
                    &[0x21, 0x12, 0x11, if inside.client.is_ipv4() { 4 } else { 41 }][..],
                    &[7; 12],
                    packet,
                ]
                .concat(),
            ),
        ),
        (
            "vxlan",
            "66051",
            in_udp(outer, 4789, &[&[8, 0, 0, 0, 1, 2, 3, 0][..], &frame].concat()),
        ),
        (
            "geneve",
            "66051",
            in_udp(
                outer,
                6081,
                &[&[1, 0, 0x65, 0x58, 1, 2, 3, 0, 9, 9, 9, 9][..], &frame].concat(),
            ),
        ),
    ]
}

#[test]
fn what_is_inside_a_tunnel_is_reported_with_the_tunnel() {
    for outer in families() {
        for inside in families() {
            for (kind, id, frame) in tunnels(outer, inside) {
                let mut lab = Lab::new();
                lab.frame(&frame);
                let requests = lab.events("network.http");
                let flows = lab.events("network.flow");
                assert_eq!(
                    (requests.len(), flows.len()),
                    (1, 1),
                    "{kind} {id} {outer:?} {inside:?}"
                );
                for record in requests.iter().chain(&flows) {
                    check(
                        record,
                        &[
                            ("source.ip", &inside.client.to_string()),
                            ("destination.ip", &inside.server.to_string()),
                            ("destination.port", "80"),
                            ("network.type", inside.name),
                            ("varde.tunnel.type", kind),
                            ("varde.tunnel.id", id),
                            ("varde.tunnel.depth", "1"),
                            ("varde.tunnel.source.ip", &outer.server.to_string()),
                            ("varde.tunnel.destination.ip", &outer.client.to_string()),
                            ("network.vlan.id", if id == "515" { "7" } else { "(absent)" }),
                        ],
                    );
                }
                check(&requests[0], &[("url.domain", "inside.example.org")]);
                let bytes = inner(inside).len() - ETHERNET_BYTES;
                check(&flows[0], &[("source.bytes", &bytes.to_string())]);
            }
        }
    }
}

#[test]
fn tunnels_are_opened_to_a_bound_and_what_is_deeper_is_a_flow_of_its_carrier() {
    for family in families() {
        let number = if family.client.is_ipv4() {
            IpNumber::IPV4
        } else {
            IpNumber::IPV6
        };
        for (layers, depth, transport) in [(2, "2", "tcp"), (4, "4", "tcp"), (5, "4", "ip"), (60, "4", "ip")]
        {
            let mut frame = inner(family);
            for _ in 0..layers {
                frame = in_protocol(family, number, &frame[ETHERNET_BYTES..]);
            }
            let mut lab = Lab::new();
            lab.frame(&frame);
            let flows = lab.events("network.flow");
            assert_eq!(flows.len(), 1);
            let carrier = number.0.to_string();
            let transport = if transport == "ip" { &carrier } else { transport };
            check(
                &flows[0],
                &[("varde.tunnel.depth", depth), ("network.transport", transport)],
            );
        }
    }
}

#[test]
fn what_can_not_be_opened_stays_a_flow_of_the_outer_packet() {
    for family in families() {
        for (frame, transport) in [
            (
                in_udp(family, 4789, b"\x00\x00\x00\x00\x00\x00\x01\x00 no flag"),
                "udp",
            ),
            (
                in_udp(
                    family,
                    4789,
                    &[&[0, 0, 0, 0, 0, 0, 1, 0][..], &inner(family)].concat(),
                ),
                "udp",
            ),
            (in_udp(family, 4789, b"\x08"), "udp"),
            // An echo of GTP, a packet that is cut, one with an extension of no length, and a broker's answer.
            (
                in_udp(family, 2152, b"\x32\x01\x00\x04\x00\x00\x00\x00\x60\x00\x00\x00"),
                "udp",
            ),
            (
                in_udp(family, 2152, b"\x30\xff\x00\x40\x00\x00\x00\x00\x60\x00"),
                "udp",
            ),
            (
                in_udp(
                    family,
                    2152,
                    &gtp(0x34, &[0, 9, 0, 0x85, 0], &inner(family)[ETHERNET_BYTES..]),
                ),
                "udp",
            ),
            (
                in_udp(
                    family,
                    5072,
                    &[
                        &[0x21, 0x12, 0x12, 41][..],
                        &[7; 12],
                        &inner(family)[ETHERNET_BYTES..],
                    ]
                    .concat(),
                ),
                "udp",
            ),
            // An address is asked for inside.
            (
                in_udp(
                    family,
                    4789,
                    &[&[8, 0, 0, 0, 0, 0, 1, 0][..], &[0; 12], &[8, 6], &[0; 28]].concat(),
                ),
                "udp",
            ),
            (
                in_protocol(family, IpNumber::GRE, &[0x40, 0, 8, 0, 0, 0, 0, 0]),
                "47",
            ),
            (in_protocol(family, IpNumber::GRE, &[0, 0, 8, 0]), "47"),
            (in_protocol(family, IpNumber::IPV6, b"\x60"), "41"),
        ] {
            let mut lab = Lab::new();
            lab.frame(&frame);
            let flows = lab.events("network.flow");
            assert_eq!(flows.len(), 1);
            check(
                &flows[0],
                &[
                    ("source.ip", &family.server.to_string()),
                    ("network.transport", transport),
                    ("varde.tunnel.type", "(absent)"),
                ],
            );
        }
    }
}

#[test]
fn teredo_is_opened_on_any_port_if_it_is_a_client_s() {
    let (client, server): (IpAddr, IpAddr) = (
        "2001:0:c000:204::1".parse().unwrap(),
        "2001:db8::7".parse().unwrap(),
    );
    let packet = |client| {
        tcp_frame(
            (client, 50_000),
            (server, 80),
            ACK,
            1,
            b"GET /teredo HTTP/1.1\r\n\r\n",
        )
    };
    let (inside, of_others) = (packet(client), packet("2001:db8::8".parse().unwrap()));
    let (inside, of_others) = (&inside[ETHERNET_BYTES..], &of_others[ETHERNET_BYTES..]);
    let (origin, proof) = (
        [0, 0, 1, 2, 3, 4, 5, 6],
        [0, 1, 2, 1, 9, 9, 9, 1, 1, 1, 1, 1, 1, 1, 1, 0],
    );
    for outer in families() {
        for (port, body, is_opened) in [
            (3544, inside.to_vec(), true),
            (51_000, inside.to_vec(), true),
            (3544, [&origin[..], inside].concat(), true),
            (51_000, [&proof[..], inside].concat(), true),
            (3544, [&proof[..], &origin, inside].concat(), true),
            (3544, of_others.to_vec(), true),
            (51_000, of_others.to_vec(), false),
            (3544, [inside, b"more"].concat(), false),
            (3544, inside[..60].to_vec(), false),
            (3544, proof[..10].to_vec(), false),
            (51_000, origin[..3].to_vec(), false),
        ] {
            let mut lab = Lab::new();
            lab.frame(&in_udp(outer, port, &body));
            let flows = lab.events("network.flow");
            assert_eq!(flows.len(), 1);
            let (carrier, kind) = match is_opened {
                true => (outer.server.to_string(), "teredo"),
                false => ("(absent)".to_owned(), "(absent)"),
            };
            check(
                &flows[0],
                &[("varde.tunnel.source.ip", &carrier), ("varde.tunnel.type", kind)],
            );
            assert_eq!(lab.events("network.http").len(), usize::from(is_opened));
        }
    }
}

/// In a capture that keeps the first bytes only, a long packet is in the same flow as a short one.
#[test]
fn teredo_is_opened_where_the_capture_cuts_it_off() {
    let (client, server): (IpAddr, IpAddr) = (
        "2001:0:c000:204::1".parse().unwrap(),
        "2001:db8::7".parse().unwrap(),
    );
    let packet = |bytes: usize| tcp_frame((client, 50_000), (server, 80), ACK, 1, &vec![b'x'; bytes]);
    for outer in families() {
        for port in [3544, 51_000] {
            let mut lab = Lab::new();
            for bytes in [1, 900] {
                let frame = in_udp(outer, port, &packet(bytes)[ETHERNET_BYTES..]);
                lab.cut_frame(&frame, frame.len().min(140));
            }
            let flows = lab.events("network.flow");
            assert_eq!(flows.len(), 1, "{outer:?}");
            check(
                &flows[0],
                &[
                    ("network.packets", "2"),
                    ("source.bytes", &(2 * 60 + 901).to_string()),
                ],
            );
        }
    }
}

#[test]
fn networks_with_the_same_addresses_are_told_apart() {
    for family in families() {
        let mut lab = Lab::new();
        for network in [1, 2, 1] {
            let head = [8, 0, 0, 0, 0, 0, network, 0];
            lab.frame(&in_udp(family, 4789, &[&head[..], &inner(family)].concat()));
        }
        let flows = lab.events("network.flow");
        assert_eq!(flows.len(), 2);
        check(&flows[0], &[("varde.tunnel.id", "2"), ("network.packets", "1")]);
        check(&flows[1], &[("varde.tunnel.id", "1"), ("network.packets", "2")]);
    }
}

#[test]
fn tags_of_a_frame_are_told() {
    for family in families() {
        let frame = inner(family);
        let mut lab = Lab::new();
        lab.frame(
            &[
                &frame[..12],
                &[0x88, 0xa8, 0, 100, 0x81, 0, 0x20, 7],
                &frame[12..],
            ]
            .concat(),
        );
        for dataset in ["network.http", "network.flow"] {
            check(
                &lab.events(dataset)[0],
                &[
                    ("network.vlan.id", "100"),
                    ("network.inner.vlan.id", "7"),
                    ("source.ip", &family.client.to_string()),
                ],
            );
        }
    }
}

#[test]
fn the_tag_that_a_mirror_took_off_is_told() {
    for family in families() {
        let frame = inner(family);
        let tagged = [&frame[..12], &[0x81, 0, 0, 7], &frame[12..]].concat();
        // ERSPAN II: version, VLAN 261, session 3.
        let head = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x11, 5, 0, 3, 0, 0, 0, 0];
        for (frame, vlan) in [(&frame, "261"), (&tagged, "7")] {
            let mut lab = Lab::new();
            lab.frame(&in_protocol(family, IpNumber::GRE, &[&head[..], frame].concat()));
            check(&lab.events("network.flow")[0], &[("network.vlan.id", vlan)]);
        }
    }
}
