//! Real exporters: softflowd, nfdump's replay and pmacct export a capture of ours to a sensor on loopback, and what the
//! sensor tells is what our own capture sees in the same packets.
//!
//! All are Debian's; `scripts/provision test` installs them. Who is missing is told and passed over.

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

use ingest::{
    agent, capture::CaptureOptions, capture::CaptureReader, clock::Clock, config, metrics::Metrics,
    record::Record,
};
use ingest_bus::{Bus, BusConfig, PollError, PollLimit, Subscription, Topic};
use ingest_event::Fields;
use ingest_event::codec::flatten;
use tokio::task::JoinHandle;
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

/// Where a program is; says so if it is nowhere.
fn program(name: &str) -> Option<PathBuf> {
    let found = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .map(|folder| Path::new(folder).join(name))
        .into_iter()
        .find(|path| path.is_file());
    if found.is_none() {
        println!("skipped: {name} not found, scripts/provision test installs it");
    }
    found
}

/// Runs a program to its end.
fn run(command: &mut Command) {
    let ended = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("starts");
    assert!(ended.success(), "{command:?}: {ended}");
}

/// Exports a capture to an address, with a folder for what it needs.
type Export<'a> = dyn Fn(&Path, SocketAddr, &Path) + Send + Sync + 'a;

fn softflowd(
    program: PathBuf,
    arguments: &'static [&'static str],
) -> impl Fn(&Path, SocketAddr, &Path) + Send + Sync {
    move |capture, address, folder| {
        let mut command = Command::new(&program);
        command.arg("-r").arg(capture);
        command.args(["-n", &address.to_string(), "-d", "-c", "none", "-p"]);
        run(command.arg(folder.join("softflowd.pid")).args(arguments));
    }
}

/// nfpcapd makes a file of flows of the capture, nfreplay sends it.
fn nfdump(
    nfpcapd: PathBuf,
    nfreplay: PathBuf,
    version: &'static str,
) -> impl Fn(&Path, SocketAddr, &Path) + Send + Sync {
    move |capture, address, folder| {
        let flows = folder.join("flows");
        std::fs::create_dir_all(&flows).expect("a folder");
        run(Command::new(&nfpcapd)
            .arg("-r")
            .arg(capture)
            .arg("-l")
            .arg(&flows));
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        for file in std::fs::read_dir(&flows).expect("a folder") {
            let mut command = Command::new(&nfreplay);
            command.arg("-r").arg(file.expect("an entry").path());
            run(command.args(["-H", &ip, "-p", &port, "-v", version]));
        }
    }
}

