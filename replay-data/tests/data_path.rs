//! Follows one real event from its packet to the responder's answer, and writes what it saw to `docs/data-path.md`.
//!
//! Every value in that document comes from the code of its stage: capture, spool, embedded bus, scanner, and the
//! alerting service with its mail and its API. Only the time is set by hand. The test fails when the document is
//! not what the code does; `UPDATE_EXPECT=1 cargo test -p replay-data --test data_path` writes it anew.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support outside `#[test]` functions"
)]

#[path = "data_path/document.rs"]
mod document;
#[path = "data_path/responder.rs"]
mod responder;

use std::{fmt::Write as _, io::Read as _, path::PathBuf, sync::Arc};

use cli::load::{Sources, compile, load};
use detect::detector::{Detector, Findings, Origin};
use detect_alert::Alert;
use detect_engine::{Correlator, EventView, Match, MatchSink, Ruleset, Scanner};
use document::{Document, dump, json, pretty, table};
use ingest::{
    disclose::disclose,
    publish,
    record::{Draft, Record},
    source::{self, FileOptions},
    spool::{Entry, Room, Spool, Stream},
    stamp::{EnvelopeTrust, SensorContext, SourceIdentity, locate, stamp},
};
use ingest_bus::{Bus, BusConfig, Delivery, PollLimit, Subscription, Topic};
use ingest_event::{Event, Marking, Purpose, Timestamp, Zone};
use replay_data::{Case, cases};
use serde_json::Value as Json;

const CASE: &str = "https-beacon";
const DATASET: &str = "network.tls";
/// When the sensor reads the capture and the alerting service its alert, in this document.
const NOW: &str = "2026-03-09T10:00:05Z";

#[tokio::test]
async fn the_data_path_is_as_its_document_says() {
    let case = cases()
        .expect("every case.yml is right")
        .into_iter()
        .find(|case| case.folder == CASE)
        .expect("the case is there");
    let folder = tempfile::tempdir().expect("a folder");
    let mut document = Document::new(CASE);

    let read = read(&case);
    let draft = read.drafts.last().expect("one").clone();
    next(&mut document, &read, &draft);
    document.hop(NORMALISE, &[json(&normalised(&draft))]);

    let bus = Bus::open(&BusConfig::Embedded {
        directory: folder.path().join("bus"),
    })
    .await
    .expect("a bus");
    let (entry, event) = spool(&case, &read, &folder.path().join("sensor"));
    let published: Json = serde_json::from_slice(&entry.value).expect("JSON");
    document.hop(STAMP, &[json(&pretty(&published, &["tls.client.", "ja"]))]);
    let delivery = over_the_bus(&bus, &case, &entry).await;
    document.hop(BUS, &[table(&place(&delivery))]);

    let ruleset = bundled();
    document.hop(SCAN, &[scan(&ruleset, &delivery.record.value)]);
    let alert = detect(&ruleset, &delivery, &event);
    let encoded = detect_alert::encode(&alert);
    let mut record: Json = serde_json::from_slice(&encoded).expect("JSON");
    record["varde.alert.events"][0]["fields"] = "as on the event".into();
    document.hop(
        RAISE,
        &[json(&pretty(&record, &["varde.", "rule.", "threat.", "event."]))],
    );

    responder::follow(&mut document, &bus, &case, &alert, folder.path()).await;
    document.compare(&ruleset.version().0);
}

/// What a sensor reads of the case, up to the event that is followed.
struct Reading {
    path: PathBuf,
    identity: SourceIdentity,
    format: &'static str,
    drafts: Vec<Draft>,
}

fn read(case: &Case) -> Reading {
    let input = &case.inputs[0];
    let name = format!("replay-data/cases/{CASE}/{}", input.file);
    let path = document::root().join(&name);
    let options = FileOptions {
        home_networks: home_networks(case),
        ..FileOptions::default()
    };
    let mut file = source::open(&path, &options).expect("a capture");
    let mut drafts = Vec::new();
    let mut records = Vec::new();
    let is_followed = |draft: &Draft| draft.dataset == DATASET;
    while !drafts.last().is_some_and(is_followed) {
        assert!(
            file.read(&mut records).expect("readable"),
            "no event of {DATASET}"
        );
        for record in records.drain(..) {
            match record {
                Record::Event(draft) if !drafts.last().is_some_and(is_followed) => drafts.push(draft),
                Record::Event(_) | Record::Refused(_) => {}
            }
        }
    }
    Reading {
        identity: SourceIdentity {
            name: name.clone(),
            content: file.identity().to_vec(),
            path: Some(name),
        },
        format: file.format().as_str(),
        path,
        drafts,
    }
}

