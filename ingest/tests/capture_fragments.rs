//! Packets in pieces, in both address families: what they say together is told once, and what does not fit is bounded.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

#[path = "capture/lab.rs"]
mod lab;

use std::time::Duration;

use etherparse::IpNumber;
use ingest::capture::{CaptureOptions, CaptureReader};

use lab::{ACK, Family, Lab, check, families, ip, tcp_frame};

const ETHERNET_BYTES: usize = 14;

/// Pieces of what follows an IP header from client to server: each from `start` to `end`, with more after it or not.
fn piece(family: Family, number: IpNumber, body: &[u8], (start, end): (usize, usize), id: u8) -> Vec<u8> {
    let more = end != body.len();
    let bytes = &body[start..end];
    let mut frame = Vec::new();
    let offset = (start / 8) as u16;
    if family.client.is_ipv4() {
        ip(family.client, family.server)
            .write(&mut frame, number, bytes)
            .unwrap();
        frame[ETHERNET_BYTES + 4..ETHERNET_BYTES + 6].copy_from_slice(&[7, id]);
        let flags = u16::from(more) << 13 | offset;
        frame[ETHERNET_BYTES + 6..ETHERNET_BYTES + 8].copy_from_slice(&flags.to_be_bytes());
    } else {
        let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
        let header = [number.0, 0, high, low, 0, 0, 7, id];
        ip(family.client, family.server)
            .write(
                &mut frame,
                IpNumber::IPV6_FRAGMENTATION_HEADER,
                &[&header[..], bytes].concat(),
            )
            .unwrap();
    }
    frame
}

/// A question that is too long for its pieces, as what follows an IP header.
fn question() -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(b"\x1equite-a-long-name-for-a-machine\x07example\x03org\x00\x00\x01\x00\x01");
    message[12] = 31;
    let length = 8 + message.len() as u16;
    let [high, low] = length.to_be_bytes();
    [&[0x9c, 0x40, 0, 53, high, low, 0, 0][..], &message].concat()
}

const NAME: &str = "quite-a-long-name-for-a-machine.example.org";

/// Pieces in this order, and how many questions they make; how many packets are given up.
fn check_pieces(order: &[(usize, usize)], told: usize, given_up: u64) {
    for family in families() {
        let mut lab = Lab::new();
        for place in order {
            lab.frame(&piece(family, IpNumber::UDP, &question(), *place, 1));
        }
        let whole = lab
            .events("network.dns")
            .into_iter()
            .filter(|record| record.fields.text("dns.question.name") == Some(NAME))
            .count();
        assert_eq!(whole, told, "{order:?} {family:?}");
        let flows = lab.events("network.flow");
        let begins_with_first = order[0].0 == 0;
        if begins_with_first {
            assert_eq!(flows.len(), 1);
            check(&flows[0], &[("network.packets", &order.len().to_string())]);
        }
        let mut reader = CaptureReader::new(&lab.bytes[..], CaptureOptions::default()).unwrap();
        while reader.read(&mut Vec::new()).unwrap() {}
        assert_eq!(
            reader.counts().fragments_given_up,
            given_up,
            "{order:?} {family:?}"
        );
    }
}

#[test]
fn pieces_are_put_together_in_any_order() {
    let end = question().len();
    check_pieces(&[(0, 24), (24, 48), (48, end)], 1, 0);
    check_pieces(&[(0, 24), (48, end), (24, 48)], 1, 0);
    check_pieces(&[(48, end), (24, 48), (0, 24)], 1, 0);
    // Sent twice.
    check_pieces(&[(0, 24), (0, 24), (24, 48), (24, 48), (48, end)], 1, 0);
}

