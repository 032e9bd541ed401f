//! The sensor as a process: what it may do once it runs, as the kernel tells it of each of its threads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what fails in a test's helper fails the test"
)]

#[path = "../ring/tests/interface/namespace.rs"]
mod namespace;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use namespace::{cable, inside, ip};

/// Capabilities by their bits (`linux/capability.h`).
const NET_BIND_SERVICE: u64 = 1 << 10;
const NET_RAW: u64 = 1 << 13;

/// Lines of a log that wait to be read: more than a test brings.
const LINES_MAX: usize = 1_000;

/// Longest wait for a line that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sensor whose log is read as it comes; it is killed at the end of the test.
struct Sensor {
    child: Child,
    log: mpsc::Receiver<String>,
}

impl Sensor {
    fn start(folder: &Path, sources: &str) -> Self {
        let config = folder.join("sensor.yml");
        let state = folder.display();
        let text = format!(
            "sensor: s\norganization: \"964965226\"\nstate: {state}/state\ncanary_secs: 0\nsources: [{sources}]\nbus: {{ gateway: \
             {{ url: \"https://[::1]:1\", directory: {state}/state/trust }} }}\n"
        );
        fs::write(&config, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_varde-sensor"))
            .args(["run", "--config"])
            .arg(&config)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = mpsc::sync_channel(LINES_MAX);
        std::thread::spawn(move || {
            told.lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self { child, log }
    }

    /// Reads the log on to a line with this in it. A sensor that ends ends its log.
    fn until(&mut self, part: &str) -> String {
        let mut all = Vec::new();
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            if line.contains(part) {
                return line;
            }
            all.push(line);
        }
        panic!("{part:?} never came: {all:#?}");
    }

    /// A number of all threads, which must agree in it.
    fn said(&self, name: &str) -> u64 {
        let mut numbers = BTreeSet::new();
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap() {
            // A thread may have ended since.
            let Ok(status) = fs::read_to_string(thread.unwrap().path().join("status")) else {
                continue;
            };
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            numbers.insert(u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap());
        }
        assert_eq!(numbers.len(), 1, "{name}: {numbers:x?}");
        numbers.pop_first().unwrap()
    }

    #[track_caller]
    fn check(&self, permitted: u64, effective: u64) {
        for (name, expected) in [
            ("CapPrm", permitted),
            ("CapEff", effective),
            ("CapInh", 0),
            ("CapAmb", 0),
            ("NoNewPrivs", 1),
        ] {
            assert_eq!(self.said(name), expected, "{name}");
        }
        // Without the right to, the set stays as it was; a unit of systemd sets it from outside.
        if own("CapEff") & (1 << 8) != 0 {
            assert_eq!(self.said("CapBnd"), 0);
        }
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A number of this process.
fn own(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
}

#[test]
fn a_sensor_of_files_has_no_capability() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    fs::write(&log, "Mar  2 08:15:00 gate app: one\n").unwrap();
    let source = format!(
        "{{ file: {{ path: {}, follow: true, year: 2026 }} }}",
        log.display()
    );
    let mut sensor = Sensor::start(folder.path(), &source);
    let told = sensor.until("rights");
    assert!(told.contains("capabilities: none"), "{told}");
    // By then all threads are there.
    sensor.until("publish; trying again");
    sensor.check(0, 0);
}

/// Which opens the interface after the rights were given up, and again when the interface comes back.
#[test]
fn a_sensor_of_packets_may_open_interfaces_and_nothing_else() {
    inside("a_sensor_of_packets_may_open_interfaces_and_nothing_else", || {
        let folder = tempfile::tempdir().unwrap();
        cable();
        let mut sensor = Sensor::start(folder.path(), "{ capture: { interface: far } }");
        for _ in 0..2 {
            sensor.until("listening to an interface");
            sensor.check(NET_RAW, 0);
            ip("link del near");
            sensor.until("the interface is lost");
            cable();
        }
    });
}

#[test]
fn a_low_port_is_opened_again_by_who_may() {
    inside("a_low_port_is_opened_again_by_who_may", || {
        let folder = tempfile::tempdir().unwrap();
        ip("link set lo up");
        let mut sensor = Sensor::start(folder.path(), "{ syslog_udp: { listen: \"127.0.0.1:514\" } }");
        let told = sensor.until("listening for syslog_udp");
        assert!(told.contains("port=514"), "{told}");
        sensor.check(NET_BIND_SERVICE, NET_BIND_SERVICE);
    });
}

/// A link that is laid into a followed folder, as by somebody who may write there and not where it leads.
#[test]
fn a_file_outside_is_not_opened_whatever_leads_there() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, outside) = (folder.path().join("logs"), folder.path().join("outside"));
    for made in [&logs, &outside] {
        fs::create_dir(made).unwrap();
    }
    let (log, secret) = (logs.join("log"), outside.join("secret"));
    fs::write(&log, "Mar  2 08:15:00 gate app: one\n").unwrap();
    fs::write(&secret, "Mar  2 08:15:00 gate app: secret\n".repeat(2)).unwrap();
    let source = format!(
        "{{ file: {{ path: {}, follow: true, year: 2026 }} }}",
        log.display()
    );
    let mut sensor = Sensor::start(folder.path(), &source);
    let told = sensor.until("rights");
    if told.contains("no Landlock") {
        return namespace::skip("this kernel has no Landlock");
    }
    sensor.until("publish; trying again");
    fs::rename(&log, logs.join("log.1")).unwrap();
    std::os::unix::fs::symlink(&secret, &log).unwrap();
    let told = sensor.until("Permission denied");
    assert!(told.contains("logs/log"), "{told}");
    // With a file in the link's place it goes on.
    fs::remove_file(&log).unwrap();
    fs::write(&log, "Mar  2 08:15:00 gate app: two\n").unwrap();
    while ingest::spool::records_given(&folder.path().join("state")) < 2 {
        assert!(sensor.child.try_wait().unwrap().is_none(), "the sensor ended");
        std::thread::yield_now();
    }
    drop(sensor);
    assert_eq!(ingest::spool::records_given(&folder.path().join("state")), 2);
}
