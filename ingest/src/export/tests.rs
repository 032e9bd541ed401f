//! Datagrams written by hand, of both address families, and what is read in them.

mod bounds;
mod events;
mod writer;

use std::net::IpAddr;
use std::time::Duration;

use ingest_event::field;

use super::*;
use writer::{Field, bytes, ipfix, netflow5, netflow9, options_template, set, template};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_001_000);
const SENT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Addresses, ports, protocol, bytes and packets of both families.
const V4: [Field; 7] = [
    (8, 4, None),
    (12, 4, None),
    (7, 2, None),
    (11, 2, None),
    (4, 1, None),
    (1, 4, None),
    (2, 4, None),
];
const V6: [Field; 7] = [
    (27, 16, None),
    (28, 16, None),
    (7, 2, None),
    (11, 2, None),
    (4, 1, None),
    (1, 4, None),
    (2, 4, None),
];

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The two ends of a family, and a template with them.
fn families() -> [(IpAddr, IpAddr, [Field; 7]); 2] {
    [
        (ip("192.0.2.1"), ip("198.51.100.2"), V4),
        (ip("2001:db8::1"), ip("2001:db8:1::2"), V6),
    ]
}

/// A record of such a template: TCP from 40,000 to 443, 1,000 bytes in 10 packets.
fn record(source: IpAddr, destination: IpAddr) -> Vec<u8> {
    bytes()
        .bytes(&octets(source))
        .bytes(&octets(destination))
        .u16(40_000)
        .u16(443)
        .u8(6)
        .u32(1_000)
        .u32(10)
        .0
}

struct Run {
    collector: Collector,
    flows: Vec<(Origin, FlowRecord)>,
}

impl Run {
    fn new() -> Self {
        Self {
            collector: Collector::new(),
            flows: Vec::new(),
        }
    }

    fn read_at(&mut self, exporter: &str, datagram: &[u8], now: Timestamp) -> Result<(), CollectError> {
        let flows = &mut self.flows;
        self.collector
            .collect(ip(exporter), datagram, now, &mut |origin, record| {
                flows.push((*origin, *record));
            })
    }

    fn read(&mut self, datagram: &[u8]) -> Result<(), CollectError> {
        self.read_at("203.0.113.9", datagram, NOW)
    }

    /// The only flow, of datagrams that are all right.
    fn one(datagrams: &[Vec<u8>]) -> FlowRecord {
        let mut run = Self::new();
        for datagram in datagrams {
            run.read(datagram).expect("reads");
        }
        assert_eq!(run.flows.len(), 1, "{:?}", run.flows);
        run.flows[0].1
    }
}

fn text(draft: &crate::record::Draft, name: &str) -> String {
    draft
        .fields
        .get(name)
        .map(ToString::to_string)
        .unwrap_or_default()
}

#[test]
fn a_record_says_the_same_in_every_protocol_and_family() {
    for (source, destination, fields) in families() {
        let body = record(source, destination);
        let data = set(300, &body);
        for datagram in [
            ipfix(0, &[set(2, &template(300, &fields)), data.clone()]),
            netflow9(0, &[set(0, &template(300, &fields)), data.clone()]),
        ] {
            let flow = Run::one(&[datagram]);
            assert_eq!((flow.source, flow.destination), (source, destination));
            assert_eq!((flow.protocol, flow.ports), (6, Some((40_000, 443))));
            let count = Count {
                packets: 10,
                bytes: 1_000,
            };
            assert_eq!((flow.forward, flow.backward), (count, None));
            assert_eq!((flow.start, flow.end, flow.sampling), (SENT, SENT, 1));
        }
    }
    let mut run = Run::new();
    run.read(&netflow5(9, 0, &[6, 1])).expect("reads");
    let [(origin, tcp), (_, icmp)] = run.flows[..] else {
        panic!("{:?}", run.flows)
    };
    assert_eq!(
        (origin.protocol, origin.domain, origin.sequence),
        (Protocol::Netflow5, 0x0102, 9)
    );
    assert_eq!(origin.exported, Timestamp::from_millis(1_700_000_000_250));
    assert_eq!((tcp.source, tcp.ports), (ip("192.0.2.1"), Some((40_000, 443))));
    assert_eq!(
        (tcp.start, tcp.end),
        (
            Timestamp::from_millis(1_699_999_905_250),
            Timestamp::from_millis(1_699_999_910_250),
        )
    );
    assert_eq!(
        (tcp.tcp_flags, tcp.ingress, tcp.egress),
        (Some(0x1b), Some(3), None)
    );
    assert_eq!((icmp.ports, icmp.icmp), (None, Some((3, 3))));
}

