//! Datagrams that somebody damaged, by chance or on purpose: no panic, no growth, a reason for each refusal, and never a
//! flow that an undamaged datagram would not have told.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper fails the test"
)]

use std::net::IpAddr;

use ingest::export::{
    CollectError, Collector, DOMAINS_MAX, FlowRecord, TEMPLATES_MAX, WAITING_BYTES_MAX, draft,
};
use ingest_event::Timestamp;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_001_000);

fn numbers(groups: &[&[u16]]) -> Vec<u8> {
    groups.concat().into_iter().flat_map(u16::to_be_bytes).collect()
}

fn set(number: u16, body: &[u8]) -> Vec<u8> {
    [&numbers(&[&[number, body.len() as u16 + 4]])[..], body].concat()
}

/// A template of both directions and a text, one of options, and two records of each.
fn sets(template_set: u16, options_set: u16, options: &[u8]) -> Vec<u8> {
    let template = numbers(&[
        &[300, 9, 27, 16, 28, 16, 7, 2, 11, 2, 4, 1, 1, 8, 2, 3, 152, 8],
        &[82, 0xffff],
    ]);
    let record: Vec<u8> = [
        &[0x20; 32][..],
        &[1, 0, 1, 187, 6],
        &[0; 9],
        &[7, 9],
        &[0; 8],
        &[3],
        b"eth",
    ]
    .concat();
    let records = [&record[..], &record].concat();
    [
        set(template_set, &template),
        set(options_set, options),
        set(400, &[0, 0, 0, 1, 0, 0, 0, 9]),
        set(300, &records),
    ]
    .concat()
}

fn netflow5() -> Vec<u8> {
    let head = [&[0, 5, 0, 2][..], &[0, 1, 0, 0], &[0x65, 0x53, 0xf1, 0], &[0; 12]].concat();
    let record = [&[192, 0, 2, 1, 198, 51, 100, 2][..], &[7; 40]].concat();
    [head, record.clone(), record].concat()
}

fn netflow9() -> Vec<u8> {
    let head = [&[0, 9, 0, 4][..], &[0, 1, 0, 0], &[0x65, 0x53, 0xf1, 0], &[0; 8]].concat();
    let options = numbers(&[&[400, 4, 4, 1, 4, 34, 4, 0]]);
    [head, sets(0, 1, &options)].concat()
}

fn ipfix() -> Vec<u8> {
    let body = sets(2, 3, &numbers(&[&[400, 2, 1, 302, 4, 305, 4]]));
    let head = [
        &numbers(&[&[10, body.len() as u16 + 16]])[..],
        &[0x65, 0x53, 0xf1, 0],
        &[0; 8],
    ]
    .concat();
    [head, body].concat()
}

/// A sampled header with IPv6 and TCP, and sampled IPv4.
fn sflow() -> Vec<u8> {
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_be_bytes()).collect() };
    let frame = [
        &[2; 12][..],
        &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64],
        &[0x20; 32],
        &[
            0x9c, 0x40, 1, 187, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0,
        ],
    ]
    .concat();
    let padding = vec![0; frame.len().next_multiple_of(4) - frame.len()];
    let header = [words(&[1, 74, 4, frame.len() as u32]), frame, padding].concat();
    let ipv4 = words(&[60, 17, 0xc000_0201, 0xc633_6402, 53, 40_000, 0, 0]);
    let sample = |format: u32, record: &[u8]| {
        let body = [
            words(&[1, 3, 100, 100, 0, 1, 2, 1, format, record.len() as u32]),
            record.to_vec(),
        ]
        .concat();
        [words(&[1, body.len() as u32]), body].concat()
    };
    [
        words(&[5, 2]),
        vec![0x20; 16],
        words(&[0, 1, 1_000, 3]),
        sample(1, &header),
        sample(3, &ipv4),
        words(&[2, 4, 7]),
    ]
    .concat()
}

