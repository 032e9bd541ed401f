//! What others' sensors were seen to fail at, one test each: disks, restarts, a bus that is away, clocks that are set.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what fails in a test's helper fails the test; what was skipped is told"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ingest::metrics::Metrics;
use ingest::spool::{Cause, FOLDER, Room, Spool, SpoolError, Stream};
use ingest::{agent, clock::Clock, config};
use ingest_bus::{Bus, BusConfig, PollLimit, Subscription, Topic};
use ingest_event::{Timestamp, codec::flatten};
use tokio_util::sync::CancellationToken;

/// Nobody listens there.
const AWAY: &str = "kafka: { bootstrap: \"127.0.0.1:1\" }";

fn written(directory: &Path, bus: &str, more: &str) -> String {
    let root = directory.display();
    let bus = bus.replace("ROOT", &root.to_string());
    format!(
        "sensor: sensor-1\norganization: \"964965226\"\nstate: {root}/state\ncanary_secs: 0\nprivacy: [{{ level: full }}]\nbus: {{ {bus} }}\n{more}"
    )
}

const THERE: &str = "embedded: { directory: ROOT/bus }";

/// Puts events into a sensor's spool, each some bytes of noise, `per_append` at a time.
fn backlog(directory: &Path, appends: u64, per_append: u64, bytes: usize) {
    let mut spool = Spool::open(&directory.join("state"), 1 << 30).expect("opens");
    let mut seed = 1_u64;
    for _ in 0..appends {
        let mut append = spool.append(Room::Wait);
        for _ in 0..per_append {
            let mut value = Vec::with_capacity(bytes + 8);
            while value.len() < bytes {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                value.extend_from_slice(&seed.to_be_bytes());
            }
            append.event(Stream::Log, Timestamp::EPOCH, |_| (b"key".to_vec(), value));
        }
        append.commit().expect("commits");
    }
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("state").join(FOLDER)).expect("reads");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("reads").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "segment"));
    paths.sort();
    paths
}

/// Runs a sensor without sources until its spool is empty; what it published.
async fn empty(directory: &Path) -> Metrics {
    let text = written(directory, THERE, "exit_when_done: true\nsources: []\n");
    let config = config::parse(&text, "sensor.yml").expect("reads");
    let bus = Bus::open(&config.bus).await.expect("opens");
    let metrics = Metrics::new().expect("registers");
    let run = agent::run_with(
        config,
        bus,
        Clock::System,
        metrics.clone(),
        CancellationToken::new(),
    );
    run.await.expect("runs");
    metrics
}

#[tokio::test]
async fn a_corrupt_record_does_not_stop_the_sink() {
    let directory = tempfile::tempdir().expect("a directory");
    backlog(directory.path(), 3, 10, 100);
    let path = segments(directory.path()).pop().expect("one");
    let mut bytes = fs::read(&path).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("writes");
    let metrics = empty(directory.path()).await;
    assert_eq!(metrics.events_published.get(), 20);
    assert_eq!(
        metrics.spooled_shed.with_label_values(&["log", "damaged"]).get(),
        10
    );
    assert_eq!(metrics.spool_bytes.get(), 0);
}

#[tokio::test]
async fn chunks_are_not_discarded_on_a_restart_nor_sent_again() {
    let directory = tempfile::tempdir().expect("a directory");
    backlog(directory.path(), 5, 10, 100);
    for _ in 0..3 {
        let text = written(directory.path(), AWAY, "sources: []\n");
        let config = config::parse(&text, "sensor.yml").expect("reads");
        let bus = Bus::open(&config.bus).await.expect("opens");
        let (metrics, stop) = (Metrics::new().expect("registers"), CancellationToken::new());
        let running = tokio::spawn(agent::run_with(
            config,
            bus,
            Clock::System,
            metrics.clone(),
            stop.clone(),
        ));
        while metrics.spool_bytes.get() == 0 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        running.await.expect("joins").expect("ends well");
    }
    assert_eq!(empty(directory.path()).await.events_published.get(), 50);
    assert_eq!(empty(directory.path()).await.events_published.get(), 0);
}