#[test]
fn data_that_comes_before_its_template_waits_for_it() {
    for (source, destination, fields) in families() {
        let early = ipfix(0, &[set(300, &record(source, destination)), set(301, &[1; 8])]);
        let mut run = Run::new();
        run.read(&early).expect("reads");
        assert_eq!((run.flows.len(), run.collector.counts().sets_waiting), (0, 2));
        // Another exporter's template of the same number is another one.
        run.read_at("203.0.113.8", &ipfix(0, &[set(2, &template(300, &fields))]), NOW)
            .expect("reads");
        assert_eq!(run.flows.len(), 0);
        run.read(&ipfix(1, &[set(2, &template(300, &fields))]))
            .expect("reads");
        let counts = run.collector.counts();
        assert_eq!(
            (run.flows.len(), counts.sets_resumed, counts.sets_waiting),
            (1, 1, 1)
        );
        // The same ids as if the template had been there.
        let waited = draft(&run.flows[0].0, &run.flows[0].1, &[]);
        run.flows.clear();
        run.read(&early).expect("reads");
        assert_eq!(draft(&run.flows[0].0, &run.flows[0].1, &[]), waited);
    }
}

#[test]
fn a_withdrawn_template_is_gone_and_a_changed_one_holds() {
    let (source, destination, fields) = families()[0];
    let data = set(300, &record(source, destination));
    let mut run = Run::new();
    let all = template(2, &[]);
    for (withdrawal, is_gone) in [
        (template(300, &[]), true),
        (template(999, &[]), false),
        (all, true),
    ] {
        run.read(&ipfix(0, &[set(2, &template(300, &fields))]))
            .expect("reads");
        let before = run.flows.len();
        run.read(&ipfix(0, &[set(2, &withdrawal), data.clone()]))
            .expect("reads");
        assert_eq!(run.flows.len() == before, is_gone, "{withdrawal:?}");
    }
    // Source and destination the other way round.
    let mut other = fields;
    other.swap(0, 1);
    run.flows.clear();
    run.read(&ipfix(
        0,
        &[
            set(2, &template(300, &fields)),
            set(2, &template(300, &other)),
            data,
        ],
    ))
    .expect("reads");
    let last = run.flows.last().expect("a flow").1;
    assert_eq!((last.source, last.destination), (destination, source));
    assert_eq!(run.collector.counts().templates, 1);
}

#[test]
fn elements_of_enterprises_are_passed_over_and_answers_are_read() {
    for (source, destination, fields) in families() {
        let mut specified = vec![(1, 4, Some(9)), (7, 0xffff, Some(12_325))];
        specified.extend(fields);
        specified.extend([
            (1, 8, Some(29_305)),
            (2, 3, Some(29_305)),
            (6, 1, Some(29_305)),
            (6, 1, None),
        ]);
        let body = |name: &[u8], length: &[u8]| {
            bytes()
                .u32(77)
                .bytes(length)
                .bytes(name)
                .bytes(&record(source, destination))
                .u64(5_000)
                .bytes(&[0, 0, 9])
                .u8(0x12)
                .u8(0x1a)
                .0
        };
        // A short length, the long form, and one of zero (RFC 7011 section 7).
        for body in [
            body(b"abc", &[3]),
            body(&[7; 300], &[255, 1, 44]),
            body(b"", &[0]),
        ] {
            let flow = Run::one(&[ipfix(0, &[set(2, &template(300, &specified)), set(300, &body)])]);
            assert_eq!((flow.source, flow.destination), (source, destination));
            let backward = Count {
                packets: 9,
                bytes: 5_000,
            };
            assert_eq!((flow.forward.packets, flow.backward), (10, Some(backward)));
            assert_eq!(
                (flow.tcp_flags, flow.tcp_flags_backward),
                (Some(0x1a), Some(0x12))
            );
        }
    }
}

