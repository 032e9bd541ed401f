//! A real exporter: softflowd reads a capture of ours and exports it to a sensor on loopback, and what the sensor tells
//! is what our own capture sees in the same packets.
//!
//! softflowd is Debian's; `scripts/provision test` installs it. Without it the tests say that they are skipped.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what fails in a test's helper fails the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ingest::{agent, capture::CaptureOptions, capture::CaptureReader, clock::Clock, config, record::Record};
use ingest_bus::{Bus, BusConfig, PollError, PollLimit, Subscription, Topic};
use ingest_event::Fields;
use ingest_event::codec::flatten;
use tokio_util::sync::CancellationToken;

/// What is compared.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    /// Sender, receiver, protocol and Community ID, with packets and bytes sent.
    sent: BTreeMap<(String, String, String), (u64, u64)>,
    /// Who began, by Community ID, of TCP and UDP.
    began: BTreeSet<(String, String)>,
}

fn captures() -> [PathBuf; 2] {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../replay-data/cases");
    [
        cases.join("ordinary-traffic/capture.pcapng"),
        cases.join("ssh-password-attack/capture.pcap"),
    ]
}

fn softflowd() -> Option<PathBuf> {
    let found = [
        "/usr/sbin/softflowd",
        "/usr/local/sbin/softflowd",
        "/usr/bin/softflowd",
    ]
    .map(PathBuf::from)
    .into_iter()
    .find(|path| path.is_file());
    if found.is_none() {
        println!("skipped: softflowd not found, scripts/provision test installs it");
    }
    found
}

/// Adds up what each end sent in each flow: exporters and our capture divide flows in different ways.
fn add(seen: &mut Seen, fields: &Fields) {
    let text = |name: &str| fields.get(name).map(ToString::to_string);
    let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let end = |side: &str| {
        let ip = text(&format!("{side}.ip")).expect("has an address");
        format!("{ip} {}", text(&format!("{side}.port")).unwrap_or_default())
    };
    let transport = text("network.transport").expect("has one");
    let id = text("network.community_id").expect("has one");
    if ["tcp", "udp"].contains(&transport.as_str()) {
        seen.began.insert((id.clone(), end("source")));
    }
    for (from, to) in [("source", "destination"), ("destination", "source")] {
        let (packets, bytes) = (
            number(&format!("{from}.packets")),
            number(&format!("{from}.bytes")),
        );
        if packets != 0 {
            let key = (end(from), end(to), format!("{transport} {id}"));
            let sum = seen.sent.entry(key).or_default();
            *sum = (sum.0 + packets, sum.1 + bytes);
        }
    }
}

fn captured(path: &Path, wanted: impl Fn(&Fields) -> bool) -> Seen {
    let file = std::fs::File::open(path).expect("opens");
    let mut reader = CaptureReader::new(file, CaptureOptions::default()).expect("a capture");
    let (mut records, mut seen) = (Vec::new(), Seen::default());
    while reader.read(&mut records).expect("reads") {}
    for record in records {
        if let Record::Event(draft) = record
            && draft.dataset == "network.flow"
            && wanted(&draft.fields)
        {
            add(&mut seen, &draft.fields);
        }
    }
    seen
}

/// All flows on the bus so far, by their ids.
async fn published(directory: &Path) -> BTreeMap<String, Fields> {
    let bus = Bus::open(&BusConfig::Embedded {
        directory: directory.join("bus"),
    })
    .await
    .expect("opens");
    let topic = Topic::parse("varde.events.964965226").expect("a name");
    let ends = match bus.end_positions(&topic).await {
        Err(PollError::UnknownTopic { .. }) => return BTreeMap::new(),
        ends => ends.expect("reads"),
    };
    let wanted: u64 = ends.iter().map(|position| position.offset).sum();
    let mut consumer = bus
        .consumer("test", Subscription::Topics(vec![topic]))
        .expect("opens");
    let (mut seen, mut flows) = (0, BTreeMap::new());
    while seen < wanted {
        let limit = PollLimit {
            records: 5_000,
            bytes: 64 << 20,
            wait: Duration::from_secs(5),
        };
        for delivery in consumer.poll(limit).await.expect("polls").deliveries {
            seen += 1;
            let fields = flatten(&delivery.record.value).expect("JSON");
            if fields.text("event.dataset") == Some("network.flow") {
                let id = fields.text("event.id").expect("has one").to_owned();
                flows.insert(id, fields);
            }
        }
    }
    flows
}

