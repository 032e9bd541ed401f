//! Flow export: datagrams of NetFlow v9 and IPFIX to flow records, and on to events, beside the `netflow_parser` crate on
//! the same datagrams.
//!
//! Datagrams are generated from a seed, with the fields that softflowd has. The peer is its parser for several sources,
//! since ours keeps templates by exporter too. For events it writes its own as JSON: it has none of ours.

mod made;

use std::net::{IpAddr, SocketAddr};

use ingest::export::{Collector, draft};
use ingest_event::Timestamp;
use ipnet::IpNet;
use netflow_parser::variable_versions::ipfix::lookup::IANAIPFixField;
use netflow_parser::variable_versions::{ipfix, v9};
use netflow_parser::{AutoScopedParser, FieldValue, IpfixField, NetflowPacket, V9Field};

use crate::measure::{Against, Bar, Contender, Row, by_turns, rate};

const BENCH: &str = "export";

const ROUNDS: usize = 9;

/// What is promised.
const BAR: f64 = 6.0;

const NOW: Timestamp = Timestamp::from_millis(1_772_438_400_000);

const OCTETS: IpfixField = IpfixField::IANA(IANAIPFixField::OctetDeltaCount);

const PEER: &str = "netflow_parser 1.0.6";

/// Runs both protocols.
///
/// # Errors
/// If the contenders do not read the same.
pub fn run() -> anyhow::Result<Vec<Row>> {
    let exporter: SocketAddr = "192.0.2.1:2055".parse()?;
    let home: Vec<IpNet> = vec!["10.0.0.0/8".parse()?, "2001:db8::/32".parse()?];
    let mut rows = Vec::new();
    for corpus in [made::netflow9(), made::ipfix()] {
        let expected = corpus.records;
        let (ours, peer) = (sum(&corpus, exporter.ip()), sum_of_peer(&corpus, exporter));
        anyhow::ensure!(
            ours == peer && ours.0 == expected,
            "{}: {expected} records were made, ours read {ours:?}, the peer {peer:?}",
            corpus.name
        );
        let mut decode = || sum(&corpus, exporter.ip()).0;
        let mut peer_decode = || sum_of_peer(&corpus, exporter).0;
        let mut events = || events(&corpus, exporter.ip(), &home);
        let mut peer_events = || json_of_peer(&corpus, exporter);
        let figures = by_turns(
            ROUNDS,
            &mut [
                ("ours", &mut decode),
                ("peer", &mut peer_decode),
                ("our events", &mut events),
                ("the peer's JSON", &mut peer_events),
            ],
        )?;
        let [(decode, _), (peer_decode, _), (events, _), (peer_events, _)] = figures.as_slice() else {
            anyhow::bail!("four contenders ran");
        };
        let row = |work, ours, name: String, peer, bar| Row {
            bench: BENCH,
            work,
            corpus: corpus.name.to_owned(),
            unit: "records/s",
            ours: rate(expected, ours),
            floor: None,
            peer: Some(Contender {
                name,
                figure: rate(expected, peer),
            }),
            bar,
            checked: format!(
                "{expected} records in {} datagrams of both families, the same number and sum of bytes by both",
                corpus.datagrams.len()
            ),
        };
        let bar = Some(Bar {
            against: Against::Peer,
            at_least: BAR,
        });
        rows.push(row(
            "datagrams to flow records",
            *decode,
            PEER.to_owned(),
            *peer_decode,
            bar,
        ));
        let json = format!("{PEER}, its packets as JSON");
        rows.push(row("datagrams to events", *events, json, *peer_events, None));
    }
    Ok(rows)
}

/// Records and their bytes.
fn sum(corpus: &made::Corpus, exporter: IpAddr) -> (u64, u64) {
    let (mut records, mut bytes) = (0, 0);
    let mut collector = Collector::new();
    for datagram in &corpus.datagrams {
        let read = collector.collect(exporter, datagram, NOW, &mut |_, record| {
            // All of it is made, not only what is added up.
            let record = std::hint::black_box(record);
            records += 1;
            bytes += record.forward.bytes;
        });
        if read.is_err() {
            return (0, 0);
        }
    }
    (records, bytes)
}

/// Events as they go to the spool's encoder.
fn events(corpus: &made::Corpus, exporter: IpAddr, home: &[IpNet]) -> u64 {
    let mut records = 0;
    let mut collector = Collector::new();
    for datagram in &corpus.datagrams {
        let read = collector.collect(exporter, datagram, NOW, &mut |origin, record| {
            std::hint::black_box(draft(origin, record, home));
            records += 1;
        });
        if read.is_err() {
            return 0;
        }
    }
    records
}

fn sum_of_peer(corpus: &made::Corpus, exporter: SocketAddr) -> (u64, u64) {
    let (mut records, mut bytes) = (0, 0);
    let mut parser = AutoScopedParser::new();
    for datagram in &corpus.datagrams {
        for packet in parser.parse_from_source(exporter, datagram).packets {
            match std::hint::black_box(&packet) {
                NetflowPacket::V9(packet) => {
                    for set in &packet.flowsets {
                        if let v9::FlowSetBody::Data(data) = &set.body {
                            records += data.fields.len() as u64;
                            let fields = data.fields.iter().flatten();
                            let octets = fields.filter(|(field, _)| *field == V9Field::InBytes);
                            bytes += octets.map(|(_, value)| number(value)).sum::<u64>();
                        }
                    }
                }
                NetflowPacket::IPFix(packet) => {
                    for set in &packet.flowsets {
                        if let ipfix::FlowSetBody::Data(data) = &set.body {
                            records += data.fields.len() as u64;
                            let fields = data.fields.iter().flatten();
                            let octets = fields.filter(|(field, _)| *field == OCTETS);
                            bytes += octets.map(|(_, value)| number(value)).sum::<u64>();
                        }
                    }
                }
                _ => {}
            }
        }
    }
    (records, bytes)
}

fn json_of_peer(corpus: &made::Corpus, exporter: SocketAddr) -> u64 {
    let mut parser = AutoScopedParser::new();
    let (mut bytes, mut line) = (0, Vec::new());
    for datagram in &corpus.datagrams {
        for packet in parser.parse_from_source(exporter, datagram).packets {
            line.clear();
            if serde_json::to_writer(&mut line, &packet).is_ok() {
                bytes += line.len() as u64;
            }
        }
    }
    bytes
}

fn number(value: &FieldValue) -> u64 {
    u32::try_from(value).map_or(0, u64::from)
}