#[test]
fn times_of_every_kind_are_read() {
    let ntp = |secs: u64, fraction: u64| ((secs + 2_208_988_800) << 32) | fraction;
    let millis = |millis: i64| Timestamp::from_millis(millis);
    for (fields, body, start, end) in [
        (
            &[(150, 4, None), (151, 4, None)][..],
            bytes().u32(1_600_000_000).u32(1_600_000_002),
            millis(1_600_000_000_000),
            millis(1_600_000_002_000),
        ),
        (
            &[(152, 8, None), (153, 8, None)],
            bytes().u64(1_600_000_000_123).u64(1_600_000_000_456),
            millis(1_600_000_000_123),
            millis(1_600_000_000_456),
        ),
        (
            &[(154, 8, None), (157, 8, None)],
            bytes()
                .u64(ntp(1_600_000_000, 1 << 31))
                .u64(ntp(1_600_000_001, 1 << 30)),
            millis(1_600_000_000_500),
            millis(1_600_000_001_250),
        ),
        (
            &[(158, 4, None), (159, 4, None)],
            bytes().u32(2_000_000).u32(500_000),
            millis(1_699_999_998_000),
            millis(1_699_999_999_500),
        ),
        (
            &[(152, 8, None), (161, 4, None)],
            bytes().u64(1_600_000_000_000).u32(1_500),
            millis(1_600_000_000_000),
            millis(1_600_000_001_500),
        ),
        // Uptime without a beginning: only how long it took is known.
        (
            &[(22, 4, None), (21, 4, None)],
            bytes().u32(u32::MAX - 499).u32(500),
            millis(1_699_999_999_000),
            SENT,
        ),
        // With one in the same record, absolute times are better.
        (
            &[(22, 4, None), (21, 4, None), (152, 8, None), (160, 8, None)],
            bytes()
                .u32(1)
                .u32(2_000)
                .u64(1_600_000_000_000)
                .u64(1_600_000_000_000),
            millis(1_600_000_000_000),
            millis(1_600_000_002_000),
        ),
        (
            &[(323, 8, None)],
            bytes().u64(1_600_000_000_123),
            millis(1_600_000_000_123),
            millis(1_600_000_000_123),
        ),
        (&[], bytes(), SENT, SENT),
    ] {
        for (source, destination, ends) in families() {
            let specified = [&ends[..], fields].concat();
            let body = [record(source, destination), body.0.clone()].concat();
            let flow = Run::one(&[ipfix(0, &[set(2, &template(300, &specified)), set(300, &body)])]);
            assert_eq!((flow.start, flow.end), (start, end), "{fields:?}");
        }
    }
}

#[test]
fn uptime_of_netflow_nine_survives_its_wrap() {
    let specified = [&V4[..], &[(22, 4, None), (21, 4, None)]].concat();
    let (source, destination, _) = families()[0];
    let body = bytes()
        .bytes(&record(source, destination))
        .u32(u32::MAX - 999)
        .u32(50_000)
        .0;
    let flow = Run::one(&[netflow9(
        0,
        &[set(0, &template(300, &specified)), set(300, &body)],
    )]);
    assert_eq!(flow.end, Timestamp::from_millis(1_699_999_950_000));
    assert_eq!(flow.start, Timestamp::from_millis(1_699_999_899_000));
}

#[test]
fn reduced_sizes_and_padding_are_read() {
    let fields = [
        (8, 4, None),
        (12, 4, None),
        (1, 3, None),
        (2, 1, None),
        (4, 1, None),
    ];
    let body = bytes()
        .bytes(&[192, 0, 2, 1, 198, 51, 100, 2, 1, 0, 0, 9, 17])
        .bytes(&[0, 0, 0])
        .0;
    let flow = Run::one(&[ipfix(0, &[set(2, &template(300, &fields)), set(300, &body)])]);
    let count = Count {
        packets: 9,
        bytes: 65_536,
    };
    assert_eq!((flow.forward, flow.protocol, flow.ports), (count, 17, None));
}