/// What one has and the other has not.
fn differences(seen: &Seen, expected: &Seen, is_biflow: bool) -> Vec<String> {
    let mut all = Vec::new();
    for (whose, one, other) in [("too much", seen, expected), ("missing", expected, seen)] {
        let sent = one
            .sent
            .iter()
            .filter(|(key, value)| other.sent.get(*key) != Some(*value));
        all.extend(sent.map(|entry| format!("{whose}: sent {entry:?}")));
        for (id, end) in one.began.difference(&other.began) {
            // A record of an answer from a higher port can't be told from a question, and softflowd puts the lower
            // address of a biflow first, whoever began.
            let port = end.rsplit(' ').next().and_then(|port| port.parse::<u16>().ok());
            let is_known = port.is_none_or(|port| port < 1024);
            if is_known || whose == "missing" && !is_biflow {
                all.push(format!("{whose}: {end} began {id}"));
            }
        }
    }
    all
}

async fn check(exporter: &Path, capture: &Path, arguments: &[&str], listen: &str, expected: &Seen) {
    let is_biflow = arguments.contains(&"-b");
    let directory = tempfile::tempdir().expect("a directory");
    let free = std::net::UdpSocket::bind((listen, 0)).expect("binds");
    let address: SocketAddr = free.local_addr().expect("bound");
    drop(free);
    let root = directory.path().display();
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nhome_networks: [10.20.0.0/24, \"2001:db8:20::/64\"]\n\
         state: {root}/state\nbus: {{ embedded: {{ directory: {root}/bus }} }}\n\
         sources:\n  - flow_export: {{ listen: \"{address}\", exporters: [\"127.0.0.0/8\", \"::1/128\"] }}\n"
    );
    let config = config::parse(&text, "sensor.yml").expect("reads");
    let bus = Bus::open(&config.bus).await.expect("opens");
    let stop = CancellationToken::new();
    let running = tokio::spawn(agent::run(config, bus, Clock::System, stop.clone()));
    // The port is taken once the sensor listens.
    while std::net::UdpSocket::bind(address).is_ok() {
        tokio::task::yield_now().await;
    }
    let mut command = Command::new(exporter);
    command
        .arg("-r")
        .arg(capture)
        .args(["-n", &address.to_string(), "-d", "-c", "none", "-p"])
        .arg(directory.path().join("softflowd.pid"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // It ends by itself; the sensor reads meanwhile.
    let ended = tokio::task::spawn_blocking(move || command.status())
        .await
        .expect("joins")
        .expect("starts");
    assert!(ended.success(), "{arguments:?}: {ended}");
    let mut seen = Seen::default();
    let mut flows = BTreeMap::new();
    let all_came = async {
        while !differences(&seen, expected, is_biflow).is_empty() {
            tokio::task::yield_now().await;
            // Set in one go, since the time may run out while it is read.
            let came = published(directory.path()).await;
            let mut now = Seen::default();
            for fields in came.values() {
                let is_icmp = fields
                    .text("network.transport")
                    .is_some_and(|name| name.contains("icmp"));
                if !is_icmp || !is_biflow {
                    add(&mut now, fields);
                }
            }
            (seen, flows) = (now, came);
        }
    };
    // What did come says more than the time that ran out.
    let _ = tokio::time::timeout(Duration::from_secs(20), all_came).await;
    stop.cancel();
    running.await.expect("joins").expect("ends well");
    assert_eq!(
        differences(&seen, expected, is_biflow),
        Vec::<String>::new(),
        "{arguments:?}"
    );
    for fields in flows.values() {
        assert!(fields.get("network.direction").is_some(), "{fields:?}");
        assert_eq!(fields.text("varde.exporter.ip"), Some(listen));
    }
}

#[tokio::test]
async fn what_softflowd_exports_is_what_our_capture_sees() {
    let Some(exporter) = softflowd() else { return };
    for capture in captures() {
        let all = captured(&capture, |_| true);
        // In one record of both directions softflowd has the ICMP type of one of them only.
        let without_icmp = captured(&capture, |fields| {
            ["tcp", "udp"].contains(&fields.text("network.transport").unwrap_or(""))
        });
        let four = captured(&capture, |fields| fields.text("network.type") == Some("ipv4"));
        for (arguments, listen, expected) in [
            (&["-v", "5"][..], "127.0.0.1", &four),
            (&["-v", "9", "-6"], "127.0.0.1", &all),
            (&["-v", "9", "-6"], "::1", &all),
            (&["-v", "10", "-6"], "127.0.0.1", &all),
            (&["-v", "10", "-6", "-b"], "::1", &without_icmp),
            (&["-v", "10", "-6", "-A", "milli"], "::1", &all),
        ] {
            assert!(!expected.sent.is_empty() && !expected.began.is_empty());
            check(&exporter, &capture, arguments, listen, expected).await;
        }
    }
}