#[test]
fn a_bad_configuration_at_a_restart_keeps_the_backlog() {
    let directory = tempfile::tempdir().expect("a directory");
    backlog(directory.path(), 5, 10, 100);
    let before: Vec<_> = segments(directory.path())
        .iter()
        .map(|path| fs::read(path).expect("reads"))
        .collect();
    for more in [
        "sources: []\nspool_bytes: 5\n",
        "sources: []\nspool_bytes_max: 0\n",
        "sources: [[\n",
    ] {
        let path = directory.path().join("sensor.yml");
        fs::write(&path, written(directory.path(), THERE, more)).expect("writes");
        let mut command = Command::new(env!("CARGO_BIN_EXE_varde-sensor"));
        let status = command
            .args(["run", "--config"])
            .arg(&path)
            .stderr(Stdio::null())
            .status()
            .expect("runs");
        assert_eq!(status.code(), Some(78), "{more}");
    }
    let after: Vec<_> = segments(directory.path())
        .iter()
        .map(|path| fs::read(path).expect("reads"))
        .collect();
    assert!(before == after);
}

#[test]
fn a_start_with_a_big_backlog_takes_bounded_memory() {
    const BACKLOG_BYTES: u64 = 96 << 20;
    let directory = tempfile::tempdir().expect("a directory");
    backlog(directory.path(), BACKLOG_BYTES >> 19, 128, 4_096);
    let on_disk: u64 = segments(directory.path())
        .iter()
        .map(|path| fs::metadata(path).expect("reads").len())
        .sum();
    assert!(BACKLOG_BYTES <= on_disk);
    let path = directory.path().join("sensor.yml");
    fs::write(
        &path,
        written(directory.path(), THERE, "exit_when_done: true\nsources: []\n"),
    )
    .expect("writes");
    let mut command = Command::new(env!("CARGO_BIN_EXE_varde-sensor"));
    let mut sensor = command
        .args(["run", "--config"])
        .arg(&path)
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut most_kib = 0_u64;
    let status = loop {
        let said = fs::read_to_string(format!("/proc/{}/status", sensor.id())).unwrap_or_default();
        let peak = said.lines().find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        });
        most_kib = most_kib.max(peak.unwrap_or(0));
        if let Some(status) = sensor.try_wait().expect("waits") {
            break status;
        }
        std::thread::yield_now();
    };
    assert!(status.success(), "{status}");
    println!(
        "{} MiB at most, for a backlog of {} MiB",
        most_kib >> 10,
        on_disk >> 20
    );
    assert!(most_kib < BACKLOG_BYTES >> 10, "{most_kib} KiB");
    assert!(segments(directory.path()).is_empty(), "all of it went out");
}

/// Calls this test again where a small file system in memory is mounted on `folder`; false in the one that called.
fn on_a_small_disk(name: &str, folder: &Path) -> bool {
    const INSIDE: &str = "VARDE_SMALL_DISK";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let script = format!(
        "mount -t tmpfs -o size=1m tmpfs '{}' || exit 77; exec \"$0\" --exact {name} --nocapture",
        folder.display()
    );
    let this = std::env::current_exe().expect("has a path");
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-c", &script])
        .arg(this)
        .env(INSIDE, folder);
    let output = command.output().expect("runs unshare");
    if output.status.code() == Some(77) || String::from_utf8_lossy(&output.stderr).contains("unshare failed")
    {
        assert!(
            std::env::var_os("CI").is_none(),
            "no rights to mount: run as root"
        );
        println!("skipped: {name}, no rights to mount a disk");
        return false;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}{said}",
        String::from_utf8_lossy(&output.stdout)
    );
    false
}

#[test]
fn full_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    if !on_a_small_disk("full_disk", directory.path()) {
        return;
    }
    let folder = PathBuf::from(std::env::var_os("VARDE_SMALL_DISK").expect("is set"));
    let mut spool = Spool::open(&folder, 1 << 30).expect("opens");
    let add = |spool: &mut Spool, stream: Stream, room: Room, seed: u64| {
        let mut append = spool.append(room);
        let mut value = Vec::new();
        let mut state = seed | 1;
        for _ in 0..4_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            value.extend_from_slice(&state.to_be_bytes());
        }
        append.event(stream, Timestamp::EPOCH, |_| (Vec::new(), value));
        append.commit()
    };
    for seed in 0..10 {
        add(&mut spool, Stream::Alert, Room::Make, seed).expect("has room");
    }
    for seed in 0..100 {
        add(&mut spool, Stream::Flow, Room::Make, seed).expect("makes room");
    }
    assert_eq!(spool.held(Stream::Alert).records, 10, "what is important stays");
    let flows = spool.held(Stream::Flow).records;
    assert!(0 < flows && flows < 100, "{flows}");
    let losses = spool.losses();
    assert_eq!(losses.len(), 1);
    assert_eq!(
        (losses[0].stream, losses[0].cause, losses[0].records),
        (Stream::Flow, Cause::Disk, 100 - flows)
    );
    // What can wait sheds nothing, and waits.
    let refused = loop {
        match add(&mut spool, Stream::Log, Room::Wait, 7) {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, SpoolError::NoRoom), "{refused:?}");
    let held = Stream::ALL.map(|stream| spool.held(stream).records);
    // A start on the full disk finds all of it, and what is important still gets in.
    drop(spool);
    let mut spool = Spool::open(&folder, 1 << 30).expect("opens");
    assert_eq!(Stream::ALL.map(|stream| spool.held(stream).records), held);
    add(&mut spool, Stream::Alert, Room::Make, 11).expect("makes room");
    let mut seen = 0;
    while !spool.oldest().is_empty() {
        seen += 1;
        spool.published().expect("notes");
    }
    assert!(0 < seen && spool.bytes() == 0);
}