#[test]
fn sampling_comes_from_options_of_both_protocols() {
    for (source, destination, fields) in families() {
        let specified = [&fields[..], &[(48, 2, None)]].concat();
        let data = |sampler: u16| {
            let body = bytes().bytes(&record(source, destination)).u16(sampler).0;
            set(300, &body)
        };
        // Scope: the sampler itself in IPFIX, the system in NetFlow v9.
        let options = options_template(400, 1, &[(302, 4, None), (305, 4, None), (306, 4, None)]);
        let all = options_template(401, 1, &[(149, 4, None), (34, 4, None)]);
        let ipfix_run = [
            ipfix(
                0,
                &[set(2, &template(300, &specified)), set(3, &options), set(3, &all)],
            ),
            ipfix(
                0,
                &[
                    set(400, &bytes().u32(1).u32(1).u32(99).u32(2).u32(10).u32(190).0),
                    set(401, &bytes().u32(7).u32(50).0),
                ],
            ),
            ipfix(0, &[data(1), data(2), data(3)]),
        ];
        let options = bytes()
            .u16(400)
            .u16(4)
            .u16(8)
            .u16(1)
            .u16(4)
            .u16(48)
            .u16(1)
            .u16(50)
            .u16(4)
            .0;
        let all = bytes()
            .u16(401)
            .u16(4)
            .u16(4)
            .u16(1)
            .u16(4)
            .u16(34)
            .u16(4)
            .u16(0)
            .0;
        let netflow9_run = [
            netflow9(
                0,
                &[set(0, &template(300, &specified)), set(1, &options), set(1, &all)],
            ),
            netflow9(
                0,
                &[
                    set(400, &bytes().u32(7).u8(1).u32(100).u32(7).u8(2).u32(20).0),
                    set(401, &bytes().u32(7).u32(50).0),
                ],
            ),
            netflow9(0, &[data(1), data(2), data(3)]),
        ];
        for datagrams in [ipfix_run, netflow9_run] {
            let mut run = Run::new();
            for datagram in &datagrams {
                run.read(datagram).expect("reads");
            }
            let sampling: Vec<u32> = run.flows.iter().map(|(_, flow)| flow.sampling).collect();
            assert_eq!(sampling, [100, 20, 50], "{:?}", run.collector.counts());
            let draft = draft(&run.flows[0].0, &run.flows[0].1, &[]);
            assert_eq!(text(&draft, field::SOURCE_BYTES), "100000");
            assert_eq!(text(&draft, field::SOURCE_PACKETS), "1000");
            assert_eq!(text(&draft, field::VARDE_FLOW_SAMPLING), "100");
        }
    }
    let mut run = Run::new();
    run.read(&netflow5(0, 0x4000 | 64, &[17])).expect("reads");
    assert_eq!(run.flows[0].1.sampling, 64);
}

#[test]
fn gaps_in_numbers_are_counted_as_each_protocol_numbers() {
    let (source, destination, fields) = families()[1];
    let two = [record(source, destination), record(source, destination)].concat();
    let sets = [set(2, &template(300, &fields)), set(300, &two)];
    let nine = [set(0, &template(300, &fields)), set(300, &two)];
    let check = |datagrams: &[Vec<u8>], gaps: u64, missed: u64| {
        let mut run = Run::new();
        for datagram in datagrams {
            run.read(datagram).expect("reads");
        }
        let counts = run.collector.counts();
        assert_eq!((counts.gaps, counts.missed), (gaps, missed), "{counts:?}");
    };
    let ipfixes = |numbers: &[u32]| -> Vec<Vec<u8>> { numbers.iter().map(|n| ipfix(*n, &sets)).collect() };
    let nines = |numbers: &[u32]| -> Vec<Vec<u8>> { numbers.iter().map(|n| netflow9(*n, &nine)).collect() };
    let fives =
        |numbers: &[u32]| -> Vec<Vec<u8>> { numbers.iter().map(|n| netflow5(*n, 0, &[6, 6])).collect() };
    check(&ipfixes(&[10, 12, 14]), 0, 0);
    check(&ipfixes(&[10, 15, 17]), 1, 3);
    check(&ipfixes(&[u32::MAX - 1, 0, 2]), 0, 0);
    check(&nines(&[10, 11, 13]), 1, 1);
    check(&fives(&[10, 12, 20]), 1, 6);
    // Overtaken: counted as missing when its successor came, and no gap of its own.
    check(&nines(&[10, 12, 11, 13]), 1, 1);
    // Begun anew.
    check(&nines(&[1 << 30, 0, 1]), 0, 0);
    // Of a set that waits nobody knows how many records it has.
    check(&[ipfix(10, &[set(999, &[0; 40])]), ipfix(30, &sets)], 0, 0);
}

