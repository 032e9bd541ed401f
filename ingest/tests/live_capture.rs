//! A sensor that listens to a cable, in a network namespace of each test's own: what `tcpreplay` sends is accounted for to
//! the last packet, and is told as if it were read from a file.
//!
//! Figures are waited for with a bound; nothing depends on how fast the machine is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what fails in a test's helper fails the test"
)]

#[path = "live_capture/frames.rs"]
mod frames;
#[path = "capture/lab.rs"]
mod lab;
#[path = "../ring/tests/interface/namespace.rs"]
mod namespace;

use std::{collections::BTreeSet, fs, path::Path, process::Command, time::Duration};

use ingest::{
    agent::{self, AgentSummary},
    clock::Clock,
    config,
    metrics::Metrics,
};
use ingest_bus::{Bus, BusConfig, PollLimit, Subscription, Topic};
use ingest_event::{Fields, codec::flatten};
use lab::Lab;
use namespace::{cable, has, inside, ip, skip};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fields that say when, or which event it is.
const TIMES: [&str; 8] = [
    "@timestamp",
    "event.created",
    "event.duration",
    "event.end",
    "event.id",
    "event.sequence",
    "event.start",
    "log.file.path",
];

/// A sensor that listens, and what it counts.
struct Sensor {
    runtime: Runtime,
    metrics: Metrics,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<AgentSummary>>,
}

impl Sensor {
    /// Starts one with a source, in a folder.
    fn start(folder: &Path, source: &str) -> Self {
        let bus = format!("bus: {{ embedded: {{ directory: {}/bus }} }}", folder.display());
        Self::start_with(folder, source, &bus)
    }

    /// The same with a bus, or whatever else is configured.
    fn start_with(folder: &Path, source: &str, more: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let root = folder.display();
        let text = format!(
            "sensor: sensor-1\norganization: \"964965226\"\nstate: {root}/state\ncanary_secs: 0\nprivacy: [{{ level: full }}]\n\
             exit_when_done: true\n{more}\nsources:\n  - {source}\n"
        );
        let config = config::parse(&text, "sensor.yml").unwrap();
        let (metrics, stop) = (Metrics::new().unwrap(), CancellationToken::new());
        let (counting, stopping) = (metrics.clone(), stop.clone());
        let running = runtime.spawn(async move {
            let bus = Bus::open(&config.bus).await?;
            agent::run_with(config, bus, Clock::System, counting, stopping).await
        });
        Self {
            runtime,
            metrics,
            stop,
            running,
        }
    }

    /// A figure, summed over its labels.
    fn figure(&self, name: &str) -> u64 {
        let text = self.metrics.render();
        let values = text.lines().filter_map(|line| {
            let (key, value) = line.split_once(' ')?;
            (key.split('{').next() == Some(name)).then(|| value.parse::<f64>().unwrap() as u64)
        });
        values.sum()
    }

    fn capture(&self, name: &str) -> u64 {
        self.figure(&format!("ingest_capture_{name}"))
    }

    /// Waits until something holds.
    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waited = self.runtime.block_on(async {
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            tokio::time::timeout(PATIENCE, async {
                while !holds(self) {
                    assert!(!self.running.is_finished(), "the sensor ended before {what}");
                    ticks.tick().await;
                }
            })
            .await
        });
        assert!(
            waited.is_ok(),
            "waited in vain for {what}:\n{}",
            self.metrics.render()
        );
    }

    /// Waits until the kernel has said what became of so many packets.
    fn saw(&self, sent: u64) {
        self.until(&format!("{sent} packets"), |sensor| {
            sensor.capture("packets_total") + sensor.capture("kernel_drops_total") >= sent
        });
    }

    /// Stops it, lets a second run publish what it spooled, and returns all events.
    fn stop(self, folder: &Path) -> Vec<Fields> {
        self.stop.cancel();
        self.runtime.block_on(self.running).unwrap().unwrap();
        drop(self.runtime);
        // Its only file is empty of records, so it ends when all is published.
        let nothing = folder.join("nothing.log");
        fs::write(&nothing, "{\"message\":\"the last\"}\n").unwrap();
        let source = format!("file: {{ path: {}, dataset: x.last }}", nothing.display());
        Self::start(folder, &source).read(folder)
    }

    /// Waits for its end and returns all events.
    fn read(self, folder: &Path) -> Vec<Fields> {
        let ended = async { tokio::time::timeout(PATIENCE, self.running).await };
        self.runtime
            .block_on(ended)
            .expect("ends in time")
            .unwrap()
            .unwrap();
        self.runtime.block_on(events(folder))
    }
}

