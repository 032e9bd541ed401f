//! What files and live capture share: every frame is accounted for, clocks may be set, VLANs are told apart, and nobody
//! can take the room that others need.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

#[path = "capture/lab.rs"]
mod lab;

use ingest::capture::{CaptureOptions, CaptureReader, Counts, Frame, LinkType, Tracker, VlanRule};
use ingest::record::{Draft, Record};
use ingest::source::{self, FileOptions, RECORDS_PER_READ};
use ingest_event::Timestamp;
use proptest::prelude::*;

use lab::{ACK, Family, Lab, SYN, check, events, families, tcp_frame};

const FLOW: &str = "network.flow";

fn counts(lab: &Lab, options: CaptureOptions) -> (Counts, Vec<Record>) {
    let mut out = Vec::new();
    let mut reader = CaptureReader::new(&lab.bytes[..], options).unwrap();
    while reader.read(&mut out).unwrap() {}
    (reader.counts(), out)
}

/// A frame at a second, handed to a tracker.
fn at(tracker: &mut Tracker, number: u64, secs: i64, bytes: &[u8], out: &mut Vec<Record>) {
    let frame = Frame {
        number,
        timestamp: Timestamp::from_nanos(secs * 1_000_000_000),
        link: LinkType::Ethernet,
        bytes,
        wire_bytes: bytes.len(),
    };
    tracker.packet(&frame, out);
}

fn flows(records: &[Record]) -> Vec<Draft> {
    events(records.to_vec(), FLOW)
}

/// The first packet of a connection from one of many ports.
fn syn(family: Family, port: u16) -> Vec<u8> {
    tcp_frame((family.client, port), (family.server, 443), SYN, 0, b"")
}

#[test]
fn every_frame_is_accounted_for() {
    for family in families() {
        let mut lab = Lab::new();
        let frame = syn(family, 50_000);
        lab.frame(&frame)
            .frame(&[&[0; 12][..], &[8, 6], &[0; 28]].concat())
            .cut_frame(&frame, 20)
            .frame(&frame[..20])
            .frame(&frame);
        let (counts, records) = counts(&lab, CaptureOptions::default());
        assert_eq!((counts.packets, counts.counted), (5, 2), "{family:?}");
        assert_eq!(
            (counts.not_ip, counts.cut, counts.refused),
            (1, 1, 1),
            "{family:?}"
        );
        let refused = |record: &&Record| matches!(record, Record::Refused(_));
        assert_eq!(records.iter().filter(refused).count(), 1, "{family:?}");
        assert_eq!(counts.flows_live, 0, "{family:?}");
    }
}

#[test]
fn what_is_let_go_is_counted() {
    for family in families() {
        let mut lab = Lab::new();
        for port in 0..10 {
            lab.frame(&syn(family, 50_000 + port));
        }
        let options = CaptureOptions {
            flows_max: 4,
            ..CaptureOptions::default()
        };
        let (counts, records) = counts(&lab, options);
        assert_eq!(counts.flows_evicted, 6, "{family:?}");
        assert_eq!(flows(&records).len(), 10, "{family:?}");
    }
}

#[test]
fn one_packet_from_the_future_ends_no_flow() {
    for family in families() {
        let (mut tracker, mut out) = (Tracker::new(CaptureOptions::default()), Vec::new());
        let (here, there) = ((family.client, 50_000), (family.server, 443));
        at(&mut tracker, 1, 1_000, &syn(family, 50_000), &mut out);
        at(&mut tracker, 2, 900_000, &syn(family, 50_001), &mut out);
        assert!(out.is_empty(), "{out:#?}");
        at(
            &mut tracker,
            3,
            1_001,
            &tcp_frame(here, there, ACK, 1, b""),
            &mut out,
        );
        while tracker.finish(&mut out) {}
        let flows = flows(&out);
        assert_eq!(flows.len(), 2, "{family:?} {flows:#?}");
        check(&flows[0], &[("source.packets", "1")]);
        check(
            &flows[1],
            &[("source.packets", "2"), ("event.duration", "1000000000")],
        );
    }
}