/// What comes over TCP waits while the disk is full, and nothing of it is turned away.
async fn waits_for_the_disk(folder: &Path, address: &str) {
    const LINES: u64 = 100;
    let root = folder.join(address.replace(':', "-"));
    fs::create_dir(&root).expect("makes");
    let free = std::net::TcpListener::bind((address, 0)).expect("binds");
    let listen = free.local_addr().expect("bound");
    drop(free);
    let more = format!("sources:\n  - syslog_tcp: {{ listen: \"{listen}\" }}\n");
    let config = config::parse(&written(&root, AWAY, &more), "sensor.yml").expect("reads");
    let bus = Bus::open(&config.bus).await.expect("opens");
    let (metrics, stop) = (Metrics::new().expect("registers"), CancellationToken::new());
    let run = agent::run_with(config, bus, Clock::System, metrics.clone(), stop.clone());
    let running = tokio::spawn(run);
    let mut sender = loop {
        match std::net::TcpStream::connect(listen) {
            Ok(sender) => break sender,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let mut ballast = fs::File::create(root.join("ballast")).expect("creates");
    while ballast.write_all(&[1; 4_096]).is_ok() {}
    for number in 0..LINES {
        let line = format!("<38>Mar  2 08:15:00 gate app: {number}\n");
        sender.write_all(line.as_bytes()).expect("sends");
    }
    while metrics.spool_failures.get() == 0 {
        assert!(!running.is_finished(), "the sensor ended");
        tokio::task::yield_now().await;
    }
    drop(ballast);
    fs::remove_file(root.join("ballast")).expect("removes");
    let read = || metrics.records_read.with_label_values(&["syslog"]).get();
    while read() < LINES {
        assert!(!running.is_finished(), "the sensor ended");
        tokio::task::yield_now().await;
    }
    assert_eq!(read(), LINES, "{address}");
    assert_eq!(metrics.records_shed.with_label_values(&["syslog_tcp"]).get(), 0);
    stop.cancel();
    running.await.expect("joins").expect("ends well");
    fs::remove_dir_all(&root).expect("removes");
}

#[tokio::test]
async fn what_comes_over_tcp_waits_for_a_full_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    if !on_a_small_disk("what_comes_over_tcp_waits_for_a_full_disk", directory.path()) {
        return;
    }
    let folder = PathBuf::from(std::env::var_os("VARDE_SMALL_DISK").expect("is set"));
    waits_for_the_disk(&folder, "127.0.0.1").await;
    waits_for_the_disk(&folder, "::1").await;
}

/// Sends and appends ten of each, as they come in a minute.
fn a_minute(directory: &Path, listen: std::net::SocketAddr, minute: u64) {
    let sender = std::net::UdpSocket::bind((listen.ip(), 0)).expect("binds");
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("log"));
    let mut log = log.expect("opens");
    for number in minute * 10..(minute + 1) * 10 {
        writeln!(log, "Mar  2 08:15:00 gate app: file {number}").expect("writes");
        let message = format!("<38>Mar  2 08:15:00 gate app: udp {number}");
        sender.send_to(message.as_bytes(), listen).expect("sends");
    }
}