/// All events on the bus in a folder but the last and those of the sensor itself, each once: what was under way when a
/// sensor stopped comes again.
async fn events(folder: &Path) -> Vec<Fields> {
    let directory = folder.join("bus");
    let bus = Bus::open(&BusConfig::Embedded { directory }).await.unwrap();
    let topic = Topic::parse("varde.events.964965226").unwrap();
    let mut consumer = bus.consumer("test", Subscription::Topics(vec![topic])).unwrap();
    let (mut ids, mut seen) = (BTreeSet::new(), Vec::new());
    loop {
        let limit = PollLimit {
            records: 1_000,
            bytes: 1 << 22,
            wait: Duration::from_millis(500),
        };
        let batch = consumer.poll(limit).await.unwrap();
        if batch.deliveries.is_empty() {
            return seen;
        }
        for delivery in batch.deliveries {
            let fields = flatten(&delivery.record.value).unwrap();
            let is_new = ids.insert(fields.text("event.id").unwrap().to_owned());
            let dataset = fields.text("event.dataset").unwrap();
            // What a sensor says of itself depends on how long it ran.
            if is_new && dataset != "x.last" && !dataset.starts_with("varde.") {
                seen.push(fields);
            }
        }
    }
}

/// What events say beside when, in order.
fn said(events: &[Fields]) -> Vec<String> {
    let mut said: Vec<String> = events
        .iter()
        .map(|event| {
            let mut event = event.clone();
            for name in TIMES {
                event.remove(name);
            }
            serde_json::to_string(&event).unwrap()
        })
        .collect();
    said.sort();
    said
}

/// Sends a capture over the cable; returns how many packets that were.
fn replay(capture: &Path, arguments: &[&str]) -> u64 {
    let output = Command::new("tcpreplay")
        .args(["-q", "-i", "near"])
        .args(arguments)
        .arg(capture)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let sent = told
        .lines()
        .find_map(|line| line.trim().strip_prefix("Successful packets:"));
    sent.unwrap_or_else(|| panic!("{told}")).trim().parse().unwrap()
}

/// Runs a test in a namespace with a cable, and with a folder of its own, if `tcpreplay` is there.
fn on_a_cable(test: &str, body: impl FnOnce(&Path)) {
    if !has("tcpreplay") {
        return skip("tcpreplay is not installed, scripts/provision test does that");
    }
    inside(test, || {
        cable();
        for end in ["near", "far"] {
            // Some captured packets are larger than a cable's usual ones.
            ip(&format!("link set {end} mtu 65535"));
        }
        let folder = tempfile::tempdir().unwrap();
        body(folder.path());
    });
}

/// A sensor at the far end that is listening: a packet sent to nobody is seen.
fn listening(folder: &Path, settings: &str) -> Sensor {
    let sensor = Sensor::start(folder, &format!("capture: {{ interface: far{settings} }}"));
    sensor.until("a ring", |sensor| sensor.capture("interfaces") == 1);
    sensor
}