/// RFC 8200 section 4.5: headers behind that of fragments are cut into pieces with the rest, and what a later piece says
/// that the first begins with counts for nothing.
#[test]
fn pieces_that_begin_with_a_header_of_their_own_are_put_together() {
    let family = families()[1];
    let options = [IpNumber::UDP.0, 0, 1, 4, 0, 0, 0, 0];
    let body = [&options[..], &question()].concat();
    for order in [[0, 1, 2], [2, 0, 1]] {
        for later in [IpNumber::IPV6_DESTINATION_OPTIONS, IpNumber::TCP] {
            let places = [(0, 24), (24, 48), (48, body.len())];
            let mut lab = Lab::new();
            for at in order {
                let number = if at == 0 {
                    IpNumber::IPV6_DESTINATION_OPTIONS
                } else {
                    later
                };
                lab.frame(&piece(family, number, &body, places[at], 1));
            }
            let told = lab.events("network.dns");
            assert_eq!(told.len(), 1, "{order:?}");
            check(
                &told[0],
                &[("dns.question.name", NAME), ("destination.port", "53")],
            );
            if order[0] == 0 {
                let flows = lab.events("network.flow");
                assert_eq!(flows.len(), 1, "{flows:?}");
                check(
                    &flows[0],
                    &[("network.packets", "3"), ("network.transport", "udp")],
                );
            }
        }
    }
}

#[test]
fn what_does_not_fit_or_never_comes_is_given_up_and_counted() {
    let end = question().len();
    check_pieces(&[(0, 24), (48, end)], 0, 1);
    // Overlapping, as attackers write over what was checked; the piece after that waits alone.
    check_pieces(&[(0, 32), (24, 48), (48, end)], 0, 2);
    check_pieces(&[(0, 24), (24, end), (24, 48)], 1, 1);
}

#[test]
fn the_first_piece_of_a_packet_that_never_comes_is_read_as_it_is() {
    for family in families() {
        let mut lab = Lab::new();
        // All of the question but its last four bytes, which are in the second piece.
        let mut long = question();
        long.extend([0; 40]);
        let end = question().len().next_multiple_of(8);
        lab.frame(&piece(family, IpNumber::UDP, &long, (0, end), 1));
        let told = lab.events("network.dns");
        assert_eq!(told.len(), 1);
        check(
            &told[0],
            &[
                ("dns.question.name", NAME),
                ("source.ip", &family.client.to_string()),
            ],
        );
        // Waited for in packet time, and told then, with its own time.
        lab.wait(Duration::from_secs(31))
            .udp((family.server, 9), (family.client, 9), b"x");
        let later = lab.events("network.dns");
        assert_eq!(later[0].timestamp, told[0].timestamp);
        assert_eq!(later[0].position, 1);
    }
}

#[test]
fn a_tunnel_in_pieces_is_opened_when_it_is_whole() {
    let request = b"GET /inside HTTP/1.1\r\nHost: inside.example.org\r\n\r\n";
    for outer in families() {
        for inside in families() {
            let frame = tcp_frame((inside.client, 50_000), (inside.server, 80), ACK, 1, request);
            let kind = if inside.client.is_ipv4() {
                [8, 0]
            } else {
                [0x86, 0xdd]
            };
            let body = [&[0, 0][..], &kind, &frame[ETHERNET_BYTES..]].concat();
            let mut lab = Lab::new();
            for place in [(0, 64), (64, body.len())] {
                lab.frame(&piece(outer, IpNumber::GRE, &body, place, 1));
            }
            let requests = lab.events("network.http");
            assert_eq!(requests.len(), 1, "{outer:?} {inside:?}");
            check(
                &requests[0],
                &[
                    ("url.domain", "inside.example.org"),
                    ("source.ip", &inside.client.to_string()),
                    ("varde.tunnel.type", "gre"),
                    ("varde.tunnel.source.ip", &outer.client.to_string()),
                ],
            );
            let flows = lab.events("network.flow");
            assert_eq!(flows.len(), 2, "the pieces, and what was in them");
            check(
                &flows[0],
                &[("network.transport", "47"), ("network.packets", "2")],
            );
            check(
                &flows[1],
                &[("network.transport", "tcp"), ("network.packets", "1")],
            );
        }
    }
}

#[test]
fn a_flood_of_first_pieces_is_bounded() {
    for family in families() {
        let mut lab = Lab::new();
        for id in 0..=255 {
            lab.frame(&piece(family, IpNumber::UDP, &question(), (0, 24), id));
        }
        let mut reader = CaptureReader::new(&lab.bytes[..], CaptureOptions::default()).unwrap();
        // One read sees these packets; those that are still waited for are given up at the end.
        reader.read(&mut Vec::new()).unwrap();
        assert_eq!(reader.counts().fragments_given_up, 256 - 64, "{family:?}");
    }
}