fn all() -> [(&'static str, Vec<u8>); 4] {
    [
        ("netflow5", netflow5()),
        ("netflow9", netflow9()),
        ("ipfix", ipfix()),
        ("sflow", sflow()),
    ]
}

fn read(collector: &mut Collector, datagram: &[u8]) -> (Vec<FlowRecord>, Result<(), CollectError>) {
    let mut flows = Vec::new();
    let from: IpAddr = "2001:db8::9".parse().expect("an address");
    let result = collector.collect(from, datagram, NOW, &mut |origin, record| {
        // An event can be made of whatever was read.
        assert!(!draft(origin, record, &[]).fields.is_empty());
        flows.push(*record);
    });
    (flows, result)
}

/// What bad input may leave behind.
fn is_bounded(collector: &Collector) {
    let counts = collector.counts();
    assert!(counts.templates <= TEMPLATES_MAX as u64, "{counts:?}");
    assert!(counts.sets_waiting <= WAITING_BYTES_MAX as u64 / 4, "{counts:?}");
    const { assert!(DOMAINS_MAX <= 4_096) };
}

#[test]
fn whole_datagrams_are_read() {
    for (name, datagram) in all() {
        let (flows, result) = read(&mut Collector::new(), &datagram);
        assert_eq!((flows.len(), result), (2, Ok(())), "{name}");
    }
}

#[test]
fn a_cut_datagram_is_refused_or_ends_where_a_set_ends() {
    for (name, datagram) in all() {
        let (whole, _) = read(&mut Collector::new(), &datagram);
        let mut accepted = Vec::new();
        for end in 0..datagram.len() {
            let mut collector = Collector::new();
            let (flows, result) = read(&mut collector, &datagram[..end]);
            assert!(whole.starts_with(&flows), "{name} cut at {end} tells other flows");
            if result.is_ok() {
                accepted.push(end);
            }
            is_bounded(&collector);
        }
        // NetFlow v9 does not say how long it is, so a cut between sets can't be seen, nor one behind the zeros with which
        // the number of the next set begins.
        let expected: &[usize] = if name == "netflow9" {
            &[20, 21, 22, 23, 64, 65, 84, 96]
        } else {
            &[]
        };
        assert_eq!(accepted, expected, "{name}");
    }
}

#[test]
fn a_changed_byte_does_no_harm() {
    for (name, datagram) in all() {
        let (mut refused, mut collector) = (0, Collector::new());
        for at in 0..datagram.len() {
            for value in [
                0,
                1,
                0x7f,
                0x80,
                0xff,
                datagram[at] ^ 1,
                datagram[at].wrapping_add(1),
            ] {
                let mut changed = datagram.clone();
                changed[at] = value;
                let (flows, result) = read(&mut Collector::new(), &changed);
                // One that keeps what it learnt from those before.
                let _ = read(&mut collector, &changed);
                assert!(flows.len() <= datagram.len() / 8, "{name} byte {at} as {value}");
                refused += usize::from(result.is_err());
            }
        }
        is_bounded(&collector);
        assert!(0 < refused, "{name}");
    }
}

#[test]
fn one_collector_survives_everything_one_behind_the_other() {
    let mut collector = Collector::new();
    for (_, datagram) in all() {
        for end in (0..datagram.len()).rev() {
            let _ = read(&mut collector, &datagram[..end]);
            let mut longer = datagram.clone();
            longer.extend(&datagram[..end]);
            let _ = read(&mut collector, &longer);
        }
    }
    is_bounded(&collector);
    for (name, datagram) in all() {
        let (flows, result) = read(&mut collector, &datagram);
        assert!(2 <= flows.len() && result.is_ok(), "{name}: {result:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_nothing_grows(
        datagrams in prop::collection::vec(
            (0_usize..5, prop::collection::vec(any::<u8>(), 0..200), any::<prop::sample::Index>(), any::<u8>()),
            1..8,
        ),
    ) {
        let mut collector = Collector::new();
        for (kind, noise, at, length) in datagrams {
            let mut bytes = all().into_iter().nth(kind).map_or_else(Vec::new, |(_, datagram)| datagram);
            // Some bytes of a good datagram overwritten, or noise behind a version.
            if bytes.is_empty() {
                bytes = [&[0, [5, 9, 10, 0][usize::from(length % 4)], 0, 5][..], &noise].concat();
            } else {
                let at = at.index(bytes.len());
                for (into, from) in bytes[at..].iter_mut().zip(noise.iter().take(usize::from(length % 8))) {
                    *into = *from;
                }
            }
            let (flows, _) = read(&mut collector, &bytes);
            prop_assert!(flows.len() <= 64 * 1024);
        }
        is_bounded(&collector);
    }
}