fn home_networks(case: &Case) -> Vec<ipnet::IpNet> {
    let networks = case.home_networks.iter();
    networks.map(|text| text.parse().expect("a network")).collect()
}

const NEXT: [&str; 3] = [
    "next: a packet is read",
    "ingest/src/source.rs",
    "The sensor opens the file, sees from its first bytes what it is, and peels the compression off. \
     Packets are put together to TCP streams per flow; this one begins the TLS handshake, and the name of the server stands in it in clear. \
     Payload beyond such metadata is never handed on.",
];

fn next(document: &mut Document, read: &Reading, draft: &Draft) {
    let packet = packet(read, draft.position);
    let name = draft
        .fields
        .text("tls.client.server_name")
        .expect("a server name");
    let at = packet
        .windows(name.len())
        .position(|window| window == name.as_bytes())
        .expect("the name is in the packet");
    let rows = [
        ("file".to_owned(), read.identity.name.clone()),
        ("recognised as".to_owned(), read.format.to_owned()),
        ("packet".to_owned(), draft.position.to_string()),
        ("bytes".to_owned(), packet.len().to_string()),
        (
            "events before it in the file".to_owned(),
            (read.drafts.len() - 1).to_string(),
        ),
    ];
    let start = at / 16 * 16;
    let end = (at + name.len()).div_ceil(16) * 16;
    let bytes = format!(
        "{}…\n{}…\n",
        dump(&packet, 0..64),
        dump(&packet, start..end.min(packet.len()))
    );
    document.hop(NEXT, &[table(&rows), format!("```text\n{bytes}```\n")]);
}

/// The packet with a number, from 1, of a pcap file as tcpdump writes it (little-endian).
fn packet(read: &Reading, number: u64) -> Vec<u8> {
    let file = std::fs::File::open(&read.path).expect("readable");
    let mut bytes = Vec::new();
    zstd::Decoder::new(file)
        .expect("Zstandard")
        .read_to_end(&mut bytes)
        .expect("whole");
    let mut at = 24;
    for _ in 1..number {
        at += 16 + captured(&bytes, at);
    }
    bytes[at + 16..at + 16 + captured(&bytes, at)].to_vec()
}

fn captured(bytes: &[u8], at: usize) -> usize {
    let length: [u8; 4] = bytes[at + 8..at + 12].try_into().expect("four bytes");
    u32::from_le_bytes(length) as usize
}

const NORMALISE: [&str; 3] = [
    "normalise: bytes become fields",
    "ingest/src/capture.rs",
    "What was seen gets the names of the Elastic Common Schema. \
     Everything is there to find it again: the packet's number as its position, the flow's Community ID, and the fingerprints JA3 and JA4 of the client. \
     Nothing of this depends on when or where it is read.",
];

fn normalised(draft: &Draft) -> Json {
    let fields = serde_json::to_value(&draft.fields).expect("JSON");
    serde_json::json!({
        "timestamp": draft.timestamp.to_string(),
        "dataset": draft.dataset,
        "position": draft.position,
        "ordinal": draft.ordinal,
        "fields": fields,
    })
}

const STAMP: [&str; 3] = [
    "disclose, stamp, spool: the event, safe on disk",
    "ingest/src/stamp.rs",
    "`ingest/src/disclose.rs` takes payload out; there is none here. \
     Then the sensor's envelope is put on: who, whose, which zone, and an id derived from sensor, content and position, so that reading the file again gives the same id. \
     `ingest/src/spool.rs` writes event, running number and position in one append, synced to disk; only then is the packet done with.",
];

/// Every draft through disclose, stamp and a real spool; the last entry and its event.
fn spool(case: &Case, read: &Reading, directory: &std::path::Path) -> (Entry, Event) {
    let context = SensorContext {
        sensor: case.sensor.parse().expect("a sensor"),
        organization: case.organization.parse().expect("an organisation number"),
        zone: Zone::Administration,
        marking: Marking::Unmarked,
        purpose: Purpose::SecurityMonitoring,
        exercise: false,
        envelope: EnvelopeTrust::Own,
    };
    let mut spool = Spool::open(directory, ingest::config::SPOOL_BYTES_MAX).expect("a spool");
    let mut last = None;
    let mut append = spool.append(Room::Wait);
    for mut draft in read.drafts.iter().cloned() {
        locate(&mut draft, &read.identity);
        disclose(&mut draft.fields);
        let stream = Stream::of_dataset(&draft.dataset);
        append.event(stream, draft.timestamp, |sequence| {
            let mut event = stamp(&context, &read.identity, draft, sequence, now());
            event.fields.set("varde.stream", stream.as_str());
            let mut value = Vec::new();
            ingest_event::encode(&event, &mut value);
            let key = publish::key(&event, &home_networks(case));
            last = Some(event);
            (key, value)
        });
    }
    append.commit().expect("durable");
    let entry = spool.oldest().pop().expect("one");
    (entry, last.expect("one"))
}

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