fn pmacctd(program: PathBuf, version: &'static str) -> impl Fn(&Path, SocketAddr, &Path) + Send + Sync {
    move |capture, address, folder| {
        let path = folder.join("pmacctd.conf");
        let text = format!(
            "daemonize: false\npcap_savefile: {}\nplugins: nfprobe\nnfprobe_receiver: {address}\n\
             nfprobe_version: {version}\naggregate: src_host,dst_host,src_port,dst_port,proto,tos\n",
            capture.display()
        );
        std::fs::write(&path, text).expect("writes");
        // It says 1 when its core ends after its plugin, which is no failure: what comes out is compared.
        let mut command = Command::new(&program);
        command
            .arg("-f")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().expect("starts");
    }
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

/// A sensor that listens for exporters.
struct Sensor {
    address: SocketAddr,
    metrics: Metrics,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<agent::AgentSummary>>,
}

impl Sensor {
    async fn start(directory: &Path, listen: &str, exporters: &str) -> Self {
        let free = std::net::UdpSocket::bind((listen, 0)).expect("binds");
        let address = free.local_addr().expect("bound");
        drop(free);
        let root = directory.display();
        let text = format!(
            "sensor: sensor-1\norganization: \"964965226\"\nprivacy: [{{ level: full }}]\n\
             home_networks: [10.20.0.0/24, \"2001:db8:20::/64\"]\n\
             state: {root}/state\nbus: {{ embedded: {{ directory: {root}/bus }} }}\n\
             sources:\n  - flow_export: {{ listen: \"{address}\", exporters: [{exporters}] }}\n"
        );
        let config = config::parse(&text, "sensor.yml").expect("reads");
        let bus = Bus::open(&config.bus).await.expect("opens");
        let (stop, metrics) = (CancellationToken::new(), Metrics::new().expect("figures"));
        let agent = agent::run_with(config, bus, Clock::System, metrics.clone(), stop.clone());
        let running = tokio::spawn(agent);
        // Whoever sends to a port without a listener is told so with the next datagram.
        let probe = std::net::UdpSocket::bind((listen, 0)).expect("binds");
        probe.connect(address).expect("connects");
        while probe.send(&[]).and_then(|_| probe.send(&[])).is_err() {
            tokio::task::yield_now().await;
        }
        Self {
            address,
            metrics,
            stop,
            running,
        }
    }

    /// All its figures.
    async fn stop(self) -> String {
        self.stop.cancel();
        self.running.await.expect("joins").expect("ends well");
        self.metrics.render()
    }
}

async fn check(name: &str, export: &Export<'_>, capture: &Path, listen: &str, expected: &Seen) {
    let is_biflow = name.ends_with("-b");
    let directory = tempfile::tempdir().expect("a directory");
    let sensor = Sensor::start(directory.path(), listen, "\"127.0.0.0/8\", \"::1\"").await;
    let address = sensor.address;
    // They end by themselves; the sensor runs meanwhile.
    tokio::task::block_in_place(|| export(capture, address, directory.path()));
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
    let metrics = sensor.stop().await;
    assert_eq!(
        differences(&seen, expected, is_biflow),
        Vec::<String>::new(),
        "{name}"
    );
    let counted = format!("ingest_export_records_total{{kind=\"flow\"}} {}\n", flows.len());
    // ICMP of biflows may come after what is waited for.
    assert!(is_biflow || metrics.contains(&counted), "{counted}{metrics}");
    for fields in flows.values() {
        assert!(fields.get("network.direction").is_some(), "{fields:?}");
        assert_eq!(fields.text("varde.exporter.ip"), Some(listen));
    }
}

/// The flows of a capture that an exporter tells.
struct Expected {
    all: Seen,
    four: Seen,
    without_icmp: Seen,
}

fn expected(capture: &Path) -> Expected {
    let is = |name: &'static str, values: &'static [&'static str]| {
        move |fields: &Fields| values.contains(&fields.text(name).unwrap_or(""))
    };
    Expected {
        all: captured(capture, |_| true),
        four: captured(capture, is("network.type", &["ipv4"])),
        without_icmp: captured(capture, is("network.transport", &["tcp", "udp"])),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_softflowd_exports_is_what_our_capture_sees() {
    let Some(program) = program("softflowd") else {
        return;
    };
    for capture in captures() {
        let Expected {
            all,
            four,
            // In one record of both directions softflowd has the ICMP type of one of them only.
            without_icmp,
        } = expected(&capture);
        for (arguments, listen, expected) in [
            (&["-v", "5"][..], "127.0.0.1", &four),
            (&["-v", "9", "-6"], "127.0.0.1", &all),
            (&["-v", "9", "-6"], "::1", &all),
            (&["-v", "10", "-6"], "127.0.0.1", &all),
            (&["-v", "10", "-6", "-b"], "::1", &without_icmp),
            (&["-v", "10", "-6", "-A", "milli"], "::1", &all),
        ] {
            assert!(!expected.sent.is_empty() && !expected.began.is_empty());
            let export = softflowd(program.clone(), arguments);
            check(&arguments.join(" "), &export, &capture, listen, expected).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nfdump_replays_is_what_our_capture_sees() {
    let (Some(nfpcapd), Some(nfreplay)) = (program("nfpcapd"), program("nfreplay")) else {
        return;
    };
    for capture in captures() {
        let Expected { all, four, .. } = expected(&capture);
        for (version, listen, expected) in [
            ("5", "127.0.0.1", &four),
            ("9", "127.0.0.1", &all),
            ("9", "::1", &all),
        ] {
            let export = nfdump(nfpcapd.clone(), nfreplay.clone(), version);
            check(
                &format!("nfreplay {version}"),
                &export,
                &capture,
                listen,
                expected,
            )
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pmacct_exports_is_what_our_capture_sees() {
    let Some(program) = program("pmacctd") else { return };
    let [capture, _] = captures();
    let Expected { all, .. } = expected(&capture);
    for version in ["9", "10"] {
        let export = pmacctd(program.clone(), version);
        check(
            &format!("pmacctd {version}"),
            &export,
            &capture,
            "127.0.0.1",
            &all,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_export_is_not_heard_and_what_is_broken_is_counted() {
    for (listen, exporters, reason) in [
        ("127.0.0.1", "192.0.2.0/24", "unknown_exporter"),
        ("::1", "\"2001:db8::/32\"", "unknown_exporter"),
        ("127.0.0.1", "", "unknown_version"),
        ("::1", "", "unknown_version"),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let sensor = Sensor::start(directory.path(), listen, exporters).await;
        let sender = std::net::UdpSocket::bind((listen, 0)).expect("binds");
        sender.send_to(b"no export", sensor.address).expect("sends");
        let name = format!("ingest_export_refused_total{{reason=\"{reason}\"}} ");
        let came = async {
            while sensor.metrics.render().contains(&format!("{name}0\n")) {
                tokio::task::yield_now().await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(20), came).await;
        let metrics = sensor.stop().await;
        assert!(
            metrics.contains(&name) && !metrics.contains(&format!("{name}0\n")),
            "{metrics}"
        );
        assert!(published(directory.path()).await.is_empty());
    }
}