async fn an_hour_away(address: &str) {
    const MINUTES: u64 = 60;
    let directory = tempfile::tempdir().expect("a directory");
    let free = std::net::UdpSocket::bind((address, 0)).expect("binds");
    let listen = free.local_addr().expect("bound");
    drop(free);
    let root = directory.path().display();
    let more = format!(
        "sources:\n  - file: {{ path: {root}/log, year: 2026, follow: true }}\n  - syslog_udp: {{ listen: \"{listen}\" }}\n"
    );
    let start: Timestamp = "2026-03-02T08:15:00Z".parse().expect("a time");
    let nanos = Arc::new(AtomicI64::new(start.as_nanos()));
    // Away, away after a restart, and there again.
    let mut carried = 0;
    for (run, bus) in [AWAY, AWAY, THERE].into_iter().enumerate() {
        let config = config::parse(&written(directory.path(), bus, &more), "sensor.yml").expect("reads");
        let bus = Bus::open(&config.bus).await.expect("opens");
        let (metrics, stop) = (Metrics::new().expect("registers"), CancellationToken::new());
        let clock = Clock::Manual(Arc::clone(&nanos));
        let running = tokio::spawn(agent::run_with(config, bus, clock, metrics.clone(), stop.clone()));
        let read = || metrics.records_read.with_label_values(&["syslog"]).get();
        let half = if run < 2 { MINUTES / 2 } else { 0 };
        // Nobody hears a datagram that comes before the socket is there.
        let is_bound = || {
            let path = if listen.is_ipv4() {
                "/proc/net/udp"
            } else {
                "/proc/net/udp6"
            };
            let port = format!(":{:04X} ", listen.port());
            fs::read_to_string(path).is_ok_and(|table| table.contains(&port))
        };
        while !is_bound() {
            assert!(!running.is_finished(), "the sensor ended");
            tokio::task::yield_now().await;
        }
        for minute in 0..half {
            a_minute(directory.path(), listen, run as u64 * half + minute);
            while read() < (minute + 1) * 20 {
                assert!(!running.is_finished(), "the sensor ended");
                tokio::task::yield_now().await;
            }
            // A minute, with a day forward and back in between.
            let day = 24 * 60;
            let minutes = match minute {
                10 => day,
                20 => -day,
                _ => 1,
            };
            nanos.fetch_add(minutes * 60_000_000_000, Ordering::Relaxed);
        }
        while run == 2 && metrics.events_published.get() < carried {
            assert!(!running.is_finished(), "the sensor ended");
            tokio::task::yield_now().await;
        }
        stop.cancel();
        running.await.expect("joins").expect("ends well");
        carried += half * 20;
        let shed: u64 = ["log", "flow", "alert"]
            .map(|stream| metrics.spooled_shed.with_label_values(&[stream, "full"]).get())
            .iter()
            .sum();
        assert_eq!(
            shed + metrics.records_shed.with_label_values(&["syslog_udp"]).get(),
            0
        );
    }
    let expected: BTreeSet<String> = ["file", "udp"]
        .iter()
        .flat_map(|kind| (0..MINUTES * 10).map(move |number| format!("{kind} {number}")))
        .collect();
    let (said, ids) = arrived(directory.path()).await;
    assert_eq!(said, expected, "{address}");
    assert_eq!(ids.len(), expected.len(), "{address}: once by id");
}

/// The last two words of each message on the bus, and the ids.
async fn arrived(directory: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let bus = BusConfig::Embedded {
        directory: directory.join("bus"),
    };
    let bus = Bus::open(&bus).await.expect("opens");
    let topic = Topic::parse("varde.events.964965226").expect("a name");
    let ends = bus.end_positions(&topic).await.expect("reads");
    let wanted: usize = ends.iter().map(|position| position.offset as usize).sum();
    let mut consumer = bus
        .consumer("test", Subscription::Topics(vec![topic]))
        .expect("opens");
    let (mut seen, mut said, mut ids) = (0, BTreeSet::new(), BTreeSet::new());
    while seen < wanted {
        let limit = PollLimit {
            records: 5_000,
            bytes: 64 << 20,
            wait: Duration::from_secs(5),
        };
        let batch = consumer.poll(limit).await.expect("polls");
        seen += batch.deliveries.len();
        for delivery in &batch.deliveries {
            let event = flatten(&delivery.record.value).expect("JSON");
            let words: Vec<_> = event
                .text("message")
                .expect("has one")
                .rsplit(' ')
                .take(2)
                .collect();
            said.insert(format!("{} {}", words[1], words[0]));
            ids.insert(event.text("event.id").expect("has one").to_owned());
        }
    }
    (said, ids)
}

#[tokio::test]
async fn the_bus_is_away_for_an_hour_with_a_restart_and_clock_steps_in_it() {
    an_hour_away("127.0.0.1").await;
    an_hour_away("::1").await;
}