const BUS: [&str; 3] = [
    "publish and poll: over the bus",
    "ingest/src/publish.rs",
    "The spool is handed over in order and emptied only when the bus has acknowledged. \
     The topic names the organisation; an event that claims another one than its topic is put aside by the detector. \
     The key is the organisation and the local machine, so that all that one machine does arrives in order at one detector. \
     Here the bus is the embedded one, `ingest/bus/src/embedded.rs`; over Kafka the record is the same.",
];

async fn over_the_bus(bus: &Bus, case: &Case, entry: &Entry) -> Delivery {
    let organization = case.organization.parse().expect("an organisation number");
    let topics = publish::Topics::of(organization).expect("names");
    bus.ensure_topics(&topics.specs()).await.expect("topics");
    let producer = bus.producer().expect("a producer");
    publish::publish(&producer, &topics, std::slice::from_ref(entry))
        .await
        .expect("published");
    let topic = Topic::parse(&ingest_event::topic::events(organization)).expect("a name");
    let mut consumer = bus
        .consumer("data-path", Subscription::Topics(vec![topic]))
        .expect("a consumer");
    let limit = PollLimit {
        records: 1,
        bytes: 1 << 20,
        wait: std::time::Duration::from_secs(5),
    };
    let delivery = loop {
        let batch = consumer.poll(limit).await.expect("a batch");
        if let Some(delivery) = batch.deliveries.into_iter().next() {
            break delivery;
        }
    };
    consumer.close().await;
    delivery
}

fn place(delivery: &Delivery) -> Vec<(String, String)> {
    let key = delivery.record.key.clone().unwrap_or_default();
    [
        ("topic", delivery.position.topic.to_string()),
        ("partition", delivery.position.partition.to_string()),
        ("key", String::from_utf8_lossy(&key).into_owned()),
        ("bytes of the value", delivery.record.value.len().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

const SCAN: [&str; 3] = [
    "scan: one event against everything",
    "detect/engine/src/scan.rs",
    "The detector reads the record once and asks all rules whose log source fits, and all indicators. \
     A match says which field had which value and what it was compared with. \
     An indicator for a domain holds for its subdomains too.",
];

fn bundled() -> Arc<Ruleset> {
    let loaded = load(&Sources {
        rules: &[],
        indicators: &[],
    })
    .expect("the bundled rules load");
    compile(loaded.rules, loaded.indicators).expect("they compile")
}

/// Writes down every match.
struct Notes(Vec<(String, String)>);

impl MatchSink for Notes {
    fn matched(&mut self, _event: &EventView<'_>, hit: Match<'_>) {
        let mut why = String::new();
        for finding in hit.findings {
            let _ = write!(
                why,
                "`{}` = `{}`: {}; ",
                finding.field, finding.value, finding.matched
            );
        }
        let producer = hit.origin.producer();
        let name = format!("{} `{}`", producer.kind.as_str(), producer.name);
        let why = match why.trim_end_matches("; ") {
            "" => "raises nothing by itself; rules about several events take it",
            why => why,
        };
        self.0.push((name, why.to_owned()));
    }
}

fn scan(ruleset: &Ruleset, payload: &[u8]) -> String {
    let mut notes = Notes(Vec::new());
    Scanner::new(ruleset).scan(payload, &mut notes).expect("an event");
    table(&notes.0)
}

const RAISE: [&str; 3] = [
    "correlate and raise: an alert that says why",
    "detect/engine/src/raise.rs",
    "A match of an indicator raises an alert at once; matches of rules may be counted over event time first, in `detect/engine/src/correlate.rs`. \
     The alert carries its rule or indicator with version, the evidence, the machine it is about, and the event itself. \
     Its id is derived from rule, organisation and event: the same event twice is the same alert. \
     The detector commits its place in the event topic only when `varde.alerts` has the record, which is keyed by the organisation.",
];

/// The one alert of the event, by the detector's own loop body.
fn detect(ruleset: &Arc<Ruleset>, delivery: &Delivery, event: &Event) -> Alert {
    let mut findings = Findings::default();
    let origin = Origin {
        organization: event.organization,
        source: delivery.position.topic.as_str(),
        position: delivery.position.offset,
        observed: now(),
    };
    let mut correlator = Correlator::new(Arc::clone(ruleset));
    Detector::new(ruleset).scan(&mut correlator, &delivery.record.value, &origin, &mut findings);
    assert_eq!(findings.alerts.len(), 1, "{:?}", findings.quarantined);
    let alert = findings.alerts.remove(0);
    assert_eq!(alert.events[0].id, event.id);
    alert
}