#[test]
fn every_packet_sent_is_accounted_for_at_any_rate() {
    on_a_cable("every_packet_sent_is_accounted_for_at_any_rate", |folder| {
        let capture = folder.join("mixed.pcap");
        fs::write(&capture, &frames::mixed().bytes).unwrap();
        for (index, rate) in [
            &["--pps=2000"][..],
            &["--mbps=200", "--loop=20"],
            // More than the little room that it has will hold.
            &["--topspeed", "--loop=60"],
        ]
        .iter()
        .enumerate()
        {
            let folder = folder.join(index.to_string());
            fs::create_dir(&folder).unwrap();
            let sensor = listening(&folder, ", buffer_bytes: 2097152");
            let sent = replay(&capture, rate);
            sensor.saw(sent);
            let figure = |name| sensor.capture(name);
            let (read, drops) = (figure("packets_total"), figure("kernel_drops_total"));
            assert_eq!(sent, read + drops, "{rate:?}");
            assert_eq!(sent, figure("kernel_packets_total"), "{rate:?}");
            assert_eq!(
                (figure("doubles_total"), figure("unread_total")),
                (0, 0),
                "{rate:?}"
            );
            let elsewhere = figure("not_ip_total") + figure("cut_total") + figure("refused_total");
            let shed = sensor.figure("ingest_records_shed_total");
            let events = sensor.stop(&folder);
            let counted: u64 = events
                .iter()
                .filter(|event| event.text("event.dataset") == Some("network.flow"))
                .map(|event| {
                    event
                        .get("network.packets")
                        .unwrap()
                        .to_string()
                        .parse::<u64>()
                        .unwrap()
                })
                .sum();
            println!(
                "{rate:?}: sent {sent}, read {read}, dropped {drops}, no flow's {elsewhere}, told {counted}"
            );
            assert_eq!(shed, 0, "{rate:?}");
            assert_eq!(sent, counted + elsewhere + drops, "{rate:?}");
            assert!(0 < elsewhere, "{rate:?}");
        }
    });
}

#[test]
fn what_passes_is_told_as_if_it_were_read_from_a_file() {
    on_a_cable("what_passes_is_told_as_if_it_were_read_from_a_file", |folder| {
        let expected = told_alike(folder, &frames::mixed(), &[1, 2]);
        assert!(
            expected
                .iter()
                .any(|event| event.contains("\"network.inner.vlan.id\":\"9\""))
        );
    });
}

#[test]
fn strange_packets_are_told_as_if_they_were_read_from_a_file() {
    let Some(frames) = frames::of_others() else { return };
    on_a_cable(
        "strange_packets_are_told_as_if_they_were_read_from_a_file",
        |folder| {
            let expected = told_alike(folder, &frames, &[1]);
            assert!(500 < expected.len(), "{} events", expected.len());
        },
    );
}

/// Tells the same of a capture that passes as of one that is read, with each number of threads; returns that.
fn told_alike(folder: &Path, frames: &Lab, threads: &[u64]) -> Vec<String> {
    let capture = folder.join("mixed.pcap");
    fs::write(&capture, &frames.bytes).unwrap();
    let of_file = Sensor::start(folder, &format!("file: {{ path: {} }}", capture.display())).read(folder);
    let expected = said(&of_file);
    for threads in threads {
        // The keys of pseudonyms are the site's; the bus is the run's.
        fs::rename(folder.join("bus"), folder.join(format!("bus-before-{threads}"))).unwrap();
        let sensor = listening(folder, &format!(", threads: {threads}"));
        let sent = replay(&capture, &["--pps=2000"]);
        sensor.saw(sent);
        assert_eq!(sensor.capture("kernel_drops_total"), 0);
        let found = said(&sensor.stop(folder));
        let missing: Vec<_> = expected
            .iter()
            .filter(|event| !found.contains(event))
            .take(3)
            .collect();
        let more: Vec<_> = found
            .iter()
            .filter(|event| !expected.contains(event))
            .take(3)
            .collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "{threads}: {missing:#?} {more:#?}"
        );
        assert_eq!(found.len(), expected.len(), "{threads}");
    }
    expected
}

#[test]
fn a_filter_leaves_out_what_nobody_wants() {
    on_a_cable("a_filter_leaves_out_what_nobody_wants", |folder| {
        let capture = folder.join("mixed.pcap");
        let lab = frames::mixed();
        fs::write(&capture, &lab.bytes).unwrap();
        let sensor = listening(folder, ", filter: \"vlan 7 and tcp or udp port 53\"");
        replay(&capture, &["--pps=2000"]);
        // The last frame that passes is a question, over IPv6.
        let events = || sensor.capture("kernel_packets_total");
        sensor.until("the filtered packets", |sensor| {
            0 < sensor.capture("packets_total") && sensor.capture("packets_total") == events()
        });
        let found = sensor.stop(folder);
        assert!(!found.is_empty());
        for event in found {
            let is_dns = event
                .get("destination.port")
                .is_some_and(|port| port.to_string() == "53");
            assert!(is_dns || event.text("network.vlan.id") == Some("7"), "{event:?}");
        }
    });
}