#[test]
fn a_clock_that_is_set_back_keeps_no_flow_from_ending() {
    for family in families() {
        let (mut tracker, mut out) = (Tracker::new(CaptureOptions::default()), Vec::new());
        for number in 0..3 {
            at(&mut tracker, 1, 900_000, &syn(family, 50_000 + number), &mut out);
        }
        // A day back, where one connection goes on and another one begins.
        at(&mut tracker, 4, 813_600, &syn(family, 50_000), &mut out);
        at(&mut tracker, 5, 813_601, &syn(family, 50_003), &mut out);
        let split = flows(&out);
        assert_eq!(split.len(), 1, "{family:?} {split:#?}");
        check(&split[0], &[("event.duration", "0"), ("source.packets", "1")]);
        // Idle for less than 300 s since the step, then for more.
        assert!(!tracker.tick(Timestamp::from_nanos(813_890_000_000_000), &mut out));
        assert_eq!(flows(&out).len(), 1, "{family:?}");
        assert!(!tracker.tick(Timestamp::from_nanos(813_910_000_000_000), &mut out));
        assert_eq!(tracker.counts().flows_live, 0, "{family:?}");
        for flow in flows(&out) {
            check(&flow, &[("event.duration", "0"), ("source.packets", "1")]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever times packets and clock have, each packet is told in one flow, and the table is bounded.
    #[test]
    fn any_times_lose_no_packet(
        steps in proptest::collection::vec((time(), 0_u16..12, any::<bool>()), 1..80),
    ) {
        for family in families() {
            let options = CaptureOptions {
                flows_max: 5,
                ..CaptureOptions::default()
            };
            let (mut tracker, mut out, mut packets) = (Tracker::new(options), Vec::new(), 0);
            for (nanos, port, is_tick) in &steps {
                let now = Timestamp::from_nanos(*nanos);
                if *is_tick {
                    prop_assert!(!tracker.tick(now, &mut out));
                } else {
                    packets += 1;
                    let bytes = syn(family, 50_000 + port);
                    let frame = Frame {
                        number: packets,
                        timestamp: now,
                        link: LinkType::Ethernet,
                        bytes: &bytes,
                        wire_bytes: bytes.len(),
                    };
                    prop_assert!(!tracker.make_way(now, &mut out));
                    tracker.packet(&frame, &mut out);
                }
                prop_assert!(tracker.counts().flows_live <= 5);
            }
            while tracker.finish(&mut out) {}
            let told: u64 = flows(&out)
                .iter()
                .map(|flow| flow.fields.get("network.packets").unwrap().to_string().parse::<u64>().unwrap())
                .sum();
            prop_assert_eq!(told, packets);
            prop_assert_eq!(tracker.counts().flows_live, 0);
        }
    }
}

/// Near each other as a rule, far away at times.
fn time() -> impl Strategy<Value = i64> {
    let secs = 1_000_000_000;
    prop_oneof![
        6 => (0_i64..1_000).prop_map(move |at| at * secs),
        2 => (0_i64..100_000).prop_map(move |at| at * secs),
        1 => any::<i64>(),
    ]
}

#[test]
fn a_quiet_wire_ends_its_flows_by_the_clock() {
    for family in families() {
        let (mut tracker, mut out) = (Tracker::new(CaptureOptions::default()), Vec::new());
        for port in 0..300 {
            at(&mut tracker, 1, 1_000, &syn(family, 40_000 + port), &mut out);
        }
        let late = Timestamp::from_nanos(1_301_000_000_000);
        assert!(!tracker.tick(Timestamp::from_nanos(1_300_000_000_000), &mut out));
        assert!(out.is_empty(), "{family:?}");
        assert!(tracker.make_way(late, &mut out), "a bite of 256 at a time");
        assert_eq!(out.len(), 256, "{family:?}");
        assert!(!tracker.tick(late, &mut out));
        assert_eq!(out.len(), 300, "{family:?}");
    }
}

#[test]
fn the_same_addresses_in_two_vlans_are_two_flows() {
    for family in families() {
        let frame = syn(family, 50_000);
        let tagged = |tags: &[u8]| [&frame[..12], tags, &frame[12..]].concat();
        let mut lab = Lab::new();
        lab.frame(&tagged(&[0x81, 0, 0, 7]))
            .frame(&tagged(&[0x81, 0, 0, 8]))
            .frame(&tagged(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 9]))
            // Priority is no network.
            .frame(&tagged(&[0x81, 0, 0xe0, 7]))
            .frame(&frame);
        let mut told: Vec<_> = lab
            .events(FLOW)
            .iter()
            .map(|flow| {
                let text = |name| flow.fields.get(name).map_or(String::new(), ToString::to_string);
                (
                    text("network.vlan.id"),
                    text("network.inner.vlan.id"),
                    text("source.packets"),
                )
            })
            .collect();
        told.sort();
        let expected = [("", "", "1"), ("7", "", "2"), ("7", "9", "1"), ("8", "", "1")]
            .map(|(outer, inner, packets)| (outer.to_owned(), inner.to_owned(), packets.to_owned()));
        assert_eq!(told, expected, "{family:?}");
    }
}

#[test]
fn without_metadata_there_are_the_same_flows_and_nothing_else() {
    for family in families() {
        let (client, server) = ((family.client, 50_000), (family.server, 80));
        let mut lab = Lab::new();
        lab.frame(&tcp_frame(client, server, SYN, 0, b""))
            .frame(&tcp_frame(server, client, SYN | ACK, 0, b""))
            .frame(&tcp_frame(
                client,
                server,
                ACK,
                1,
                b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
            ));
        let read = |metadata| {
            let options = CaptureOptions {
                metadata,
                ..CaptureOptions::default()
            };
            let (_, records) = counts(&lab, options);
            let all = records.len();
            let mut flows = flows(&records);
            // Which protocol is spoken is metadata.
            flows
                .iter_mut()
                .for_each(|flow| drop(flow.fields.remove("network.protocol")));
            (all - flows.len(), flows)
        };
        let ((said, with), (nothing, without)) = (read(true), read(false));
        assert_eq!((said, nothing), (1, 0), "{family:?}");
        assert_eq!(with, without, "{family:?}");
    }
}

#[test]
fn a_tap_that_marks_directions_with_vlans_makes_one_flow_where_that_is_known() {
    for family in families() {
        let (client, server) = ((family.client, 50_000), (family.server, 443));
        let mut lab = Lab::new();
        for (frame, vlan) in [
            (tcp_frame(client, server, SYN, 0, b""), 7),
            (tcp_frame(server, client, SYN | ACK, 0, b""), 8),
        ] {
            lab.frame(&[&frame[..12], &[0x81, 0, 0, vlan], &frame[12..]].concat());
        }
        for (vlans, expected) in [(VlanRule::Apart, 2), (VlanRule::Together, 1)] {
            let options = CaptureOptions {
                vlans,
                ..CaptureOptions::default()
            };
            let (_, records) = counts(&lab, options);
            let flows = flows(&records);
            assert_eq!(flows.len(), expected, "{family:?} {vlans:?}");
            check(&flows[0], &[("network.vlan.id", "7")]);
        }
    }
}

#[test]
fn what_others_half_said_does_not_keep_the_sensor_from_hearing() {
    for family in families() {
        let server = (family.server, 80);
        let mut lab = Lab::new();
        // Each keeps four thousand bytes behind a gap: together more than there is room for.
        for port in 0..40 {
            let client = (family.client, 40_000 + port);
            lab.open(client, server)
                .tcp(client, server, ACK, 2, &[b'x'; 4_000]);
        }
        let (client, step) = ((family.client, 50_000), b"GET / HTTP/1.1\r\nHo".len() as u32);
        lab.open(client, server)
            .tcp(client, server, ACK, 1, b"GET / HTTP/1.1\r\nHo")
            .tcp(client, server, ACK, 1 + step, b"st: www.example.no\r\n\r\n");
        let options = CaptureOptions {
            kept_bytes_max: 100_000,
            ..CaptureOptions::default()
        };
        let (counts, records) = counts(&lab, options);
        let heard = events(records, "network.http");
        assert_eq!(heard.len(), 1, "{family:?}");
        check(&heard[0], &[("url.domain", "www.example.no")]);
        // 100,000 bytes are 25 of them.
        assert_eq!(counts.conversations_dropped, 15 + 1, "{family:?}");
    }
}

#[test]
fn other_protocols_are_heard_on_the_ports_of_dns() {
    // A Kerberos error (RFC 4120 section 5.9.1) in realm `A`: the client's name is not known.
    let inside = [
        &[0xa0, 3, 2, 1, 5, 0xa1, 3, 2, 1, 30, 0xa6, 3, 2, 1, 6][..],
        &[0xa9, 3, 0x1b, 1, b'A'],
    ]
    .concat();
    let error = [&[0x7e, 22, 0x30, 20][..], &inside].concat();
    for family in families() {
        for port in [53, 5353, 5355] {
            let mut lab = Lab::new();
            lab.udp((family.server, port), (family.client, 50_000), &error);
            check(&lab.events(FLOW)[0], &[("network.protocol", "kerberos")]);
        }
    }
}

/// What is handed in at once is synced at once: a bite for each 256 packets would cost more than they do.
#[test]
fn a_capture_is_handed_on_in_batches_that_are_worth_a_sync() {
    let mut lab = Lab::new();
    for family in families() {
        for port in 0..2_500 {
            lab.frame(&syn(family, 10_000 + port));
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &lab.bytes).unwrap();
    let mut source = source::open(file.path(), &FileOptions::default()).unwrap();
    let mut batches = Vec::new();
    let mut out = Vec::new();
    while source.read(&mut out).unwrap() {
        batches.push(out.drain(..).count());
    }
    assert_eq!(batches.iter().sum::<usize>(), 5_000);
    let (first, full) = (batches[0], RECORDS_PER_READ..RECORDS_PER_READ + 256);
    assert!(full.contains(&first) && batches.len() <= 3, "{batches:?}");
}