#[test]
fn an_exporter_on_a_socket_of_both_families_is_one() {
    let mut run = Run::new();
    let (source, destination, fields) = families()[0];
    run.read_at(
        "::ffff:192.0.2.9",
        &ipfix(0, &[set(2, &template(300, &fields))]),
        NOW,
    )
    .expect("reads");
    run.read_at(
        "192.0.2.9",
        &ipfix(0, &[set(300, &record(source, destination))]),
        NOW,
    )
    .expect("reads");
    assert_eq!(run.flows.len(), 1);
    assert_eq!(run.flows[0].0.exporter, ip("192.0.2.9"));
}

#[test]
fn every_record_of_a_datagram_has_a_place_of_its_own() {
    let (source, destination, fields) = families()[1];
    let two = [record(source, destination), record(source, destination)].concat();
    let again = [set(300, &two), set(300, &two)];
    let mut run = Run::new();
    run.read(&ipfix(0, &[set(2, &template(300, &fields))]))
        .expect("reads");
    run.read(&ipfix(0, &again)).expect("reads");
    run.read(&netflow5(0, 0, &[6, 6])).expect("reads");
    let places: Vec<u32> = run.flows.iter().map(|(_, flow)| flow.offset).collect();
    // Headers have 16 and 4 bytes, a record 45; in NetFlow v5 24 and 48.
    assert_eq!(places, [20, 65, 114, 159, 24, 72]);
}

#[test]
fn of_two_families_in_one_template_the_one_that_is_not_zero_holds() {
    for (source, destination, _) in families() {
        for v4_first in [true, false] {
            let four: [Field; 2] = [(8, 4, None), (12, 4, None)];
            let six: [Field; 2] = [(27, 16, None), (28, 16, None)];
            let (fields, lengths) = if v4_first {
                ([four, six].concat(), [4, 16])
            } else {
                ([six, four].concat(), [16, 4])
            };
            let body: Vec<u8> = lengths
                .iter()
                .flat_map(|length| {
                    [source, destination].map(|end| match octets(end) {
                        own if own.len() == *length => own,
                        _ => vec![0; *length],
                    })
                })
                .flatten()
                .collect();
            let flow = Run::one(&[ipfix(0, &[set(2, &template(300, &fields)), set(300, &body)])]);
            assert_eq!((flow.source, flow.destination), (source, destination));
        }
    }
}

#[test]
fn what_waited_changes_nothing_of_the_datagram_that_brings_its_template() {
    let (source, destination, fields) = families()[0];
    let fields = [&fields[..], &[(22, 4, None), (21, 4, None)]].concat();
    let data = |uptime: u32| {
        let body = bytes()
            .bytes(&record(source, destination))
            .u32(uptime)
            .u32(uptime)
            .0;
        set(300, &body)
    };
    // The first was sent at an uptime of 40 s, a minute before the second.
    let mut early = netflow9(0, &[data(40_000)]);
    early[4..8].copy_from_slice(&40_000_u32.to_be_bytes());
    early[8..12].copy_from_slice(&1_699_999_940_u32.to_be_bytes());
    let mut run = Run::new();
    run.read(&early).expect("reads");
    run.read(&netflow9(1, &[set(0, &template(300, &fields)), data(99_000)]))
        .expect("reads");
    let ends: Vec<Timestamp> = run.flows.iter().map(|(_, flow)| flow.end).collect();
    assert_eq!(
        ends,
        [
            Timestamp::from_millis(1_699_999_940_000),
            Timestamp::from_millis(1_699_999_999_000)
        ]
    );
    // Nor is it numbered again: one record is missing behind the two.
    let mut run = Run::new();
    run.read(&ipfix(0, &[data(1)])).expect("reads");
    run.read(&ipfix(1, &[set(2, &template(300, &fields)), data(1)]))
        .expect("reads");
    run.read(&ipfix(3, &[data(1)])).expect("reads");
    assert_eq!((run.flows.len(), run.collector.counts().missed), (3, 1));
}