#[test]
fn an_interface_that_is_deleted_does_not_end_the_sensor() {
    on_a_cable("an_interface_that_is_deleted_does_not_end_the_sensor", |folder| {
        let capture = folder.join("mixed.pcap");
        fs::write(&capture, &frames::mixed().bytes).unwrap();
        let sensor = listening(folder, "");
        let sent = replay(&capture, &["--topspeed"]);
        sensor.saw(sent);
        ip("link del near");
        sensor.until("the loss", |sensor| sensor.capture("interfaces_lost_total") == 1);
        sensor.until("an end of listening", |sensor| sensor.capture("interfaces") == 0);
        cable();
        ip("link set near mtu 65535");
        ip("link set far mtu 65535");
        sensor.until("another ring", |sensor| sensor.capture("interfaces") == 1);
        let again = replay(&capture, &["--topspeed"]);
        sensor.saw(sent + again);
        // Down is as good as gone; what had come just before it is not.
        replay(&capture, &["--topspeed"]);
        ip("link set far down");
        sensor.until("the second loss", |sensor| {
            sensor.capture("interfaces_lost_total") == 2
        });
        let found = sensor.stop(folder);
        let number = |event: &Fields, name| -> u64 {
            let said = event.get(name).map(ToString::to_string);
            said.map_or(0, |said| said.parse().unwrap())
        };
        let packets: u64 = found
            .iter()
            .filter(|event| event.text("event.dataset") == Some("network.flow"))
            .filter(|event| number(event, "destination.port") == 8080)
            .map(|event| number(event, "source.packets") + number(event, "destination.packets"))
            .sum();
        // Five of each family, three times.
        assert_eq!(packets, 30);
    });
}

#[test]
fn what_a_full_spool_has_no_room_for_is_shed_and_counted() {
    on_a_cable(
        "what_a_full_spool_has_no_room_for_is_shed_and_counted",
        |folder| {
            let (capture, connections) = (folder.join("flood.pcap"), 4_000);
            fs::write(&capture, &frames::flood(connections).bytes).unwrap();
            // Nobody is at the other end of the bus.
            let more = "bus: { kafka: { bootstrap: \"127.0.0.1:1\" } }\nspool_bytes_max: 100000";
            let sensor = Sensor::start_with(folder, "capture: { interface: far, flows_max: 100 }", more);
            sensor.until("a ring", |sensor| sensor.capture("interfaces") == 1);
            let sent = replay(&capture, &["--pps=4000"]);
            sensor.saw(sent);
            let read = sensor.capture("packets_total");
            sensor.until("all but the open flows", |sensor| {
                sensor.figure("ingest_records_read_total") == read - 100
            });
            // Turned away, or given up for what came later.
            let shed = |sensor: &Sensor| {
                sensor.figure("ingest_records_shed_total") + sensor.figure("ingest_spooled_shed_total")
            };
            assert!(0 < shed(&sensor), "{}", sensor.metrics.render());
            let metrics = sensor.metrics.clone();
            let found = sensor.stop(folder);
            let spooled_shed = metrics.spooled_shed.with_label_values(&["flow", "full"]);
            let shed = metrics.records_shed.with_label_values(&["capture"]).get() + spooled_shed.get();
            assert_eq!(found.len() as u64 + shed, read);
            assert!(!found.is_empty());
        },
    );
}

#[test]
fn a_flood_of_connections_is_held_in_a_table_of_bounded_size() {
    on_a_cable(
        "a_flood_of_connections_is_held_in_a_table_of_bounded_size",
        |folder| {
            let (capture, connections, flows_max) = (folder.join("flood.pcap"), 20_000, 500);
            fs::write(&capture, &frames::flood(connections).bytes).unwrap();
            let sensor = listening(
                folder,
                &format!(", flows_max: {flows_max}, buffer_bytes: 67108864"),
            );
            let sent = replay(&capture, &["--pps=10000"]);
            assert_eq!(sent, u64::from(connections));
            sensor.saw(sent);
            let (read, live) = (sensor.capture("packets_total"), sensor.capture("flows"));
            assert_eq!(live, flows_max.min(read));
            assert_eq!(sensor.capture("flows_evicted_total"), read - live);
            let shed = sensor.figure("ingest_records_shed_total");
            let found = sensor.stop(folder);
            // Whatever could not be taken while it went on is counted; all else arrived.
            assert_eq!(found.len() as u64 + shed, read);
        },
    );
}
