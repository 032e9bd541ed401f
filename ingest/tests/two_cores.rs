//! The same capture gives the same bytes, time after time, on one core and on two.
//!
//! The test runs itself again, once for each time, bound to the cores in question.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "what fails in a test's helper fails the test"
)]

use std::{
    env, fs,
    path::Path,
    process::Command,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use ingest::{agent, clock::Clock, config};
use ingest_bus::{Bus, BusConfig, PollLimit, Subscription, Topic};
use tokio_util::sync::CancellationToken;

/// Says which folder the sensor of this run works in.
const FOLDER: &str = "VARDE_TEST_FOLDER";
/// As often as a person would try it to be sure.
const TIMES: usize = 10;
/// The clock stands still: what an event says of when it was made is the same each time.
const NOW_NANOS: i64 = 1_772_438_400_000_000_000;

#[test]
fn a_capture_gives_the_same_bytes_ten_times_on_one_core_and_on_two() {
    if let Some(folder) = env::var_os(FOLDER) {
        return run(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    // What a sensor makes at its first start, such as keys, is the same for all.
    let first = folder.path().join("first");
    fs::create_dir(&first).unwrap();
    fs::write(first.join("source"), "{\"message\":\"nothing\"}\n").unwrap();
    again(&first, "0");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../replay-data/cases");
    for case in ["ordinary-traffic/capture.pcapng", "web-probing/capture.pcap.gz"] {
        let mut expected = Vec::new();
        for time in 0..TIMES {
            let own = folder.path().join(case.replace('/', "-")).join(time.to_string());
            fs::create_dir_all(&own).unwrap();
            copy(&first.join("state"), &own.join("state"));
            fs::copy(cases.join(case), own.join("source")).unwrap();
            again(&own, ["0", "0,1"][time % 2]);
            let told = fs::read(own.join("told")).unwrap();
            assert!(10_000 < told.len(), "{case}: {} bytes", told.len());
            if time == 0 {
                expected = told;
            } else {
                assert!(told == expected, "{case}: time {time} differs");
            }
        }
        println!("{case}: {} bytes", expected.len());
    }
}

/// Runs this test's sensor in a folder, on these cores.
fn again(folder: &Path, cores: &str) {
    let test = "a_capture_gives_the_same_bytes_ten_times_on_one_core_and_on_two";
    let bound = |cores: &str| {
        Command::new("taskset")
            .args(["-c", cores])
            .arg(env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(FOLDER, folder)
            .output()
            .unwrap()
    };
    let output = bound(cores);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{cores}: {told}");
}

/// Reads the folder's source to its end, and writes down all that is on the bus then.
fn run(folder: &Path) {
    let root = folder.display();
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nstate: {root}/state\ncanary_secs: 0\n\
         home_networks: [10.20.0.0/16, \"2001:db8:20::/48\"]\nexit_when_done: true\n\
         bus: {{ embedded: {{ directory: {root}/bus }} }}\nsources:\n  - file: {{ path: source, dataset: x.y }}\n"
    );
    // A file is named in events as it is in the configuration, which must not differ.
    env::set_current_dir(folder).unwrap();
    let config = config::parse(&text, "sensor.yml").unwrap();
    let clock = Clock::Manual(Arc::new(AtomicI64::new(NOW_NANOS)));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let told = runtime.block_on(async {
        let bus = Bus::open(&config.bus).await.unwrap();
        agent::run(config, bus, clock, CancellationToken::new())
            .await
            .unwrap();
        everything(folder).await
    });
    fs::write(folder.join("told"), told).unwrap();
}

/// Keys and values of all events on the bus, in order.
async fn everything(folder: &Path) -> Vec<u8> {
    let directory = folder.join("bus");
    let bus = Bus::open(&BusConfig::Embedded { directory }).await.unwrap();
    let topic = Topic::parse("varde.events.964965226").unwrap();
    let ends = bus.end_positions(&topic).await.unwrap();
    let mut left: u64 = ends.iter().map(|position| position.offset).sum();
    let mut consumer = bus.consumer("test", Subscription::Topics(vec![topic])).unwrap();
    let mut told = Vec::new();
    while left != 0 {
        let limit = PollLimit {
            records: 1_000,
            bytes: 1 << 22,
            wait: Duration::from_secs(5),
        };
        for delivery in consumer.poll(limit).await.unwrap().deliveries {
            left -= 1;
            told.extend(delivery.record.key.iter().flatten());
            told.push(b'\t');
            told.extend_from_slice(&delivery.record.value);
            told.push(b'\n');
        }
    }
    told
}

/// A folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
